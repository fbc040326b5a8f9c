"""Columns of numbers: their units and plausible values, and what a value in another unit looks like."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.errors import FibrolibError, counted
from fibrolib.stages import _without_mask

_Floats = NDArray[np.float64]
_ENOUGH_FOR_MEDIAN = 20
"""So many values of an index are refused by their median; `check` warns from 5 on (*assumption*)."""

_YEARS_OF_BIRTH = (1900, 2100)


class IndexInputError(FibrolibError, ValueError):
    """Values that an index cannot be computed from; the message names the column."""


class DiagnosticError(FibrolibError, ValueError):
    """A record of a diagnostic that cannot be used; the message names the diagnostic."""


@dataclass(frozen=True)
class OtherUnit:
    """Another unit that a column may have been filled in with, and the function to the column's own unit."""

    name: str
    convert: Callable[[float], float]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not callable(self.convert):
            raise IndexInputError(
                "another unit has a name and a function to the column's own, such as OtherUnit('g/dL', lambda value: "
                f"10 * value); they are {self.name!r} and {self.convert!r}"
            )


@dataclass(frozen=True)
class ColumnSpec:
    """A column of positive numbers, one per patient.

    Parameters
    ----------
    unit, label, same : str, str, tuple of str
        Its unit; its name in figures and tables (empty: the column's own); other names of the unit.
    low, high, possible : float, float, tuple of (float, float)
        Plausible values (`fibrolib check` warns of others); values that a person can have at all (the indices refuse
        others).
    distribution : {'skewed', 'normal', 'log-normal'}
        Normal values are given as mean and standard deviation, others as median and quartiles; log-normal ones are
        drawn on a logarithmic axis.
    below, above, low_median : OtherUnit or None; tuple of (float, OtherUnit)
        The units that explain values below `low`, and above `high`; a median that no hospital's patients fall below,
        and the unit that explains it.
    high_median : float
        A median that patients of a study of fibrosis do not exceed: a unit by which they would is refused where the
        values are usual without it.
    """

    unit: str
    low: float
    high: float
    label: str = ""
    distribution: str = "skewed"
    below: OtherUnit | None = None
    above: OtherUnit | None = None
    low_median: tuple[float, OtherUnit] | None = None
    possible: tuple[float, float] = (0.0, np.inf)
    same: tuple[str, ...] = ()
    high_median: float = np.inf

    def __post_init__(self) -> None:
        limits = (self.low, self.high, *self.possible, self.high_median)
        if not isinstance(self.unit, str) or not all(isinstance(limit, Real) for limit in limits):
            raise IndexInputError(
                "the unit of a column must be a text, and its plausible and possible values numbers, such as "
                f"ColumnSpec('kPa', 1.5, 75); they are {self.unit!r} and {', '.join(map(repr, limits))}"
            )
        if not self.low < self.high or not self.possible[0] < self.possible[1]:
            raise IndexInputError(
                f"the plausible values of a column go from low to high, and so do possible ones; they are {self.low:g} "
                f"to {self.high:g}, and {self.possible[0]:g} to {self.possible[1]:g}"
            )

    def unit_of(self, value: float) -> OtherUnit | None:
        """The unit that makes an implausible value plausible."""
        unit = self.below if value < self.low else self.above if value > self.high else None
        return unit if unit and self.low <= unit.convert(value) <= self.high else None

    def unit_of_median(self, median: float) -> OtherUnit | None:
        """The unit that explains a median no hospital's patients have."""
        return self.low_median[1] if self.low_median and median < self.low_median[0] else None

    def is_usual(self, median: float) -> bool:
        """Whether a hospital's patients may have this median."""
        return bool(self.low <= median <= min(self.high, self.high_median))

    @property
    def other_units(self) -> list[OtherUnit]:
        """Units that the column may have been filled in with."""
        units = (self.below, self.above, self.low_median[1] if self.low_median else None)
        return [unit for unit in dict.fromkeys(units) if unit]

    @property
    def units(self) -> list[str]:
        """Names of the column's own unit and of the others."""
        return [self.unit, *(other.name for other in self.other_units)]

    def converter(self, unit: str) -> Callable[[float], float] | None:
        """From a unit, however it is written, to the column's own; None where the column is never given in it."""
        known = {_folded(name): lambda value: value for name in (self.unit, *self.same)}
        known |= {_folded(other.name): other.convert for other in self.other_units}
        return known.get(_folded(unit))


def _folded(unit: str) -> str:
    """A unit without its typography: ``10^3/uL`` and ``10³ per µL`` are one."""
    text = unicodedata.normalize("NFKC", unit).casefold().replace("μ", "u")
    for written, meant in {"per": "/", "mm^3": "ul", "mm3": "ul", "mcl": "ul", "^": "", "×": "x", " ": ""}.items():
        text = text.replace(written, meant)
    text = text.removeprefix("x").removeprefix("cells").replace("//", "/")
    return text.removeprefix("1") if text.startswith("1/") else text


def year_of_birth(column: str, value: float) -> bool:
    """Whether an age is rather a year."""
    return column == "age" and _YEARS_OF_BIRTH[0] <= value <= _YEARS_OF_BIRTH[1]


def _positive_values(name: str, values: ArrayLike) -> _Floats:
    """Floats of the same shape, NaN where missing or masked; `name` is for the message."""
    if isinstance(values, pd.DataFrame):
        raise IndexInputError(f"{name} must be one column, but is a DataFrame: give the column, as table['{name}']")
    values = _without_mask(values)
    if (kind := np.asarray(values).dtype).kind in "bcmM":
        raise IndexInputError(f"{name} must hold numbers: it is of type {kind}")
    try:
        numbers = pd.to_numeric(pd.Series(np.ravel(values)))
    except (TypeError, ValueError) as error:
        raise IndexInputError(f"{name} must hold numbers: {error}") from error
    array = numbers.to_numpy(dtype=float, na_value=np.nan).reshape(np.shape(values))
    wrong = ~(np.isnan(array) | ((array > 0) & np.isfinite(array)))
    if wrong.any():
        raise IndexInputError(f"{name} must be positive and finite (or missing), found {array[wrong].flat[0]:g}")
    return array


def _in_own_unit(name: str, values: ArrayLike, spec: ColumnSpec, unit: str | Mapping[str, str] | None) -> _Floats:
    """Values in the unit of the column; an `IndexInputError` where they are plainly in another, or of nobody."""
    array = _positive_values(name, values)
    given = unit.get(name) if isinstance(unit, Mapping) else unit if unit and spec.converter(unit) else None
    if given is not None and not isinstance(given, str):
        raise IndexInputError(f"unit must map arguments to texts, such as 'per µL'; it is {unit!r}")
    if given:
        convert = spec.converter(given)
        if convert is None:
            raise IndexInputError(f"{name} can be given in {', '.join(spec.units)}, not in {given!r}")
        _refuse_needless_unit(name, array, spec, given)
        array = convert(array)
    _refuse_other_units(name, array[~np.isnan(array)], spec)
    return array


def _refuse_needless_unit(name: str, array: _Floats, spec: ColumnSpec, unit: str) -> None:
    """Refuse a unit of many patients if their median would be unusual in it, and is usual in the column's own."""
    known = array[~np.isnan(array)]
    if len(known) < _ENOUGH_FOR_MEDIAN:  # of a few, anything may be true
        return
    median = float(np.median(known))
    converted = spec.converter(unit)(median)
    if spec.is_usual(median) and not spec.is_usual(converted):
        raise IndexInputError(
            f"{name}: the values look like {spec.unit} already: their median is {median:g}, and {median:g} {unit} are "
            f"{converted:g} {spec.unit}. Leave the unit of {name} out, or convert them yourself if they are {unit}"
        )


def _refuse_other_units(name: str, values: _Floats, spec: ColumnSpec) -> None:
    odd = values[(values < spec.low) | (values > spec.high)]
    units = {float(value): spec.unit_of(float(value)) for value in np.unique(odd)}
    explained = [value for value in odd.tolist() if units[value]]
    if explained:
        value, unit = explained[0], units[explained[0]]
        raise IndexInputError(
            f"{name}: {value:g} is not {spec.unit} but plainly {unit.name}, {value:g} {unit.name} = "
            f"{unit.convert(value):.3g} {spec.unit} ({counted(len(explained), 'such value')} of {len(values)}). "
            f"Convert them, or say unit={{'{name}': '{unit.name}'}}"
        )
    impossible = values[(values < spec.possible[0]) | (values > spec.possible[1])]
    if len(impossible):
        hint = ": is it the year of birth?" if year_of_birth(name, impossible[0]) else ""
        least, most = spec.possible
        raise IndexInputError(f"{name}: nobody has {impossible[0]:g} {spec.unit} ({least:g} to {most:g}){hint}")
    median = float(np.median(values)) if len(values) >= _ENOUGH_FOR_MEDIAN else np.inf
    unit = spec.unit_of_median(median)
    if unit:
        raise IndexInputError(
            f"{name}: half of {len(values)} values are at most {median:g}, which is not {spec.unit} but {unit.name}. "
            f"Convert them, or say unit={{'{name}': '{unit.name}'}}"
        )


# A katal is a mole per second and U/L a micromole per minute and litre: 1 µkat/L = 60 U/L, exactly.
_KATAL = OtherUnit("µkat/L", lambda value: 60 * value)
# Young's modulus of soft tissue is 3 x density x (shear wave speed)², the density 1000 kg/m³ (EFSUMB guideline 2013).
_SPEED = OtherUnit("m/s", lambda value: 3 * value**2)
_PASCAL = OtherUnit("Pa", lambda value: value / 1000)
_PER_MICROLITRE = OtherUnit("per µL", lambda value: value / 1000)
_TEN_THOUSANDS = OtherUnit("10⁴/µL", lambda value: 10 * value)

# Plausible values are *assumptions*, wide enough for cirrhosis and acute hepatitis; 1.5-75 kPa is what FibroScan
# reports. So are possible ones, and the lowest medians: healthy livers measure 4-6 kPa, which is 1.2-1.4 m/s; platelets
# of 150-400 x 10⁹/L are 15-40 x 10⁴/µL, as in Japan. A median of AST or ALT of 1000 U/L is that of acute hepatitis, in
# which no index of fibrosis is valid.
AGE = ColumnSpec("years", 18, 100, "Age", "normal", possible=(0, 125))
_ENZYME = {"distribution": "log-normal", "below": _KATAL, "possible": (1, 50_000), "high_median": 1000.0}
AST = ColumnSpec("U/L", 5, 5000, "AST", **_ENZYME, same=("IU/L",))
ALT = ColumnSpec("U/L", 5, 5000, "ALT", **_ENZYME, same=("IU/L",))
UPPER_LIMIT = ColumnSpec("U/L", 10, 100, below=_KATAL, possible=(10, 200), same=("IU/L",))  # of normal AST
_COUNT = {"above": _PER_MICROLITRE, "low_median": (45.0, _TEN_THOUSANDS), "possible": (1, 5000)}
_PER_LITRE = ("G/L", "Giga/L", "Gpt/L", "Mrd/L", "Mrd./L", "per nL")
_THOUSANDS = ("10³/µL", "1000/µL", "K/µL", "thousand/µL", "thousands/µL", "Tsd/µL", "Tsd./µL")
PLATELETS = ColumnSpec("10⁹/L", 10, 1500, "Platelets", **_COUNT, same=(*_THOUSANDS, *_PER_LITRE))
_OTHER_STIFFNESS = {"below": _SPEED, "above": _PASCAL, "low_median": (2.6, _SPEED)}
STIFFNESS = ColumnSpec("kPa", 1.5, 75, "Stiffness (SWE)", "log-normal", **_OTHER_STIFFNESS, possible=(0.5, 300))
