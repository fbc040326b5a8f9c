"""Recalibration: probabilities of a model moved onto another population, whose order of patients does not change."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from fibrolib.errors import counted
from fibrolib.inference.calibration import _has_log_odds, _matching_shift, _root_of_falling, _score, _supremum
from fibrolib.inference.checks import (
    InferenceError,
    _as_float,
    _check_flag,
    _check_labels,
    _check_number,
    _check_order,
    _check_probabilities,
    _check_unit_range,
)
from fibrolib.stages import _labelled_like

_LEAST = 1e-9  # a probability nearer to 0 or 1 is taken as so far from there: beyond, it would outweigh all others


def log_odds(probability: ArrayLike) -> pd.Series | NDArray[np.float64]:
    """Log odds of probabilities, same shape; those nearer to 0 or 1 than one in a billion are taken as so far away.

    A Series keeps its labels.
    """
    values = _check_unit_range(_as_float(probability, "probability"), "probability")
    return _labelled_like(probability, special.logit(np.clip(values, _LEAST, 1 - _LEAST)))


def _certain_note(probability: ArrayLike) -> str:
    """Caveat of log odds that `log_odds` cuts."""
    values = np.asarray(probability, dtype=float)
    n = int(((values < _LEAST) | (values > 1 - _LEAST)).sum())
    number = counted(n, "probability", "probabilities")
    return f"{number} nearer to 0 or 1 than one in a billion, taken as so far from there" if n else ""


def fit_recalibration(
    y_true: ArrayLike, y_prob: ArrayLike, *, slope: bool = True, pos_label: object = None
) -> tuple[float, float]:
    """Intercept and slope that move log odds of a model onto these patients, by maximum likelihood.

    Logistic recalibration (Steyerberg et al., Stat Med 2004;23:2567): of the log odds alone (`slope` False: the slope
    stays 1, the intercept makes the expected number of cases the observed one), or of both. Patients with a probability
    of 0 or 1, which has no log odds, are left out, as in :func:`calibration_metrics`. An intercept alone is also fitted
    to probabilities that order these patients the wrong way round, and does not mend that.

    Raises
    ------
    InferenceError
        The patients with log odds are of one class; or, for a slope, the probabilities are all alike, separate the
        classes, or order them the wrong way round.
    """
    _check_flag(slope, "slope"), _check_order(y_true, y_prob)
    positive = _check_labels(y_true, least=1, pos_label=pos_label)
    probability = _check_probabilities(y_prob, len(positive))
    inside = _has_log_odds(probability)
    if not inside.any():
        raise InferenceError("y_prob holds nothing but 0 and 1, which have no log odds: give probabilities, not calls")
    positive = _check_labels(positive[inside], "y_true where the probability is not 0 or 1", least=1)
    logits = special.logit(probability[inside])
    if not slope:
        return _matching_shift(positive, logits), 1.0
    centred = logits - logits.mean()
    if np.ptp(logits) == 0:
        raise InferenceError("all probabilities are alike: there is no slope")
    if any(_supremum(each, centred) is not None for each in (positive, ~positive)):
        raise InferenceError("the probabilities separate the classes: no finite slope fits best")
    value = _root_of_falling(lambda slope: _score(positive, centred, slope))
    if value <= 0:
        raise InferenceError("the slope is not above 0: the model orders these patients the wrong way round")
    return _matching_shift(positive, value * logits), value


def recalibrated(y_prob: ArrayLike, intercept: float, slope: float) -> pd.Series | NDArray[np.float64]:
    """Probabilities moved by `fit_recalibration`; same shape and labels, NaN where missing.

    With a slope above 0, those of 0 and 1 stay, and so does the order of the patients.
    """
    for name, value in (("intercept", intercept), ("slope", slope)):
        _check_number(value, name, "a finite number", low=-np.inf, high=np.inf, open_="low high")
    odds = special.logit(_check_unit_range(_as_float(y_prob, "y_prob"), "y_prob"))
    moved = special.expit(intercept + (slope * odds if slope else np.where(np.isnan(odds), np.nan, 0.0)))
    return _labelled_like(y_prob, moved)
