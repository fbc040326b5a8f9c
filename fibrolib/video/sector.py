"""Find the ultrasound picture, fan or rectangle, within the frame; text, rulers and screen furniture stay outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

Box = tuple[int, int, int, int]
"""``(top, bottom, left, right)`` in pixels; bottom and right are exclusive."""

# All *assumptions*, set by looking at 71 real videos of many scanners and at simulated fans with text and rulers.
_FRAMES_LOOKED_AT = 32
_WORKING_SIDE = 256  # pixels; the frame is shrunk to this
_MOTION_LEVEL = 1.5  # grey levels, standard deviation over time
_LIGHT_LEVEL = 3.0  # grey levels above the screen
_MOTION_WEIGHT = 4.0  # a pixel that moves by one level counts as much as one lit by four
_TRIFLE = 0.05  # of the largest moving part
_STILL = 0.3  # grey levels, standard deviation over time
_PLAINLY = 0.05  # of all pixels
_OPENING = 0.02  # radius by the shorter side: wider than a stroke of a letter
_CLOSING = 0.03
_LEAST = 0.05  # of the frame, or of the region the scanner names; the smallest of the 71 pictures takes 0.38


@dataclass(frozen=True)
class Sector:
    """Where in the frame the ultrasound picture is."""

    box: Box  # the rectangle around it
    mask: NDArray[np.bool_]  # (height, width), true inside the fan or rectangle
    found: bool = True  # false where it may be a line of text, or nothing was found: then all of the frame


def find_sector(frames: NDArray[np.uint8], region: Box | None = None) -> Sector:
    """Find the fan or rectangle of the ultrasound picture in frames of shape (frames, height, width).

    What moves or is lit is the candidate; opening drops letters, rulers and traces, which are thin; of the rest the
    part with most light and motion is kept and filled to its convex hull, since shadows and vessels in the picture are
    neither lit nor moving. `region` is where the scanner says that its picture is: nothing else is searched.
    """
    if frames.ndim != 3 or not len(frames):
        raise ValueError(f"expected (frames, height, width) with at least one frame, got shape {frames.shape}")
    if region is not None:
        top, bottom, left, right = region
        return _placed(find_sector(frames[:, top:bottom, left:right]), region, frames.shape[1:])
    height, width = frames.shape[1:]
    block = max(1, -(-max(height, width) // _WORKING_SIDE))
    small = _shrink(_some(frames), block)
    region = _main_region(small)
    if region is None:
        return Sector((0, height, 0, width), np.ones((height, width), dtype=bool), found=False)
    mask = _filled_hull(region, block, (height, width))
    return Sector(box_around(mask), mask, found=bool(mask.mean() >= _LEAST))


def box_around(mask: NDArray[np.bool_]) -> Box:
    """The smallest rectangle that holds a mask, which must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _placed(sector: Sector, region: Box, shape: tuple[int, int]) -> Sector:
    """A sector found in a part of the frame, in the whole frame."""
    mask = np.zeros(shape, dtype=bool)
    mask[region[0] : region[1], region[2] : region[3]] = sector.mask
    top, bottom, left, right = sector.box
    box = (top + region[0], bottom + region[0], left + region[2], right + region[2])
    return Sector(box, mask, sector.found)


def _some(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    chosen = np.unique(np.linspace(0, len(frames) - 1, _FRAMES_LOOKED_AT).round().astype(int))
    return frames[chosen]


def _shrink(frames: NDArray[np.uint8], block: int) -> NDArray[np.float32]:
    """Means over blocks of pixels, which also quietens coding noise."""
    return np.stack([np.asarray(Image.fromarray(frame).reduce(block), dtype=np.float32) for frame in frames])


def _main_region(frames: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    light, motion = frames.mean(axis=0), frames.std(axis=0)
    light = np.maximum(light - _background(light, motion), 0)
    alive = (motion > _MOTION_LEVEL) | (light > _LIGHT_LEVEL)
    side = min(alive.shape)
    labels, count = ndimage.label(_closed(_opened(alive, _OPENING * side), _CLOSING * side))
    if not count:
        return None
    numbers = np.arange(1, count + 1)
    weight = ndimage.sum_labels(light + _MOTION_WEIGHT * motion, labels, numbers)
    moving = ndimage.sum_labels(motion > _MOTION_LEVEL, labels, numbers)
    # A black band can part the near field from the rest: whatever else moves, and is no mere trifle, belongs to it.
    kept = moving >= _TRIFLE * moving.max(initial=1)
    kept[np.argmax(weight)] = True
    return np.isin(labels, numbers[kept])


def _background(light: NDArray[np.float32], motion: NDArray[np.float32]) -> float:
    """The grey level of the screen around the picture: the commonest still level, where one is plainly commonest."""
    still = np.rint(light[motion < _STILL]).astype(np.int64)
    counts = np.bincount(still, minlength=1)
    return float(np.argmax(counts)) if counts.max() >= _PLAINLY * light.size else 0.0


def _opened(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    # Padded with the edge's own values: a picture that reaches the edge of the frame is not worn away there.
    reach = max(1, round(radius))
    padded = np.pad(mask, reach, mode="edge")
    return _dilated(_eroded(padded, reach), reach)[reach:-reach, reach:-reach]


def _closed(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    reach = max(1, round(radius))
    return _eroded(_dilated(np.pad(mask, reach), reach), reach)[reach:-reach, reach:-reach]


def _eroded(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Erosion by a disk, through the distance transform: many times faster than pixel by pixel."""
    return ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] > reach


def _dilated(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    return ndimage.distance_transform_edt(~mask) <= reach if mask.any() else mask


def _filled_hull(region: NDArray[np.bool_], block: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    rows = np.flatnonzero(region.any(axis=1))
    left, right = region[rows].argmax(axis=1), region.shape[1] - region[rows, ::-1].argmax(axis=1)
    # All corners of the outermost blocks of each row, so that the hull encloses whole blocks.
    corners = [(columns, rows + low) for columns in (left, right) for low in (0, 1)]
    points = np.concatenate([np.stack(corner, axis=1) * block for corner in corners])
    try:
        outline = points[ConvexHull(points).vertices]
    except QhullError:  # one row or column of blocks: flat, its own hull
        return np.kron(region, np.ones((block, block), dtype=bool))[: shape[0], : shape[1]]
    canvas = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).polygon([(int(x), int(y)) for x, y in outline], fill=1, outline=1)
    return np.array(canvas)
