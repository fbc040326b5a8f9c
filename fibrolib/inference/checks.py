"""Checks of the arrays that a caller passes; no function below checks again.

Names with an underscore are shared within `fibrolib.inference` only.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.errors import FibrolibError, counted

__all__ = ["InferenceError"]

_Booleans = NDArray[np.bool_]
_Floats = NDArray[np.float64]


class InferenceError(FibrolibError, ValueError):
    """Data that do not allow the requested statistic; the message says what is wrong and what to do."""


def _as_float(values: ArrayLike, name: str) -> _Floats:
    nullable = isinstance(getattr(values, "dtype", None), pd.api.extensions.ExtensionDtype)
    try:
        array = pd.Series(values).to_numpy(dtype=np.float64, na_value=np.nan) if nullable else values
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InferenceError(f"{name} must hold numbers only: {error}") from error


def _few(items: Iterable[Hashable], most: int = 5) -> str:
    items = list(items)
    return ", ".join(map(str, items[:most])) + (", ..." if len(items) > most else "")


def _check_labels(y_true: ArrayLike, name: str = "y_true", *, least: int = 0) -> _Booleans:
    """Truth as booleans: 0 and 1 only, at least `least` patients in each class."""
    values = _as_float(y_true, name)
    if values.ndim != 1 or values.size == 0:
        raise InferenceError(f"{name} must be a list with one entry for each patient; its shape is {values.shape}")
    positive = values == 1
    invalid = ~(positive | (values == 0))
    if invalid.any():
        listed = _few(f"{value:g}" for value in np.unique(values[invalid]))
        raise InferenceError(f"{name} must hold 0 and 1 only, found {listed}: apply the stage cut-off first")
    n_positive, n_negative = _class_sizes(positive)
    if min(n_positive, n_negative) < least:
        needed = "both classes are needed" if least == 1 else f"at least {least} of each are needed"
        raise InferenceError(
            f"{name} holds {counted(n_positive, 'patient')} with and {n_negative} without the condition: {needed}; "
            "choose another cut-off or more patients"
        )
    return positive


def _class_sizes(positive: _Booleans) -> tuple[int, int]:
    """Numbers of patients with and without the condition."""
    n_positive = int(np.count_nonzero(positive))
    return n_positive, len(positive) - n_positive


def _check_scores(score: ArrayLike, n: int, name: str = "y_score") -> _Floats:
    """Scores as finite float64; infinite ones usually come from a division by zero or an overflow."""
    values = _as_float(score, name)
    if values.ndim != 1:
        hint = ": of predict_proba take the second column, [:, 1]" if values.ndim == 2 else ""
        raise InferenceError(f"{name} must be one-dimensional, its shape is {values.shape}{hint}")
    if len(values) != n:
        raise InferenceError(
            f"{name} has {counted(len(values), 'entry', 'entries')} for {counted(n, 'patient')}: "
            "give one score for each patient"
        )
    if not np.isfinite(values).all():
        missing, infinite = np.isnan(values), np.isinf(values)
        kind, rows, advice = (
            ("missing (NaN)", missing, "leave these patients out of every score that is compared")
            if missing.any()
            else ("infinite", infinite, "look for a division by zero, or give probabilities in place of log odds")
        )
        positions, verb = _few(np.flatnonzero(rows).tolist()), "is" if rows.sum() == 1 else "are"
        raise InferenceError(
            f"{name}: {rows.sum()} of {counted(len(values), 'score')} {verb} {kind} (position {positions}): {advice}"
        )
    return values


def _check_probabilities(y_prob: ArrayLike, n: int, name: str = "y_prob") -> _Floats:
    """Predicted probabilities as float64 within [0, 1]."""
    values = _check_scores(y_prob, n, name)
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise InferenceError(
            f"{name} must hold probabilities between 0 and 1, found {_few(f'{v:g}' for v in values[outside])}: "
            "a score that only ranks patients has no calibration and no net benefit; fit a logistic curve to it on "
            "other patients first"
        )
    return values


def _check_level(level: float, name: str = "confidence_level") -> float:
    """A share strictly between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"{name} must lie between 0 and 1, for example 0.9; it is {level!r}")
    return float(level)
