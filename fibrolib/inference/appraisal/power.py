"""What a study of a given size can show: power and sample size.

Scores are binormal with equal spread. The variance of an area (Bamber, J Math Psychol 1975;12:387) and the covariance
of two are exact at any size; under the null hypothesis both areas are their mean. In samples with fewer than
100 patients in a class, or where fewer than ten of a class decide how two high areas differ, the normal approximation
misses the power of :func:`delong_test` by up to 0.2, so there the test is simulated as it is by default, exchange of
ranks included. Either way powers are right to 0.03 at confidence levels up to 0.975 and correlations up to 0.8
(``benchmarks/power.py``); beyond, the approximation was up to 0.08 too high: give `draws`. R's pROC takes the first
area for both under the null hypothesis, and an approximate variance: for 0.92 against 0.75 (correlation 0.9) it asks
for 6 a class, with the areas exchanged for 39.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from fibrolib.inference.appraisal.simulated_tests import (
    _EXCHANGES,
    _delong_exchanged,
    _simulated_pvalues,
    _simulated_test,
)
from fibrolib.inference.checks import (
    _ALTERNATIVES,
    InferenceError,
    _check_choice,
    _check_classes,
    _check_draws,
    _check_level,
    _check_margin,
    _check_number,
    _check_open_share,
    _check_ratio,
    _check_scored,
    _check_seed,
    _check_size,
    _class_sizes,
)
from fibrolib.inference.intervals import _binormal_variance, _join_notes, _Limits, _small_sample_note, wilson
from fibrolib.inference.roc import _area, _placements

_ENOUGH = 100
"""From so many patients in the smaller class on the normal approximation is right to 0.03 (``benchmarks/power.py``)."""

_ENOUGH_ERRORS = 10
"""Patients of the smaller class, times one minus the higher area: fewer do not make the difference a normal number."""

_MOST_SIMULATED = 2000
"""More patients in both classes than so many would take seconds to simulate."""

_DRAWS = 4000
_MOST_CASES = 1_000_000

_MOST_FEWER = 20
"""When a size is found, at most so many smaller ones are tried."""

_CORRELATION = 0.5
"""Of two scores within either class, unless it is known (assumption)."""


@dataclass(frozen=True)
class Power:
    """Power of a test at a number of patients.

    Parameters
    ----------
    power : float
        Probability of a significant result.
    n_positive, n_negative : int
        Cases and controls.
    confidence_level : float
        One minus the significance level of the test.
    alternative : {"two-sided", "greater", "less"}
        Of the test.
    method : str
        "normal approximation", or "simulation of ... samples".
    low, high : float
        Limits of a simulated power (Wilson, 95 %), for the number of samples alone; NaN of an approximation.
    note : str
        Caveats; empty when there are none.
    """

    power: float
    n_positive: int
    n_negative: int
    confidence_level: float = 0.95
    alternative: str = "two-sided"
    method: str = "normal approximation"
    low: float = float("nan")
    high: float = float("nan")
    note: str = ""

    @property
    def confidence_interval(self) -> _Limits:
        """Both limits of a simulated power."""
        return self.low, self.high


@dataclass(frozen=True)
class _Plan:
    """One true area (against 0.5) or two (against each other), and the test."""

    areas: tuple[float, ...]
    correlation: float = 0.0
    confidence_level: float = 0.95
    alternative: str = "two-sided"
    draws: int | None = None
    seed: int = 0
    margin: float = 0.0

    def __post_init__(self) -> None:
        for area in self.areas:
            _check_open_share(area, "a true area")
        _check_number(self.correlation, "correlation", "a correlation between -1 and 1", low=-1, high=1)
        _check_level(self.confidence_level)
        if self.draws not in (None, 0):
            object.__setattr__(self, "draws", _check_draws(self.draws))
        _check_choice(self.alternative, "alternative", _ALTERNATIVES)
        _check_margin(self.margin, self.alternative)
        object.__setattr__(self, "seed", _check_seed(self.seed))

    @property
    def difference(self) -> float:
        """What the test looks for: the difference of the areas, beyond the margin."""
        return round(self.areas[0] - (self.areas[1] if len(self.areas) > 1 else 0.5) + self.margin, 12)

    def smallest(self, power: float, ratio: float) -> Power:
        """The smallest study that reaches a power."""
        options = self.difference, power, ratio, self.alternative
        nearly = _smallest(replace(self, draws=0).at, *options)
        return _smallest(self.at, *options, start=nearly.n_positive)

    def _is_normal(self, m: int, n: int) -> bool:
        """Whether the normal approximation will do with so many patients."""
        if min(m, n) < _ENOUGH:
            return False
        errors = round(min(min(area, 1 - area) for area in self.areas) * min(m, n), 9)
        return len(self.areas) == 1 or errors >= _ENOUGH_ERRORS or m + n > _MOST_SIMULATED

    def at(self, n_positive: int, n_negative: int) -> Power:
        """Power with so many patients."""
        m, n = _check_classes(n_positive, n_negative)
        draws = self.draws if self.draws is not None else 0 if self._is_normal(m, n) else _DRAWS
        test = {"confidence_level": self.confidence_level, "alternative": self.alternative}
        if not draws:
            null = (sum(self.areas) / 2,) * 2 if len(self.areas) > 1 else (0.5,)
            null = self.areas if self.margin else null  # at the margin the areas differ
            errors = (np.sqrt(_difference_variance(areas, self.correlation, m, n)) for areas in (null, self.areas))
            return Power(_normal_power(self.difference, *errors, **test), m, n, **test)
        exchanged = _simulated_test(len(self.areas), (m, n), self.margin) is _delong_exchanged
        if exchanged and 1 - self.confidence_level < 1 / _EXCHANGES - 1e-9:
            raise ValueError(
                f"with {m} and {n} patients, p is simulated down to {1 / _EXCHANGES:g}: a confidence level of "
                f"{self.confidence_level:g} needs draws=0, the normal approximation, or more patients"
            )
        setting = self.areas, self.correlation, m, n, draws, self.seed, self.alternative, self.margin
        pvalues = _simulated_pvalues(*setting)
        share = wilson(int(np.count_nonzero(pvalues <= 1 - self.confidence_level + 1e-9)), draws)
        return Power(share.value, m, n, **test, method=f"simulation of {draws} samples", low=share.low, high=share.high)


def auc_power(
    auc: float,
    n_positive: int,
    n_negative: int,
    *,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    draws: int | None = None,
    seed: int = 0,
) -> Power:
    """Power to show by the Mann-Whitney test that an area is not 0.5.

    The test is exact with up to eight patients in a class or fewer than 50 in both, else normal with continuity
    correction.

    Parameters
    ----------
    auc : float
        True area, in (0, 1).
    n_positive, n_negative : int
        Cases and controls.
    alternative : {"two-sided", "greater", "less"}
        "greater": only an area above 0.5 counts.
    confidence_level : float
        One minus the significance level.
    draws, seed : int, optional
        Samples simulated; 0 for the normal approximation. Default 4000 samples where a class has fewer than 100
        patients (or, among up to 2,000 patients, two areas are so high that fewer than ten of a class are ranked
        wrongly), else none.

    Examples
    --------
    >>> round(auc_power(0.7, 100, 100).power, 3)
    0.999
    """
    return _Plan((auc,), 0.0, confidence_level, alternative, draws, seed).at(n_positive, n_negative)


def auc_sample_size(
    auc: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    draws: int | None = None,
    seed: int = 0,
) -> Power:
    """Least cases and controls that show an area to differ from 0.5 with the wanted power.

    `ratio` is that of controls to cases; options as of :func:`auc_power`. An area of 0.5 is a ValueError.
    """
    return _Plan((auc,), 0.0, confidence_level, alternative, draws, seed).smallest(power, ratio)


def comparison_power(
    auc_a: float,
    auc_b: float,
    n_positive: int,
    n_negative: int,
    *,
    correlation: float = _CORRELATION,
    alternative: str = "two-sided",
    margin: float = 0.0,
    confidence_level: float = 0.95,
    draws: int | None = None,
    seed: int = 0,
) -> Power:
    """Power to show by DeLong's paired test that two areas on the same patients differ, or that one is not inferior.

    Parameters
    ----------
    auc_a, auc_b : float
        True areas, in (0, 1); their order does not matter to a two-sided test.
    correlation : float
        Of the two scores within either class.
    alternative : {"two-sided", "greater", "less"}
        "greater": only a first area above the second counts.
    margin : float
        Above 0, with "greater": of a test of non-inferiority as in :func:`delong_test`; equal areas have power then.
        With `confidence_level` 0.95 it is one-sided at 0.05; 0.975 is the custom.
    n_positive, n_negative, confidence_level, draws, seed
        As in :func:`auc_power`.
    """
    test = correlation, confidence_level, alternative, draws, seed, margin
    return _Plan((auc_a, auc_b), *test).at(n_positive, n_negative)


def comparison_sample_size(
    auc_a: float,
    auc_b: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    correlation: float = _CORRELATION,
    alternative: str = "two-sided",
    margin: float = 0.0,
    confidence_level: float = 0.95,
    draws: int | None = None,
    seed: int = 0,
) -> Power:
    """Least cases and controls that show two areas on the same patients to differ with the wanted power.

    `ratio` is that of controls to cases; options as of :func:`comparison_power`. Equal areas are a ValueError, unless
    there is a margin.
    """
    test = correlation, confidence_level, alternative, draws, seed, margin
    return _Plan((auc_a, auc_b), *test).smallest(power, ratio)


def pilot_power(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    n_positive: int,
    n_negative: int,
    *,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    pos_label: object = None,
) -> Power:
    """Power of a study whose patients are like those of a pilot, from the pilot's two ROC curves.

    Parameters
    ----------
    y_true, score_a, score_b : array_like, shape (n,)
        The pilot: 0 and 1, and two scores of each patient, as in :func:`delong_test`. Its areas are taken as true, and
        DeLong's covariance is carried over to the new class sizes.
    n_positive, n_negative, alternative, confidence_level
        As in :func:`comparison_power`.
    pos_label
        As in :func:`auc`.

    Returns
    -------
    Power
        By the normal approximation. Scores of a pilot that do not differ are an InferenceError.
    """
    return _pilot(y_true, score_a, score_b, alternative, confidence_level, pos_label)[0](n_positive, n_negative)


def pilot_sample_size(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    pos_label: object = None,
) -> Power:
    """Least cases and controls that give the wanted power, from a pilot's two ROC curves; see :func:`pilot_power`."""
    power_at, difference = _pilot(y_true, score_a, score_b, alternative, confidence_level, pos_label)
    if difference == 0:
        raise InferenceError("the areas of the pilot do not differ: no sample size shows a difference")
    return _smallest(power_at, difference, power, ratio, alternative)


def power_curve(
    auc_a: float, auc_b: float, sizes: Sequence[int], *, ratio: float = 1.0, **options: float | str | None
) -> pd.DataFrame:
    """Power of a comparison over `sizes`, the numbers of patients in all: ``n`` and the fields of `Power`.

    `ratio` is that of controls to cases; options as of :func:`comparison_power`.
    """
    _check_ratio(ratio)
    listed = np.atleast_1d(sizes)
    if listed.ndim != 1 or not listed.size:
        raise ValueError(f"sizes must be a list of numbers of patients; its shape is {listed.shape}")
    rows = []
    for n in listed.tolist():
        cases = round(_check_size(n, "sizes", least=2) / (1 + ratio))
        if not 0 < cases < n:
            raise ValueError(f"sizes: {n} patients at {ratio:g} controls for each case are of one class; give more")
        rows.append({"n": n} | asdict(comparison_power(auc_a, auc_b, cases, n - cases, **options)))
    return pd.DataFrame(rows)


def _joint_success(area_a: float, area_b: float, correlation: float) -> float:
    """Probability that two pairs of patients are both ranked rightly; the correlation is of their differences."""
    limits, covariance = special.ndtri([area_a, area_b]), [[1, correlation], [correlation, 1]]
    return float(stats.multivariate_normal.cdf(limits, cov=covariance, allow_singular=True))


def _area_covariance(area_a: float, area_b: float, correlation: float, n_positive: int, n_negative: int) -> float:
    """Exact covariance of two estimated areas: pairs of patients have both patients in common, or one of them."""
    same, sharing = (_joint_success(area_a, area_b, r) - area_a * area_b for r in (correlation, correlation / 2))
    return (same + (n_positive + n_negative - 2) * sharing) / (n_positive * n_negative)


def _difference_variance(areas: tuple[float, ...], correlation: float, n_positive: int, n_negative: int) -> float:
    """Variance of one estimated area, or of the difference of two."""
    sizes = n_positive, n_negative
    total = float(_binormal_variance(areas, sizes).sum())
    return total - (2 * _area_covariance(*areas, correlation, *sizes) if len(areas) > 1 else 0.0)


def _normal_power(difference: float, null: float, true: float, confidence_level: float, alternative: str) -> float:
    """Probability of a significant difference from its standard errors under the null hypothesis and in truth."""
    if true <= 0:
        raise InferenceError("the difference of the areas has no variance: there is nothing to plan")
    reach = special.ndtri(_upper_tail(confidence_level, alternative)) * null
    above, below = special.ndtr((difference - reach) / true), special.ndtr((-difference - reach) / true)
    return float({"two-sided": above + below, "greater": above, "less": below}[alternative])


def _upper_tail(confidence_level: float, alternative: str) -> float:
    return (1 + confidence_level) / 2 if alternative == "two-sided" else confidence_level


def _pilot(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    alternative: str,
    confidence_level: float,
    pos_label: object,
) -> tuple[Callable[[int, int], Power], float]:
    """Power at class sizes, and the difference of the areas, of a pilot."""
    _check_level(confidence_level)
    _check_choice(alternative, "alternative", _ALTERNATIVES)
    positive, *scores = _check_scored(y_true, score_a, score_b, least=2, pos_label=pos_label)
    sizes, (a, b) = _class_sizes(positive), (_placements(positive, score) for score in scores)
    difference = _area(positive, a) - _area(positive, b)
    cases, controls = (a - b)[positive].var(ddof=1) / sizes[1] ** 2, (a - b)[~positive].var(ddof=1) / sizes[0] ** 2
    test = {"confidence_level": confidence_level, "alternative": alternative}
    flawless = "a score ranks the pilot without error, as if its area were certain"
    certain = any(_area(positive, placed) in (0.0, 1.0) for placed in (a, b))
    note = _join_notes(flawless * certain, _small_sample_note(*sizes))

    def power_at(n_positive: int, n_negative: int) -> Power:
        m, n = _check_classes(n_positive, n_negative)
        error = float(np.sqrt(cases / m + controls / n))
        power = _normal_power(difference, error, error, **test)
        return Power(power, m, n, **test, note=note)

    return power_at, difference


def _smallest(
    power_at: Callable[[int, int], Power],
    difference: float,
    power: float,
    ratio: float,
    alternative: str,
    start: int = 2,
) -> Power:
    """The smallest study that reaches a power, by bisection; the nearer it is to `start`, the fewer are tried."""
    _check_open_share(power, "power"), _check_ratio(ratio)
    if difference == 0 or (alternative != "two-sided" and (difference > 0) != (alternative == "greater")):
        raise ValueError(
            f"no sample shows a difference of {difference:g} (alternative: {alternative}): give other areas"
        )

    def at(cases: int) -> Power:
        return power_at(cases, max(2, ceil(ratio * cases - 1e-9)))

    low, high, step, found = start - 1, start, 1, at(start)
    while found.power < power:
        low, high, step = high, high + step, 2 * step
        if high > _MOST_CASES:
            raise ValueError(f"more than {low} cases are needed for a difference of {difference:g}")
        found = at(high)
    while low > 1 and (tried := at(low)).power >= power:
        low, high, step, found = max(1, low - step), low, 2 * step, tried
    while high - low > 1:
        middle = (low + high) // 2
        tried = at(middle)
        low, high, found = (low, middle, tried) if tried.power >= power else (middle, high, found)
    # With fewer controls than cases power falls a little where their number stays: fewer cases may have as much.
    fewer = range(max(2, high - min(_MOST_FEWER, ceil(2 / ratio))), high) if ratio < 1 else ()
    return next((tried for tried in map(at, fewer) if tried.power >= power), found)
