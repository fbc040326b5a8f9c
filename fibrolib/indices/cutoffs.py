"""Published cut-offs of FIB-4, APRI and stiffness, and the zones they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from fibrolib.errors import counted

__all__ = ["PUBLISHED_CUTOFFS", "ZONES", "PublishedCutoff", "published_cutoff", "tabulate_zones", "zones"]

ZONES = ("low", "indeterminate", "high")
"""What a dual cut-off says: disease ruled out, nothing, disease ruled in."""


@dataclass(frozen=True)
class PublishedCutoff:
    """A published pair of cut-offs (or a single one, where `low` equals `high`).

    Parameters
    ----------
    index : str
        "fib4", "apri" or "swe".
    stage : int
        METAVIR stage from which on disease is meant.
    low, high : float
        Below `low` disease is unlikely, from `high` on likely.
    population : str
        Where the values come from.
    source : str
        Citation.
    low_from_65 : float or None
        Lower cut-off from the age of 65 on, where one was published.
    """

    index: str
    stage: int
    low: float
    high: float
    population: str
    source: str
    low_from_65: float | None = None


_CHB_602 = "chronic hepatitis B, 602 patients in 14 hospitals"
_CHB_327 = "chronic hepatitis B, 327 patients"

PUBLISHED_CUTOFFS = (
    PublishedCutoff("fib4", 3, 1.45, 3.25, "HIV/HCV co-infection", "Sterling 2006, Hepatology 43:1317"),
    PublishedCutoff("fib4", 3, 1.30, 2.67, "fatty liver", "Shah 2009; from 65 years McPherson 2017", 2.0),
    PublishedCutoff("apri", 2, 0.5, 1.5, "chronic hepatitis C", "Wai 2003, Hepatology 38:518"),
    PublishedCutoff("apri", 4, 1.0, 2.0, "chronic hepatitis C", "Wai 2003, Hepatology 38:518"),
    PublishedCutoff("swe", 2, 6.85, 6.85, _CHB_602, "2D-SWE, multicentre"),
    PublishedCutoff("swe", 3, 7.43, 7.43, _CHB_602, "2D-SWE, multicentre"),
    PublishedCutoff("swe", 4, 8.03, 8.03, _CHB_602, "2D-SWE, multicentre"),
    PublishedCutoff("swe", 2, 6.9, 6.9, _CHB_327, "2D-SWE, second cohort"),
    PublishedCutoff("swe", 3, 7.9, 7.9, _CHB_327, "2D-SWE, second cohort"),
    PublishedCutoff("swe", 4, 9.4, 9.4, _CHB_327, "2D-SWE, second cohort"),
)
"""Cut-offs of the literature; the first of an index and stage is the default. FIB-4's are for advanced fibrosis."""


def published_cutoff(name: str, cutoff: int = 2, *, population: str | None = None) -> PublishedCutoff:
    """The published cut-off of an index for a stage.

    Parameters
    ----------
    name : {"fib4", "apri", "swe"}
        Index.
    cutoff : int
        Lowest stage that counts as diseased.
    population : str, optional
        Word that the population must contain, for example ``"fatty"``; default the first one listed.

    Returns
    -------
    PublishedCutoff
        Of the nearest stage for which one was published (the lower of two): compare its `stage` with `cutoff`.

    Raises
    ------
    ValueError
        No such index or population.
    """
    listed = [c for c in PUBLISHED_CUTOFFS if c.index == name and (population or "") in c.population]
    if not listed:
        known = sorted({f"{c.index} ({c.population})" for c in PUBLISHED_CUTOFFS})
        raise ValueError(f"no published cut-off of {name!r} for {population!r}; there are {', '.join(known)}")
    return min(listed, key=lambda c: (abs(c.stage - cutoff), c.stage))


def zones(
    index: ArrayLike, name: str, cutoff: int = 2, *, population: str | None = None, age: ArrayLike | None = None
) -> pd.Series:
    """What the published cut-offs say of each patient.

    Parameters
    ----------
    index : array_like or Series, shape (n,)
        Values of the index; NaN where it is missing.
    name, cutoff, population
        As in :func:`published_cutoff`.
    age : array_like, shape (n,), optional
        Years; given, the lower cut-off for patients from 65 on is used where one was published.

    Returns
    -------
    Series of ordered categories, shape (n,)
        "low" below the lower cut-off, "high" from the upper one on, "indeterminate" between; missing where the index
        is. A single cut-off leaves nobody indeterminate. Indexed like `index`.

    Raises
    ------
    ValueError
        As :func:`published_cutoff`.
    """
    values = pd.Series(index, dtype=float)
    published = published_cutoff(name, cutoff, population=population)
    low = np.full(len(values), published.low)
    if age is not None and published.low_from_65 is not None:
        low[np.asarray(age, dtype=float) >= 65] = published.low_from_65
    codes = np.where(values >= published.high, 2, np.where(values < low, 0, 1))
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
