"""What a column of the cohort table may hold: its unit, plausible values, and units that it is mistaken for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["AGE", "ALT", "AST", "PLATELETS", "STIFFNESS", "ColumnSpec", "OtherUnit"]


@dataclass(frozen=True)
class OtherUnit:
    """Another unit in which a column may have been filled in.

    Parameters
    ----------
    name : str
        The unit.
    convert : callable
        A value in it to the column's own unit.
    """

    name: str
    convert: Callable[[float], float]


@dataclass(frozen=True)
class ColumnSpec:
    """A column of positive numbers, one per patient.

    Parameters
    ----------
    unit : str
        Its unit.
    low, high : float
        Plausible values; others get a warning.
    label : str
        Its name in figures and tables; empty: the column's own.
    distribution : {'skewed', 'normal', 'log-normal'}
        How values are spread between patients. Normal ones are given as mean and standard deviation, others as median
        and quartiles; log-normal ones are drawn on a logarithmic axis.
    below, above : OtherUnit or None
        The unit that explains values below `low`, and above `high`.
    low_median : tuple of (float, OtherUnit) or None
        A median that no hospital's patients fall below, and the unit that explains it if they do.
    """

    unit: str
    low: float
    high: float
    label: str = ""
    distribution: str = "skewed"
    below: OtherUnit | None = None
    above: OtherUnit | None = None
    low_median: tuple[float, OtherUnit] | None = None


# A katal is a mole per second and U/L a micromole per minute and litre: 1 ukat/L = 60 U/L, exactly.
_KATAL = OtherUnit("µkat/L", lambda value: 60 * value)
# Young's modulus of soft tissue is 3 x density x (shear wave speed)², the density 1000 kg/m³ (EFSUMB guideline 2013).
_SPEED = OtherUnit("m/s", lambda value: 3 * value**2)

# Plausible values are *assumptions*, wide enough for cirrhosis and acute hepatitis; 1.5-75 kPa is what FibroScan
# reports. So are the lowest medians: healthy livers measure 4-6 kPa, which is 1.2-1.4 m/s; platelets of
# 150-400 x 10⁹/L are 15-40 x 10⁴/µL, as in Japan.
AGE = ColumnSpec("years", 18, 100, "Age", "normal")
AST = ColumnSpec("U/L", 5, 5000, "AST", "log-normal", below=_KATAL)
ALT = ColumnSpec("U/L", 5, 5000, "ALT", "log-normal", below=_KATAL)
PLATELETS = ColumnSpec(
    "10⁹/L",
    10,
    1500,
    "Platelets",
    above=OtherUnit("per µL", lambda value: value / 1000),
    low_median=(45.0, OtherUnit("10⁴/µL", lambda value: 10 * value)),
)
STIFFNESS = ColumnSpec(
    "kPa",
    1.5,
    75,
    "Stiffness (SWE)",
    "log-normal",
    below=_SPEED,
    above=OtherUnit("Pa", lambda value: value / 1000),
    low_median=(2.6, _SPEED),
)
