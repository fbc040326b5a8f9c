"""Read the marked region that belongs to a video: a mask image, polygons, or one array of an ``.npz`` file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrolib.errors import VideoError, counted
from fibrolib.video.arrays import open_arrays
from fibrolib.video.polygons import read_polygons
from fibrolib.video.reading import read_image

__all__ = ["masks_of_frames"]


def masks_of_frames(
    path: str | Path, region: str, chosen: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """The region in some frames of a video.

    Parameters
    ----------
    path : str or Path
        An image, one mask for all frames, non-zero is the region; a LabelMe ``.json`` with polygons, for all frames; or
        ``.npz`` with an array `region` of shape (frames, height, width) or (height, width).
    region : str
        The array's name, or the polygons' label (`read_polygons`).
    chosen : ndarray of int, shape (n,)
        Which frames of the file.
    shape : tuple of int
        Height and width of the video's frames.

    Returns
    -------
    ndarray of bool, shape (n, height, width)

    Raises
    ------
    VideoError
        The mask cannot be read, or does not fit the video.
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
        return read_polygons(path, region)
    return _array(path, region) if kind == ".npz" else read_image(path)


def _array(path: Path, region: str) -> NDArray:
    with open_arrays(path, "the mask file") as arrays:
        if region not in arrays:
            raise VideoError(f"{path}: no array '{region}' in this mask file, only {', '.join(arrays.files)}.")
        return arrays[region]


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape[::-1])
