"""Regions marked in a video: a mask image, polygons of the tool LabelMe, or an array of an ``.npz`` file."""

from __future__ import annotations

import contextlib
import json
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.format import MAGIC_PREFIX
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fibrolib.errors import VideoError, counted
from fibrolib.provenance import PARSING
from fibrolib.video.reading import read_image


def masks_of_frames(
    path: str | Path, region: str, chosen: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """The region in some frames of a video, shape (frames, height, width).

    `path` is an image (non-zero is the region) or a LabelMe ``.json``, for all frames, or an ``.npz`` with an array
    `region` of shape (frames, height, width) or (height, width). `region` is also the label of the polygons; a file
    with one label only may call it anything. `chosen` are the frames of the file, `shape` their height and width.
    """
    masks = _read(Path(path), region)
    if masks.ndim not in (2, 3) or masks.shape[-2:] != shape:
        raise VideoError(
            f"{path}: the mask is {_size(masks.shape)} pixels, its video {_size(shape)}. "
            "A mask needs the height and width of the video's frames."
        )
    if masks.ndim == 2:
        return np.broadcast_to(masks != 0, (len(chosen), *shape))
    if len(masks) <= chosen.max():
        raise VideoError(f"{path}: the mask has {counted(len(masks), 'frame')}, its video at least {chosen.max() + 1}.")
    return masks[chosen] != 0


def _read(path: Path, region: str) -> NDArray:
    """The mask as the file has it, of one frame or of all."""
    kind = path.suffix.lower()
    if kind == ".json":
        return _read_polygons(path, region)
    return _array(path, region) if kind == ".npz" else read_image(path)


def _array(path: Path, region: str) -> NDArray:
    with open_arrays(path, "the mask file") as arrays:
        if region not in arrays:
            raise VideoError(f"{path}: no array '{region}' in this mask file, only {', '.join(arrays.files)}.")
        return arrays[region]


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape[::-1])


_DRAWN = {"polygon": 3, "rectangle": 2}
"""Kinds of shapes that are read, and the least number of points of each."""


def _read_polygons(path: Path, region: str) -> NDArray[np.bool_]:
    """The region that a LabelMe file marks, shape (height, width).

    Shapes are filled as LabelMe itself fills them, outline included.
    """
    content = _content(path)
    mask = Image.new("1", (content["imageWidth"], content["imageHeight"]))
    draw, label = ImageDraw.Draw(mask), _label(path, content["shapes"], region)
    for number, shape in enumerate(content["shapes"], start=1):
        if str(shape.get("label")) == label:
            kind, points = shape.get("shape_type", "polygon"), _points(path, number, shape)
            (draw.polygon if kind == "polygon" else draw.rectangle)(points, outline=1, fill=1)
    return np.array(mask)


def _content(path: Path) -> dict:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise VideoError(f"{path}: the mask file cannot be read as JSON ({error}).") from error
    sound = isinstance(content, dict) and isinstance(content.get("shapes"), list)
    sound = sound and all(isinstance(shape, dict) for shape in content["shapes"])
    if not (sound and all(_is_side(content.get(side)) for side in ("imageWidth", "imageHeight"))):
        raise VideoError(
            f"{path}: not a LabelMe file. Expected JSON with 'shapes', 'imageWidth' and 'imageHeight'; "
            "export the polygons in LabelMe's format, or as a mask image."
        )
    return content


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 16


def _label(path: Path, shapes: list[dict], region: str) -> str:
    """Label of the shapes that are meant."""
    labels = sorted({str(shape.get("label")) for shape in shapes})
    if region in labels or not labels:
        return region
    if len(labels) > 1:
        raise VideoError(
            f"{path}: none of the shapes is labelled '{region}', only {', '.join(labels)}. "
            f"Label those that are meant '{region}', or keep one label."
        )
    return labels[0]


def _points(path: Path, number: int, shape: dict) -> list[tuple[float, float]]:
    kind = shape.get("shape_type", "polygon")
    if kind not in _DRAWN:
        raise VideoError(
            f"{path}: shape {number} is a {kind}; polygons and rectangles are read. Draw one around what is meant."
        )
    try:
        points = np.asarray(shape.get("points"), dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < _DRAWN[kind] or not np.isfinite(points).all():
        raise VideoError(f"{path}: shape {number} needs at least {_DRAWN[kind]} points [x, y] in pixels.")
    if kind == "rectangle":
        points = np.stack([points.min(axis=0), points.max(axis=0)])
    return [(x, y) for x, y in points.tolist()]


_DAMAGE = (OSError, KeyError, ValueError, TypeError, EOFError, RuntimeError, SyntaxError, MemoryError)
"""What numpy and zipfile raise at files that are damaged, are no archive of arrays, or want a password."""

_DAMAGE_INSIDE = (zipfile.BadZipFile, zlib.error, tokenize.TokenError)
"""The same, of kinds that are no built-in ones: bad sums, bad streams, bad headers."""


@contextlib.contextmanager
def open_arrays(path: str | Path, what: str, advice: str = "") -> Iterator[NpzFile]:
    """Open an ``.npz`` file; nothing in it is executed.

    `what` and `advice` stand in the VideoError that is raised if the file, or an array that is read from it inside the
    block, cannot be read: "the mask file"; a sentence.
    """
    try:
        # Opened here: numpy leaves a file open in which it finds no archive.
        with PARSING, Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            _refuse_other_members(arrays)
            yield arrays
    except (*_DAMAGE, *_DAMAGE_INSIDE) as error:
        raise VideoError(f"{path}: {what} cannot be read ({error}). {advice}".rstrip()) from error


def _refuse_other_members(arrays: NpzFile) -> None:
    """Numpy hands out what is no array as bytes, without a word."""
    for member in arrays.zip.namelist():
        with arrays.zip.open(member) as content:
            if content.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:
                raise ValueError(f"'{member}' in it is no array")
