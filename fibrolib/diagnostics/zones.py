"""What published cut-offs say of patients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from fibrolib.diagnostics.indices import PublishedCutoff
from fibrolib.diagnostics.records import BUILT_IN, INDICES, Diagnostic, find_diagnostic
from fibrolib.diagnostics.units import IndexInputError, _positive_values
from fibrolib.errors import counted
from fibrolib.stages import check_stages

ZONES = ("low", "indeterminate", "high")
"""What a pair of cut-offs says: disease ruled out, nothing, disease ruled in."""


def zones(
    index: ArrayLike,
    published: PublishedCutoff | Diagnostic | str,
    *,
    stage: int = 2,
    population: str = "",
    direction: int | None = None,
    age: ArrayLike | None = None,
) -> pd.Series:
    """What a published cut-off says of each patient.

    Parameters
    ----------
    index, age : array_like, shape (n,)
        Values of the index, NaN where missing; years, for cut-offs that depend on them.
    published : PublishedCutoff, Diagnostic or str
        A cut-off, or the diagnostic or its name in any case, such as ``"FIB-4"``, for `Diagnostic.published_cutoff`.
    stage, population
        Of a diagnostic: as of `Diagnostic.published_cutoff`.
    direction : {1, -1}, optional
        -1 where low values go with high stages; default that of the diagnostic, else 1.

    Returns
    -------
    Series of categories, shape (n,)
        Risk of disease, one of `ZONES`, indexed like `index`: "low" below the lower cut-off, "high" from the upper one
        on; missing where the index is. "age < 35", or as the cut-off has it: not validated at that age.
    """
    record = published if isinstance(published, Diagnostic) else None
    if isinstance(published, str):
        named = [each for each in BUILT_IN if published.casefold() in (each.name, each.label.casefold())]
        record = named[0] if named else find_diagnostic(published.casefold())
        if record is None:
            raise IndexInputError(
                f"there is no index {published!r}: choose one of {', '.join(i.label for i in INDICES)}"
            )
    cut = record.published_cutoff(stage, population=population) if record else published
    values = pd.Series(_positive_values("index", index), index=index.index if isinstance(index, pd.Series) else None)
    years = np.full(len(values), np.nan) if age is None else _positive_values("age", age)
    if years.shape != (len(values),):
        raise IndexInputError(f"{counted(len(values), 'value')} of the index but {counted(np.size(years), 'age')}")
    low = np.where((years >= 65) & (cut.low_from_65 is not None), cut.low_from_65 or cut.low, cut.low)
    codes = np.where(values >= cut.high, 2, np.where(values < low, 0, 1))
    falling = (direction or (record.direction if record else 1)) < 0
    codes, names, label = (2 - codes if falling else codes), list(ZONES), f"zone, cut-off of {cut.population}"
    if cut.from_age is not None:
        names.append(f"age < {cut.from_age:g}")
        codes[years < cut.from_age] = 3
        label += f", not validated below {cut.from_age:g} years" + (" (ages not given)" if age is None else "")
    codes[values.isna()] = -1
    return pd.Series(pd.Categorical.from_codes(codes, names), index=values.index, name=label)


def tabulate_zones(zone: Sequence[str] | pd.Series, y_true: ArrayLike) -> pd.DataFrame:
    """Count patients by zone and truth.

    `zone` is that of `zones`, in any case, `y_true` 0 or 1. Rows are "low", "indeterminate", "high", a zone of young
    patients if there are any, and "missing"; columns ``zone, n, diseased, healthy, share`` (of all patients) and
    ``prevalence`` (of disease in the zone; NaN in an empty one).
    """
    truth = check_stages(y_true, "y_true")
    if truth.size and truth.max() > 1:
        raise IndexInputError(f"y_true must hold 0 and 1 only, found {truth.max()}: apply the stage cut-off first")
    names = pd.Series(zone).astype(object).fillna("missing").astype(str).str.casefold().to_numpy()
    if len(names) != len(truth):
        raise ValueError(f"{counted(len(names), 'zone')} for {counted(len(truth), 'patient')}")
    young = sorted({name for name in names if name.startswith("age <")})
    unknown = sorted(set(names) - {*ZONES, *young, "missing"})
    if unknown:
        raise IndexInputError(f"zones are {', '.join(ZONES)}, not {', '.join(unknown)}")
    listed = (*ZONES, *young, "missing")
    rows = [(zone, int(np.sum(names == zone)), int(np.sum(truth[names == zone]))) for zone in listed]
    table = pd.DataFrame(rows, columns=["zone", "n", "diseased"])
    table["healthy"] = table["n"] - table["diseased"]
    table["share"] = table["n"] / len(truth)
    table["prevalence"] = table["diseased"] / table["n"].where(table["n"] > 0)
    return table


def tabulate_cutoffs(diagnostics: Iterable[Diagnostic] = INDICES) -> pd.DataFrame:
    """Published cut-offs: ``index`` (name of the diagnostic), and the fields of `PublishedCutoff`."""
    rows = [{"index": each.name, **vars(published)} for each in diagnostics for published in each.cutoffs]
    return pd.DataFrame(rows, columns=["index", *PublishedCutoff.__dataclass_fields__])
