"""What a scanner drew on the ultrasound picture: colour, and bright marks that stand still while the tissue moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["coloured_pixels", "still_marks", "well_inside"]

# All *assumptions*, set by looking at 71 real videos without overlays (no marked pixel), at 55 virtual ones, of finer
# speckle (at most 13), and at text and callipers drawn on real ones and coded anew (H.264, MPEG-4: 22 to 111 of some
# 150 pixels; none where the tissue is as bright as the letters).
_BORDER = 0.02  # of the shorter side: codecs leave coloured and bright seams at the edge of a picture
_COLOURED = 48  # grey levels between a pixel's strongest and weakest colour
_LUMA_BINS = 16
_STROKE = 5  # pixels: a window wider than the stroke of a letter, narrower than what tissue shows as bright
_STEP = 120  # grey levels by which a stroke stands out of such a window
_LEAST = 4  # pixels of a stroke; single grains of speckle are smaller
_BRIGHT = 150  # grey levels
_MOVING = 2.0  # grey levels, standard deviation over time, of the surroundings
_STILLER = 0.7  # of the surroundings' standard deviation; coding makes even a drawn line flicker where tissue moves
_AROUND = 0.03  # of the shorter side


def well_inside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The sector without its border; the edge of the frame counts as a border too."""
    return ndimage.binary_erosion(mask, iterations=max(1, round(_BORDER * min(mask.shape))))


def coloured_pixels(frames: NDArray[np.uint8], inside: NDArray[np.bool_]) -> float:
    """How many pixels are coloured otherwise than the picture as a whole; mean over the frames.

    A tint of all of the picture is no overlay: the commonest colour of pixels of equal brightness is taken off first.

    Parameters
    ----------
    frames : ndarray of uint8, shape (frames, height, width, 3)
        Red, green and blue.
    inside : ndarray of bool, shape (height, width)
        Where to look.
    """
    pixels = frames[:, inside].reshape(-1, 3).astype(np.int16)
    strength = np.ptp(pixels, axis=1)
    if not len(strength) or strength.max() < _COLOURED:  # most videos: nothing is coloured at all
        return 0.0
    luma = pixels.mean(axis=1)
    chroma = pixels - luma[:, None]
    bins = (luma * _LUMA_BINS / 256).astype(int)
    for level in np.unique(bins):
        chosen = bins == level
        chroma[chosen] -= np.median(chroma[chosen], axis=0)
    return float((np.ptp(chroma, axis=1) >= _COLOURED).sum() / len(frames))


def still_marks(mean: NDArray[np.float32], flicker: NDArray[np.float32], inside: NDArray[np.bool_]) -> int:
    """How many pixels belong to thin bright strokes that stand still in moving tissue: letters, callipers, rulers.

    Where nothing moves, a stroke cannot be told from a reflector, and is not counted.

    Parameters
    ----------
    mean, flicker : ndarray of float32, shape (height, width)
        Mean and standard deviation over time of each pixel, grey levels.
    inside : ndarray of bool, shape (height, width)
        Where to look.
    """
    around = ndimage.uniform_filter(flicker, 2 * max(1, round(_AROUND * min(inside.shape))) + 1)
    still = (around > _MOVING) & (flicker < _STILLER * around)
    strokes = ndimage.white_tophat(mean, size=(_STROKE, _STROKE)) > _STEP
    labels, count = ndimage.label(inside & strokes & still & (mean > _BRIGHT), np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return int(sizes[sizes >= _LEAST].sum())
