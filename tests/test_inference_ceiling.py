"""The share of the way to a ceiling: by hand, by simulation, and where there is no way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from fibrolib.inference import auc, share_of_ceiling
from fibrolib.inference.comparisons import _placed_columns
from fibrolib.inference.roc import _placement_covariance

Y = np.repeat([1, 0], (40, 60))


def scores(rng: np.random.Generator, areas: tuple[float, float]) -> list[np.ndarray]:
    shared = np.sqrt(0.5) * rng.normal(size=len(Y))
    shifts = np.sqrt(2) * special.ndtri(areas)
    return [shift * Y + shared + np.sqrt(0.5) * rng.normal(size=len(Y)) for shift in shifts]


def test_limits_are_where_the_difference_is_no_longer_told_from_zero():
    score, best = scores(np.random.default_rng(1), (0.75, 0.9))
    found = share_of_ceiling(Y, score, best)
    way, whole = auc(Y, score) - 0.5, auc(Y, best) - 0.5
    assert found.value == pytest.approx(way / whole)
    assert found.low < found.value < found.high
    covariance = _placement_covariance(*_placed_columns(Y, np.column_stack((score, best))))
    for limit in found.confidence_interval:
        contrast = np.array([1, -limit])
        z = (way - limit * whole) / np.sqrt(contrast @ covariance @ contrast)
        assert abs(z) == pytest.approx(stats.norm.ppf(0.975))


def test_limits_cover():
    rng = np.random.default_rng(3)
    found = [share_of_ceiling(Y, *scores(rng, (0.7, 0.85))) for _ in range(300)]
    covered = np.mean([each.low <= 0.2 / 0.35 <= each.high for each in found])
    # 300 draws at a true coverage of 0.95 stay above 0.91 with probability 0.998.
    assert covered > 0.91


def test_the_ceiling_covers_all_of_its_own_way():
    (best,) = scores(np.random.default_rng(2), (0.9,))
    found = share_of_ceiling(Y, best, best)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1), abs=1e-6)


def test_there_is_no_way_to_a_ceiling_of_chance():
    rng = np.random.default_rng(0)
    found = share_of_ceiling(Y, rng.normal(size=100), rng.normal(size=100))
    assert np.isnan([found.low, found.high]).all()
    assert "not told from chance" in found.note
    assert np.isnan(share_of_ceiling(Y, rng.normal(size=100), np.zeros(100)).value)
