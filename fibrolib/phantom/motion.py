"""How the tissue moves: heartbeat, breathing, and the sonographer's hand.

All displacements are Lagrangian: they move the tissue that was at `(r, theta)` when the patient was still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrolib.phantom.geometry import FACE_RADIUS, plane_from_polar

__all__ = ["HeartPush", "Motion", "deep_share", "draw_motion", "heart_waveform", "press_depth", "vein_waveform"]


def heart_waveform(phase: ArrayLike) -> NDArray[np.float64]:
    """Displacement of the liver's dome over one heartbeat, 0 (rest) to about 1 (systole).

    Parameters
    ----------
    phase : array_like
        Heartbeats since an R wave; only the fractional part counts.

    Notes
    -----
    Three bumps: the ventricle's contraction, its rebound, and the atrial kick before the next beat. The shape is an
    assumption after tagged-MRI and tissue-Doppler curves.
    """
    return _bumps(phase, ((1.0, 0.18, 0.075), (-0.22, 0.44, 0.07), (0.20, 0.86, 0.05)))


def vein_waveform(phase: ArrayLike) -> NDArray[np.float64]:
    """Widening of the hepatic veins over one heartbeat, -0.6 to 1.

    Parameters
    ----------
    phase : array_like
        Heartbeats since an R wave; only the fractional part counts.

    Notes
    -----
    The three phases of their flow: they empty in systole and diastole and fill when the atrium contracts. Only the
    order is known; heights and widths are an assumption.
    """
    return _bumps(phase, ((-0.6, 0.30, 0.09), (-0.35, 0.62, 0.08), (1.0, 0.92, 0.06)))


def _bumps(phase: ArrayLike, bumps: Sequence[tuple[float, float, float]]) -> NDArray[np.float64]:
    """Sum of periodic bumps of given height, centre and width."""
    phase = np.asarray(phase, dtype=float) % 1.0
    return sum(
        height * np.exp(-0.5 * ((phase - centre + turn) / width) ** 2)
        for height, centre, width in bumps
        for turn in (-1, 0, 1)
    )


@dataclass(frozen=True)
class HeartPush:
    """The field of displacement under the heart, for a peak strain of 1.

    Parameters
    ----------
    x, y : float
        Where the heart lies against the liver, mm.
    angle : float
        Direction of the push, radians from straight up (towards the probe).
    reach : float
        Depth over which it fades, mm. Tagged MRI: displacement 3.5 mm at a strain of .116 means about 23 mm.
    width : float
        Half-width of the contact, mm.

    Notes
    -----
    The field is the curl of a stream function, so no area is lost: tissue gives way sideways.
    """

    x: float
    y: float
    angle: float
    reach: float
    width: float

    def displacement(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
        """Displacement `(x, y)` in mm, per unit of peak strain, at places on the plane (mm)."""
        ahead = np.array([np.sin(self.angle), -np.cos(self.angle)])
        along = (x - self.x) * ahead[0] + (y - self.y) * ahead[1]
        across = -(x - self.x) * ahead[1] + (y - self.y) * ahead[0]
        forward, sideways = (self._height * part for part in self._shape(along, across))
        return forward * ahead[0] - sideways * ahead[1], forward * ahead[1] + sideways * ahead[0]

    def _shape(self, along: NDArray, across: NDArray) -> tuple[NDArray, NDArray]:
        """The field up to its height: even behind the contact, fading in front; `_SOFT` rounds the corner."""
        root = np.hypot(along, _SOFT)
        fade = np.exp(-(root + along) / 2 / self.reach)
        slope = -fade * (1 + along / root) / 2 / self.reach
        bell = np.exp(-0.5 * (across / self.width) ** 2)
        return (1 - (across / self.width) ** 2) * bell * fade, -across * bell * slope

    @cached_property
    def _height(self) -> float:
        """Height in mm at which the largest principal strain, measured on a grid, is 1."""
        step = 0.5
        along, across = np.meshgrid(np.arange(-20, 40, step), np.arange(0, 80, step), indexing="ij")
        forward, sideways = self._shape(along, across)
        stretch, shear = np.gradient(forward, step)
        shear = (shear + np.gradient(sideways, step, axis=0)) / 2
        return float(1 / np.hypot(stretch, shear).max())


_SOFT = 5.0  # mm
_VEIN_MM = (0.05, 0.25)  # assumption: 2 to 10 % of the radius of a vein, independent of stage


@dataclass(frozen=True)
class Motion:
    """Everything that moves in one clip, frame by frame.

    Parameters
    ----------
    push : HeartPush
        Where the heart pushes.
    heart : ndarray, shape (frames,)
        Peak strain of the heartbeat at each frame.
    slide : ndarray, shape (frames,)
        Turn of the liver against the abdominal wall, radians (breathing, and the heart's tug).
    swing, press : ndarray, shape (frames,)
        Turn (radians) and indentation (mm) of the whole picture under the moving hand.
    tilt : ndarray, shape (frames,)
        How far the plane has left the first one, in radians of decorrelation (0 = same speckle, pi/2 = all new).
    rise : ndarray, shape (frames,)
        How far breathing moves the depth of the liver along the beams, mm; at the wall it stays (see `deep_share`).
    pulse : ndarray, shape (frames,)
        How far the walls of the hepatic veins and the vena cava have moved outwards, mm.
    """

    push: HeartPush
    heart: NDArray[np.float64]
    slide: NDArray[np.float64]
    swing: NDArray[np.float64]
    press: NDArray[np.float64]
    tilt: NDArray[np.float64]
    rise: NDArray[np.float64]
    pulse: NDArray[np.float64]

    def heart_field(self, r: NDArray, theta: NDArray) -> tuple[NDArray, NDArray]:
        """Displacement in depth (mm) and angle (radians) at rest positions, per unit of peak strain."""
        dx, dy = self.push.displacement(*plane_from_polar(r, theta))
        sine, cosine = np.sin(theta), np.cos(theta)
        return dx * sine + dy * cosine, (dx * cosine - dy * sine) / (FACE_RADIUS + r)


def press_depth(r: NDArray) -> NDArray:
    """Share of the hand's indentation that tissue at a depth follows: the skin sticks to the probe."""
    return np.clip(r / 25.0, 0.0, 1.0)


def deep_share(below: NDArray) -> NDArray:
    """Share of the rise that tissue follows, by its depth below the liver's surface (mm)."""
    return 1 - np.exp(-np.maximum(below, 0) / 35.0)


def draw_motion(patient: object, push: HeartPush, frames: int, rng: np.random.Generator) -> Motion:
    """Draw the motion of one clip.

    Parameters
    ----------
    patient : row of `draw_patients`
        With attributes ``fps, heart_rate, strain, breath_mm, tremor_mm``.
    push : HeartPush
        Where the heart pushes.
    frames : int
        Number of frames.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Motion
        Only its `heart` depends on the patient's strain.
    """
    time = np.arange(frames) / patient.fps
    beats = _beats(time, patient.heart_rate / 60, rng)
    beat = heart_waveform(beats)
    surface = FACE_RADIUS + 25.0  # radius at which breathing is counted, mm
    period = rng.uniform(3.2, 5.5)
    breath = patient.breath_mm * np.sin(2 * np.pi * (time / period + rng.random()))
    breath -= breath[0]
    tug = rng.normal(0.0, 0.35) * beat  # the whole liver is tugged along, whatever its stiffness (assumption)
    return Motion(
        push=push,
        heart=patient.strain * beat,
        slide=(breath + tug) / surface,
        swing=(_wander(time, 0.8, rng) + _tremor(time, patient.tremor_mm, rng)) / surface,
        press=_wander(time, 0.5, rng) + _tremor(time, patient.tremor_mm, rng),
        # 4 mm out of the plane would show another slice; of a breath, a fifth typically goes there (assumption).
        tilt=_wander(time, 0.25, rng) + rng.normal(0.0, 0.08) * beat + rng.normal(0.0, 0.08) * breath,
        rise=rng.normal(0.0, 0.3) * breath,
        # The wave reaches the veins a little after the heart's own movement (assumption).
        pulse=rng.uniform(*_VEIN_MM) * vein_waveform(beats - rng.uniform(0.03, 0.12)),
    )


def _beats(time: NDArray, rate: float, rng: np.random.Generator) -> NDArray:
    """Heartbeats passed at each time, with the natural unevenness of about 3 % from beat to beat."""
    count = int(time[-1] * rate) + 4
    ends = np.concatenate([[0.0], np.cumsum((1 + 0.03 * rng.standard_normal(count)) / rate)])
    return np.interp(time + rng.random() / rate, ends, np.arange(count + 1))


def _wander(time: NDArray, size: float, rng: np.random.Generator) -> NDArray:
    """Slow drift that starts at 0: three sines below 0.6 Hz of random phase, of typical amplitude `size`."""
    rates, phases = rng.uniform(0.05, 0.6, 3), rng.random(3)
    sizes = size * rng.normal(0.0, 0.6, 3)
    waves = sizes[:, None] * np.sin(2 * np.pi * (rates[:, None] * time + phases[:, None]))
    return (waves - waves[:, :1]).sum(axis=0)


def _tremor(time: NDArray, size: float, rng: np.random.Generator) -> NDArray:
    """Physiological tremor of the hand, 6-11 Hz, of root-mean-square amplitude `size` mm."""
    rate = rng.uniform(6.0, 11.0) * (1 + 0.02 * np.sin(2 * np.pi * 0.7 * time))
    return size * np.sqrt(2) * np.sin(2 * np.pi * (rate * time + rng.random()))
