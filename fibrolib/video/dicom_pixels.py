"""Decode the pixels of a DICOM file: pydicom's own decoders, and FFmpeg where they end."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels import convert_color_space, iter_pixels

__all__ = ["decoded_pixels"]

# Transfer syntaxes (PS3.6 annex A) that pydicom needs further packages for and FFmpeg decodes without loss.
_PICTURE_CODECS = {
    "1.2.840.10008.1.2.4.57": "mjpeg",  # JPEG lossless, process 14
    "1.2.840.10008.1.2.4.70": "mjpeg",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80": "jpegls",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81": "jpegls",  # JPEG-LS near-lossless
}

# MPEG-2, MPEG-4 AVC/H.264 and HEVC/H.265: one video for all frames; 1.2.840.10008.1.2.4.100 to 108.
_VIDEO_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))


def decoded_pixels(dataset: pydicom.Dataset, indices: list[int]) -> Iterator[NDArray]:
    """Decode some frames, one at a time.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With its file meta information.
    indices : list of int
        Which frames, ascending.

    Yields
    ------
    ndarray, shape (height, width) or (height, width, 3)
        As stored; colour and videos as RGB.

    Raises
    ------
    Exception
        Of almost any kind, where the file is damaged.
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
