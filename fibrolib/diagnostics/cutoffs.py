"""Published cut-offs, and the zones they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from fibrolib.errors import counted

__all__ = ["ZONES", "PublishedCutoff", "tabulate_zones", "zones"]

ZONES = ("low", "indeterminate", "high")
"""What a dual cut-off says: disease ruled out, nothing, disease ruled in."""


@dataclass(frozen=True)
class PublishedCutoff:
    """A published pair of cut-offs (or a single one, where `low` equals `high`).

    Parameters
    ----------
    stage : int
        METAVIR stage from which on disease is meant.
    low, high : float
        Below `low` disease is unlikely, from `high` on likely; the other way round where low values of the index go
        with high stages.
    population : str
        Where the values come from.
    source : str
        Citation.
    low_from_65 : float or None
        Lower cut-off from the age of 65 on, where one was published.
    """

    stage: int
    low: float
    high: float
    population: str
    source: str
    low_from_65: float | None = None


def zones(
    index: ArrayLike, published: PublishedCutoff, *, direction: int = 1, age: ArrayLike | None = None
) -> pd.Series:
    """What a published cut-off says of each patient.

    Parameters
    ----------
    index : array_like or Series, shape (n,)
        Values of the index; NaN where it is missing.
    published : PublishedCutoff
        As of `Diagnostic.published_cutoff`.
    direction : {1, -1}
        1 where high values go with high stages, -1 where low ones do.
    age : array_like, shape (n,), optional
        Years; given, the lower cut-off for patients from 65 on is used where one was published.

    Returns
    -------
    Series of ordered categories, shape (n,)
        The risk of disease: "low" below the lower cut-off, "high" from the upper one on, "indeterminate" between;
        missing where the index is. A single cut-off leaves nobody indeterminate. Indexed like `index`.
    """
    values = pd.Series(index, dtype=float)
    low = np.full(len(values), published.low)
    if age is not None and published.low_from_65 is not None:
        low[np.asarray(age, dtype=float) >= 65] = published.low_from_65
    codes = np.where(values >= published.high, 2, np.where(values < low, 0, 1))
    codes = codes if direction > 0 else 2 - codes
    codes[values.isna()] = -1
    return pd.Series(pd.Categorical.from_codes(codes, ZONES, ordered=True), index=values.index, name="zone")


def tabulate_zones(zone: Sequence[str] | pd.Series, y_true: ArrayLike) -> pd.DataFrame:
    """Count the zones by truth.

    Parameters
    ----------
    zone : Series, shape (n,)
        From :func:`zones`.
    y_true : array_like, shape (n,)
        0 and 1.

    Returns
    -------
    DataFrame
        One row each for "low", "indeterminate", "high" and "missing": ``zone, n, diseased, healthy, share`` (of all
        patients) and ``prevalence`` (diseased of those in the zone; NaN in an empty one).

    Raises
    ------
    ValueError
        Lengths differ.
    """
    truth = np.asarray(y_true).astype(int)
    names = pd.Series(zone).astype(object).fillna("missing").to_numpy()
    if len(names) != len(truth):
        raise ValueError(f"{counted(len(names), 'zone')} for {counted(len(truth), 'patient')}")
    table = pd.DataFrame({"zone": [*ZONES, "missing"]})
    table["n"] = [int(np.sum(names == z)) for z in table["zone"]]
    table["diseased"] = [int(np.sum(truth[names == z])) for z in table["zone"]]
    table["healthy"] = table["n"] - table["diseased"]
    table["share"] = table["n"] / len(truth)
    table["prevalence"] = table["diseased"] / table["n"].where(table["n"] > 0)
    return table
