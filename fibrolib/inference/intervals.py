"""Estimates, and the formulae of their confidence intervals: a change of an interval has its place here.

Profile-likelihood limits are in `calibration`, those of a difference in `comparisons`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats
from statsmodels.stats.proportion import proportion_confint

from fibrolib.errors import counted
from fibrolib.inference.checks import _check_choice, _check_counts, _check_level

_Counts = tuple[int, int, int, int]
"""True positives, false negatives, false positives, true negatives."""

_Limits = tuple[float, float]
"""Lower and upper confidence limit; NaN where there is none."""

_Metric = Callable[[ArrayLike, ArrayLike, ArrayLike, ArrayLike], NDArray[np.float64]]
"""Anything computed from ``tp, fn, fp, tn``, whole or not."""

_COMPOSITE_METHODS = ("jeffreys", "bootstrap")

_SMALL_CLASS = 10
"""Below this many patients in a class results carry a warning (assumption: a round figure; at 8 against 9 patients
plain DeLong intervals of areas of .75 and .85 cover 0.88 to 0.90, ``benchmarks/interval_coverage.py``)."""

_ENOUGH_FOR_SPREAD = 30
"""In smaller classes, a test of non-inferiority is off if cases spread more than controls (``docs/statistics.md``)."""

_AS_PATIENTS = 20
"""The variance of normal scores counts as one that so many patients showed, where the estimated one is smaller: with 10
a test of non-inferiority exceeds its level with 10 cases and 90 controls, with 50 it loses power with 100 and 900."""

_NEAR_CERTAIN = 0.01
"""How near to 0 and 1 a true area is thought possible (assumption)."""

_GRID = 300
"""Points on each axis over the two posteriors: limits of shares are right to about 0.001, without a random number."""

_MOST_EVEN = 0.95
"""Up to this level the points are equally probable; the limits of a higher one would lie at the outermost of them."""


@dataclass(frozen=True, repr=False)
class Estimate:
    """A number with its confidence interval.

    Parameters
    ----------
    name : str
        What is estimated, for example ``"AUC"``.
    value, low, high : float
        Point estimate and confidence limits; NaN where not defined.
    n : int
        Number of patients (of a proportion: in its denominator).
    confidence_level : float
    method : str
        Method of the interval.
    standard_error : float
        NaN where the method has none.
    note : str
        Caveats; empty when there are none.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    confidence_level: float
    method: str
    standard_error: float = float("nan")
    note: str = ""

    @property
    def confidence_interval(self) -> _Limits:
        """Both limits."""
        return self.low, self.high

    def __repr__(self) -> str:
        tail = f"; {self.note}" if self.note else ""
        return (
            f"{self.name} {self.value:.3f} ({100 * self.confidence_level:g} % CI {self.low:.3f} to {self.high:.3f}; "
            f"n = {self.n}, {self.method}{tail})"
        )


def estimates_table(estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    """One row for each estimate: ``metric`` (the key) and the fields of `Estimate`."""
    if not isinstance(estimates, Mapping) or not all(isinstance(each, Estimate) for each in estimates.values()):
        raise ValueError("estimates must map names to estimates, for example {'auc': auc_ci(y_true, y_score)}")
    return pd.DataFrame([{"metric": key} | asdict(estimate) for key, estimate in estimates.items()])


def _small_sample_note(n_positive: int, n_negative: int) -> str:
    """Warning for samples where large-sample formulae are rough; empty otherwise."""
    least = min(n_positive, n_negative)
    return f"only {counted(least, 'patient')} in the smaller class: approximate" if least < _SMALL_CLASS else ""


def _ratio_note(n_positive: int, n_negative: int) -> str:
    """The known exception of ``docs/statistics.md``, for tests of two areas."""
    if max(n_positive, n_negative) <= 10 * min(n_positive, n_negative):
        return ""
    return "one class is more than ten times as large: if the curves differ in shape, p is too small (.09 for .05)"


def _spread_note(n_positive: int, n_negative: int) -> str:
    """The known exception of ``docs/statistics.md``, for tests of non-inferiority."""
    if min(n_positive, n_negative) >= _ENOUGH_FOR_SPREAD and not _ratio_note(n_positive, n_negative):
        return ""
    return "if the scores of cases spread otherwise than those of controls, p may be too small (.11 for .05)"


def _join_notes(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _normal_quantile(confidence_level: float, df: float = np.inf) -> float:
    """Standard errors on either side of a two-sided interval: normal, or Student's t with `df` degrees of freedom."""
    share = (1 + confidence_level) / 2
    return float(special.ndtri(share) if np.isinf(df) else special.stdtrit(df, share))


def _normal_limits(
    value: float, error: float, confidence_level: float, least: float = 0.0, df: float = np.inf
) -> _Limits:
    """Normal (or Student's) interval, cut at `least` and 1."""
    reach = _normal_quantile(confidence_level, df) * error
    return float(max(least, value - reach)), float(min(1.0, value + reach))


def _logit_limits(value: float, error: float, confidence_level: float, df: float = np.inf) -> _Limits:
    """Normal (or Student's) interval on the logit scale, for a value in (0, 1)."""
    centre, reach = special.logit(value), _normal_quantile(confidence_level, df) * error / (value * (1 - value))
    return float(special.expit(centre - reach)), float(special.expit(centre + reach))


def _newcombe_limits(area: float, n_positive: int, n_negative: int, confidence_level: float = 0.95) -> _Limits:
    """Limits of an ROC area without an estimated variance (Newcombe, Stat Med 2006;25:559, method 5).

    The variance is Hanley & McNeil's at the limit itself, with the mean class size in both terms; so the lower limit
    at an area of 1 lies below 1.
    """
    z = _normal_quantile(confidence_level)
    mean_size = (n_positive + n_negative) / 2

    def lower(observed: float) -> float:
        if observed <= 0:
            return 0.0

        def gap(t: float) -> float:
            return observed - t - z * np.sqrt(_newcombe_spread(t, mean_size) / n_positive / n_negative)

        # t = 1 is always a root when all patients are ranked rightly: the root below it is wanted.
        return float(optimize.brentq(gap, 0.0, min(observed, 1 - 1e-12)))

    # The formula is symmetric: the upper limit of an area is the lower limit of its complement.
    return lower(area), 1 - lower(1 - area)


def _newcombe_spread(area: ArrayLike, mean_size: float) -> ArrayLike:
    """Variance of an area after Hanley & McNeil, times the number of pairs, with the mean class size in both terms."""
    return area * (1 - area) * (1 + (mean_size - 1) * ((1 - area) / (2 - area) + area / (1 + area)))


def _satterthwaite(variances: Sequence[float], sizes: Sequence[int]) -> float:
    """Degrees of freedom of a sum of variances, each estimated from so many patients."""
    parts = sum(variance**2 / (size - 1) for variance, size in zip(variances, sizes, strict=True))
    return float(sum(variances) ** 2 / parts) if parts > 0 else float("inf")


def _mover_limits(a: float, b: float, limits_a: _Limits, limits_b: _Limits, correlation: float) -> _Limits:
    """Limits of ``a - b`` from those of either (Zou & Donner, Stat Med 2008;27:1693)."""

    def reach(one: float, other: float) -> float:
        return float(np.sqrt(max(0.0, one**2 + other**2 - 2 * correlation * one * other)))

    low, high = reach(a - limits_a[0], limits_b[1] - b), reach(limits_a[1] - a, b - limits_b[0])
    return max(-1.0, a - b - low), min(1.0, a - b + high)


def _error_at_difference(
    areas: NDArray[np.float64],
    variances: NDArray[np.float64],
    of_difference: ArrayLike,
    sizes: tuple[int, int],
    difference: ArrayLike,
) -> NDArray[np.float64]:
    """Standard error of a difference of two areas, shape (2, ...), as it would be if their truth were `difference`.

    The variance of a high area is small where it happens to be too high. So both areas are moved to the nearest ones
    that differ by `difference` (within `_NEAR_CERTAIN` of 0 and 1), and their variances in the proportion of those of
    normal scores with equal spread; the correlation stays. A variance below that of normal scores is moved towards it
    (`_AS_PATIENTS`), since few patients often show too little; an area without error has it.
    """
    room = np.maximum(0.5 - _NEAR_CERTAIN - np.abs(difference) / 2, 0.0)
    middle = np.clip((areas[0] + areas[1]) / 2, 0.5 - room, 0.5 + room)
    there = np.clip(np.stack([middle + difference / 2, middle - difference / 2]), _NEAR_CERTAIN, 1 - _NEAR_CERTAIN)
    normal, known = _binormal_variance(there, sizes), variances > 0
    moved = variances * normal / np.where(known, _binormal_variance(areas, sizes), 1.0)
    weight = np.where(known, _AS_PATIENTS / (_AS_PATIENTS + min(sizes)), 1.0)
    moved, product = moved + weight * np.maximum(normal - moved, 0.0), variances[0] * variances[1]
    covariance = (variances[0] + variances[1] - of_difference) / 2
    correlation = np.clip(covariance / np.sqrt(np.where(product > 0, product, np.inf)), -1.0, 1.0)
    return np.sqrt(moved[0] + moved[1] - 2 * correlation * np.sqrt(moved[0] * moved[1]))


def _binormal_variance(area: ArrayLike, sizes: tuple[int, int]) -> NDArray[np.float64]:
    """Variance of an estimated area of normal scores with equal spread, exact at any class sizes.

    Bamber, J Math Psychol 1975;12:387; two pairs of patients that share one are both ranked rightly by Owen's T.
    """
    area = np.asarray(area, dtype=float)
    both = area - 2 * special.owens_t(special.ndtri(area), np.sqrt(1 / 3))
    return (area * (1 - area) + (sum(sizes) - 2) * (both - area**2)) / (sizes[0] * sizes[1])


def wilson(count: int, n: int, name: str = "proportion", confidence_level: float = 0.95) -> Estimate:
    """A proportion among `n` patients with Wilson's interval; all NaN, with a note, where `n` is 0."""
    if not isinstance(name, str):
        raise ValueError(f"name must be a text; it is {name!r}: give the level by confidence_level=")
    _check_level(confidence_level)
    count, n = _check_counts(count, n)
    if n == 0:
        return Estimate(name, *(float("nan"),) * 3, 0, confidence_level, "wilson", note="no patient to count")
    low, high = proportion_confint(count, n, alpha=1 - confidence_level, method="wilson")
    # Rounding must not put the limits of 0 and of n beyond the estimate.
    limits = float(low) * (count > 0), 1.0 if count == n else float(high)
    return Estimate(name, count / n, *limits, n, confidence_level, "wilson")


def _bca_limits(
    value: float, draws: NDArray[np.float64], influences: Sequence[NDArray[np.float64]], confidence_level: float
) -> _Limits:
    """Bias-corrected and accelerated bootstrap limits (Efron 1987).

    `draws` are estimates from resamples by the same arithmetic as `value`; `influences` as of :func:`_acceleration`.
    """
    below = (np.count_nonzero(draws < value) + np.count_nonzero(draws <= value)) / (2 * len(draws))
    # A value outside all resamples would give an infinite bias: half a resample is as far as they can tell.
    bias = stats.norm.ppf(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    tails = bias + stats.norm.ppf([(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    shares = stats.norm.cdf(bias + tails / (1 - _acceleration(influences) * tails))
    # No interpolation: a ratio's resamples may be infinite.
    low, high = np.quantile(draws, shares, method="inverted_cdf")
    return float(low), float(high)


def _acceleration(influences: Sequence[NDArray[np.float64]]) -> float:
    """Acceleration constant over independently resampled groups (Efron & Tibshirani 1993, eq. 14.15); 0 without any.

    Influences of a group: ``(n_group - 1) * (mean of the leave-one-out values - leave-one-out value)``.
    """
    cubes = sum(float(np.sum(u**3)) / len(u) ** 3 for u in influences)
    squares = sum(float(np.sum(u**2)) / len(u) ** 2 for u in influences)
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def _composite_limits(
    metric: _Metric, counts: _Counts, level: float, method: str = "jeffreys", n_resamples: int = 0, seed: int = 0
) -> _Limits:
    """Limits of anything computed from a two-by-two table; both classes hold patients.

    "jeffreys": independent Beta(1/2, 1/2) posteriors of sensitivity and specificity at the observed class sizes.
    "bootstrap": BCa, patients resampled within each class; NaN where a resample has no value.
    """
    _check_choice(method, "method", _COMPOSITE_METHODS)
    value, level = float(metric(*counts)), float(level)
    if np.isnan(value):
        return value, value
    if method == "jeffreys":
        low, high = _jeffreys_limits(metric, counts, level)
        # The estimate of a sample without errors must not lie outside its own interval.
        return float(min(low, value)), float(max(high, value))
    draws = metric(*_bootstrap_cells(counts, n_resamples, seed))
    if not np.isfinite(value) or np.isnan(draws).any():
        return float("nan"), float("nan")
    return _bca_limits(value, draws, _influences(metric, counts), level)


def _jeffreys_limits(metric: _Metric, counts: _Counts, level: float) -> _Limits:
    cells, weights = _jeffreys_cells(counts, level)
    values, tails = metric(*cells), ((1 - level) / 2, (1 + level) / 2)
    if level <= _MOST_EVEN:
        return tuple(np.quantile(values, tails).tolist())
    order = np.argsort(values)
    which = np.searchsorted(np.cumsum(np.outer(weights, weights).ravel()[order]), tails)
    return tuple(values[order[np.minimum(which, len(order) - 1)]].tolist())


@lru_cache(maxsize=1)
def _jeffreys_cells(counts: _Counts, level: float) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64]]:
    """Two-by-two tables from quantiles of either posterior, crossed: a deterministic sample; weights of either."""
    tp, fn, fp, tn = counts
    edges = np.linspace(0, 1, _GRID + 1)
    if level > _MOST_EVEN:  # points that are evenly spread on the normal scale reach far into the tails
        edges = special.ndtr((2 * edges - 1) * special.ndtri(1 - (1 - level) / _GRID))
    points, weights = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / np.ptp(edges)
    sensitivity = np.repeat(stats.beta.ppf(points, tp + 0.5, fn + 0.5), _GRID)
    specificity = np.tile(stats.beta.ppf(points, tn + 0.5, fp + 0.5), _GRID)
    m, n = tp + fn, fp + tn
    cells = m * sensitivity, m * (1 - sensitivity), n * (1 - specificity), n * specificity
    return cells, weights


@lru_cache(maxsize=1)
def _bootstrap_cells(counts: _Counts, n_resamples: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Resampled tables: to resample patients within a class is to draw its correct calls from a binomial."""
    tp, fn, fp, tn = counts
    rng = np.random.default_rng(seed)
    true_positives = rng.binomial(tp + fn, tp / (tp + fn), n_resamples)
    true_negatives = rng.binomial(fp + tn, tn / (fp + tn), n_resamples)
    return true_positives, tp + fn - true_positives, fp + tn - true_negatives, true_negatives


def _influences(metric: _Metric, counts: _Counts) -> list[NDArray[np.float64]]:
    """Jackknife influences by class; none where leaving one patient out makes a ratio infinite."""
    tp, fn, fp, tn = counts
    groups = []
    for cells in (((0, tp), (1, fn)), ((2, fp), (3, tn))):
        parts = [
            np.full(count, metric(*(n - (i == cell and count > 0) for i, n in enumerate(counts))))
            for cell, count in cells
        ]
        groups.append(np.concatenate(parts))
    if not np.isfinite(np.concatenate(groups)).all():
        return []
    return [(len(group) - 1) * (group.mean() - group) for group in groups]
