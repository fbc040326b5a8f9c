"""A DICOM file without the patient: header, and everything on the screen but the ultrasound picture."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian

from fibrolib.deidentify.header import clean_header
from fibrolib.deidentify.picture import Picture
from fibrolib.deidentify.report import RefusedError
from fibrolib.errors import VideoError
from fibrolib.video.dicom import Cine, open_cine
from fibrolib.video.writing import replacing

__all__ = ["write_clean_dicom"]

_ULTRASOUND = {"", "US", "IVUS", "OT"}  # PS3.3 C.7.3.1.1.1; captured screens are called "other"
_LOSSY = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 91, *range(100, 109))}
_LARGEST = 2**32 - 2
"""Bytes: the most that uncompressed pixel data may have (PS3.5 A.2)."""


def write_clean_dicom(source: Path, target: Path, picture: Picture, key: bytes, patient: str = "") -> Counter[str]:
    """Write a DICOM file with a clean header (`clean_header`) and black around the ultrasound picture.

    Pixels are decoded and written uncompressed (explicit VR, little endian), one frame at a time; colour as RGB. Frame
    times and ultrasound regions are kept. Burned In Annotation is removed, since text may be left inside the picture,
    and only a person can tell.

    Parameters
    ----------
    source, target : Path
        File to read, and file to write; the latter appears whole or not at all.
    picture : Picture
        Where the ultrasound picture is.
    key, patient
        As for `clean_header`.

    Returns
    -------
    Counter of str
        How often which attribute was removed or replaced.

    Raises
    ------
    RefusedError
        It is no ultrasound, or too large.
    VideoError
        It cannot be decoded.
    """
    cine = open_cine(source)
    dataset = cine.dataset
    if str(dataset.get("Modality") or "") not in _ULTRASOUND:
        raise RefusedError("it is no ultrasound, by its modality")
    with tempfile.TemporaryFile(dir=target.parent) as pixels:
        frame = _write_pixels(cine, picture.sector.mask, pixels)
        pixels.seek(0)
        try:
            removed = clean_header(dataset, key, patient)
            clean = _described(dataset, len(cine.times), frame)
            clean.PixelData = pixels
            clean["PixelData"].VR = "OB" if frame.itemsize == 1 else "OW"
            with replacing(target) as temporary:
                clean.save_as(temporary, enforce_file_format=True)
        except OSError:
            raise
        except Exception as error:  # damaged headers surface as almost any error, when their values are looked at
            raise VideoError(f"{source}: the header cannot be cleaned ({error}). Export the file again.") from error
    return removed


def _write_pixels(cine: Cine, mask: NDArray[np.bool_], file: IO[bytes]) -> NDArray:
    """Decode, blank and write all frames; return the last."""
    black, count = _black(cine.dataset), len(cine.times)
    for frame in cine.pixels(list(range(count)), _plain):
        if frame.shape[:2] != mask.shape:
            raise RefusedError("its frames are not all of one size")
        if count * frame.nbytes > _LARGEST:
            raise RefusedError("uncompressed it is larger than DICOM allows (4 GiB)")
        inside = mask if frame.ndim == 2 else mask[..., np.newaxis]
        blanked = np.where(inside, frame, frame.dtype.type(black))
        file.write(blanked.astype(frame.dtype.newbyteorder("<")).tobytes())
    if file.tell() % 2:
        file.write(b"\0")
    return frame


def _plain(pixels: NDArray, dataset: Dataset) -> NDArray:
    """Grey levels as stored, colours as 8-bit RGB."""
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    if pixels.ndim == 3:
        pixels = (pixels >> 8 * (pixels.dtype.itemsize - 1)).astype(np.uint8)[..., :3]
    return pixels


def _black(dataset: Dataset) -> int:
    """The stored value of black."""
    meaning = dataset.PhotometricInterpretation
    if meaning not in ("MONOCHROME1", "MONOCHROME2"):
        return 0
    bits, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation", 0))
    lowest = -(1 << (bits - 1)) if signed else 0
    return lowest + (1 << bits) - 1 if meaning == "MONOCHROME1" else lowest


def _described(dataset: Dataset, count: int, frame: NDArray) -> Dataset:
    """A new file's header, without the old one's preamble and file meta information, that tells what the pixels are."""
    clean = Dataset()
    for element in dataset:
        clean.add(element)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "")) if hasattr(dataset, "file_meta") else ""
    if syntax in _LOSSY:
        clean.LossyImageCompression = "01"
    clean.file_meta = FileMetaDataset()
    clean.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if "NumberOfFrames" in clean or count > 1:
        clean.NumberOfFrames = count
    clean.BitsAllocated = 8 * frame.itemsize
    if frame.ndim == 3:
        clean.SamplesPerPixel, clean.PhotometricInterpretation, clean.PlanarConfiguration = 3, "RGB", 0
        clean.BitsStored, clean.HighBit, clean.PixelRepresentation = 8, 7, 0
        for name in [element.keyword for element in clean if "PaletteColorLookupTable" in element.keyword]:
            delattr(clean, name)
    clean.pop("BurnedInAnnotation", None)
    clean.ImageType = ["DERIVED", *list(clean.get("ImageType") or ["", "PRIMARY"])[1:]]
    clean.DerivationDescription = "Black around the ultrasound picture"
    return clean
