"""DeLong's tests: do two or more ROC areas differ?

DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837; computed after Sun & Xu 2014. Numbers agree with R's pROC
(``tests/reference``). Scores are never turned round: an AUC below 0.5 stays below 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    check_apart,
    check_classes,
    check_labels,
    check_level,
    check_patients,
    check_scores,
)
from fibrolib.inference.placements import (
    area_under,
    component_covariance,
    doubled_placements,
    paired_differences,
    ranked,
)
from fibrolib.inference.results import DeLongCovariance, DeLongResult, Interval, JointResult, small_sample_note

__all__ = ["ALTERNATIVES", "auc", "delong_covariance", "delong_joint_test", "delong_test"]

ALTERNATIVES = ("two-sided", "greater", "less")


def auc(y_true: ArrayLike, y_score: ArrayLike) -> float:
    """Area under the ROC curve, ties counted half.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score : array_like, shape (n,)
        Higher means more likely diseased.

    Returns
    -------
    float

    Raises
    ------
    InferenceError
        One class only, NaN or infinite scores, wrong shapes.
    """
    positive = check_labels(y_true)
    n_positive, _ = check_classes(positive)
    return area_under(doubled_placements(positive, check_scores(y_score, len(positive))), n_positive)


def delong_test(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    confidence_level: float = 0.95,
    alternative: str = "two-sided",
    paired: bool = True,
    patient_id: ArrayLike | None = None,
) -> DeLongResult:
    """Test whether two ROC areas are equal.

    Parameters
    ----------
    y_true : array_like, shape (n,), or a pair of them
        0 and 1. Unpaired: ``(y_a, y_b)``, the truth of either cohort.
    score_a, score_b : array_like, shape (n,)
        One score for each patient; higher means more likely diseased. Unpaired: lengths as in ``(y_a, y_b)``.
    confidence_level : float
        Of the (always two-sided) interval of the difference.
    alternative : {"two-sided", "greater", "less"}
        "greater": the area of `score_a` is the greater one.
    paired : bool
        Whether both scores belong to the same patients. Two cohorts are compared with Welch's t, as pROC does.
    patient_id : array_like, shape (n,), or a pair of them, optional
        Given, repeated patients are refused; so are patients of both cohorts in an unpaired test.

    Returns
    -------
    DeLongResult
        Scores that rank all patients alike have difference 0 and p = 1. Where the estimated variance is zero although
        the areas differ (both ranked without error, in opposite directions), there is no test: p is NaN and `note`
        says so, where pROC returns p = 0.

    Raises
    ------
    InferenceError
        Fewer than two patients in a class, NaN or infinite scores, repeated patients, wrong shapes.
    ValueError
        Unknown `alternative`, or a confidence level outside (0, 1).

    Examples
    --------
    >>> delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 3, 4, 6]).difference
    0.111...
    """
    check_level(confidence_level)
    if alternative not in ALTERNATIVES:
        raise ValueError(f"alternative must be one of {ALTERNATIVES}, not {alternative!r}")
    compare = _paired if paired else _unpaired
    areas, variance, df, n = compare(y_true, score_a, score_b, patient_id)
    difference, error = areas[0] - areas[1], float(np.sqrt(variance))
    statistic, note = _statistic(difference, error)
    reach = _quantile((1 + confidence_level) / 2, df) * error if not np.isnan(statistic) else np.nan
    interval = Interval(*(float(np.clip(difference + side * reach, -1, 1)) for side in (-1, 1)))
    return DeLongResult(
        statistic=statistic,
        pvalue=_pvalue(statistic, df, alternative),
        auc_a=areas[0],
        auc_b=areas[1],
        difference=difference,
        standard_error=error,
        confidence_interval=interval,
        confidence_level=confidence_level,
        alternative=alternative,
        paired=paired,
        n=n,
        df=df,
        note="; ".join(filter(None, (note or _flawless_note(areas), small_sample_note(*n)))),
    )


def _paired(y_true, score_a, score_b, patient_id) -> tuple[tuple[float, float], float, float, tuple[int, int]]:
    positive = check_labels(y_true)
    n = check_classes(positive, least=2)
    check_patients(patient_id, len(positive))
    scores = (check_scores(score_a, len(positive), "score_a"), check_scores(score_b, len(positive), "score_b"))
    ranks_a, ranks_b = (ranked(positive, score) for score in scores)
    areas = (area_under(ranks_a.placed, n[0]), area_under(ranks_b.placed, n[0]))
    # The variance of the difference is taken from the differences: exactly zero for a score against itself.
    variance = float(component_covariance(ranks_b.is_case, paired_differences(ranks_a, ranks_b))[0, 0])
    return areas, variance, float("inf"), n


def _unpaired(y_true, score_a, score_b, patient_id) -> tuple[tuple[float, float], float, float, tuple[int, int]]:
    truths = y_true if _is_pair(y_true) else (y_true, y_true)
    patients = patient_id if _is_pair(patient_id) else (patient_id, patient_id)
    if _is_pair(patient_id):
        check_apart(*patient_id)
    areas, variances, counts = [], [], []
    for truth, score, patient, letter in zip(truths, (score_a, score_b), patients, "ab", strict=True):
        positive = check_labels(truth, f"y_true of cohort {letter}")
        counts.append(check_classes(positive, 2, f"y_true of cohort {letter}"))
        check_patients(patient, len(positive))
        placed = doubled_placements(positive, check_scores(score, len(positive), f"score_{letter}"))
        areas.append(area_under(placed, counts[-1][0]))
        variances.append(float(component_covariance(positive, placed)[0, 0]))
    total = sum(variances)
    # Welch-Satterthwaite, with n - 1 degrees of freedom for each cohort as in pROC.
    parts = sum(v**2 / (sum(c) - 1) for v, c in zip(variances, counts, strict=True))
    df = total**2 / parts if parts > 0 else float("inf")
    return tuple(areas), total, float(df), (counts[0][0] + counts[1][0], counts[0][1] + counts[1][1])


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(np.ndim(part) == 1 for part in value)


def _statistic(difference: float, error: float) -> tuple[float, str]:
    if error > 0:
        return difference / error, ""
    if difference == 0:
        return (
            0.0,
            "both scores order the patients alike (or without error): nothing to tell apart, p is 1 by definition",
        )
    return float("nan"), "the estimated variance is zero although the areas differ: no test is possible"


def _flawless_note(areas: tuple[float, float]) -> str:
    flawless = [letter for letter, area in zip("ab", areas, strict=True) if area in (0.0, 1.0)]
    return f"score {' and '.join(flawless)} ranks without error, as if its area were certain" if flawless else ""


def _quantile(share: float, df: float) -> float:
    return float(special.ndtri(share) if np.isinf(df) else special.stdtrit(df, share))


def _pvalue(statistic: float, df: float, alternative: str) -> float:
    def below(value: float) -> float:
        return float(special.ndtr(value) if np.isinf(df) else special.stdtr(df, value))

    if alternative == "two-sided":
        return 2 * below(-abs(statistic))
    return below(-statistic if alternative == "greater" else statistic)


def delong_covariance(y_true: ArrayLike, scores: ArrayLike, *, patient_id: ArrayLike | None = None) -> DeLongCovariance:
    """Areas of k scores on the same patients and their covariance matrix.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    scores : array_like or DataFrame, shape (n, k)
        One column for each score.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    DeLongCovariance

    Raises
    ------
    InferenceError
        Fewer than two patients in a class, NaN or infinite scores, repeated patients, wrong shapes.
    """
    positive, placed = _placed(y_true, scores, patient_id)
    return DeLongCovariance(_areas(positive, placed), component_covariance(positive, *placed))


def _areas(positive: NDArray[np.bool_], placed: list[NDArray[np.integer]]) -> NDArray[np.float64]:
    n_positive = int(np.count_nonzero(positive))
    return np.array([area_under(column, n_positive) for column in placed])


def _placed(y_true, scores, patient_id) -> tuple[NDArray[np.bool_], list[NDArray[np.integer]]]:
    """Truth, and the doubled placements of each column of scores."""
    positive = check_labels(y_true)
    check_classes(positive, least=2)
    check_patients(patient_id, len(positive))
    table = np.asarray(scores)
    columns = table[:, None] if table.ndim == 1 else table
    checked = [check_scores(column, len(positive), f"score {i + 1}") for i, column in enumerate(columns.T)]
    return positive, [doubled_placements(positive, column) for column in checked]


def delong_joint_test(
    y_true: ArrayLike, scores: ArrayLike, *, reference: str = "f", patient_id: ArrayLike | None = None
) -> JointResult:
    """Test whether k ROC areas on the same patients are all equal (DeLong 1988, eq. 5).

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    scores : array_like or DataFrame, shape (n, k)
        At least two columns.
    reference : {"f", "chi2"}
        Where p is looked up. "chi2": the large-sample distribution of DeLong 1988, which takes the covariance for
        known. "f": Hotelling's, with n - 2 degrees of freedom for the covariance; alike with many patients. With 8
        and 9 patients and six scores chi-square rejects up to 0.17 of true null hypotheses in place of 0.05, F at most
        0.02 (``benchmarks/interval_coverage.py``).
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    JointResult
        Columns that rank the patients alike take no degree of freedom. All alike: statistic 0, p = 1. More scores
        than these patients can tell apart: p is NaN and `note` says so.

    Raises
    ------
    InferenceError
        As :func:`delong_covariance`.
    ValueError
        Fewer than two scores, or an unknown reference.
    """
    if reference not in ("f", "chi2"):
        raise ValueError(f"reference must be 'f' or 'chi2', not {reference!r}")
    positive, placed = _placed(y_true, scores, patient_id)
    if len(placed) < 2:
        raise ValueError("a joint test needs at least two scores")
    areas, n = _areas(positive, placed), check_classes(positive)
    # Contrasts of neighbouring scores, taken before the covariance so that equal columns give exact zeros.
    contrasts, covariance = np.diff(areas), component_covariance(positive, *np.diff(placed, axis=0))
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    inverse = np.linalg.pinv(covariance, hermitian=True)
    df_error = float(sum(n) - 1 - rank) if reference == "f" else float("inf")
    note, statistic, pvalue = small_sample_note(*n), float("nan"), float("nan")
    if len(contrasts) > sum(n) - 2:
        note = f"{len(placed)} scores of {counted(sum(n), 'patient')}: too few patients for a joint test"
    # A difference in a direction without variance cannot be weighed.
    elif not np.allclose(covariance @ inverse @ contrasts, contrasts, atol=1e-9):
        note = "the estimated variance is zero although areas differ: no test is possible"
    else:
        statistic = float(contrasts @ inverse @ contrasts)
        pvalue = _joint_pvalue(statistic, rank, df_error)
    return JointResult(statistic, rank, df_error, pvalue, tuple(areas.tolist()), n, note)


def _joint_pvalue(statistic: float, rank: int, df_error: float) -> float:
    if rank == 0:
        return 1.0
    if np.isinf(df_error):
        return float(special.chdtrc(rank, statistic))
    # Hotelling's T squared, whose covariance has df_error + rank - 1 degrees of freedom.
    return float(special.fdtrc(rank, df_error, statistic * df_error / (rank * (df_error + rank - 1))))
