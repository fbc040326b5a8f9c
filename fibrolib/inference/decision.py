"""Decision curves: what acting on a diagnostic is worth to patients, compared with treating all or none of them.

Vickers & Elkin, Med Decis Making 2006;26:565. Numbers agree with R's dcurves (``tests/reference``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.inference.checks import (
    check_classes,
    check_labels,
    check_level,
    check_patients,
    check_prevalence,
    check_probabilities,
)
from fibrolib.inference.counts import Confusion, JeffreysLimits, Metric
from fibrolib.inference.predictions import judge_models
from fibrolib.inference.results import small_sample_note

__all__ = ["decision_curve", "decision_curves"]

THRESHOLDS = tuple(np.arange(1, 100) / 100)
"""Per cent by per cent, as in dcurves; 0 and 1 are left out, where the exchange rate is 0 and infinite."""

COLUMNS = ("threshold", "net_benefit", "low", "high", "treat_all", "avoided", "n", "note")


def decision_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    prevalence: float | None = None,
    confidence_level: float = 0.95,
    patient_id: ArrayLike | None = None,
) -> pd.DataFrame:
    """Net benefit over threshold probabilities.

    A threshold probability t says at which risk one would act, and so how many needless treatments one would accept
    for each needed one: t / (1 - t). The net benefit is the share of patients treated rightly, less the share treated
    needlessly at that exchange rate.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_prob : array_like, shape (n,)
        Predicted probability of the condition; a patient is treated where it is at least the threshold.
    thresholds : sequence of float
        Threshold probabilities, each in (0, 1).
    prevalence : float, optional
        Of the population of interest, where that of the sample was chosen by design; default that of the sample.
    confidence_level : float
        Of the limits at each threshold (not of the whole curve at once).
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    DataFrame
        ``threshold, net_benefit, low, high, treat_all, avoided, n, note``. ``treat_all`` is the net benefit of treating
        everybody (that of treating nobody is 0); ``avoided`` the treatments that are spared for each patient without
        missing a case more than by treating all. Limits take the prevalence for known and sensitivity and specificity
        for independent Jeffreys posteriors, as those of :func:`classification_metrics`.

    Raises
    ------
    InferenceError
        One class only, scores that are no probabilities, repeated patients, wrong shapes.
    ValueError
        A threshold, level or prevalence outside (0, 1).
    """
    check_level(confidence_level)
    cuts = _check_thresholds(thresholds)
    positive = check_labels(y_true)
    m, n = check_classes(positive)
    check_patients(patient_id, len(positive))
    probability = check_probabilities(y_prob, len(positive))
    share = check_prevalence(prevalence) if prevalence is not None else m / (m + n)
    found, false = (_at_least(group, cuts) for group in (probability[positive], probability[~positive]))
    # Few patients allow few tables: most thresholds share theirs with a neighbour.
    limits = cache(JeffreysLimits)
    rows = [
        _row(Confusion(tp, m - tp, fp, n - fp), limits, cut, share, confidence_level)
        for tp, fp, cut in zip(found.tolist(), false.tolist(), cuts.tolist(), strict=True)
    ]
    return pd.DataFrame(rows).assign(n=m + n, note=small_sample_note(m, n))


def _check_thresholds(thresholds: Sequence[float]) -> NDArray[np.float64]:
    cuts = np.asarray(thresholds, dtype=float)
    if cuts.ndim != 1 or not cuts.size or not np.all((cuts > 0) & (cuts < 1)):
        raise ValueError("thresholds must be probabilities between 0 and 1, both excluded")
    return cuts


def _at_least(group: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.int64]:
    return len(group) - np.searchsorted(np.sort(group), cuts, side="left")


def _row(
    counts: Confusion, limits_of: Callable[[Confusion], JeffreysLimits], cut: float, prevalence: float, level: float
) -> dict[str, float]:
    metric = _net_benefit(cut, prevalence)
    value = float(metric(*counts))
    low, high = limits_of(counts)(metric, value, level)
    everybody = prevalence - (1 - prevalence) * cut / (1 - cut)
    avoided = (value - everybody) * (1 - cut) / cut
    return {
        "threshold": cut,
        "net_benefit": value,
        "low": low,
        "high": high,
        "treat_all": everybody,
        "avoided": avoided,
    }


def _net_benefit(cut: float, prevalence: float) -> Metric:
    def metric(tp, fn, fp, tn):
        return prevalence * tp / (tp + fn) - (1 - prevalence) * fp / (fp + tn) * cut / (1 - cut)

    return metric


def decision_curves(
    predictions: pd.DataFrame,
    *,
    split: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    prevalence: float | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Decision curve of every model.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table; scores are probabilities.
    split, repeat, models
        As in :func:`compare_models`.
    thresholds, prevalence, confidence_level
        As in :func:`decision_curve`.

    Returns
    -------
    DataFrame
        ``model`` and the columns of :func:`decision_curve`. Models that cannot be judged (one class only, scores that
        are no probabilities) have one row with a note and no numbers.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    judge = partial(decision_curve, thresholds=thresholds, prevalence=prevalence, confidence_level=confidence_level)
    return judge_models(predictions, judge, COLUMNS, split, repeat=repeat, models=models)
