"""Findings from the table alone: columns nobody reads, who the patients are, odd and missing values."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from fibrolib.checking.identifiers import _identifier_findings
from fibrolib.checking.report import _Finding
from fibrolib.cohort.columns import (
    DEVICE,
    IDENTIFYING,
    NUMBERS,
    OPTIONAL,
    REQUIRED,
    VIRTUAL_PREFIX,
    meant_column,
    numbers_of,
)
from fibrolib.cohort.values import DATES, READERS
from fibrolib.diagnostics import INDICES, ColumnSpec, Diagnostic
from fibrolib.diagnostics.units import year_of_birth
from fibrolib.errors import counted

_VALUES_IN_COMMON = 4  # *assumption*: so many equal laboratory values are no coincidence
_MIN_FOR_MEDIAN = 5
_FAR, _NEAR = 5, 1.6  # times the median (*assumption*): a value beyond, which another unit brings within
_MAX_SPELLINGS = 10
_FIRST_DATE = "1980-01-01"  # *assumption*: no earlier video is digital
_MAX_DAYS = 90
"""Days between biopsy and video that many studies accept at the most (*assumption*)."""


def _table_findings(
    text: pd.DataFrame, table: pd.DataFrame, diagnostics: Sequence[Diagnostic] = INDICES
) -> list[_Finding]:
    """Everything to be said about the table without its files: `text` is what it says, `table` the same, typed."""
    numbers = numbers_of(diagnostics)
    findings = _column_findings(text.columns, numbers)
    if table.empty:
        return findings
    findings += [*_spelt_twice(table), *_identifier_findings(text), *_same_values(table, numbers), *_mixture(table)]
    findings += [*_value_findings(table, numbers, text), *_missing_findings(table, diagnostics), *_devices(table)]
    findings += [*_worded_stages(text["stage"], table["stage"]), *_dates(table)]
    return findings + [finding for column in READERS for finding in _read_otherwise(column, text, table)]


def _column_findings(columns: Iterable[str], numbers: Collection[str] = NUMBERS) -> list[_Finding]:
    """Columns that tell who a patient is, and those that the study does not read, with what they may be meant for."""
    columns = list(columns)
    read = {*REQUIRED, *OPTIONAL, DEVICE, *numbers}
    meant = {name: meant_column(name, columns) for name in columns if name not in read}
    message = "this column tells who a patient is; nothing here needs it. Delete it."
    identifying = [name for name, column in meant.items() if column == IDENTIFYING]
    findings = [_Finding("warning", "identifying-column", message, (1,), name) for name in identifying]
    told_elsewhere = {IDENTIFYING, *set(REQUIRED).difference(columns)}  # a missing column's stand-in: with the error
    unused = {name: column for name, column in meant.items() if column not in told_elsewhere}
    if unused:
        listed = ", ".join(_with_meaning(name, column, columns) for name, column in unused.items())
        count = f"{len(unused)} columns are" if len(unused) > 1 else "1 column is"
        message = f"{count} not read by the study: {listed}."
        findings.append(_Finding("warning", "unused-columns", message, quoted=filter(None, unused)))
    return findings


def _with_meaning(column: str, meant: str | None, columns: list[str]) -> str:
    name = f"'{column}'" if column else "one without a name"
    if meant is None:
        return name
    return f"{name} ('{meant}' is read instead)" if meant in columns else f"{name} (is '{meant}' meant? Rename it)"


def _quotes(texts: Iterable[str], between: str) -> str:
    return between.join(f"'{text}'" for text in texts)


def _spellings(values: pd.Series, key: Callable[[str], str]) -> list[list[str]]:
    """Different texts with the same key."""
    texts = pd.Series(values.dropna().unique(), dtype=object)
    groups = texts.groupby(texts.map(key), sort=False).agg(list)
    return [group for group in groups if len(group) > 1]


def _folded_id(identifier: str) -> str:
    """An identifier without case, zeros in front of numbers, spaces, punctuation and typographic variants."""
    text = re.sub(r"(?<=\d)\.0+$", "", unicodedata.normalize("NFKC", identifier).casefold())  # 12.0 is 12
    text = re.sub(r"[\W_]+", " ", text)
    return "".join(re.sub(r"(?<!\d)0+(?=\d)", "", part) + " " * part[-1:].isdigit() for part in text.split())


def _spelt_twice(table: pd.DataFrame) -> list[_Finding]:
    """One patient under two names; ``f``, ``F`` and ``female`` in one column, which are counted as three."""
    findings = []
    for group in _spellings(table["patient_id"], _folded_id):
        message = (
            f"{_quotes(group, ' and ')} look like one patient. If they are, write one name: "
            "else the same patient may be trained on and tested."
        )
        lines = table.index[table["patient_id"].isin(group)]
        findings.append(_Finding("warning", "patient-spelt-twice", message, lines, "patient_id", quoted=group))
    for group in _spellings(table["sex"], lambda value: str(value).casefold()[:1]):
        message = f"{_quotes(group, ', ')} are counted apart. Write all the same way."
        lines = table.index[table["sex"].isin(group[1:])]
        findings.append(_Finding("warning", "spelt-variously", message, lines, "sex", quoted=group))
    return findings


def _same_values(table: pd.DataFrame, numbers: Collection[str]) -> list[_Finding]:
    """Two patients with the same clinical values, all of them."""
    patients = table.groupby("patient_id")[list(numbers)].first()
    patients = patients[patients.notna().sum(axis=1) >= _VALUES_IN_COMMON]
    findings = []
    for _, same in patients.groupby(list(numbers), dropna=False):
        if 1 < len(same) < max(3, len(patients) / 2):  # else whole columns were filled down: told elsewhere
            names = _quotes(same.index, " and ")
            message = f"{names} have all clinical values in common. Are they one patient, or was a row copied?"
            lines = table.index[table["patient_id"].isin(same.index)]
            findings.append(_Finding("warning", "same-values", message, lines, quoted=same.index))
    return findings


def _mixture(table: pd.DataFrame) -> list[_Finding]:
    virtual = table["patient_id"].dropna().str.startswith(VIRTUAL_PREFIX)
    if virtual.nunique() < 2:
        return []
    fewer = virtual if virtual.mean() <= 0.5 else ~virtual
    message = "virtual patients among real ones: every result would be marked as virtual. Keep them apart."
    return [_Finding("warning", "mixture", message, fewer.index[fewer], "patient_id")]


def _value_findings(
    table: pd.DataFrame, numbers: Mapping[str, ColumnSpec] = NUMBERS, text: pd.DataFrame | None = None
) -> list[_Finding]:
    """Values that no patient has, rows and columns in another unit, columns filled down or copied."""
    findings = []
    for column, spec in numbers.items():
        values = table[column].dropna().astype(float)
        if text is not None and column in text:
            twofold = _twofold(column, spec, values, text[column])
            findings += twofold
            values = values.drop([line for finding in twofold for line in finding.rows])
        findings += _column_in_another_unit(column, spec, values) or _odd_values(column, spec, values)
    return [*findings, *_filled_down(table, numbers), *_equal_columns(table)]


def _column_in_another_unit(column: str, spec: ColumnSpec, values: pd.Series) -> list[_Finding]:
    median = float(values.median()) if len(values) >= _MIN_FOR_MEDIAN else np.inf
    unit = spec.unit_of_median(median)
    if unit is None:
        return []
    message = (
        f"half of all values are at most {median:g}: that is not {spec.unit} but {unit.name}. "
        f"Convert the column: {median:g} {unit.name} = {unit.convert(median):.3g} {spec.unit}."
    )
    return [_Finding("warning", "unit", message, values.index, column)]


def _twofold(column: str, spec: ColumnSpec, values: pd.Series, text: pd.Series) -> list[_Finding]:
    """Values such as 1.050 that only make sense as a thousand, or in another unit: both readings, none applied."""
    separated = text[values.index].str.fullmatch(r"\d{1,3}[.,]\d{3}0?").astype(bool)
    findings = []
    for line, value in values[separated & ~values.between(spec.low, spec.high) & (1000 * values <= spec.high)].items():
        unit = spec.unit_of(value)
        other = f"{unit.name}, which is {unit.convert(value):.3g} {spec.unit}" if unit else spec.unit
        message = (
            f"{value:g} may be {1000 * value:g} {spec.unit} with a separator of thousands, or {value:g} {other}. Look "
            "it up, and write it without a separator."
        )
        findings.append(_Finding("warning", "unit", message, (line,), column))
    return findings


def _odd_values(column: str, spec: ColumnSpec, values: pd.Series) -> list[_Finding]:
    findings = []
    in_unit: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for line, value in values.items():
        unit = spec.unit_of(value)
        if unit:
            in_unit[unit.name].append((line, value, unit.convert(value)))
        elif not spec.low <= value <= spec.high:
            findings.append(_outside(column, line, value, spec))
        elif len(values) >= _MIN_FOR_MEDIAN:
            findings += _far_from_median(column, line, value, spec, float(values.median()))
    findings += [_in_another_unit(column, spec, name, cells) for name, cells in in_unit.items()]
    return findings + _perhaps_in_it(column, spec, values, in_unit)


def _perhaps_in_it(column: str, spec: ColumnSpec, values: pd.Series, in_unit: Collection[str]) -> list[_Finding]:
    """Values that few patients have, beside others that are plainly in another unit."""
    limit, unit = spec.low_median or (spec.low, None)
    low = values[values.between(spec.low, limit, inclusive="left")]
    if unit is None or unit.name not in in_unit or low.empty:
        return []
    message = (
        f"values below {limit:g} {spec.unit} in a column that also holds {unit.name}: they may be {unit.name} too "
        f"({low.iloc[0]:g} {unit.name} = {unit.convert(low.iloc[0]):.3g} {spec.unit}). Look them up."
    )
    return [_Finding("warning", "unit", message, low.index, column)]


def _far_from_median(column: str, line: int, value: float, spec: ColumnSpec, median: float) -> list[_Finding]:
    """A value far from the column's median that another unit brings close to it."""
    for unit in spec.other_units:
        converted = unit.convert(value)
        if max(value / median, median / value) > _FAR and 1 / _NEAR < converted / median < _NEAR:
            message = (
                f"{value:g} is far from the column's median of {median:g} {spec.unit}. Is it in {unit.name}? "
                f"{value:g} {unit.name} = {converted:.3g} {spec.unit}."
            )
            return [_Finding("warning", "unit", message, (line,), column)]
    return []


def _outside(column: str, line: int, value: float, spec: ColumnSpec) -> _Finding:
    told, hint, quoted = f"{value:g} {spec.unit}", "", ()
    if year_of_birth(column, value):
        hint = " Is it the year of birth? The age in years is expected."
        told, quoted = f"'{value:g}'", (f"{value:g}",)
    elif column == "age" and value < spec.low:
        hint = " Is it a child? FIB-4 is not made for children."
    message = f"{told} is outside {spec.low:g} to {spec.high:g}: no such patient is likely.{hint}"
    return _Finding("warning", "implausible", message, (line,), column, quoted=quoted)


def _in_another_unit(column: str, spec: ColumnSpec, unit: str, cells: list[tuple[int, float, float]]) -> _Finding:
    line, value, converted = cells[0]
    message = f"{value:g} is not {spec.unit} but plainly {unit}: {value:g} {unit} = {converted:.3g} {spec.unit}."
    if len(cells) > 1:
        message += f" So {'is' if len(cells) == 2 else 'are'} {len(cells) - 1} more. Convert them all."
        return _Finding("warning", "unit", message, [line for line, _, _ in cells], column)
    return _Finding("warning", "unit", message, (line,), column, suggestion=f"{converted:.3g}")


def _filled_down(table: pd.DataFrame, numbers: Collection[str]) -> list[_Finding]:
    findings = []
    for column in numbers:
        patients = table.groupby("patient_id")[column].first().dropna()
        if len(patients) >= _MIN_FOR_MEDIAN and len(patients.unique()) == 1:
            message = f"all {len(patients)} patients have the value {patients.iloc[0]:g}. Was one cell filled down?"
            findings.append(_Finding("warning", "constant", message, (), column))
    return findings


def _equal_columns(table: pd.DataFrame) -> list[_Finding]:
    pair = table[["ast", "alt"]].dropna()
    if len(pair) < _MIN_FOR_MEDIAN or (pair["ast"] != pair["alt"]).any() or len(pair["ast"].unique()) == 1:
        return []
    message = "AST and ALT are equal in every row. Was one column copied into the other?"
    return [_Finding("warning", "columns-equal", message, (), "alt")]


def _devices(table: pd.DataFrame) -> list[_Finding]:
    """Stiffness of several devices in one column: their values and cut-offs differ."""
    devices = table.loc[table["swe_kpa"].notna(), DEVICE].dropna().unique() if DEVICE in table else []
    if len(devices) < 2:
        return []
    message = (
        f"stiffness was measured with {len(devices)} devices ({_quotes(devices, ', ')}), whose values and cut-offs "
        "differ. Look at one device at a time."
    )
    return [_Finding("warning", "several-devices", message, (), DEVICE, quoted=devices)]


def _missing_findings(table: pd.DataFrame, diagnostics: Sequence[Diagnostic] = INDICES) -> list[_Finding]:
    """Results that will be missing for want of values; values and images that some patients lack, and the effect."""
    indices = [record for record in diagnostics if record.kind == "index"]
    impossible = _impossible(table, indices)
    findings = []
    if impossible:
        message = f"the report will be without {'; '.join(impossible.values())}."
        findings.append(_Finding("warning", "results-missing", message))
    for column in numbers_of(diagnostics):
        values = table.groupby("patient_id")[column].first()
        lacking = values.index[values.isna()]
        if 0 < len(lacking) < len(values):
            needing = " and ".join(i.label for i in indices if column in i.columns and i.name not in impossible)
            effect = f"{needing} will be computed for the others only; nets use these patients all the same."
            effect = effect if needing else "nothing is computed from it."
            message = f"no value in {len(lacking)} of {counted(len(values), 'patient')}: {effect}"
            lines = table.index[table["patient_id"].isin(lacking)]
            findings.append(_Finding("warning", "missing", message, lines, column))
    images = table["image"].isna()
    if images.any() and not images.all():
        message = f"no image of {images.sum()} of {counted(len(table), 'video')}: the middle frame is taken."
        findings.append(_Finding("warning", "missing", message, table.index[images], "image"))
    return findings


def _impossible(table: pd.DataFrame, diagnostics: Sequence[Diagnostic]) -> dict[str, str]:
    """Indices that can be computed for no patient, and why."""
    patients = table.groupby("patient_id")[list(numbers_of(diagnostics))].first()
    reasons = {}
    for index in diagnostics:
        absent = [column for column in index.columns if patients[column].isna().all()]
        if absent or patients[list(index.columns)].dropna().empty:
            lacked = _listed(absent, "or") if absent else "all of them"
            needed = _listed(list(index.columns), "and")
            reasons[index.name] = f"{index.label}, which needs {needed} (no patient has {lacked})"
    return reasons


def _listed(names: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _worded_stages(text: pd.Series, stages: pd.Series) -> list[_Finding]:
    """Stages with words that were read as numbers, each spelling once."""
    worded = text[stages.notna() & pd.to_numeric(text, errors="coerce").isna()]
    if worded.empty:
        return []
    spellings = sorted({f"'{spelling}' as {stages[line]:g}" for line, spelling in worded.items()})
    listed = _first_spellings(spellings)
    count = f"{len(worded)} stages were read as numbers" if len(worded) > 1 else "1 stage was read as a number"
    return [_Finding("warning", "stage-in-words", f"{count}: {listed}.", worded.index, "stage")]


def _first_spellings(spellings: Sequence[str]) -> str:
    return ", ".join(spellings[:_MAX_SPELLINGS]) + ", ..." * (len(spellings) > _MAX_SPELLINGS)


def _read_otherwise(column: str, text: pd.DataFrame, table: pd.DataFrame) -> list[_Finding]:
    """Cells that were read as something else than they say: other spellings and formats, each once."""
    if column not in text:
        return []
    plain = table[column].map(lambda value: f"{value:g}" if isinstance(value, float) else value, na_action="ignore")
    values = plain.astype(object)
    other = values.notna() & (values != text[column].str.removesuffix(".0"))
    pairs = sorted(set(zip(text.loc[other, column], values[other], strict=True)))
    if not pairs:
        return []
    listed = _first_spellings([f"'{written}' as '{read}'" for written, read in pairs])
    n = int(other.sum())
    message = f"{counted(n, 'cell')} {'was' if n == 1 else 'were'} read as: {listed}. Correct those that are wrong."
    quoted = [each for pair in pairs for each in pair]
    return [_Finding("warning", "spelt-variously", message, values.index[other], column, quoted=quoted)]


def _dates(table: pd.DataFrame) -> list[_Finding]:
    """Dates that cannot be, and videos long before or after the biopsy."""
    findings = []
    for column in DATES:
        for line, date in table[column].dropna().items() if column in table else ():
            if not _FIRST_DATE < date <= datetime.date.today().isoformat():
                message = f"'{date}' is in the future, or before {_FIRST_DATE[:4]}. Look it up."
                findings.append(_Finding("warning", "implausible", message, (line,), column, quoted=(date,)))
    days = table["days_from_biopsy"] if "days_from_biopsy" in table else pd.Series(dtype=float)
    far = days[days.abs() >= _MAX_DAYS]
    if len(far):
        message = (
            f"{counted(len(far), 'video')} {'was' if len(far) == 1 else 'were'} recorded {_MAX_DAYS} days or more from "
            f"the biopsy (up to {far.abs().max():g}): fibrosis may have changed in between. Correct the dates, or look "
            "at the results without these patients."
        )
        findings.append(_Finding("warning", "far-from-biopsy", message, far.index, "days_from_biopsy"))
    return findings
