"""DICOM ultrasound, single and multi-frame, as grey frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import apply_color_lut

from fibrolib.errors import VideoError
from fibrolib.video.dicom_pixels import decoded_pixels
from fibrolib.video.sector import Box
from fibrolib.video.timing import DEFAULT_FPS, usable_rate

__all__ = ["Cine", "is_dicom", "open_cine"]

_SUFFIXES = {".dcm", ".dicom", ".ima"}

_LEAST_SIDE = 16
"""Pixels; a smaller region is a slip of the scanner (*assumption*)."""

# Rec. 601 luma, the weights behind FFmpeg's and Pillow's grey as well.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Cine:
    """An opened DICOM file, its pixels not yet decoded.

    Parameters
    ----------
    dataset : pydicom.Dataset
        The file's header and encoded pixels.
    path : Path
        The file.
    times : ndarray of float64, shape (frames,)
        Seconds since the first frame.
    fps : float or None
        Frames per second as the file states it.
    pixel_aspect : float
        Width of a pixel by its height.
    region : tuple of int or None
        Where in the frame the B-mode picture is, as the scanner says; a `Box`.
    """

    dataset: pydicom.Dataset
    path: Path
    times: NDArray[np.float64]
    fps: float | None
    pixel_aspect: float
    region: Box | None

    container = "dicom"

    def expected_times(self) -> NDArray[np.float64]:
        """When frames are shown; the header tells it exactly."""
        return self.times

    def frames(self, wanted: Callable[[int], bool]) -> Iterator[tuple[float, NDArray[np.uint8] | None]]:
        """Time in seconds and grey levels (height, width) of every frame; what is not wanted is not decoded: None."""
        grey = self.pixels([index for index in range(len(self.times)) if wanted(index)], _grey)
        for index, time in enumerate(self.times):
            yield time, next(grey) if wanted(index) else None

    def pixels(self, indices: list[int], form: Callable[[NDArray, pydicom.Dataset], NDArray]) -> Iterator[NDArray]:
        """Some frames, in ascending order, each as ``form`` makes it of the stored pixels and the header.

        Raises
        ------
        VideoError
            Naming the first frame that cannot be decoded.
        """
        stored = decoded_pixels(self.dataset, indices) if indices else iter(())
        for index in indices:
            try:
                formed = form(next(stored), self.dataset)
            except Exception as error:  # damaged pixels surface as almost any error, depending on the decoder
                raise VideoError(
                    f"{self.path}: frame {index + 1} of {len(self.times)} cannot be decoded ({_first_line(error)}). "
                    "The file is damaged, or its transfer syntax needs a decoder that is not installed: "
                    "export it uncompressed or as JPEG."
                ) from error
            yield formed


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM: by its mark ``DICM``, or its suffix where an old file has no mark."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix.lower() in _SUFFIXES


def open_cine(path: Path) -> Cine:
    """Open a DICOM file.

    Raises
    ------
    VideoError
        The file is no DICOM file, or holds no picture.
    """
    try:
        dataset = pydicom.dcmread(path, force=True)
        # Every frame takes a byte at the least: a damaged count must not ask for the memory of a billion.
        count = min(int(dataset.get("NumberOfFrames") or 1), len(dataset.get("PixelData", b"")))
        fps = _stated_rate(dataset)
        times, aspect = _times(dataset, count, fps or DEFAULT_FPS), _pixel_aspect(dataset)
        region = _region(dataset)
    except Exception as error:  # damaged headers surface as almost any error, when their values are looked at
        raise VideoError(f"{path}: this DICOM file cannot be read ({_first_line(error)}). Export it again.") from error
    if count < 1:
        raise VideoError(f"{path}: this DICOM file holds no picture (no pixel data). Choose the image or cine export.")
    return Cine(dataset, path, times, fps, aspect, region)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _stated_rate(dataset: pydicom.Dataset) -> float | None:
    """Frames per second; DICOM gives it in one of several places."""
    frame_time = usable_rate(dataset.get("FrameTime"))
    candidates = (
        1000 / frame_time if frame_time else None,
        dataset.get("CineRate"),
        dataset.get("RecommendedDisplayFrameRate"),
    )
    return next((rate for rate in map(usable_rate, candidates) if rate), None)


def _times(dataset: pydicom.Dataset, count: int, fps: float) -> NDArray[np.float64]:
    vector = dataset.get("FrameTimeVector")
    if vector is not None and not isinstance(vector, (str, float)) and len(vector) == count:
        steps = np.array([float(step) for step in vector]) / 1000
        if np.all(steps[1:] > 0):
            return np.cumsum(steps) - steps[0]
    return np.arange(count) / fps


def _pixel_aspect(dataset: pydicom.Dataset) -> float:
    ratio = dataset.get("PixelAspectRatio")  # vertical \ horizontal size of a pixel
    if ratio is None or len(ratio) != 2 or min(ratio) <= 0:
        return 1.0
    return float(ratio[1]) / float(ratio[0])


def _region(dataset: pydicom.Dataset) -> Box | None:
    """The largest B-mode region of the Sequence of Ultrasound Regions, or None where there is none of use."""
    boxes = []
    for item in dataset.get("SequenceOfUltrasoundRegions") or ():
        # PS3.3 C.8.5.5.1: spatial format 1 is 2D (B-mode or colour flow), data type 1 tissue.
        if item.get("RegionSpatialFormat") == 1 and item.get("RegionDataType") == 1:
            left, right = sorted((int(item.RegionLocationMinX0), int(item.RegionLocationMaxX1)))
            top, bottom = sorted((int(item.RegionLocationMinY0), int(item.RegionLocationMaxY1)))
            boxes.append((max(0, top), min(bottom + 1, dataset.Rows), max(0, left), min(right + 1, dataset.Columns)))
    usable = [box for box in boxes if min(box[1] - box[0], box[3] - box[2]) >= _LEAST_SIDE]
    return max(usable, key=lambda box: (box[1] - box[0]) * (box[3] - box[2]), default=None)


def _grey(pixels: NDArray, dataset: pydicom.Dataset) -> NDArray[np.uint8]:
    meaning = dataset.PhotometricInterpretation
    if meaning == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
        bits = 8 * pixels.dtype.itemsize
    else:
        bits = int(dataset.BitsStored)
        if int(dataset.get("PixelRepresentation", 0)):
            pixels = pixels.astype(np.int64) + (1 << (bits - 1))
    if bits > 8:
        pixels = pixels >> (bits - 8)
    if pixels.ndim == 3:
        pixels = np.rint(pixels[..., :3].astype(np.float32) @ _LUMA)
    grey = np.clip(pixels, 0, 255).astype(np.uint8)
    return 255 - grey if meaning == "MONOCHROME1" else grey
