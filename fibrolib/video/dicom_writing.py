"""Write ultrasound as DICOM: one frame an image, several a cine; the same bytes for the same frames."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from fibrolib.video.sector import Box
from fibrolib.video.writing import check_frames, replacing

__all__ = ["derived_uid", "write_dicom"]

_B_MODE, _TISSUE, _CENTIMETRES = 1, 1, 3  # PS3.3 C.8.5.5.1: spatial format, data type, physical units


def write_dicom(
    path: str | Path,
    frames: NDArray[np.uint8],
    fps: float = 1.0,
    *,
    patient_id: str,
    region: Box | None = None,
    mm_per_pixel: float | None = None,
    comment: str = "",
) -> None:
    """Write grey frames as a DICOM ultrasound image (one frame) or multi-frame image (several), uncompressed.

    Attributes that the standard requires to be there and allows to be empty are empty; there is no date. All unique
    identifiers follow from `patient_id` and the name of the file.

    Parameters
    ----------
    path : str or Path
        File to write; its folder must exist. A file of that name is replaced in one step, at the end.
    frames : ndarray of uint8, shape (frames, height, width)
        Grey frames.
    fps : float
        Frames per second, above 0; of no concern for one frame.
    patient_id : str
        Patient ID, also taken for the name.
    region : tuple of int, optional
        Where in the frame the B-mode picture is, a `Box`.
    mm_per_pixel : float, optional
        Scale, written with the region.
    comment : str, optional
        Image Comments.

    Raises
    ------
    ValueError
        If the frames are not uint8, not three-dimensional or empty, or `fps` is not positive.
    """
    check_frames(frames, fps)
    path, cine = Path(path), len(frames) > 1
    dataset = _picture(frames)
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage if cine else UltrasoundImageStorage
    dataset.SOPInstanceUID = derived_uid(f"instance\0{patient_id}\0{path.name}".encode())
    dataset.PatientName, dataset.PatientID = patient_id, patient_id
    dataset.StudyInstanceUID = derived_uid(f"study\0{patient_id}".encode())
    dataset.SeriesInstanceUID = derived_uid(f"series\0{patient_id}".encode())
    if cine:
        dataset.NumberOfFrames, dataset.FrameTime = len(frames), pydicom.valuerep.DSfloat(1000 / fps, auto_format=True)
        dataset.FrameIncrementPointer = Tag("FrameTime")
    if region is not None:
        dataset.SequenceOfUltrasoundRegions = [_region(region, mm_per_pixel)]
    if comment:
        dataset.ImageComments = comment
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with replacing(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def derived_uid(content: bytes) -> str:
    """A unique identifier that follows from some bytes, of the kind that needs no registered root (PS3.5 B.2)."""
    return f"2.25.{uuid.UUID(bytes=hashlib.sha256(content).digest()[:16], version=4).int}"


def _picture(frames: NDArray[np.uint8]) -> pydicom.Dataset:
    """Pixels, and the attributes of an ultrasound image that are the same for all."""
    dataset = pydicom.Dataset()
    dataset.ImageType, dataset.Modality = ["ORIGINAL", "PRIMARY"], "US"
    dataset.LossyImageCompression, dataset.InstanceNumber, dataset.SeriesNumber = "00", 1, 1
    for empty in (
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "Manufacturer",
        "ReferringPhysicianName",
        "PatientBirthDate",
        "PatientSex",
        "StudyID",
        "PatientOrientation",
    ):
        setattr(dataset, empty, None)
    dataset.Rows, dataset.Columns = frames.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = frames.tobytes() + b"\0" * (frames.size % 2)  # of even length
    return dataset


def _region(box: Box, mm_per_pixel: float | None) -> pydicom.Dataset:
    top, bottom, left, right = box
    item = pydicom.Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = _B_MODE, _TISSUE, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right - 1, bottom - 1
    if mm_per_pixel is not None:
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = _CENTIMETRES
        item.PhysicalDeltaX = item.PhysicalDeltaY = mm_per_pixel / 10
    return item
