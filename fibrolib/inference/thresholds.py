"""Operating points: thresholds, what they give, and how far a chosen one may move."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    _Booleans,
    _check_choice,
    _check_level,
    _check_open_share,
    _check_real,
    _check_scored,
    _check_share,
    _class_sizes,
    _Floats,
)
from fibrolib.inference.intervals import Estimate, _join_notes, _Limits, _small_sample_note
from fibrolib.inference.metrics import classification_metrics

_RULES = ("youden", "sensitivity", "specificity")

_TARGET = 0.9
"""Sensitivity or specificity to be reached, unless it is given (assumption)."""


def choose_threshold(
    y_true: ArrayLike,
    y_score: ArrayLike,
    rule: str = "youden",
    *,
    target: float | None = None,
    pos_label: object = None,
) -> float:
    """The threshold at which a patient is called positive: ``score >= threshold``, chosen on validation patients.

    "youden": greatest sensitivity + specificity (of several, the one with the two closest together); "sensitivity": the
    highest threshold whose sensitivity reaches `target` (0.9 unless given); "specificity": the lowest whose specificity
    does. Halfway between neighbouring scores where there are two, so that it does not depend on one patient.
    """
    target = _target(rule, target)
    return _chosen(*_check_scored(y_true, y_score, pos_label=pos_label), rule, target)


def _target(rule: str, target: float | None) -> float:
    """What a rule other than Youden's is to reach."""
    if _check_choice(rule, "rule", _RULES) == "youden" and target is not None:
        raise ValueError("a target is for rule='sensitivity' or 'specificity': Youden's rule has none")
    return _TARGET if target is None else _check_share(target, "target")


def _chosen(positive: _Booleans, score: _Floats, rule: str, target: float) -> float:
    least = target - 1e-12  # 93 of 100 is a target of .93 met exactly, though not in binary numbers
    thresholds, sensitivity, specificity = _rates(positive, score)
    if rule == "sensitivity":
        return float(thresholds[np.flatnonzero(sensitivity >= least)[-1]])
    if rule == "specificity":
        return float(thresholds[np.flatnonzero(specificity >= least)[0]])
    youden = sensitivity + specificity
    best = np.flatnonzero(youden >= youden.max() - 1e-12)
    return float(thresholds[best[np.argmin(np.abs(sensitivity - specificity)[best])]])


def _rates(positive: _Booleans, score: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Thresholds in rising order (all positive first, none last) with sensitivity and specificity at each."""
    levels, level = np.unique(score, return_inverse=True)
    low, high = levels[:-1], levels[1:]
    # Halves first: no overflow. Neighbouring floats have nothing between them: the upper one separates them as well.
    middle = low / 2 + high / 2
    halfway = np.where((middle > low) & (middle <= high), middle, high)
    thresholds = np.concatenate((levels[:1], halfway, [np.nextafter(levels[-1], np.inf)]))
    missed, cleared = (
        np.concatenate(([0], np.cumsum(np.bincount(level[group], minlength=len(levels)))))
        for group in (positive, ~positive)
    )
    return thresholds, 1 - missed / missed[-1], cleared / cleared[-1]


def _threshold_limits(
    positive: _Booleans, score: _Floats, rule: str, target: float, level: float, n_resamples: int
) -> _Limits:
    """Quantiles of the thresholds that resampled patients (within each class) would have chosen."""
    rng, groups = np.random.default_rng(0), (score[positive], score[~positive])
    truth = np.repeat([True, False], _class_sizes(positive))
    drawn = (np.concatenate([rng.choice(group, len(group)) for group in groups]) for _ in range(n_resamples))
    low, high = np.quantile([_chosen(truth, each, rule, target) for each in drawn], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def coords(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    threshold: ArrayLike | str | None = None,
    sensitivity: ArrayLike | None = None,
    specificity: ArrayLike | None = None,
    prevalence: float | None = None,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Sensitivity, specificity and predictive values at points of the ROC curve, as ``coords`` of R's pROC.

    Parameters
    ----------
    y_true, y_score, pos_label
        As in :func:`auc`; positive where ``y_score >= threshold``.
    threshold, sensitivity, specificity : float or array_like, optional
        Which points, by one of the three; without any, or with "best", the greatest Youden index. A sensitivity or
        specificity is that to be reached, by :func:`choose_threshold` (pROC interpolates between points that thresholds
        give).
    prevalence : float, optional
        For predictive values in a population; default that of these patients.
    confidence_level : float

    Returns
    -------
    DataFrame
        One row for each point: ``threshold``; ``sensitivity, specificity, ppv, npv``, each with ``<name>_low`` and
        ``<name>_high`` (Wilson; at a prevalence: Jeffreys); ``note``. Limits take the threshold as given: where these
        patients choose it, see :func:`sensitivity_at_specificity`.
    """
    asked = {"threshold": threshold, "sensitivity": sensitivity, "specificity": specificity}
    asked = {name: values for name, values in asked.items() if values is not None}
    if not asked or (isinstance(threshold, str) and asked == {"threshold": "best"}):
        asked = {"best": 0.0}
    if len(asked) > 1:
        raise ValueError(f"give one of {', '.join(asked)}")
    ((kind, values),) = asked.items()
    allowed, ends = ("a number", (-np.inf, np.inf)) if kind == "threshold" else ("a share between 0 and 1", (0, 1))
    values = np.atleast_1d(_check_real(values, kind, allowed, low=ends[0], high=ends[1]))
    positive, score = _check_scored(y_true, y_score, pos_label=pos_label)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"{kind} must be one number or a list of numbers; its shape is {values.shape}")
    rule, rows = "youden" if kind == "best" else kind, []
    for value in values:
        cut = value if kind == "threshold" else _chosen(positive, score, rule, value)
        options = {"prevalence": prevalence, "confidence_level": confidence_level}
        found, row = classification_metrics(positive, score, cut, **options), {"threshold": cut}
        for name in ("sensitivity", "specificity", "ppv", "npv"):
            estimate = found.get(f"{name}_at_prevalence", found[name])
            row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        rows.append(row)
    chosen = "threshold chosen on these patients" * (kind != "threshold")
    if kind == "best" and rows[0]["sensitivity"] + rows[0]["specificity"] <= 1:
        chosen += ", where none is better than chance: do scores fall with the condition?"
    return pd.DataFrame(rows).assign(note=_join_notes(chosen, _small_sample_note(*_class_sizes(positive))))


def sensitivity_at_specificity(
    y_true: ArrayLike,
    y_score: ArrayLike,
    specificity: float = 0.9,
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Estimate:
    """Sensitivity at a fixed specificity; its interval knows that the same patients set the threshold.

    Parameters
    ----------
    y_true, y_score, pos_label
        As in :func:`auc`.
    specificity : float
        To be reached, in (0, 1). For the specificity at a fixed sensitivity exchange the classes: ``1 - y_true`` and
        ``-y_score``.
    confidence_level : float

    Returns
    -------
    Estimate
        At the lowest threshold that reaches the specificity in these patients. How many controls lie below the
        population's threshold is binomial, so it falls between known controls with known probabilities; limits are
        quantiles of Jeffreys' posteriors of the sensitivity, mixed with these. A note where the controls are too few
        for the threshold to lie among them.
    """
    share, level = _check_open_share(specificity, "specificity"), _check_level(confidence_level)
    positive, score = _check_scored(y_true, y_score, pos_label=pos_label)
    m, n = _class_sizes(positive)
    value = float(np.mean(score[positive] >= _chosen(positive, score, "specificity", share)))
    # Cases above no control's score, ..., above that of the highest; between two controls either may hold.
    cases, controls = np.sort(score[positive]), np.sort(score[~positive])
    below = (np.searchsorted(cases, controls, "left") + np.searchsorted(cases, controls, "right")) / 2
    above = m - np.concatenate(([0], below, [m]))
    between = stats.binom.pmf(np.arange(n + 1), n, share)
    weights = (np.append(between, 0) + np.append(0, between)) / 2

    def quantile(tail: float) -> float:
        def excess(x: float) -> float:
            return float(weights @ special.betainc(above + 0.5, m - above + 0.5, x)) - tail

        return float(optimize.brentq(excess, 0.0, 1.0))

    low, high = quantile((1 - level) / 2), quantile((1 + level) / 2)
    note = _small_sample_note(m, n)
    if between[n] > (1 - level) / 2:
        note = _join_notes(f"{counted(n, 'control')}: too few to place the threshold of this specificity", note)
    name = f"sensitivity at a specificity of {share:g}"
    return Estimate(name, value, min(low, value), max(high, value), m + n, level, "Jeffreys, mixed", note=note)
