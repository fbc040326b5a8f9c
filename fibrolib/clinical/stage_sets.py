"""Sets of stages that hold the true one with a promised probability, and what is gained by not answering.

Split conformal prediction with contiguous sets (Lu, Angelopoulos & Pomerantz, MICCAI 2022; Xu, Guo & Wei, ICML 2023): a
set grows from the most probable stage towards the more probable neighbour. The probabilities may be wrong; the promise
holds if calibration patients and new ones are exchangeable.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fibrolib.inference import InferenceError, wilson
from fibrolib.inference.checks import (
    _as_float,
    _check_level,
    _check_order,
    _check_size,
    _check_stage_labels,
    _check_stages,
    _few,
    _shared_patients,
)

_Floats = NDArray[np.float64]

_ROUNDING = 1e-6  # of probabilities in float32, whose sum is not quite 1
_ROUNDED = 5e-4  # of each probability that was written with three decimals


def stage_sets(
    probabilities: pd.DataFrame,
    calibration_probabilities: ArrayLike,
    calibration_stage: ArrayLike,
    *,
    confidence_level: float = 0.9,
) -> pd.DataFrame:
    """Contiguous sets of stages that hold the true one with at least the confidence level.

    Parameters
    ----------
    probabilities : DataFrame, shape (n, k)
        Probability of each of the stages 0 to k - 1, one row for each new patient.
    calibration_probabilities, calibration_stage : array_like, shape (m, k) and (m,)
        The same, and the true stage, of patients that fitted nothing.
    confidence_level : float
        Promised on average over calibration and new patients, not for each stage or patient; 0.5 or more.

    Returns
    -------
    DataFrame
        Indexed like `probabilities`: ``low, high`` (first and last stage of the set), ``size, note``. With too few
        calibration patients for the level (below 19 at 0.95, 9 at 0.9) the set is all stages, and `note` says so.
    """
    stage, known = _check_staged(calibration_stage, calibration_probabilities)
    new = _check_probabilities(probabilities)
    given = [list(each) for each in (probabilities, calibration_probabilities) if isinstance(each, pd.DataFrame)]
    if given[0:1] != given[-1:] and set(given[0]) == set(given[-1]):
        raise InferenceError(f"the columns of both probabilities are in another order: {given[0]}, and {given[-1]}")
    if new.shape[1] != known.shape[1]:
        raise InferenceError(
            f"probabilities of {new.shape[1]} stages of new patients do not fit those of {known.shape[1]} stages of "
            "the calibration patients"
        )
    rank = _rank(len(stage), confidence_level)
    shared = _shared_patients((probabilities,), (calibration_probabilities, calibration_stage))
    if shared or _has_rows_of(new, known):
        which = f" ({_few(map(str, shared))})" if shared else ""
        raise InferenceError(
            f"new patients are among the calibration patients{which}: the promise holds for others, so give other "
            "ones, or .reset_index(drop=True) of both if the ids are numbers of rows"
        )
    bound, note = np.inf, f"{len(stage)} calibration patients: too few for {confidence_level:g}, all stages are given"
    if rank <= len(stage):
        scores = _mass_until(known)[np.arange(len(stage)), stage]
        bound, note = np.sort(scores)[rank - 1], ""
    inside = _mass_until(new) <= bound + _ROUNDING
    inside[np.arange(len(new)), new.argmax(axis=1)] = True
    low, size = inside.argmax(axis=1), inside.sum(axis=1)
    return pd.DataFrame(
        {"low": low, "high": low + size - 1, "size": size, "note": note}, index=pd.DataFrame(probabilities).index
    )


def _has_rows_of(new: _Floats, known: _Floats) -> bool:
    """Whether a row stands in both, which is the same patient where no two rows of either are alike."""
    rows = [set(map(tuple, values.astype(np.float32).tolist())) for values in (new, known)]
    return len(rows[0]) == len(new) and len(rows[1]) == len(known) and bool(rows[0] & rows[1])


def _rank(n: int, level: float) -> int:
    """Of the calibration scores, the one that bounds the set; beyond `n` there is no bound."""
    return ceil((n + 1) * _check_level(level) - 1e-9)


def _check_probabilities(probabilities: ArrayLike) -> _Floats:
    values = _as_float(probabilities, "probabilities")
    expected = "probabilities of stages must be one row for each patient, none missing, each row with the sum 1"
    if values.ndim != 2 or not values.size or not values.min() >= -1e-6:  # not so either where one is missing
        raise InferenceError(expected)
    sums = values.sum(axis=1)
    off = np.abs(sums - 1)
    if off.max() > _ROUNDED * values.shape[1] + 1e-5:
        raise InferenceError(f"{expected}; found {sums[off.argmax()]:g}. If they are rounded, divide each by its sum")
    if isinstance(probabilities, pd.DataFrame):
        _check_stage_labels(probabilities, "the columns of the probabilities")
    return values


def _check_staged(stage: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], _Floats]:
    """True stages, and probabilities of stages, of the same patients."""
    _check_order(stage, probabilities)
    truth, values = _check_stages(stage), _check_probabilities(probabilities)
    if len(truth) != len(values) or truth.max() >= values.shape[1]:
        raise InferenceError(
            f"{len(truth)} stages up to {truth.max()} do not fit probabilities of {values.shape[1]} stages of "
            f"{len(values)} patients"
        )
    return truth, values


def _mass_until(probabilities: _Floats) -> _Floats:
    """Of each stage, the probability of the set that it joins last; shape as given."""
    n, k = probabilities.shape
    sums = probabilities.sum(axis=1, keepdims=True)
    probabilities = np.where(np.abs(sums - 1) > _ROUNDING, probabilities / sums, probabilities)  # rounded ones
    rows, padded = np.arange(n), np.pad(probabilities, ((0, 0), (1, 1)), constant_values=-1.0)
    low = high = probabilities.argmax(axis=1)
    mass = probabilities[rows, low].copy()
    until = np.zeros((n, k))
    until[rows, low] = mass
    for _ in range(k - 1):
        down = padded[rows, low] >= padded[rows, high + 2]
        low, high = low - down, high + ~down
        joined = np.where(down, low, high)
        mass = mass + probabilities[rows, joined]
        until[rows, joined] = mass
    return until


def set_coverage(calibration_sizes: Sequence[int], *, confidence_level: float = 0.9) -> pd.DataFrame:
    """Coverage that calibration patients can promise, and how far it varies with the patients one happens to have.

    Columns ``n, coverage, low, high, attainable``: mean and central 95 % of the coverage over draws of `n` calibration
    patients, for scores without ties (beta distribution: Vovk, Mach Learn 2013;92:349); with too few patients, the sets
    are all stages, coverage is 1, and ``attainable`` is false.
    """
    rows = []
    for n in [_check_size(n, "calibration_sizes", least=0) for n in np.atleast_1d(calibration_sizes).tolist()]:
        rank = _rank(n, confidence_level)
        spread = stats.beta(rank, n + 1 - rank) if rank <= n else None
        numbers = (spread.mean(), *spread.ppf([0.025, 0.975])) if spread else (1.0, 1.0, 1.0)
        rows.append((n, *map(float, numbers), spread is not None))
    return pd.DataFrame(rows, columns=["n", "coverage", "low", "high", "attainable"])


def selective_accuracy(stage: ArrayLike, probabilities: ArrayLike, *, confidence_level: float = 0.95) -> pd.DataFrame:
    """Accuracy of the most probable stage among the patients that a model is surest of.

    Columns ``answered`` (share of the patients), ``n``, and ``exact`` and ``within_one`` (share with the right stage,
    and within one stage of it), each with Wilson's limits: one row for each number of patients at which the largest
    probability changes, from the surest patient to all.
    """
    truth, values = _check_staged(stage, probabilities)
    sureness = values.max(axis=1)
    order = np.argsort(-sureness, kind="stable")
    away = np.abs(values.argmax(axis=1) - truth)[order]
    last = np.flatnonzero(np.append(np.diff(sureness[order]) != 0, True)) + 1  # tied patients answer together
    rows = []
    for n in last.tolist():
        row: dict[str, float] = {"answered": n / len(truth), "n": n}
        for name, right in (("exact", away[:n] == 0), ("within_one", away[:n] <= 1)):
            found = wilson(int(right.sum()), n, confidence_level=confidence_level)
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)
