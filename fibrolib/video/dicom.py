"""DICOM ultrasound, single and multi-frame, as grey frames."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, convert_color_space, iter_pixels

from fibrolib.errors import VideoError
from fibrolib.video.sector import Box
from fibrolib.video.streams import DEFAULT_FPS, Wanted, usable_rate

__all__ = ["Cine", "is_dicom"]

_SUFFIXES = {".dcm", ".dicom", ".ima"}

_LEAST_SIDE = 16
"""Pixels; a smaller region is a slip of the scanner (*assumption*)."""

# Rec. 601 luma, the weights behind FFmpeg's and Pillow's grey as well.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Cine:
    """A DICOM file, its pixels not yet decoded.

    `times` are seconds since the first frame, `fps` the rate that the file states, `pixel_aspect` the width of a pixel
    by its height, and `region` where in the frame the B-mode picture is, as the scanner says. A VideoError if the file
    is no DICOM file, or holds no picture.
    """

    container = "dicom"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.dataset = dataset = pydicom.dcmread(path, force=True)
            # Every frame takes a byte at least: a damaged count must not ask for the memory of a billion.
            count = min(int(dataset.get("NumberOfFrames") or 1), len(dataset.get("PixelData", b"")))
            self.fps = _stated_rate(dataset)
            self.times = _times(dataset, count, self.fps or DEFAULT_FPS)
            self.pixel_aspect, self.region = _pixel_aspect(dataset), _region(dataset)
        except Exception as error:  # damaged headers surface as almost any error, when their values are looked at
            raise VideoError(
                f"{path}: this DICOM file cannot be read ({_first_line(error)}). Export it again."
            ) from error
        if count < 1:
            raise VideoError(
                f"{path}: this DICOM file holds no picture (no pixel data). Choose the image or cine export."
            )

    def expected_times(self) -> NDArray[np.float64]:
        """When frames are shown; the header tells it exactly."""
        return self.times

    def frames(
        self, wanted: Wanted, coloured: Wanted = lambda index: False
    ) -> Iterator[tuple[float, NDArray[np.uint8] | None, NDArray[np.uint8] | None]]:
        """Time in seconds, grey levels and colours (where it has any) of every frame; None where not wanted."""
        indices = [index for index in range(len(self.times)) if wanted(index) or coloured(index)]
        pictures = zip(indices, self.pixels(indices, _levels), strict=True)
        index, picture = next(pictures, (-1, None))
        for number, time in enumerate(self.times):
            if number != index:
                yield time, None, None
                continue
            yield time, _luma(picture), picture if picture.ndim == 3 and coloured(index) else None
            index, picture = next(pictures, (-1, None))

    def pixels(self, indices: list[int], form: Callable[[NDArray, pydicom.Dataset], NDArray]) -> Iterator[NDArray]:
        """Some frames, in ascending order, each as `form` makes it of the stored pixels and the header.

        A VideoError names the first frame that cannot be decoded.
        """
        stored = _decoded_pixels(self.dataset, indices) if indices else iter(())
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


def _luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.rint(picture.astype(np.float32) @ _LUMA).astype(np.uint8) if picture.ndim == 3 else picture


def _levels(pixels: NDArray, dataset: pydicom.Dataset) -> NDArray[np.uint8]:
    """Eight bits, black 0: grey, or red, green and blue."""
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
    levels = np.clip(pixels[..., :3] if pixels.ndim == 3 else pixels, 0, 255).astype(np.uint8)
    return 255 - levels if meaning == "MONOCHROME1" else levels


# Transfer syntaxes (PS3.6 annex A) that pydicom needs further packages for and FFmpeg decodes without loss.
_PICTURE_CODECS = {
    "1.2.840.10008.1.2.4.57": "mjpeg",  # JPEG lossless, process 14
    "1.2.840.10008.1.2.4.70": "mjpeg",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80": "jpegls",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81": "jpegls",  # JPEG-LS near-lossless
}

# MPEG-2, MPEG-4 AVC/H.264 and HEVC/H.265: one video for all frames; 1.2.840.10008.1.2.4.100 to 108.
_VIDEO_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))


def _decoded_pixels(dataset: pydicom.Dataset, indices: list[int]) -> Iterator[NDArray]:
    """Decode some frames (`indices` ascending) one at a time, as stored; colour and videos as RGB.

    Pydicom's own decoders, and FFmpeg where they end. Damaged files raise almost any exception.
    """
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "")) if hasattr(dataset, "file_meta") else ""
    if syntax in _PICTURE_CODECS:
        return _pictures(dataset, indices, _PICTURE_CODECS[syntax])
    if syntax.startswith(_VIDEO_SYNTAXES):
        return _video(dataset, indices)
    return iter_pixels(dataset, indices=indices)


def _pictures(dataset: pydicom.Dataset, indices: list[int], codec: str) -> Iterator[NDArray]:
    wanted = set(indices)
    count = int(dataset.get("NumberOfFrames") or 1)
    for index, encoded in enumerate(generate_frames(dataset.PixelData, number_of_frames=count)):
        if index in wanted:
            yield _picture(encoded, codec, dataset)


def _picture(encoded: bytes, codec: str, dataset: pydicom.Dataset) -> NDArray:
    decoder = av.CodecContext.create(codec, "r")
    decoder.options = {"err_detect": "explode"}
    (frame,) = [*decoder.decode(av.Packet(encoded)), *decoder.decode(None)]
    if int(dataset.SamplesPerPixel) == 3:
        pixels = frame.to_ndarray(format="rgb24")
        meaning = dataset.PhotometricInterpretation
        return convert_color_space(pixels, meaning, "RGB") if meaning.startswith("YBR") else pixels
    pixels = frame.to_ndarray()
    return pixels.view(np.int16) if pixels.itemsize == 2 and int(dataset.PixelRepresentation) else pixels


def _video(dataset: pydicom.Dataset, indices: list[int]) -> Iterator[NDArray[np.uint8]]:
    wanted = set(indices)
    content = next(generate_frames(dataset.PixelData, number_of_frames=1))  # the video is one "frame" of DICOM
    with av.open(io.BytesIO(content)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                yield frame.to_ndarray(format="rgb24")
