"""Prepare clips: crop to the sector, blank what is outside, one size, one frame rate; keep them by content."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fibrolib.atomic import write_atomically
from fibrolib.errors import VideoError
from fibrolib.provenance import code_digest
from fibrolib.video.masks import masks_of_frames, open_arrays
from fibrolib.video.reading import Video, is_still, read_video
from fibrolib.video.sector import Sector, find_sector
from fibrolib.video.stills import RATE_FILE, pictures_in

Place = tuple[int, int, int, int]
"""Top, left, height and width of a picture in its square, in pixels."""

_MASK_COVER = 64
"""A pixel belongs to a region that covers a quarter of it: at a half, a thin capsule would vanish (*assumption*)."""

_SECTOR_COVER = 128

_AT_ONCE = 192
"""Most frames, at the wanted rate, held in full size; a longer file is read twice, the second time frame by frame."""


@dataclass(frozen=True)
class Clip:
    """A prepared clip."""

    frames: NDArray[np.uint8]  # (frames, size, size), 0 outside the sector
    fps: float
    sector: NDArray[np.bool_]  # (size, size)
    roi: NDArray[np.bool_] | None = None  # (frames, size, size), a marked region


def prepare_clip(
    path: str | Path,
    *,
    size: int,
    fps: float | None,
    max_frames: int,
    roi: str | Path | None = None,
    region: str = "capsule",
) -> Clip:
    """Read a video and bring it to the form the nets take.

    Parameters
    ----------
    path : str or Path
        A video, or a DICOM cine.
    size : int
        Side of the square clip in pixels. The sector keeps its proportions; the rest is black.
    fps : float or None
        Frames per second, reached by taking the frames nearest in time. No frame is invented: a slower file keeps its
        own frames and rate. None keeps every file's own rate.
    max_frames : int
        At most so many frames, from the middle of the file.
    roi : str or Path, optional
        A mask (`masks_of_frames`).
    region : str
        Which array of an ``.npz`` mask, or which label of a LabelMe file.

    Returns
    -------
    Clip

    Raises
    ------
    VideoError
        The video or mask cannot be read, or they do not fit each other.
    """
    if size < 1 or max_frames < 1 or (fps is not None and fps <= 0):
        raise ValueError(f"size, max_frames and fps must be positive, got {size}, {max_frames}, {fps}")
    video = read_video(path, max_frames=min(max_frames, _AT_ONCE), fps=fps)
    fit = _Fit(_sector_of(video), video.pixel_aspect, size)
    is_long = max_frames > _AT_ONCE and video.overview is not None
    if is_long:
        video = read_video(path, max_frames=max_frames, fps=fps, reduce=lambda frame: fit(frame[np.newaxis])[0])
    chosen, rate = np.arange(len(video.frames)), video.fps
    if fps is not None and fps < video.fps:
        chosen, rate = _nearest_frames(video.times, fps), float(fps)
    start = max(0, (len(chosen) - max_frames) // 2)
    chosen = chosen[start : start + max_frames]
    frames = video.frames[chosen] if is_long else fit(video.frames[chosen])
    return Clip(frames, rate, fit.sector, fit.marked(roi, region, video.first + chosen))


def prepare_image(path: str | Path, *, size: int, roi: str | Path | None = None, region: str = "capsule") -> Clip:
    """Like `prepare_clip`, for one picture: ``frames`` is (1, size, size).

    Of a video the middle frame is taken; its sector is found from all frames. In an ``.npz`` mask the array
    ``image_<region>`` belongs to a still image, ``<region>`` to a video.
    """
    if size < 1:
        raise ValueError(f"size must be positive, got {size}")
    video = read_video(path, max_frames=1)
    middle = np.array([len(video.frames) // 2])
    fit = _Fit(_sector_of(video), video.pixel_aspect, size)
    region = f"image_{region}" if is_still(path) else region
    return Clip(fit(video.frames[middle]), video.fps, fit.sector, fit.marked(roi, region, video.first + middle))


def _sector_of(video: Video) -> Sector:
    return find_sector(video.frames if video.overview is None else video.overview, video.region)


class _Fit:
    """Crops frames to the sector, blanks them outside it, and scales them into a square; masks likewise.

    `sector` is the sector in the square, ``(size, size)``; `place` the top, left, height and width of the picture.
    """

    def __init__(self, sector: Sector, pixel_aspect: float, size: int) -> None:
        self._size, self._shape = size, sector.mask.shape
        top, bottom, left, right = sector.box
        self._box = np.s_[top:bottom, left:right]
        # Where no picture was found there may still be letters: a name on a black screen.
        self._inside = sector.mask[self._box] & sector.found
        self.place = _placement(bottom - top, (right - left) * pixel_aspect, size)
        self.sector = self._covered(sector.mask[np.newaxis], _SECTOR_COVER)[0]

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Frames ``(n, height, width)`` to ``(n, size, size)``."""
        return self._scaled(frame[self._box] * self._inside for frame in frames) * self.sector

    def marked(self, roi: str | Path | None, region: str, numbers: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """The marked region of the frames with these numbers in the file; None without a mask."""
        if roi is None:
            return None
        return self._covered(masks_of_frames(roi, region, numbers, self._shape), _MASK_COVER) & self.sector

    def _covered(self, masks: NDArray[np.bool_], level: int) -> NDArray[np.bool_]:
        """Masks in the square: the pixels that they cover by at least `level` / 255."""
        return self._scaled(np.uint8(255) * mask[self._box] for mask in masks) >= level

    def _scaled(self, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        top, left, rows, columns = self.place
        squares = []
        for picture in pictures:
            square = np.zeros((self._size, self._size), dtype=np.uint8)
            # Pillow widens the filter with the reduction, so fine speckle is averaged and does not alias.
            small = Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR)
            square[top : top + rows, left : left + columns] = small
            squares.append(square)
        return np.stack(squares)


def _placement(height: float, width: float, size: int) -> Place:
    """Top, left, height and width of the picture in the square: as large as fits, in the middle."""
    scale = size / max(height, width)
    rows, columns = (max(1, round(side * scale)) for side in (height, width))
    return (size - rows) // 2, (size - columns) // 2, rows, columns


def _nearest_frames(times: ArrayLike, fps: float) -> NDArray[np.int64]:
    """Which frame is nearest in time to each tick of a regular clock, for ascending `times` in seconds from 0.

    A tick in a gap of the recording repeats its neighbour, as a player would.
    """
    times = np.asarray(times, dtype=np.float64)
    # The small allowance keeps a last tick that rounding would push just past the last frame.
    ticks = np.arange(int(times[-1] * fps + 1e-6) + 1) / fps
    after = np.clip(np.searchsorted(times, ticks), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(ticks - times[before] <= times[after] - ticks, before, after)


_MESSAGE = "this prepared clip", "Delete it and run again."


def save_clip(path: str | Path, clip: Clip) -> None:
    """Write a clip as ``.npz`` (`path` must end so), atomically: the file is there whole or not at all."""
    arrays = {"frames": clip.frames, "fps": np.float64(clip.fps), "sector": clip.sector}
    if clip.roi is not None:
        arrays["roi"] = np.packbits(clip.roi, axis=-1)
    write_atomically(Path(path), lambda file: np.savez(file, **arrays))


def load_clip(path: str | Path) -> Clip:
    """Read a clip written by `save_clip`; a VideoError if the file is missing or is no clip."""
    with open_arrays(path, *_MESSAGE) as arrays:
        frames, roi = arrays["frames"], arrays.get("roi")
        if roi is not None:
            roi = np.unpackbits(roi, axis=-1, count=frames.shape[-1]).astype(bool)
        return Clip(frames, float(arrays["fps"]), arrays["sector"], roi)


def map_frames(path: str | Path) -> NDArray[np.uint8]:
    """The frames of a clip written by `save_clip`, as they lie in the file: only what is taken of them is read."""
    with open_arrays(path, *_MESSAGE) as arrays:
        member = arrays.zip.getinfo("frames.npy")
        with arrays.zip.open(member) as content:
            np.lib.format.read_magic(content)
            shape, by_column, dtype = np.lib.format.read_array_header_1_0(content)
            header = content.tell()
        # A member's data follows 30 bytes, its name, and further bytes whose number stands in the last 4 of the 30.
        arrays.zip.fp.seek(member.header_offset + 26)
        further = sum(struct.unpack("<2H", arrays.zip.fp.read(4)))
        start = member.header_offset + 30 + further + header
        return np.memmap(path, dtype, "r", start, shape, order="F" if by_column else "C")


def _clip_digest(path: str | Path, settings: Mapping[str, object]) -> str:
    """A name for a prepared clip, 64 hexadecimal digits: the same for the same file content, settings and code.

    `settings` are what it is prepared with; values must be JSON types.
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
    """Prepare a clip or an image unless that was done before, and return its path, for `load_clip`.

    Parameters are those of `prepare_clip` or, by `kind`, `prepare_image`; prepared clips are kept in `folder`, named by
    `_clip_digest`.
    """
    if kind not in ("clip", "image"):
        raise ValueError(f"kind must be 'clip' or 'image', got {kind!r}")
    settings = {"kind": kind, "size": size}
    if kind == "clip":
        settings |= {"fps": fps, "max_frames": max_frames}
    if roi is not None:
        settings |= {"roi": file_digest(roi), "region": region}
    kept = Path(folder) / f"{_clip_digest(path, settings)}.npz"
    if not kept.exists():
        if kind == "clip":
            clip = prepare_clip(path, size=size, fps=fps, max_frames=max_frames, roi=roi, region=region)
        else:
            clip = prepare_image(path, size=size, roi=roi, region=region)
        save_clip(kept, clip)
    return kept


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, or of the names and contents of the pictures of a folder."""
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
