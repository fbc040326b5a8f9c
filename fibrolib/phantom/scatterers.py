"""The point scatterers of one view: how strongly each place of the anatomy reflects, and through what loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from fibrolib.phantom.anatomy import Anatomy
from fibrolib.phantom.geometry import FACE_RADIUS, HALF_ANGLE, PolarGrid, plane_from_polar

__all__ = ["Scatterers", "clustering", "draw_scatterers", "sensitivity"]


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


def sensitivity(patient: object, anatomy: Anatomy, rng: np.random.Generator) -> NDArray[np.float32]:
    """What is lost on the way to each sample, as a factor of amplitude; shape `grid.shape`. Figures are assumptions.

    Fat attenuates more than the gain curve expects (half of 2 x 3.3 MHz x .25 dB/cm/MHz is left at full fat), ribs cast
    shadows from a third of the views' edges, beams differ a little.
    """
    grid = anatomy.grid
    r, theta = grid.r[:, None], grid.theta[None, :]
    left_over = 0.085 * patient.fat * np.maximum(r - 20, 0) + rng.normal(0, 0.012) * (r - 60)
    beams = gaussian_filter1d(rng.standard_normal(grid.shape[1]), 3)
    beams = 0.7 * beams / beams.std() + rng.uniform(0, 5) * np.clip(np.abs(theta) / HALF_ANGLE - 0.8, 0, None) * 5
    rib = 0.0
    if rng.random() < 0.35:
        edge = rng.uniform(0.34, 0.47)
        rib = 22 / (1 + np.exp(-(rng.choice([-1, 1]) * theta - edge) / 0.012)) * np.clip((r - 8) / 6, 0, 1)
    return (10 ** (-(left_over + beams + rib) / 20)).astype(np.float32)


def _sample(image: NDArray, place: NDArray) -> NDArray[np.float32]:
    return map_coordinates(image, place, order=1, mode="nearest", output=np.float32)


def _level_map(patient: object, anatomy: Anatomy, rng: np.random.Generator) -> NDArray[np.float32]:
    """Decibels of echo on the grid, average liver being 0, without the fine structure of the parenchyma."""
    below, beyond, vessels = anatomy.below, anatomy.beyond, anatomy.vessels
    level = np.where(below < 0, _wall(anatomy, rng), 0.0)
    level += 12.0 * np.exp(-((below / 0.8) ** 2))  # the capsule's own thickness
    blur = 1 - 0.6 * patient.fat  # fat hides the walls of vessels
    level += 15.0 * blur * np.exp(-(((vessels.portal - 1.0) / 0.9) ** 2)) * (below > 0)
    level += 3.0 * blur * np.exp(-(((vessels.hepatic - 0.5) / 0.6) ** 2)) * (below > 0)
    lumen = np.clip(-vessels.distance / 0.5, 0, 1)
    # Blood does not attenuate: what lies behind a vessel comes out brighter than the gain curve expects, .25 dB/mm.
    level += np.minimum(0.25 * np.cumsum(lumen, axis=0) * anatomy.grid.steps[0], 4.0)
    level = np.where(beyond > 0, -13.0 - 0.25 * beyond, level)  # mirror image in the lung
    level += np.where(beyond > 0, 0, -27.0 * lumen) + 10.0 * np.exp(-((beyond / 1.2) ** 2))
    return level.astype(np.float32)


def _wall(anatomy: Anatomy, rng: np.random.Generator) -> NDArray:
    """Skin, fat and striped muscle, in shares of the wall's thickness."""
    grid = anatomy.grid
    r, theta = grid.r[:, None], grid.theta[None, :]
    share = r / (anatomy.surface.course(theta) + 0.6 * np.sin(9 * theta + rng.uniform(0, 6)))
    fascia = rng.uniform(0.42, 0.58)
    stripes = gaussian_filter(rng.standard_normal(grid.shape), (1.2, 14.0))
    stripes *= 4.0 / stripes.std()
    skin, fat, muscle = 6.0, -11.0, -8.0
    level = np.where(r < 2.2, skin, np.where(share < fascia, fat, muscle)) + stripes
    return level + 9.0 * np.exp(-(((share - fascia) / 0.03) ** 2)) - 5.0 * np.exp(-(((share - 0.93) / 0.05) ** 2))


def _parenchyma(patient: object, anatomy: Anatomy, place: NDArray, rng: np.random.Generator) -> NDArray[np.float32]:
    """Decibels that clustering, septa and the liver's slow unevenness add to each scatterer inside the liver."""
    grid = anatomy.grid
    x, y = plane_from_polar(
        (place[0] - grid.guard) * grid.steps[0], (place[1] - grid.guard) * grid.steps[1] - HALF_ANGLE
    )
    spread, height = clustering(patient.texture)
    cluster, net, slow = (_field(x, y, grid, size, rng) for size in (1.3, 2.6, 12.0))
    added = spread * cluster + height * np.exp(-((net / 0.22) ** 2))
    liver = (_sample(anatomy.below, place) > 0.5) & (_sample(anatomy.beyond, place) < 0)
    liver &= _sample(anatomy.vessels.distance, place) > 0
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
    fascia = course * 0.5 + 0.4 * np.sin(14 * theta + rng.uniform(0, 6))
    dome = anatomy.dome.depth(theta)
    kinds = (  # depth, strength and its unevenness in dB, whether it slides with the liver
        (fascia, 4.0, 2.0, False),
        (course - 1.6, 2.0, 2.0, False),
        (course + nodule, 10.0, 3.0, True),
        (dome + 0.3 * np.sin(20 * theta), 13.0 - 8 * patient.fat, 6.0, True),
    )
    size = theta.size
    patches = gaussian_filter1d(rng.standard_normal((len(kinds), size)), 30, axis=1)
    patches /= patches.std()
    level = np.concatenate([kind[1] + kind[2] * patch for kind, patch in zip(kinds, patches, strict=True)])
    r = np.concatenate([depth for depth, *_ in kinds]) + 0.03 * rng.standard_normal(level.size)
    amplitude = (10 ** (level / 20)).astype(np.complex64)
    inside = np.repeat([inside for *_, inside in kinds], size)
    return r, np.tile(theta, len(kinds)), amplitude, np.zeros_like(amplitude), inside
