"""Where tissue is in each frame, and the reverse: which tissue is seen at a place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrolib.phantom.anatomy import Anatomy
from fibrolib.phantom.motion import Motion, deep_share, press_depth

__all__ = ["Origins", "Tissue"]


class Tissue:
    """Points of tissue that move.

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
        self._slides = inside.astype(r.dtype)
        down, turn = motion.heart_field(r, theta)
        swell = anatomy.grid.nearest(anatomy.swelling, r, theta)
        deep = deep_share(r - anatomy.surface.course(theta))
        # The wall lies against the ribs: the heart moves what is behind it.
        fields = (down, turn, swell.real, swell.imag, deep)
        fields = [(field * self._slides).astype(r.dtype) for field in fields]
        self._down, self._turn, self._widen, self._aside, self._deep = fields
        self._press = press_depth(r).astype(r.dtype)

    def at(self, frame: int) -> tuple[NDArray, NDArray]:
        """Places `(r, theta)` in a frame."""
        motion, kind = self._motion, self.r.dtype.type
        heart, slide, pulse = kind(motion.heart[frame]), kind(motion.slide[frame]), kind(motion.pulse[frame])
        # A liver that slides along a sloping wall keeps its distance from it.
        slope, bend = kind(self._surface.slope), kind(self._surface.bend)
        follow = slide * (slope + bend * (2 * self.theta + slide))
        r = self.r + heart * self._down + self._slides * follow + kind(motion.press[frame]) * self._press
        r += pulse * self._widen + kind(motion.rise[frame]) * self._deep
        theta = self.theta + heart * self._turn + self._slides * slide + kind(motion.swing[frame])
        theta += pulse * self._aside
        return r, theta


class Origins:
    """Samples of an anatomy's grid whose tissue is seen at fixed places.

    Parameters
    ----------
    anatomy : Anatomy
        The view.
    motion : Motion
        How its tissue moves.
    r, theta : ndarray of float32, shape (places,)
        The places, mm and radians.
    """

    def __init__(self, anatomy: Anatomy, motion: Motion, r: NDArray, theta: NDArray) -> None:
        self._grid, self._surface, self._motion = anatomy.grid, anatomy.surface, motion
        self._r, self._theta, self._press = r, theta, press_depth(r)
        depth, angle = np.meshgrid(anatomy.grid.r, anatomy.grid.theta, indexing="ij")
        down, turn = motion.heart_field(depth, angle)
        self._heart = (down + 1j * turn).astype(np.complex64).ravel()
        self._swelling = anatomy.swelling.ravel()
        self._deep = deep_share(depth - anatomy.surface.course(angle)).astype(np.float32).ravel()

    def at(self, frame: int) -> NDArray[np.intp]:
        """Flat index into maps on the grid, per place."""
        motion, kind = self._motion, np.float32
        theta = self._theta - kind(motion.swing[frame])
        rest = theta - kind(motion.slide[frame])
        r = self._r - kind(motion.press[frame]) * self._press
        r = (r - (self._surface.course(theta) - self._surface.course(rest))).astype(kind)
        moved = kind(motion.heart[frame]) * self._heart + kind(motion.pulse[frame]) * self._swelling
        moved.real += kind(motion.rise[frame]) * self._deep
        index = self._grid.flat_index(r, rest)
        for _ in range(2):  # the field changes little over a displacement: twice is enough
            back = moved[index]
            index = self._grid.flat_index(r - back.real, rest - back.imag)
        return index
