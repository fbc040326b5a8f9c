"""Accuracy, sensitivity, precision, F1 and their kin at one operating point, each with an interval.

Proportions carry Wilson's interval. What is put together from sensitivity and specificity (macro averages, F1,
likelihood ratios, predictive values at another prevalence) carries by default the interval of two independent Jeffreys
posteriors: at 8 against 9 patients it covers 0.92 to 0.97, where bootstrap intervals cover 0.4 to 0.97
(``benchmarks/interval_coverage.py``), because resampling cannot invent the errors a small sample happened not to show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrolib.inference.checks import (
    check_classes,
    check_labels,
    check_level,
    check_patients,
    check_prevalence,
    check_scores,
)
from fibrolib.inference.counts import Confusion, Metric, composite_limits
from fibrolib.inference.intervals import wilson
from fibrolib.inference.results import Estimate, small_sample_note

__all__ = ["COMPOSITES", "classification_metrics", "confusion"]


def _ratio(above: ArrayLike, below: ArrayLike) -> NDArray[np.float64]:
    """``above / below``, 0 where nobody was counted (scikit-learn's convention)."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=float), np.asarray(below, dtype=float))
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)


def _f1(tp, fn, fp, tn):
    return _ratio(2 * tp, 2 * tp + fp + fn)


def _f1_macro(tp, fn, fp, tn):
    return (_f1(tp, fn, fp, tn) + _f1(tn, fp, fn, tp)) / 2


def _precision_macro(tp, fn, fp, tn):
    return (_ratio(tp, tp + fp) + _ratio(tn, tn + fn)) / 2


def _recall_macro(tp, fn, fp, tn):
    return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2


def _likelihood_ratio(of_diseased, of_healthy):
    # A ratio without anybody below it is infinite, not 0; 0/0 is undefined.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(of_diseased, of_healthy)


def _lr_positive(tp, fn, fp, tn):
    return _likelihood_ratio(_ratio(tp, tp + fn), _ratio(fp, fp + tn))


def _lr_negative(tp, fn, fp, tn):
    return _likelihood_ratio(_ratio(fn, tp + fn), _ratio(tn, fp + tn))


COMPOSITES: dict[str, tuple[str, Metric]] = {
    "precision_macro": ("precision, macro average", _precision_macro),
    "recall_macro": ("recall, macro average", _recall_macro),
    "f1_macro": ("F1, macro average", _f1_macro),
    "f1": ("F1 of the diseased class", _f1),
    "lr_positive": ("positive likelihood ratio", _lr_positive),
    "lr_negative": ("negative likelihood ratio", _lr_negative),
}


def confusion(y_true: ArrayLike, y_score: ArrayLike, threshold: float) -> Confusion:
    """Count patients by truth and call; a patient is called positive where ``score >= threshold``.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score : array_like, shape (n,)
        Finite scores.
    threshold : float
        Operating point, from :func:`choose_threshold` on other patients.

    Returns
    -------
    Confusion

    Raises
    ------
    InferenceError
        NaN or infinite scores, wrong shapes.
    ValueError
        `threshold` is NaN.
    """
    if np.isnan(threshold):
        raise ValueError("threshold must be a number, it is NaN")
    positive = check_labels(y_true)
    called = check_scores(y_score, len(positive)) >= threshold
    tp, fp = int(np.sum(positive & called)), int(np.sum(~positive & called))
    return Confusion(tp, int(np.sum(positive)) - tp, fp, int(np.sum(~positive)) - fp)


def classification_metrics(
    y_true: ArrayLike,
    y_score: ArrayLike,
    threshold: float,
    *,
    confidence_level: float = 0.95,
    method: str = "jeffreys",
    prevalence: float | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
    patient_id: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Every metric at one operating point.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score : array_like, shape (n,)
        One finite score for each patient.
    threshold : float
        A patient is called positive where ``score >= threshold``.
    confidence_level : float
        For example 0.95.
    method : {"jeffreys", "bootstrap"}
        Interval of the composite metrics. "bootstrap": BCa, patients resampled within each class; too narrow at
        small n or few errors.
    prevalence : float, optional
        Given, predictive values at this prevalence are added (``ppv_at_prevalence``, ``npv_at_prevalence``).
    n_resamples, seed : int
        Of the bootstrap.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    dict of str to Estimate
        ``accuracy, sensitivity, specificity, ppv, npv, precision_macro, recall_macro, f1_macro, f1, lr_positive,
        lr_negative``. Precision of a class never called counts 0, as in scikit-learn.

    Raises
    ------
    InferenceError
        One class only, NaN or infinite scores, repeated patients, wrong shapes.
    ValueError
        Unknown `method`; a level or prevalence outside (0, 1).
    """
    check_level(confidence_level)
    positive = check_labels(y_true)
    check_classes(positive)
    check_patients(patient_id, len(positive))
    counts = confusion(positive, y_score, threshold)
    composites = COMPOSITES | (_at_prevalence(prevalence) if prevalence is not None else {})
    limits = composite_limits(counts, method, n_resamples, seed)
    return _proportions(counts, confidence_level) | {
        key: _composite(name, metric, counts, limits, confidence_level, method)
        for key, (name, metric) in composites.items()
    }


def _at_prevalence(prevalence: float) -> dict[str, tuple[str, Metric]]:
    check_prevalence(prevalence)

    def ppv(tp, fn, fp, tn):
        called = prevalence * _ratio(tp, tp + fn)
        return _ratio(called, called + (1 - prevalence) * _ratio(fp, fp + tn))

    def npv(tp, fn, fp, tn):
        cleared = (1 - prevalence) * _ratio(tn, fp + tn)
        return _ratio(cleared, cleared + prevalence * _ratio(fn, tp + fn))

    at = f"at a prevalence of {100 * prevalence:g} %"
    return {
        "ppv_at_prevalence": (f"positive predictive value {at}", ppv),
        "npv_at_prevalence": (f"negative predictive value {at}", npv),
    }


def _proportions(counts: Confusion, level: float) -> dict[str, Estimate]:
    tp, fn, fp, tn = counts
    return {
        "accuracy": wilson(tp + tn, sum(counts), "accuracy", level),
        "sensitivity": wilson(tp, tp + fn, "sensitivity", level),
        "specificity": wilson(tn, tn + fp, "specificity", level),
        "ppv": wilson(tp, tp + fp, "positive predictive value", level),
        "npv": wilson(tn, tn + fn, "negative predictive value", level),
    }


def _composite(name: str, metric: Metric, counts: Confusion, limits, level: float, method: str) -> Estimate:
    value = float(metric(*counts))
    low, high = limits(metric, value, level)
    notes = [small_sample_note(counts.tp + counts.fn, counts.fp + counts.tn)]
    if method == "bootstrap" and 0 in counts:
        notes.append("a class without an error: resampling cannot show one, the interval is too narrow")
    return Estimate(name, value, low, high, sum(counts), level, method, note="; ".join(filter(None, notes)))
