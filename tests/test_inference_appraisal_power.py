"""Power and sample size against simulation with a generator of its own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fibrolib.inference import InferenceError, delong_test
from fibrolib.inference.appraisal import (
    auc_power,
    auc_sample_size,
    comparison_power,
    comparison_sample_size,
    pilot_power,
    pilot_sample_size,
    power_curve,
)
from fibrolib.inference.appraisal.power import _area_covariance


def drawn(areas, m: int, n: int, correlation: float, draws: int, seed: int):
    """Binormal scores, shape (draws, k, m + n), cases first."""
    rng = np.random.default_rng(seed)
    shared, own = rng.standard_normal((draws, 1, m + n)), rng.standard_normal((draws, len(areas), m + n))
    scores = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    scores[..., :m] += np.sqrt(2) * stats.norm.ppf(areas)[:, None]
    return scores


@pytest.mark.parametrize(
    ("areas", "correlation", "m", "n"),
    [
        ((0.92, 0.75), 0.9, 6, 6),  # power 0.17; pROC asks for 6 a class to reach 0.8
        ((0.75, 0.92), 0.9, 14, 14),
        ((0.85, 0.75), 0.5, 8, 9),
        ((0.95, 0.8), 0.5, 5, 50),
        ((0.95, 0.8), 0.5, 6, 80),
        ((0.85, 0.75), 0.5, 82, 82),
        ((0.9, 0.8), 0.5, 40, 120),
        ((0.85, 0.8), 0.9, 110, 110),
        ((0.95, 0.9), 0.5, 150, 100),
        ((0.7, 0.6), 0.0, 120, 240),
    ],
)
def test_power_is_how_often_the_default_test_is_significant(areas, correlation, m, n):
    draws, y = 400, np.arange(m + n) < m
    scores = drawn(areas, m, n, correlation, draws, seed=m)
    rejected = sum(delong_test(y, *sample).pvalue <= 0.05 for sample in scores)
    found = comparison_power(*areas, m, n, correlation=correlation)
    # Three standard errors of both simulations at most.
    assert found.power == pytest.approx(rejected / draws, abs=0.08)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_variance_and_covariance_of_areas_are_exact(correlation):
    # By simulation with 6 + 9 patients: relative standard error 0.01.
    scores = drawn((0.92, 0.75), 6, 9, correlation, 20_000, seed=1)
    expected = np.cov(np.mean(scores[..., :6, None] > scores[..., None, 6:], axis=(2, 3)).T)
    assert _area_covariance(0.92, 0.92, 1.0, 6, 9) == pytest.approx(expected[0, 0], rel=0.05)
    assert _area_covariance(0.92, 0.75, correlation, 6, 9) == pytest.approx(expected[0, 1], abs=0.05 * expected[0, 0])
    # Without any effect it is Mann & Whitney's.
    assert _area_covariance(0.5, 0.5, 1.0, 6, 9) == pytest.approx(16 / (12 * 54))


@pytest.mark.parametrize(("areas", "correlation"), [((0.92, 0.75), 0.9), ((0.95, 0.7), 0.8), ((0.85, 0.75), 0.5)])
def test_the_order_of_two_areas_does_not_matter(areas, correlation):
    found, swapped = (comparison_sample_size(*each, correlation=correlation) for each in (areas, areas[::-1]))
    assert found == swapped
    assert found.power >= 0.8
    one_fewer = comparison_power(*areas, found.n_positive - 1, found.n_negative - 1, correlation=correlation)
    assert one_fewer.power < 0.8


@pytest.mark.parametrize(("area", "ratio", "least"), [(0.95, 0.3, (8, 3)), (0.7, 0.3, (67, 21))])
def test_the_least_study_is_found_where_power_does_not_rise_steadily(area, ratio, least):
    """By trying every number of cases from two on."""
    found = auc_sample_size(area, ratio=ratio)
    assert (found.n_positive, found.n_negative) == least
    assert auc_power(area, *least).power >= 0.8


def test_sample_sizes_quoted_elsewhere():
    # By simulation (benchmarks/power.py); pROC and the formula it uses say 6 or 39, and 114 or 158.
    assert comparison_sample_size(0.92, 0.75, correlation=0.9).n_positive == pytest.approx(12, abs=1)
    assert comparison_sample_size(0.85, 0.75).n_positive == pytest.approx(82, abs=3)


def test_one_sided_power():
    options = {"n_positive": 120, "n_negative": 120, "confidence_level": 0.975}
    greater, less = (comparison_power(0.85, 0.75, **options, alternative=side) for side in ("greater", "less"))
    both = comparison_power(0.85, 0.75, 120, 120)
    assert greater.power == pytest.approx(both.power, abs=1e-6)
    assert less.power < 1e-4
    assert comparison_power(0.75, 0.85, **options, alternative="less").power == pytest.approx(greater.power)
    simulated = comparison_power(0.75, 0.85, **options, alternative="less", draws=2000)
    assert simulated.power == pytest.approx(greater.power, abs=0.03)
    assert simulated.low < simulated.power < simulated.confidence_interval[1]
    with pytest.raises(ValueError, match=r"no sample shows a difference of 0\.1"):
        comparison_sample_size(0.85, 0.75, alternative="less")


@pytest.mark.parametrize(("area", "m", "n"), [(0.7, 20, 30), (0.85, 8, 9), (0.6, 120, 200)])
def test_power_of_one_area_is_that_of_the_mann_whitney_test(area, m, n):
    scores = drawn((area,), m, n, 0.0, 2000, seed=2)[:, 0]
    p = stats.mannwhitneyu(scores[:, :m], scores[:, m:], axis=1, method="asymptotic", use_continuity=False).pvalue
    assert auc_power(area, m, n).power == pytest.approx(np.mean(p < 0.05), abs=0.03)
    assert auc_power(0.5, m, n).power == pytest.approx(0.05, abs=0.02)
    found = auc_sample_size(area, power=0.9, ratio=1.5)
    assert found.n_negative == np.ceil(1.5 * found.n_positive)
    assert found.power >= 0.9


def test_a_large_pilot_gives_the_power_of_its_population():
    y = np.repeat([1, 0], 1500)
    (scores,) = drawn((0.85, 0.75), 1500, 1500, 0.5, 1, seed=4)
    areas = [np.mean(score[:1500, None] > score[1500:]) for score in scores]
    for m, n in ((100, 150), (150, 300)):
        known = comparison_power(*areas, m, n)
        assert pilot_power(y, *scores, m, n).power == pytest.approx(known.power, abs=0.03)
    found = pilot_sample_size(y, *scores, power=0.9)
    assert found.n_positive == pytest.approx(comparison_sample_size(*areas, power=0.9).n_positive, rel=0.1)
    assert "8 patients" in pilot_power(y[1492:1510], *scores[:, 1492:1510], 50, 50).note
    with pytest.raises(ValueError, match="no variance"):
        pilot_power(y, scores[0], scores[0], 50, 50)


def test_the_source_study_had_hardly_any_power():
    # About 9 % for 0.847 against 0.753 at 8 and 9 patients (evidence).
    assert comparison_power(0.847, 0.753, 8, 9).power == pytest.approx(0.09, abs=0.03)


def test_power_curves_rise():
    curve = power_curve(0.847, 0.753, [17, 50, 200, 400])
    assert (curve["power"].diff().dropna() > 0).all()
    assert curve.loc[3, "power"] == comparison_power(0.847, 0.753, 200, 200).power
    assert curve["n_positive"].tolist() == [8, 25, 100, 200]
    assert curve["method"].str.startswith("simulation").tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auc_a": 0.75}, "difference of 0 "),
        ({"auc_a": 1.0}, "true area must be between 0 and 1"),
        ({"auc_a": 85}, r"85 % is 0\.85, divide by 100"),
        ({"power": 1.5}, "power must be between"),
        ({"ratio": -1}, "ratio must be between"),
        ({"correlation": -3}, "correlation must be"),
        ({"confidence_level": 95}, r"95 % is 0\.95, divide by 100"),
        ({"alternative": "larger"}, "alternative must be one of"),
        ({"auc_a": 0.7500001}, "more than"),
    ],
)
def test_impossible_plans_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        comparison_sample_size(**{"auc_a": 0.85, "auc_b": 0.75} | change)


def test_a_curve_has_sizes_and_options_that_there_are():
    with pytest.raises(ValueError, match="sizes must be a list of numbers of patients"):
        power_curve(0.8, 0.7, [])
    y, a, b = [0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 3, 4, 6]
    for function, given in (
        (auc_sample_size, (0.8,)),
        (comparison_sample_size, (0.8, 0.7)),
        (pilot_power, (y, a, b, 50, 50)),
        (pilot_sample_size, (y, a, b)),
    ):
        with pytest.raises(TypeError, match=rf"^{function.__name__}\(\) got an unexpected keyword argument 'seeds'"):
            function(*given, seeds=1)


def test_a_level_that_exchanges_cannot_tell_is_refused():
    with pytest.raises(ValueError, match=r"with 25 and 25 patients, p is simulated down to 0\.0025: .* needs draws=0"):
        comparison_power(0.95, 0.6, 25, 25, confidence_level=0.999)
    assert comparison_power(0.95, 0.6, 25, 25, confidence_level=0.995).power > 0.5
    assert comparison_power(0.95, 0.6, 25, 25, confidence_level=0.999, draws=0).power > 0.5


def test_a_pilot_without_error_says_so():
    y = np.repeat([0, 1], 30)
    noisy = y + np.random.default_rng(0).normal(size=60)
    assert "without error" in pilot_sample_size(y, y, noisy).note
    assert pilot_sample_size(y, noisy, -noisy).note == ""


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1), (1, 1)])
def test_two_areas_cannot_be_compared_with_one_patient_in_a_class(sizes):
    assert comparison_power(0.9, 0.7, *sizes).power == 0.0


def test_three_and_three_patients_show_nothing():
    """The smallest exact p of three and three is 0.1; of four and four it is 2 in 70."""
    assert auc_power(0.99, 3, 3).power == 0
    found = auc_sample_size(0.99)
    assert (found.n_positive, found.n_negative) == (4, 4)
    # All four cases above all four controls, by scipy's test on samples of its own.
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 2000, 4))
    tested = stats.mannwhitneyu(x + np.sqrt(2) * stats.norm.ppf(0.99), y, axis=1, method="exact").pvalue
    assert found.power == pytest.approx(np.mean(tested <= 0.05), abs=0.03)


def test_simulated_power_is_that_of_the_test_itself():
    rng, y = np.random.default_rng(2), np.arange(17) < 8
    shift, pvalues = np.sqrt(2) * stats.norm.ppf([0.95, 0.70]), []
    for _ in range(1000):
        both = np.sqrt(0.5) * (rng.normal(size=17) + rng.normal(size=(2, 17))) + shift[:, None] * y
        pvalues.append(delong_test(y, *both).pvalue)
    for level in (0.9, 0.95):
        real = np.mean(np.array(pvalues) <= 1 - level + 1e-9)
        stated = comparison_power(0.95, 0.70, 8, 9, confidence_level=level).power
        assert stated == pytest.approx(real, abs=0.03 + 2 * np.sqrt(real * (1 - real) / 1000))


def test_one_case_can_be_told_from_many_controls():
    """The Mann-Whitney test needs no variance: here the one case must have at most four of 99 controls above it."""
    shift = np.sqrt(2) * stats.norm.ppf(0.9)
    x = np.linspace(-5, 8, 4001)
    expected = np.trapezoid(stats.norm.pdf(x - shift) * stats.binom.cdf(4, 99, stats.norm.sf(x)), x)
    assert auc_power(0.9, 1, 99, alternative="greater").power == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("sizes", [(40, 50), (120, 150)])
def test_power_of_non_inferiority_is_how_often_the_test_is_significant(sizes):
    # The first is simulated by the package, the second approximated; both against delong_test itself.
    options = {"margin": 0.08, "alternative": "greater"}
    stated = comparison_power(0.82, 0.84, *sizes, correlation=0.5, confidence_level=0.975, **options)
    y = np.arange(sum(sizes)) < sizes[0]
    scores = drawn((0.82, 0.84), *sizes, 0.5, draws=300, seed=8)
    found = np.mean([delong_test(y, *each, **options).pvalue <= 0.025 for each in scores])
    assert stated.power == pytest.approx(found, abs=0.03 + 2 * np.sqrt(found * (1 - found) / 300))


def test_equal_areas_need_patients_for_non_inferiority_only():
    # Half the margin needs about four times as many patients.
    options = {"alternative": "greater", "confidence_level": 0.975, "draws": 0}
    wide, narrow = (comparison_sample_size(0.85, 0.85, margin=margin, **options).n_positive for margin in (0.1, 0.05))
    assert narrow / wide == pytest.approx(4, rel=0.1)
    with pytest.raises(ValueError, match="no sample shows a difference of 0"):
        comparison_sample_size(0.85, 0.85, **options)
    with pytest.raises(ValueError, match="belongs to alternative"):
        comparison_power(0.85, 0.85, 50, 50, margin=0.1)


def test_the_mann_whitney_test_is_that_of_r():
    """Power of ``wilcox.test`` in R 4.2: ``mean(replicate(6000, wilcox.test(rnorm(m) + sqrt(2) * qnorm(a),
    rnorm(n))$p.value <= .05))``, seed 1: exact below 50 patients, else with continuity correction."""
    for (area, m, n), expected in {(0.75, 9, 9): 0.411, (0.7, 64, 20): 0.788, (0.65, 60, 60): 0.820}.items():
        assert auc_power(area, m, n).power == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize(
    ("areas", "sizes", "options", "expected"),
    [
        ((0.98, 0.969), (100, 200), {"correlation": 0.95, "confidence_level": 0.99}, 0.537),
        ((0.85, 0.95), (120, 120), {"correlation": 0.7, "margin": 0.15, "alternative": "greater"}, 0.738),
        ((0.97, 0.985), (100, 100), {"correlation": 0.9}, 0.768),
    ],
)
def test_power_of_areas_with_few_errors_is_simulated(areas, sizes, options, expected):
    """Expected: how often `delong_test` was significant in 600 samples; the approximation is up to 0.18 off."""
    found = comparison_power(*areas, *sizes, **options)
    assert found.power == pytest.approx(expected, abs=0.04)
    assert found.method.startswith("simulation")


def test_areas_that_differ_by_the_margin_can_not_be_told():
    for areas, margin in (((0.8, 0.9), 0.1), ((0.65, 0.7), 0.05), ((0.5, 0.7), 0.2)):
        with pytest.raises(ValueError, match=r"no sample shows a difference of 0 "):
            comparison_sample_size(*areas, margin=margin, alternative="greater", draws=0)


def test_a_pilot_of_equal_areas_plans_no_study():
    y, score = [0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]
    with pytest.raises(InferenceError, match="areas of the pilot do not differ"):
        pilot_sample_size(y, score, score)


def test_sizes_of_one_class_are_named():
    with pytest.raises(ValueError, match="sizes: 2 patients at 50 controls for each case are of one class"):
        power_curve(0.9, 0.8, [2], ratio=50)


@pytest.mark.parametrize(
    ("areas", "sizes", "simulated"),
    [
        ((0.9, 0.8), (100, 100), False),
        ((0.95, 0.9), (200, 200), False),
        ((0.91, 0.8), (100, 100), True),
        ((0.98, 0.97), (400, 20_000), False),
    ],
)
def test_which_powers_are_simulated(areas, sizes, simulated):
    """From ten patients on that are ranked wrongly, and with very many patients, none is."""
    assert comparison_power(*areas, *sizes).method.startswith("simulation") == simulated
