"""Partial areas against scikit-learn, against the whole area, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special
from sklearn.metrics import roc_auc_score, roc_curve

from fibrolib.inference import auc, auc_ci, delong_test, partial_auc, partial_auc_test


def sample(seed: int, decimals: int = 8):
    rng = np.random.default_rng(seed)
    y = np.repeat([1, 0], (18, 25))
    return y, *((shift * y + rng.normal(size=43)).round(decimals) for shift in (1.2, 0.6))


@pytest.mark.parametrize("decimals", [8, 1, 0])
@pytest.mark.parametrize("least", [0.05, 0.5, 0.9, 0.97])
def test_standardised_area_is_that_of_scikit_learn(least, decimals):
    y, score, _ = sample(1, decimals)
    expected = roc_auc_score(y, score, max_fpr=1 - least)
    assert partial_auc(y, score, (least, 1), standardise=True).value == pytest.approx(expected, abs=1e-12)
    # McClish: from the raw area, that of chance and the greatest.
    raw, width = partial_auc(y, score, (1, least)).value, 1 - least
    assert expected == pytest.approx((1 + (raw - width**2 / 2) / (width - width**2 / 2)) / 2)


@pytest.mark.parametrize("decimals", [8, 0])
def test_area_over_sensitivities_lies_right_of_the_curve(decimals):
    y, score, _ = sample(2, decimals)
    fpr, tpr, _ = roc_curve(y, score, drop_intermediate=False)
    heights = np.linspace(0.8, 1, 200_001)[:-1]
    expected = integrate.trapezoid(1 - np.interp(heights, tpr, fpr), heights)
    assert partial_auc(y, score, (0.8, 1), focus="sensitivity").value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("focus", ["specificity", "sensitivity"])
def test_the_whole_range_is_delongs(focus):
    y, a, b = sample(3, 1)
    whole = partial_auc(y, a, (0, 1), focus=focus)
    assert whole.value == pytest.approx(auc(y, a))
    assert whole.standard_error == pytest.approx(auc_ci(y, a, "delong").standard_error)
    parts = [partial_auc(y, a, bounds, focus=focus).value for bounds in ((0, 0.3), (0.3, 1))]
    assert sum(parts) == pytest.approx(whole.value)
    ours, delong = partial_auc_test(y, a, b, (0, 1), focus=focus), delong_test(y, a, b, method="t")
    assert (ours.statistic, ours.pvalue, ours.df) == pytest.approx((delong.statistic, delong.pvalue, delong.df))


def true_area(shift: float, width: float) -> float:
    return integrate.quad(lambda t: special.ndtr(shift + special.ndtri(t)), 0, width)[0]


@pytest.mark.parametrize(("m", "n", "width"), [(50, 200, 0.1), (10, 60, 0.2), (200, 20, 0.1)])
def test_interval_covers_and_test_keeps_its_level(m, n, width):
    rng, y, rejected, covered = np.random.default_rng(n), np.repeat([1, 0], (m, n)), 0, 0
    for _ in range(300):
        shared = np.sqrt(0.6) * rng.normal(size=m + n)
        a, b = (1.5 * y + shared + np.sqrt(0.4) * rng.normal(size=m + n) for _ in range(2))
        found = partial_auc(y, a, (1 - width, 1))
        covered += found.low <= true_area(1.5, width) <= found.high
        rejected += partial_auc_test(y, a, b, (1 - width, 1)).pvalue < 0.05
    # Binomial (300, 0.05) stays below 27 with probability 0.998.
    assert covered / 300 > 0.91
    assert rejected < 27


def test_rescaling_below_chance_has_a_note():
    y = np.repeat([0, 1], 10)
    assert "below chance" in partial_auc(y, -y, (0, 0.5), standardise=True).note
    assert "below chance" not in partial_auc(y, -y, (0, 0.5)).note


def test_flawless_scores_have_an_interval():
    y = np.repeat([1, 0], 12)
    found = partial_auc(y, y + np.arange(24) / 100, (0.5, 1))
    assert found.value == pytest.approx(found.high) == pytest.approx(0.5)
    assert 0.2 < found.low < 0.4
    assert "only 6 patients in the range" in found.note
    assert "the variance is zero: limits after Wilson" in found.note


def test_a_variance_of_zero_allows_no_test():
    """Of placements cut at a range that are all alike; rounding must not look like a tiny variance."""
    y = np.repeat([1, 0], (23, 17))
    other = np.r_[np.arange(23) + 5.0, 40, 41, np.arange(15) * 0.1]
    settings = [(other, (0.9, 1), "specificity")]
    settings += [(1 - y, bounds, focus) for bounds in ((0.8, 1), (0.93, 1)) for focus in ("specificity", "sensitivity")]
    for score, bounds, focus in settings:
        found = partial_auc_test(y, y, score, bounds, focus=focus)
        assert found.difference > 0
        assert np.isnan([found.pvalue, found.low, found.high]).all()
        assert "the estimated variance is zero although the values differ" in found.note
    assert partial_auc_test(y, y, 2 * y, (0.8, 1)).pvalue == 1


@pytest.mark.parametrize("bounds", [(0.9, 0.9), (90, 100), (0.9,), 0.9])
def test_bounds_are_checked(bounds):
    with pytest.raises(ValueError, match="bounds"):
        partial_auc([0, 0, 1, 1], [1.0, 2, 3, 4], bounds)
