"""Look at a whole video without keeping it: what its file is like, and some small frames to know copies by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fibrolib.errors import VideoError
from fibrolib.video.clips import fitted
from fibrolib.video.fingerprints import Miniature, miniature
from fibrolib.video.overlays import coloured_pixels, still_marks, well_inside
from fibrolib.video.reading import open_source, read_image
from fibrolib.video.sector import Box, find_sector
from fibrolib.video.stills import is_still, read_colours
from fibrolib.video.timing import frames_per_second

__all__ = ["VideoSurvey", "survey_video"]

_FRAMES_KEPT = 32
"""Frames, spread over the file, that are looked at closely (*assumption*: as many as the sector is found from)."""

_FRAMES_PRINTED = 8
"""Of these, so many are kept small, to know copies by (*assumption*: a heartbeat or two apart in some seconds)."""

_EVERY_COLOURED = 4
"""Of the frames looked at, every so many-th is looked at in colour."""

_THUMBNAIL = 192  # pixels
_OUTLINE = (0, 200, 80)

_INSIDE = 128  # of 255: a pixel at least half inside the sector


@dataclass(frozen=True, eq=False)
class VideoSurvey:
    """What one file is like.

    Parameters
    ----------
    path : Path
        The file.
    container : str
        Its kind: the suffix, lower case, without the point; "dicom" for DICOM files of any name, "folder"
        for folders of pictures.
    n_frames : int
        Frames that decode, not what a header says. A still image has 1.
    fps : float
        Frames per second.
    width, height : int
        Of a frame, in pixels.
    sector_share : float
        Share of the frame that the ultrasound picture takes.
    brightness, contrast : float
        Mean and standard deviation of the grey levels inside the sector.
    saturation : float
        Share of the pixels inside the sector that are white (255).
    motion : float
        Standard deviation over time of a pixel, mean inside the sector, in grey levels; 0 for one frame.
    coloured : float
        Pixels inside the sector that are coloured otherwise than the whole, mean of the frames looked at.
    marks : int
        Pixels inside the sector that belong to bright strokes which stand still in moving tissue.
    small : Miniature
        Frames spread over the file, for `fingerprints`.
    whole : ndarray of uint8, shape (height, width, 3)
        The middle one of the frames looked at, small and in colour, the sector outlined.
    kept : ndarray of uint8, shape (side, side)
        The same frame as the nets see it: cropped to the sector, the outside blanked.
    """

    path: Path
    container: str
    n_frames: int
    fps: float
    width: int
    height: int
    sector_share: float
    brightness: float
    contrast: float
    saturation: float
    motion: float
    coloured: float
    marks: int
    small: Miniature
    whole: NDArray[np.uint8]
    kept: NDArray[np.uint8]

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return self.n_frames / self.fps


def survey_video(path: str | Path) -> VideoSurvey:
    """Decode a whole video or image, one frame at a time, and tell what it is like.

    Raises
    ------
    VideoError
        The file is missing, is no video or image, holds no frame, is damaged, or changes its size.
    """
    path = Path(path)
    if is_still(path):
        seen = _Seen([read_image(path)], [read_colours(path)], [0.0])
        return _describe(path, path.suffix.lower().lstrip("."), seen, 1.0, 1.0, None)
    source = open_source(path)
    step = max(1, -(-len(source.expected_times()) // _FRAMES_KEPT))
    seen, shapes = _Seen([], [], []), set()
    in_colour = _EVERY_COLOURED * step
    for index, (time, frame, colours) in enumerate(source.frames_and_colours(lambda index: index % in_colour == 0)):
        shapes.add(frame.shape)
        seen.times.append(time)
        if index % step == 0 and len(seen.frames) < 2 * _FRAMES_KEPT:  # bounded, should the packets tell too few
            seen.frames.append(frame)
            seen.colours += [colours] if colours is not None else []
    if not seen.frames:
        raise VideoError(f"{path}: no frame could be decoded from this file. Export it again from the scanner.")
    if len(shapes) > 1:
        raise VideoError(f"{path}: the picture changes its size half-way. Export it with one size throughout.")
    container = source.container if source.container in ("dicom", "folder") else path.suffix.lower().lstrip(".")
    rate = frames_per_second(seen.times, source.fps)
    return _describe(path, container, seen, rate, source.pixel_aspect, source.region)


@dataclass
class _Seen:
    """Frames spread over a file, some of them in colour, and the times of all."""

    frames: list[NDArray[np.uint8]]
    colours: list[NDArray[np.uint8]]
    times: list[float | None]


def _describe(
    path: Path, container: str, seen: _Seen, fps: float, pixel_aspect: float, region: Box | None
) -> VideoSurvey:
    frames = np.stack(seen.frames)
    sector = find_sector(frames, region)
    inside = well_inside(sector.mask)
    mean, variance = _over_time(frames)
    mean_inside, variance_inside = mean[sector.mask], variance[sector.mask]
    printed = np.unique(np.linspace(0, len(frames) - 1, _FRAMES_PRINTED).round().astype(int))
    middle = len(frames) // 2 // _EVERY_COLOURED * _EVERY_COLOURED
    whole = seen.colours[middle // _EVERY_COLOURED] if seen.colours else np.repeat(frames[middle, ..., None], 3, axis=2)
    height, width = frames.shape[1:]
    return VideoSurvey(
        path=path,
        container=container,
        n_frames=len(seen.times),
        fps=fps,
        width=width,
        height=height,
        sector_share=float(sector.mask.mean()) if sector.found else 0.0,
        brightness=float(mean_inside.mean()),
        contrast=float(np.sqrt(variance_inside.mean() + mean_inside.var())),
        saturation=float(np.mean([(frame[sector.mask] == 255).mean() for frame in frames])),
        motion=float(np.sqrt(variance_inside).mean()),
        coloured=coloured_pixels(np.stack(seen.colours), inside) if seen.colours else 0.0,
        marks=still_marks(mean, np.sqrt(variance), inside),
        small=miniature(frames[printed], sector),
        whole=_outlined(whole, sector.mask),
        kept=fitted(frames[middle : middle + 1], sector, pixel_aspect, _THUMBNAIL)[0][0],
    )


def _over_time(frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and variance over time of each pixel, without a copy of all frames."""
    total, squares = np.zeros((2, *frames.shape[1:]), dtype=np.float32)
    for frame in frames:  # sums of 64 squares of bytes are whole numbers below 2**24: exact
        level = frame.astype(np.float32)
        total += level
        squares += level * level
    mean = total / len(frames)
    return mean, np.maximum(squares / len(frames) - mean * mean, 0)


def _outlined(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A small picture with the border of the sector drawn on it."""
    image, cover = Image.fromarray(picture), Image.fromarray(np.uint8(255) * mask)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    inside = np.asarray(cover.resize(image.size, Image.Resampling.BOX)) >= _INSIDE
    small = np.array(image)
    small[inside & ~ndimage.binary_erosion(inside)] = _OUTLINE
    return small
