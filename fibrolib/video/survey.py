"""Look at a whole video without keeping it: what its file is like, and a fingerprint to know copies by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrolib.errors import VideoError
from fibrolib.video.reading import open_source, read_image
from fibrolib.video.sector import Box, Sector, find_sector
from fibrolib.video.stills import is_still
from fibrolib.video.timing import frames_per_second

__all__ = ["VideoSurvey", "fingerprint", "survey_video"]

_FRAMES_KEPT = 32
"""Frames, spread over the file, that are looked at closely (*assumption*: as many as the sector is found from)."""

_FRAMES_PRINTED = 8
"""Of these, so many get a fingerprint (*assumption*: a heartbeat or two apart in a clip of some seconds)."""

_THUMBNAIL = 128  # pixels

_GRID = 32
_FLAT = 1.0  # grey levels; a smaller step between neighbours is no sign of anything (*assumption*)
_INSIDE = 128  # of 255: a cell at least half inside the sector


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
    prints : ndarray of int8, shape (some, 1024)
        `fingerprint` of frames spread over the file.
    middle : ndarray of uint8, shape (height, width)
        The middle one of the frames looked at, small: the sector's box, the outside blanked.
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
    prints: NDArray[np.int8]
    middle: NDArray[np.uint8]

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
        picture = read_image(path)[np.newaxis]
        return _describe(path, path.suffix.lower().lstrip("."), picture, 1, 1.0)
    source = open_source(path)
    step = max(1, -(-len(source.expected_times()) // _FRAMES_KEPT))
    kept, times, shapes = [], [], set()
    for index, (time, frame) in enumerate(source.frames(lambda index: True)):
        times.append(time)
        shapes.add(frame.shape)
        if index % step == 0 and len(kept) < 2 * _FRAMES_KEPT:  # bounded, should the packets tell too few
            kept.append(frame)
    if not kept:
        raise VideoError(f"{path}: no frame could be decoded from this file. Export it again from the scanner.")
    if len(shapes) > 1:
        raise VideoError(f"{path}: the picture changes its size half-way. Export it with one size throughout.")
    container = source.container if source.container in ("dicom", "folder") else path.suffix.lower().lstrip(".")
    rate = frames_per_second(times, source.fps)
    return _describe(path, container, np.stack(kept), len(times), rate, source.region)


def fingerprint(frame: NDArray[np.uint8], sector: Sector) -> NDArray[np.int8]:
    """A perceptual hash: where, inside the sector, the picture grows brighter from left to right.

    Like a difference hash, on a grid of 32 x 32 laid over the sector's box, so that size, gain, coding and what is
    around the picture do not matter.

    Parameters
    ----------
    frame : ndarray of uint8, shape (height, width)
        Grey levels.
    sector : Sector
        Where the picture is.

    Returns
    -------
    ndarray of int8, shape (1024,)
        1 brighter, -1 darker, 0 flat or outside the sector.
    """
    top, bottom, left, right = sector.box
    size = (_GRID + 1, _GRID)
    cells = Image.fromarray(frame[top:bottom, left:right]).convert("F").resize(size, Image.Resampling.BOX)
    cover = Image.fromarray(np.uint8(255) * sector.mask[top:bottom, left:right]).resize(size, Image.Resampling.BOX)
    steps = np.diff(np.asarray(cells), axis=1)
    inside = np.asarray(cover) >= _INSIDE
    steps[(np.abs(steps) < _FLAT) | ~inside[:, 1:] | ~inside[:, :-1]] = 0
    return np.sign(steps).astype(np.int8).ravel()


def _describe(
    path: Path, container: str, frames: NDArray[np.uint8], n_frames: int, fps: float, region: Box | None = None
) -> VideoSurvey:
    sector = find_sector(frames, region)
    top, bottom, left, right = sector.box
    levels = frames[:, sector.mask].astype(np.float32)
    printed = np.unique(np.linspace(0, len(frames) - 1, _FRAMES_PRINTED).round().astype(int))
    height, width = frames.shape[1:]
    return VideoSurvey(
        path=path,
        container=container,
        n_frames=n_frames,
        fps=fps,
        width=width,
        height=height,
        sector_share=float(sector.mask.mean()),
        brightness=float(levels.mean()),
        contrast=float(levels.std()),
        saturation=float((levels >= 255).mean()),
        motion=float(levels.std(axis=0).mean()),
        prints=np.stack([fingerprint(frames[index], sector) for index in printed]),
        middle=_small((frames[len(frames) // 2] * sector.mask)[top:bottom, left:right]),
    )


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(picture)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return np.asarray(image)
