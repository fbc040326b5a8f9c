"""The stage scale and its cut-offs: the one place that knows what F2 means."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.errors import FibrolibError

METAVIR = (0, 1, 2, 3, 4)
"""Stages of the METAVIR scale, F0 (no fibrosis) to F4 (cirrhosis)."""

CONDITIONS = {1: "any fibrosis", 2: "significant fibrosis", 3: "advanced fibrosis", 4: "cirrhosis"}
"""What the field calls "stage at or above this one"."""


_HIGHEST = 100  # no scale has a higher stage (assumption)
_CODES_OF_MISSING = (9, 88, 99)
_HIGHEST_KNOWN = 6
"""Of the scales in use, Ishak's has the highest stage."""


class StageError(FibrolibError, ValueError):
    """Values that are no stages; the message says which."""


def is_metavir(stages: Iterable[int]) -> bool:
    """Whether stages can be read as METAVIR: more than two of them, none above 4.

    A table that holds only 0 and 1 is taken for a yes/no label of any disease, and is not called F0/F1. A `StageError`
    where one is missing or no whole number.
    """
    numbers = pd.Series(list(stages), dtype=object).to_numpy(dtype=float, na_value=np.nan)
    if not np.array_equal(numbers, np.floor(numbers)):
        raise StageError("stages must be whole numbers, and none may be missing")
    present = set(numbers.tolist())
    return len(present) > 2 and present <= set(METAVIR)


def check_stage(stage: int, name: str = "the number", lowest: int = 0) -> int:
    """One whole stage; a `StageError` for anything else, which `int` would round or read as a text."""
    known = isinstance(stage, int | float | np.integer | np.floating) and not isinstance(stage, bool)
    if not known or not float(stage).is_integer() or not lowest <= stage <= _HIGHEST:
        raise StageError(f"{name} must be a stage, such as 2, from {lowest} to {_HIGHEST}; it is {stage!r}")
    return int(stage)


def stage_name(stage: int, metavir: bool = True) -> str:
    """``F2`` on the METAVIR scale, ``stage 2`` on any other."""
    return f"{'F' if metavir else 'stage '}{check_stage(stage)}"


def cutoff_name(cutoff: int, metavir: bool = True) -> str:
    """``≥ F2`` on the METAVIR scale, ``stage ≥ 1`` on any other."""
    return f"{'≥ F' if metavir else 'stage ≥ '}{check_stage(cutoff, 'the cut-off')}"


def condition(cutoff: int, metavir: bool = True) -> str:
    """What is diagnosed, in words: ``significant fibrosis (≥ F2)``."""
    name = cutoff_name(cutoff, metavir)
    return f"{CONDITIONS[cutoff]} ({name})" if metavir and cutoff in CONDITIONS else name


def _without_mask(values: ArrayLike) -> ArrayLike:
    """NaN where a mask hides a value; all else as it is."""
    return values.astype(object).filled(np.nan) if np.ma.isMaskedArray(values) else values


def _is_numbering(index: pd.Index) -> bool:
    """Whether labels number the rows from 0 on, or those of several tables that were put together."""
    if not pd.api.types.is_integer_dtype(index):
        return False
    numbers = index.to_numpy()
    return not len(numbers) or bool(numbers[0] == 0 and ((np.diff(numbers) == 1) | (numbers[1:] == 0)).all())


def _labelled_like(given: ArrayLike, values: NDArray) -> pd.Series | NDArray:
    """A Series with the labels of the patients, who would else be taken as they come, where a Series was given."""
    return pd.Series(values, given.index, name=given.name) if isinstance(given, pd.Series) else values


def check_stages(stage: ArrayLike, name: str = "stage") -> NDArray[np.int64] | pd.Series:
    """Stages as whole numbers, shape (n,), of a Series with its index.

    A `StageError` where one is missing or a code of it (9, 88, 99), negative, or lies between two.
    """
    values = _without_mask(stage)
    values = values if isinstance(values, pd.Series) else np.asarray(values)
    if getattr(values.dtype, "kind", "O") in "mM":
        raise StageError(f"{name} must hold one number for each patient: it is of type {values.dtype}")
    try:
        numbers = pd.Series(values).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise StageError(f"{name} must hold one number for each patient: {error}") from error
    missing = np.isnan(numbers)
    if missing.any():
        raise StageError(
            f"{name} is missing in {missing.sum()} of {len(numbers)} patients: leave them out, they are neither "
            "healthy nor diseased"
        )
    wrong = ~((numbers >= 0) & (numbers == np.floor(numbers)) & (numbers <= _HIGHEST))
    if wrong.any():
        raise StageError(f"{name} must hold whole numbers from 0 on (to {_HIGHEST}), found {numbers[wrong][0]:g}")
    _refuse_codes(numbers, name)
    return _labelled_like(stage, numbers.astype(np.int64))


def _refuse_codes(numbers: NDArray[np.float64], name: str) -> None:
    """Refuse 9, 88 and 99 where they are the only stages above those of known scales."""
    beyond = numbers[numbers > _HIGHEST_KNOWN]
    if beyond.size and np.isin(beyond, _CODES_OF_MISSING).all():
        raise StageError(
            f"{name} is {beyond[0]:g} in {int(np.sum(numbers == beyond[0]))} of {len(numbers)} patients, and nobody "
            f"else is above {_HIGHEST_KNOWN}: is it a code of a missing stage? Leave these patients out"
        )


def at_least(stage: ArrayLike, cutoff: int) -> NDArray[np.int64] | pd.Series:
    """Binary truth at a cut-off, of a Series with its index; a `StageError` where a stage is none or missing."""
    cutoff = check_stage(cutoff, "the cut-off", 1)
    return (check_stages(stage) >= cutoff).astype(np.int64)
