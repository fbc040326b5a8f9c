"""A video or image file without metadata, and black around the ultrasound picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fibrolib.atomic import replacing
from fibrolib.deidentify.picture import Picture
from fibrolib.deidentify.report import RefusedError
from fibrolib.video import read_image, write_image
from fibrolib.video.arrays import open_arrays
from fibrolib.video.stills import Folder
from fibrolib.video.streams import Stream
from fibrolib.video.writing import write_timed_video

__all__ = ["write_clean_image", "write_clean_mask", "write_clean_video"]

_REGIONS = ("capsule", "image_capsule")
"""Arrays of a mask file that the study reads."""

_FILE_TYPE = {"major_brand", "minor_version", "compatible_brands"}  # say what kind of MP4 it is, not whose


def write_clean_video(source: Path, target: Path, picture: Picture) -> Counter[str]:
    """Encode a video anew (H.264 in MP4, in colour, each frame at its time): no metadata, no sound, no other stream.

    Parameters
    ----------
    source : Path
        A video file, or a folder of pictures.
    target : Path
        File to write; it appears whole or not at all.
    picture : Picture
        Where the ultrasound picture is.

    Returns
    -------
    Counter of str
        How often which kind of metadata, and which other streams, were in the file.
    """
    mask = picture.sector.mask[..., np.newaxis]
    if source.is_dir():
        removed, frames = Counter({"names of pictures": 1}), _folder_frames(source)
    else:
        removed, frames = _metadata(source), Stream(source).colour_frames()
    blanked = ((time, frame * mask) for time, frame in frames)
    write_timed_video(target, blanked, picture.fps, picture.pixel_aspect)
    return removed


def write_clean_image(source: Path, target: Path, picture: Picture) -> tuple[Counter[str], tuple[str, ...]]:
    """Write an image as PNG, without EXIF, comments or profiles.

    Returns
    -------
    removed : Counter of str
        How often which kind of metadata was in the file.
    look : tuple of str
        What a person must look at.
    """
    with Image.open(source) as image:
        removed = Counter(dict.fromkeys((str(name) for name in image.info), 1))
        removed += Counter({"EXIF": len(image.getexif())})
        pages = getattr(image, "n_frames", 1)
        grey = image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I")
        pixels = read_image(source) if grey else np.array(ImageOps.exif_transpose(image).convert("RGB"))
    mask = picture.sector.mask if pixels.ndim == 2 else picture.sector.mask[..., np.newaxis]
    with replacing(target) as temporary:
        Image.fromarray(pixels * mask).save(temporary, format="PNG")
    return removed, (f"only the first of its {pages} pictures was kept",) * (pages > 1)


def write_clean_mask(source: Path, target: Path) -> None:
    """Write a mask that belongs to a video or image: nothing but where the region is.

    Raises
    ------
    RefusedError
        It is of a kind that is not known.
    """
    if source.suffix.lower() == ".json":
        raise RefusedError("outlines in JSON may hold the picture and its path; draw the mask as an image")
    if source.suffix.lower() != ".npz":
        write_image(target, np.uint8(255) * (read_image(source) != 0))
        return
    with open_arrays(source, "the mask file") as arrays:
        regions = {name: arrays[name] != 0 for name in _REGIONS if name in arrays}
    with replacing(target) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **regions)


def _folder_frames(folder: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    for time, frame in Folder(folder).frames(lambda index: True):
        yield time, np.repeat(frame[..., np.newaxis], 3, axis=2)


def _metadata(source: Path) -> Counter[str]:
    """Names of the metadata of a video file, of its streams, and what streams there are besides the first video."""
    with av.open(str(source)) as container:
        names = Counter(container.metadata.keys())
        for stream in container.streams:
            names.update(stream.metadata.keys())
            if stream is not container.streams.video[0]:
                names[f"{stream.type} stream"] += 1
        names["chapter"] += len(container.chapters())
    return Counter({name: times for name, times in names.items() if times and name not in _FILE_TYPE})
