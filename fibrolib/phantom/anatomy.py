"""The anatomy of one view at rest: liver surface, parenchyma, vessels, and the liver's neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from fibrolib.phantom.imaging import FACE_RADIUS, HALF_ANGLE, _plane_from_polar, _PolarGrid
from fibrolib.phantom.motion import _HeartPush
from fibrolib.phantom.neighbours import _Diaphragm, _Organs, _Wall
from fibrolib.phantom.patients import _nodule_height

# Names and bits of the label map: vessels are part of the liver; the neighbouring organs are not.
LABELS = {"liver": 1, "vessels": 2, "capsule": 4, "gallbladder": 8, "kidney": 16}


@dataclass(frozen=True)
class _Anatomy:
    """One view of one patient at rest; maps have the shape of the grid."""

    grid: _PolarGrid
    surface: _Surface
    wall: _Wall
    diaphragm: _Diaphragm
    organs: _Organs
    vessels: _Vessels
    liver_depth: NDArray[np.float32]  # below the nodular surface, mm; negative in the abdominal wall
    lung_depth: NDArray[np.float32]  # beyond the diaphragm, mm; negative in the liver
    labels: NDArray[np.uint8]  # bits of `LABELS`
    push: _HeartPush
    swelling: NDArray[np.complex64]  # how tissue moves when hepatic veins widen, see `_Vessels.swelling`

    @classmethod
    def draw(cls, patient: object, grid: _PolarGrid, rng: Generator) -> _Anatomy:
        """Draw a view of a patient; another `rng` gives another section."""
        surface = _Surface.draw(patient, rng)
        wall = _Wall.draw(patient.bmi, rng)
        heart = rng.uniform(-0.16, 0.16)  # the sonographer keeps the heart's neighbourhood in the picture
        r, theta = grid.r[:, None], grid.theta
        x, y = (coordinate.astype(np.float32) for coordinate in _plane_from_polar(r, theta))
        organs = _Organs.draw(x, y, (surface.depth, 0.77 * grid.depth), heart, patient.fat, rng)
        diaphragm = _Diaphragm.draw(grid.depth, 0.0 if organs.kidney is None else -np.sign(heart), rng)
        liver_depth = r - (surface.smooth_depth(theta) + surface.nodule_depth(theta))
        lung_depth = r - diaphragm.depth(theta)
        liver = (liver_depth > 0) & (lung_depth < 0) & (organs.distance() > 0) & np.logical_not(organs.behind_kidney)
        free = (liver_depth > 7) & (lung_depth < -2) & (organs.distance() > 4) & liver
        place = (float(coordinate) for coordinate in _plane_from_polar(diaphragm.depth(heart) + 2, heart))
        vessels = _Vessels.draw(x, y, surface.depth, diaphragm.r, rng).end_outside(free)
        return cls(
            grid=grid,
            surface=surface,
            wall=wall,
            diaphragm=diaphragm,
            organs=organs,
            vessels=vessels,
            liver_depth=liver_depth.astype(np.float32),
            lung_depth=lung_depth.astype(np.float32),
            labels=_labels(liver, liver_depth, vessels, organs),
            push=_HeartPush(*place, rng.uniform(-0.3, 0.3), rng.uniform(20, 26), rng.uniform(26, 36)),
            swelling=vessels.swelling(grid),
        )

    @property
    def parenchyma(self) -> NDArray[np.bool_]:
        """Where the liver is, except for its vessels."""
        return self.labels & (LABELS["liver"] | LABELS["vessels"]) == LABELS["liver"]


def _labels(liver: NDArray, liver_depth: NDArray, vessels: _Vessels, organs: _Organs) -> NDArray[np.uint8]:
    regions = {
        "liver": liver,
        "vessels": liver & (vessels.distance < 0),
        "capsule": (liver_depth > -1.0) & (liver_depth < 3.0),  # mm: what a reader would call the capsule
        "gallbladder": organs.gallbladder is not None and organs.gallbladder.inside & (liver_depth > 0),
        "kidney": organs.kidney is not None and organs.kidney.inside & (liver_depth > 0),
    }
    return sum(LABELS[name] * np.asarray(region, np.uint8) for name, region in regions.items()).astype(np.uint8)


@dataclass(frozen=True)
class _Surface:
    """The liver's surface: smooth at ``depth + slope * theta + bend * theta**2`` (mm), with nodules on it."""

    depth: float
    slope: float
    bend: float
    theta: NDArray[np.float64]  # angles of the profile of nodules
    nodules: NDArray[np.float64]  # mm, towards the liver

    @classmethod
    def draw(cls, patient: object, rng: Generator) -> _Surface:
        """Wall thickness after body mass index; nodules 4-10 mm long (assumptions)."""
        depth = np.clip(14 + 0.8 * (patient.bmi - 18) + rng.normal(0, 2), 13, 34)
        theta = np.linspace(-HALF_ANGLE - 0.2, HALF_ANGLE + 0.2, 600)
        step = (theta[1] - theta[0]) * (FACE_RADIUS + depth)
        length = rng.uniform(1.6, 2.8) / step
        noise = rng.standard_normal(theta.size)
        nodules = gaussian_filter1d(noise, length) - gaussian_filter1d(noise, 2 * length)
        nodules *= _nodule_height(patient.capsule) / nodules.std()
        return cls(float(depth), rng.normal(0, 4), rng.uniform(-12, 12), theta, nodules)

    def smooth_depth(self, theta: ArrayLike) -> NDArray:
        return self.depth + theta * (self.slope + self.bend * theta)

    def nodule_depth(self, theta: ArrayLike) -> NDArray:
        return np.interp(theta, self.theta, self.nodules)


@dataclass(frozen=True)
class _Vessels:
    """Maps of the distance to the nearest vessel wall, mm, negative inside the lumen."""

    portal: NDArray[np.float32]  # portal branches have bright walls
    hepatic: NDArray[np.float32]  # walls of hepatic veins hardly show

    @classmethod
    def draw(cls, x: NDArray, y: NDArray, surface: float, diaphragm: float, rng: Generator) -> _Vessels:
        """One tree lies in the plane, the other meets it here and there, between `surface` and `diaphragm` (mm)."""
        plane = _VesselPlane(x, y, surface, diaphragm, rng)
        side = rng.choice([-1.0, 1.0])
        spots = [plane.spots(rng.integers(2, 6)) for _ in range(2)]
        if rng.random() < 0.55:
            portal = np.minimum(plane.portal_tree(side), spots[0])
            return cls(portal, _end_outside(spots[1], portal > 5.0))
        hepatic = np.minimum(plane.hepatic_tree(side), spots[1])
        return cls(_end_outside(np.minimum(spots[0], plane.portal_branch(side)), hepatic > 5.0), hepatic)

    @property
    def distance(self) -> NDArray[np.float32]:
        return np.minimum(self.portal, self.hepatic)

    def end_outside(self, allowed: NDArray[np.bool_]) -> _Vessels:
        return _Vessels(_end_outside(self.portal, allowed), _end_outside(self.hepatic, allowed))

    def swelling(self, grid: _PolarGrid) -> NDArray[np.complex64]:
        """Displacement around hepatic veins per mm that their walls move, depth (mm) + i angle; it fades over 4 mm."""
        smooth = gaussian_filter(np.minimum(self.hepatic, 20.0), (1.5, 1.0))
        down, turn = np.gradient(smooth, grid.steps[0], grid.steps[1])
        radius = FACE_RADIUS + grid.r[:, None]
        across = turn / radius
        fade = np.exp(-np.maximum(smooth, 0) / 4.0 + np.minimum(smooth, 0) / 2.0)
        # Where vessels were cut off the distance jumps: no tissue is pushed faster than the wall.
        fade /= np.maximum(np.hypot(down, across), 1.0)
        return (fade * (down + 1j * across / radius)).astype(np.complex64)


def _end_outside(tree: NDArray, allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(allowed, tree, np.maximum(tree, np.float32(3.0)))  # mm: nothing of a wall is visible there


class _VesselPlane:
    """Draws vessels as distance maps on the places of one view, between surface and diaphragm."""

    def __init__(self, x: NDArray, y: NDArray, surface: float, diaphragm: float, rng: Generator) -> None:
        self.x, self.y = x.astype(np.float32), y.astype(np.float32)
        self.surface, self.room, self.rng = surface, diaphragm - surface, rng
        # Vessels wind out of the plane: their cut grows and shrinks slowly along their course.
        kx, ky, phase = rng.normal(0, 0.09, 4), rng.normal(0, 0.09, 4), rng.uniform(0, 2 * np.pi, 4)
        waves = zip(kx.astype(np.float32), ky.astype(np.float32), phase.astype(np.float32), strict=True)
        self.winding = sum(np.float32(0.5) * np.sin(a * self.x + b * self.y + c) for a, b, c in waves)

    def point(self, across: float, down: float) -> NDArray:
        """A point at shares of the room: `across` from the axis, `down` from the surface."""
        return np.array([across * self.room, self.surface + down * self.room])

    def tube(self, start: NDArray, end: NDArray, first: float, last: float) -> NDArray[np.float32]:
        """Distance to a bent tube from `start` to `end` whose radius goes from `first` to `last` (mm)."""
        share = np.linspace(0, 1, 36)[:, None]
        across = np.array([-(end - start)[1], (end - start)[0]])
        bend = self.rng.normal(0, 0.10) * np.sin(np.pi * share) + self.rng.normal(0, 0.03) * np.sin(2 * np.pi * share)
        line = (start + share * (end - start) + bend * across).astype(np.float32)
        radius = np.linspace(first, last, share.size, dtype=np.float32)
        nearest = np.full(self.x.shape, 1e6, np.float32)
        for (x, y), size in zip(line, radius, strict=True):
            np.minimum(nearest, np.sqrt((self.x - x) ** 2 + (self.y - y) ** 2) - size, out=nearest)
        return nearest + self.winding

    def spot(self, middle: NDArray, radius: float) -> NDArray[np.float32]:
        """Distance to a vessel cut across, slightly oval."""
        oval = np.hypot((self.x - middle[0]) / self.rng.uniform(0.85, 1.4), self.y - middle[1])
        return (oval - radius).astype(np.float32)

    def spots(self, number: int) -> NDArray[np.float32]:
        rng = self.rng
        middles = [self.point(rng.uniform(-0.75, 0.75), rng.uniform(0.12, 0.78)) for _ in range(number)]
        return np.minimum.reduce([self.spot(middle, rng.uniform(0.8, 2.6)) for middle in middles])

    def portal_tree(self, side: float) -> NDArray[np.float32]:
        """A trunk that comes into the plane at the hilum and splits in two."""
        rng = self.rng
        hilum = self.point(side * rng.uniform(0.30, 0.60), rng.uniform(0.55, 0.75))
        fork = self.point(side * rng.uniform(-0.05, 0.15), rng.uniform(0.42, 0.6))
        up = fork + self.room * np.array([-side * rng.uniform(0.25, 0.5), -rng.uniform(0.15, 0.3)])
        down = fork + self.room * np.array([-side * rng.uniform(0.25, 0.5), rng.uniform(0.0, 0.15)])
        width = rng.uniform(4.3, 6.0)
        tubes = [
            self.tube(hilum, fork, 0.3 * width, width),
            self.tube(fork, up, 0.65 * width, 0.1 * width),
            self.tube(fork, down, 0.55 * width, 0.1 * width),
        ]
        return np.minimum.reduce(tubes)

    def portal_branch(self, side: float) -> NDArray[np.float32]:
        """A stretch of a portal branch, away from the hepatic veins."""
        rng = self.rng
        start = self.point(side * rng.uniform(0.15, 0.6), rng.uniform(0.3, 0.65))
        end = start + self.room * np.array([rng.uniform(-0.35, 0.35), rng.uniform(-0.15, 0.15)])
        return self.tube(start, end, rng.uniform(1.0, 3.2), rng.uniform(0.5, 2.2))

    def hepatic_tree(self, side: float) -> NDArray[np.float32]:
        """Two or three veins that meet in the inferior vena cava below the diaphragm."""
        rng = self.rng
        meeting = self.point(-side * rng.uniform(0.0, 0.3), rng.uniform(0.80, 0.88))
        tubes = [self.spot(meeting, rng.uniform(5.5, 8.0))]
        for slant in rng.permutation([-0.55, 0.05, 0.6])[: rng.integers(2, 4)]:
            start = self.point(slant + rng.uniform(-0.12, 0.12), rng.uniform(0.18, 0.42))
            tubes.append(self.tube(start, meeting, rng.uniform(0.3, 1.2), rng.uniform(3.4, 4.8)))
        return np.minimum.reduce(tubes)
