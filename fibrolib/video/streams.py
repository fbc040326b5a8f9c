"""Videos that FFmpeg opens, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from fibrolib.errors import VideoError
from fibrolib.video.timing import DEFAULT_FPS, usable_rate

__all__ = ["Stream"]

_GIF_END = b";"


class Stream:
    """A video file, not yet decoded.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    fps : float or None
        Frames per second as the file states it; known once the frames were read.
    pixel_aspect : float
        Width of a pixel by its height; known once the frames were read.
    container : str
        FFmpeg's name of the file format; known once the frames were read.
    """

    region = None  # only DICOM tells where the picture is

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fps: float | None = None
        self.pixel_aspect = 1.0
        self.container = ""

    def expected_times(self) -> NDArray[np.float64]:
        """When frames are shown, as the packets say; costs no decoding, and finds the middle of a file well enough."""
        container, stream = _open(self.path)
        with container:
            try:
                packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
            except (av.FFmpegError, OSError, ValueError) as error:
                raise _broken(self.path, 0, _reason(error)) from error
            stamps = [packet.pts if packet.pts is not None else packet.dts for packet in packets]
            if None in stamps or len(set(stamps)) < len(stamps) or stream.time_base is None:
                return np.arange(len(packets)) / (usable_rate(stream.average_rate) or DEFAULT_FPS)
            return np.sort(np.array(stamps, dtype=np.float64)) * float(stream.time_base)

    def frames(self, wanted: Callable[[int], bool]) -> Iterator[tuple[float | None, NDArray[np.uint8] | None]]:
        """Time stamp in seconds and grey levels (height, width) of every frame; None for pixels that are not wanted."""
        return self._frames(wanted, "gray")

    def colour_frames(self) -> Iterator[tuple[float | None, NDArray[np.uint8]]]:
        """Time stamp in seconds and colours (height, width, 3) of every frame: red, green and blue."""
        return self._frames(lambda index: True, "rgb24")

    def _frames(
        self, wanted: Callable[[int], bool], form: str
    ) -> Iterator[tuple[float | None, NDArray[np.uint8] | None]]:
        container, stream = _open(self.path)
        # One reformatter for all frames: to set a new one up for each frame costs several times the conversion.
        reformatter = VideoReformatter()
        with container:
            for index, frame in enumerate(_decoded(self.path, container, stream)):
                yield frame.time, _upright(frame, reformatter, form) if wanted(index) else None
            aspect = stream.sample_aspect_ratio
            self.fps, self.pixel_aspect = usable_rate(stream.average_rate), float(aspect) if aspect else 1.0
            self.container = container.format.name


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


def _decoded(path: Path, container, stream) -> Iterator[av.VideoFrame]:
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


def _upright(frame: av.VideoFrame, reformatter: VideoReformatter, form: str) -> NDArray[np.uint8]:
    pixels = reformatter.reformat(frame, format=form).to_ndarray()
    quarter_turns = round((frame.rotation or 0) / 90) % 4
    return np.rot90(pixels, quarter_turns)
