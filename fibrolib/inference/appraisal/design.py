"""What a study of a given size can show: power, sample size, and coverage of its intervals.

Power after Obuchowski & McClish (Stat Med 1997;16:1529) for binormal scores of equal spread, as in pROC's
``power.roc.test``; given ``draws``, by simulation with the tests of this package, which is right at any size. The
published variance leaves out a negative term, so these sample sizes are on the safe side; below about 20 patients in a
class the normal approximation fails the other way. Coverage is simulated, or exact where all samples can be listed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from fibrolib.inference.comparisons import delong_test
from fibrolib.inference.intervals import COMPOSITE_METHODS, _composite_limits
from fibrolib.inference.metrics import COMPOSITES
from fibrolib.inference.roc import auc_ci

__all__ = [
    "auc_coverage",
    "auc_power",
    "auc_sample_size",
    "comparison_power",
    "comparison_sample_size",
    "metric_coverage",
    "power_curve",
    "proportion_coverage",
]

_TOLERANCE = 1e-9
"""A limit may miss the truth by rounding alone."""


def auc_power(
    auc: float,
    n_positive: float,
    n_negative: float,
    *,
    significance: float = 0.05,
    draws: int | None = None,
    seed: int = 0,
) -> float:
    """Power to show that an area differs from 0.5.

    Parameters
    ----------
    auc : float
        True area.
    n_positive, n_negative : float
        Cases and controls; whole numbers in a simulation.
    significance : float
        Two-sided.
    draws, seed : int, optional
        `draws` given, power is the share of so many simulated samples in which the default interval of :func:`auc_ci`
        excludes 0.5; its standard error is at most ``0.5 / sqrt(draws)``. Default the closed form.
    """
    if draws is None:
        ratio = n_negative / n_positive
        null, alternative = _binormal_variance(0.5, ratio), _binormal_variance(auc, ratio)
        return _power(auc - 0.5, null, alternative, n_positive, significance)
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], (n_positive, n_negative))
    shift, excluded = _binormal_separation(auc), 0
    for _ in range(draws):
        area = auc_ci(y, y * shift + rng.normal(size=len(y)), confidence_level=1 - significance)
        excluded += not area.low <= 0.5 <= area.high
    return excluded / draws


def auc_sample_size(
    auc: float, *, power: float = 0.8, ratio: float = 1.0, significance: float = 0.05
) -> tuple[int, int]:
    """Cases and controls, rounded up, needed to show that an area differs from 0.5 with the wanted power.

    `ratio` is that of controls to cases; `auc` and `significance` as in :func:`auc_power`.
    """
    null, alternative = _binormal_variance(0.5, ratio), _binormal_variance(auc, ratio)
    return _sample_size(auc - 0.5, null, alternative, power, ratio, significance)


def comparison_power(
    auc_a: float,
    auc_b: float,
    n_positive: float,
    n_negative: float,
    *,
    correlation: float = 0.5,
    significance: float = 0.05,
    draws: int | None = None,
    seed: int = 0,
) -> float:
    """Power to show that two areas on the same patients differ.

    Parameters
    ----------
    auc_a, auc_b : float
        True areas.
    correlation : float
        Of the two scores within either class (assumption unless it is known: 0.5).
    n_positive, n_negative, significance, draws, seed
        As in :func:`auc_power`; a simulation counts the samples in which DeLong's paired test is significant.
    """
    if draws is None:
        null, alternative = _comparison_variances(auc_a, auc_b, correlation, n_negative / n_positive)
        return _power(auc_a - auc_b, null, alternative, n_positive, significance)
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], (n_positive, n_negative))
    shifts, rejected = (_binormal_separation(auc_a), _binormal_separation(auc_b)), 0
    for _ in range(draws):
        shared = np.sqrt(correlation) * rng.normal(size=len(y))
        a, b = (y * shift + shared + np.sqrt(1 - correlation) * rng.normal(size=len(y)) for shift in shifts)
        rejected += delong_test(y, a, b).pvalue < significance
    return rejected / draws


def comparison_sample_size(
    auc_a: float,
    auc_b: float,
    *,
    power: float = 0.8,
    correlation: float = 0.5,
    ratio: float = 1.0,
    significance: float = 0.05,
) -> tuple[int, int]:
    """Cases and controls, rounded up, needed to show that two areas on the same patients differ with the wanted power.

    `ratio` is that of controls to cases; the rest as in :func:`comparison_power`. Equal areas raise ValueError.
    """
    null, alternative = _comparison_variances(auc_a, auc_b, correlation, ratio)
    return _sample_size(auc_a - auc_b, null, alternative, power, ratio, significance)


def power_curve(
    auc_a: float,
    auc_b: float,
    sizes: Sequence[int],
    *,
    correlation: float = 0.5,
    ratio: float = 1.0,
    significance: float = 0.05,
    draws: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Power of a comparison over the number of patients.

    Parameters
    ----------
    auc_a, auc_b, correlation, ratio, significance, draws, seed
        As in :func:`comparison_power` and :func:`auc_sample_size`.
    sizes : sequence of int
        Patients in all.

    Returns
    -------
    DataFrame
        ``n, power``; of a simulation also ``draws``.
    """
    options = {"correlation": correlation, "significance": significance, "draws": draws, "seed": seed}
    powers = []
    for n in sizes:
        cases = n / (1 + ratio)
        cases, controls = (cases, ratio * cases) if draws is None else (round(cases), n - round(cases))
        powers.append(comparison_power(auc_a, auc_b, cases, controls, **options))
    curve = pd.DataFrame({"n": list(sizes), "power": powers})
    return curve if draws is None else curve.assign(draws=draws)


def _binormal_separation(auc: float) -> float:
    """Distance of the means of two normal scores of variance 1 that have this area between them."""
    if not 0 < auc < 1:
        raise ValueError(f"a true area must lie between 0 and 1, it is {auc!r}")
    return float(np.sqrt(2) * special.ndtri(auc))


def _binormal_variance(auc: float, ratio: float = 1.0) -> float:
    """Variance of an estimated area, times the number of cases."""
    a2 = _binormal_separation(auc) ** 2
    return float(np.exp(-a2 / 2) / (32 * np.pi) * ((5 * a2 + 8) + (a2 + 8) / ratio))


def _binormal_covariance(auc_a: float, auc_b: float, correlation: float, ratio: float = 1.0) -> float:
    """Covariance of two areas estimated on the same patients, times the number of cases."""
    a, b, r = _binormal_separation(auc_a), _binormal_separation(auc_b), correlation
    shared = np.exp(-(a * a + b * b) / 4) / (4 * np.pi)
    return float(shared * (1 + 1 / ratio) * (r + r * r * a * b / 8))


def _comparison_variances(auc_a: float, auc_b: float, correlation: float, ratio: float) -> tuple[float, float]:
    """Variance of the difference, times the cases, if both areas equal the first (null) and as they are."""
    variance_a, variance_b = _binormal_variance(auc_a, ratio), _binormal_variance(auc_b, ratio)
    covariance = _binormal_covariance(auc_a, auc_b, correlation, ratio)
    return 2 * variance_a - 2 * covariance, variance_a + variance_b - 2 * covariance


def _power(difference: float, null: float, alternative: float, n_positive: float, significance: float) -> float:
    z = special.ndtri(1 - significance / 2)
    return float(special.ndtr((np.sqrt(n_positive) * abs(difference) - z * np.sqrt(null)) / np.sqrt(alternative)))


def _sample_size(
    difference: float, null: float, alternative: float, power: float, ratio: float, significance: float
) -> tuple[int, int]:
    if difference == 0:
        raise ValueError("no sample shows a difference of zero: the two areas are equal")
    z = special.ndtri(1 - significance / 2)
    cases = ((z * np.sqrt(null) + special.ndtri(power) * np.sqrt(alternative)) / difference) ** 2
    return int(np.ceil(cases)), int(np.ceil(ratio * cases))


def auc_coverage(
    auc: float,
    n_positive: int,
    n_negative: int,
    *,
    methods: Sequence[str] = ("delong", "bootstrap", "newcombe", "logit"),
    spread: float = 1.0,
    confidence_level: float = 0.95,
    draws: int = 1000,
    n_resamples: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Coverage of intervals of an area, on simulated binormal scores.

    Parameters
    ----------
    auc : float
        True area, in (0, 1).
    n_positive, n_negative : int
        Patients in each sample.
    methods, confidence_level
        As in :func:`auc_ci`.
    spread : float
        Standard deviation of the cases' scores, that of the controls being 1.
    draws, n_resamples, seed : int
        Samples drawn; resamples of each bootstrap; seed.

    Returns
    -------
    DataFrame
        ``auc, method, coverage, error, width, at_end, least, most, draws``: share of intervals that hold the area and
        its standard error, their mean width, the share of those that end at exactly 0 or 1 although the sample's area
        does not, and the lowest and highest limit.
    """
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], (n_positive, n_negative))
    shift = np.sqrt(1 + spread**2) * special.ndtri(auc)
    samples = [rng.normal(size=len(y)) * np.where(y, spread, 1) + shift * y for _ in range(draws)]
    options = {"confidence_level": confidence_level, "n_resamples": n_resamples}
    rows = []
    for method in methods:
        estimates = [auc_ci(y, score, method, **options) for score in samples]
        low, high, value = np.array([(each.low, each.high, each.value) for each in estimates]).T
        inside = float(np.mean((low <= auc) & (auc <= high)))
        row = {"auc": auc, "method": method, "coverage": inside, "error": np.sqrt(inside * (1 - inside) / draws)}
        at_end = ((low == 0) & (value > 0)) | ((high == 1) & (value < 1))
        row |= {"width": (high - low).mean(), "at_end": at_end.mean(), "least": low.min(), "most": high.max()}
        rows.append(row | {"draws": draws})
    return pd.DataFrame(rows)


def metric_coverage(
    metric: str,
    n_positive: int,
    n_negative: int,
    sensitivity: float,
    specificity: float,
    *,
    methods: Sequence[str] = COMPOSITE_METHODS,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
) -> pd.DataFrame:
    """Exact coverage of a composite metric's intervals: every possible table, weighted by its probability.

    Parameters
    ----------
    metric : str
        "f1_macro", "f1", "precision_macro", "recall_macro", "lr_positive" or "lr_negative".
    n_positive, n_negative : int
        Patients in each sample.
    sensitivity, specificity : float
        The truth.
    methods : sequence of {"jeffreys", "bootstrap"}
        As in :func:`classification_metrics`.
    confidence_level, n_resamples
        As in :func:`auc_coverage`.

    Returns
    -------
    DataFrame
        ``metric, truth, method, coverage``.
    """
    m, n = n_positive, n_negative
    value = COMPOSITES[metric][1]
    truth = float(value(m * sensitivity, m * (1 - sensitivity), n * (1 - specificity), n * specificity))
    weights = np.outer(
        stats.binom.pmf(np.arange(m + 1), m, sensitivity), stats.binom.pmf(np.arange(n + 1), n, specificity)
    )
    rows = []
    for method in methods:
        covered = 0.0
        for (tp, tn), weight in np.ndenumerate(weights):
            counts = (tp, m - tp, n - tn, tn)
            low, high = _composite_limits(value, counts, confidence_level, method, n_resamples)
            covered += weight * (low - _TOLERANCE <= truth <= high + _TOLERANCE)
        rows.append({"metric": metric, "truth": truth, "method": method, "coverage": covered})
    return pd.DataFrame(rows)


def proportion_coverage(
    n: int, truths: ArrayLike, *, methods: Sequence[str] = ("normal", "wilson"), confidence_level: float = 0.95
) -> pd.DataFrame:
    """Exact coverage of intervals of a proportion among `n` patients.

    Parameters
    ----------
    n : int
        Patients.
    truths : array_like of float
        True proportions.
    methods, confidence_level
        As of statsmodels' ``proportion_confint``; "normal" is the textbook's (Wald).

    Returns
    -------
    DataFrame
        ``method, truth, coverage``.
    """
    counts = np.arange(n + 1)
    truth = np.asarray(truths, dtype=float)
    chance = stats.binom.pmf(counts[:, None], n, truth)
    tables = []
    for method in methods:
        low, high = proportion_confint(counts, n, alpha=1 - confidence_level, method=method)
        inside = (low[:, None] - _TOLERANCE <= truth) & (truth <= high[:, None] + _TOLERANCE)
        tables.append(pd.DataFrame({"method": method, "truth": truth, "coverage": np.sum(chance * inside, axis=0)}))
    return pd.concat(tables, ignore_index=True)
