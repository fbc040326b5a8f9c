"""Sources of grey frames other than DICOM: videos that FFmpeg opens, folders of pictures, still pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fibrolib.errors import VideoError

__all__ = [
    "DEFAULT_FPS",
    "RATE_FILE",
    "SUFFIXES",
    "Folder",
    "Stream",
    "is_still",
    "pictures_in",
    "read_still",
    "usable_rate",
]

DEFAULT_FPS = 25.0
"""Taken where a file tells no usable rate (*assumption*: PAL video, the commonest output of scanners)."""

RATE_FILE = "fps.txt"
"""In a folder of pictures: the frames per second."""

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
"""Names of pictures that are taken for frames."""

_SLOWEST_FPS, _FASTEST_FPS = 0.5, 1000.0
"""Rates outside are errors of the header (*assumption*)."""

_STILL_FORMATS = {"PNG", "JPEG", "MPO", "BMP", "TIFF", "WEBP", "PPM"}
_GIF_END = b";"

Wanted = Callable[[int], bool]
"""Which frames, by their index."""


def usable_rate(rate: float | Fraction | str | None) -> float | None:
    """A stated frame rate as a float, or None where it is missing or absurd."""
    try:
        value = float(rate)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return value if _SLOWEST_FPS <= value <= _FASTEST_FPS else None


class Stream:
    """A video file, not yet decoded.

    `fps` (as the file states it), `pixel_aspect` (width of a pixel by its height) and `container` (FFmpeg's name of the
    format) are known once the frames were read.
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

    def frames(
        self, wanted: Wanted, coloured: Wanted = lambda index: False
    ) -> Iterator[tuple[float | None, NDArray[np.uint8] | None, NDArray[np.uint8] | None]]:
        """Time stamp in seconds, grey levels and colours of every frame; None where they are not wanted."""
        container, stream = _open(self.path)
        # One reformatter for all frames: to set a new one up for each frame costs several times the conversion.
        reformatter = VideoReformatter()
        with container:
            for index, frame in enumerate(_decoded(self.path, container, stream)):
                grey = _upright(frame, reformatter, "gray") if wanted(index) else None
                yield frame.time, grey, _upright(frame, reformatter, "rgb24") if coloured(index) else None
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
    return np.rot90(pixels, round((frame.rotation or 0) / 90) % 4)


class Folder:
    """A folder of pictures, the frames of one video in the order of the numbers in their names.

    A file ``fps.txt`` in it may tell the frames per second.
    """

    container = "folder"
    pixel_aspect = 1.0
    region = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fps = _rate(path / RATE_FILE)
        self._pictures = pictures_in(path)
        if not self._pictures:
            raise VideoError(f"{path}: this folder holds no pictures. Expected the frames as PNG or JPEG.")

    def expected_times(self) -> NDArray[np.float64]:
        """When frames are shown: evenly spaced."""
        return np.arange(len(self._pictures)) / (self.fps or DEFAULT_FPS)

    def frames(
        self, wanted: Wanted, coloured: Wanted = lambda index: False
    ) -> Iterator[tuple[float, NDArray[np.uint8] | None, NDArray[np.uint8] | None]]:
        """Time in seconds, grey levels and colours of every frame; None where they are not wanted."""
        for index, time in enumerate(self.expected_times()):
            grey = read_still(self._pictures[index]) if wanted(index) else None
            yield time, grey, read_still(self._pictures[index], colour=True) if coloured(index) else None


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, ``frame2.png`` before ``frame10.png``; hidden files are left out."""
    pictures = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    return sorted(pictures, key=_natural_order)


def _natural_order(path: Path) -> tuple:
    # Text and numbers alternate, so that numbers are only ever compared with numbers.
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", path.stem)), path.name


def _rate(path: Path) -> float | None:
    if not path.is_file():
        return None
    try:
        rate = usable_rate(path.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        rate = None
    if rate is None:
        raise VideoError(f"{path}: expected the frames per second, a number alone.")
    return rate


def is_still(path: str | Path) -> bool:
    """Whether a file is one still picture (PNG, JPEG, ...) by its content, and not a video, GIF or DICOM file."""
    try:
        with Image.open(path) as image:
            return image.format in _STILL_FORMATS
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return False


def read_still(path: Path, *, colour: bool = False) -> NDArray[np.uint8]:
    """A still picture as grey levels or as red, green and blue, upright; 16-bit pictures are scaled to 8 bits.

    A VideoError if the file is no picture, or is damaged.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return np.array(upright.convert("RGB")) if colour else _grey(upright)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path}: the image cannot be read ({error}). Export it again as PNG or JPEG.") from error


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        return np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255).astype(np.uint8)
    return np.array(image.convert("L"))
