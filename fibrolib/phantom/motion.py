"""How tissue moves from where it rests: heartbeat, breathing, and the sonographer's hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from fibrolib.phantom.imaging import FACE_RADIUS, _plane_from_polar

# Waveforms of one heartbeat: height, centre and width of bumps, in heartbeats since the R wave.
# Displacement of the liver's dome, 0 (rest) to about 1 (systole): contraction of the ventricle, its rebound, and the
# atrial kick before the next beat. The shape is an assumption after tagged-MRI and tissue-Doppler curves.
_HEART = ((1.0, 0.18, 0.075), (-0.22, 0.44, 0.07), (0.20, 0.86, 0.05))
# Widening of the hepatic veins, -0.6 to 1: they empty in systole and diastole and fill when the atrium contracts
# (heights and widths are an assumption).
_VEINS = ((-0.6, 0.30, 0.09), (-0.35, 0.62, 0.08), (1.0, 0.92, 0.06))


def _waveform(phase: ArrayLike, bumps: Sequence[tuple[float, float, float]]) -> NDArray[np.float64]:
    """Sum of bumps that repeat with every heartbeat."""
    phase = np.asarray(phase, dtype=float) % 1.0
    return sum(
        height * np.exp(-0.5 * ((phase - centre + turn) / width) ** 2)
        for height, centre, width in bumps
        for turn in (-1, 0, 1)
    )


@dataclass(frozen=True)
class _HeartPush:
    """The displacement under the heart per unit of peak strain: a curl, so that no area is lost."""

    x: float  # where the heart lies against the liver, mm
    y: float
    angle: float  # direction of the push, radians from straight up (towards the probe)
    # Depth over which it fades, mm. Tagged MRI: displacement 3.5 mm at a strain of .116 means about 23 mm.
    reach: float
    width: float  # half-width of the contact, mm

    def displacement(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
        ahead = np.array([np.sin(self.angle), -np.cos(self.angle)])
        along = (x - self.x) * ahead[0] + (y - self.y) * ahead[1]
        across = -(x - self.x) * ahead[1] + (y - self.y) * ahead[0]
        forward, sideways = (self._height * part for part in self._shape(along, across))
        return forward * ahead[0] - sideways * ahead[1], forward * ahead[1] + sideways * ahead[0]

    def _shape(self, along: NDArray, across: NDArray) -> tuple[NDArray, NDArray]:
        """The field up to its height: even behind the contact, fading in front."""
        root = np.hypot(along, 5.0)  # mm, rounds the corner behind the contact
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


@dataclass(frozen=True)
class _Motion:
    """Everything that moves in one clip; arrays have one value per frame."""

    push: _HeartPush
    heart: NDArray[np.float64]  # peak strain of the heartbeat
    slide: NDArray[np.float64]  # turn of the liver against the abdominal wall by breathing and heart, radians
    swing: NDArray[np.float64]  # turn of the whole picture under the moving hand, radians
    press: NDArray[np.float64]  # indentation of the whole picture under the moving hand, mm
    tilt: NDArray[np.float64]  # distance from the first plane, radians of decorrelation (pi/2 = all new speckle)
    rise: NDArray[np.float64]  # how far breathing moves the depth of the liver along the beams, mm
    pulse: NDArray[np.float64]  # how far the walls of the hepatic veins have moved outwards, mm

    @classmethod
    def draw(cls, patient: object, push: _HeartPush, frames: int, rng: Generator) -> _Motion:
        """Draw the motion of one clip; only `heart` depends on the patient's strain."""
        time = np.arange(frames) / patient.fps
        beats = _beats(time, patient.heart_rate / 60, rng)
        beat = _waveform(beats, _HEART)
        surface = FACE_RADIUS + 25.0  # radius at which breathing is counted, mm
        period = rng.uniform(3.2, 5.5)
        breath = patient.breath_mm * np.sin(2 * np.pi * (time / period + rng.random()))
        breath -= breath[0]
        tug = rng.normal(0.0, 0.35) * beat  # the whole liver is tugged along, whatever its stiffness (assumption)
        return cls(
            push=push,
            heart=patient.strain * beat,
            slide=(breath + tug) / surface,
            swing=(_drift(time, 0.8, rng) + _tremor(time, patient.tremor_mm, rng)) / surface,
            press=_drift(time, 0.5, rng) + _tremor(time, patient.tremor_mm, rng),
            # 4 mm out of the plane would show another slice; of a breath, a fifth typically goes there (assumption).
            tilt=_drift(time, 0.25, rng) + rng.normal(0.0, 0.08) * beat + rng.normal(0.0, 0.08) * breath,
            rise=rng.normal(0.0, 0.3) * breath,
            # A little after the heart's own movement; 2 to 10 % of a vein's radius, independent of stage (assumptions).
            pulse=rng.uniform(0.05, 0.25) * _waveform(beats - rng.uniform(0.03, 0.12), _VEINS),
        )

    def held(self) -> _Motion:
        """Everything stays where it is in the first frame."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "push"}
        return replace(self, **{name: np.full_like(value, value[0]) for name, value in values.items()})

    def heart_field(self, r: NDArray, theta: NDArray) -> tuple[NDArray, NDArray]:
        """Displacement in depth (mm) and angle (radians) at rest positions, per unit of peak strain."""
        dx, dy = self.push.displacement(*_plane_from_polar(r, theta))
        sine, cosine = np.sin(theta), np.cos(theta)
        return dx * sine + dy * cosine, (dx * cosine - dy * sine) / (FACE_RADIUS + r)


def _beats(time: NDArray, rate: float, rng: Generator) -> NDArray:
    """Heartbeats passed at each time, with the natural unevenness of about 3 % from beat to beat."""
    count = int(time[-1] * rate) + 4
    ends = np.concatenate([[0.0], np.cumsum((1 + 0.03 * rng.standard_normal(count)) / rate)])
    return np.interp(time + rng.random() / rate, ends, np.arange(count + 1))


def _drift(time: NDArray, size: float, rng: Generator) -> NDArray:
    """Slow drift that starts at 0: three sines below 0.6 Hz of random phase, of typical amplitude `size`."""
    rates, phases = rng.uniform(0.05, 0.6, 3), rng.random(3)
    sizes = size * rng.normal(0.0, 0.6, 3)
    waves = sizes[:, None] * np.sin(2 * np.pi * (rates[:, None] * time + phases[:, None]))
    return (waves - waves[:, :1]).sum(axis=0)


def _tremor(time: NDArray, size: float, rng: Generator) -> NDArray:
    """Physiological tremor of the hand, 6-11 Hz, of root-mean-square amplitude `size` mm."""
    rate = rng.uniform(6.0, 11.0) * (1 + 0.02 * np.sin(2 * np.pi * 0.7 * time))
    return size * np.sqrt(2) * np.sin(2 * np.pi * (rate * time + rng.random()))
