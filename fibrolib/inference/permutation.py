"""A second test of two ROC areas on the same patients, exact where DeLong's normal curve is only an approximation.

Bandos, Rockette & Gur, Stat Med 2005;24:2873: were the two diagnostics alike, then in each patient either score (as a
rank among that diagnostic's scores) could as well have been the other's. The difference of the areas turns out to be a
sum over patients whose terms change sign where a patient's scores change places: so its distribution over all 2^n
exchanges can be counted, without drawing any.

DeLong's test asks for the areas alone and stays the study's test. This one asks for more: it may reject too often where
two curves of the same area differ in shape (0.08 in place of 0.05 where the spread of the cases differs threefold and
the scores are alike, ``benchmarks/interval_coverage.py``). In return it keeps its level where DeLong's is over-careful,
with few patients and scores that are very good or very alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from fibrolib.inference.checks import check_classes, check_labels, check_patients, check_scores

__all__ = ["ExchangeResult", "permutation_test"]

MOST_STEPS = 100_000_000
"""Above so many additions (half a second) the sum is taken for normal: so many patients that it is."""


@dataclass(frozen=True)
class ExchangeResult:
    """Result of :func:`permutation_test`.

    Parameters
    ----------
    pvalue : float
        Two-sided.
    difference : float
        Area of the first score minus that of the second.
    n : tuple of int
        Patients with and without the condition.
    exact : bool
        Whether all exchanges were counted; otherwise their sum was taken for normal.
    """

    pvalue: float
    difference: float
    n: tuple[int, int]
    exact: bool


def permutation_test(
    y_true: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, *, patient_id: ArrayLike | None = None
) -> ExchangeResult:
    """Test whether two scores of the same patients could be exchanged for each other, by the difference of their areas.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    score_a, score_b : array_like, shape (n,)
        One finite score for each patient; higher means more likely diseased.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    ExchangeResult
        Scores that rank all patients alike have p = 1.

    Raises
    ------
    InferenceError
        One class only, NaN or infinite scores, repeated patients, wrong shapes.
    """
    positive = check_labels(y_true)
    n = check_classes(positive)
    check_patients(patient_id, len(positive))
    scores = (check_scores(score_a, len(positive), "score_a"), check_scores(score_b, len(positive), "score_b"))
    terms = _terms(positive, *(stats.rankdata(score) for score in scores))
    total = int(terms.sum())
    pvalue, exact = _two_sided(np.abs(terms[terms != 0]), abs(total))
    return ExchangeResult(pvalue, total / (4 * n[0] * n[1]), n, exact)


def _terms(positive: NDArray[np.bool_], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.int64]:
    """What each patient adds to the difference of the areas, times four times the number of pairs.

    Summed over cases i and controls j, with t = 1 where a patient's ranks stand as found and -1 where exchanged, the
    difference is ``(t_i + t_j) / 2 * (aa - bb) + (t_j - t_i) / 2 * (ba - ab)``, ``ab`` being whether the case's first
    rank beats the control's second: linear in every t.
    """
    cases, controls = (a[positive], b[positive]), (a[~positive], b[~positive])
    won = {(i, j): _wins(cases[i], controls[j]) for i in (0, 1) for j in (0, 1)}
    kept, crossed = (
        [one - two for one, two in zip(won[first], won[second], strict=True)]
        for first, second in (((0, 0), (1, 1)), ((1, 0), (0, 1)))
    )
    terms = np.empty(len(positive), dtype=np.int64)
    terms[positive], terms[~positive] = kept[0] - crossed[0], kept[1] + crossed[1]
    return terms


def _wins(cases: NDArray[np.float64], controls: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Doubled counts: for each case the controls below it, for each control the cases above it, plus one for a tie."""
    below, above = (
        np.searchsorted(there, here, side="left") + np.searchsorted(there, here, side="right")
        for here, there in ((cases, np.sort(controls)), (controls, np.sort(cases)))
    )
    return below, 2 * len(cases) - above


def _two_sided(sizes: NDArray[np.int64], observed: int) -> tuple[float, bool]:
    """How likely it is that sizes with random signs add up to at least so much, and whether that was counted."""
    if observed == 0:
        return 1.0, True
    unit = int(np.gcd.reduce(sizes))
    # The sum is that of all sizes less twice those with a minus: at most so much may have one.
    reach = (int(sizes.sum()) - observed) // 2 // unit
    if len(sizes) * (reach + 1) > MOST_STEPS:
        spread = float(np.sqrt(np.sum(sizes.astype(np.float64) ** 2)))
        return float(2 * special.ndtr(-observed / spread)), False
    chance = np.zeros(reach + 1)
    chance[0] = 1.0
    for size in sizes // unit:
        chance[size:] += chance[: max(0, len(chance) - size)]
        chance /= 2
    return min(1.0, 2 * float(chance.sum())), True
