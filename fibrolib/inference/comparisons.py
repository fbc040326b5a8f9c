"""Tests of two or more scores: DeLong, permutation, McNemar, and the share of a better score's gain.

DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837; numbers agree with R's pROC (``tests/reference``). Each test
returns a `Comparison`. Names with an underscore are shared within `fibrolib.inference` only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    InferenceError,
    _as_float,
    _check_labels,
    _check_level,
    _check_scores,
    _class_sizes,
)
from fibrolib.inference.intervals import (
    Estimate,
    Limits,
    _join_notes,
    _normal_limits,
    _normal_quantile,
    _small_sample_note,
)
from fibrolib.inference.roc import _area, _placement_covariance, _placements

__all__ = ["Comparison", "delong_joint_test", "delong_test", "mcnemar_test", "permutation_test", "share_of_ceiling"]

_MOST_STEPS = 100_000_000
"""Beyond so many additions (half a second) the permutation sum is taken as normal: so many patients that it is."""

_Booleans = NDArray[np.bool_]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Test of two scores `a` and `b`; NaN where the test gives no such number.

    Parameters
    ----------
    test : str
        Name of the test, for example ``"DeLong, paired"``.
    value_a, value_b, difference : float
        Both values (areas, accuracies, Obuchowski measures) and ``value_a - value_b``.
    pvalue : float
        Two-sided; NaN where the data do not allow a test, and `note` says why.
    n : int
        Patients.
    low, high, confidence_level : float
        Limits of the difference, within [-1, 1], and their level.
    statistic, standard_error : float
        z, and standard error of the difference.
    note : str
        Caveats; empty when there are none.
    """

    test: str
    value_a: float
    value_b: float
    difference: float
    pvalue: float
    n: int
    low: float = float("nan")
    high: float = float("nan")
    confidence_level: float = 0.95
    statistic: float = float("nan")
    standard_error: float = float("nan")
    note: str = ""

    @property
    def confidence_interval(self) -> Limits:
        """Both limits of the difference."""
        return self.low, self.high

    def __repr__(self) -> str:
        tail = f"; {self.note}" if self.note else ""
        return (
            f"{self.test} (n = {self.n}): {self.value_a:.3f} vs {self.value_b:.3f}, difference {self.difference:+.3f}, "
            f"{100 * self.confidence_level:g} % CI {self.low:.3f} to {self.high:.3f}, "
            f"p = {self.pvalue:.3g}{tail}"
        )


def _compare(
    test: str, values: tuple[float, float], error: float, n: int, confidence_level: float, note: str
) -> Comparison:
    """Normal test and interval of a difference of two values with its standard error."""
    difference = values[0] - values[1]
    statistic = difference / error if error > 0 else 0.0 if difference == 0 else float("nan")
    low, high = (float(max(-1.0, limit)) for limit in _normal_limits(difference, error, confidence_level, least=-1.0))
    if np.isnan(statistic):
        low = high = float("nan")
        note = _join_notes("the estimated variance is zero although the values differ: no test is possible", note)
    pvalue = float(2 * special.ndtr(-abs(statistic)))
    return Comparison(test, *values, difference, pvalue, n, low, high, confidence_level, statistic, error, note)


def delong_test(
    y_true: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, *, confidence_level: float = 0.95
) -> Comparison:
    """Test whether two ROC areas on the same patients are equal.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1; each patient once.
    score_a, score_b : array_like, shape (n,)
        One score for each patient; higher means more likely diseased.
    confidence_level : float
        Of the interval of the difference.

    Returns
    -------
    Comparison
        Two-sided. Scores that rank all patients alike have difference 0 and p = 1. Where the estimated variance is zero
        although the areas differ (both ranked without error, in opposite directions), there is no test: p is NaN and
        `note` says so, where pROC returns p = 0.

    Raises
    ------
    InferenceError
        Fewer than two patients in a class, NaN or infinite scores, wrong shapes.
    ValueError
        A confidence level outside (0, 1).

    Examples
    --------
    >>> delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 3, 4, 6]).difference
    0.111...
    """
    _check_level(confidence_level)
    positive = _check_labels(y_true, least=2)
    a, b = (
        _placements(positive, _check_scores(score, len(positive), name))
        for name, score in (("score_a", score_a), ("score_b", score_b))
    )
    areas, note = (_area(positive, a), _area(positive, b)), ""
    # The variance of the difference comes from the differences: exactly zero for a score against itself.
    variance = float(_placement_covariance(positive, a - b)[0, 0])
    flawless = [letter for letter, area in zip("ab", areas, strict=True) if area in (0.0, 1.0)]
    if variance == 0 and areas[0] == areas[1]:
        note = "both scores order the patients alike (or without error): nothing to tell apart, p is 1 by definition"
    elif variance > 0 and flawless:
        note = f"score {' and '.join(flawless)} ranks without error, as if its area were certain"
    note = _join_notes(note, _small_sample_note(*_class_sizes(positive)))
    return _compare("DeLong, paired", areas, float(np.sqrt(variance)), len(positive), confidence_level, note)


class _JointTest(NamedTuple):
    """Result of :func:`delong_joint_test`; chi-square of DeLong 1988, eq. 5, and the k areas."""

    statistic: float
    df: int
    df_error: float
    pvalue: float
    auc: tuple[float, ...]
    n: int
    note: str


def delong_joint_test(y_true: ArrayLike, scores: ArrayLike, *, reference: str = "f") -> _JointTest:
    """Test whether k ROC areas on the same patients are all equal (DeLong 1988, eq. 5).

    `scores` holds one column for each score, or is a list of scores, ``[a, b]``.
    "chi2" takes the covariance as known, "f" (Hotelling) allows n - 2 degrees of freedom for it: with 8 and 9 patients
    and six scores chi-square rejects up to 0.17 of true null hypotheses in place of 0.05, F at most 0.02
    (``benchmarks/interval_coverage.py``). Columns that rank the patients alike take no degree of freedom; all alike
    give statistic 0 and p = 1. `df_error` is infinite for chi-square. Where no test is possible p is NaN and `note`
    says why.
    """
    if reference not in ("f", "chi2"):
        raise ValueError(f"reference must be 'f' or 'chi2', not {reference!r}")
    positive, placed = _placed_columns(y_true, scores)
    if len(placed) < 2:
        raise ValueError("a joint test needs at least two scores")
    areas, sizes = np.array([_area(positive, column) for column in placed]), _class_sizes(positive)
    # Contrasts of neighbouring scores, taken before the covariance so that equal columns give exact zeros.
    contrasts, covariance = np.diff(areas), _placement_covariance(positive, np.diff(placed, axis=0))
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    inverse = np.linalg.pinv(covariance, hermitian=True)
    n = sum(sizes)
    df_error = float(n - 1 - rank) if reference == "f" else float("inf")
    note, statistic, pvalue = _small_sample_note(*sizes), float("nan"), float("nan")
    if len(contrasts) > n - 2:
        note = f"{len(placed)} scores of {counted(n, 'patient')}: too few patients for a joint test"
    # A difference in a direction without variance cannot be weighed.
    elif not np.allclose(covariance @ inverse @ contrasts, contrasts, atol=1e-9):
        note = "the estimated variance is zero although areas differ: no test is possible"
    else:
        statistic = float(contrasts @ inverse @ contrasts)
        pvalue = _joint_pvalue(statistic, rank, df_error)
    return _JointTest(statistic, rank, df_error, pvalue, tuple(areas.tolist()), n, note)


def _placed_columns(y_true, scores) -> tuple[_Booleans, _Floats]:
    """Truth, and the placements by each column of scores, shape (k, n)."""
    positive = _check_labels(y_true, least=2)
    table = _as_table(scores)
    # A list of k scores is the table turned round.
    columns = table.T if table.shape[1] == len(positive) != len(table) else table
    checked = [_check_scores(column, len(positive), f"score {i + 1}") for i, column in enumerate(columns.T)]
    return positive, np.stack([_placements(positive, column) for column in checked])


def _as_table(scores: ArrayLike) -> _Floats:
    """Floats of shape (n, k), NaN where masked."""
    if not isinstance(scores, (list, tuple)):
        table = _as_float(scores, "scores")
    elif len({np.shape(each) for each in scores}) == 1:
        table = np.stack([_as_float(each, "scores") for each in scores])
    else:
        raise InferenceError("scores must all have as many entries")
    if not 0 < table.ndim <= 2:
        raise InferenceError(f"scores must have one column for each score; their shape is {table.shape}")
    return table[:, None] if table.ndim == 1 else table


def _joint_pvalue(statistic: float, rank: int, df_error: float) -> float:
    if rank == 0:
        return 1.0
    if np.isinf(df_error):
        return float(special.chdtrc(rank, statistic))
    # Hotelling's T squared, whose covariance has df_error + rank - 1 degrees of freedom.
    return float(special.fdtrc(rank, df_error, statistic * df_error / (rank * (df_error + rank - 1))))


def share_of_ceiling(
    y_true: ArrayLike, y_score: ArrayLike, ceiling: ArrayLike, *, confidence_level: float = 0.95
) -> Estimate:
    """Share of the achievable AUC gain: a score's area less one half, over that of a better score.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score, ceiling : array_like, shape (n,)
        One finite score for each patient; `ceiling` is the better one, for example an oracle's.
    confidence_level : float
        For example 0.95.

    Returns
    -------
    Estimate
        Limits after Fieller (J R Stat Soc B 1954;16:175) from DeLong's covariance: both areas are uncertain, and
        correlated. Above 1 the score is ahead. Without limits, and with a `note`, where the ceiling itself does not
        differ from chance.

    Raises
    ------
    InferenceError
        Fewer than two patients in a class, NaN or infinite scores, wrong shapes.
    ValueError
        A level outside (0, 1).
    """
    level = _check_level(confidence_level)
    positive, placed = _placed_columns(y_true, np.column_stack((y_score, ceiling)))
    gain, achievable = (_area(positive, column) - 0.5 for column in placed)
    value = gain / achievable if achievable else float("nan")
    low, high = _fieller_limits(gain, achievable, _placement_covariance(positive, placed), level)
    note = "the ceiling is not told from chance: no limits" if np.isnan(low) else ""
    return Estimate("share of the way to the ceiling", value, low, high, len(positive), level, "Fieller", note=note)


def _fieller_limits(a: float, b: float, covariance: _Floats, confidence_level: float) -> Limits:
    """All ratios r for which ``a - r b`` does not differ significantly from 0."""
    z = _normal_quantile(confidence_level)
    square = b**2 - z**2 * covariance[1, 1]
    twice = a * b - z**2 * covariance[0, 1]
    constant = a**2 - z**2 * covariance[0, 0]
    if square <= 0:
        return float("nan"), float("nan")
    # Rounding may leave a tiny negative number where both scores rank alike.
    reach = np.sqrt(max(0.0, twice**2 - square * constant))
    return float((twice - reach) / square), float((twice + reach) / square)


def permutation_test(y_true: ArrayLike, score_a: ArrayLike, score_b: ArrayLike) -> Comparison:
    """Exact paired permutation test of two ROC areas (Bandos, Rockette & Gur, Stat Med 2005;24:2873), without limits.

    Were both scores equivalent, their ranks could be exchanged in each patient. The difference of the areas is a sum
    over patients whose terms change sign with the exchange, so its distribution over all 2^n exchanges is counted; with
    very many patients it is taken as normal, and `note` says so. Where two curves of equal area differ in shape the
    test may reject too often (0.08 in place of 0.05 where the spread of the cases differs threefold and the scores are
    alike, ``benchmarks/interval_coverage.py``); it keeps its level where DeLong's is conservative.
    """
    positive = _check_labels(y_true, least=1)
    m, n = _class_sizes(positive)
    ranks = [
        stats.rankdata(_check_scores(score, len(positive), f"score_{letter}"))
        for letter, score in (("a", score_a), ("b", score_b))
    ]
    terms = _exchange_terms(positive, *ranks)
    total = int(terms.sum())
    pvalue, exact = _sign_probability(np.abs(terms[terms != 0]), abs(total))
    areas = (_area(positive, _placements(positive, rank)) for rank in ranks)
    note = "" if exact else "many patients: the sum over the exchanges is taken as normal"
    return Comparison("permutation, paired", *areas, total / (4 * m * n), pvalue, m + n, note=note)


def _exchange_terms(positive: _Booleans, a: _Floats, b: _Floats) -> NDArray[np.int64]:
    """What each patient adds to the difference of the areas, times four times the number of pairs.

    Summed over cases i and controls j, with t = 1 where a patient's ranks stand as observed and -1 where exchanged, the
    difference is ``(t_i + t_j) / 2 * (aa - bb) + (t_j - t_i) / 2 * (ba - ab)``, ``ab`` being whether the case's first
    rank beats the control's second: linear in every t.
    """
    cases, controls = (a[positive], b[positive]), (a[~positive], b[~positive])
    wins = {(i, j): _wins(cases[i], controls[j]) for i in (0, 1) for j in (0, 1)}
    same, crossed = (
        [one - two for one, two in zip(wins[first], wins[second], strict=True)]
        for first, second in (((0, 0), (1, 1)), ((1, 0), (0, 1)))
    )
    terms = np.empty(len(positive), dtype=np.int64)
    terms[positive], terms[~positive] = same[0] - crossed[0], same[1] + crossed[1]
    return terms


def _wins(cases: _Floats, controls: _Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Doubled counts: for each case the controls below it, for each control the cases above it, plus one for a tie."""
    below, above = (
        np.searchsorted(others, ranks, side="left") + np.searchsorted(others, ranks, side="right")
        for ranks, others in ((cases, np.sort(controls)), (controls, np.sort(cases)))
    )
    return below, 2 * len(cases) - above


def _sign_probability(sizes: NDArray[np.int64], observed: int) -> tuple[float, bool]:
    """Two-sided probability that sizes with random signs add up to at least `observed`, and whether it is exact."""
    if observed == 0:
        return 1.0, True
    unit = int(np.gcd.reduce(sizes))
    # The sum is that of all sizes less twice those with a minus: at most so much may have one.
    reach = (int(sizes.sum()) - observed) // 2 // unit
    if len(sizes) * (reach + 1) > _MOST_STEPS:
        spread = float(np.sqrt(np.sum(sizes.astype(np.float64) ** 2)))
        return float(2 * special.ndtr(-observed / spread)), False
    chance = np.zeros(reach + 1)
    chance[0] = 1.0
    for size in sizes // unit:
        chance[size:] += chance[: max(0, len(chance) - size)]
        chance /= 2
    return min(1.0, 2 * float(chance.sum())), True


def mcnemar_test(
    y_true: ArrayLike, call_a: ArrayLike, call_b: ArrayLike, *, confidence_level: float = 0.95
) -> Comparison:
    """Exact McNemar test of two models' accuracy; calls are 0 and 1.

    Interval of the difference: adjusted Wald of Bonett & Price (J Educ Behav Stat 2012;37:479). `note` counts the
    patients that one model alone calls correctly, all that the test looks at.
    """
    _check_level(confidence_level)
    truth = _check_labels(y_true)
    calls = [_check_labels(call, name) for call, name in ((call_a, "call_a"), (call_b, "call_b"))]
    if any(len(call) != len(truth) for call in calls):
        raise InferenceError(
            f"{counted(len(truth), 'patient')} but {len(calls[0])} and {counted(len(calls[1]), 'call')}"
        )
    right_a, right_b = (call == truth for call in calls)
    n, only_a, only_b = len(truth), int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    discordant = only_a + only_b
    pvalue = float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0
    p, q = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    limits = _normal_limits(p - q, np.sqrt((p + q - (p - q) ** 2) / (n + 2)), confidence_level, least=-1.0)
    accuracies, note = (float(right_a.mean()), float(right_b.mean())), f"{only_a} and {only_b} right alone"
    difference = (only_a - only_b) / n
    return Comparison("McNemar, exact", *accuracies, difference, pvalue, n, *limits, confidence_level, note=note)
