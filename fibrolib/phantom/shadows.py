"""What is lost on the way: attenuation, uneven beams, a rib or the lung at the edge that moves with breathing.

All figures are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from fibrolib.phantom.anatomy import Anatomy
from fibrolib.phantom.geometry import HALF_ANGLE

__all__ = ["Cover", "Way", "draw_way"]

_RIB_SHARE, _LUNG_SHARE = 0.25, 0.12


@dataclass(frozen=True)
class Cover:
    """A rib, or the lung, that covers one side of the fan.

    Parameters
    ----------
    side : float
        -1 left, 1 right.
    edge, soft : float
        Angle from the axis where it begins, and over which it does, radians.
    follow : float
        How far it goes along when the liver slides.
    loss : ndarray of float32, shape `grid.shape`
        Nepers of amplitude that it takes.
    echo : ndarray of complex64, shape `grid.shape`
        What it sends back itself: its bright face, and reverberation that stands still in it.
    """

    side: float
    edge: float
    soft: float
    follow: float
    loss: NDArray[np.float32]
    echo: NDArray[np.complex64]

    def over(self, theta: NDArray, slide: float) -> NDArray:
        """Share of each beam that is covered when the liver has slid by `slide` radians."""
        into = (self.side * (theta - self.follow * slide) - self.edge) / self.soft
        return 1 / (1 + np.exp(-np.clip(into, -30, 30)))


@dataclass(frozen=True)
class Way:
    """The way from the probe to each sample and back.

    Parameters
    ----------
    theta : ndarray, shape (columns,)
        Angles of the beams.
    factor : ndarray of float32, shape `grid.shape`
        Factor of amplitude that does not change.
    cover : Cover or None
        What covers one side.
    """

    theta: NDArray[np.float64]
    factor: NDArray[np.float32]
    cover: Cover | None

    def at(self, slide: float) -> tuple[NDArray[np.float32], NDArray[np.complex64] | float]:
        """Factor of amplitude on the grid when the liver has slid by `slide` radians, and what the cover sends back."""
        if self.cover is None:
            return self.factor, 0.0
        over = self.cover.over(self.theta, slide).astype(np.float32)
        return self.factor * np.exp(-over * self.cover.loss), over * self.cover.echo


def draw_way(patient: object, anatomy: Anatomy, rng: np.random.Generator) -> Way:
    """Draw what is lost in one view.

    Parameters
    ----------
    patient : row of `draw_patients`
        With attribute ``fat``: it attenuates more than the gain curve expects (half of 2 x 3.3 MHz x .25 dB/cm/MHz is
        left at full fat).
    anatomy : Anatomy
        The view.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Way
    """
    grid = anatomy.grid
    r, theta = grid.r[:, None], grid.theta[None, :]
    left_over = 0.085 * patient.fat * np.maximum(r - 20, 0) + rng.normal(0, 0.012) * (r - 60)
    beams = gaussian_filter1d(rng.standard_normal(grid.shape[1]), 3)
    beams = 0.7 * beams / beams.std() + rng.uniform(0, 5) * np.clip(np.abs(theta) / HALF_ANGLE - 0.8, 0, None) * 5
    factor = (10 ** (-(left_over + beams) / 20)).astype(np.float32)
    kind = rng.random()
    cover = None
    if kind < _RIB_SHARE:
        cover = _rib(anatomy, rng)
    elif kind < _RIB_SHARE + _LUNG_SHARE:
        cover = _lung(anatomy, rng)
    return Way(grid.theta, factor, cover)


def _rib(anatomy: Anatomy, rng: np.random.Generator) -> Cover:
    """A bright face in the wall and black behind it; it moves a little against the probe."""
    grid, face = anatomy.grid, anatomy.surface.depth * rng.uniform(0.55, 0.85)
    depth = grid.r[:, None] - face - 30 * (np.abs(grid.theta) - 0.5) ** 2
    level = rng.uniform(2, 8) * np.exp(-((depth / 0.9) ** 2)) - 45 * (1 - np.exp(-((depth / 1.5) ** 2)))
    return _cover(
        (rng.uniform(0.37, 0.48), rng.uniform(0.010, 0.020), rng.uniform(-0.5, 0.5)),
        24 * np.clip(depth / 4, 0, 1),
        level,
        rng,
    )


def _lung(anatomy: Anatomy, rng: np.random.Generator) -> Cover:
    """The pleura shines and repeats itself in grey haze; with the liver it comes and goes like a curtain."""
    grid = anatomy.grid
    course = anatomy.surface.course(grid.theta) - 1.5
    depth = grid.r[:, None] - course
    haze = rng.uniform(-17, -9) - rng.uniform(0.08, 0.2) * np.maximum(depth, 0)
    again = 7 * np.cos(np.pi * depth / course) ** 40 * (depth > 0.5 * course)
    level = np.where(depth < -1.5, -60, haze + again) + rng.uniform(24, 30) * np.exp(-((depth / 1.2) ** 2))
    return _cover(
        (rng.uniform(0.35, 0.47), rng.uniform(0.012, 0.03), rng.uniform(0.7, 1.2)),
        34 * np.clip(depth / 2, 0, 1),
        level,
        rng,
    )


def _cover(edge: tuple[float, float, float], loss: NDArray, level: NDArray, rng: np.random.Generator) -> Cover:
    """From decibels lost and sent back."""
    noise = rng.standard_normal((*level.shape, 2), np.float32).view(np.complex64)[..., 0]
    # As wide as a beam; the receiver makes it as long as a pulse.
    noise = gaussian_filter1d(noise.real, 2.2, axis=1) + 1j * gaussian_filter1d(noise.imag, 2.2, axis=1)
    echo = noise / noise.std() * 10 ** (level / 20)
    return Cover(rng.choice([-1.0, 1.0]), *edge, (loss * np.log(10) / 20).astype(np.float32), echo.astype(np.complex64))
