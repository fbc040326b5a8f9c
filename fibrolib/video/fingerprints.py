"""Know the same pictures again, whatever their size, gain and coding, and where a margin was cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrolib.video.sector import Sector

__all__ = ["GRID", "WHOLE", "Margins", "Miniature", "fingerprints", "miniature"]

_SIDE = 96  # pixels of a miniature: three for a cell of the grid
GRID = 32
"""Cells of a side."""

_FLAT = 1.0  # grey levels; a smaller step between neighbours is no sign of anything (*assumption*)
_INSIDE = 128  # of 255: a cell at least half inside the sector

Margins = tuple[float, float, float, float]
"""Shares of the height that are left out above and below, and of the width to the left and to the right."""

WHOLE: Margins = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Miniature:
    """Frames of the sector's box, small.

    Parameters
    ----------
    frames : ndarray of uint8, shape (frames, 96, 96)
        Grey levels.
    inside : ndarray of uint8, shape (96, 96)
        How much of a pixel is inside the sector, 255 for all of it.
    """

    frames: NDArray[np.uint8]
    inside: NDArray[np.uint8]


def miniature(frames: NDArray[np.uint8], sector: Sector) -> Miniature:
    """Make frames of shape (frames, height, width) small."""
    top, bottom, left, right = sector.box
    cover = np.uint8(255) * sector.mask
    small = [_resized(picture[top:bottom, left:right], (_SIDE, _SIDE)) for picture in (*frames, cover)]
    return Miniature(np.stack(small[:-1]), small[-1])


def fingerprints(small: Miniature, margins: Margins = WHOLE) -> NDArray[np.int8]:
    """Perceptual hashes of frames: where, inside the sector, the picture grows brighter from left to right.

    Like a difference hash, on a grid of 32 x 32 laid over the sector's box, so that size, gain, coding and what is
    around the picture do not matter.

    Parameters
    ----------
    small : Miniature
        The frames.
    margins : tuple of float
        What to leave out: the grid is laid over the rest, as it is in a copy without these margins.

    Returns
    -------
    ndarray of int8, shape (frames, 1024)
        1 brighter, -1 darker, 0 flat or outside the sector.
    """
    above, below, before, behind = margins
    box = (_SIDE * before, _SIDE * above, _SIDE * (1 - behind), _SIDE * (1 - below))
    size = (GRID + 1, GRID)
    inside = _resized(small.inside, size, box) >= _INSIDE
    cells = np.stack([_resized(frame, size, box, "F") for frame in small.frames])
    steps = np.diff(cells, axis=2)
    steps[(np.abs(steps) < _FLAT) | ~(inside[:, 1:] & inside[:, :-1])] = 0
    return np.sign(steps).astype(np.int8).reshape(len(cells), -1)


def _resized(
    picture: NDArray[np.uint8], size: tuple[int, int], box: tuple[float, float, float, float] | None = None, mode="L"
) -> NDArray:
    return np.asarray(Image.fromarray(picture).convert(mode).resize(size, Image.Resampling.BOX, box))
