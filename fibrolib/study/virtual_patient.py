"""A virtual patient to look at: typical of a severity, a few heartbeats long, and how the tissue in it moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fibrolib.phantom import Dials, Rendering, draw_patients, render_view
from fibrolib.phantom.carriers import carrier_mean, log_stiffness_mean

__all__ = ["Movement", "mmode_strip", "population", "render_beats", "true_movement", "typical_patient"]


def typical_patient(severity: float, seed: int = 0, dials: Dials | None = None, **scan: float) -> tuple:
    """A virtual patient whose carriers are exactly the mean of a severity.

    Real patients of one stage differ; here that spread is taken off, so that what changes between two pictures is the
    severity or the dial and nothing else. Body, scanner and settings are those of the seed's first patient.

    Parameters
    ----------
    severity : float
        Continuous severity, 0 (F0) to 4 (F4).
    seed : int
        Which body and which scan.
    dials : Dials, optional
        Strength of the signals; the published effects if left out.
    **scan : float
        Columns of `draw_patients` to set, such as ``breath_mm=0``.

    Returns
    -------
    named tuple
        A row as of ``draw_patients(...).itertuples(index=False)``, without blood values.

    Raises
    ------
    TypeError
        If there is no such column.
    """
    dials = dials or Dials()
    drawn = draw_patients(1, seed, dials).drop(columns=["ast", "alt", "platelets"])
    unknown = set(scan) - set(drawn)
    if unknown:
        raise TypeError(f"no such columns of a virtual patient: {sorted(unknown)}")
    stiffness = float(np.exp(log_stiffness_mean(severity)))
    truth = {
        "stage": round(severity),
        "severity": float(severity),
        "stiffness_kpa": stiffness,
        "swe_kpa": round(stiffness, 1),
        "texture": float(carrier_mean("texture", severity, dials)),
        "capsule": float(carrier_mean("capsule", severity, dials)),
        "strain": float(np.exp(carrier_mean("motion", severity, dials))),
    }
    return next(drawn.assign(**truth, **scan).itertuples(index=False))


@lru_cache(maxsize=24)  # a rendering of one heartbeat takes about 6 MB
def render_beats(patient: tuple, seed: int = 0, beats: int = 1, frames: int = 16) -> Rendering:
    """A few whole heartbeats of a patient, kept for when they are asked for again.

    Parameters
    ----------
    patient : row of `draw_patients`
        The patient, for instance a `typical_patient`.
    seed : int
        Which view: the same for two patients gives them the same anatomy and the same hand.
    beats : int
        Number of heartbeats.
    frames : int
        Frames per heartbeat; the frame rate follows from them and the heart rate.

    Returns
    -------
    Rendering
        Frames and truth.
    """
    patient = patient._replace(fps=frames * patient.heart_rate / 60)
    return render_view(patient, beats * frames, np.random.default_rng(seed))


@lru_cache(maxsize=8)
def population(dials: Dials, n: int = 4000) -> pd.DataFrame:
    """Many virtual patients without pictures (see `draw_patients`), kept for when they are asked for again."""
    return draw_patients(n, seed=1, dials=dials)


@dataclass(frozen=True)
class Movement:
    """How the tissue of a rendering moves with the heart.

    Parameters
    ----------
    systole : int
        The frame in which liver tissue is farthest from where it mostly is.
    displacement : ndarray, shape (grid rows, grid columns, 2)
        From that middle position to systole, `(right, down)` in mm; not a number outside the liver.
    strain : ndarray, shape (grid rows, grid columns)
        Largest principal strain of that displacement; not a number where a neighbouring node is outside the liver.
    place : tuple of int
        Row and column on the screen of the node that moves most.
    path : ndarray, shape (frames,)
        How far down (mm) that tissue is from its middle position, frame by frame.
    """

    systole: int
    displacement: NDArray[np.float32]
    strain: NDArray[np.float32]
    place: tuple[int, int]
    path: NDArray[np.float32]


def true_movement(rendering: Rendering) -> Movement:
    """Movement of the liver in a rendering, from its true displacement field.

    Parameters
    ----------
    rendering : Rendering
        At least one heartbeat.

    Returns
    -------
    Movement
        Displacements are counted from each node's median over the clip, where the heart leaves it most of the time.
    """
    rows, columns = rendering.nodes
    # Only nodes that are liver throughout: others would count the wall, which stays behind.
    liver = rendering.masks["liver"][:, rows, columns].all(axis=0)
    moved = rendering.displacement - np.median(rendering.displacement, axis=0)
    moved = np.where(liver[..., None], moved, np.nan)
    distance = np.nan_to_num(np.hypot(*np.moveaxis(moved, -1, 0)))
    systole, *node = np.unravel_index(distance.argmax(), distance.shape)
    spacing = float(rows[1, 0] - rows[0, 0]) * rendering.scale
    return Movement(
        systole=int(systole),
        displacement=moved[systole],
        strain=_principal_strain(moved[systole], spacing),
        place=(int(rows[*node]), int(columns[*node])),
        path=moved[:, node[0], node[1], 1],
    )


def _principal_strain(displacement: NDArray, spacing: float) -> NDArray:
    """Largest principal value of the small-strain tensor of a displacement field on a grid."""
    (across, shear_down), (shear_across, down) = (
        np.gradient(displacement[..., part], spacing, axis=(1, 0)) for part in (0, 1)
    )
    shear = (shear_down + shear_across) / 2
    return (across + down) / 2 + np.hypot((across - down) / 2, shear)


def mmode_strip(rendering: Rendering, place: tuple[int, int], half: float = 22.0) -> NDArray[np.uint8]:
    """Motion mode: one line of the picture, frame beside frame.

    Parameters
    ----------
    rendering : Rendering
        The clip.
    place : tuple of int
        Row and column on the screen of the middle of the line.
    half : float
        Half of its length, mm.

    Returns
    -------
    ndarray of uint8, shape (2 * half / scale + 1, frames)
        Depth downwards, time to the right.
    """
    reach = round(half / rendering.scale)
    rows = np.clip(np.arange(place[0] - reach, place[0] + reach + 1), 0, rendering.frames.shape[1] - 1)
    return rendering.frames[:, rows, place[1]].T
