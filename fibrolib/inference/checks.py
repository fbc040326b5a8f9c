"""The one gate between a caller's arrays and the arithmetic: what passes here needs no further checks below."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.errors import FibrolibError, counted

__all__ = [
    "InferenceError",
    "check_apart",
    "check_classes",
    "check_labels",
    "check_level",
    "check_patients",
    "check_prevalence",
    "check_probabilities",
    "check_scores",
]


class InferenceError(FibrolibError, ValueError):
    """Data from which the number asked for cannot be worked out; the message says what is wrong and what to do."""


def _as_float(values: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        array = pd.Series(values).to_numpy(dtype=np.float64, na_value=np.nan) if _nullable(values) else values
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InferenceError(f"{name} must hold numbers only: {error}") from error


def _nullable(values: ArrayLike) -> bool:
    return isinstance(getattr(values, "dtype", None), pd.api.extensions.ExtensionDtype)


def _few(items: Iterable[Hashable], most: int = 5) -> str:
    items = list(items)
    return ", ".join(map(str, items[:most])) + (", ..." if len(items) > most else "")


def check_labels(y_true: ArrayLike, name: str = "y_true") -> NDArray[np.bool_]:
    """Truth as booleans.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1, or False and True.
    name : str
        What to call it in a message.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    InferenceError
        Empty, not one-dimensional, or anything but 0 and 1 (a missing value included).
    """
    if isinstance(y_true, np.ndarray) and y_true.dtype == np.bool_ and y_true.ndim == 1 and y_true.size:
        return y_true
    whole = isinstance(y_true, np.ndarray) and y_true.dtype.kind in "iu"
    # Whole numbers need no copy as floats, which a million patients would notice.
    values = y_true if whole else _as_float(y_true, name)
    if values.ndim != 1 or values.size == 0:
        raise InferenceError(f"{name} must be a list with one entry for each patient; its shape is {values.shape}")
    positive = values == 1
    odd = ~(positive | (values == 0))
    if odd.any():
        found = _few(f"{value:g}" for value in np.unique(values[odd]))
        raise InferenceError(f"{name} must hold 0 and 1 only, found {found}: apply the stage cut-off first")
    return positive


def check_scores(score: ArrayLike, n: int, name: str = "y_score") -> NDArray[np.float64]:
    """Scores as finite float64.

    Infinite scores are refused, as scikit-learn does: they come from a division by zero or an overflow far more often
    than from a method that means them.

    Parameters
    ----------
    score : array_like, shape (n,)
        Higher means more likely diseased.
    n : int
        Number of patients expected.
    name : str
        What to call it in a message.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    InferenceError
        Wrong shape, NaN or infinity.
    """
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
        _refuse_non_finite(values, name)
    return values


def check_probabilities(y_prob: ArrayLike, n: int, name: str = "y_prob") -> NDArray[np.float64]:
    """Predicted probabilities as float64.

    Parameters
    ----------
    y_prob : array_like, shape (n,)
        Predicted probability of the condition.
    n : int
        Number of patients expected.
    name : str
        What to call it in a message.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    InferenceError
        Wrong shape, NaN, or anything outside [0, 1].
    """
    values = check_scores(y_prob, n, name)
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise InferenceError(
            f"{name} must hold probabilities between 0 and 1, found {_few(f'{v:g}' for v in values[outside])}: "
            "a score that only ranks patients has no calibration and no net benefit; fit a logistic curve to it on "
            "other patients first"
        )
    return values


def _refuse_non_finite(values: NDArray[np.float64], name: str) -> None:
    missing, infinite = np.isnan(values), np.isinf(values)
    kind, where, advice = (
        ("missing (NaN)", missing, "leave these patients out of every score that is compared")
        if missing.any()
        else ("infinite", infinite, "look for a division by zero, or give probabilities in place of log odds")
    )
    rows, verb = _few(np.flatnonzero(where).tolist()), "is" if where.sum() == 1 else "are"
    raise InferenceError(
        f"{name}: {where.sum()} of {counted(len(values), 'score')} {verb} {kind} (position {rows}): {advice}"
    )


def check_classes(positive: NDArray[np.bool_], least: int = 1, name: str = "y_true") -> tuple[int, int]:
    """Number of patients with and without disease.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Truth.
    least : int
        How many of each are needed.
    name : str
        What to call it in a message.

    Returns
    -------
    tuple of int
        ``(n_positive, n_negative)``.

    Raises
    ------
    InferenceError
        Fewer than `least` of either.
    """
    n_positive = int(np.count_nonzero(positive))
    n_negative = len(positive) - n_positive
    if min(n_positive, n_negative) < least:
        needed = "both classes are needed" if least == 1 else f"at least {least} of each are needed"
        raise InferenceError(
            f"{name} holds {counted(n_positive, 'patient')} with and {n_negative} without the condition: {needed}; "
            "choose another cut-off or more patients"
        )
    return n_positive, n_negative


def check_patients(patient_id: ArrayLike | None, n: int) -> None:
    """Refuse repeated patients: the variance formulae count independent patients, not clips.

    Parameters
    ----------
    patient_id : array_like, shape (n,) or None
        Who each score belongs to; None skips the check.
    n : int
        Number of scores.

    Raises
    ------
    InferenceError
        A patient occurs more than once, or the length differs.
    """
    if patient_id is None:
        return
    patients = pd.Series(np.asarray(patient_id, dtype=object))
    if len(patients) != n:
        raise InferenceError(
            f"patient_id has {counted(len(patients), 'entry', 'entries')} for {counted(n, 'score')}: give one for each"
        )
    repeated = patients[patients.duplicated()].unique()
    if len(repeated):
        raise InferenceError(
            f"patient_id holds {counted(len(repeated), 'patient')} more than once ({_few(repeated)}): "
            "average the scores of a patient's videos first, so that each patient counts once"
        )


def check_apart(patients_a: ArrayLike, patients_b: ArrayLike) -> None:
    """Refuse two cohorts that share patients: they are not independent.

    Parameters
    ----------
    patients_a, patients_b : array_like, shapes (n,) and (m,)
        Who is in either cohort.

    Raises
    ------
    InferenceError
        A patient is in both.
    """
    ids_a, ids_b = (pd.Series(np.asarray(ids, dtype=object)) for ids in (patients_a, patients_b))
    shared = ids_a[ids_a.isin(ids_b)].unique()
    if len(shared):
        raise InferenceError(
            f"both cohorts hold {counted(len(shared), 'patient')} ({_few(shared)}), so they are not independent: "
            "compare the two scores on the same patients (paired=True), or leave these patients out of one cohort"
        )


def check_level(confidence_level: float) -> float:
    """A confidence level strictly between 0 and 1.

    Parameters
    ----------
    confidence_level : float
        For example 0.95.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        Outside (0, 1).
    """
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie between 0 and 1, for example 0.95; it is {confidence_level!r}")
    return float(confidence_level)


def check_prevalence(prevalence: float) -> float:
    """A prevalence strictly between 0 and 1.

    Parameters
    ----------
    prevalence : float
        For example 0.3.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        Outside (0, 1).
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must lie between 0 and 1, it is {prevalence!r}")
    return float(prevalence)
