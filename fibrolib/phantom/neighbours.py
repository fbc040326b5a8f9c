"""What surrounds the liver: abdominal wall, diaphragm, gallbladder, right kidney and round ligament.

All shares, sizes and brightnesses are assumptions after atlases of ultrasound. Levels are in dB above average liver.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from fibrolib.phantom.imaging import _PolarGrid


@dataclass(frozen=True)
class _Wall:
    """The abdominal wall: skin, fat, one to three muscles with their fasciae, and a dark strip before the liver."""

    skin: float  # thickness, mm
    ends: NDArray[np.float64]  # where each layer but the last ends, as shares of the wall's thickness
    levels: NDArray[np.float64]  # echo of fat, muscles and the last strip, dB
    bright: NDArray[np.float64]  # how far the fascia at each end stands out, dB
    waves: NDArray[np.float64]  # per fascia: height (mm), waves per radian, phase
    stripes: tuple[float, float, float]  # of the muscle fibres: dB, thickness (rows), length (columns)

    @classmethod
    def draw(cls, bmi: float, rng: Generator) -> _Wall:
        muscles = rng.integers(1, 4)
        fat = np.clip(0.36 + 0.012 * (bmi - 24) + rng.normal(0, 0.08), 0.2, 0.66)
        last = rng.uniform(0.88, 0.95)
        shares = np.cumsum(rng.uniform(0.6, 1.4, muscles))
        ends = np.concatenate([[fat], fat + (last - fat) * shares / shares[-1]])
        levels = np.concatenate([[rng.uniform(-14, -8)], rng.uniform(-11, -5.5, muscles), [rng.uniform(-14, -10)]])
        n = ends.size
        waves = np.stack([rng.uniform(0.2, 0.9, n), rng.uniform(6, 16, n), rng.uniform(0, 6, n)], axis=1)
        waves[-1, 0] = 0.2  # the last strip lies smoothly on the liver
        bright = np.concatenate([rng.uniform(5, 11, muscles), [0.0]])
        stripes = rng.uniform(2.5, 5.0), rng.uniform(0.9, 1.6), rng.uniform(8, 20)
        return cls(rng.uniform(1.6, 2.8), ends, levels, bright, waves, stripes)

    def fasciae(self, liver: NDArray, theta: ArrayLike) -> NDArray[np.float64]:
        """Depth in mm of each fascia at angles `theta`, where the liver begins at depths `liver` (mm)."""
        height, rate, phase = self.waves.T[..., None]
        return self.ends[:, None] * liver + height * np.sin(rate * theta + phase)

    def echo(self, r: NDArray, theta: NDArray, liver: NDArray, rng: Generator) -> NDArray[np.float64]:
        """Echo level at depths `r` (rows) by angles `theta` (columns); `rng` draws the fibres."""
        strength, thickness, length = self.stripes
        fibres = gaussian_filter(rng.standard_normal((r.size, theta.size)), (thickness, length))
        level = np.full(fibres.shape, self.levels[0])
        depth = r[:, None]
        for fascia, inner, bright in zip(self.fasciae(liver, theta), self.levels[1:], self.bright, strict=True):
            level = np.where(depth > fascia, inner, level) + bright * np.exp(-(((depth - fascia) / 0.55) ** 2))
        return np.where(depth < self.skin, 6.0, level) + strength / fibres.std() * fibres


@dataclass(frozen=True)
class _Diaphragm:
    """A bow with an uneven course, visible where the beam meets it squarely enough."""

    r: float  # depth of its deepest place before the waves are added, mm
    theta: float  # angle of that place, radians
    rise: tuple[float, float]  # how fast it rises to the left and to the right, mm per squared radian
    waves: NDArray[np.float64]  # rows of height (mm), waves per radian, phase
    ends: tuple[float, float]  # angles at which it has faded by half, left and right
    fade: float  # over how many radians it fades

    @classmethod
    def draw(cls, depth: float, kidney: float, rng: Generator) -> _Diaphragm:
        """Draw the diaphragm; it is not visible on the side of the `kidney` (a sign, 0 for none)."""
        waves = [rng.normal(0, (1.8, 1.1, 0.5)), rng.uniform((4, 7, 12), (7, 12, 18)), rng.uniform(0, 6.3, 3)]
        diaphragm = cls(
            r=depth * rng.uniform(0.72, 0.82),
            theta=rng.uniform(-0.2, 0.2),
            rise=tuple(rng.uniform(35, 110, 2)),
            waves=np.stack(waves, axis=1),
            ends=(-rng.uniform(0.28, 0.75), rng.uniform(0.28, 0.75)),
            fade=rng.uniform(0.02, 0.06),
        )
        if not kidney:
            return diaphragm
        left, right = diaphragm.ends
        edge = kidney * rng.uniform(0.08, 0.2)
        return replace(diaphragm, ends=(left, edge) if kidney > 0 else (edge, right), fade=0.04)

    def depth(self, theta: ArrayLike) -> NDArray:
        away = np.asarray(theta) - self.theta
        wave = sum(height * np.sin(rate * away + phase) for height, rate, phase in self.waves)
        return self.r - np.where(away < 0, *self.rise) * away**2 + wave

    def visibility(self, theta: ArrayLike) -> NDArray:
        """How well it is visible at angles, 0 to 1."""
        left, right = ((np.asarray(theta) - end) / self.fade for end in self.ends)
        return 1 / (1 + np.exp(-left)) / (1 + np.exp(right))

    def echo_behind(self, level: NDArray, lung_depth: NDArray, grid: _PolarGrid, rng: Generator) -> NDArray[np.float32]:
        """Where it is visible, the mirrored `level` of the liver with reverberation; elsewhere, the dark flank."""
        row = np.rint((2 * self.depth(grid.theta) - grid.r[:, None]) / grid.steps[0]).astype(int) + grid.guard
        image = np.take_along_axis(level, np.clip(row, 0, grid.shape[0] - 1), axis=0)
        patches = gaussian_filter1d(rng.standard_normal(grid.shape[1]), 10)
        mirror = 0.8 * image - rng.uniform(7, 17) - rng.uniform(0.12, 0.3) * lung_depth + 2.5 * patches / patches.std()
        spacing, strength = rng.uniform(4, 9), rng.choice([0.0, rng.uniform(3, 9)])
        bands = strength * np.cos(np.pi * lung_depth / spacing) ** 6 * np.exp(-np.abs(lung_depth) / rng.uniform(8, 20))
        flank = rng.uniform(-17, -9) - 0.15 * lung_depth
        visible = self.visibility(grid.theta)
        return (visible * (mirror + bands) + (1 - visible) * flank).astype(np.float32)


@dataclass(frozen=True)
class _Organ:
    """One organ in the plane, as maps on the grid."""

    distance: NDArray[np.float32]  # to its wall, mm, negative inside
    level: NDArray[np.float32]  # echo in it, dB; anything outside
    outline: float  # brightness of its wall, dB
    width: float  # thickness of its wall, mm
    gain: float = 0.0  # brighter behind it by this many dB per mm of it (below 0: darker)
    max_gain: float = 0.0  # where that ends, dB

    @property
    def inside(self) -> NDArray[np.bool_]:
        return self.distance < 0

    def add_to(self, level: NDArray, step: float) -> NDArray:
        """A map of echo levels (rows `step` mm apart) with the organ, its outline, and its effect behind it."""
        path = np.cumsum(self.inside, axis=0, dtype=np.float32) * np.float32(step)
        behind = np.sign(self.gain) * np.minimum(abs(self.gain) * path, self.max_gain)
        outline = self.outline * np.exp(-(((self.distance - self.width) / self.width) ** 2))
        return np.where(self.inside, self.level, level + behind) + outline


@dataclass(frozen=True)
class _Organs:
    """The organs that one view shows; None where it does not."""

    gallbladder: _Organ | None
    kidney: _Organ | None
    ligament: _Organ | None

    @classmethod
    def draw(
        cls, x: NDArray, y: NDArray, span: tuple[float, float], heart: float, fat: float, rng: Generator
    ) -> _Organs:
        """Draw the organs between the depths of surface and diaphragm (`span`, mm), on the side without the heart."""
        side = -1.0 if heart > 0 else 1.0
        drawn = rng.random(3) < (0.25, 0.22, 0.18)  # of views show gallbladder, kidney, ligament
        # The gallbladder is drawn last: it keeps clear of the kidney.
        kidney = _kidney(x, y, span, side, fat, rng) if drawn[1] else None
        ligament = _ligament(x, y, span, rng) if drawn[2] else None
        gallbladder = _gallbladder(x, y, span, side, rng) if drawn[0] else None
        if gallbladder is not None and kidney is not None and np.any(gallbladder.inside & (kidney.distance < 3)):
            gallbladder = None
        if gallbladder is not None and ligament is not None and np.any(gallbladder.inside & (ligament.distance < 3)):
            ligament = None
        return cls(gallbladder, kidney, ligament)

    @property
    def visible(self) -> list[_Organ]:
        """Those that the view shows, from the deepest to the nearest."""
        return [organ for organ in (self.kidney, self.gallbladder, self.ligament) if organ is not None]

    @property
    def behind_kidney(self) -> NDArray[np.bool_] | bool:
        """Where the beam has come through the kidney: the liver has ended."""
        return False if self.kidney is None else np.maximum.accumulate(self.kidney.inside, axis=0) & ~self.kidney.inside

    def distance(self) -> NDArray[np.float32] | np.float32:
        return np.minimum.reduce([organ.distance for organ in self.visible]) if self.visible else np.float32(99.0)


def _point(span: tuple[float, float], across: float, down: float) -> NDArray:
    """A point at shares of the distance between surface and diaphragm."""
    return np.array([across, down]) * (span[1] - span[0]) + (0.0, span[0])


def _oval(x: NDArray, y: NDArray, middle: NDArray, half: tuple[float, float], angle: float) -> tuple[NDArray, ...]:
    """Coordinates in units of the half axes, and the distance to the oval in mm (exact near its edge)."""
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along = (cosine * (x - np.float32(middle[0])) + sine * (y - np.float32(middle[1]))) / np.float32(half[0])
    across = (cosine * (y - np.float32(middle[1])) - sine * (x - np.float32(middle[0]))) / np.float32(half[1])
    radius = np.sqrt(along**2 + across**2)
    slope = np.sqrt((along / half[0]) ** 2 + (across / half[1]) ** 2) / np.maximum(radius, 1e-3)
    return along, across, ((radius - 1) / np.maximum(slope, 1e-3)).astype(np.float32)


def _texture(shape: tuple[int, ...], size: float, rng: Generator) -> NDArray[np.float32]:
    """Smooth noise of standard deviation 1."""
    noise = gaussian_filter(rng.standard_normal(shape, np.float32), size)
    return noise / noise.std()


def _gallbladder(x: NDArray, y: NDArray, span: tuple[float, float], side: float, rng: Generator) -> _Organ:
    """A pear of bile, from its neck near the hilum to its fundus near the surface; or a cut across it."""
    fundus = _point(span, side * rng.uniform(0.30, 0.52), rng.uniform(0.30, 0.48))
    length = rng.uniform(32, 62) if rng.random() < 0.7 else rng.uniform(2, 8)
    angle = rng.uniform(0.35, 1.1)  # from horizontal, downwards to the middle
    axis = np.array([-side * np.cos(angle), np.sin(angle)])
    along = axis[0] * (x - fundus[0]) + axis[1] * (y - fundus[1])
    share = np.clip(along / length, 0, 1)
    across = axis[0] * (y - fundus[1]) - axis[1] * (x - fundus[0]) - rng.normal(0, 3) * np.sin(np.pi * share)
    # Widest at a third of the length from the fundus, thin at the neck.
    girth = rng.uniform(8.5, 13.5) * (0.82 + 0.28 * np.sin(np.pi * share) - 0.62 * share**2)
    distance = np.sqrt((along - length * share) ** 2 + across**2) - girth
    haze = np.exp(-np.maximum(-distance, 0) / 2.5)  # echoes of the wall in front spill into the bile
    level = (-38 + 14 * haze).astype(np.float32)
    return _Organ(distance.astype(np.float32), level, rng.uniform(8, 12), 0.9, 0.3, rng.uniform(3, 6))


def _kidney(x: NDArray, y: NDArray, span: tuple[float, float], side: float, fat: float, rng: Generator) -> _Organ:
    """Cortex somewhat darker than liver, darker pyramids, a bright sinus, a bright capsule."""
    middle = _point(span, side * rng.uniform(0.56, 0.72), rng.uniform(0.72, 0.88))
    half = rng.uniform(45, 56), rng.uniform(20, 25)
    angle = -side * rng.uniform(0.05, 0.45)  # the lower pole comes towards the probe
    along, across, distance = _oval(x, y, middle, half, angle)
    texture = _texture(x.shape, 5.0, rng)
    core = np.sqrt((along / 0.56) ** 2 + (across / 0.36) ** 2) + 0.16 * texture
    turn = np.arctan2(across / 0.5, along)
    pyramids = np.clip(np.cos(rng.integers(7, 11) * turn + rng.uniform(0, 6)) - 0.1, 0, 1)
    pyramids *= np.exp(-(((core - 1.45) / 0.28) ** 2))
    sinus = 0.5 - 0.5 * np.tanh((core - 1) / 0.16)
    cortex = -(rng.uniform(4, 7) + 4.0 * fat) * (1 - sinus)
    level = cortex - 5.0 * pyramids + sinus * (rng.uniform(4, 8) + 2.5 * texture)
    return _Organ(distance, level.astype(np.float32), rng.uniform(9, 14), 1.0)


def _ligament(x: NDArray, y: NDArray, span: tuple[float, float], rng: Generator) -> _Organ:
    """The round ligament cut across: a bright spot of fat and fibres that casts a shadow."""
    middle = _point(span, rng.uniform(-0.38, 0.38), rng.uniform(0.18, 0.5))
    half = rng.uniform(3.5, 7.5), rng.uniform(2.5, 4.5)
    *_, distance = _oval(x, y, middle, half, rng.uniform(-0.6, 0.6))
    level = rng.uniform(10, 14) + 2.5 * _texture(x.shape, 2.0, rng)
    return _Organ(distance, level.astype(np.float32), 3.0, 0.8, -2.5, rng.uniform(5, 11))
