"""What lies in the plane of one view: abdominal wall, liver surface, parenchyma, vessels, diaphragm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from fibrolib.phantom.diaphragm import Dome, draw_dome
from fibrolib.phantom.geometry import FACE_RADIUS, HALF_ANGLE, PolarGrid, plane_from_polar
from fibrolib.phantom.motion import HeartPush
from fibrolib.phantom.organs import Organs, draw_organs
from fibrolib.phantom.vessels import Vessels, draw_vessels, swelling
from fibrolib.phantom.wall import Wall, draw_wall

__all__ = ["LABELS", "Anatomy", "Surface", "draw_anatomy", "nodule_height"]

LABELS = {"liver": 1, "vessels": 2, "capsule": 4, "gallbladder": 8, "kidney": 16}
"""Names and bits of the label map: vessels are part of the liver; the neighbouring organs are not."""

_CAPSULE_BAND = (-1.0, 3.0)  # mm below the surface: what a reader would call the capsule


@dataclass(frozen=True)
class Surface:
    """The liver's surface under the abdominal wall: a smooth course, and nodules that belong to the liver.

    Parameters
    ----------
    depth, slope, bend : float
        The smooth course ``depth + slope * theta + bend * theta**2``, mm.
    theta, nodules : ndarray, shape (points,)
        Height profile of the nodules: angle (radians) and depth (mm, towards the liver).
    """

    depth: float
    slope: float
    bend: float
    theta: NDArray[np.float64]
    nodules: NDArray[np.float64]

    def course(self, theta: ArrayLike) -> NDArray:
        """Depth of the smooth course, mm."""
        return self.depth + theta * (self.slope + self.bend * theta)

    def nodule(self, theta: ArrayLike) -> NDArray:
        """Depth of the nodular surface below the smooth course, mm."""
        return np.interp(theta, self.theta, self.nodules)


@dataclass(frozen=True)
class Anatomy:
    """One view of one patient, at rest.

    Parameters
    ----------
    grid : PolarGrid
        The grid of the maps.
    surface : Surface
        The liver's surface.
    wall : Wall
        The abdominal wall before it.
    dome : Dome
        The diaphragm.
    organs : Organs
        Its neighbours.
    below : ndarray, shape `grid.shape`
        Depth below the nodular surface, mm; negative in the abdominal wall.
    beyond : ndarray, shape `grid.shape`
        Distance beyond the diaphragm, mm; negative in the liver.
    vessels : Vessels
        Distances to the vessels' walls on the grid.
    labels : ndarray of uint8, shape `grid.shape`
        Bits of `LABELS`.
    push : HeartPush
        Where the heart lies.
    swelling : ndarray of complex64, shape `grid.shape`
        How the tissue around the hepatic veins moves when they widen (see `vessels.swelling`).
    """

    grid: PolarGrid
    surface: Surface
    wall: Wall
    dome: Dome
    organs: Organs
    below: NDArray[np.float32]
    beyond: NDArray[np.float32]
    vessels: Vessels
    labels: NDArray[np.uint8]
    push: HeartPush
    swelling: NDArray[np.complex64]

    @property
    def parenchyma(self) -> NDArray[np.bool_]:
        """Where the liver is, but for its vessels."""
        return self.labels & (LABELS["liver"] | LABELS["vessels"]) == LABELS["liver"]


def nodule_height(carrier: float) -> float:
    """Root-mean-square height of the surface's nodules in mm for a `capsule` carrier.

    About .25 for a smooth liver and 1.2 in cirrhosis, at most 2.5. The scale is an assumption; what the carrier says
    about stage is not (see `carriers`).
    """
    return float(2.5 * np.tanh(0.1 * np.exp(0.42 * carrier)))


def draw_anatomy(patient: object, grid: PolarGrid, rng: np.random.Generator) -> Anatomy:
    """Draw one view of a patient.

    Parameters
    ----------
    patient : row of `draw_patients`
        With attributes ``bmi, fat, capsule``.
    grid : PolarGrid
        The grid to image on.
    rng : numpy.random.Generator
        Source of chance: another generator gives another section through the same patient.

    Returns
    -------
    Anatomy
        The view at rest.
    """
    surface = _draw_surface(patient, rng)
    wall = draw_wall(patient.bmi, rng)
    heart = rng.uniform(-0.16, 0.16)  # the sonographer keeps the heart's neighbourhood in the picture
    r, theta = grid.r[:, None], grid.theta
    x, y = (place.astype(np.float32) for place in plane_from_polar(r, theta))
    room = surface.depth, 0.77 * grid.depth
    organs = draw_organs(x, y, room, heart, patient.fat, rng)
    dome = draw_dome(grid.depth, 0.0 if organs.kidney is None else -np.sign(heart), rng)
    below = r - (surface.course(theta) + surface.nodule(theta))
    beyond = r - dome.depth(theta)
    liver = (below > 0) & (beyond < 0) & (organs.distance() > 0) & ~organs.behind_kidney
    free = (below > 7) & (beyond < -2) & (organs.distance() > 4) & liver
    vessels = draw_vessels(x, y, surface.depth, dome.r, rng).kept_where(free)
    return Anatomy(
        grid=grid,
        surface=surface,
        wall=wall,
        dome=dome,
        organs=organs,
        below=below.astype(np.float32),
        beyond=beyond.astype(np.float32),
        vessels=vessels,
        labels=_labels(liver, below, vessels, organs),
        push=_draw_push(dome, heart, rng),
        swelling=swelling(vessels.hepatic, grid),
    )


def _draw_surface(patient: object, rng: np.random.Generator) -> Surface:
    """Wall thickness after body mass index; nodules 4-10 mm long (assumptions)."""
    depth = np.clip(14 + 0.8 * (patient.bmi - 18) + rng.normal(0, 2), 13, 34)
    theta = np.linspace(-HALF_ANGLE - 0.2, HALF_ANGLE + 0.2, 600)
    step = (theta[1] - theta[0]) * (FACE_RADIUS + depth)
    length = rng.uniform(1.6, 2.8) / step
    noise = rng.standard_normal(theta.size)
    profile = gaussian_filter1d(noise, length) - gaussian_filter1d(noise, 2 * length)
    profile *= nodule_height(patient.capsule) / profile.std()
    return Surface(float(depth), rng.normal(0, 4), rng.uniform(-12, 12), theta, profile)


def _draw_push(dome: Dome, theta: float, rng: np.random.Generator) -> HeartPush:
    x, y = plane_from_polar(dome.depth(theta) + 2, theta)
    return HeartPush(float(x), float(y), rng.uniform(-0.3, 0.3), rng.uniform(20, 26), rng.uniform(26, 36))


def _labels(liver: NDArray, below: NDArray, vessels: Vessels, organs: Organs) -> NDArray[np.uint8]:
    regions = {
        "liver": liver,
        "vessels": liver & (vessels.distance < 0),
        "capsule": (below > _CAPSULE_BAND[0]) & (below < _CAPSULE_BAND[1]),
        "gallbladder": organs.gallbladder is not None and organs.gallbladder.inside & (below > 0),
        "kidney": organs.kidney is not None and organs.kidney.inside & (below > 0),
    }
    labels = np.zeros(liver.shape, np.uint8)
    for name, region in regions.items():
        labels |= (LABELS[name] * np.asarray(region)).astype(np.uint8)
    return labels
