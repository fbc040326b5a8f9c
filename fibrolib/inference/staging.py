"""The Obuchowski measure: how well a score orders more than two stages, as the field reports fibrosis markers.

Obuchowski (Acad Radiol 2005;12:1198), with the penalty by distance of stages that Lambert et al. (Clin Chem
2008;54:1372) introduced for fibrosis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from fibrolib.inference.checks import InferenceError, check_level, check_patients, check_scores
from fibrolib.inference.placements import doubled_placements
from fibrolib.inference.results import Estimate, Interval, small_sample_note

__all__ = ["ObuchowskiResult", "obuchowski", "obuchowski_test"]


@dataclass(frozen=True)
class ObuchowskiResult:
    """Result of :func:`obuchowski_test`.

    Parameters
    ----------
    statistic, pvalue : float
        z and its two-sided p; NaN where the variance is zero although the measures differ.
    value_a, value_b, difference : float
        Both measures and ``value_a - value_b``.
    standard_error : float
        Of the difference.
    confidence_interval : Interval
        Of the difference; NaN where there is no test.
    confidence_level : float
        Of that interval.
    n : int
        Patients.
    note : str
        What a reader must know; empty when there is nothing.
    """

    statistic: float
    pvalue: float
    value_a: float
    value_b: float
    difference: float
    standard_error: float
    confidence_interval: Interval
    confidence_level: float
    n: int
    note: str = ""


def obuchowski(
    stage: ArrayLike,
    y_score: ArrayLike,
    *,
    prevalence: Mapping[int, float] | None = None,
    penalise: bool = True,
    confidence_level: float = 0.95,
    patient_id: ArrayLike | None = None,
) -> Estimate:
    """Weighted mean of the areas between all pairs of stages.

    One minus the sum over pairs of stages of weight x penalty x (1 - area between the two stages). The weight of a pair
    is the product of its stages' prevalences, scaled to sum 1; the penalty is the distance of the stages over the
    greatest distance there is.

    Parameters
    ----------
    stage : array_like of int, shape (n,)
        Ordered stages, at least two different ones, at least two patients in each.
    y_score : array_like, shape (n,)
        One finite score for each patient; higher means higher stage.
    prevalence : mapping of int to float, optional
        Prevalence of each stage in the population of interest; default that of the sample.
    penalise : bool
        False: all pairs count alike, whatever their distance.
    confidence_level : float
        For example 0.95.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    Estimate
        With standard error (DeLong's components, stage sizes taken as fixed); limits on the logit scale. With two
        stages it is the AUC. A note where a stage has few patients, or the variance is zero and carries no interval.

    Raises
    ------
    InferenceError
        One stage only, a stage with one patient, a stage without prevalence, NaN or infinite scores.
    """
    check_level(confidence_level)
    stages = _check_stages(stage)
    check_patients(patient_id, len(stages))
    score = check_scores(y_score, len(stages))
    value, components = _components(stages, score, prevalence, penalise)
    error = float(np.sqrt(_variance(stages, components)))
    if error > 0:
        centre, reach = special.logit(value), special.ndtri((1 + confidence_level) / 2) * error / (value * (1 - value))
        low, high, note = float(special.expit(centre - reach)), float(special.expit(centre + reach)), _few(stages)
    else:
        low = high = float("nan")
        note = "the estimated variance is zero: no interval"
    return Estimate("Obuchowski measure", value, low, high, len(stages), confidence_level, "logit", error, note)


def obuchowski_test(
    stage: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    prevalence: Mapping[int, float] | None = None,
    penalise: bool = True,
    confidence_level: float = 0.95,
    patient_id: ArrayLike | None = None,
) -> ObuchowskiResult:
    """Test whether two scores of the same patients have the same Obuchowski measure.

    Parameters
    ----------
    stage, prevalence, penalise, confidence_level, patient_id
        As in :func:`obuchowski`.
    score_a, score_b : array_like, shape (n,)
        Finite scores.

    Returns
    -------
    ObuchowskiResult

    Raises
    ------
    InferenceError
        As :func:`obuchowski`.
    """
    check_level(confidence_level)
    stages = _check_stages(stage)
    check_patients(patient_id, len(stages))
    scores = (check_scores(score_a, len(stages), "score_a"), check_scores(score_b, len(stages), "score_b"))
    (a, parts_a), (b, parts_b) = (_components(stages, score, prevalence, penalise) for score in scores)
    difference, error = a - b, float(np.sqrt(_variance(stages, parts_a - parts_b)))
    alike = bool(np.all(parts_a == parts_b))
    statistic = 0.0 if alike else difference / error if error > 0 else float("nan")
    reach = special.ndtri((1 + confidence_level) / 2) * error if not np.isnan(statistic) else np.nan
    limits = Interval(*(float(np.clip(difference + side * reach, -1, 1)) for side in (-1, 1)))
    pvalue, note = float(2 * special.ndtr(-abs(statistic))), _few(stages)
    if np.isnan(statistic):
        note = "the estimated variance is zero although the measures differ: no test is possible"
    return ObuchowskiResult(statistic, pvalue, a, b, difference, error, limits, confidence_level, len(stages), note)


def _few(stages: NDArray[np.int64]) -> str:
    least = int(np.unique(stages, return_counts=True)[1].min())
    return small_sample_note(least, least).replace("class", "stage")


def _check_stages(stage: ArrayLike) -> NDArray[np.int64]:
    values = np.asarray(stage, dtype=float)
    if values.ndim != 1 or values.size == 0 or not np.all(values == np.round(values)):
        raise InferenceError("stages must be whole numbers, one for each patient")
    present, counts = np.unique(values, return_counts=True)
    if len(present) < 2:
        raise InferenceError(f"all patients are of stage {present[0]:g}: at least two stages are needed")
    if counts.min() < 2:
        raise InferenceError(
            f"stage {present[counts.argmin()]:g} has one patient only: at least two are needed in each"
        )
    return values.astype(np.int64)


def _components(
    stages: NDArray[np.int64], score: NDArray[np.float64], prevalence: Mapping[int, float] | None, penalise: bool
) -> tuple[float, NDArray[np.float64]]:
    """The measure, and each patient's share in it (the structural components, weighted)."""
    present = np.unique(stages).tolist()
    weights = _weights(stages, present, prevalence)
    span = present[-1] - present[0]
    lost, components = 0.0, np.zeros(len(stages))
    for low, high in combinations(present, 2):
        factor = weights[low, high] * ((high - low) / span if penalise else 1.0)
        rows = np.flatnonzero((stages == low) | (stages == high))
        positive = stages[rows] == high
        n_high = int(np.count_nonzero(positive))
        n_low = len(rows) - n_high
        placed = doubled_placements(positive, score[rows])
        components[rows] += factor * placed / (2.0 * np.where(positive, n_low, n_high))
        lost += factor * (1 - int(placed.sum()) / (4 * n_high * n_low))
    return 1 - lost, components


def _weights(
    stages: NDArray[np.int64], present: list[int], prevalence: Mapping[int, float] | None
) -> dict[tuple[int, int], float]:
    if prevalence is None:
        prevalence = {s: float(np.mean(stages == s)) for s in present}
    absent = [s for s in present if not prevalence.get(s, 0) > 0]
    if absent:
        raise InferenceError(f"prevalence gives no positive value for stage(s) {absent}")
    products = {pair: prevalence[pair[0]] * prevalence[pair[1]] for pair in combinations(present, 2)}
    total = sum(products.values())
    return {pair: product / total for pair, product in products.items()}


def _variance(stages: NDArray[np.int64], components: NDArray[np.float64]) -> float:
    groups = (components[stages == s] for s in np.unique(stages))
    total = float(sum(group.var(ddof=1) / len(group) for group in groups))
    # Weighted sums of ones are equal up to rounding only: that is no variance.
    return total if total > 1e-24 else 0.0
