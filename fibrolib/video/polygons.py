"""Regions drawn as polygons: the JSON files of the annotation tool LabelMe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fibrolib.errors import VideoError

__all__ = ["read_polygons"]

_DRAWN = {"polygon": 3, "rectangle": 2}
"""Kinds of shapes that are read, and the least number of points of each."""


def read_polygons(path: Path, region: str) -> NDArray[np.bool_]:
    """The region that a LabelMe file marks.

    Parameters
    ----------
    path : Path
        The file; of it, the size of the picture and the shapes are read.
    region : str
        Label of the shapes that are meant. A file that knows one label only may call it anything.

    Returns
    -------
    ndarray of bool, shape (height, width)
        Of the picture that was marked. Shapes are filled as LabelMe itself fills them, outline included.

    Raises
    ------
    VideoError
        If the file is none of LabelMe's, has several labels and none of them is `region`, or holds another kind of
        shape.
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
