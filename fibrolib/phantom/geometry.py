"""The polar grid of a convex probe, and its place on the plane of the picture.

Coordinates are depth `r` (mm below the probe's face) and angle `theta` (radians from its axis); the face is an arc of
`FACE_RADIUS`. On the plane, `x` is to the right and `y` down, in mm, with the middle of the face at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FACE_RADIUS = 55.0  # of the probe's face, mm (abdominal convex probes: 50-60)
HALF_ANGLE = np.radians(30.0)  # half of the opening angle


def _plane_from_polar(r: ArrayLike, theta: ArrayLike) -> tuple[NDArray, NDArray]:
    """`(x, y)` in mm of depth `r` (mm) and angle `theta` (radians)."""
    radius = np.asarray(r) + FACE_RADIUS
    return radius * np.sin(theta), radius * np.cos(theta) - FACE_RADIUS


def _polar_from_plane(x: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
    """`(r, theta)` of a point on the plane (mm)."""
    height = np.asarray(y) + FACE_RADIUS
    return np.hypot(x, height) - FACE_RADIUS, np.arctan2(x, height)


@dataclass(frozen=True)
class _PolarGrid:
    """Samples of the beam-formed picture; `shape`, `r`, `theta` and indices include the guard band."""

    depth: float  # of the last row, mm; the first row is the probe's face
    rows: int = 384
    columns: int = 176
    guard: int = 8  # samples on all four sides that are imaged and thrown away

    @property
    def steps(self) -> tuple[float, float]:  # mm, radians
        return self.depth / (self.rows - 1), 2 * HALF_ANGLE / (self.columns - 1)

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows + 2 * self.guard, self.columns + 2 * self.guard

    @property
    def r(self) -> NDArray[np.float64]:  # of the rows, mm
        return (np.arange(self.shape[0]) - self.guard) * self.steps[0]

    @property
    def theta(self) -> NDArray[np.float64]:  # of the columns, radians
        return (np.arange(self.shape[1]) - self.guard) * self.steps[1] - HALF_ANGLE

    def index(self, r: NDArray, theta: NDArray) -> tuple[NDArray, NDArray]:
        """Fractional row and column of places on the polar plane."""
        return r / self.steps[0] + self.guard, (theta + HALF_ANGLE) / self.steps[1] + self.guard

    def polar(self, row: NDArray, column: NDArray) -> tuple[NDArray, NDArray]:
        """Inverse of `index`."""
        return (row - self.guard) * self.steps[0], (column - self.guard) * self.steps[1] - HALF_ANGLE

    def nearest(self, image: NDArray, r: NDArray, theta: NDArray) -> NDArray:
        return image.ravel()[self.flat_index(r, theta)]

    def flat_index(self, r: NDArray, theta: NDArray) -> NDArray[np.intp]:
        """Index into the flattened grid of the nearest samples; beyond the edge, the edge's."""
        row, column = self.index(r, theta)
        row = np.clip(np.rint(row), 0, self.shape[0] - 1).astype(np.intp)
        column = np.clip(np.rint(column), 0, self.shape[1] - 1).astype(np.intp)
        return row * self.shape[1] + column
