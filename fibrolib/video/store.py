"""Keep prepared clips on disk by the content of what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fibrolib.atomic import write_atomically
from fibrolib.errors import VideoError
from fibrolib.provenance import code_digest
from fibrolib.video.arrays import open_arrays
from fibrolib.video.clips import Clip, prepare_clip, prepare_image
from fibrolib.video.stills import RATE_FILE, pictures_in

__all__ = ["clip_digest", "file_digest", "load_clip", "load_frames", "prepare_cached", "save_clip"]

_KEPT = "this prepared clip", "Delete it and run again."


def save_clip(path: str | Path, clip: Clip) -> None:
    """Write a clip as ``.npz`` (`path` must end so), atomically: the file is there whole or not at all."""
    arrays = {"frames": clip.frames, "fps": np.float64(clip.fps), "sector": clip.sector}
    if clip.roi is not None:
        arrays["roi"] = np.packbits(clip.roi, axis=-1)
    write_atomically(Path(path), lambda file: np.savez(file, **arrays))


def load_clip(path: str | Path) -> Clip:
    """Read a clip written by `save_clip`.

    Raises
    ------
    VideoError
        The file is missing or is no clip.
    """
    with open_arrays(path, *_KEPT) as arrays:
        frames, roi = arrays["frames"], arrays.get("roi")
        if roi is not None:
            roi = np.unpackbits(roi, axis=-1, count=frames.shape[-1]).astype(bool)
        return Clip(frames, float(arrays["fps"]), arrays["sector"], roi)


def load_frames(path: str | Path) -> NDArray[np.uint8]:
    """Read only the frames of a clip written by `save_clip`.

    Raises
    ------
    VideoError
        As `load_clip`.
    """
    with open_arrays(path, *_KEPT) as arrays:
        return arrays["frames"]


def clip_digest(path: str | Path, settings: Mapping[str, object]) -> str:
    """A name for a prepared clip: the same for the same file content, settings and code, whatever the file is called.

    Parameters
    ----------
    path : str or Path
        The video or image.
    settings : mapping
        What it is prepared with; values must be JSON types.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).

    Raises
    ------
    VideoError
        The file cannot be read.
    """
    content = file_digest(path)
    described = json.dumps({"code": code_digest(prepare_cached), **settings}, sort_keys=True)
    return hashlib.sha256(f"{content} {described}".encode()).hexdigest()


def prepare_cached(
    path: str | Path,
    folder: str | Path,
    *,
    kind: Literal["clip", "image"] = "clip",
    size: int,
    fps: float | None = None,
    max_frames: int = 1,
    roi: str | Path | None = None,
    region: str = "capsule",
) -> Path:
    """Prepare a clip or an image unless that was done before, and tell where it is.

    Parameters
    ----------
    path : str or Path
        The video or image.
    folder : str or Path
        Where prepared clips are kept, by `clip_digest`.
    kind : {"clip", "image"}
        Which of `prepare_clip` and `prepare_image`; ``fps`` and ``max_frames`` belong to the first.
    size, fps, max_frames, roi, region
        As there.

    Returns
    -------
    Path
        A file for `load_clip`.

    Raises
    ------
    VideoError
        As `prepare_clip`.
    """
    if kind not in ("clip", "image"):
        raise ValueError(f"kind must be 'clip' or 'image', got {kind!r}")
    settings = {"kind": kind, "size": size}
    if kind == "clip":
        settings |= {"fps": fps, "max_frames": max_frames}
    if roi is not None:
        settings |= {"roi": file_digest(roi), "region": region}
    kept = Path(folder) / f"{clip_digest(path, settings)}.npz"
    if not kept.exists():
        if kind == "clip":
            clip = prepare_clip(path, size=size, fps=fps, max_frames=max_frames, roi=roi, region=region)
        else:
            clip = prepare_image(path, size=size, roi=roi, region=region)
        save_clip(kept, clip)
    return kept


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, or of the names and contents of the pictures of a folder.

    Raises
    ------
    VideoError
        The file cannot be read.
    """
    if Path(path).is_dir():
        described = [f"{picture.name} {file_digest(picture)}" for picture in pictures_in(Path(path))]
        rate = Path(path) / RATE_FILE
        described += [file_digest(rate)] if rate.is_file() else []
        return hashlib.sha256("\n".join(described).encode()).hexdigest()
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(f"{path}: the file cannot be read ({error.strerror}).") from error
