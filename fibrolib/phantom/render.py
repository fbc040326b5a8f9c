"""Render one view of a virtual patient: a clip or a still image, and the truth of every frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fibrolib.phantom.anatomy import LABELS, _Anatomy
from fibrolib.phantom.imaging import (
    FACE_RADIUS,
    SCANNERS,
    SCREEN,
    _polar_from_plane,
    _PolarGrid,
    _Receiver,
    _ScanConverter,
)
from fibrolib.phantom.motion import _Motion
from fibrolib.phantom.patients import _random_stream
from fibrolib.phantom.scatterers import USELESS_COVERS, _Attenuation, _Scatterers
from fibrolib.system import reuse_memory
from fibrolib.video.sector import Box, box_around


@dataclass(frozen=True)
class Rendering:
    """Frames of one view, and the truth behind them (`masks`, `displacement` and `nodes` are empty without truth)."""

    frames: NDArray[np.uint8]  # the screen, (frames, height, width)
    fps: float
    masks: dict[str, NDArray[np.bool_]]  # where liver, vessels, capsule, gallbladder and kidney are in each frame
    displacement: NDArray[np.float32]  # (frames, *nodes, 2): (right, down) in mm of their tissue; NaN outside the fan
    nodes: NDArray[np.intp]  # (2, grid rows, grid columns): rows and columns on the screen
    scale: float  # mm per pixel
    fan: Box  # the rectangle around the fan


FAULTS = ("frozen", "sweep", *USELESS_COVERS)
"""What makes a clip useless: a still picture, a moving probe, a shadow over most of the picture, no contact."""

_SWEPT_VIEWS = 4
_FEWEST_FRAMES = 48


def clip_fault(seed: tuple[int, int], take: int, share: float) -> str:
    """The fault of a video where a `share` of videos has one; empty for the others. `seed` as of `render_clip`."""
    rng = _random_stream(seed[0], 3, seed[1], take)
    return str(rng.choice(FAULTS)) if rng.random() < share else ""


def render_clip(
    patient: object,
    seed: tuple[int, int],
    take: int = 1,
    frames: int | None = None,
    *,
    truth: bool = True,
    fault: str = "",
) -> Rendering:
    """A video of a patient, as `simulate_cohort` writes it.

    Parameters
    ----------
    patient, seed : row of `draw_patients`, tuple of int
        The patient, as of ``DataFrame.itertuples``; the seed of the cohort, and the patient's number in it from 0.
    take : int
        Which of the patient's videos, from 1; each is another view.
    frames : int, optional
        Number of frames; by default two heartbeats, at least 48 frames.
    truth : bool
        Also masks and displacement, a fifth of the work.
    fault : str
        One of `FAULTS`; empty for none.
    """
    if take < 1:
        raise ValueError(f"videos are counted from 1, not {take}")
    view = 0 if take == 1 else take  # view 1 is the image's
    stream = _random_stream(seed[0], 1, seed[1], view)
    return render_view(patient, frames or _clip_length(patient), stream, truth=truth, fault=fault)


def _clip_length(patient: object) -> int:
    """Frames of two heartbeats, and not fewer than `_FEWEST_FRAMES`."""
    return max(_FEWEST_FRAMES, int(np.ceil(2 * 60 / patient.heart_rate * patient.fps)) + 2)


def render_image(patient: object, seed: tuple[int, int], *, truth: bool = True) -> Rendering:
    """The still image of a patient, from another view than the clip's; parameters as of `render_clip`."""
    return render_view(patient, 1, _random_stream(seed[0], 1, seed[1], 1), truth=truth)


def render_view(patient: object, frames: int, rng: Generator, *, truth: bool = True, fault: str = "") -> Rendering:
    """Simulate one view of a patient, of one frame for a still image; another `rng` gives another view."""
    reuse_memory()
    if fault == "sweep":
        return _sweep([render_view(patient, frames, child, truth=truth) for child in rng.spawn(_SWEPT_VIEWS)])
    grid, scanner = _PolarGrid(patient.depth_mm), SCANNERS[patient.scanner]
    anatomy = _Anatomy.draw(patient, grid, rng)
    points = _Scatterers.draw(patient, anatomy, rng)
    attenuation = _Attenuation.draw(patient, anatomy, rng)
    motion = _Motion.draw(patient, anatomy.push, frames, rng)
    if fault in USELESS_COVERS:
        attenuation = replace(attenuation, cover=USELESS_COVERS[fault](anatomy, rng.spawn(1)[0]))
    if fault == "frozen":
        motion = motion.held()
    converter = _ScanConverter(grid)
    receiver = _Receiver(grid, scanner.spread, points.density)
    tissue = _Tissue(anatomy, motion, points.r, points.theta, points.inside)
    shown, hidden = points.amplitude.view(np.float32), points.hidden.view(np.float32)
    screens = np.repeat(scanner.draw_screen(patient, converter)[None], frames, axis=0)
    for frame, noise in enumerate(_noise(grid, scanner.noise_db, frames, rng)):
        tilt = motion.tilt[frame]
        amplitude = (np.float32(np.cos(tilt)) * shown + np.float32(np.sin(tilt)) * hidden).view(np.complex64)
        loss, clutter = attenuation.at(motion.slide[frame])
        echo = receiver.envelope(*tissue.at(frame), amplitude, loss, noise + clutter)
        grey = scanner.compress(converter(echo), patient.gain_db, patient.dynamic_range_db)
        screens[frame][converter.sector] = screens[0][converter.sector] if fault == "frozen" and frame else grey
    masks, nodes, displacement = {}, np.empty((2, 0, 0), np.intp), np.empty((frames, 0, 0, 2), np.float32)
    if truth:
        nodes, displacement = _displacement(anatomy, motion, converter, frames)
        masks = _masks(anatomy, motion, converter, frames)
    return Rendering(screens, patient.fps, masks, displacement, nodes, converter.scale, box_around(converter.sector))


def _sweep(views: list[Rendering]) -> Rendering:
    """One view turns into the next, all through the clip; masks are those of the view that is seen best."""
    frames = len(views[0].frames)
    place = np.linspace(0, len(views) - 1, frames)
    shares = np.clip(1 - np.abs(place - np.arange(len(views))[:, None]), 0, 1).astype(np.float32)
    screens = sum(share[:, None, None] * view.frames for share, view in zip(shares, views, strict=True))
    best = np.rint(place).astype(int)
    masks = {name: np.stack([views[view].masks[name][n] for n, view in enumerate(best)]) for name in views[0].masks}
    return replace(views[0], frames=np.rint(screens).astype(np.uint8), masks=masks)


class _Tissue:
    """Points of tissue that move, from where they rest; `inside` says which slide with the liver."""

    def __init__(self, anatomy: _Anatomy, motion: _Motion, r: NDArray, theta: NDArray, inside: NDArray) -> None:
        self.r, self.theta, self._motion, self._surface = r, theta, motion, anatomy.surface
        self._slides = inside.astype(r.dtype)
        down, turn = motion.heart_field(r, theta)
        swelling = anatomy.grid.nearest(anatomy.swelling, r, theta)
        deep = _deep_share(r - anatomy.surface.smooth_depth(theta))
        # The wall lies against the ribs: the heart moves what is behind it.
        fields = (down, turn, swelling.real, swelling.imag, deep)
        fields = [(field * self._slides).astype(r.dtype) for field in fields]
        self._down, self._turn, self._swell_down, self._swell_turn, self._deep = fields
        self._press = _press_share(r).astype(r.dtype)

    def at(self, frame: int) -> tuple[NDArray, NDArray]:
        motion, kind = self._motion, self.r.dtype.type
        heart, slide, pulse = kind(motion.heart[frame]), kind(motion.slide[frame]), kind(motion.pulse[frame])
        # A liver that slides along a sloping wall keeps its distance from it.
        slope, bend = kind(self._surface.slope), kind(self._surface.bend)
        follow = slide * (slope + bend * (2 * self.theta + slide))
        r = self.r + heart * self._down + self._slides * follow + kind(motion.press[frame]) * self._press
        r += pulse * self._swell_down + kind(motion.rise[frame]) * self._deep
        theta = self.theta + heart * self._turn + self._slides * slide + kind(motion.swing[frame])
        theta += pulse * self._swell_turn
        return r, theta


class _Origins:
    """The reverse of `_Tissue`: samples of an anatomy's grid whose tissue is seen at fixed places `(r, theta)`."""

    def __init__(self, anatomy: _Anatomy, motion: _Motion, r: NDArray, theta: NDArray) -> None:
        self._grid, self._surface, self._motion = anatomy.grid, anatomy.surface, motion
        self._r, self._theta, self._press = r, theta, _press_share(r)
        depth, angle = np.meshgrid(anatomy.grid.r, anatomy.grid.theta, indexing="ij")
        down, turn = motion.heart_field(depth, angle)
        self._heart = (down + 1j * turn).astype(np.complex64).ravel()
        self._swelling = anatomy.swelling.ravel()
        self._deep = _deep_share(depth - anatomy.surface.smooth_depth(angle)).astype(np.float32).ravel()

    def at(self, frame: int) -> NDArray[np.intp]:
        """Flat index into maps on the grid, per place."""
        motion, kind, smooth_depth = self._motion, np.float32, self._surface.smooth_depth
        theta = self._theta - kind(motion.swing[frame])
        rest = theta - kind(motion.slide[frame])
        r = self._r - kind(motion.press[frame]) * self._press
        r = (r - (smooth_depth(theta) - smooth_depth(rest))).astype(kind)
        moved = kind(motion.heart[frame]) * self._heart + kind(motion.pulse[frame]) * self._swelling
        moved.real += kind(motion.rise[frame]) * self._deep
        index = self._grid.flat_index(r, rest)
        for _ in range(2):  # the field changes little over a displacement: twice is enough
            back = moved[index]
            index = self._grid.flat_index(r - back.real, rest - back.imag)
        return index


def _press_share(r: NDArray) -> NDArray:
    """Share of the hand's indentation that tissue at a depth follows: the skin sticks to the probe."""
    return np.clip(r / 25.0, 0.0, 1.0)


def _deep_share(liver_depth: NDArray) -> NDArray:
    """Share of breathing's rise that tissue follows, by its depth below the liver's surface (mm)."""
    return 1 - np.exp(-np.maximum(liver_depth, 0) / 35.0)


def _noise(grid: _PolarGrid, noise_db: float, frames: int, rng: Generator) -> Iterator[NDArray[np.complex64]]:
    """Electronic noise of each frame, lifted by 18 dB over the depth: windows of one field, for speed."""
    rows, columns = grid.shape
    spare = (rows // 2, columns // 2) if frames > 1 else (0, 0)
    numbers = rng.standard_normal((rows + spare[0], columns + spare[1], 2), np.float32).view(np.complex64)[..., 0]
    level = noise_db + 18 * (np.maximum(grid.r, 0) / grid.depth - 1)
    amplitude = (10 ** (level / 20) / np.sqrt(2))[:, None].astype(np.float32)
    for row, column in rng.integers(0, np.add(spare, 1), (frames, 2)):
        yield amplitude * numbers[row : row + rows, column : column + columns]


def _masks(anatomy: _Anatomy, motion: _Motion, converter: _ScanConverter, frames: int) -> dict[str, NDArray[np.bool_]]:
    """Which tissue each pixel shows: pixels are followed back to where their tissue rests."""
    origins, rest = _Origins(anatomy, motion, converter.r, converter.theta), anatomy.labels.ravel()
    labels = np.zeros((frames, *SCREEN), np.uint8)
    for frame in range(frames):
        labels[frame][converter.sector] = rest[origins.at(frame)]
    return {name: labels & bit != 0 for name, bit in LABELS.items()}


def _displacement(
    anatomy: _Anatomy, motion: _Motion, converter: _ScanConverter, frames: int
) -> tuple[NDArray, NDArray]:
    """Nodes at every eighth pixel, and the displacement of their tissue."""
    nodes = np.stack(np.meshgrid(*(np.arange(4, size, 8) for size in SCREEN), indexing="ij"))
    x, y = converter.plane(*nodes)
    r, theta = _polar_from_plane(x, y)
    inside = anatomy.grid.nearest(anatomy.liver_depth, r, theta) > 0
    tissue = _Tissue(anatomy, motion, r, theta, inside)
    in_fan = converter.sector[tuple(nodes)]
    displacement = np.full((frames, *x.shape, 2), np.nan, np.float32)
    for frame in range(frames):
        now_r, now_theta = tissue.at(frame)
        radius = now_r + FACE_RADIUS
        moved = np.stack([radius * np.sin(now_theta) - x, radius * np.cos(now_theta) - FACE_RADIUS - y], axis=-1)
        displacement[frame][in_fan] = moved[in_fan]
    return nodes, displacement
