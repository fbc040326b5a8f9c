"""One virtual patient: a clip and a still image with their truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrolib.phantom.anatomy import LABELS, Anatomy, draw_anatomy
from fibrolib.phantom.geometry import FACE_RADIUS, HALF_ANGLE, PolarGrid, polar_from_plane
from fibrolib.phantom.imaging import Receiver, ScanConverter, compress
from fibrolib.phantom.motion import Motion, draw_motion
from fibrolib.phantom.scanners import SCANNERS
from fibrolib.phantom.scatterers import draw_scatterers
from fibrolib.phantom.screen import CENTRE, FAN_HEIGHT, SCREEN, TOP, draw_screen
from fibrolib.phantom.shadows import draw_way
from fibrolib.phantom.tissue import Origins, Tissue
from fibrolib.video.sector import Box, box_around

__all__ = ["Rendering", "clip_length", "render_view"]


@dataclass(frozen=True)
class Rendering:
    """What was seen, and what was there.

    Parameters
    ----------
    frames : ndarray of uint8, shape (frames, height, width)
        The screen.
    fps : float
        Frames per second.
    masks : dict of str to ndarray of bool, shape (frames, height, width)
        Truth of ``liver, vessels, capsule, gallbladder, kidney``, each pixel where the tissue is in that frame. This
        and the next two are empty where they were not asked for.
    displacement : ndarray of float32, shape (frames, grid rows, grid columns, 2)
        Displacement `(right, down)` in mm of the tissue that rests at each node; not a number outside the fan.
    nodes : ndarray of int, shape (2, grid rows, grid columns)
        Row and column of the nodes on the screen.
    scale : float
        Millimetres per pixel.
    fan : tuple of int
        The rectangle around the fan, a `Box`.
    """

    frames: NDArray[np.uint8]
    fps: float
    masks: dict[str, NDArray[np.bool_]]
    displacement: NDArray[np.float32]
    nodes: NDArray[np.intp]
    scale: float
    fan: Box


def clip_length(patient: object, least: int = 48) -> int:
    """Frames that hold two heartbeats, and at least `least`."""
    return max(least, int(np.ceil(2 * 60 / patient.heart_rate * patient.fps)) + 2)


def render_view(patient: object, frames: int, rng: np.random.Generator, *, truth: bool = True) -> Rendering:
    """Simulate one view of a patient.

    Parameters
    ----------
    patient : row of `draw_patients`
        The patient, as of ``DataFrame.itertuples``.
    frames : int
        Number of frames; 1 for a still image.
    rng : numpy.random.Generator
        Source of chance: another generator gives another view.
    truth : bool
        Also the masks and the displacement, which are a fifth of the work.

    Returns
    -------
    Rendering
        Frames and truth.
    """
    grid, scanner = PolarGrid(patient.depth_mm), SCANNERS[patient.scanner]
    anatomy = draw_anatomy(patient, grid, rng)
    points = draw_scatterers(patient, anatomy, rng)
    way = draw_way(patient, anatomy, rng)
    motion = draw_motion(patient, anatomy.push, frames, rng)
    converter = ScanConverter(grid, SCREEN, TOP, CENTRE, FAN_HEIGHT)
    receiver = Receiver(grid, scanner.spread, points.density)
    tissue = Tissue(anatomy, motion, points.r, points.theta, points.inside)
    hiss = _Hiss(grid, scanner.noise_db, frames, rng)
    screens = np.repeat(draw_screen(patient, scanner, converter)[None], frames, axis=0)
    for frame in range(frames):
        tilt = motion.tilt[frame]
        amplitude = np.float32(np.cos(tilt)) * points.amplitude + np.float32(np.sin(tilt)) * points.hidden
        loss, clutter = way.at(motion.slide[frame])
        echo = receiver.envelope(*tissue.at(frame), amplitude, loss, hiss.at(frame) + clutter)
        grey = compress(converter(echo), patient.gain_db, patient.dynamic_range_db, scanner.gamma)
        screens[frame][converter.sector] = grey
    masks, nodes, displacement = {}, np.empty((2, 0, 0), np.intp), np.empty((frames, 0, 0, 2), np.float32)
    if truth:
        nodes, displacement = _coarse_displacement(anatomy, motion, converter, frames)
        masks = _masks(anatomy, motion, converter, frames)
    return Rendering(screens, patient.fps, masks, displacement, nodes, converter.scale, box_around(converter.sector))


class _Hiss:
    """Electronic noise: each frame is a window at another place of one field, ten times faster than fresh numbers.

    The gain curve lifts it by 18 dB over the depth.
    """

    def __init__(self, grid: PolarGrid, noise_db: float, frames: int, rng: np.random.Generator) -> None:
        rows, columns = grid.shape
        spare = (rows // 2, columns // 2) if frames > 1 else (0, 0)
        numbers = rng.standard_normal((rows + spare[0], columns + spare[1], 2), np.float32)
        self._field, self._shape = numbers.view(np.complex64)[..., 0], grid.shape
        self._corners = rng.integers(0, np.add(spare, 1), (frames, 2))
        level = noise_db + 18 * (np.maximum(grid.r, 0) / grid.depth - 1)
        self._level = (10 ** (level / 20) / np.sqrt(2))[:, None].astype(np.float32)

    def at(self, frame: int) -> NDArray[np.complex64]:
        """Noise of a frame, shape `grid.shape`."""
        (row, column), (rows, columns) = self._corners[frame], self._shape
        return self._level * self._field[row : row + rows, column : column + columns]


def _masks(anatomy: Anatomy, motion: Motion, converter: ScanConverter, frames: int) -> dict[str, NDArray[np.bool_]]:
    """Which tissue each pixel shows: pixels are followed back to where their tissue rests."""
    origins, rest = Origins(anatomy, motion, converter.r, converter.theta), anatomy.labels.ravel()
    labels = np.zeros((frames, *converter.sector.shape), np.uint8)
    for frame in range(frames):
        labels[frame][converter.sector] = rest[origins.at(frame)]
    return {name: labels & bit != 0 for name, bit in LABELS.items()}


def _coarse_displacement(
    anatomy: Anatomy, motion: Motion, converter: ScanConverter, frames: int, step: int = 8
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Displacement at every `step`-th pixel."""
    nodes = np.stack(np.meshgrid(*(np.arange(step // 2, size, step) for size in SCREEN), indexing="ij"))
    x = (nodes[1] - converter.origin[1]) * converter.scale
    y = (nodes[0] - converter.origin[0]) * converter.scale
    r, theta = polar_from_plane(x, y)
    inside = anatomy.grid.nearest(anatomy.below, r, theta) > 0
    tissue = Tissue(anatomy, motion, r, theta, inside)
    seen = (r >= 0) & (r <= anatomy.grid.depth) & (np.abs(theta) <= HALF_ANGLE)
    displacement = np.full((frames, *x.shape, 2), np.nan, np.float32)
    for frame in range(frames):
        now_r, now_theta = tissue.at(frame)
        radius = now_r + FACE_RADIUS
        moved = np.stack([radius * np.sin(now_theta) - x, radius * np.cos(now_theta) - FACE_RADIUS - y], axis=-1)
        displacement[frame][seen] = moved[seen]
    return nodes, displacement
