"""Relevance through time."""

import numpy as np
import pytest
from scipy.special import i0
from small_nets import explanation

from fibrolib.attribution import heartbeat_lag, movement, movement_correlation, phase_locking, relevance_over_time

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
    np.testing.assert_allclose(movement(frames, sector), [10, 8, 6])
    assert movement(frames[:1], sector) == [0]


@pytest.mark.parametrize("lag", [-0.25, 0.0, 0.1, 0.4])
def test_a_planted_lag_is_found(lag):
    assert heartbeat_lag(beating(lag), RATE) == pytest.approx(lag, abs=0.03)


def test_no_lag_without_movement_or_without_a_whole_beat():
    assert np.isnan(heartbeat_lag(beating(0.0, still=True), RATE))
    assert np.isnan(heartbeat_lag(beating(0.0), RATE / 3))
    assert np.isnan(heartbeat_lag(explanation(np.zeros((40, 4, 4))), RATE))


def test_shares_over_time_add_up():
    course = relevance_over_time(beating(0.1))
    assert course["relevance"].sum() == pytest.approx(1)
    np.testing.assert_allclose(course["time"], TIMES)


def test_correlation_with_movement():
    assert movement_correlation(beating(0.0)) > 0.95
    assert movement_correlation(beating(0.5)) < -0.95
    assert np.isnan(movement_correlation(beating(0.0, still=True)))


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
