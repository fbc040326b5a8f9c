"""Neighbours of the liver that some views show: gallbladder, right kidney, round ligament.

Whether a view shows one, and where, is chance alone. All shares, sizes and brightnesses are assumptions, after what
atlases of abdominal ultrasound show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["Organ", "Organs", "draw_organs"]

_NOWHERE = np.float32(99.0)  # mm from an organ that the view does not show
_GALLBLADDER_SHARE, _KIDNEY_SHARE, _LIGAMENT_SHARE = 0.25, 0.22, 0.18


@dataclass(frozen=True)
class Organ:
    """One organ in the plane.

    Parameters
    ----------
    distance : ndarray of float32
        Distance to its wall, mm, negative inside.
    level : ndarray of float32
        Decibels of echo in it, average liver being 0; anything outside.
    wall, width : float
        Decibels and thickness (mm) of its bright outline.
    passes : float
        Decibels per mm of it that what lies behind comes out brighter by (below 0: darker).
    most : float
        Where that ends, dB.
    """

    distance: NDArray[np.float32]
    level: NDArray[np.float32]
    wall: float
    width: float
    passes: float = 0.0
    most: float = 0.0

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Where it is."""
        return self.distance < 0

    def painted(self, level: NDArray, step: float) -> NDArray:
        """A map of echo levels (rows `step` mm apart) with the organ in it, its outline, and what it does behind it."""
        path = np.cumsum(self.inside, axis=0, dtype=np.float32) * np.float32(step)
        behind = np.sign(self.passes) * np.minimum(abs(self.passes) * path, self.most)
        outline = self.wall * np.exp(-(((self.distance - self.width) / self.width) ** 2))
        return np.where(self.inside, self.level, level + behind) + outline


@dataclass(frozen=True)
class Organs:
    """The neighbours that one view shows; None where it does not.

    Parameters
    ----------
    gallbladder, kidney, ligament : Organ or None
        The organs.
    """

    gallbladder: Organ | None
    kidney: Organ | None
    ligament: Organ | None

    @property
    def shown(self) -> list[Organ]:
        """Those that are there, from the deepest to the nearest."""
        return [organ for organ in (self.kidney, self.gallbladder, self.ligament) if organ is not None]

    @property
    def behind_kidney(self) -> NDArray[np.bool_] | bool:
        """Where the beam has come through the kidney: the liver has ended."""
        return False if self.kidney is None else np.maximum.accumulate(self.kidney.inside, axis=0) & ~self.kidney.inside

    def distance(self) -> NDArray[np.float32] | np.float32:
        """Distance to the nearest of them, mm."""
        return np.minimum.reduce([organ.distance for organ in self.shown]) if self.shown else _NOWHERE


def draw_organs(
    x: NDArray, y: NDArray, room: tuple[float, float], heart: float, fat: float, rng: np.random.Generator
) -> Organs:
    """Draw the neighbours of one view.

    Parameters
    ----------
    x, y : ndarray of float32
        Places on the plane, mm.
    room : tuple of float
        Depth of the liver's surface and of the diaphragm on the axis, mm.
    heart : float
        Side of the heart (its sign); gallbladder and kidney lie on the other.
    fat : float
        Fat of the liver, 0 to 1: next to a bright liver the kidney looks darker.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Organs
    """
    side = -1.0 if heart > 0 else 1.0
    asked = rng.random(3) < (_GALLBLADDER_SHARE, _KIDNEY_SHARE, _LIGAMENT_SHARE)
    # The gallbladder is drawn last: it keeps clear of the kidney.
    kidney = _kidney(x, y, room, side, fat, rng) if asked[1] else None
    ligament = _ligament(x, y, room, rng) if asked[2] else None
    gallbladder = _gallbladder(x, y, room, side, rng) if asked[0] else None
    if gallbladder is not None and kidney is not None and np.any(gallbladder.inside & (kidney.distance < 3)):
        gallbladder = None
    if gallbladder is not None and ligament is not None and np.any(gallbladder.inside & (ligament.distance < 3)):
        ligament = None
    return Organs(gallbladder, kidney, ligament)


def _at(room: tuple[float, float], across: float, down: float) -> NDArray:
    """A point at shares of the room between surface and diaphragm."""
    return np.array([across, down]) * (room[1] - room[0]) + (0.0, room[0])


def _oval(x: NDArray, y: NDArray, middle: NDArray, half: tuple[float, float], angle: float) -> tuple[NDArray, ...]:
    """Coordinates in units of the half axes, and the distance to the oval in mm (exact near its edge)."""
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along = (cosine * (x - np.float32(middle[0])) + sine * (y - np.float32(middle[1]))) / np.float32(half[0])
    across = (cosine * (y - np.float32(middle[1])) - sine * (x - np.float32(middle[0]))) / np.float32(half[1])
    radius = np.sqrt(along**2 + across**2)
    slope = np.sqrt((along / half[0]) ** 2 + (across / half[1]) ** 2) / np.maximum(radius, 1e-3)
    return along, across, ((radius - 1) / np.maximum(slope, 1e-3)).astype(np.float32)


def _uneven(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> NDArray[np.float32]:
    noise = gaussian_filter(rng.standard_normal(shape, np.float32), size)
    return noise / noise.std()


def _gallbladder(x: NDArray, y: NDArray, room: tuple[float, float], side: float, rng: np.random.Generator) -> Organ:
    """A pear of bile, from its neck near the hilum to its fundus near the surface; or a cut across it."""
    fundus = _at(room, side * rng.uniform(0.30, 0.52), rng.uniform(0.30, 0.48))
    length = rng.uniform(32, 62) if rng.random() < 0.7 else rng.uniform(2, 8)
    angle = rng.uniform(0.35, 1.1)  # from horizontal, downwards to the middle
    axis = np.array([-side * np.cos(angle), np.sin(angle)])
    along = axis[0] * (x - fundus[0]) + axis[1] * (y - fundus[1])
    share = np.clip(along / length, 0, 1)
    across = axis[0] * (y - fundus[1]) - axis[1] * (x - fundus[0]) - rng.normal(0, 3) * np.sin(np.pi * share)
    # Widest at a third of the way from the fundus, thin at the neck.
    girth = rng.uniform(8.5, 13.5) * (0.82 + 0.28 * np.sin(np.pi * share) - 0.62 * share**2)
    distance = np.sqrt((along - length * share) ** 2 + across**2) - girth
    haze = np.exp(-np.maximum(-distance, 0) / 2.5)  # echoes of the wall in front spill into the bile
    level = -38 + 14 * haze
    return Organ(distance.astype(np.float32), level.astype(np.float32), rng.uniform(8, 12), 0.9, 0.3, rng.uniform(3, 6))


def _kidney(
    x: NDArray, y: NDArray, room: tuple[float, float], side: float, fat: float, rng: np.random.Generator
) -> Organ:
    """Cortex somewhat darker than liver, darker pyramids, a bright sinus, a bright capsule."""
    middle = _at(room, side * rng.uniform(0.56, 0.72), rng.uniform(0.72, 0.88))
    half = rng.uniform(45, 56), rng.uniform(20, 25)
    angle = -side * rng.uniform(0.05, 0.45)  # the lower pole comes towards the probe
    along, across, distance = _oval(x, y, middle, half, angle)
    uneven = _uneven(x.shape, 5.0, rng)
    core = np.sqrt((along / 0.56) ** 2 + (across / 0.36) ** 2) + 0.16 * uneven
    turn = np.arctan2(across / 0.5, along)
    pyramids = np.clip(np.cos(rng.integers(7, 11) * turn + rng.uniform(0, 6)) - 0.1, 0, 1)
    pyramids *= np.exp(-(((core - 1.45) / 0.28) ** 2))
    sinus = 0.5 - 0.5 * np.tanh((core - 1) / 0.16)
    level = -(rng.uniform(4, 7) + 4.0 * fat) * (1 - sinus) - 5.0 * pyramids + sinus * (rng.uniform(4, 8) + 2.5 * uneven)
    return Organ(distance, level.astype(np.float32), rng.uniform(9, 14), 1.0)


def _ligament(x: NDArray, y: NDArray, room: tuple[float, float], rng: np.random.Generator) -> Organ:
    """The round ligament cut across: a bright spot of fat and fibres that casts a shadow."""
    middle = _at(room, rng.uniform(-0.38, 0.38), rng.uniform(0.18, 0.5))
    half = rng.uniform(3.5, 7.5), rng.uniform(2.5, 4.5)
    *_, distance = _oval(x, y, middle, half, rng.uniform(-0.6, 0.6))
    level = rng.uniform(10, 14) + 2.5 * _uneven(x.shape, 2.0, rng)
    return Organ(distance, level.astype(np.float32), 3.0, 0.8, -2.5, rng.uniform(5, 11))
