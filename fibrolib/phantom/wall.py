"""The abdominal wall: skin, fat, one to three muscles with their fasciae, and a dark strip before the liver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["Wall", "draw_wall"]


@dataclass(frozen=True)
class Wall:
    """Layers between the probe and the liver.

    Parameters
    ----------
    skin : float
        Thickness of the skin, mm.
    ends : ndarray, shape (layers - 1,)
        Where each layer but the last ends, as shares of the wall's thickness.
    levels : ndarray, shape (layers,)
        Decibels of echo of fat, muscles and the last strip, average liver being 0.
    bright : ndarray, shape (layers - 1,)
        Decibels that the fascia at each end stands out by.
    waves : ndarray, shape (layers - 1, 3)
        Height (mm), waves per radian and phase of each fascia's course.
    stripes : tuple of float
        Decibels, thickness (rows) and length (columns) of the fibres.
    """

    skin: float
    ends: NDArray[np.float64]
    levels: NDArray[np.float64]
    bright: NDArray[np.float64]
    waves: NDArray[np.float64]
    stripes: tuple[float, float, float]

    def fasciae(self, course: NDArray, theta: ArrayLike) -> NDArray[np.float64]:
        """Depth in mm of each fascia at angles `theta`, under a wall that ends at depths `course` (mm)."""
        height, rate, phase = self.waves.T[..., None]
        return self.ends[:, None] * course + height * np.sin(rate * theta + phase)

    def echo(self, r: NDArray, theta: NDArray, course: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
        """Decibels of echo at depths `r` (rows, mm) by angles `theta` (columns); the fibres by chance."""
        strength, thick, long = self.stripes
        fibres = gaussian_filter(rng.standard_normal((r.size, theta.size)), (thick, long))
        level = np.full(fibres.shape, self.levels[0])
        depth = r[:, None]
        for fascia, inner, bright in zip(self.fasciae(course, theta), self.levels[1:], self.bright, strict=True):
            level = np.where(depth > fascia, inner, level) + bright * np.exp(-(((depth - fascia) / 0.55) ** 2))
        return np.where(depth < self.skin, 6.0, level) + strength / fibres.std() * fibres


def draw_wall(bmi: float, rng: np.random.Generator) -> Wall:
    """Draw a wall; heavier patients have more fat under the skin. All figures are assumptions.

    Parameters
    ----------
    bmi : float
        Body mass index, kg/m2.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Wall
    """
    muscles = rng.integers(1, 4)
    fat = np.clip(0.36 + 0.012 * (bmi - 24) + rng.normal(0, 0.08), 0.2, 0.66)
    last = rng.uniform(0.88, 0.95)
    shares = np.cumsum(rng.uniform(0.6, 1.4, muscles))
    ends = np.concatenate([[fat], fat + (last - fat) * shares / shares[-1]])
    levels = np.concatenate([[rng.uniform(-14, -8)], rng.uniform(-11, -5.5, muscles), [rng.uniform(-14, -10)]])
    waves = np.stack([rng.uniform(0.2, 0.9, ends.size), rng.uniform(6, 16, ends.size), rng.uniform(0, 6, ends.size)], 1)
    waves[-1, 0] = 0.2  # the last strip lies smoothly on the liver
    bright = np.concatenate([rng.uniform(5, 11, muscles), [0.0]])
    stripes = rng.uniform(2.5, 5.0), rng.uniform(0.9, 1.6), rng.uniform(8, 20)
    return Wall(rng.uniform(1.6, 2.8), ends, levels, bright, waves, stripes)
