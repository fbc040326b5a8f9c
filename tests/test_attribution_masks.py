"""Scores of maps against regions."""

import numpy as np
import pandas as pd
import pytest
from small_nets import explanation

from fibrolib.attribution import mask_scores, relevance_by_depth, summarise_shares


def marked(shape, *places):
    region = np.zeros(shape, dtype=bool)
    for place in places:
        region[place] = True
    return region


def test_a_map_without_preference_scores_the_share_of_area():
    roi = marked((2, 4, 4), np.s_[:, 0])
    found = mask_scores(explanation(np.ones((2, 4, 4)), roi=roi))
    assert found.relevance == found.area == found.rank == found.pointing == 0.25


def test_only_the_sector_counts():
    sector = marked((4, 4), np.s_[:2])
    relevance = np.zeros((1, 4, 4))
    relevance[0, 0, 0], relevance[0, 1, 1], relevance[0, 3, 3] = 3, 1, 100
    found = mask_scores(explanation(relevance, roi=marked((1, 4, 4), np.s_[0, 0]), sector=sector))
    assert (found.relevance, found.area, found.pointing) == (0.75, 0.5, 1.0)


def test_ranks_by_hand():
    # Five places are marked; the five highest are 9 8 7 6 5, of which 9, 8 and 6 are marked.
    relevance = np.array([[[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]])
    found = mask_scores(explanation(relevance, roi=marked((1, 1, 10), np.s_[0, 0, [0, 1, 3, 6, 8]])))
    assert (found.rank, found.pointing, found.area) == (0.6, 1.0, 0.5)
    assert found.relevance == pytest.approx((9 + 8 + 6 + 3 + 1) / 45)


def test_ties_count_by_their_share():
    # Two marked. The highest (3) is not; of the three places with a 2, which compete for the one place left, one is.
    relevance = np.array([[[3, 2, 2, 2, 0]]])
    found = mask_scores(explanation(relevance, roi=marked((1, 1, 5), np.s_[0, 0, [1, 4]])))
    assert found.rank == pytest.approx((0 + 1 / 3) / 2)
    assert found.pointing == 0


def test_an_empty_map_has_no_scores():
    found = mask_scores(explanation(np.zeros((1, 4, 4)), roi=np.ones((1, 4, 4), dtype=bool)))
    assert np.isnan([found.relevance, found.rank, found.pointing]).all()
    assert found.area == 1


def test_a_region_of_ones_own():
    relevance = np.zeros((2, 4, 4))
    relevance[1, 2, 3] = 1
    assert mask_scores(explanation(relevance), marked((2, 4, 4), np.s_[1, 2, 3])).relevance == 1
    with pytest.raises(ValueError, match="no marked region"):
        mask_scores(explanation(relevance))


def test_depth_is_counted_from_the_top_of_the_sector():
    sector = marked((10, 6), np.s_[2:])
    relevance = np.zeros((3, 10, 6))
    relevance[:, 4:6] = 1
    bands = relevance_by_depth(explanation(relevance, sector=sector), n_bands=4)
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
