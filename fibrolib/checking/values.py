"""Clinical values: outside physiology, or plainly in another unit, with the conversion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from fibrolib.checking.findings import Finding
from fibrolib.cohort.columns import NUMBERS
from fibrolib.diagnostics import ColumnSpec

__all__ = ["value_findings"]


_YEARS_OF_BIRTH = (1900, 2100)

_ENOUGH_FOR_A_MEDIAN = 5


def value_findings(table: pd.DataFrame, numbers: Mapping[str, ColumnSpec] = NUMBERS) -> list[Finding]:
    """Values that no patient has, and columns in another unit.

    Parameters
    ----------
    table : DataFrame
        Typed, indexed by line; NaN where a cell is empty or was refused.
    numbers : mapping of str to ColumnSpec
        Columns of numbers.
    """
    findings = []
    for column, spec in numbers.items():
        values = table[column].dropna().astype(float)
        findings += _column_in_another_unit(column, spec, values) or _odd_values(column, spec, values)
    return [*findings, *_suspicious_columns(table, numbers)]


def _column_in_another_unit(column: str, spec: ColumnSpec, values: pd.Series) -> list[Finding]:
    if spec.low_median is None or len(values) < _ENOUGH_FOR_A_MEDIAN:
        return []
    limit, unit = spec.low_median
    median = float(values.median())
    if median >= limit:
        return []
    message = (
        f"half of all values are at most {median:g}: that is not {spec.unit} but {unit.name}. "
        f"Convert the column: {median:g} {unit.name} = {unit.convert(median):.3g} {spec.unit}."
    )
    return [Finding("warning", "unit", message, tuple(int(line) for line in values.index), column)]


def _odd_values(column: str, usual: ColumnSpec, values: pd.Series) -> list[Finding]:
    findings = []
    in_unit: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for line, value in values.items():
        unit = usual.below if value < usual.low else usual.above if value > usual.high else None
        converted = unit.convert(value) if unit else np.nan
        if usual.low <= converted <= usual.high:
            in_unit[unit.name].append((int(line), value, converted))
        elif not usual.low <= value <= usual.high:
            findings.append(_outside(column, int(line), value, usual))
    return findings + [_in_another_unit(column, usual, name, cells) for name, cells in in_unit.items()]


def _outside(column: str, line: int, value: float, usual: ColumnSpec) -> Finding:
    told, quoted = f"{value:g} {usual.unit}", ()
    if column == "age" and _YEARS_OF_BIRTH[0] <= value <= _YEARS_OF_BIRTH[1]:
        told, quoted = f"'{value:g}'", (f"{value:g}",)
    message = f"{told} is outside {usual.low:g} to {usual.high:g}: no such patient is likely."
    if quoted:
        message += " Is it the year of birth? The age in years is expected."
    elif column == "age" and value < usual.low:
        message += " Is it a child? FIB-4 is not made for children."
    return Finding("warning", "implausible", message, (line,), column, quoted=quoted)


def _in_another_unit(column: str, spec: ColumnSpec, unit: str, cells: list[tuple[int, float, float]]) -> Finding:
    line, value, converted = cells[0]
    message = f"{value:g} is not {spec.unit} but plainly {unit}: {value:g} {unit} = {converted:.3g} {spec.unit}."
    if len(cells) > 1:
        message += f" So {'is' if len(cells) == 2 else 'are'} {len(cells) - 1} more. Convert them all."
        return Finding("warning", "unit", message, tuple(line for line, _, _ in cells), column)
    return Finding("warning", "unit", message, (line,), column, suggestion=f"{converted:.3g}")


def _suspicious_columns(table: pd.DataFrame, numbers: Collection[str]) -> list[Finding]:
    """Columns filled down or copied: what a slip in a spreadsheet leaves."""
    findings = []
    for column in numbers:
        patients = table.groupby("patient_id")[column].first().dropna()
        if len(patients) >= _ENOUGH_FOR_A_MEDIAN and len(patients.unique()) == 1:
            message = f"all {len(patients)} patients have the value {patients.iloc[0]:g}. Was one cell filled down?"
            findings.append(Finding("warning", "constant", message, (), column))
    pair = table[["ast", "alt"]].dropna()
    if len(pair) >= _ENOUGH_FOR_A_MEDIAN and (pair["ast"] == pair["alt"]).all() and len(pair["ast"].unique()) > 1:
        message = "AST and ALT are equal in every row. Was one column copied into the other?"
        findings.append(Finding("warning", "columns-equal", message, (), "alt"))
    return findings
