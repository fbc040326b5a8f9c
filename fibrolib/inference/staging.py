"""Statistics of more than two stages: the Obuchowski measure of a score, and kappa of called stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats.inter_rater import cohens_kappa

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    InferenceError,
    _check_flag,
    _check_level,
    _check_order,
    _check_scores,
    _check_share,
    _check_stages,
    _few,
    _Floats,
    _Integers,
)
from fibrolib.inference.comparisons import Comparison, _compare
from fibrolib.inference.intervals import Estimate, _join_notes, _logit_limits, _normal_limits, _small_sample_note
from fibrolib.inference.roc import _area, _placements

_NO_ERROR = 1e-7  # a standard error below is rounding
_MOST_ROUNDED = 1.05  # sum of shares that may still be 1, rounded
_ENOUGH_FOR_KAPPA = 50
"""Below so many patients kappa's large-sample interval is too narrow: by simulation with five stages it covers 0.87 at
17 patients, 0.93 at 60, 0.95 at 200."""


def obuchowski(
    stage: ArrayLike,
    y_score: ArrayLike,
    *,
    prevalence: Mapping[int, float] | None = None,
    penalise: bool = True,
    scale: Sequence[int] | None = None,
    confidence_level: float = 0.95,
) -> Estimate:
    """Weighted mean of the areas between all pairs of stages (Obuchowski, Acad Radiol 2005;12:1198).

    One minus the sum over pairs of stages of weight x penalty x (1 - area between the two stages). The weight of a pair
    is the product of its stages' prevalences, scaled to sum 1; the penalty is the distance of the stages over the
    greatest distance (Lambert et al., Clin Chem 2008;54:1372). Because of the penalty, a score that says nothing of the
    stage has a measure above 0.5, often 0.7 to 0.8 (half of the greatest loss); a note says so of a measure below it.

    Parameters
    ----------
    stage : array_like of int, shape (n,)
        Ordered stages, at least two different ones, at least two patients in each.
    y_score : array_like, shape (n,)
        One finite score for each patient; higher means higher stage.
    prevalence : mapping of int to float, optional
        Prevalence of each stage in the population of interest; default that of the sample. Stages without a patient
        have no pairs, and their prevalence no weight.
    penalise : bool
        False: all pairs count alike, whatever their distance.
    scale : sequence of int, optional
        All stages that there are, for example ``range(5)``: with it the penalty does not hang on the stages that a
        cohort happens to hold, so that cohorts without the last one compare. Default the stages present.
    confidence_level : float

    Returns
    -------
    Estimate
        With standard error (DeLong's components, stage sizes taken as fixed); limits on the logit scale. With two
        stages it is the AUC. A note where a stage has few patients, or the variance is zero and carries no interval.
    """
    _check_level(confidence_level), _check_order(stage, y_score)
    stages = _check_staged(stage)
    value, components = _components(stages, _check_scores(y_score, len(stages)), prevalence, penalise, scale)
    error = float(np.sqrt(_variance(stages, components)))
    limits, note = (float("nan"), float("nan")), "the estimated variance is zero: no interval"
    if error > 0:
        limits, note = _logit_limits(value, error, confidence_level), _few_note(stages)
    note = _join_notes(_chance_note({"the measure": value}, stages, prevalence, penalise, scale), note)
    return Estimate("Obuchowski measure", value, *limits, len(stages), confidence_level, "logit", error, note)


def obuchowski_test(
    stage: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    prevalence: Mapping[int, float] | None = None,
    penalise: bool = True,
    scale: Sequence[int] | None = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Test whether two scores of the same patients have equal Obuchowski measures; options of :func:`obuchowski`."""
    _check_level(confidence_level), _check_order(stage, score_a, score_b)
    stages = _check_staged(stage)
    (a, parts_a), (b, parts_b) = (
        _components(stages, _check_scores(score, len(stages), name), prevalence, penalise, scale)
        for score, name in ((score_a, "score_a"), (score_b, "score_b"))
    )
    error = float(np.sqrt(_variance(stages, parts_a - parts_b)))
    note = _chance_note({"score a": a, "score b": b}, stages, prevalence, penalise, scale)
    note = _join_notes(note, _few_note(stages))
    return _compare("Obuchowski, paired", (a, b), error, len(stages), confidence_level, note)


def _chance_note(values: Mapping[str, float], stages: _Integers, *options) -> str:
    """Caveat of measures below that of a score that is the same for all: such a score falls with the stage."""
    chance, _ = _components(stages, np.zeros(len(stages)), *options)
    below = [f"{name} is {value:.3f}" for name, value in values.items() if value < chance - _NO_ERROR]
    return f"{', '.join(below)}, below {chance:.3f} by chance: does it fall with the stage?" if below else ""


def _few_note(stages: _Integers) -> str:
    least = int(np.unique(stages, return_counts=True)[1].min())
    return _small_sample_note(least, least).replace("class", "stage")


def _check_staged(stage: ArrayLike) -> _Integers:
    """At least two stages, and two patients in each."""
    stages = _check_stages(stage)
    present, counts = np.unique(stages, return_counts=True)
    if len(present) < 2:
        raise InferenceError(f"all patients are of stage {present[0]}: at least two stages are needed")
    if counts.min() < 2:
        raise InferenceError(f"stage {present[counts.argmin()]} has one patient only: at least two are needed in each")
    return stages


def _components(
    stages: _Integers,
    score: _Floats,
    prevalence: Mapping[int, float] | None,
    penalise: bool,
    scale: Sequence[int] | None,
) -> tuple[float, _Floats]:
    """The measure, and each patient's share in it (the structural components, weighted)."""
    present = np.unique(stages).tolist()
    if isinstance(prevalence, pd.Series) and prevalence.index.is_unique:
        prevalence = prevalence.to_dict()
    weights = _pair_weights(stages, present, prevalence)
    _check_flag(penalise, "penalise")
    if scale is not None and np.ndim(scale) == 0:
        raise ValueError(f"scale must name all stages, such as range(5); it is {scale!r}")
    levels = present if scale is None else np.unique(_check_stages(scale, "scale")).tolist()
    if outside := sorted(set(present) - set(levels)):
        raise InferenceError(f"stages {outside} are not on the scale {levels}: it must name all that there are")
    if scale is not None and prevalence and set(prevalence) - set(levels):
        raise ValueError(f"prevalence has stages outside the scale {levels}: {_few(set(prevalence) - set(levels))}")
    span = levels[-1] - levels[0]
    lost, components = 0.0, np.zeros(len(stages))
    for low, high in combinations(present, 2):
        factor = weights[low, high] * ((high - low) / span if penalise else 1.0)
        rows = np.flatnonzero((stages == low) | (stages == high))
        positive = stages[rows] == high
        n_high = int(np.count_nonzero(positive))
        placed = _placements(positive, score[rows])
        components[rows] += factor * placed / np.where(positive, len(rows) - n_high, n_high)
        lost += factor * (1 - _area(positive, placed))
    return 1 - lost, components


def _pair_weights(
    stages: _Integers, present: list[int], prevalence: Mapping[int, float] | None
) -> dict[tuple[int, int], float]:
    if prevalence is None:
        prevalence = {s: float(np.mean(stages == s)) for s in present}
    if not isinstance(prevalence, Mapping):
        raise ValueError(
            f"prevalence must map each stage to its share, for example {{0: 0.4, 1: 0.6}}; it is {prevalence}"
        )
    for stage, share in prevalence.items():
        _check_share(share, f"the prevalence of stage {stage}")
    if (total := sum(prevalence.values())) > _MOST_ROUNDED:
        raise ValueError(f"prevalence must be shares of all patients; their sum is {total:g}")
    absent = [s for s in present if not prevalence.get(s, 0) > 0]
    if absent:
        raise InferenceError(f"prevalence gives no positive value for stage(s) {absent}")
    products = {pair: prevalence[pair[0]] * prevalence[pair[1]] for pair in combinations(present, 2)}
    total = sum(products.values())
    return {pair: product / total for pair, product in products.items()}


def _variance(stages: _Integers, components: _Floats) -> float:
    groups = (components[stages == s] for s in np.unique(stages))
    total = float(sum(group.var(ddof=1) / len(group) for group in groups))
    # Weighted sums of ones are equal up to rounding only: that is no variance.
    return total if total > 1e-24 else 0.0


def quadratic_kappa(stage_true: ArrayLike, stage_called: ArrayLike, *, confidence_level: float = 0.95) -> Estimate:
    """Cohen's kappa with quadratic weights between true and called stages.

    Parameters
    ----------
    stage_true, stage_called : array_like of int, shape (n,)
        Ordered stages.
    confidence_level : float
        Of the normal interval (statsmodels' large-sample standard error), cut at -1 and 1.

    Returns
    -------
    Estimate
        Weights are squared differences of the stages themselves, also where a stage between was never used. Where one
        stage is called for all patients (or all are of one stage) agreement is that of chance: 0, without an
        interval. Without any disagreement the standard error is zero and there is no interval either. `note` says so.
    """
    _check_level(confidence_level), _check_order(stage_true, stage_called)
    truth, called = _check_stage_pair(stage_true, stage_called)
    value, error, note = 0.0, float("nan"), ""
    if np.ptp(called) == 0 or np.ptp(truth) == 0:
        # Observed and expected disagreement are the same sum, whatever the patients.
        one = f"stage {called[0]} is called for" if np.ptp(called) == 0 else f"stage {truth[0]} is the truth of"
        note = f"{one} all patients: kappa is 0, as by chance, and carries no interval"
    else:
        with np.errstate(invalid="ignore"):  # the root of a variance of zero that rounding puts below it
            kappa = cohens_kappa(_stage_table(truth, called), wt="quadratic")
        value, error = float(kappa.kappa), float(np.nan_to_num(kappa.std_kappa))
        if error < _NO_ERROR:
            error = 0.0
            extent = "no" if value > 0 else "nothing but"
            note = f"{extent} disagreement: the standard error is zero and carries no interval"
        elif len(truth) < _ENOUGH_FOR_KAPPA:
            note = f"only {counted(len(truth), 'patient')}: kappa's large-sample interval is too narrow"
    limits = _normal_limits(value, error, confidence_level, least=-1.0) if error > 0 else (float("nan"),) * 2
    return Estimate("quadratic kappa", value, *limits, len(truth), confidence_level, "large sample", error, note)


def _check_stage_pair(stage_true: ArrayLike, stage_called: ArrayLike) -> tuple[_Integers, _Integers]:
    truth, called = _check_stages(stage_true, "stage_true"), _check_stages(stage_called, "stage_called")
    if len(truth) != len(called):
        raise InferenceError(f"{counted(len(truth), 'patient')} but {counted(len(called), 'called stage')}")
    if np.ptp(np.concatenate((truth, called))) == 0:
        raise InferenceError(f"all stages, true and called, are {truth[0]}: kappa is not defined")
    return truth, called


def _stage_table(truth: _Integers, called: _Integers) -> _Integers:
    """Patients by true (rows) and called stage, every stage between the lowest and the highest included."""
    lowest = min(truth.min(), called.min())
    size = int(max(truth.max(), called.max()) - lowest) + 1
    table = np.zeros((size, size), dtype=np.int64)
    np.add.at(table, (truth - lowest, called - lowest), 1)
    return table
