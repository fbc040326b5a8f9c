"""Diagnostics, of the package or in a user's own file: one record each, and zones by their published cut-offs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone

from fibrolib.diagnostics.indices import (
    PublishedCutoff,
    _IndexClassifier,
    _same_patients,
    apri,
    fib4,
    stiffness,
)
from fibrolib.diagnostics.units import (
    AGE,
    ALT,
    AST,
    PLATELETS,
    STIFFNESS,
    ColumnSpec,
    DiagnosticError,
    IndexInputError,
    _in_own_unit,
    _positive_values,
)
from fibrolib.errors import FibrolibError, counted
from fibrolib.own_files import LOADED, OwnFile, known_files, known_object, run_file
from fibrolib.stages import check_stages


@dataclass(frozen=True, eq=False)
class Diagnostic:
    """A diagnostic of the study: an index, which reads numbers of the cohort table, or a net, which reads videos.

    Parameters
    ----------
    name, label, kind : str
        Its name in tables and files (lower-case letters, digits, ``_``); its name for readers; ``index``, ``net``, or
        ``covariate``: a column that is checked and kept, and that no model of the study reads.
    colour, citation : str
        Its colour in figures, ``#RRGGBB`` (empty: a spare one); where it was published.
    columns : mapping of str to ColumnSpec
        Of an index or a covariate: the columns of the cohort table that it reads.
    formula : callable or None
        Of an index: gets one array per column, in their order, and returns positive numbers, which a logistic curve
        maps to a probability (`_IndexClassifier`).
    estimator : estimator or None
        Of an index, in place of a formula: a scikit-learn classifier or pipeline with ``predict_proba``, not fitted.
    network : callable or None
        Of a net of your own: a subclass of `fibrolib.nets.ClipNetwork`, or a function that returns one. It is called
        with the number of stages and the options of the profile, which names it as ``architecture = "<name>"``.
    direction : {1, -1}
        Of a formula: 1 where high values go with high stages, -1 where low ones do.
    cutoffs : tuple of PublishedCutoff
        Of a formula; the first of a stage is the default.
    measures : ColumnSpec or None
        Of a formula: unit and range of the index itself, where it has a unit; `zones` refuses values in another one.

    Raises
    ------
    DiagnosticError
        One of these is of another form, or one that the kind needs is missing.
    """

    name: str
    label: str
    kind: str = "index"
    colour: str = ""
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    formula: Callable[..., ArrayLike] | None = None
    estimator: BaseEstimator | None = None
    network: Callable[..., Any] | None = None
    direction: int = 1
    cutoffs: tuple[PublishedCutoff, ...] = ()
    citation: str = ""
    measures: ColumnSpec | None = None

    def __post_init__(self) -> None:
        for fault in _faults(self):
            raise DiagnosticError(f"The diagnostic '{self.name}': {fault}")

    def classifier(self, cutoff: int = 2) -> BaseEstimator:
        """A classifier of ``stage >= cutoff``, not fitted, for `fibrolib.learning.evaluate`."""
        self._check_stage(cutoff)
        if self.formula is not None:
            reads = {"name": self.label, "direction": self.direction}
            return _IndexClassifier(self.formula, tuple(self.columns), **reads, cutoff=cutoff)
        estimator = clone(self.estimator)
        return estimator.set_params(cutoff=cutoff) if "cutoff" in estimator.get_params(deep=False) else estimator

    def published_cutoff(self, cutoff: int = 2, *, population: str = "") -> PublishedCutoff:
        """The published cut-off of the nearest stage to `cutoff`, the lower of two, or a `DiagnosticError`.

        The population must contain the word `population`, such as ``"fatty"``; empty: the first one listed.
        """
        self._check_stage(cutoff)
        if not isinstance(population, str):
            raise DiagnosticError(
                f"{self.label}: population must be a text, empty for the first; it is {population!r}."
            )
        wanted = population.casefold()
        listed = [published for published in self.cutoffs if wanted in published.population.casefold()]
        if not listed:
            populations = "; ".join(dict.fromkeys(published.population for published in self.cutoffs)) or "none at all"
            wanted = f" for '{population}'" if population else ""
            raise DiagnosticError(f"{self.label} has no published cut-off{wanted}; there are: {populations}.")
        return min(listed, key=lambda published: (abs(published.stage - cutoff), published.stage))

    def _check_stage(self, cutoff: int) -> None:
        is_number = isinstance(cutoff, int | float | np.number) and not isinstance(cutoff, bool)
        if not is_number or not cutoff >= 1 or not float(cutoff).is_integer():
            raise DiagnosticError(f"{self.label}: the stage must be a whole number, for example 2; it is {cutoff!r}.")


def _faults(record: Diagnostic) -> Iterable[str]:
    """What is wrong with a record, as ends of a sentence."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(record.name)):
        yield "its name must be made of lower-case letters, digits and '_', and begin with a letter."
    if not (isinstance(record.label, str) and record.label):
        yield "its label must be a text, the name for readers."
    if record.kind not in ("index", "net", "covariate"):
        yield f"its kind must be 'index', 'net' or 'covariate', not {record.kind!r}."
    if record.colour and not re.fullmatch(r"#[0-9A-Fa-f]{6}", str(record.colour)):
        yield f"its colour must be written as #RRGGBB, such as #7F6A00, not {record.colour!r}."
    if not isinstance(record.citation, str):
        yield f"its citation must be a text, empty where there is none; it is {record.citation!r}."
    if not isinstance(record.columns, Mapping):
        yield f"its columns must map their names to ColumnSpec, such as {{'ast': AST}}; they are {record.columns!r}."
    if record.kind == "covariate":
        if [*record.columns] != [record.name] or not isinstance(record.columns[record.name], ColumnSpec):
            yield "a covariate has one column, of its own name, with a ColumnSpec."
        return
    yield from _faults_of_index(record) if record.kind == "index" else _faults_of_net(record)


def _faults_of_index(record: Diagnostic) -> Iterable[str]:
    if not record.columns or not all(isinstance(spec, ColumnSpec) for spec in record.columns.values()):
        yield "its columns must map at least one name of a column to a ColumnSpec."
    if (record.formula is None) == (record.estimator is None):
        yield "an index needs either a formula or an estimator."
    if isinstance(record.estimator, type):
        name = record.estimator.__name__
        yield f"its estimator must be made with its settings, such as {name}(); it is the class {name}."
    if record.estimator is not None and not hasattr(record.estimator, "predict_proba"):
        yield (
            f"{type(record.estimator).__name__} has no predict_proba, and probabilities are needed. Choose a "
            "classifier that gives them, or put it into sklearn.calibration.CalibratedClassifierCV."
        )
    if record.estimator is not None and (record.cutoffs or record.direction != 1):
        yield "cutoffs and direction are of a formula; an estimator has none."
    if not isinstance(record.cutoffs, tuple) or not all(isinstance(cut, PublishedCutoff) for cut in record.cutoffs):
        yield f"its cutoffs must be a tuple of PublishedCutoff; they are {record.cutoffs!r}."
    if record.formula is not None and not callable(record.formula):
        yield f"its formula must be a function; it is {record.formula!r}."
    if record.measures is not None and (record.formula is None or not isinstance(record.measures, ColumnSpec)):
        yield "what it measures must be a ColumnSpec, of an index with a formula."
    if record.direction not in (1, -1):
        yield f"its direction must be 1 (high values, high stages) or -1, not {record.direction!r}."
    if record.network is not None:
        yield "a network belongs to the kind 'net'."


def _faults_of_net(record: Diagnostic) -> Iterable[str]:
    if record.columns or record.formula is not None or record.estimator is not None or record.cutoffs:
        yield "columns, formula, estimator and cutoffs belong to the kind 'index'; a net reads videos."
    if record.network is not None and not callable(record.network):
        yield "its network must be a subclass of fibrolib.nets.ClipNetwork, or a function that returns one."


_SMALL_INDEX, _LARGE_INDEX = 0.005, 900
"""FIB-4 and APRI that not all patients lie beyond (assumptions); with platelets per µL, both are a thousandth."""

_CHB_602 = "chronic hepatitis B, 602 patients in 14 hospitals"
_CHB_327 = "chronic hepatitis B, 327 patients"

SWE = Diagnostic(
    "swe",
    "SWE",
    colour="#009E73",
    columns={"swe_kpa": STIFFNESS},
    formula=stiffness,
    measures=STIFFNESS,
    cutoffs=(
        *(PublishedCutoff(k, x, x, _CHB_602, "2D-SWE, multicentre") for k, x in ((2, 6.85), (3, 7.43), (4, 8.03))),
        *(PublishedCutoff(k, x, x, _CHB_327, "2D-SWE, second cohort") for k, x in ((2, 6.9), (3, 7.9), (4, 9.4))),
    ),
    citation="EFSUMB guideline 2013",
)

FIB4 = Diagnostic(
    "fib4",
    "FIB-4",
    colour="#E69F00",
    columns={"age": AGE, "ast": AST, "alt": ALT, "platelets": PLATELETS},
    formula=fib4,
    cutoffs=(  # for advanced fibrosis; below 35 years McPherson 2017 (Am J Gastroenterol 112:740) found them of no use
        PublishedCutoff(3, 1.45, 3.25, "HIV/HCV co-infection", "Sterling 2006, Hepatology 43:1317", from_age=35),
        PublishedCutoff(3, 1.30, 2.67, "fatty liver", "Shah 2009; ages: McPherson 2017", 2.0, from_age=35),
    ),
    citation="Sterling 2006, Hepatology 43:1317",
)

APRI = Diagnostic(
    "apri",
    "APRI",
    colour="#56B4E9",
    columns={"ast": AST, "platelets": PLATELETS},
    formula=apri,
    cutoffs=(
        PublishedCutoff(2, 0.5, 1.5, "chronic hepatitis C", "Wai 2003, Hepatology 38:518"),
        PublishedCutoff(4, 1.0, 2.0, "chronic hepatitis C", "Wai 2003, Hepatology 38:518"),
    ),
    citation="Wai 2003, Hepatology 38:518",
)

INDICES = (SWE, FIB4, APRI)
"""The indices of every study, in the order of tables."""

# Colours: Okabe & Ito 2008, eight that people with any colour vision tell apart.
BUILT_IN = (
    Diagnostic("cnn3d", "3D-CNN", "net", "#D55E00"),
    Diagnostic("cnn2d_lstm", "2D-CNN + LSTM", "net", "#CC79A7"),
    Diagnostic("cnn2d", "2D-CNN", "net", "#0072B2"),
    Diagnostic("frozen", "Frozen features", "net", "#000000"),
    *INDICES,
)
"""All diagnostics of every study; the profile says what its nets are made of."""


def find_diagnostic(name: str) -> Diagnostic | None:
    """The record of that name: of the package, or of the user's own as far as this process was told; else None."""
    built_in = next((record for record in BUILT_IN if record.name == name), None)
    return built_in or known_object(name)


def model_label(name: str) -> str:
    """Name of a diagnostic for a reader; one without a record keeps its name."""
    record = find_diagnostic(name)
    return record.label if record else name


def load_diagnostic(text: str, folder: str | Path) -> tuple[Diagnostic, OwnFile]:
    """Run a user's Python file and take a diagnostic out of it; this process then finds it by its name.

    `text` is ``elf.py:ELF``: a file in `folder` (of the profile) or below, and the name of an object in it.
    """
    if not isinstance(text, str):
        raise DiagnosticError(
            f"A diagnostic must be a text, a file and an object, such as 'elf.py:ELF'; it is {text!r}."
        )
    folder = Path(folder)
    path, wanted = _path_and_object(text, folder)
    try:
        module = run_file(path)
    except DiagnosticError:
        raise
    except FibrolibError as error:
        raise DiagnosticError(str(error)) from error
    record = getattr(module, wanted, None)
    if not isinstance(record, Diagnostic):
        there = [name for name, each in vars(module).items() if isinstance(each, Diagnostic)]
        hint = f"Records in this file: {', '.join(there)}." if there else "There is no record in this file."
        fault = f"'{wanted}' is no Diagnostic but {type(record).__name__}"
        fault = f"the file has no object '{wanted}'" if record is None else fault
        raise DiagnosticError(f"'{text}': {fault}. {hint}")
    if record.name in {built_in.name for built_in in BUILT_IN}:
        raise DiagnosticError(f"'{text}': the package has a diagnostic '{record.name}' already. Choose another name.")
    if record.kind == "net" and record.network is None:
        raise DiagnosticError(f"'{text}': the net '{record.name}' has no network.")
    own = OwnFile(record.name, folder, text, hashlib.sha256(path.read_bytes()).hexdigest())
    before = next((file for file in known_files() if file.name == record.name), own)
    if record.kind == "net" and before.digest != own.digest:  # nets are built by name
        raise DiagnosticError(
            f"'{text}': this session has loaded another network '{record.name}', from {before.folder / before.path}. "
            "Restart the kernel."
        )
    LOADED[record.name] = record, own
    return record, own


def _path_and_object(text: str, folder: Path) -> tuple[Path, str]:
    name, _, wanted = text.rpartition(":")
    if not name.endswith(".py") or not wanted.isidentifier():
        raise DiagnosticError(f"'{text}' must name a Python file and an object in it, such as elf.py:ELF.")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DiagnosticError(
            f"'{text}': the file must lie beside the profile or in a folder below it, since a run keeps a copy of both."
        )
    path = folder / name
    if not path.is_file():
        raise DiagnosticError(f"'{text}': there is no file {path}. Its path is relative to the profile.")
    return path, wanted


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
    unit: str | Mapping[str, str] | None = None,
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
    unit : str or mapping, optional
        Of a diagnostic that has a unit, such as SWE: another one, "m/s" or ``{"index": "m/s"}``.

    Returns
    -------
    Series of categories, shape (n,)
        Risk of disease, one of `ZONES`, indexed like `index`: "low" below the lower cut-off, "high" from the upper one
        on; missing where the index is. "age < 35", or as the cut-off has it: not validated at that age.
    """
    record = _named_record(published) if isinstance(published, str) else published
    record = record if isinstance(record, Diagnostic) else None
    cut = record.published_cutoff(stage, population=population) if record else published
    if not isinstance(cut, PublishedCutoff):
        raise IndexInputError(f"published must be a PublishedCutoff, a Diagnostic or a name; it is {published!r}")
    if direction is None:
        direction = record.direction if record else 1
    if direction not in (1, -1):
        raise IndexInputError(f"direction must be 1 or -1 (low values go with high stages); it is {direction!r}")
    numbers = _index_values(index, record, unit)
    values = pd.Series(numbers, index=index.index if isinstance(index, pd.Series) else None)
    _same_patients(index=index, age=age)
    years = np.full(len(values), np.nan) if age is None else _in_own_unit("age", age, AGE, None)
    if years.shape != (len(values),):
        raise IndexInputError(f"{counted(len(values), 'value')} of the index but {counted(np.size(years), 'age')}")
    low = np.where((years >= 65) & (cut.low_from_65 is not None), cut.low_from_65 or cut.low, cut.low)
    codes = np.where(values >= cut.high, 2, np.where(values < low, 0, 1))
    codes, names = 2 - codes if direction < 0 else codes, list(ZONES)
    if cut.from_age is not None:
        names.append(f"age < {cut.from_age:g}")
        codes[years < cut.from_age] = 3
    codes[values.isna()] = -1
    name = _name_of_zones(cut, int(np.isnan(years).sum()), len(years))
    return pd.Series(pd.Categorical.from_codes(codes, names), index=values.index, name=name)


def _named_record(name: str) -> Diagnostic:
    """The diagnostic of a name or label, in any case."""
    named = [each for each in BUILT_IN if name.casefold() in (each.name, each.label.casefold())]
    record = named[0] if named else find_diagnostic(name.casefold())
    if record is None:
        raise IndexInputError(f"there is no index {name!r}: choose one of {', '.join(i.label for i in INDICES)}")
    return record


def _index_values(index: ArrayLike, record: Diagnostic | None, unit: str | Mapping[str, str] | None) -> NDArray:
    """Values of an index in its own unit, one for each patient."""
    spec = record.measures if record else None
    if unit is not None and spec is None:
        raise IndexInputError(f"unit={unit!r} is for a diagnostic with a unit, such as SWE")
    if isinstance(unit, Mapping):  # by the index, or the column that it is
        if len(unit) != 1 or not set(unit) <= {"index", *record.columns}:
            raise IndexInputError(f"unit must name 'index' alone; it is {unit!r}")
        (unit,) = unit.values()
    units = None if unit is None else {"index": unit}
    numbers = _in_own_unit("index", index, spec, units) if spec else _positive_values("index", index)
    if numbers.ndim != 1:
        raise IndexInputError(f"index must be one value for each patient; its shape is {numbers.shape}")
    known = numbers[~np.isnan(numbers)]
    if record in (FIB4, APRI) and known.size and not ((known >= _SMALL_INDEX) & (known <= _LARGE_INDEX)).any():
        raise IndexInputError(
            f"{record.label}: nobody has {known[0]:g}, and no value lies between {_SMALL_INDEX:g} and "
            f"{_LARGE_INDEX:g}. Were platelets in 10⁹/L, and enzymes in U/L?"
        )
    return numbers


def _name_of_zones(cut: PublishedCutoff, lacking: int, n: int) -> str:
    """What the zones rest on; ages of `lacking` of the `n` patients are not given."""
    name = f"zone, cut-off for stage {cut.stage}, {cut.population}"
    if cut.from_age is None:
        return name
    unknown = "ages not given" if lacking == n else f"{counted(lacking, 'age')} not given"
    return f"{name}, not validated below {cut.from_age:g} years" + f" ({unknown})" * bool(lacking)


def tabulate_zones(zone: Sequence[str] | pd.Series, y_true: ArrayLike) -> pd.DataFrame:
    """Count patients by zone and truth.

    `zone` is that of `zones`, in any case, `y_true` 0 or 1. Rows are "low", "indeterminate", "high", a zone of young
    patients if there are any, and "missing"; columns ``zone, n, diseased, healthy, share`` (of all patients) and
    ``prevalence`` (of disease in the zone; NaN in an empty one).
    """
    if np.ndim(zone) != 1:
        raise IndexInputError(f"zone must hold one zone for each patient; its shape is {np.shape(zone)}")
    _same_patients(zone=zone, y_true=y_true)
    truth = check_stages(y_true, "y_true")
    if truth.size and truth.max() > 1:
        raise IndexInputError(f"y_true must hold 0 and 1 only, found {truth.max()}: apply the stage cut-off first")
    names = pd.Series(zone).astype(object).fillna("missing").astype(str).str.strip().str.casefold().to_numpy()
    if len(names) != len(truth):
        raise ValueError(f"{counted(len(names), 'zone')} for {counted(len(truth), 'patient')}")
    young = sorted({name for name in names if name.startswith("age <")})
    unknown = _unknown_zones(names)
    if unknown:
        raise IndexInputError(f"zones are {', '.join(ZONES)}, not {', '.join(map(repr, unknown))}")
    listed = (*ZONES, *young, "missing")
    rows = [(zone, int(np.sum(names == zone)), int(np.sum(truth[names == zone]))) for zone in listed]
    table = pd.DataFrame(rows, columns=["zone", "n", "diseased"])
    table["healthy"] = table["n"] - table["diseased"]
    table["share"] = table["n"] / len(truth)
    table["prevalence"] = table["diseased"] / table["n"].where(table["n"] > 0)
    return table


def _unknown_zones(names: Iterable[str]) -> list[str]:
    """Names, in lower case, of none of the zones of `zones`."""
    return sorted(name for name in set(names) - {*ZONES, "missing"} if not name.startswith("age <"))


def tabulate_cutoffs(diagnostics: Diagnostic | Iterable[Diagnostic] = INDICES) -> pd.DataFrame:
    """Published cut-offs: ``index`` (name of the diagnostic), and the fields of `PublishedCutoff`."""
    listed = [diagnostics] if not isinstance(diagnostics, Iterable) else list(diagnostics)
    if not all(isinstance(each, Diagnostic) for each in listed):
        raise DiagnosticError(f"diagnostics must be records, such as FIB4 or INDICES; they are {diagnostics!r}.")
    rows = [{"index": each.name, **vars(published)} for each in listed for published in each.cutoffs]
    return pd.DataFrame(rows, columns=["index", *PublishedCutoff.__dataclass_fields__])
