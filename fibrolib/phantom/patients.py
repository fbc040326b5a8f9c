"""Virtual patients: stage, stiffness, blood values and how they were scanned."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from fibrolib.phantom.carriers import STAGE_MIX, carrier_values, shortcut_scanner
from fibrolib.phantom.strengths import SignalStrengths

__all__ = ["PREFIX", "draw_patients", "random_stream"]

PREFIX = "virtual-"
"""Reserved start of every virtual patient's id."""

AETIOLOGIES = ("hepatitis B", "hepatitis C", "MASLD", "alcohol")
_AETIOLOGY_SHARE = (0.55, 0.15, 0.22, 0.08)  # assumption: a clinic where hepatitis B leads

# One stream of random numbers each, so that patient i is the same whatever the cohort's size.
# Append only: a new name in the middle would change every cohort.
_DRAWS = (
    *("stage", "severity", "stiffness", "coupling", "swe_error", "texture", "capsule"),
    *("age", "ast", "alt", "platelets", "sex", "bmi", "aetiology", "fat", "scanner", "shortcut"),
    *("heart_rate", "gain", "depth", "dynamic_range", "breath", "tremor", "fps"),
    *("missing_ast", "missing_alt", "missing_platelets"),
)

# Stage-wise ln APRI and ln FIB-4, F0..F4, derived: gaps that give AUCs of .741 / .735 / .727 and .784 / .817 / .845
# (Xiao 2015) around the F0-1 medians of World J Gastroenterol 2019;25:3256, given the spreads below.
_LOG_APRI = np.array([-0.662, -0.562, -0.240, -0.113, 0.008])
_LOG_FIB4 = np.array([0.429, 0.549, 0.798, 0.981, 1.334])
# Assumption: medians of age and platelets by stage; AST and ALT then follow from the two indices.
_LOG_AGE = np.log([45.0, 47.0, 50.0, 53.0, 56.0])
_LOG_PLATELETS = np.log([205.0, 198.0, 180.0, 160.0, 130.0])
_LOG_AST = _LOG_APRI + _LOG_PLATELETS + np.log(40 / 100)  # APRI = AST / 40 / platelets x 100
_LOG_ALT = 2 * (_LOG_AGE + _LOG_AST - _LOG_PLATELETS - _LOG_FIB4)  # FIB-4 = age AST / (platelets sqrt(ALT))
# Assumption: spreads (ln) between patients of one severity; they give ln APRI .48 and ln FIB-4 .43 (published .34-.59).
_SD = {"age": 0.21, "ast": 0.40, "alt": 0.55, "platelets": 0.26}
_AST_ALT_CORRELATION = 0.80  # assumption
_MOST_STRAIN = 0.30  # assumption: beyond this no liver is squeezed; met by one patient in a hundred
_SWE_ERROR = 0.12  # assumption: repeatability of one measurement, ln kPa


def draw_patients(n: int, seed: int = 0, strengths: SignalStrengths | None = None) -> pd.DataFrame:
    """Draw virtual patients, without their pictures.

    Parameters
    ----------
    n : int
        Number of patients.
    seed : int
        Patient i of a seed is the same whatever `n`.
    strengths : SignalStrengths, optional
        Strength of the signals; the published effects if left out.

    Returns
    -------
    DataFrame, n rows
        ``patient_id, stage, severity``; ``age`` (years), ``sex``, ``bmi`` (kg/m2), ``aetiology``, ``fat`` (0-1);
        ``ast, alt`` (U/L), ``platelets`` (10^9/L), ``swe_kpa`` (measured), ``stiffness_kpa`` (true); the carriers
        ``texture, capsule`` (standard units) and ``strain`` (peak, heartbeat); and how the patient was scanned:
        ``scanner`` (0-2), ``fps, heart_rate`` (1/min), ``gain_db, depth_mm, dynamic_range_db, breath_mm, tremor_mm``.

    Raises
    ------
    ValueError
        If `n` is below 1.

    Notes
    -----
    FIB-4 and APRI are never drawn: they follow from the blood values.
    """
    if n < 1:
        raise ValueError(f"at least one patient is needed, not {n}")
    strengths = strengths or SignalStrengths()
    uniform = {name: random_stream(seed, 0, stream).random(n) for stream, name in enumerate(_DRAWS)}
    normal = {name: ndtri(np.clip(values, 1e-9, 1 - 1e-9)) for name, values in uniform.items()}
    stage = np.searchsorted(np.cumsum(STAGE_MIX)[:-1], uniform["stage"], side="right")
    severity = stage + uniform["severity"] - 0.5
    carriers = carrier_values(severity, normal, strengths)
    swe = np.exp(carriers["log_stiffness"] + _SWE_ERROR * normal["swe_error"])
    columns = {
        "patient_id": [f"{PREFIX}{number:03d}" for number in range(1, n + 1)],
        "stage": stage,
        "severity": severity,
        **_demographics(severity, uniform, normal),
        **_blood(severity, uniform, normal, strengths),
        "swe_kpa": swe.round(1),
        "stiffness_kpa": np.exp(carriers["log_stiffness"]),
        "texture": carriers["texture"],
        "capsule": carriers["capsule"],
        "strain": np.minimum(np.exp(carriers["motion"]), _MOST_STRAIN),
        **_scan(stage, uniform, normal, strengths),
    }
    return pd.DataFrame(columns)


def random_stream(seed: int, *key: int) -> np.random.Generator:
    """An independent source of chance per key: ``(0, column)`` of the table, ``(1, patient, view)`` of the pictures."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _lognormal(severity: NDArray, knots: NDArray, spread: float, normal: NDArray) -> NDArray:
    return np.exp(np.interp(severity, range(5), knots) + spread * normal)


def _demographics(severity: NDArray, uniform: dict[str, NDArray], normal: dict[str, NDArray]) -> dict[str, object]:
    aetiology = np.searchsorted(np.cumsum(_AETIOLOGY_SHARE)[:-1], uniform["aetiology"], side="right")
    bmi = 25.0 + 3.6 * normal["bmi"]  # assumption, and independent of stage like all nuisances
    return {
        "age": np.clip(_lognormal(severity, _LOG_AGE, _SD["age"], normal["age"]), 18, 88).round().astype(int),
        "sex": np.where(uniform["sex"] < 0.58, "male", "female"),
        "bmi": np.clip(bmi, 16, 42).round(1),
        "aetiology": np.array(AETIOLOGIES)[aetiology],
        "fat": np.clip(0.35 * uniform["fat"] ** 1.5 + 0.03 * (bmi - 25) + 0.1 * (aetiology == 2), 0, 0.8).round(3),
    }


def _blood(
    severity: NDArray, uniform: dict[str, NDArray], normal: dict[str, NDArray], strengths: SignalStrengths
) -> dict[str, NDArray]:
    rest = np.sqrt(1 - _AST_ALT_CORRELATION**2)
    deviates = {
        "ast": normal["ast"],
        "alt": _AST_ALT_CORRELATION * normal["ast"] + rest * normal["alt"],
        "platelets": normal["platelets"],
    }
    knots = {"ast": _LOG_AST, "alt": _LOG_ALT, "platelets": _LOG_PLATELETS}
    values = {}
    for name, deviate in deviates.items():
        value = _lognormal(severity, knots[name], _SD[name], deviate).round()
        values[name] = np.where(uniform[f"missing_{name}"] < strengths.missing_labs, np.nan, value)
    return values


def _scan(
    stage: NDArray, uniform: dict[str, NDArray], normal: dict[str, NDArray], strengths: SignalStrengths
) -> dict[str, NDArray]:
    """How the patient was scanned: nuisances, independent of stage but for the `shortcut` dial. All assumptions."""
    tied = uniform["shortcut"] < strengths.shortcut
    scanner = np.where(tied, shortcut_scanner(stage), (3 * uniform["scanner"]).astype(int))
    return {
        "scanner": scanner,
        "fps": np.array([20.0, 22.0, 24.0, 25.0, 28.0])[(5 * uniform["fps"]).astype(int)],
        "heart_rate": np.clip(72 + 11 * normal["heart_rate"], 52, 105).round(1),
        "gain_db": (2.5 * np.clip(normal["gain"], -2.2, 2.2)).round(2),
        "depth_mm": (128 + 34 * uniform["depth"]).round(),
        "dynamic_range_db": (54 + 12 * uniform["dynamic_range"]).round(1),
        # Half of the patients hold their breath within 1 mm, the others breathe on, up to 4 mm at the surface.
        "breath_mm": (4.0 * uniform["breath"] ** 2).round(2),
        "tremor_mm": (0.02 + 0.10 * uniform["tremor"] ** 2).round(3),
    }
