"""Tests of two or more scores: DeLong, permutation, McNemar, and the share of a better score's gain.

DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837; numbers agree with R's pROC (``tests/reference``). Each test
returns a `Comparison`. Names with an underscore are shared within `fibrolib.inference` only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    _mover_limits,
    _normal_limits,
    _normal_quantile,
    _satterthwaite,
    _small_sample_note,
)
from fibrolib.inference.roc import (
    _area,
    _auto_limits,
    _covariance_parts,
    _placement_covariance,
    _placements,
    _unbalanced,
    _variances,
)

__all__ = ["Comparison", "delong_joint_test", "delong_test", "mcnemar_test", "permutation_test", "share_of_ceiling"]

ALTERNATIVES = ("two-sided", "greater", "less")
DELONG_METHODS = ("auto", "t", "proc")

_ENOUGH_FOR_T = 30
"""From so many patients in each class on, t is not too careful (``docs/statistics.md``)."""

_EXCHANGES = 5_000

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
        NaN where the data do not allow a test, and `note` says why.
    n : int
        Patients.
    low, high, confidence_level : float
        Limits of the difference, within [-1, 1], and their level.
    statistic, standard_error, df : float
        z or t, standard error of the difference, and degrees of freedom (infinite for z).
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
    df: float = float("inf")

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
    test: str,
    values: tuple[float, float],
    error: float,
    n: int,
    confidence_level: float,
    note: str,
    df: float = np.inf,
    alternative: str = "two-sided",
) -> Comparison:
    """Normal or Student's test, and interval, of a difference of two values with its standard error."""
    difference = values[0] - values[1]
    statistic = difference / error if error > 0 else 0.0 if difference == 0 else float("nan")
    limits = _normal_limits(difference, error, confidence_level, least=-1.0, df=df)
    low, high = (float(max(-1.0, limit)) for limit in limits)
    if np.isnan(statistic):
        low = high = float("nan")
        note = _join_notes("the estimated variance is zero although the values differ: no test is possible", note)
    pvalue = _tail(statistic, df, alternative)
    return Comparison(test, *values, difference, pvalue, n, low, high, confidence_level, statistic, error, note, df)


def _tail(statistic: float, df: float, alternative: str) -> float:
    def below(value: float) -> float:
        return float(special.ndtr(value) if np.isinf(df) else special.stdtr(df, value))

    if alternative == "two-sided":
        return 2 * below(-abs(statistic))
    return below(-statistic if alternative == "greater" else statistic)


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {known}, not {value!r}")


def delong_test(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    method: str = "auto",
    alternative: str = "two-sided",
    paired: bool = True,
    confidence_level: float = 0.95,
) -> Comparison:
    """Test whether two ROC areas are equal.

    Parameters
    ----------
    y_true : array_like, shape (n,), or a pair of them
        0 and 1; each patient once. Unpaired: ``(y_a, y_b)``, the truth of either cohort.
    score_a, score_b : array_like, shape (n,)
        One score for each patient; higher means more likely diseased. Unpaired: lengths as in ``(y_a, y_b)``.
    method : {"auto", "t", "proc"}
        "t": Student's t with Satterthwaite's degrees of freedom from the variances of cases and controls, so that the
        smaller class counts. "auto": the same, but where neither class is more than twice as large as the other and
        the smaller has fewer than 30 patients (there t is too careful) p comes from exchanging both scores' ranks
        within patients: the larger p of the difference and of DeLong's statistic. Its limits come from those of
        either area (:func:`auc_ci`) and DeLong's correlation (Zou & Donner, Stat Med 2008;27:1693); near 0.05 they and
        p may disagree. "proc": as R's pROC, normal if paired, Welch's t if not; too many false alarms with few cases.
    alternative : {"two-sided", "greater", "less"}
        "greater": the area of `score_a` is the greater one. The interval is always two-sided.
    paired : bool
        Whether both scores belong to the same patients.
    confidence_level : float
        Of the interval of the difference.

    Returns
    -------
    Comparison
        Scores that rank all patients alike have difference 0 and p = 1. Where the estimated variance is zero although
        the areas differ (both ranked without error, in opposite directions), there is no test: p is NaN and `note`
        says so, where pROC returns p = 0.

    Raises
    ------
    InferenceError
        Fewer than two patients in a class, NaN or infinite scores, wrong shapes.
    ValueError
        Unknown `method` or `alternative`, or a confidence level outside (0, 1).

    Examples
    --------
    >>> delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 3, 4, 6]).difference
    0.111...
    """
    level = _check_level(confidence_level)
    _check_choice("method", method, DELONG_METHODS)
    _check_choice("alternative", alternative, ALTERNATIVES)
    if not paired:
        return _unpaired(y_true, score_a, score_b, method, alternative, level)
    positive, placed = _placed_columns(y_true, score_a, score_b)
    sizes = _class_sizes(positive)
    areas, parts = tuple(_area(positive, column) for column in placed), [_variances(positive, c) for c in placed]
    # The variance of the difference comes from the differences: exactly zero for a score against itself.
    own = _variances(positive, placed[0] - placed[1])
    variance, single = sum(own), [sum(part) for part in parts]
    df = float("inf") if method == "proc" else _satterthwaite(own, sizes)
    note = _join_notes(_ranking_note(areas, variance), _small_sample_note(*sizes))
    found = _compare("DeLong, paired", areas, np.sqrt(variance), len(positive), level, note, df, alternative)
    # Two scores without error in these patients may still differ: their areas' own limits say by how much.
    if method != "auto" or not (variance > 0 or areas in ((0.0, 0.0), (1.0, 1.0))):
        return found
    if variance > 0 and not _unbalanced(sizes) and min(sizes) < _ENOUGH_FOR_T:
        pvalue = _exchange_pvalue(positive, score_a, score_b, alternative)
        found = replace(found, pvalue=pvalue, note=_join_notes("p by exchange within patients", note))
    correlation = (sum(single) - variance) / 2 / np.sqrt(np.prod(single)) if min(single) > 0 else 0.0
    limits = (_auto_limits(area, part, sizes, level) for area, part in zip(areas, parts, strict=True))
    low, high = _mover_limits(*areas, *limits, correlation)
    return replace(found, low=low, high=high)


def _unpaired(truths, score_a, score_b, method: str, alternative: str, level: float) -> Comparison:
    """DeLong's test of two cohorts."""
    if not (isinstance(truths, tuple | list) and len(truths) == 2 and all(np.ndim(truth) == 1 for truth in truths)):
        raise InferenceError("an unpaired test needs the truth of either cohort: y_true=(y_a, y_b)")
    cohorts = [
        _placed_columns(truth, score, name=f"of cohort {letter}")
        for truth, score, letter in zip(truths, (score_a, score_b), "ab", strict=True)
    ]
    areas = tuple(_area(positive, placed[0]) for positive, placed in cohorts)
    parts, sizes = [_variances(y, placed[0]) for y, placed in cohorts], [_class_sizes(y) for y, _ in cohorts]
    if method == "proc":
        df = _satterthwaite([sum(part) for part in parts], [sum(size) for size in sizes])
    else:
        df = _satterthwaite(sum(parts, ()), sum(sizes, ()))
    error, n, small = np.sqrt(sum(map(sum, parts))), sum(map(sum, sizes)), min(map(min, sizes))
    note = _join_notes(_ranking_note(areas, error), _small_sample_note(small, small))
    found = _compare("DeLong, unpaired", areas, error, n, level, note, df, alternative)
    if method != "auto" or not error > 0:
        return found
    limits = (_auto_limits(area, part, size, level) for area, part, size in zip(areas, parts, sizes, strict=True))
    low, high = _mover_limits(*areas, *limits, 0.0)
    return replace(found, low=low, high=high)


def _ranking_note(areas: tuple[float, float], variance: float) -> str:
    flawless = [letter for letter, area in zip("ab", areas, strict=True) if area in (0.0, 1.0)]
    if variance == 0 and areas[0] == areas[1]:
        return "both scores order the patients alike (or without error): nothing to tell apart, p is 1 by definition"
    if variance > 0 and flawless:
        return f"score {' and '.join(flawless)} ranks without error, as if its area were certain"
    return ""


def _exchange_pvalue(positive: _Booleans, score_a: ArrayLike, score_b: ArrayLike, alternative: str) -> float:
    """The larger p of the difference and of DeLong's statistic over random exchanges of both ranks within patients."""
    a, b = stats.rankdata(score_a), stats.rankdata(score_b)
    # Neither the order of patients nor that of scores may matter.
    order = np.lexsort((a * b, a + b, ~positive))
    a, b, (m, n) = a[order], b[order], _class_sizes(positive)

    def wins(cases: _Floats, controls: _Floats) -> _Floats:
        return np.sign(cases[:m, None] - controls[None, m:])

    same, crossed = wins(a, a) - wins(b, b), wins(a, b) - wins(b, a)
    alike, unlike = (same + crossed) / 4, (same - crossed) / 4
    signs = 2.0 * np.random.default_rng(0).integers(0, 2, (_EXCHANGES, m + n)) - 1
    signs[0] = 1
    of_cases, of_controls = signs[:, :m], signs[:, m:]
    cases = (of_cases * alike.sum(axis=1) + of_controls @ unlike.T) / n
    controls = (of_cases @ alike + of_controls * unlike.sum(axis=0)) / m
    differences = cases.mean(axis=1)
    variances = cases.var(axis=1, ddof=1) / m + controls.var(axis=1, ddof=1) / n
    differences[np.abs(differences) < 1e-12] = 0.0
    # Below this a variance is rounding: such a difference is beyond all others.
    studentised = differences / np.sqrt(np.where(variances > 1e-15, variances, 1e-30))
    side = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}[alternative]
    return max(float(np.mean(side(t) >= side(t[0]) - 1e-9)) for t in (differences, studentised))


class _JointTest(NamedTuple):
    """Result of :func:`delong_joint_test`: chi-square of DeLong 1988, eq. 5, or F, and the k areas."""

    statistic: float
    df: float
    df_error: float
    pvalue: float
    auc: tuple[float, ...]
    n: int
    note: str


def delong_joint_test(y_true: ArrayLike, scores: ArrayLike, *, reference: str = "f") -> _JointTest:
    """Test whether k ROC areas on the same patients are all equal.

    `scores` holds one column for each score, or is a list of scores, ``[a, b]``.

    "f" compares the spread of the areas with the trace of DeLong's covariance (the ANOVA-type statistic of Brunner,
    Dette & Munk, J Am Stat Assoc 1997;92:1494), with Greenhouse and Geisser's correction and Satterthwaite's degrees of
    freedom from cases and controls; with two scores it is the square of Student's t in :func:`delong_test`. It keeps
    its level from 3 and 10 patients up and is careful with many scores of few patients (``docs/statistics.md``).
    "chi2" is DeLong 1988, eq. 5, which takes the covariance as known: for many patients in both classes, and
    `df_error` is infinite. Columns that all rank the patients alike give statistic 0 and p = 1. Where no test is
    possible p is NaN and `note` says why.
    """
    _check_choice("reference", reference, ("f", "chi2"))
    table = _as_table(scores)
    # A list of k scores is the table turned round.
    turned = table.shape[1] == len(y_true) != len(table)
    positive, placed = _placed_columns(y_true, *(table if turned else table.T))
    if len(placed) < 2:
        raise ValueError("a joint test needs at least two scores")
    areas, sizes = np.array([_area(positive, column) for column in placed]), _class_sizes(positive)
    note = _small_sample_note(*sizes)
    joint = _chi_square if reference == "chi2" else _anova_type
    statistic, df, df_error = joint(positive, placed, areas)
    if np.isnan(statistic):
        note, pvalue = "the estimated variance is zero although areas differ: no test is possible", float("nan")
    elif df == 0:
        pvalue = 1.0
    else:
        pvalue = special.chdtrc(df, statistic) if np.isinf(df_error) else special.fdtrc(df, df_error, statistic)
    return _JointTest(statistic, df, df_error, float(pvalue), tuple(areas.tolist()), sum(sizes), note)


def _chi_square(positive: _Booleans, placed: _Floats, areas: _Floats) -> tuple[float, float, float]:
    # Contrasts of neighbouring scores, taken before the covariance so that equal columns give exact zeros.
    contrasts, covariance = np.diff(areas), _placement_covariance(positive, np.diff(placed, axis=0))
    inverse = np.linalg.pinv(covariance, hermitian=True)
    # A difference in a direction without variance cannot be weighed.
    known = np.allclose(covariance @ inverse @ contrasts, contrasts, atol=1e-9)
    statistic = float(contrasts @ inverse @ contrasts) if known else float("nan")
    return statistic, int(np.linalg.matrix_rank(covariance, hermitian=True)), float("inf")


def _anova_type(positive: _Booleans, placed: _Floats, areas: _Floats) -> tuple[float, float, float]:
    # Centred by way of differences: equal columns give exact zeros.
    contrasts = placed - placed[0]
    parts = _covariance_parts(positive, contrasts - contrasts.mean(axis=0))
    covariance, traces = sum(parts), [float(np.trace(part)) for part in parts]
    apart = float(np.sum((areas - areas.mean()) ** 2)) if np.ptp(areas) > 0 else 0.0
    # Less is rounding: placements are halves of whole numbers.
    if sum(traces) < 1e-20:
        return (float("nan") if apart else 0.0), 0, float("inf")
    df = sum(traces) ** 2 / float(np.sum(covariance**2))
    return apart / sum(traces), df, df * _satterthwaite(traces, _class_sizes(positive))


def _placed_columns(y_true: ArrayLike, *scores: ArrayLike, name: str = "") -> tuple[_Booleans, _Floats]:
    """Truth, and the placements by each score, shape (k, n)."""
    positive = _check_labels(y_true, f"y_true {name}".strip(), least=2)
    names = (
        [f"score_{letter}" for letter in "ab"] if len(scores) == 2 else [f"score {i + 1}" for i in range(len(scores))]
    )
    checked = [
        _check_scores(score, len(positive), f"{each} {name}".strip()) for score, each in zip(scores, names, strict=True)
    ]
    return positive, np.stack([_placements(positive, score) for score in checked])


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
    positive, placed = _placed_columns(y_true, y_score, ceiling)
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


def permutation_test(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
) -> Comparison:
    """Exact paired permutation test of two ROC areas (Bandos, Rockette & Gur, Stat Med 2005;24:2873).

    Were both scores equivalent, their ranks could be exchanged in each patient. The difference of the areas is a sum
    over patients whose terms change sign with the exchange, so its distribution over all 2^n exchanges is counted; with
    very many patients it is taken as normal, and `note` says so. The interval holds all differences by which that
    distribution could be shifted without a (two-sided) rejection; where the areas differ it is too narrow with few
    patients (0.88 in place of 0.95 at 8 + 9), and :func:`delong_test` has the better one. Where two curves of equal
    area differ in shape the test rejects too often (up to 0.15 at 10 + 200, ``docs/statistics.md``); it keeps its level
    where DeLong's is conservative. `alternative` as of :func:`delong_test`.
    """
    level = _check_level(confidence_level)
    _check_choice("alternative", alternative, ALTERNATIVES)
    positive = _check_labels(y_true, least=1)
    m, n = _class_sizes(positive)
    ranks = [
        stats.rankdata(_check_scores(score, len(positive), f"score_{letter}"))
        for letter, score in (("a", score_a), ("b", score_b))
    ]
    terms = _exchange_terms(positive, *ranks)
    total = int(terms.sum())
    beyond, here, widest, exact = _sign_probability(np.abs(terms[terms != 0]), abs(total), level)
    if alternative == "two-sided":
        pvalue = min(1.0, 2 * beyond)
    else:
        pvalue = beyond if (total >= 0) == (alternative == "greater") or total == 0 else 1 - beyond + here
    areas = tuple(_area(positive, _placements(positive, rank)) for rank in ranks)
    note = "" if exact else "many patients: the sum over the exchanges is taken as normal"
    low, high = ((total + side * widest) / (4 * m * n) for side in (-1, 1))
    limits = max(-1.0, low), min(1.0, high)
    return Comparison("permutation, paired", *areas, total / (4 * m * n), pvalue, m + n, *limits, level, note=note)


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


def _sign_probability(sizes: NDArray[np.int64], observed: int, level: float) -> tuple[float, float, float, bool]:
    """Chance that sizes with random signs add up to at least `observed`, and to just that.

    Also the largest sum that is not yet outside `level`, and whether all of it is exact.
    """
    if len(sizes) == 0:
        return 1.0, 1.0, 0.0, True
    unit, whole = int(np.gcd.reduce(sizes)), int(sizes.sum())
    # The sum is that of all sizes less twice those with a minus: chance[i] is that of whole - 2 i unit.
    half = whole // 2 // unit
    if len(sizes) * (half + 1) > _MOST_STEPS:
        spread = float(np.sqrt(np.sum(sizes.astype(np.float64) ** 2)))
        return float(special.ndtr(-observed / spread)), 0.0, _normal_quantile(level) * spread, False
    chance = np.zeros(half + 1)
    chance[0] = 1.0
    for size in sizes // unit:
        chance[size:] += chance[: max(0, len(chance) - size)]
        chance /= 2
    reach, tails = (whole - observed) // 2 // unit, np.cumsum(chance)
    widest = whole - 2 * unit * int(np.argmax(2 * tails > 1 - level + 1e-12))
    return float(tails[reach]), float(chance[reach]), float(widest), True


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
