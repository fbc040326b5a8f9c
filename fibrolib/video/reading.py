"""Open videos and still images as grey frames; the number of frames is what decodes, never what a header says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fibrolib.errors import VideoError
from fibrolib.video import dicom
from fibrolib.video.timing import DEFAULT_FPS, frames_per_second, middle_stretch, usable_rate, zero_based

__all__ = ["Video", "is_still", "read_image", "read_video"]

_OVERVIEW = 32
"""About so many frames are kept of the whole of a file of which only the middle is asked for (*assumption*)."""

_GIF_END = b";"

_STILL_FORMATS = {"PNG", "JPEG", "MPO", "BMP", "TIFF", "WEBP", "PPM"}


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


def read_video(path: str | Path, *, max_frames: int | None = None, fps: float | None = None) -> Video:
    """Decode a video into grey frames.

    MP4, MOV, AVI, MPEG, GIF and all else that FFmpeg opens; DICOM, single or multi-frame.

    Parameters
    ----------
    path : str or Path
        The file.
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
    path = Path(path)
    _check_exists(path)
    read = _read_dicom if dicom.is_dicom(path) else _read_stream
    frames, times, first, overview, stated, aspect = read(path, max_frames, fps)
    if not frames:
        raise VideoError(f"{path}: no frame could be decoded from this file. Export it again from the scanner.")
    if len({frame.shape for frame in [*frames, *overview]}) > 1:
        raise VideoError(f"{path}: the picture changes its size half-way. Export it with one size throughout.")
    rate = frames_per_second(times, stated)
    survey = np.stack(overview) if overview else None
    return Video(np.stack(frames), rate, path, zero_based(times, len(frames), rate), first, aspect, survey)


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
    if not is_still(path):
        return read_video(path, max_frames=1).frames[0]
    try:
        with Image.open(path) as image:
            return _grey(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path}: the image cannot be read ({error}). Export it again as PNG or JPEG.") from error


def is_still(path: str | Path) -> bool:
    """Whether a file is one still picture (PNG, JPEG, ...) by its content, and not a video, GIF or DICOM file."""
    try:
        with Image.open(path) as image:
            return image.format in _STILL_FORMATS
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return False


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        return np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255).astype(np.uint8)
    return np.array(image.convert("L"))


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise VideoError(f"{path}: there is no such file.")
    if not os.access(path, os.R_OK):
        raise VideoError(f"{path}: this file may not be read. Change its permissions.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty (0 bytes). Copy or export it again.")


def _open(path: Path) -> tuple[av.container.InputContainer, av.VideoStream]:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(
            f"{path}: this is no video that can be opened ({_reason(error)}). "
            "Expected MP4, MOV, AVI, MPEG, GIF or DICOM; it may be damaged or cut short."
        ) from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"{path}: the file holds no video stream.")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return container, stream


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _packet_times(path: Path) -> NDArray[np.float64]:
    """When frames are shown, as the packets say. Costs no decoding; good enough to find the middle of a file."""
    container, stream = _open(path)
    with container:
        try:
            packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _broken(path, 0, _reason(error)) from error
        stamps = [packet.pts if packet.pts is not None else packet.dts for packet in packets]
        if None in stamps or len(set(stamps)) < len(stamps) or stream.time_base is None:
            return np.arange(len(packets)) / (usable_rate(stream.average_rate) or DEFAULT_FPS)
        return np.sort(np.array(stamps, dtype=np.float64)) * float(stream.time_base)


def _read_stream(path: Path, max_frames: int | None, fps: float | None) -> tuple:
    """Decode a file that FFmpeg opens: frames, times, number of the first, overview, stated rate, pixel aspect."""
    first, last, step = 0, None, 0
    if max_frames is not None:
        expected = _packet_times(path)
        first, last = middle_stretch(expected, max_frames, fps)
        step = _overview_step(len(expected), first, last)
    container, stream = _open(path)
    frames, times, overview = [], [], []
    # One reformatter for all frames: to set a new one up for each frame costs several times the conversion.
    reformatter = VideoReformatter()
    with container:
        for index, frame in enumerate(_decoded_frames(path, container, stream)):
            kept, surveyed = index >= first and (last is None or index < last), step and index % step == 0
            if kept or surveyed:
                grey = _grey_frame(frame, reformatter)
            if kept:
                frames.append(grey)
                times.append(frame.time)
            if surveyed:
                overview.append(grey)
        aspect = stream.sample_aspect_ratio
        return frames, times, first, overview, usable_rate(stream.average_rate), float(aspect) if aspect else 1.0


def _read_dicom(path: Path, max_frames: int | None, fps: float | None) -> tuple:
    """The same for DICOM."""
    cine = dicom.open_cine(path)
    first, last = middle_stretch(cine.times, max_frames, fps)
    step = _overview_step(len(cine.times), first, last)
    kept, surveyed = range(first, last), range(0, len(cine.times), step) if step else ()
    frames, overview = [], []
    for index, frame in cine.frames(sorted({*kept, *surveyed})):
        if index in kept:
            frames.append(frame)
        if index in surveyed:
            overview.append(frame)
    return frames, cine.times[first:last], first, overview, cine.fps, cine.pixel_aspect


def _overview_step(count: int, first: int, last: int) -> int:
    """Every how many-th frame the overview takes; 0 where the stretch is the whole file."""
    return 0 if last - first >= count else max(1, count // _OVERVIEW)


def _decoded_frames(path: Path, container, stream) -> Iterator[av.VideoFrame]:
    count = 0
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise _broken(path, count, "the last packet is incomplete")
            for frame in packet.decode():
                count += 1
                yield frame
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _broken(path, count, _reason(error)) from error
    if container.format.name == "gif" and not path.read_bytes().rstrip(b"\0").endswith(_GIF_END):
        raise _broken(path, count, "the mark that ends a GIF is missing")


def _broken(path: Path, count: int, reason: object) -> VideoError:
    return VideoError(
        f"{path}: the file is damaged or cut short after frame {count} ({reason}). Copy or export it again."
    )


def _grey_frame(frame: av.VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    grey = reformatter.reformat(frame, format="gray").to_ndarray()
    quarter_turns = round((frame.rotation or 0) / 90) % 4
    return np.rot90(grey, quarter_turns)
