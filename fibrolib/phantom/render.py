"""One virtual patient: a clip and a still image with their truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrolib.phantom.anatomy import CAPSULE, LIVER, VESSEL, Anatomy, draw_anatomy
from fibrolib.phantom.geometry import FACE_RADIUS, HALF_ANGLE, PolarGrid, polar_from_plane
from fibrolib.phantom.imaging import Receiver, ScanConverter, compress
from fibrolib.phantom.motion import Motion, draw_motion, press_depth
from fibrolib.phantom.scanners import SCANNERS
from fibrolib.phantom.scatterers import draw_scatterers, sensitivity
from fibrolib.phantom.screen import CENTRE, FAN_HEIGHT, SCREEN, TOP, draw_screen

__all__ = ["Rendering", "Tissue", "clip_length", "render_view"]


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
        Truth of ``liver, vessels, capsule``, each pixel where the tissue is in that frame.
    displacement : ndarray of float32, shape (frames, grid rows, grid columns, 2)
        Displacement `(right, down)` in mm of the tissue that rests at each node; not a number outside the fan.
    nodes : ndarray of int, shape (2, grid rows, grid columns)
        Row and column of the nodes on the screen.
    scale : float
        Millimetres per pixel.
    """

    frames: NDArray[np.uint8]
    fps: float
    masks: dict[str, NDArray[np.bool_]]
    displacement: NDArray[np.float32]
    nodes: NDArray[np.intp]
    scale: float


class Tissue:
    """Points of tissue that move: where they rest, and where they are in a frame.

    Parameters
    ----------
    anatomy : Anatomy
        The view they belong to.
    motion : Motion
        How it moves.
    r, theta : ndarray, shape (points,)
        Where they rest, mm and radians.
    inside : ndarray of bool, shape (points,)
        Whether they slide with the liver.
    """

    def __init__(self, anatomy: Anatomy, motion: Motion, r: NDArray, theta: NDArray, inside: NDArray) -> None:
        self.r, self.theta, self._motion, self._surface = r, theta, motion, anatomy.surface
        down, turn = motion.heart_field(r, theta)
        self._slides = inside.astype(r.dtype)
        # The wall lies against the ribs: the heart moves what is behind it.
        self._down, self._turn = (down * self._slides).astype(r.dtype), (turn * self._slides).astype(r.dtype)
        self._press = press_depth(r).astype(r.dtype)

    def at(self, frame: int) -> tuple[NDArray, NDArray]:
        """Places `(r, theta)` in a frame."""
        motion, kind = self._motion, self.r.dtype.type
        heart, slide = kind(motion.heart[frame]), kind(motion.slide[frame])
        # A liver that slides along a sloping wall keeps its distance from it.
        slope, bend = kind(self._surface.slope), kind(self._surface.bend)
        follow = slide * (slope + bend * (2 * self.theta + slide))
        r = self.r + heart * self._down + self._slides * follow + kind(motion.press[frame]) * self._press
        theta = self.theta + heart * self._turn + self._slides * slide + kind(motion.swing[frame])
        return r, theta


def clip_length(patient: object, least: int = 48) -> int:
    """Frames that hold two heartbeats, and at least `least`."""
    return max(least, int(np.ceil(2 * 60 / patient.heart_rate * patient.fps)) + 2)


def render_view(patient: object, frames: int, rng: np.random.Generator) -> Rendering:
    """Simulate one view of a patient.

    Parameters
    ----------
    patient : row of `draw_patients`
        The patient, as of ``DataFrame.itertuples``.
    frames : int
        Number of frames; 1 for a still image.
    rng : numpy.random.Generator
        Source of chance: another generator gives another view.

    Returns
    -------
    Rendering
        Frames and truth.
    """
    grid, scanner = PolarGrid(patient.depth_mm), SCANNERS[patient.scanner]
    anatomy = draw_anatomy(patient, grid, rng)
    points = draw_scatterers(patient, anatomy, rng)
    loss = sensitivity(patient, anatomy, rng)
    motion = draw_motion(patient, anatomy.push, frames, rng)
    converter = ScanConverter(grid, SCREEN, TOP, CENTRE, FAN_HEIGHT)
    receiver = Receiver(grid, scanner.spread, points.density)
    tissue = Tissue(anatomy, motion, points.r, points.theta, points.inside)
    hiss = _hiss(grid, scanner.noise_db)
    screens = np.repeat(draw_screen(patient, scanner, converter)[None], frames, axis=0)
    for frame in range(frames):
        tilt = motion.tilt[frame]
        amplitude = np.float32(np.cos(tilt)) * points.amplitude + np.float32(np.sin(tilt)) * points.hidden
        noise = rng.standard_normal((*grid.shape, 2), np.float32).view(np.complex64)[..., 0] * hiss
        echo = receiver.envelope(*tissue.at(frame), amplitude, loss, noise)
        grey = compress(converter(echo), patient.gain_db, patient.dynamic_range_db, scanner.gamma)
        screens[frame][converter.sector] = grey
    nodes, displacement = _coarse_displacement(anatomy, motion, converter, frames)
    masks = _masks(anatomy, motion, converter, frames)
    return Rendering(screens, patient.fps, masks, displacement, nodes, converter.scale)


def _hiss(grid: PolarGrid, noise_db: float) -> NDArray[np.float32]:
    """Amplitude of each quadrature of the electronic noise by row: the gain curve lifts it by 18 dB over the depth."""
    level = noise_db + 18 * (np.maximum(grid.r, 0) / grid.depth - 1)
    return (10 ** (level / 20) / np.sqrt(2))[:, None].astype(np.float32)


def _masks(anatomy: Anatomy, motion: Motion, converter: ScanConverter, frames: int) -> dict[str, NDArray[np.bool_]]:
    """Which tissue each pixel shows: pixels are followed back to where their tissue rests."""
    grid, surface = anatomy.grid, anatomy.surface
    r_map, theta_map = np.meshgrid(grid.r, grid.theta, indexing="ij")
    down, turn = (part.astype(np.float32) for part in motion.heart_field(r_map, theta_map))
    labels = np.zeros((frames, *converter.sector.shape), np.uint8)
    press = press_depth(converter.r)
    for frame in range(frames):
        heart, theta = np.float32(motion.heart[frame]), converter.theta - np.float32(motion.swing[frame])
        rest = theta - np.float32(motion.slide[frame])
        r = converter.r - np.float32(motion.press[frame]) * press
        r = (r - (surface.course(theta) - surface.course(rest))).astype(np.float32)
        back = r - heart * grid.nearest(down, r, rest), rest - heart * grid.nearest(turn, r, rest)
        r, rest = r - heart * grid.nearest(down, *back), rest - heart * grid.nearest(turn, *back)
        labels[frame][converter.sector] = grid.nearest(anatomy.labels, r, rest)
    return {name: labels & bit != 0 for name, bit in (("liver", LIVER), ("vessels", VESSEL), ("capsule", CAPSULE))}


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
