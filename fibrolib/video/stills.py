"""Pictures as the frames of a video: those of a folder, the pages of one file, or a single still picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fibrolib.errors import VideoError
from fibrolib.video.grey import _GreyScale, _on_black
from fibrolib.video.streams import DEFAULT_FPS, TOO_LARGE, Frame, Source, Wanted, _check_size, _reading, _usable_rate

RATE_FILE = "fps.txt"
"""In a folder of pictures: the frames per second."""

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
"""Names of pictures that are taken for frames."""

_FORMATS = {"PNG", "JPEG", "MPO", "BMP", "TIFF", "WEBP", "PPM"}
_PAGED = {"PNG", "TIFF", "WEBP"}  # the second picture of an MPO file is a preview or another view
_SAMPLES = 8  # pictures from which the range of deep ones is taken
_WHITE_IS_ZERO = 0  # TIFF 6.0, tag 262


class Pictures(Source):
    """A folder of pictures, in the order of the numbers in their names, or a file of one or several pictures.

    A file ``fps.txt`` in a folder may tell the frames per second.
    """

    def _open(self) -> None:
        self._durations: list[float] = []
        if self.path.is_dir():
            self.container, self.fps = "folder", _rate(self.path / RATE_FILE)
            self._pages = [(picture, 0) for picture in pictures_in(self.path)]
            if not self._pages:
                raise VideoError(
                    f"{self.path}: this folder holds no pictures. Expected the frames as PNG or JPEG; of DICOM, name "
                    "one file of many frames (cine), and no folder."
                )
        else:
            self.container = self.path.suffix.lower().lstrip(".")
            self._pages = [(self.path, page) for page in self._pages_of_file()]
        if len(self._pages) == 1 and not self.path.is_dir():
            self.fps = 1.0
        if not self._durations and self.fps is None and len(self._pages) > 1:
            self.note_guessed_rate()

    def _pages_of_file(self) -> list[int]:
        """The pages of the size that most have: others are previews."""
        with _opened(self.path) as image:
            if image.format not in _PAGED or getattr(image, "n_frames", 1) == 1:
                return [0]
            sizes = []
            for page in range(image.n_frames):
                self._check_time()
                image.seek(page)
                sizes.append(image.size)
                if image.format == "WEBP":
                    image.load()  # Pillow tells the time of a page only then
                self._durations += [image.info["duration"] / 1000] if image.info.get("duration") else []
        size = max(sizes, key=lambda size: (sizes.count(size), size))
        pages = [page for page, other in enumerate(sizes) if other == size]
        if len(self._durations) != len(pages):
            self._durations = []
        if len(pages) < len(sizes):
            self.note("pages", f"{len(sizes) - len(pages)} of {len(sizes)} pages are of another size and left out.")
        return pages

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self._pages)

    def _times(self) -> NDArray[np.float64]:
        if self._durations:
            return np.cumsum([0.0, *self._durations[:-1]])
        return np.arange(len(self._pages)) / (self.fps or DEFAULT_FPS)

    def _frames(self, wanted: Wanted, coloured: Wanted) -> Iterator[Frame]:
        for index, time in enumerate(self._times()):
            if not (wanted(index) or coloured(index)):
                yield time, None, None
                continue
            picture = self._stored(index)
            if picture.dtype != np.uint8 or picture.ndim == 2:
                grey = picture if picture.dtype == np.uint8 else self._scale.levels(picture)
                yield time, grey, np.repeat(grey[..., np.newaxis], 3, axis=2) if coloured(index) else None
            else:
                yield time, self._grey(picture) if wanted(index) else None, picture if coloured(index) else None

    @cached_property
    def _scale(self) -> _GreyScale:
        chosen = np.unique(np.linspace(0, len(self._pages) - 1, _SAMPLES).round().astype(int))
        samples = [self._stored(index) for index in chosen]
        scale = _GreyScale.of_values(picture for picture in samples if picture.dtype != np.uint8)
        if scale.note:
            self.note("grey-levels", f"{scale.note}.")
        return scale

    @staticmethod
    def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.array(Image.fromarray(picture).convert("L"))

    def _stored(self, index: int) -> NDArray:
        """One picture, upright: 8-bit grey or red, green and blue on black; deep grey as stored."""
        path, page = self._pages[index]
        with _opened(path) as image:
            image.seek(page)
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith("I") or image.mode == "F":
                pixels = np.asarray(image)
                turned = getattr(image, "tag_v2", {}).get(262) == _WHITE_IS_ZERO and pixels.dtype.kind == "u"
                return np.iinfo(pixels.dtype).max - pixels if turned else _unsigned(pixels)
            if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
                return _on_black(np.asarray(image.convert("RGBA")))
            mode = "L" if image.mode in ("1", "L") else "RGB"
            return np.array(image if image.mode == mode else image.convert(mode))


def _unsigned(pixels: NDArray) -> NDArray:
    """Pillow gives 16-bit pictures of some kinds as 32-bit integers."""
    small = pixels.dtype == np.int32 and pixels.size and pixels.min() >= 0 and pixels.max() < 1 << 16
    return pixels.astype(np.uint16) if small else pixels


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture file, of a size that may be decoded; errors name the picture, also in a folder."""
    with _reading(path), Image.open(path) as image:
        _check_size(path, *image.size)
        yield image


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, ``frame2.png`` before ``frame10.png``; hidden files are left out."""
    pictures = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    return sorted(pictures, key=_natural_order)


def _natural_order(path: Path) -> tuple:
    # Text and numbers alternate, so that numbers are only ever compared with numbers.
    parts = re.split(r"([0-9]+)", path.stem)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), path.name


def _rate(path: Path) -> float | None:
    if not path.is_file():
        return None
    try:
        rate = _usable_rate(path.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        rate = None
    if rate is None:
        raise VideoError(f"{path}: expected the frames per second, a number alone.")
    return rate


def is_picture_file(path: Path) -> bool:
    """Whether Pillow's formats, and not FFmpeg's, are in a file: PNG, JPEG, TIFF and the like, of one or more pages."""
    try:
        with Image.open(path) as image:
            return image.format in _FORMATS
    except TOO_LARGE:
        return True
    except Exception:  # damaged files surface as almost any error; then FFmpeg is asked
        return False
