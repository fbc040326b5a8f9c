"""Open videos and still images as grey frames; the number of frames is what decodes, never what a header says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrolib.errors import VideoError
from fibrolib.video.dicom import Cine, is_dicom, open_cine
from fibrolib.video.sector import Box
from fibrolib.video.stills import Folder, is_still, read_still
from fibrolib.video.streams import Stream
from fibrolib.video.timing import frames_per_second, middle_stretch, zero_based

__all__ = ["Video", "open_source", "read_image", "read_video"]

_OVERVIEW = 32
"""About so many frames are kept of the whole of a file of which only the middle is asked for (*assumption*)."""


@dataclass(frozen=True)
class Video:
    """Grey frames with their times.

    Parameters
    ----------
    frames : ndarray of uint8, shape (frames, height, width)
        Grey levels, 0 black to 255 white.
    fps : float
        Mean frames per second.
    path : Path
        The file they come from.
    times : ndarray of float64, shape (frames,)
        Seconds since the first of these frames.
    first : int
        Which frame of the file ``frames[0]`` is (not 0 where only the middle of a long file was kept).
    pixel_aspect : float
        Width of a pixel by its height.
    region : tuple of int or None
        Where in the frame the ultrasound picture is, as the file says; a `Box`.
    overview : ndarray of uint8, shape (some, height, width), or None
        Where only the middle was kept: frames spread over the whole file, in which more of the picture is seen to move.
    """

    frames: NDArray[np.uint8]
    fps: float
    path: Path
    times: NDArray[np.float64]
    first: int = 0
    pixel_aspect: float = 1.0
    overview: NDArray[np.uint8] | None = None
    region: Box | None = None


def read_video(path: str | Path, *, max_frames: int | None = None, fps: float | None = None) -> Video:
    """Decode a video into grey frames.

    MP4, MOV, AVI, MPEG, GIF and all else that FFmpeg opens; DICOM, single or multi-frame; a folder of pictures.

    Parameters
    ----------
    path : str or Path
        The file, or the folder.
    max_frames : int, optional
        Keep only a stretch from the middle of the file, so that memory stays bounded however long the recording is.
        By default every frame is kept.
    fps : float, optional
        Keep as many frames as it takes to pick `max_frames` of them at this rate. Nothing is resampled here.

    Returns
    -------
    Video
        At least one frame. Limited-range luma is stretched to 0-255 and the file's rotation is applied.

    Raises
    ------
    VideoError
        The file is missing, is no video, holds no frame, or breaks off in the middle of one.
    """
    source = open_source(path)
    first, last, step = 0, None, 0
    if max_frames is not None:
        expected = source.expected_times()
        first, last = middle_stretch(expected, max_frames, fps)
        step = _overview_step(len(expected), first, last)

    def kept(index: int) -> bool:
        return index >= first and (last is None or index < last)

    def surveyed(index: int) -> bool:
        return step > 0 and index % step == 0

    frames, times, overview = [], [], []
    for index, (time, frame) in enumerate(source.frames(lambda index: kept(index) or surveyed(index))):
        if kept(index):
            frames.append(frame)
            times.append(time)
        if surveyed(index):
            overview.append(frame)
    if not frames:
        raise VideoError(f"{path}: no frame could be decoded from this file. Export it again from the scanner.")
    if len({frame.shape for frame in [*frames, *overview]}) > 1:
        raise VideoError(f"{path}: the picture changes its size half-way. Export it with one size throughout.")
    rate, survey = frames_per_second(times, source.fps), np.stack(overview) if overview else None
    stamps = zero_based(times, len(frames), rate)
    return Video(np.stack(frames), rate, source.path, stamps, first, source.pixel_aspect, survey, source.region)


def open_source(path: str | Path) -> Stream | Cine | Folder:
    """Whatever gives frames one at a time, not yet decoded: DICOM, a folder of pictures, or what FFmpeg opens.

    Raises
    ------
    VideoError
        The file is missing, empty, or may not be read.
    """
    path = Path(path)
    _check_exists(path)
    if path.is_dir():
        return Folder(path)
    return open_cine(path) if is_dicom(path) else Stream(path)


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read a still image (PNG, JPEG, TIFF, BMP, DICOM) as grey levels.

    Parameters
    ----------
    path : str or Path
        The file. Of a file with several frames the middle one is taken.

    Returns
    -------
    ndarray of uint8, shape (height, width)
        Grey levels; 16-bit images are scaled to 8 bits.

    Raises
    ------
    VideoError
        The file is missing or is no image.
    """
    path = Path(path)
    _check_exists(path)
    return read_still(path) if is_still(path) else read_video(path, max_frames=1).frames[0]


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise VideoError(f"{path}: there is no such file.")
    if not os.access(path, os.R_OK):
        raise VideoError(f"{path}: this file may not be read. Change its permissions.")
    if path.is_file() and path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty (0 bytes). Copy or export it again.")


def _overview_step(count: int, first: int, last: int) -> int:
    """Every how many-th frame the overview takes; 0 where the stretch is the whole file."""
    return 0 if last - first >= count else max(1, count // _OVERVIEW)
