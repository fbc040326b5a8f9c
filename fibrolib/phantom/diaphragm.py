"""The diaphragm, and what the lung behind it sends back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from fibrolib.phantom.geometry import PolarGrid

__all__ = ["Dome", "behind_dome", "draw_dome"]


@dataclass(frozen=True)
class Dome:
    """The diaphragm in one view: a bow with an uneven course, seen where the beam meets it squarely enough.

    Parameters
    ----------
    r, theta : float
        Its deepest place before the waves are added: depth (mm) and angle (radians).
    rise : tuple of float
        How fast it rises to the left and to the right, mm per squared radian.
    waves : ndarray, shape (waves, 3)
        Height (mm), waves per radian and phase of its unevenness.
    seen : tuple of float
        Angles at which it has faded by half, left and right.
    fade : float
        Over how many radians it fades.
    """

    r: float
    theta: float
    rise: tuple[float, float]
    waves: NDArray[np.float64]
    seen: tuple[float, float]
    fade: float

    def depth(self, theta: ArrayLike) -> NDArray:
        """Depth of the diaphragm, mm."""
        away = np.asarray(theta) - self.theta
        wave = sum(height * np.sin(rate * away + phase) for height, rate, phase in self.waves)
        return self.r - np.where(away < 0, *self.rise) * away**2 + wave

    def visible(self, theta: ArrayLike) -> NDArray:
        """How well it is seen, 0 to 1."""
        left, right = ((np.asarray(theta) - edge) / self.fade for edge in self.seen)
        return 1 / (1 + np.exp(-left)) / (1 + np.exp(right))


def draw_dome(depth: float, kidney: float, rng: np.random.Generator) -> Dome:
    """Draw the diaphragm of one view. All figures are assumptions.

    Parameters
    ----------
    depth : float
        Depth of the picture, mm.
    kidney : float
        Side of the kidney (its sign), where the liver ends at the kidney and no diaphragm is seen; 0 for none.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Dome
    """
    waves = np.stack([rng.normal(0, (1.8, 1.1, 0.5)), rng.uniform((4, 7, 12), (7, 12, 18)), rng.uniform(0, 6.3, 3)], 1)
    dome = Dome(
        r=depth * rng.uniform(0.72, 0.82),
        theta=rng.uniform(-0.2, 0.2),
        rise=tuple(rng.uniform(35, 110, 2)),
        waves=waves,
        seen=(-rng.uniform(0.28, 0.75), rng.uniform(0.28, 0.75)),
        fade=rng.uniform(0.02, 0.06),
    )
    if not kidney:
        return dome
    edge = kidney * rng.uniform(0.08, 0.2)
    return Dome(
        dome.r, dome.theta, dome.rise, waves, (dome.seen[0], edge) if kidney > 0 else (edge, dome.seen[1]), 0.04
    )


def behind_dome(
    level: NDArray, beyond: NDArray, dome: Dome, grid: PolarGrid, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Decibels of echo behind the diaphragm, at every place of the grid.

    Parameters
    ----------
    level : ndarray, shape `grid.shape`
        Decibels of echo before it.
    beyond : ndarray, shape `grid.shape`
        Distance beyond the diaphragm, mm.
    dome : Dome
        The diaphragm.
    grid : PolarGrid
        The grid.
    rng : numpy.random.Generator
        Source of chance: how strong the liver's mirror image and the reverberation are.

    Returns
    -------
    ndarray
        The mirror image where the diaphragm is seen, with bands of reverberation; the dark of the flank elsewhere.
    """
    row = np.rint((2 * dome.depth(grid.theta) - grid.r[:, None]) / grid.steps[0]).astype(int) + grid.guard
    image = np.take_along_axis(level, np.clip(row, 0, grid.shape[0] - 1), axis=0)
    patches = gaussian_filter1d(rng.standard_normal(grid.shape[1]), 10)
    mirror = 0.8 * image - rng.uniform(7, 17) - rng.uniform(0.12, 0.3) * beyond + 2.5 * patches / patches.std()
    spacing, strength = rng.uniform(4, 9), rng.choice([0.0, rng.uniform(3, 9)])
    bands = strength * np.cos(np.pi * beyond / spacing) ** 6 * np.exp(-np.abs(beyond) / rng.uniform(8, 20))
    flank = rng.uniform(-17, -9) - 0.15 * beyond
    seen = dome.visible(grid.theta)
    return (seen * (mirror + bands) + (1 - seen) * flank).astype(np.float32)
