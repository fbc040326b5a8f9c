"""Scores of maps against regions."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import i0
from small_nets import explanation

from fibrolib.attribution import (
    phase_locking,
    summarise_shares,
)


def marked(shape, *places):
    region = np.zeros(shape, dtype=bool)
    for place in places:
        region[place] = True
    return region


def test_a_map_without_preference_scores_the_share_of_area():
    roi = marked((2, 4, 4), np.s_[:, 0])
    found = explanation(np.ones((2, 4, 4)), roi=roi).mask_scores()
    assert found.relevance == found.area == found.rank == found.pointing == 0.25


def test_only_the_sector_counts():
    sector = marked((4, 4), np.s_[:2])
    relevance = np.zeros((1, 4, 4))
    relevance[0, 0, 0], relevance[0, 1, 1], relevance[0, 3, 3] = 3, 1, 100
    found = explanation(relevance, roi=marked((1, 4, 4), np.s_[0, 0]), sector=sector).mask_scores()
    assert (found.relevance, found.area, found.pointing) == (0.75, 0.5, 1.0)


def test_ranks_by_hand():
    # Five places are marked; the five highest are 9 8 7 6 5, of which 9, 8 and 6 are marked.
    relevance = np.array([[[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]])
    found = explanation(relevance, roi=marked((1, 1, 10), np.s_[0, 0, [0, 1, 3, 6, 8]])).mask_scores()
    assert (found.rank, found.pointing, found.area) == (0.6, 1.0, 0.5)
    assert found.relevance == pytest.approx((9 + 8 + 6 + 3 + 1) / 45)


def test_ties_count_by_their_share():
    # Two marked. The highest (3) is not; of the three places with a 2, which compete for the one place left, one is.
    relevance = np.array([[[3, 2, 2, 2, 0]]])
    found = explanation(relevance, roi=marked((1, 1, 5), np.s_[0, 0, [1, 4]])).mask_scores()
    assert found.rank == pytest.approx((0 + 1 / 3) / 2)
    assert found.pointing == 0


def test_an_empty_map_has_no_scores():
    found = explanation(np.zeros((1, 4, 4)), roi=np.ones((1, 4, 4), dtype=bool)).mask_scores()
    assert np.isnan([found.relevance, found.rank, found.pointing]).all()
    assert found.area == 1


def test_a_region_of_ones_own():
    relevance = np.zeros((2, 4, 4))
    relevance[1, 2, 3] = 1
    assert explanation(relevance).mask_scores(marked((2, 4, 4), np.s_[1, 2, 3])).relevance == 1
    with pytest.raises(ValueError, match="no marked region"):
        explanation(relevance).mask_scores()


def test_depth_is_counted_from_the_top_of_the_sector():
    sector = marked((10, 6), np.s_[2:])
    relevance = np.zeros((3, 10, 6))
    relevance[:, 4:6] = 1
    bands = explanation(relevance, sector=sector).by_depth(n_bands=4)
    assert bands["depth"].tolist() == [0.125, 0.375, 0.625, 0.875]
    assert bands["relevance"].tolist() == [0, 1, 0, 0]
    assert bands["area"].tolist() == [0.25] * 4


def test_summary_by_hand():
    table = pd.DataFrame(
        {
            "method": ["a"] * 4 + ["b"] * 2,
            "relevance": [0.2, 0.4, 0.6, np.nan, 0.1, 0.1],
            "area": [0.1, 0.1, 0.2, 0.1, 0.1, 0.1],
            "rank": [0.0, 0.5, 1.0, np.nan, 0.1, 0.1],
            "pointing": [0.0, 0.0, 1.0, np.nan, 0.0, 0.0],
        }
    )
    found = summarise_shares(table).set_index("method")
    assert (found.loc["a", "n"], found.loc["a", "empty"]) == (3, 1)
    assert found.loc["a", "ratio"] == pytest.approx(3.0)
    assert found.loc["a", "pointing"] == pytest.approx(1 / 3)
    # The extremes: three times the patient with the lowest ratio, and with the highest.
    assert 2 <= found.loc["a", "ratio_low"] < 3 < found.loc["a", "ratio_high"] <= 4
    assert np.isnan(found.loc["b", "ratio_low"])


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        area = random.uniform(0.04, 0.08, 60)
        shares = pd.DataFrame(
            {"relevance": area * random.uniform(1, 3, 60), "area": area, "rank": 0.0, "pointing": 0.0}
        )
        row = summarise_shares(shares, seed=seed, n_resamples=500).iloc[0]
        covered += row["ratio_low"] <= 2 <= row["ratio_high"]
    assert covered >= 89  # binomial(100, .95): fewer once in a hundred


BEATS, FPS, RATE = 2, 20.0, 60.0
TIMES = np.arange(int(BEATS * FPS)) / FPS


def beating(lag, *, still=False):
    """Frames whose change has its peak once a beat, and relevance that follows it by so much of a beat."""
    wave = 1 + np.cos(2 * np.pi * TIMES)
    steps = 0 * wave if still else 12 * wave * (-1.0) ** np.arange(len(TIMES))
    frames = np.broadcast_to((100 + steps)[:, None, None], (len(TIMES), 4, 4))
    relevance = np.broadcast_to((1 + np.cos(2 * np.pi * (TIMES - lag)))[:, None, None], frames.shape)
    return explanation(relevance, frames=frames.astype(np.uint8), fps=FPS)


def test_movement_by_hand():
    frames = np.zeros((3, 2, 2), np.uint8)
    frames[1], frames[2] = 10, 4
    frames[:, 0, 0] = [0, 200, 0]
    sector = np.array([[False, True], [True, True]])
    cam = explanation(np.zeros(frames.shape), frames=frames, sector=sector)
    np.testing.assert_allclose(cam.movement, [10, 8, 6])
    assert explanation(np.zeros((1, 2, 2)), frames=frames[:1], sector=sector).movement == [0]


@pytest.mark.parametrize("lag", [-0.25, 0.0, 0.1, 0.4])
def test_a_planted_lag_is_found(lag):
    assert beating(lag).heartbeat_lag(RATE) == pytest.approx(lag, abs=0.03)


def test_no_lag_without_movement_or_without_a_whole_beat():
    assert np.isnan(beating(0.0, still=True).heartbeat_lag(RATE))
    assert np.isnan(beating(0.0).heartbeat_lag(RATE / 3))
    assert np.isnan(explanation(np.zeros((40, 4, 4))).heartbeat_lag(RATE))


def test_shares_over_time_add_up():
    curve = beating(0.1).over_time()
    assert curve["relevance"].sum() == pytest.approx(1)
    np.testing.assert_allclose(curve["time"], TIMES)


def test_correlation_with_movement():
    assert beating(0.0).movement_correlation() > 0.95
    assert beating(0.5).movement_correlation() < -0.95
    assert np.isnan(beating(0.0, still=True).movement_correlation())


def test_equal_lags_are_locked_and_spread_ones_are_not():
    locked = phase_locking([0.2, 0.21, 0.19, 0.2, np.nan])
    assert (locked.n, locked.lag) == (4, pytest.approx(0.2, abs=1e-3))
    assert locked.strength > 0.99
    assert locked.p < 0.02
    spread = phase_locking(np.arange(8) / 8)
    assert spread.strength == pytest.approx(0, abs=1e-12)
    assert spread.p == 1
    assert np.isnan(phase_locking([np.nan]).p)


def test_rayleigh_p_is_uniform_where_there_is_no_locking():
    random = np.random.default_rng(0)
    p = np.array([phase_locking(random.random(17)).p for _ in range(2000)])
    for level in (0.05, 0.2, 0.5):
        assert (p < level).mean() == pytest.approx(level, abs=0.035)


def test_strength_of_a_von_mises_distribution():
    # Its mean resultant length is I1(k) / I0(k); with k = 2, .698 (Mardia & Jupp).
    random = np.random.default_rng(1)
    lags = random.vonmises(0, 2.0, 20000) / (2 * np.pi)
    angle = np.linspace(0, np.pi, 2001)
    first = np.trapezoid(np.exp(2.0 * np.cos(angle)) * np.cos(angle), angle) / np.pi
    assert phase_locking(lags).strength == pytest.approx(first / i0(2.0), abs=0.01)
