"""DeLong's tests of two or more ROC areas, and of models that were trained several times.

DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837; numbers agree with R's pROC (``tests/reference``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, special

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    _ALTERNATIVES,
    InferenceError,
    _as_float,
    _Booleans,
    _check_choice,
    _check_column_names,
    _check_flag,
    _check_level,
    _check_margin,
    _check_order,
    _check_scored,
    _class_sizes,
    _few,
    _Floats,
    _shared_patients,
)
from fibrolib.inference.comparisons import Comparison, _alike_note, _compare, _is_flawless, _tail
from fibrolib.inference.intervals import (
    _error_at_difference,
    _join_notes,
    _mover_limits,
    _normal_quantile,
    _ratio_note,
    _satterthwaite,
    _small_sample_note,
    _spread_note,
)
from fibrolib.inference.permutation import _exchange_pvalue
from fibrolib.inference.roc import (
    _area,
    _auto_limits,
    _covariance_parts,
    _far_apart,
    _placement_covariance,
    _placements,
    _unbalanced,
    _variances,
)

_METHODS = ("auto", "t", "proc")

_BOTH_FLAWLESS = "both scores rank without error (or all wrong): p is 1 by definition"

_ROUNDING = 1e-20  # a variance below is none: placements are halves of whole numbers

_NOT_SCORES = ("patient_id", "y_true", "stage", "split", "fold", "repeat")
"""Columns of the predictions table that are not taken for a score."""

_DIFFERENCES = np.linspace(-1, 1, 2001)
"""Of two areas, among which a score test looks for its limits."""

_ENOUGH_FOR_T = 30
"""From so many patients in each class on, t is not too careful (``docs/statistics.md``)."""


def delong_test(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    method: str = "auto",
    alternative: str = "two-sided",
    margin: float = 0.0,
    paired: bool = True,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Test whether two ROC areas are equal, or whether one is not much worse than the other.

    Parameters
    ----------
    y_true : array_like, shape (n,), or a pair of them
        0 and 1; each patient once. Unpaired: ``(y_a, y_b)``, the truth of either cohort.
    score_a, score_b : array_like, shape (n,)
        One score for each patient; higher means more likely diseased. Unpaired: lengths as in ``(y_a, y_b)``.
    method : {"auto", "t", "proc"}
        "t": Student's t with Satterthwaite's degrees of freedom from the variances of cases and controls, so that the
        smaller class counts; where one class is more than ten times as large, at most twice those of the smaller one
        (its patients less one). "auto": the same, but where neither class is more than twice as large as the other and
        the smaller has fewer than 30 patients (there t is too careful) p comes from exchanging both scores' ranks
        within patients: the larger p of the difference and of DeLong's statistic, over all exchanges of up to 17
        patients, and over 10,000 random ones of more (p is then at least 0.0001, two-sided 0.0002). Its limits come
        from those of either area (:func:`auc_ci`) and DeLong's correlation (Zou & Donner, Stat Med 2008;27:1693). They
        do not follow from p: they may hold 0 where p is significant, with few patients often, and `note` says so. If
        paired, they hold 0 wherever a two-sided p is not significant; if not, they may also leave 0 out. "proc": as R's
        pROC, normal if paired, Welch's t if not; too many false alarms with few cases.
    alternative : {"two-sided", "greater", "less"}
        "greater": the area of `score_a` is the greater one. The interval is always two-sided.
    margin : float
        Above 0, with "greater": test of non-inferiority, that the area of `score_a` is more than ``area of score_b -
        margin``. Choose it before looking at the data. It is met at one-sided 0.025 where the lower limit of the 95 %
        interval lies above ``-margin``. "auto": Student's t with the standard error that the difference would have at
        the margin (a score test, after Miettinen & Nurminen, Stat Med 1985;4:213), with variances that are not far
        below those of normal scores, and all differences that it does not reject; with DeLong's own error ("t"), too
        many high areas by chance are taken for good ones.
    paired : bool
        Whether both scores belong to the same patients.
    pos_label
        As in :func:`auc`.
    confidence_level : float
        Of the interval of the difference.

    Returns
    -------
    Comparison
        Scores that rank all patients alike have difference 0, p = 1 (with a margin NaN) and no interval. Where the
        estimated variance is zero although the areas differ (both ranked without error, in opposite directions), there
        is no test: p is NaN and `note` says so, where pROC returns p = 0.

    Examples
    --------
    >>> delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 3, 4, 6]).difference
    0.111...
    """
    level = _check_level(confidence_level)
    _check_choice(method, "method", _METHODS)
    _check_choice(alternative, "alternative", _ALTERNATIVES)
    _check_margin(margin, alternative, paired)
    if not _check_flag(paired, "paired"):
        return _unpaired(y_true, score_a, score_b, method, alternative, level, pos_label)
    positive, *scores = _check_scored(y_true, score_a, score_b, least=2, pos_label=pos_label)
    sizes, placed = _class_sizes(positive), [_placements(positive, score) for score in scores]
    areas, parts = tuple(_area(positive, column) for column in placed), [_variances(positive, c) for c in placed]
    # The variance of the difference comes from the differences: exactly zero for a score against itself.
    own = _variances(positive, placed[0] - placed[1])
    variance, single = sum(own), [sum(part) for part in parts]
    df, score_test = float("inf") if method == "proc" else _degrees_of_freedom(own, sizes), margin and method == "auto"
    note = _join_notes(_small_sample_note(*sizes), (_spread_note if score_test else _ratio_note)(*sizes))
    name, shape = f"DeLong, non-inferior by {margin:g}" if margin else "DeLong, paired", (df, alternative, margin)
    found = _compare(name, areas, np.sqrt(variance), len(positive), level, note, *shape)
    if score_test and variance > 0:
        return _score_test(found, margin, np.array([areas]).T, np.array([single]).T, variance, sizes)
    # Two scores without error in these patients may still differ: their areas' own limits say by how much.
    if margin or method != "auto" or not (variance > 0 or areas in ((0.0, 0.0), (1.0, 1.0))):
        return found
    if not variance > 0:
        found = replace(found, note=_join_notes(_BOTH_FLAWLESS, note))
    pvalue = partial(_tail, found.statistic, found.df)
    if variance > 0 and _exchanges(sizes):
        pvalue = partial(_exchange_pvalue, positive, *scores)
        note = _join_notes("p from a permutation test within patients", found.note)
        found = replace(found, pvalue=pvalue(alternative), note=note)
    two_sided = found.pvalue if alternative == "two-sided" else pvalue("two-sided")
    correlation = (sum(single) - variance) / 2 / np.sqrt(np.prod(single)) if min(single) > 0 else 0.0
    limits = (_auto_limits(area, part, sizes, level) for area, part in zip(areas, parts, strict=True))
    low, high = _mover_limits(*areas, *limits, correlation)
    if two_sided > 1 - level:
        low, high = min(low, 0.0), max(high, 0.0)
    return _with_limits(found, low, high, two_sided)


def _with_limits(found: Comparison, low: float, high: float, two_sided: float) -> Comparison:
    """The test with limits of another method, and a note where p and they do not agree."""
    apart = two_sided <= 1 - found.confidence_level and low <= 0 <= high
    note = "the interval holds 0, although p is significant: they come from different methods" * apart
    return replace(found, low=low, high=high, note=_join_notes(found.note, note))


def _score_test(found: Comparison, margin: float, *sample: object) -> Comparison:
    """Test and limits with the standard error at each difference (`_error_at_difference`, which `sample` is given).

    The statistic need not fall steadily: that of the test is the least of all differences that are not acceptable, and
    the limits are the outermost differences that are not rejected.
    """
    differences = np.union1d(_DIFFERENCES, [found.difference, -margin])

    def statistic(difference: ArrayLike) -> _Floats:
        return (found.difference - difference) / _error_at_difference(*sample, difference)

    def crossing(t: float, one: float, other: float) -> float:
        return float(optimize.brentq(lambda difference: statistic(difference).item() - t, one, other))

    all_of_them, reach = statistic(differences), _normal_quantile(found.confidence_level, found.df)
    first, last = np.flatnonzero(np.abs(all_of_them) <= reach)[[0, -1]]
    low = crossing(reach, *differences[first - 1 : first + 1]) if first else -1.0
    high = crossing(-reach, *differences[last : last + 2]) if last + 1 < len(differences) else 1.0
    t = float(all_of_them[differences <= -margin].min())
    return replace(found, pvalue=_tail(t, found.df, "greater"), statistic=t, low=low, high=high)


def _degrees_of_freedom(variances: Sequence[float], sizes: tuple[int, int]) -> float:
    """Satterthwaite's; of classes far apart at most twice those of the smaller one: a few may look alike by chance."""
    found = _satterthwaite(variances, sizes)
    return min(found, 2.0 * (min(sizes) - 1)) if _far_apart(sizes) and sum(variances) > 0 else found


def _unpaired(truths, score_a, score_b, method: str, alternative: str, level: float, pos_label: object) -> Comparison:
    """DeLong's test of two cohorts."""
    if not (isinstance(truths, tuple | list) and len(truths) == 2 and all(np.ndim(truth) == 1 for truth in truths)):
        raise InferenceError("an unpaired test needs the truth of either cohort: y_true=(y_a, y_b)")
    shared = _shared_patients((truths[0], score_a), (truths[1], score_b))
    if shared:
        raise InferenceError(
            f"both cohorts hold {_few(map(str, shared))}: an unpaired test is of different patients. For the same "
            "ones, paired=True; give .to_numpy() of all if the ids are numbers of rows"
        )
    cohorts = [
        _placed_columns(truth, score, of=f"of cohort {letter}", pos_label=pos_label)
        for truth, score, letter in zip(truths, (score_a, score_b), "ab", strict=True)
    ]
    areas = tuple(_area(positive, placed[0]) for positive, placed in cohorts)
    parts, sizes = [_variances(y, placed[0]) for y, placed in cohorts], [_class_sizes(y) for y, _ in cohorts]
    if method == "proc":
        df = _satterthwaite([sum(part) for part in parts], [sum(size) for size in sizes])
    else:
        df = _satterthwaite(sum(parts, ()), sum(sizes, ()))
    error, n, small = np.sqrt(sum(map(sum, parts))), sum(map(sum, sizes)), min(map(min, sizes))
    note = _small_sample_note(small, small)
    found = _compare("DeLong, unpaired", areas, error, n, level, note, df, alternative)
    if method != "auto" or np.isnan(found.pvalue):
        return found
    if not error > 0:
        found = replace(found, note=_join_notes(_BOTH_FLAWLESS, note))
    limits = (_auto_limits(area, part, size, level) for area, part, size in zip(areas, parts, sizes, strict=True))
    low, high = _mover_limits(*areas, *limits, 0.0)
    return _with_limits(found, low, high, _tail(found.statistic, found.df, "two-sided"))


def _exchanges(sizes: tuple[int, int]) -> bool:
    """Whether p comes from exchange by default."""
    return not _unbalanced(sizes) and min(sizes) < _ENOUGH_FOR_T


class _JointTest(NamedTuple):
    """Result of :func:`delong_joint_test`: chi-square of DeLong 1988, eq. 5, or F, and the k areas."""

    statistic: float
    df: float
    df_error: float
    pvalue: float
    auc: tuple[float, ...]
    n: int
    note: str


def delong_joint_test(
    y_true: ArrayLike, scores: ArrayLike, *, reference: str = "f", pos_label: object = None
) -> _JointTest:
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
    _check_choice(reference, "reference", ("f", "chi2"))
    _check_order(y_true, scores)
    positive, placed = _placed_columns(y_true, *_as_table(scores, np.size(y_true)).T, pos_label=pos_label)
    if len(placed) < 2:
        raise ValueError("a joint test needs at least two scores")
    areas, sizes = np.array([_area(positive, column) for column in placed]), _class_sizes(positive)
    note = _small_sample_note(*sizes)
    joint = _chi_square if reference == "chi2" else _anova_type
    statistic, df, df_error = joint(positive, placed, areas)
    if np.isnan(statistic):
        note, pvalue = "the estimated variance is zero although areas differ: no test is possible", float("nan")
    elif df == 0:
        note, pvalue = _join_notes(_alike_note("all"), note), 1.0
    else:
        pvalue = special.chdtrc(df, statistic) if np.isinf(df_error) else special.fdtrc(df, df_error, statistic)
        flawless = sum(map(_is_flawless, areas.tolist()))
        certain = f"{flawless} of {len(areas)} scores without error (or all wrong), as if certain" * bool(flawless)
        note = _join_notes(certain, note)
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
    if sum(traces) < _ROUNDING:
        return (float("nan") if apart else 0.0), 0, float("inf")
    df = sum(traces) ** 2 / float(np.sum(covariance**2))
    return apart / sum(traces), df, df * _degrees_of_freedom(traces, _class_sizes(positive))


def _placed_columns(y_true: ArrayLike, *scores: ArrayLike, **options) -> tuple[_Booleans, _Floats]:
    """Truth, and the placements by each score, shape (k, n); options of `_check_scored`."""
    positive, *checked = _check_scored(y_true, *scores, least=2, **options)
    return positive, np.stack([_placements(positive, score) for score in checked])


def _as_table(scores: ArrayLike, n: int) -> _Floats:
    """Floats of shape (n, k), NaN where masked; a list of k scores is the table turned round."""
    if isinstance(scores, pd.DataFrame) and (no_scores := [name for name in scores if name in _NOT_SCORES]):
        raise InferenceError(f"scores has the column {no_scores[0]!r}, which is no score: leave it out")
    listed = isinstance(scores, list | tuple)
    if not listed:
        table = _as_float(scores, "scores")
    else:
        columns = [_as_float(each, "scores") for each in scores]
        if len({column.shape for column in columns}) != 1:
            raise InferenceError("scores must all have as many entries")
        table = np.stack(columns)
    if not 0 < table.ndim <= 2:
        raise InferenceError(f"scores must have one column for each score; their shape is {table.shape}")
    table = table[:, None] if table.ndim == 1 else table
    # A square table may have its scores in columns; a list of as many scores as patients has them in rows.
    return table.T if table.shape[1] == n and (listed or len(table) != n) else table


def compare_trainings(
    y_true: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    alternative: str = "two-sided",
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Test whether two kinds of model have equal mean ROC areas over trainings and patients.

    :func:`delong_test` of two trained models holds for these models only. Here trainings are random, as readers are in
    a reader study: the test of Obuchowski & Rockette (Commun Stat Simul Comput 1995;24:285) with DeLong's covariances
    and Hillis' degrees of freedom (Stat Med 2007;26:596).

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1, or labels; the patients that all trainings are tested on.
    scores_a, scores_b : array_like, shape (n, k)
        One column for each of k >= 2 trainings, or a list of k scores. Equal columns belong together: the same seed and
        training patients. Columns of the same names are paired by name, others as they come.
    alternative, pos_label, confidence_level
        As in :func:`delong_test`.

    Returns
    -------
    Comparison
        Mean areas over the trainings, and Student's t of their difference.
    """
    level = _check_level(confidence_level)
    _check_choice(alternative, "alternative", _ALTERNATIVES)
    _check_order(y_true, scores_a, scores_b)
    if all(isinstance(scores, pd.DataFrame) for scores in (scores_a, scores_b)):
        scores_b = _in_order_of(scores_a, scores_b)
    a, b = (_as_table(scores, np.size(y_true)) for scores in (scores_a, scores_b))
    k = a.shape[1]
    if k != b.shape[1] or k < 2:
        raise InferenceError(
            f"{counted(k, 'training')} against {b.shape[1]}: each kind of model needs as many, at least two"
        )
    positive, placed = _placed_columns(y_true, *a.T, *b.T, pos_label=pos_label)
    areas = np.array([_area(positive, column) for column in placed]).reshape(2, k)
    error, df = _training_error(areas, _placement_covariance(positive, placed))
    means, n = tuple(areas.mean(axis=1).tolist()), len(positive)
    copies = "all trainings are equal: this is the test of one" * bool(np.ptp(a, 1).max() == np.ptp(b, 1).max() == 0)
    note = _join_notes(copies, _small_sample_note(*_class_sizes(positive)))
    return _compare("trainings as readers", means, error, n, level, note, df, alternative)


def _in_order_of(scores_a: pd.DataFrame, scores_b: pd.DataFrame) -> pd.DataFrame:
    """The second table with its columns in the order of the first, where they have names in common."""
    for scores, name in ((scores_a, "scores_a"), (scores_b, "scores_b")):
        _check_column_names(scores, name)
    names, others = (list(map(str, scores)) for scores in (scores_a, scores_b))
    if not set(names) & set(others):
        return scores_b
    if apart := sorted(set(names) ^ set(others)):
        raise InferenceError(f"a training is in one of both tables alone: {_few(map(repr, apart))}")
    return scores_b.iloc[:, [others.index(name) for name in names]]


def _training_error(areas: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
    """Standard error of the difference of the mean areas, shape (2, k), and Hillis' degrees of freedom."""
    k = areas.shape[1]
    interaction = float(np.var(areas[0] - areas[1], ddof=1)) / 2
    others = ~np.eye(k, dtype=bool)
    within = (covariance[:k, :k] + covariance[k:, k:])[others].mean() / 2
    between = covariance[:k, k:][others].mean()
    total = interaction + k * max(0.0, float(within - between))
    return float(np.sqrt(2 * total / k)), (k - 1) * (total / interaction) ** 2 if interaction > 0 else float("inf")
