"""Accuracy, sensitivity, F1 and net benefit at an operating point, each with an interval.

Proportions carry Wilson's interval. Composites of sensitivity and specificity (macro averages, F1, likelihood ratios)
carry by default the interval of two independent Jeffreys posteriors: at 8 against 9 patients it covers 0.92 to 0.98,
bootstrap intervals 0.62 to 0.98 (``benchmarks/interval_coverage.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.inference.checks import (
    _Booleans,
    _check_flag,
    _check_labels,
    _check_level,
    _check_number,
    _check_on_scale,
    _check_open_share,
    _check_order,
    _check_probabilities,
    _check_real,
    _check_resamples,
    _check_scores,
    _check_seed,
    _class_sizes,
    _Floats,
)
from fibrolib.inference.intervals import (
    Estimate,
    _composite_limits,
    _Counts,
    _join_notes,
    _Limits,
    _Metric,
    _mover_limits,
    _small_sample_note,
    wilson,
)
from fibrolib.inference.predictions import _by_model

_THRESHOLDS = tuple(np.arange(1, 100) / 100)
"""Per cent by per cent, as in dcurves; at 0 and 1 the exchange rate is 0 and infinite."""

_CURVE_COLUMNS = ("threshold", "net_benefit", "low", "high", "treat_all", "avoided", "n", "note")


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    """Quotient, 0 where the denominator is 0 (scikit-learn's convention)."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)


def _f1(tp, fn, fp, tn):
    return _ratio(2 * tp, 2 * tp + fp + fn)


def _f1_macro(tp, fn, fp, tn):
    return (_f1(tp, fn, fp, tn) + _f1(tn, fp, fn, tp)) / 2


def _precision_macro(tp, fn, fp, tn):
    return (_ratio(tp, tp + fp) + _ratio(tn, tn + fn)) / 2


def _recall_macro(tp, fn, fp, tn):
    return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2


def _quotient(numerator, denominator):
    """Infinite for x/0, NaN for 0/0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(numerator, denominator)


def _lr_positive(tp, fn, fp, tn):
    return _quotient(_ratio(tp, tp + fn), _ratio(fp, fp + tn))


def _lr_negative(tp, fn, fp, tn):
    return _quotient(_ratio(fn, tp + fn), _ratio(tn, fp + tn))


def _net_benefit(tp, fn, fp, tn, *, cut: float, prevalence: float):
    return prevalence * tp / (tp + fn) - (1 - prevalence) * fp / (fp + tn) * cut / (1 - cut)


_COMPOSITES: dict[str, tuple[str, _Metric]] = {
    "precision_macro": ("precision, macro average", _precision_macro),
    "recall_macro": ("recall, macro average", _recall_macro),
    "f1_macro": ("F1, macro average", _f1_macro),
    "f1": ("F1 of the diseased class", _f1),
    "lr_positive": ("positive likelihood ratio", _lr_positive),
    "lr_negative": ("negative likelihood ratio", _lr_negative),
}


def confusion(y_true: ArrayLike, y_score: ArrayLike, threshold: float, *, pos_label: object = None) -> _Counts:
    """``tp, fn, fp, tn`` at a threshold chosen on other patients; positive where ``y_score >= threshold``."""
    threshold = _check_number(threshold, "threshold", "one number, not NaN", low=-np.inf, high=np.inf)
    _check_order(y_true, y_score)
    positive = _check_labels(y_true, pos_label=pos_label)
    scores = _check_scores(y_score, len(positive))
    _check_on_scale(threshold, scores, "threshold", finite=False)
    return _counts(positive, scores, threshold)


def _counts(positive: _Booleans, scores: _Floats, threshold: float) -> _Counts:
    called = scores >= threshold
    tp, fp = int(np.sum(positive & called)), int(np.sum(~positive & called))
    n_positive, n_negative = _class_sizes(positive)
    return tp, n_positive - tp, fp, n_negative - fp


def classification_metrics(
    y_true: ArrayLike,
    y_score: ArrayLike,
    threshold: float,
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
    method: str = "jeffreys",
    prevalence: float | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Every metric at one operating point: positive where ``y_score >= threshold``.

    Returns accuracy, sensitivity, specificity, ppv, npv, precision_macro, recall_macro, f1_macro, f1, lr_positive and
    lr_negative; given a `prevalence`, also ppv_at_prevalence and npv_at_prevalence. Precision of a class never called
    counts 0 in macro averages and F1, as in scikit-learn; its predictive values are NaN. `method` of the composites'
    intervals: "jeffreys", or "bootstrap" (BCa, patients resampled within each class; too narrow at small n or few
    errors).
    """
    _check_level(confidence_level), _check_order(y_true, y_score)
    n_resamples = _check_resamples(n_resamples, confidence_level if method == "bootstrap" else None)
    seed = _check_seed(seed)
    positive = _check_labels(y_true, least=1, pos_label=pos_label)
    counts = confusion(positive, y_score, threshold)
    return _metrics(counts, confidence_level, method, prevalence, n_resamples, seed)


def _metrics(
    counts: _Counts,
    level: float,
    method: str = "jeffreys",
    prevalence: float | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """What `classification_metrics` returns, of counted results."""
    composites = _COMPOSITES | (_predictive_values(prevalence) if prevalence is not None else {})
    tp, fn, fp, tn = counts
    note = _small_sample_note(tp + fn, fp + tn)
    if method == "bootstrap" and 0 in counts:
        note = _join_notes(note, "a class without an error: resampling cannot show one, the interval is too narrow")
    estimates = _proportions(counts, level)
    for key, (name, metric) in composites.items():
        limits = _composite_limits(metric, counts, level, method, n_resamples, seed)
        value = float(metric(*counts))
        caveats = _join_notes(_never_called(counts) * bool(np.isnan(value)), note)
        estimates[key] = Estimate(name, value, *limits, sum(counts), level, method, note=caveats)
    return estimates


def _never_called(counts: _Counts) -> str:
    tp, _, fp, _ = counts
    return f"nobody is called {'negative' if tp + fp else 'positive'}: 0/0"


def _predictive_values(prevalence: float) -> dict[str, tuple[str, _Metric]]:
    _check_open_share(prevalence, "prevalence")

    def ppv(tp, fn, fp, tn):
        diseased = prevalence * _ratio(tp, tp + fn)
        return _quotient(diseased, diseased + (1 - prevalence) * _ratio(fp, fp + tn))

    def npv(tp, fn, fp, tn):
        healthy = (1 - prevalence) * _ratio(tn, fp + tn)
        return _quotient(healthy, healthy + prevalence * _ratio(fn, tp + fn))

    at = f"at a prevalence of {100 * prevalence:g} %"
    return {
        "ppv_at_prevalence": (f"positive predictive value {at}", ppv),
        "npv_at_prevalence": (f"negative predictive value {at}", npv),
    }


def _proportions(counts: _Counts, level: float) -> dict[str, Estimate]:
    """Accuracy, sensitivity, specificity and predictive values with Wilson's interval."""
    tp, fn, fp, tn = counts
    return {
        "accuracy": wilson(tp + tn, sum(counts), "accuracy", level),
        "sensitivity": wilson(tp, tp + fn, "sensitivity", level),
        "specificity": wilson(tn, tn + fp, "specificity", level),
        "ppv": wilson(tp, tp + fp, "positive predictive value", level),
        "npv": wilson(tn, tn + fn, "negative predictive value", level),
    }


def _decision_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    thresholds: Sequence[float] = _THRESHOLDS,
    prevalence: float | None = None,
    include_prevalence: bool = False,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Net benefit of one model over threshold probabilities; see :func:`decision_curves`."""
    _check_level(confidence_level), _check_flag(include_prevalence, "include_prevalence")
    cuts = _check_real(
        thresholds, "thresholds", "probabilities between 0 and 1, both excluded", low=0, high=1, open_="low high"
    )
    if cuts.ndim != 1 or not cuts.size:
        raise ValueError("thresholds must be a list of probabilities")
    positive = _check_labels(y_true, least=1)
    m, n = _class_sizes(positive)
    probability = _check_probabilities(y_prob, len(positive))
    if include_prevalence and prevalence is not None:
        raise ValueError("include_prevalence is for the prevalence of these patients; a given one is known")
    share = _check_open_share(prevalence, "prevalence") if prevalence is not None else m / (m + n)
    true_positives, false_positives = (
        len(group) - np.searchsorted(np.sort(group), cuts, side="left")
        for group in (probability[positive], probability[~positive])
    )
    rows = []
    for tp, fp, cut in zip(true_positives.tolist(), false_positives.tolist(), cuts.tolist(), strict=True):
        counts, metric = (tp, m - tp, fp, n - fp), partial(_net_benefit, cut=cut, prevalence=share)
        value, treat_all = metric(*counts), share - (1 - share) * cut / (1 - cut)
        avoided = (value - treat_all) * (1 - cut) / cut
        if include_prevalence:
            limits = _sampled_benefit_limits(tp, fp, m + n, cut, confidence_level)
        else:
            limits = _composite_limits(metric, counts, confidence_level)
        rows.append((cut, value, *limits, treat_all, avoided))
    return pd.DataFrame(rows, columns=list(_CURVE_COLUMNS[:6])).assign(n=m + n, note=_small_sample_note(m, n))


def _sampled_benefit_limits(tp: int, fp: int, n: int, cut: float, level: float) -> _Limits:
    """Limits of a net benefit whose prevalence is estimated, too: true and false positives are two shares of n.

    Wilson's of either share, joined with the correlation of a multinomial (Zou & Donner, Stat Med 2008;27:1693).
    """
    shares = [wilson(count, n, confidence_level=level) for count in (tp, fp)]
    a, b = (each.value for each in shares)
    spread = (1 - a) * (1 - b)
    # Times 1 - cut both terms are shares: (1 - cut) a - cut b.
    scaled = [
        tuple(weight * x for x in each.confidence_interval) for weight, each in zip((1 - cut, cut), shares, strict=True)
    ]
    correlation = -np.sqrt(a * b / spread) if spread else 0.0
    low, high = _mover_limits((1 - cut) * a, cut * b, *scaled, correlation)
    return low / (1 - cut), high / (1 - cut)


def decision_curves(
    predictions: pd.DataFrame,
    *,
    thresholds: Sequence[float] = _THRESHOLDS,
    prevalence: float | None = None,
    include_prevalence: bool = False,
    confidence_level: float = 0.95,
    **chosen,
) -> pd.DataFrame:
    """Decision curve of every model: net benefit over threshold probabilities (Vickers & Elkin, MDM 2006;26:565).

    A threshold probability t states how many unnecessary treatments are acceptable for each necessary one: (1 - t) / t.
    The net benefit is the share of patients treated correctly, less the share treated unnecessarily at that exchange
    rate. Numbers agree with R's dcurves (``tests/reference``).

    Parameters
    ----------
    predictions, **chosen
        As in :func:`select_predictions`; scores are probabilities. Patients at or above the threshold are treated.
    thresholds : sequence of float
        Threshold probabilities, each in (0, 1).
    prevalence : float, optional
        Of the population of interest, where that of the sample was chosen by design; default that of the sample.
    include_prevalence : bool
        Whether limits allow for another sample's prevalence; else they take it as known.
    confidence_level : float
        Of the limits at each threshold (not of the whole curve at once).

    Returns
    -------
    DataFrame
        ``model, threshold, net_benefit, low, high, treat_all, avoided, n, note``. ``treat_all`` is the net benefit of
        treating everybody (that of treating nobody is 0); ``avoided`` the treatments avoided per patient, compared with
        treating all, at equal net benefit. A model that is refused (one class
        only, scores that are no probabilities) has one row with a note and no numbers.
    """
    options = {"thresholds": thresholds, "prevalence": prevalence, "include_prevalence": include_prevalence}
    curve = partial(_decision_curve, **options, confidence_level=confidence_level)
    return _by_model(predictions, curve, _CURVE_COLUMNS, **chosen)
