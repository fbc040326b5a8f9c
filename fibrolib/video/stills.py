"""Still pictures: PNG, JPEG and the like, alone or as the numbered frames of a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fibrolib.errors import VideoError
from fibrolib.video.timing import DEFAULT_FPS, usable_rate

__all__ = ["RATE_FILE", "SUFFIXES", "Folder", "is_still", "pictures_in", "read_colours", "read_still"]

_STILL_FORMATS = {"PNG", "JPEG", "MPO", "BMP", "TIFF", "WEBP", "PPM"}

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
"""Names of pictures that are taken for frames."""

RATE_FILE = "fps.txt"
"""In a folder of pictures: the frames per second."""


class Folder:
    """A folder of pictures, the frames of one video in the order of the numbers in their names.

    Parameters
    ----------
    path : Path
        The folder; a file ``fps.txt`` in it may tell the frames per second.

    Attributes
    ----------
    fps : float or None
        Frames per second, where told.
    pixel_aspect : float
        1: pictures do not tell it.
    container : str
        "folder".

    Raises
    ------
    VideoError
        The folder holds no pictures, or ``fps.txt`` no number.
    """

    container = "folder"
    pixel_aspect = 1.0
    region = None  # only DICOM tells where the picture is

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fps = _rate(path / RATE_FILE)
        self._pictures = pictures_in(path)
        if not self._pictures:
            raise VideoError(f"{path}: this folder holds no pictures. Expected the frames as PNG or JPEG.")

    def expected_times(self) -> NDArray[np.float64]:
        """When frames are shown: evenly spaced."""
        return np.arange(len(self._pictures)) / (self.fps or DEFAULT_FPS)

    def frames(self, wanted: Callable[[int], bool]) -> Iterator[tuple[float, NDArray[np.uint8] | None]]:
        """Time in seconds and grey levels (height, width) of every frame; what is not wanted is not decoded: None."""
        for index, time in enumerate(self.expected_times()):
            yield time, read_still(self._pictures[index]) if wanted(index) else None

    def frames_and_colours(
        self, coloured: Callable[[int], bool]
    ) -> Iterator[tuple[float, NDArray[np.uint8], NDArray[np.uint8] | None]]:
        """Time and grey levels of every frame, and the colours (height, width, 3) of some."""
        for index, time in enumerate(self.expected_times()):
            picture = self._pictures[index]
            yield time, read_still(picture), read_colours(picture) if coloured(index) else None


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, ``frame2.png`` before ``frame10.png``; hidden files are left out."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    return sorted(found, key=_natural_order)


def is_still(path: str | Path) -> bool:
    """Whether a file is one still picture (PNG, JPEG, ...) by its content, and not a video, GIF or DICOM file."""
    try:
        with Image.open(path) as image:
            return image.format in _STILL_FORMATS
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return False


def read_still(path: Path) -> NDArray[np.uint8]:
    """A still picture as grey levels, upright; 16-bit pictures are scaled to 8 bits.

    Raises
    ------
    VideoError
        The file is no picture, or is damaged.
    """
    return _read(path, _grey)


def read_colours(path: Path) -> NDArray[np.uint8]:
    """A still picture as red, green and blue, shape (height, width, 3); else like `read_still`."""
    return _read(path, lambda image: np.array(image.convert("RGB")))


def _read(path: Path, form: Callable[[Image.Image], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return form(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path}: the image cannot be read ({error}). Export it again as PNG or JPEG.") from error


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        return np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255).astype(np.uint8)
    return np.array(image.convert("L"))


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
