"""Portal and hepatic veins of one view: tubes and cross-sections, as signed distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fibrolib.phantom.geometry import FACE_RADIUS, PolarGrid

__all__ = ["Vessels", "draw_vessels", "swelling"]


@dataclass(frozen=True)
class Vessels:
    """Distance to the nearest vessel's wall, mm, negative inside the lumen; shape of the places asked for.

    Parameters
    ----------
    portal : ndarray
        Portal branches, which have bright walls.
    hepatic : ndarray
        Hepatic veins, whose walls hardly show.
    """

    portal: NDArray[np.float32]
    hepatic: NDArray[np.float32]

    @property
    def distance(self) -> NDArray[np.float32]:
        """Distance to the nearest wall of either kind."""
        return np.minimum(self.portal, self.hepatic)

    def kept_where(self, allowed: NDArray[np.bool_]) -> Vessels:
        """The same vessels, ended where they would leave the liver."""
        return Vessels(*(np.where(allowed, tree, np.maximum(tree, _FAR)) for tree in (self.portal, self.hepatic)))


_FAR = np.float32(3.0)  # mm from a wall where nothing of it is seen any more


class _Plane:
    """Places of one view, and the room between surface and diaphragm that vessels are drawn in."""

    def __init__(self, x: NDArray, y: NDArray, surface: float, dome: float, rng: np.random.Generator) -> None:
        self.x, self.y = x.astype(np.float32), y.astype(np.float32)
        self.surface, self.room, self.rng = surface, dome - surface, rng
        # Vessels wind out of the plane: their cut grows and shrinks slowly along the way.
        kx, ky, phase = rng.normal(0, 0.09, 4), rng.normal(0, 0.09, 4), rng.uniform(0, 2 * np.pi, 4)
        waves = zip(kx.astype(np.float32), ky.astype(np.float32), phase.astype(np.float32), strict=True)
        self.winding = sum(np.float32(0.5) * np.sin(a * self.x + b * self.y + c) for a, b, c in waves)

    def place(self, across: float, down: float) -> NDArray:
        """A point at shares of the room: `across` from the axis, `down` from the surface."""
        return np.array([across * self.room, self.surface + down * self.room])

    def tube(self, start: NDArray, end: NDArray, first: float, last: float, points: int = 36) -> NDArray[np.float32]:
        """Distance to a bent tube from `start` to `end` whose radius goes from `first` to `last` (mm)."""
        share = np.linspace(0, 1, points)[:, None]
        across = np.array([-(end - start)[1], (end - start)[0]])
        bend = self.rng.normal(0, 0.10) * np.sin(np.pi * share) + self.rng.normal(0, 0.03) * np.sin(2 * np.pi * share)
        line = (start + share * (end - start) + bend * across).astype(np.float32)
        radius = np.linspace(first, last, points, dtype=np.float32)
        nearest = np.full(self.x.shape, 1e6, np.float32)
        for (x, y), size in zip(line, radius, strict=True):
            np.minimum(nearest, np.sqrt((self.x - x) ** 2 + (self.y - y) ** 2) - size, out=nearest)
        return nearest + self.winding

    def spot(self, middle: NDArray, radius: float) -> NDArray[np.float32]:
        """Distance to a vessel cut across, slightly oval."""
        oval = np.hypot((self.x - middle[0]) / self.rng.uniform(0.85, 1.4), self.y - middle[1])
        return (oval - radius).astype(np.float32)


def draw_vessels(x: NDArray, y: NDArray, surface: float, dome: float, rng: np.random.Generator) -> Vessels:
    """Draw the vessels of one view: one tree lies in the plane, the other is met here and there.

    Parameters
    ----------
    x, y : ndarray
        Places on the plane, mm.
    surface, dome : float
        Depth of the liver's surface and of the diaphragm on the axis, mm.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Vessels
        Distances at those places.
    """
    plane = _Plane(x, y, surface, dome, rng)
    side = rng.choice([-1.0, 1.0])
    spots = [_spots(plane, rng.integers(2, 6)) for _ in range(2)]
    if rng.random() < 0.55:
        portal = _portal(plane, side)
        portal = np.minimum(portal, spots[0])
        return Vessels(portal, _apart(spots[1], portal))
    hepatic = np.minimum(_hepatic(plane, side), spots[1])
    return Vessels(_apart(np.minimum(spots[0], _branch(plane, side)), hepatic), hepatic)


def swelling(distance: NDArray, grid: PolarGrid) -> NDArray[np.complex64]:
    """Displacement of the tissue around vessels that widen, per mm that their walls move.

    Parameters
    ----------
    distance : ndarray, shape `grid.shape`
        Distance to the walls, mm.
    grid : PolarGrid
        The grid.

    Returns
    -------
    ndarray, shape `grid.shape`
        Depth (mm) as real, angle (radians) as imaginary part. It fades over 4 mm around the wall (assumption).
    """
    smooth = gaussian_filter(np.minimum(distance, 20.0), (1.5, 1.0))
    down, turn = np.gradient(smooth, grid.steps[0], grid.steps[1])
    radius = FACE_RADIUS + grid.r[:, None]
    across = turn / radius
    fade = np.exp(-np.maximum(smooth, 0) / 4.0 + np.minimum(smooth, 0) / 2.0)
    # Where vessels were cut off the distance jumps: no tissue is pushed faster than the wall.
    fade /= np.maximum(np.hypot(down, across), 1.0)
    return (fade * (down + 1j * across / radius)).astype(np.complex64)


def _apart(tree: NDArray, other: NDArray) -> NDArray[np.float32]:
    """A tree without what would touch the other one."""
    return np.where(other > 5.0, tree, np.maximum(tree, _FAR))


def _spots(plane: _Plane, number: int) -> NDArray[np.float32]:
    rng = plane.rng
    places = [plane.place(rng.uniform(-0.75, 0.75), rng.uniform(0.12, 0.78)) for _ in range(number)]
    return np.minimum.reduce([plane.spot(place, rng.uniform(0.8, 2.6)) for place in places])


def _portal(plane: _Plane, side: float) -> NDArray[np.float32]:
    """A trunk that comes into the plane at the hilum and splits in two."""
    rng = plane.rng
    hilum = plane.place(side * rng.uniform(0.30, 0.60), rng.uniform(0.55, 0.75))
    fork = plane.place(side * rng.uniform(-0.05, 0.15), rng.uniform(0.42, 0.6))
    up = fork + plane.room * np.array([-side * rng.uniform(0.25, 0.5), -rng.uniform(0.15, 0.3)])
    down = fork + plane.room * np.array([-side * rng.uniform(0.25, 0.5), rng.uniform(0.0, 0.15)])
    width = rng.uniform(4.3, 6.0)
    tubes = [
        plane.tube(hilum, fork, 0.3 * width, width),
        plane.tube(fork, up, 0.65 * width, 0.1 * width),
        plane.tube(fork, down, 0.55 * width, 0.1 * width),
    ]
    return np.minimum.reduce(tubes)


def _hepatic(plane: _Plane, side: float) -> NDArray[np.float32]:
    """Two or three veins that meet in the inferior vena cava below the diaphragm."""
    rng = plane.rng
    meeting = plane.place(-side * rng.uniform(0.0, 0.3), rng.uniform(0.80, 0.88))
    tubes = [plane.spot(meeting, rng.uniform(5.5, 8.0))]
    for slant in rng.permutation([-0.55, 0.05, 0.6])[: rng.integers(2, 4)]:
        start = plane.place(slant + rng.uniform(-0.12, 0.12), rng.uniform(0.18, 0.42))
        tubes.append(plane.tube(start, meeting, rng.uniform(0.3, 1.2), rng.uniform(3.4, 4.8)))
    return np.minimum.reduce(tubes)


def _branch(plane: _Plane, side: float) -> NDArray[np.float32]:
    """A stretch of a portal branch, away from the hepatic veins."""
    rng = plane.rng
    start = plane.place(side * rng.uniform(0.15, 0.6), rng.uniform(0.3, 0.65))
    end = start + plane.room * np.array([rng.uniform(-0.35, 0.35), rng.uniform(-0.15, 0.15)])
    return plane.tube(start, end, rng.uniform(1.0, 3.2), rng.uniform(0.5, 2.2))
