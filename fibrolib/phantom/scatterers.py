"""Point scatterers of one view, and the attenuation of their echoes between tissue and probe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from fibrolib.phantom.anatomy import _Anatomy
from fibrolib.phantom.imaging import FACE_RADIUS, HALF_ANGLE, _plane_from_polar, _PolarGrid
from fibrolib.phantom.patients import _clustering

_PIXEL = 0.8  # of the plane's noise fields, mm
_RIB_SHARE, _LUNG_SHARE = 0.25, 0.12  # of views; all figures of attenuation are assumptions


@dataclass(frozen=True)
class _Scatterers:
    """Point scatterers at rest; arrays have one value per scatterer."""

    r: NDArray[np.float32]  # mm
    theta: NDArray[np.float32]  # radians
    amplitude: NDArray[np.complex64]  # what they reflect in this plane
    hidden: NDArray[np.complex64]  # what they reflect in a plane one slice thickness away
    inside: NDArray[np.bool_]  # whether they slide with the liver or stay with the abdominal wall
    density: float  # tissue scatterers per grid sample

    @classmethod
    def draw(cls, patient: object, anatomy: _Anatomy, rng: Generator, count: int = 90_000) -> _Scatterers:
        """Fill an anatomy with `count` tissue scatterers, about nine in a resolution cell, and specular lines."""
        grid = anatomy.grid
        rows, columns = grid.shape
        row = rng.random(count, np.float32) * (rows - 1)
        column = rng.random(count, np.float32) * (columns - 1)
        place = np.stack([row, column])
        level = _sample(_level_map(patient, anatomy, rng), place) + _parenchyma(patient, anatomy, place, rng)
        strength = 10 ** (level / 20)
        amplitude, hidden = (strength * np.exp(2j * np.pi * rng.random(count, np.float32)) for _ in range(2))
        inside = _sample(anatomy.liver_depth, place) > 0
        lines = _specular_lines(anatomy, patient, rng)
        parts = zip((*grid.polar(row, column), amplitude, hidden, inside), lines, strict=True)
        kinds = (np.float32, np.float32, np.complex64, np.complex64, np.bool_)
        joined = (np.concatenate(part).astype(kind) for part, kind in zip(parts, kinds, strict=True))
        return cls(*joined, density=count / (rows * columns))


def _sample(image: NDArray, place: NDArray) -> NDArray[np.float32]:
    return map_coordinates(image, place, order=1, mode="nearest", output=np.float32)


def _level_map(patient: object, anatomy: _Anatomy, rng: Generator) -> NDArray[np.float32]:
    """Decibels of echo on the grid, average liver being 0, without the fine structure of the parenchyma."""
    liver_depth, lung_depth = anatomy.liver_depth, anatomy.lung_depth
    vessels, diaphragm, grid = anatomy.vessels, anatomy.diaphragm, anatomy.grid
    wall = anatomy.wall.echo(grid.r, grid.theta, anatomy.surface.smooth_depth(grid.theta), rng)
    level = np.where(liver_depth < 0, wall, 0.0)
    level += 12.0 * np.exp(-((liver_depth / 0.8) ** 2))  # the capsule's own thickness
    blur = 1 - 0.6 * patient.fat  # fat hides the walls of vessels
    level += 15.0 * blur * np.exp(-(((vessels.portal - 1.0) / 0.9) ** 2)) * (liver_depth > 0)
    level += 3.0 * blur * np.exp(-(((vessels.hepatic - 0.5) / 0.6) ** 2)) * (liver_depth > 0)
    lumen = np.clip(-vessels.distance / 0.5, 0, 1)
    # Blood does not attenuate: what lies behind a vessel comes out brighter than the gain curve expects, .25 dB/mm.
    level += np.minimum(0.25 * np.cumsum(lumen, axis=0) * grid.steps[0], 4.0) - 27.0 * lumen
    level = np.where(lung_depth > 0, diaphragm.echo_behind(level, lung_depth, grid, rng), level)
    level += 10.0 * diaphragm.visibility(grid.theta) * np.exp(-((lung_depth / 1.2) ** 2))
    if anatomy.organs.kidney is not None:
        level = np.where(anatomy.organs.behind_kidney, rng.uniform(-14, -8), level)
    for organ in anatomy.organs.visible:
        level = organ.add_to(level, grid.steps[0])
    return level.astype(np.float32)


def _parenchyma(patient: object, anatomy: _Anatomy, place: NDArray, rng: Generator) -> NDArray[np.float32]:
    """Decibels that clustering, septa and the liver's slow unevenness add to each scatterer inside the liver."""
    grid = anatomy.grid
    x, y = _plane_from_polar(*grid.polar(*place))
    spread, height = _clustering(patient.texture)
    cluster, net, slow = (_noise_at(x, y, grid, size, rng) for size in (1.3, 2.6, 12.0))
    added = spread * cluster + height * np.exp(-((net / 0.22) ** 2))
    liver = (_sample(anatomy.liver_depth, place) > 0.5) & anatomy.parenchyma[tuple(np.rint(place).astype(np.intp))]
    # The mean power stays that of a smooth liver: the sonographer sets the brightness, not the disease.
    added -= 10 * np.log10(np.mean(10 ** (added / 10)))
    return np.where(liver, added + 1.2 * slow, 0).astype(np.float32)


def _noise_at(x: NDArray, y: NDArray, grid: _PolarGrid, size: float, rng: Generator) -> NDArray[np.float32]:
    """A standard normal field of correlation length `size` (mm, a Gaussian's sigma) at places of the plane."""
    half = (FACE_RADIUS + grid.depth + 12) * np.sin(HALF_ANGLE + 0.08)
    shape = (int((grid.depth + 40) / _PIXEL), int(2 * half / _PIXEL))
    noise = gaussian_filter(rng.standard_normal(shape, np.float32), size / _PIXEL, mode="wrap")
    return _sample(noise / noise.std(), np.stack([(y + 25) / _PIXEL, (x + half) / _PIXEL]))


def _specular_lines(anatomy: _Anatomy, patient: object, rng: Generator) -> tuple[NDArray, ...]:
    """Specular lines: points so close, and of one phase, that they shine only where the beam meets them squarely."""
    theta = np.arange(-HALF_ANGLE - 0.15, HALF_ANGLE + 0.15, 0.25 / (FACE_RADIUS + anatomy.surface.depth))
    surface, nodules = anatomy.surface.smooth_depth(theta), anatomy.surface.nodule_depth(theta)
    diaphragm, visibility = anatomy.diaphragm.depth(theta), anatomy.diaphragm.visibility(theta)
    kinds = [  # depth, strength and its unevenness in dB, whether it slides with the liver
        *((fascia, rng.uniform(0, 5), 2.0, False) for fascia in anatomy.wall.fasciae(surface, theta)[:-1]),
        (surface - 1.6, rng.uniform(0, 3), 2.0, False),
        (surface + nodules, 10.0, 3.0, True),
        (diaphragm, 13.0 - 8 * patient.fat + 20 * np.log10(visibility + 1e-3), 6.0, True),
    ]
    size = theta.size
    patches = gaussian_filter1d(rng.standard_normal((len(kinds), size)), 30, axis=1)
    patches /= patches.std()
    level = np.concatenate([kind[1] + kind[2] * patch for kind, patch in zip(kinds, patches, strict=True)])
    r = np.concatenate([depth for depth, *_ in kinds]) + 0.03 * rng.standard_normal(level.size)
    amplitude = (10 ** (level / 20)).astype(np.complex64)
    inside = np.repeat([inside for *_, inside in kinds], size)
    return r, np.tile(theta, len(kinds)), amplitude, np.zeros_like(amplitude), inside


@dataclass(frozen=True)
class _Cover:
    """A rib, or the lung, that covers one side of the fan."""

    side: float  # -1 left, 1 right
    edge: float  # angle from the axis where it begins, radians
    softness: float  # angle over which it begins, radians
    follow: float  # share of the liver's slide that it follows
    loss: NDArray[np.float32]  # map of the amplitude it takes, nepers
    echo: NDArray[np.complex64]  # map of its own echo: its bright face, and reverberation that stands still

    def coverage(self, theta: NDArray, slide: float) -> NDArray:
        into = (self.side * (theta - self.follow * slide) - self.edge) / self.softness
        return 1 / (1 + np.exp(-np.clip(into, -30, 30)))


@dataclass(frozen=True)
class _Attenuation:
    """What is lost between the probe and each sample of the grid: fat, uneven beams, a rib or the lung at the edge."""

    theta: NDArray[np.float64]  # angles of the beams
    factor: NDArray[np.float32]  # map of the part that does not change, as factor of amplitude
    cover: _Cover | None

    @classmethod
    def draw(cls, patient: object, anatomy: _Anatomy, rng: Generator) -> _Attenuation:
        grid = anatomy.grid
        r, theta = grid.r[:, None], grid.theta[None, :]
        # Of full fat's 2 x 3.3 MHz x .25 dB/cm/MHz, half is more than the gain curve expects.
        excess = 0.085 * patient.fat * np.maximum(r - 20, 0) + rng.normal(0, 0.012) * (r - 60)
        beams = gaussian_filter1d(rng.standard_normal(grid.shape[1]), 3)
        beams = 0.7 * beams / beams.std() + rng.uniform(0, 5) * np.clip(np.abs(theta) / HALF_ANGLE - 0.8, 0, None) * 5
        factor = (10 ** (-(excess + beams) / 20)).astype(np.float32)
        kind = rng.random()
        cover = None
        if kind < _RIB_SHARE:
            cover = _draw_rib(anatomy, rng)
        elif kind < _RIB_SHARE + _LUNG_SHARE:
            cover = _draw_lung(anatomy, rng)
        return cls(grid.theta, factor, cover)

    def at(self, slide: float) -> tuple[NDArray[np.float32], NDArray[np.complex64] | float]:
        """Factor of amplitude on the grid when the liver has slid by `slide` radians, and the echo of the cover."""
        if self.cover is None:
            return self.factor, 0.0
        coverage = self.cover.coverage(self.theta, slide).astype(np.float32)
        return self.factor * np.exp(-coverage * self.cover.loss), coverage * self.cover.echo


def _draw_rib(anatomy: _Anatomy, rng: Generator, edges: tuple[float, float] = (0.37, 0.48)) -> _Cover:
    """A bright face in the wall and black behind it; it moves a little against the probe."""
    grid, face = anatomy.grid, anatomy.surface.depth * rng.uniform(0.55, 0.85)
    depth = grid.r[:, None] - face - 30 * (np.abs(grid.theta) - 0.5) ** 2
    level = rng.uniform(2, 8) * np.exp(-((depth / 0.9) ** 2)) - 45 * (1 - np.exp(-((depth / 1.5) ** 2)))
    edge = rng.uniform(*edges), rng.uniform(0.010, 0.020), rng.uniform(-0.5, 0.5)
    return _cover(edge, 24 * np.clip(depth / 4, 0, 1), level, rng)


def _draw_lung(anatomy: _Anatomy, rng: Generator) -> _Cover:
    """The pleura shines and repeats itself in grey haze; with the liver it comes and goes like a curtain."""
    grid = anatomy.grid
    pleura = anatomy.surface.smooth_depth(grid.theta) - 1.5
    depth = grid.r[:, None] - pleura
    haze = rng.uniform(-17, -9) - rng.uniform(0.08, 0.2) * np.maximum(depth, 0)
    repeats = 7 * np.cos(np.pi * depth / pleura) ** 40 * (depth > 0.5 * pleura)
    level = np.where(depth < -1.5, -60, haze + repeats) + rng.uniform(24, 30) * np.exp(-((depth / 1.2) ** 2))
    edge = rng.uniform(0.35, 0.47), rng.uniform(0.012, 0.03), rng.uniform(0.7, 1.2)
    return _cover(edge, 34 * np.clip(depth / 2, 0, 1), level, rng)


def _draw_air(anatomy: _Anatomy, rng: Generator) -> _Cover:
    """No contact over most of the probe's face: its ring of reverberation, and nothing behind."""
    depth = np.maximum(anatomy.grid.r[:, None], 0) + 0 * anatomy.grid.theta
    rings = 8 * np.cos(np.pi * depth / rng.uniform(2.5, 4.0)) ** 8
    level = rng.uniform(2, 8) + rings - rng.uniform(3, 5) * depth
    edge = rng.uniform(-0.6, -0.35), rng.uniform(0.01, 0.03), 0.0
    return _cover(edge, 60 * np.clip(depth / 2, 0, 1), level, rng)


USELESS_COVERS = {"shadow": partial(_draw_rib, edges=(-0.45, -0.1)), "no contact": _draw_air}
"""Covers under which little of the liver is left: 59 to 92 % of the beams, and 83 % or more."""


def _cover(edge: tuple[float, float, float], loss: NDArray, level: NDArray, rng: Generator) -> _Cover:
    """A cover from its edge, softness and follow, and maps of decibels lost and sent back."""
    noise = rng.standard_normal((*level.shape, 2), np.float32).view(np.complex64)[..., 0]
    # As wide as a beam; the receiver makes it as long as a pulse.
    noise = gaussian_filter1d(noise.real, 2.2, axis=1) + 1j * gaussian_filter1d(noise.imag, 2.2, axis=1)
    echo = noise / noise.std() * 10 ** (level / 20)
    nepers = (loss * np.log(10) / 20).astype(np.float32)
    return _Cover(rng.choice([-1.0, 1.0]), *edge, nepers, echo.astype(np.complex64))
