"""Intervals: closed forms, published limits, scipy's bootstrap, and coverage small enough to be run as a test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from fibrolib.inference import Estimate, InferenceError, auc, auc_ci, estimates_table, wilson
from fibrolib.inference.intervals import _acceleration, _bca_limits, _composite_limits, _newcombe_limits
from fibrolib.inference.metrics import _lr_positive, _recall_macro
from fibrolib.inference.roc import _METHODS as AUC_METHODS

Y = np.repeat([1, 0], (8, 9))


def sample(seed: int, shift: float = 1.0, sizes: tuple[int, int] = (8, 9)) -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat([1, 0], sizes)
    return y, np.random.default_rng(seed).normal(size=len(y)) + shift * y


@pytest.mark.parametrize("method", AUC_METHODS)
@pytest.mark.parametrize("seed", range(5))
def test_every_method_stays_within_zero_and_one_and_holds_the_estimate(method, seed):
    y, score = sample(seed, 1.8)
    found = auc_ci(y, score, method)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.value == auc(y, score)
    assert found.n == 17
    assert found.confidence_interval == (found.low, found.high)


def test_logit_limits_follow_the_closed_form():
    y, score = sample(1)
    found = auc_ci(y, score, "logit")
    for limit, z in ((found.low, -1), (found.high, 1)):
        reach = z * stats.norm.ppf(0.975) * found.standard_error / (found.value * (1 - found.value))
        assert np.log(limit / (1 - limit)) == pytest.approx(np.log(found.value / (1 - found.value)) + reach)


def test_the_default_reaches_from_the_lower_to_the_higher_limit_of_both():
    y, score = sample(1)
    logit, newcombe, found = (auc_ci(y, score, method) for method in ("logit", "newcombe", "auto"))
    assert (found.low, found.high) == (min(logit.low, newcombe.low), max(logit.high, newcombe.high))
    # Three cases: the logit limits alone, with Student's t for a mean of three in place of z.
    score = np.concatenate(([0.5, 20.5, 90.5], np.arange(100)))
    few = auc_ci(np.repeat([1, 0], (3, 100)), score)
    placed = np.array([1, 21, 91]) / 100
    below = (placed[:, None] < 0.01 * np.arange(1, 101)).sum(axis=0) / 3
    variances = placed.var(ddof=1) / 3, below.var(ddof=1) / 100
    df = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 99)
    reach = stats.t.ppf(0.975, df) * few.standard_error / (few.value * (1 - few.value))
    assert few.low == pytest.approx(special.expit(special.logit(few.value) - reach), rel=0.03)


# What was found: the logit interval covers .79, .83, .86, .85 here (true area; None: a five-level score).
@pytest.mark.parametrize(
    ("sizes", "area", "levels"),
    [((5, 200), 0.95, 0), ((3, 100), 0.8, 0), ((10, 200), 0.95, 0), ((50, 50), 0.978, 5)],
)
def test_default_interval_covers_with_few_cases_and_with_levels(sizes, area, levels):
    rng = np.random.default_rng(sum(sizes))
    y = np.repeat([1, 0], sizes)
    shift = np.sqrt(2) * stats.norm.ppf(area)
    cuts = np.linspace(0.5, shift - 0.2, 4) if levels else None

    def seen(score):
        return np.searchsorted(cuts, score).astype(float) if levels else score

    truth = auc(np.repeat([1, 0], 20_000), seen(rng.normal(size=40_000) + np.repeat([shift, 0], 20_000)))
    found = [auc_ci(y, seen(rng.normal(size=len(y)) + shift * y)) for _ in range(300)]
    # 300 draws at a true coverage of 0.95 stay above 0.91 with probability 0.998.
    assert np.mean([each.low <= truth <= each.high for each in found]) > 0.91


def test_newcombe_limits_solve_their_own_equation():
    m, n, area, z = 8, 9, 61 / 72, stats.norm.ppf(0.975)
    for limit in _newcombe_limits(area, m, n):
        spread = 1 + ((m + n) / 2 - 1) * ((1 - limit) / (2 - limit) + limit / (1 + limit))
        assert abs(area - limit) == pytest.approx(z * np.sqrt(limit * (1 - limit) * spread / (m * n)))


@given(st.floats(0, 1), st.integers(1, 300), st.integers(1, 300), st.floats(0.5, 0.999))
def test_newcombe_limits_hold_the_area_and_are_symmetric(area, m, n, level):
    low, high = _newcombe_limits(area, m, n, level)
    assert 0 <= low <= area + 1e-9
    assert area - 1e-9 <= high <= 1
    mirrored = _newcombe_limits(1 - area, n, m, level)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize("method", AUC_METHODS)
@pytest.mark.parametrize(("score", "area", "word"), [(Y, 1, "rightly"), (-Y, 0, "wrongly"), (0 * Y, 0.5, "alike")])
def test_areas_without_variance_get_an_honest_interval_and_a_word(method, score, area, word):
    found = auc_ci(Y, score, method)
    assert found.value == area
    assert found.method == "newcombe"
    assert found.high - found.low > 0.2
    assert word in found.note
    assert word in repr(found)


def test_the_lower_limit_at_one_rises_with_the_sample():
    limits = [_newcombe_limits(1.0, n, n)[0] for n in (2, 5, 10, 100, 1_000_000)]
    assert limits == sorted(limits)
    assert 0.25 < limits[0] < 0.5
    assert limits[-1] > 0.99999


def test_one_patient_in_a_class_is_enough_for_an_interval_and_said():
    found = auc_ci([1, 0, 0, 0, 0], [3, 1, 2, 4, 0])
    assert (found.value, found.method) == (0.75, "newcombe")
    assert np.isnan(found.standard_error)
    assert "one patient in a class" in found.note


def test_small_samples_are_named():
    assert "only 8 patients" in auc_ci(*sample(3)).note
    assert auc_ci(*sample(3, sizes=(30, 30))).note == ""


def test_bootstrap_agrees_with_scipy():
    y, score = sample(7, sizes=(30, 40))
    cases, controls = score[y == 1], score[y == 0]

    def area(a, b, axis=-1):
        return np.mean(np.take(a, range(a.shape[axis]), axis)[..., :, None] > b[..., None, :], axis=(-1, -2))

    theirs = stats.bootstrap((cases, controls), area, method="BCa", n_resamples=4000, random_state=1, batch=200)
    ours = auc_ci(y, score, "bootstrap", n_resamples=20_000, seed=5)
    assert ours.confidence_interval == pytest.approx(theirs.confidence_interval, abs=0.01)
    assert ours == auc_ci(y, score, "bootstrap", n_resamples=20_000, seed=5)
    assert ours != auc_ci(y, score, "bootstrap", n_resamples=20_000, seed=6)


def test_bootstrap_respects_ties_and_blocks(monkeypatch):
    y, score = sample(7, sizes=(30, 40))
    score = np.round(score)
    whole = auc_ci(y, score, "bootstrap", n_resamples=3000)
    assert whole.confidence_interval == pytest.approx(auc_ci(y, score, "logit").confidence_interval, abs=0.05)
    monkeypatch.setattr("fibrolib.inference.roc._BLOCK", 7000)
    assert auc_ci(y, score, "bootstrap", n_resamples=3000).confidence_interval == pytest.approx(
        whole.confidence_interval, abs=0.02
    )


def test_bca_without_bias_and_skew_is_the_percentile_interval():
    draws = np.linspace(-1, 1, 10_001)
    assert _bca_limits(0.0, draws, [], 0.9) == pytest.approx((-0.9, 0.9), abs=1e-3)


def test_jackknife_acceleration_is_efrons_for_one_sample():
    x = np.random.default_rng(0).exponential(size=30)
    centred = x - x.mean()
    # One-sample mean: Efron & Tibshirani eq. 14.15 in terms of the centred data.
    expected = np.sum(centred**3) / (6 * np.sum(centred**2) ** 1.5)
    assert _acceleration([centred]) == pytest.approx(expected)
    assert _acceleration([np.zeros(4)]) == 0


@pytest.mark.parametrize("area", [0.75, 0.85, 0.95])
def test_default_interval_covers_at_eight_against_nine(area):
    rng = np.random.default_rng(int(100 * area))
    shift = np.sqrt(2) * stats.norm.ppf(area)
    inside = 0
    for _ in range(400):
        found = auc_ci(Y, rng.normal(size=17) + shift * Y)
        assert 0 <= found.low <= found.high <= 1
        inside += found.low <= area <= found.high
    # 400 draws at a true coverage of 0.95 stay above 0.92 with probability 0.995.
    assert inside / 400 > 0.92


def test_wilson_interval_of_the_source_study():
    # 13 of 17 right: 0.527 to 0.904 (evidence).
    found = wilson(13, 17, "accuracy")
    assert (found.value, found.low, found.high) == pytest.approx((13 / 17, 0.527, 0.904), abs=5e-4)
    assert wilson(0, 5).low == 0
    assert wilson(5, 5).high == 1


def test_a_proportion_of_nobody_is_nothing():
    found = wilson(0, 0)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert found.note


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(InferenceError, match="0 patients with"):
        auc_ci(np.zeros(5), np.arange(5.0))
    with pytest.raises(InferenceError, match="missing"):
        auc_ci(Y, np.where(Y, np.nan, 1.0))
    with pytest.raises(ValueError, match="method"):
        auc_ci(Y, Y, "exact")
    with pytest.raises(ValueError, match="confidence_level"):
        auc_ci(Y, Y, confidence_level=1)


def test_estimates_make_a_table_and_read_well():
    estimate = Estimate("AUC", 0.847, 0.61, 0.96, 17, 0.95, "logit", note="only 8 patients")
    assert repr(estimate) == "AUC 0.847 (95 % CI 0.610 to 0.960; n = 17, logit; only 8 patients)"
    table = estimates_table({"auc": estimate, "accuracy": wilson(13, 17, "accuracy")})
    assert table["metric"].tolist() == ["auc", "accuracy"]
    assert table.loc[0, ["value", "low", "high", "n"]].tolist() == [0.847, 0.61, 0.96, 17]


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from(["logit", "newcombe", "delong"]))
def test_a_higher_level_gives_a_wider_interval(seed, method):
    y, score = sample(seed)
    narrow, wide = (auc_ci(y, score, method, confidence_level=level) for level in (0.8, 0.99))
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@pytest.mark.parametrize("counts", [(900, 100, 2, 8), (45, 5, 5, 45), (8, 2, 40, 160)])
@pytest.mark.parametrize("level", [0.95, 0.995, 0.999])
def test_limits_of_composites_are_quantiles_of_both_posteriors_at_any_level(counts, level):
    """By drawing from the two Beta distributions."""
    rng, (tp, fn, fp, tn) = np.random.default_rng(0), counts
    sensitivity, specificity = (rng.beta(a + 0.5, b + 0.5, 2_000_000) for a, b in ((tp, fn), (tn, fp)))
    cells = (
        n * share for n, rate in ((tp + fn, sensitivity), (fp + tn, 1 - specificity)) for share in (rate, 1 - rate)
    )
    cells, tails = tuple(cells), ((1 - level) / 2, (1 + level) / 2)
    for metric, tolerance in ((_recall_macro, {"abs": 2e-3}), (_lr_positive, {"rel": 0.02})):
        expected = np.quantile(metric(*cells), tails)
        assert _composite_limits(metric, counts, level) == pytest.approx(tuple(expected), **tolerance)


def test_a_level_may_be_an_array_of_one_number_and_very_near_to_1():
    assert _composite_limits(_recall_macro, (9, 1, 2, 8), np.array(0.9)) == _composite_limits(
        _recall_macro, (9, 1, 2, 8), 0.9
    )
    low, high = _composite_limits(_recall_macro, (900, 100, 2, 8), 1 - 1e-13)
    assert 0 < low < high < 1
