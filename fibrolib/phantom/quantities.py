"""What a picture shows in physical units, and patients without a stage to learn to measure it on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.phantom.anatomy import nodule_height
from fibrolib.phantom.patients import draw_patients, random_stream
from fibrolib.phantom.scatterers import clustering

__all__ = ["QUANTITIES", "draw_unstaged_patients", "physical_quantities"]

QUANTITIES = ("clustering", "nodules", "strain")
"""Clustering of scatterers (dB), height of surface nodules (mm), peak strain of the heartbeat."""

# Assumption: evenly over all that the carriers reach in F0 to F4, and a little further.
_TEXTURE, _CAPSULE, _STRAIN = (-2.5, 4.0), (-2.5, 6.5), (0.02, 0.30)


def physical_quantities(patients: pd.DataFrame) -> NDArray[np.float64]:
    """What could be measured in the pictures of virtual patients, as natural logarithms.

    Parameters
    ----------
    patients : DataFrame, n rows
        With columns ``texture, capsule, strain`` of `draw_patients`.

    Returns
    -------
    ndarray, shape (n, 3)
        In the order of `QUANTITIES`: ln dB, ln mm, ln strain.
    """
    spread = [clustering(carrier)[0] for carrier in patients["texture"]]
    height = [nodule_height(carrier) for carrier in patients["capsule"]]
    return np.log(np.column_stack([spread, height, patients["strain"]]))


def draw_unstaged_patients(n: int, seed: int) -> pd.DataFrame:
    """Virtual patients whose clustering, nodules and strain are drawn evenly and independently: they have no stage.

    A net that learns to measure on them learns nothing about which measurement goes with which stage, nor that any
    two go together.

    Parameters
    ----------
    n : int
        Number of patients; patient i of a seed is the same whatever `n`.
    seed : int
        Seed; keep it apart from those of cohorts.

    Returns
    -------
    DataFrame, n rows
        The columns that `render_clip` needs: those of `draw_patients` without stage, severity, stiffness and blood.
    """
    staged = ["stage", "severity", "stiffness_kpa", "swe_kpa", "ast", "alt", "platelets"]
    patients = draw_patients(n, seed).drop(columns=staged)
    texture, capsule, strain = (random_stream(seed, 2, number).random(n) for number in range(3))
    return patients.assign(
        texture=_between(_TEXTURE, texture),
        capsule=_between(_CAPSULE, capsule),
        strain=np.exp(_between(np.log(_STRAIN), strain)),
    )


def _between(limits: ArrayLike, share: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = limits
    return low + (high - low) * share
