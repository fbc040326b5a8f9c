"""The point scatterers of one view: how strongly each place of the anatomy reflects, and through what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from fibrolib.phantom.anatomy import Anatomy
from fibrolib.phantom.diaphragm import behind_dome
from fibrolib.phantom.geometry import FACE_RADIUS, HALF_ANGLE, PolarGrid, plane_from_polar

__all__ = ["Scatterers", "clustering", "draw_scatterers"]


@dataclass(frozen=True)
class Scatterers:
    """Point scatterers at rest.

    Parameters
    ----------
    r, theta : ndarray of float32, shape (scatterers,)
        Places, mm and radians.
    amplitude, hidden : ndarray of complex64, shape (scatterers,)
        What they reflect in this plane, and in a plane one slice thickness away.
    inside : ndarray of bool, shape (scatterers,)
        Whether they slide with the liver or stay with the abdominal wall.
    density : float
        Tissue scatterers per grid sample.
    """

    r: NDArray[np.float32]
    theta: NDArray[np.float32]
    amplitude: NDArray[np.complex64]
    hidden: NDArray[np.complex64]
    inside: NDArray[np.bool_]
    density: float


def clustering(carrier: float) -> tuple[float, float]:
    """Scatterer clustering (standard deviation, dB) and height of septa (dB) for a `texture` carrier.

    Both grow with fibrosis, as homodyned-K clustering does; the scale is an assumption.
    """
    rise = np.log1p(np.exp(0.9 * carrier))
    return float(0.5 + 7.0 * np.tanh(rise / 3)), float(12.0 * np.tanh(rise / 3))


def draw_scatterers(patient: object, anatomy: Anatomy, rng: np.random.Generator, count: int = 90_000) -> Scatterers:
    """Fill an anatomy with scatterers.

    Parameters
    ----------
    patient : row of `draw_patients`
        With attributes ``fat`` and ``texture``.
    anatomy : Anatomy
        The view.
    rng : numpy.random.Generator
        Source of chance.
    count : int
        Number of tissue scatterers; at the default about nine in a resolution cell, enough for developed speckle.

    Returns
    -------
    Scatterers
        Tissue everywhere on the grid, and the specular lines of fascia, capsule and diaphragm.
    """
    grid = anatomy.grid
    rows, columns = grid.shape
    row = rng.random(count, np.float32) * (rows - 1)
    column = rng.random(count, np.float32) * (columns - 1)
    place = np.stack([row, column])
    level = _sample(_level_map(patient, anatomy, rng), place) + _parenchyma(patient, anatomy, place, rng)
    strength = 10 ** (level / 20)
    amplitude, hidden = (strength * np.exp(2j * np.pi * rng.random(count, np.float32)) for _ in range(2))
    r, theta = (row - grid.guard) * grid.steps[0], (column - grid.guard) * grid.steps[1] - HALF_ANGLE
    inside = _sample(anatomy.below, place) > 0
    lines = _lines(anatomy, patient, rng)
    parts = zip((r, theta, amplitude, hidden, inside), lines, strict=True)
    kinds = (np.float32, np.float32, np.complex64, np.complex64, np.bool_)
    joined = (np.concatenate(part).astype(kind) for part, kind in zip(parts, kinds, strict=True))
    return Scatterers(*joined, density=count / (rows * columns))


def _sample(image: NDArray, place: NDArray) -> NDArray[np.float32]:
    return map_coordinates(image, place, order=1, mode="nearest", output=np.float32)


def _nearest(image: NDArray, place: NDArray) -> NDArray:
    row, column = np.rint(place).astype(np.intp)
    return image[row, column]


def _level_map(patient: object, anatomy: Anatomy, rng: np.random.Generator) -> NDArray[np.float32]:
    """Decibels of echo on the grid, average liver being 0, without the fine structure of the parenchyma."""
    below, beyond, vessels, grid = anatomy.below, anatomy.beyond, anatomy.vessels, anatomy.grid
    wall = anatomy.wall.echo(grid.r, grid.theta, anatomy.surface.course(grid.theta), rng)
    level = np.where(below < 0, wall, 0.0)
    level += 12.0 * np.exp(-((below / 0.8) ** 2))  # the capsule's own thickness
    blur = 1 - 0.6 * patient.fat  # fat hides the walls of vessels
    level += 15.0 * blur * np.exp(-(((vessels.portal - 1.0) / 0.9) ** 2)) * (below > 0)
    level += 3.0 * blur * np.exp(-(((vessels.hepatic - 0.5) / 0.6) ** 2)) * (below > 0)
    lumen = np.clip(-vessels.distance / 0.5, 0, 1)
    # Blood does not attenuate: what lies behind a vessel comes out brighter than the gain curve expects, .25 dB/mm.
    level += np.minimum(0.25 * np.cumsum(lumen, axis=0) * grid.steps[0], 4.0) - 27.0 * lumen
    level = np.where(beyond > 0, behind_dome(level, beyond, anatomy.dome, grid, rng), level)
    level += 10.0 * anatomy.dome.visible(grid.theta) * np.exp(-((beyond / 1.2) ** 2))
    if anatomy.organs.kidney is not None:
        level = np.where(anatomy.organs.behind_kidney, rng.uniform(-14, -8), level)
    for organ in anatomy.organs.shown:
        level = organ.painted(level, grid.steps[0])
    return level.astype(np.float32)


def _parenchyma(patient: object, anatomy: Anatomy, place: NDArray, rng: np.random.Generator) -> NDArray[np.float32]:
    """Decibels that clustering, septa and the liver's slow unevenness add to each scatterer inside the liver."""
    grid = anatomy.grid
    x, y = plane_from_polar(
        (place[0] - grid.guard) * grid.steps[0], (place[1] - grid.guard) * grid.steps[1] - HALF_ANGLE
    )
    spread, height = clustering(patient.texture)
    cluster, net, slow = (_field(x, y, grid, size, rng) for size in (1.3, 2.6, 12.0))
    added = spread * cluster + height * np.exp(-((net / 0.22) ** 2))
    liver = (_sample(anatomy.below, place) > 0.5) & _nearest(anatomy.parenchyma, place)
    # The mean power stays that of a smooth liver: brightness is the sonographer's, not the disease's.
    added -= 10 * np.log10(np.mean(10 ** (added / 10)))
    return np.where(liver, added + 1.2 * slow, 0).astype(np.float32)


_PIXEL = 0.8  # mm of the plane's noise fields


def _field(x: NDArray, y: NDArray, grid: PolarGrid, size: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A standard normal field of correlation length `size` (mm, a Gaussian's sigma) at places of the plane."""
    half = (FACE_RADIUS + grid.depth + 12) * np.sin(HALF_ANGLE + 0.08)
    shape = (int((grid.depth + 40) / _PIXEL), int(2 * half / _PIXEL))
    noise = gaussian_filter(rng.standard_normal(shape, np.float32), size / _PIXEL, mode="wrap")
    return _sample(noise / noise.std(), np.stack([(y + 25) / _PIXEL, (x + half) / _PIXEL]))


def _lines(anatomy: Anatomy, patient: object, rng: np.random.Generator) -> tuple[NDArray, ...]:
    """Specular lines: points so close, and of one phase, that they shine only where the beam meets them squarely."""
    theta = np.arange(-HALF_ANGLE - 0.15, HALF_ANGLE + 0.15, 0.25 / (FACE_RADIUS + anatomy.surface.depth))
    course, nodule = anatomy.surface.course(theta), anatomy.surface.nodule(theta)
    dome, seen = anatomy.dome.depth(theta), anatomy.dome.visible(theta)
    kinds = [  # depth, strength and its unevenness in dB, whether it slides with the liver
        *((fascia, rng.uniform(0, 5), 2.0, False) for fascia in anatomy.wall.fasciae(course, theta)[:-1]),
        (course - 1.6, rng.uniform(0, 3), 2.0, False),
        (course + nodule, 10.0, 3.0, True),
        (dome, 13.0 - 8 * patient.fat + 20 * np.log10(seen + 1e-3), 6.0, True),
    ]
    size = theta.size
    patches = gaussian_filter1d(rng.standard_normal((len(kinds), size)), 30, axis=1)
    patches /= patches.std()
    level = np.concatenate([kind[1] + kind[2] * patch for kind, patch in zip(kinds, patches, strict=True)])
    r = np.concatenate([depth for depth, *_ in kinds]) + 0.03 * rng.standard_normal(level.size)
    amplitude = (10 ** (level / 20)).astype(np.complex64)
    inside = np.repeat([inside for *_, inside in kinds], size)
    return r, np.tile(theta, len(kinds)), amplitude, np.zeros_like(amplitude), inside
