"""The three carriers of fibrosis and their law: what a picture can know about a patient's stage.

A *carrier* is the one latent number through which a signal shows: the clustering of scatterers (`texture`), the
nodularity of the surface (`capsule`), the strain of the heartbeat (`motion`). Given the severity of fibrosis the
three are independent and normal, `motion` on the scale of log strain. `docs/virtual-cohort.md` derives the figures.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrolib.phantom.strengths import SignalStrengths

__all__ = [
    "CARRIERS",
    "STAGE_MIX",
    "STRAIN_STIFFNESS",
    "carrier_mean",
    "carrier_sd",
    "carrier_values",
    "log_stiffness_mean",
    "shortcut_scanner",
]

CARRIERS = ("texture", "capsule", "motion")
"""Names of the carriers, which are also the names of their dials."""

# Assumption: a liver clinic's mix, half of it >= F2.
STAGE_MIX = (0.22, 0.28, 0.20, 0.14, 0.16)
"""Share of patients in F0 to F4."""

# Strain = k / E. Tagged MRI: strain .116 (healthy) and .048 (cirrhosis), Chung 2011; with the median stiffness
# of F0 and F4 below, 5.55 and 13.67 kPa, k is .64 and .66 kPa.
STRAIN_STIFFNESS = 0.65
"""Peak heartbeat strain times stiffness, kPa."""

# ln E at F0..F4, derived: stage spread that gives 2D-SWE AUCs of .878 / .932 / .942 (n = 327) around the F0-1 median of
# World J Gastroenterol 2019;25:3256. The other large study (.887 / .912 / .832) would need F4 softer than F3.
_LOG_STIFFNESS = (1.713, 1.813, 2.019, 2.298, 2.615)
# Between patients of one severity; with the measurement error of .12 and the slope within a stage this is the
# lognormal sigma of .25-.27 of the same source.
LOG_STIFFNESS_SD = 0.21
# How hard the heart pushes, and how the plane lies to it: chosen for a Cohen's d of strain at >= F2 of .95, the middle
# of the assumed band .8-1.1 (assumption, see evidence in docs).
LOG_COUPLING_SD = 0.378

# Texture: AUC .72 at >= F2, the middle of published scatterer statistics (.64-.81), linear in severity (assumption).
_TEXTURE = tuple(0.361 * stage for stage in range(5))
# Capsule: sensitivity 91 %, specificity 94 % for F4 (BJR 1999;72:29); little on F2 and F3 (assumption: 10 and 30 %).
_CAPSULE = tuple(4.08 * share for share in (0.0, 0.0, 0.1, 0.3, 1.0))


def log_stiffness_mean(severity: ArrayLike) -> NDArray[np.float64]:
    """Mean log stiffness (ln kPa) at a continuous severity (stage +- 0.5)."""
    return np.interp(severity, range(5), _LOG_STIFFNESS)


def carrier_mean(name: str, severity: ArrayLike, strengths: SignalStrengths) -> NDArray[np.float64]:
    """Mean of a carrier at a continuous severity.

    Parameters
    ----------
    name : {"texture", "capsule", "motion"}
        The carrier. `texture` and `capsule` are in units of their spread between patients, `motion` is ln strain.
    severity : array_like
        Continuous severity: the stage plus or minus one half.
    strengths : SignalStrengths
        The dial of that name scales the distance from F0.

    Returns
    -------
    ndarray
        Of the shape of `severity`.
    """
    knots = {"texture": _TEXTURE, "capsule": _CAPSULE, "motion": tuple(-value for value in _LOG_STIFFNESS)}[name]
    effect = np.interp(severity, range(5), knots) - knots[0]
    base = np.log(STRAIN_STIFFNESS) + knots[0] if name == "motion" else 0.0
    return base + getattr(strengths, name) * effect


def carrier_sd(name: str, strengths: SignalStrengths) -> float:
    """Spread of a carrier between patients of one severity (same units as `carrier_mean`)."""
    if name == "motion":
        return float(np.hypot(strengths.motion * LOG_STIFFNESS_SD, LOG_COUPLING_SD))
    return 1.0


def carrier_values(severity: NDArray, normal: Mapping[str, NDArray], strengths: SignalStrengths) -> dict[str, NDArray]:
    """Carriers of patients from standard normal deviates.

    Parameters
    ----------
    severity : ndarray, shape (n,)
        Continuous severity.
    normal : mapping of str to ndarray, shape (n,)
        Deviates called ``stiffness``, ``coupling``, ``texture`` and ``capsule``.
    strengths : SignalStrengths
        The dials.

    Returns
    -------
    dict of str to ndarray
        `CARRIERS`, and ``log_stiffness`` (ln kPa), which the motion carrier shares its deviate with.
    """
    texture, capsule = (carrier_mean(name, severity, strengths) + normal[name] for name in ("texture", "capsule"))
    own = LOG_STIFFNESS_SD * normal["stiffness"]
    motion = carrier_mean("motion", severity, strengths) - strengths.motion * own + LOG_COUPLING_SD * normal["coupling"]
    return {
        "texture": texture,
        "capsule": capsule,
        "motion": motion,
        "log_stiffness": log_stiffness_mean(severity) + own,
    }


def shortcut_scanner(stage: NDArray) -> NDArray[np.int64]:
    """Scanner (0, 1, 2) of patients whom the `shortcut` dial ties to their stage: one machine per ward."""
    return np.select([stage >= 3, stage >= 2], [2, 1], 0)
