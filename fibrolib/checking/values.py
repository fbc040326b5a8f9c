"""Clinical values: outside physiology, or plainly in another unit, with the conversion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fibrolib.checking.findings import Finding
from fibrolib.cohort.columns import NUMBERS

__all__ = ["value_findings"]


@dataclass(frozen=True)
class _Unit:
    """Another unit in which a column may have been filled in."""

    name: str
    convert: Callable[[float], float]


@dataclass(frozen=True)
class _Range:
    """What is usual, and what units explain values below and above."""

    low: float
    high: float
    below: _Unit | None = None
    above: _Unit | None = None


# A katal is a mole per second and U/L a micromole per minute and litre: 1 ukat/L = 60 U/L, exactly.
_KATAL = _Unit("µkat/L", lambda value: 60 * value)
# Young's modulus of soft tissue is 3 x density x (shear wave speed)², the density 1000 kg/m³ (EFSUMB guideline 2013).
_SPEED = _Unit("m/s", lambda value: 3 * value**2)

# Usual ranges are *assumptions*, wide enough for cirrhosis and acute hepatitis; 1.5-75 kPa is what FibroScan reports.
_RANGES = {
    "age": _Range(18, 100),
    "bmi": _Range(12, 70),
    "ast": _Range(5, 5000, below=_KATAL),
    "alt": _Range(5, 5000, below=_KATAL),
    "platelets": _Range(10, 1500, above=_Unit("per µL", lambda value: value / 1000)),
    "swe_kpa": _Range(1.5, 75, below=_SPEED, above=_Unit("Pa", lambda value: value / 1000)),
}

_YEARS_OF_BIRTH = (1900, 2100)

# Medians no hospital's patients have in the stated unit, though each value may be some patient's (*assumptions*):
# healthy livers measure 4-6 kPa, which is 1.2-1.4 m/s; platelets of 150-400 x 10⁹/L are 15-40 x 10⁴/µL, as in Japan.
_LOW_MEDIANS = {
    "swe_kpa": (2.6, _SPEED),
    "platelets": (45.0, _Unit("10⁴/µL", lambda value: 10 * value)),
}
_ENOUGH_FOR_A_MEDIAN = 5


def value_findings(table: pd.DataFrame) -> list[Finding]:
    """Values that no patient has, and columns in another unit.

    Parameters
    ----------
    table : DataFrame
        Typed, indexed by line; NaN where a cell is empty or was refused.
    """
    findings = []
    for column in NUMBERS:
        values = table[column].dropna().astype(float)
        findings += _column_in_another_unit(column, values) or _odd_values(column, values)
    return [*findings, *_suspicious_columns(table)]


def _column_in_another_unit(column: str, values: pd.Series) -> list[Finding]:
    if column not in _LOW_MEDIANS or len(values) < _ENOUGH_FOR_A_MEDIAN:
        return []
    limit, unit = _LOW_MEDIANS[column]
    median = float(values.median())
    if median >= limit:
        return []
    message = (
        f"half of all values are at most {median:g}: that is not {NUMBERS[column]} but {unit.name}. "
        f"Convert the column: {median:g} {unit.name} = {unit.convert(median):.3g} {NUMBERS[column]}."
    )
    return [Finding("warning", "unit", message, tuple(int(line) for line in values.index), column)]


def _odd_values(column: str, values: pd.Series) -> list[Finding]:
    usual = _RANGES[column]
    findings = []
    in_unit: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for line, value in values.items():
        unit = usual.below if value < usual.low else usual.above if value > usual.high else None
        converted = unit.convert(value) if unit else np.nan
        if usual.low <= converted <= usual.high:
            in_unit[unit.name].append((int(line), value, converted))
        elif not usual.low <= value <= usual.high:
            findings.append(_outside(column, int(line), value, usual))
    return findings + [_in_another_unit(column, name, cells) for name, cells in in_unit.items()]


def _outside(column: str, line: int, value: float, usual: _Range) -> Finding:
    told, quoted = f"{value:g} {NUMBERS[column]}", ()
    if column == "age" and _YEARS_OF_BIRTH[0] <= value <= _YEARS_OF_BIRTH[1]:
        told, quoted = f"'{value:g}'", (f"{value:g}",)
    message = f"{told} is outside {usual.low:g} to {usual.high:g}: no such patient is likely."
    if quoted:
        message += " Is it the year of birth? The age in years is expected."
    elif column == "age" and value < usual.low:
        message += " Is it a child? FIB-4 is not made for children."
    return Finding("warning", "implausible", message, (line,), column, quoted=quoted)


def _in_another_unit(column: str, unit: str, cells: list[tuple[int, float, float]]) -> Finding:
    line, value, converted = cells[0]
    message = (
        f"{value:g} is not {NUMBERS[column]} but plainly {unit}: {value:g} {unit} = {converted:.3g} {NUMBERS[column]}."
    )
    if len(cells) > 1:
        message += f" So {'is' if len(cells) == 2 else 'are'} {len(cells) - 1} more. Convert them all."
        return Finding("warning", "unit", message, tuple(line for line, _, _ in cells), column)
    return Finding("warning", "unit", message, (line,), column, suggestion=f"{converted:.3g}")


def _suspicious_columns(table: pd.DataFrame) -> list[Finding]:
    """Columns filled down or copied: what a slip in a spreadsheet leaves."""
    findings = []
    for column in NUMBERS:
        patients = table.groupby("patient_id")[column].first().dropna()
        if len(patients) >= _ENOUGH_FOR_A_MEDIAN and len(patients.unique()) == 1:
            message = f"all {len(patients)} patients have the value {patients.iloc[0]:g}. Was one cell filled down?"
            findings.append(Finding("warning", "constant", message, (), column))
    pair = table[["ast", "alt"]].dropna()
    if len(pair) >= _ENOUGH_FOR_A_MEDIAN and (pair["ast"] == pair["alt"]).all() and len(pair["ast"].unique()) > 1:
        message = "AST and ALT are equal in every row. Was one column copied into the other?"
        findings.append(Finding("warning", "columns-equal", message, (), "alt"))
    return findings
