"""Open videos and still images as grey frames; the number of frames is what decodes, never what a header says."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrolib.errors import VideoError
from fibrolib.video.dicom import Cine, is_dicom
from fibrolib.video.sector import Box
from fibrolib.video.stills import Pictures, is_picture_file
from fibrolib.video.streams import DEFAULT_FPS, Source, _Stream, _usable_rate

_OVERVIEW = 32
"""About so many frames are kept of the whole of a file of which only the middle is asked for (*assumption*)."""


@dataclass(frozen=True)
class Video:
    """Grey frames with their times."""

    frames: NDArray[np.uint8]  # (frames, height, width), 0 black to 255 white
    fps: float  # mean
    path: Path
    times: NDArray[np.float64]  # seconds since the first of these frames
    first: int = 0  # which frame of the file ``frames[0]`` is: not 0 where only the middle of a long file was kept
    pixel_aspect: float = 1.0  # width of a pixel by its height
    overview: NDArray[np.uint8] | None = None  # frames spread over a long file, in which more of the picture moves
    region: Box | None = None  # where in the frame the ultrasound picture is, as the file says
    notes: tuple[tuple[str, str], ...] = ()  # what is odd in the file: kinds and sentences


def read_video(
    path: str | Path,
    *,
    max_frames: int | None = None,
    fps: float | None = None,
    reduce: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
) -> Video:
    """Decode a video into grey frames.

    MP4, MOV, AVI, MPEG, GIF and all else that FFmpeg opens; DICOM, single or multi-frame; a folder of pictures.

    Parameters
    ----------
    path : str or Path
        The file, or the folder.
    max_frames : int, optional
        Keep only a stretch from the middle of the file, so that memory stays bounded. By default all frames are kept.
    fps : float, optional
        Keep as many frames as it takes to pick `max_frames` of them at this rate. Nothing is resampled here.
    reduce : callable, optional
        What is kept of each frame, such as a smaller picture: a long file then needs little memory.

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
        first, last = _middle_stretch(expected, max_frames, fps)
        step = _overview_step(len(expected), first, last)

    def kept(index: int) -> bool:
        return index >= first and (last is None or index < last)

    def surveyed(index: int) -> bool:
        return step > 0 and index % step == 0

    frames, times, overview, shapes = [], [], [], set()
    for index, (time, frame, _) in enumerate(source.frames(lambda index: kept(index) or surveyed(index))):
        if kept(index):
            frames.append(frame if reduce is None else reduce(frame))
            times.append(time)
        if surveyed(index):
            overview.append(frame)
        if kept(index) or surveyed(index):
            shapes.add(frame.shape)
    _check_shapes(path, frames and shapes)
    rate, survey = _frames_per_second(times, source.fps), np.stack(overview) if overview else None
    stamps = _zero_based(times, len(frames), rate)
    notes = tuple(source.notes)
    return Video(np.stack(frames), rate, source.path, stamps, first, source.pixel_aspect, survey, source.region, notes)


def open_source(path: str | Path, seconds: float | None = None) -> Source:
    """What gives the frames of a file, or folder of pictures, one at a time; what a file is, its content tells.

    A VideoError if the file is missing, empty, may not be read, is no picture or video, or takes longer than `seconds`.
    """
    path = Path(path)
    _check_exists(path)
    try:
        kind = Pictures if path.is_dir() else Cine if is_dicom(path) else Pictures if is_picture_file(path) else _Stream
    except OSError as error:
        raise VideoError(f"{path}: the file cannot be read ({error.strerror}).") from error
    return kind(path, seconds)


def is_still(path: str | Path) -> bool:
    """Whether a file is one still picture (PNG, JPEG, ...) by its content, and not a video, GIF or DICOM file."""
    try:
        source = open_source(path)
    except VideoError:
        return False
    return isinstance(source, Pictures) and not source.path.is_dir() and source.count == 1


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read a still image (PNG, JPEG, TIFF, BMP, DICOM) as grey levels (height, width); of a video the middle frame.

    A VideoError if the file is missing or is no image.
    """
    return read_video(path, max_frames=1).frames[0]


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise VideoError(f"{path}: there is no such file.")
    if not os.access(path, os.R_OK):
        raise VideoError(f"{path}: this file may not be read. Change its permissions.")
    if path.is_file() and path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty (0 bytes). Copy or export it again.")


def _check_shapes(path: str | Path, shapes: Collection[tuple[int, ...]]) -> None:
    """Refuse a file without a frame, or with frames of several sizes."""
    if not shapes:
        raise VideoError(f"{path}: no frame could be decoded from this file. Export it again from the scanner.")
    if len(shapes) > 1:
        sizes = " and ".join(f"{width} x {height}" for height, width in sorted(shapes))
        raise VideoError(
            f"{path}: the pictures are of different sizes ({sizes}). Export them with one size throughout."
        )


def _overview_step(count: int, first: int, last: int) -> int:
    """Every how many-th frame the overview takes; 0 where the stretch is the whole file."""
    return 0 if last - first >= count else max(1, count // _OVERVIEW)


# Frame times and rates


def _frames_per_second(times: Sequence[float | None], stated: float | None) -> float:
    """Mean frame rate: from the frames' time stamps in seconds, else as the file states it, else `DEFAULT_FPS`."""
    if _increasing(times):
        measured = _usable_rate(round((len(times) - 1) / (times[-1] - times[0]), 6))
        if measured is not None:
            return measured
    return _usable_rate(stated) or DEFAULT_FPS


def _zero_based(times: Sequence[float | None], count: int, fps: float) -> NDArray[np.float64]:
    """Time stamps from 0 on, evenly spaced where the file's own are missing or run backwards."""
    if _increasing(times):
        return np.asarray(times, dtype=np.float64) - times[0]
    return np.arange(count) / fps


def _middle_stretch(times: ArrayLike, max_frames: int | None, fps: float | None = None) -> tuple[int, int]:
    """First, and one past the last, frame of the stretch in the middle that is enough for `max_frames`.

    `times` are ascending, in seconds. Where the file is faster than `fps` the stretch holds more frames, as many as it
    takes to pick `max_frames` at this rate; where it is slower its own rate counts.
    """
    times = np.asarray(times, dtype=np.float64)
    if max_frames is None or len(times) < 2:
        return 0, len(times)
    if fps is None or fps >= _frames_per_second(times, None):
        wanted = min(max_frames, len(times))
        first = (len(times) - wanted) // 2
        return first, first + wanted
    # One interval more than needed: the stretch begins and ends between frames.
    middle, reach = (times[0] + times[-1]) / 2, (max_frames + 1) / fps / 2
    first = int(np.searchsorted(times, middle - reach))
    last = int(np.searchsorted(times, middle + reach, side="right"))
    return first, max(last, first + 1)  # never nothing, even where the recording pauses in its middle


def _increasing(times: Sequence[float | None]) -> bool:
    if len(times) < 2 or any(time is None for time in times):
        return False
    return bool(np.all(np.diff(np.asarray(times, dtype=np.float64)) > 0))
