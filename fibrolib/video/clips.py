"""Prepare clips: crop to the sector, blank what is outside, one size, one frame rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrolib.video.masks import masks_of_frames
from fibrolib.video.reading import Video, read_image, read_video
from fibrolib.video.sector import find_sector
from fibrolib.video.stills import is_still
from fibrolib.video.timing import nearest_frames

__all__ = ["Clip", "prepare_clip", "prepare_image"]

_MASK_COVER = 64
"""A pixel belongs to a region that covers a quarter of it: at a half, a thin capsule would vanish (*assumption*)."""

_SECTOR_COVER = 128


@dataclass(frozen=True)
class Clip:
    """A prepared clip.

    Parameters
    ----------
    frames : ndarray of uint8, shape (frames, size, size)
        Grey levels, 0 outside the sector.
    fps : float
        Frames per second.
    sector : ndarray of bool, shape (size, size)
        Where the ultrasound picture is.
    roi : ndarray of bool, shape (frames, size, size), or None
        A marked region, moved and scaled with the frames.
    """

    frames: NDArray[np.uint8]
    fps: float
    sector: NDArray[np.bool_]
    roi: NDArray[np.bool_] | None = None


def prepare_clip(
    path: str | Path,
    *,
    size: int,
    fps: float | None,
    max_frames: int,
    roi: str | Path | None = None,
    region: str = "capsule",
) -> Clip:
    """Read a video and bring it to the form the nets take.

    Parameters
    ----------
    path : str or Path
        A video, or a DICOM cine.
    size : int
        Side of the square clip in pixels. The sector keeps its proportions; the rest is black.
    fps : float or None
        Frames per second, reached by taking the frames nearest in time. No frame is ever invented: a file slower than
        this keeps its own frames and its own rate. None keeps every file's own rate.
    max_frames : int
        At most so many frames, from the middle of the file.
    roi : str or Path, optional
        A mask: an image (non-zero is the region) or a LabelMe ``.json`` for all frames, or ``.npz`` with an array
        `region` of shape (frames, height, width) or (height, width).
    region : str
        Which array of an ``.npz`` mask, or which label of a LabelMe file.

    Returns
    -------
    Clip

    Raises
    ------
    VideoError
        The video or mask cannot be read, or they do not fit each other.
    """
    if size < 1 or max_frames < 1 or (fps is not None and fps <= 0):
        raise ValueError(f"size, max_frames and fps must be positive, got {size}, {max_frames}, {fps}")
    video = read_video(path, max_frames=max_frames, fps=fps)
    chosen, rate = np.arange(len(video.frames)), video.fps
    if fps is not None and fps < video.fps:
        chosen, rate = nearest_frames(video.times, fps), float(fps)
    start = max(0, (len(chosen) - max_frames) // 2)
    return _fit(video, chosen[start : start + max_frames], rate, size, roi, region)


def prepare_image(path: str | Path, *, size: int, roi: str | Path | None = None, region: str = "capsule") -> Clip:
    """Like `prepare_clip`, for one picture: ``frames`` is (1, size, size).

    Of a video the middle frame is taken, its sector still found from the whole of it. In an ``.npz`` mask the
    array ``image_<region>`` belongs to a still image, ``<region>`` to a video.

    Raises
    ------
    VideoError
        The image or mask cannot be read, or they do not fit each other.
    """
    if size < 1:
        raise ValueError(f"size must be positive, got {size}")
    if is_still(path):
        picture = Video(read_image(path)[np.newaxis], 1.0, Path(path), np.zeros(1))
        return _fit(picture, np.array([0]), 1.0, size, roi, f"image_{region}")
    video = read_video(path, max_frames=1)
    return _fit(video, np.array([len(video.frames) // 2]), video.fps, size, roi, region)


def _fit(video: Video, chosen: NDArray[np.int64], fps: float, size: int, roi: str | Path | None, region: str) -> Clip:
    """Crop the chosen frames to the sector and scale them into the square, masks along with them."""
    sector = find_sector(video.frames if video.overview is None else video.overview, video.region)
    top, bottom, left, right = sector.box
    rows, columns = slice(top, bottom), slice(left, right)
    # Where no picture was found there may still be letters: a name on a black screen.
    inside = sector.mask[rows, columns] & sector.found
    place = _placement(bottom - top, (right - left) * video.pixel_aspect, size)
    small_sector = _scaled(np.uint8(255) * sector.mask[np.newaxis, rows, columns], place, size)[0] >= _SECTOR_COVER
    frames = _scaled(video.frames[chosen, rows, columns] * inside, place, size) * small_sector
    marked = None
    if roi is not None:
        masks = masks_of_frames(roi, region, video.first + chosen, video.frames.shape[1:])[:, rows, columns]
        marked = (_scaled(np.uint8(255) * masks, place, size) >= _MASK_COVER) & small_sector
    return Clip(frames, fps, small_sector, marked)


def _placement(height: float, width: float, size: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the picture in the square: as large as fits, in the middle."""
    scale = size / max(height, width)
    rows, columns = (max(1, round(side * scale)) for side in (height, width))
    return (size - rows) // 2, (size - columns) // 2, rows, columns


def _scaled(frames: NDArray[np.uint8], place: tuple[int, int, int, int], size: int) -> NDArray[np.uint8]:
    top, left, rows, columns = place
    square = np.zeros((len(frames), size, size), dtype=np.uint8)
    for target, frame in zip(square, frames, strict=True):
        # Pillow widens the filter with the reduction, so fine speckle is averaged and does not alias.
        small = Image.fromarray(frame).resize((columns, rows), Image.Resampling.BILINEAR)
        target[top : top + rows, left : left + columns] = small
    return square
