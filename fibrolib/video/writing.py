"""Write videos (H.264 in MP4), images (PNG) and DICOM: atomic, the same bytes for the same frames."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from fibrolib.atomic import replacing
from fibrolib.video.sector import Box

_MUXER = {"fflags": "+bitexact", "movflags": "+faststart"}
# Constant rate factor 16: the speckle of ultrasound, and its motion, survive. Macroblock-tree rate control is switched
# off because, together with B-frames, x264 gives other bytes for the same frames from one run to the next.
_ENCODER = {"crf": "16", "preset": "veryfast", "x264-params": "threads=1:lookahead-threads=1:mbtree=0"}


def write_video(path: str | Path, frames: NDArray[np.uint8], fps: float, comment: str | None = None) -> None:
    """Write a video as H.264 in an MP4 file that browsers and hospital viewers play.

    Frames are uint8, grey (frames, height, width) or red, green and blue (frames, height, width, 3), with even height
    and width (H.264 stores colour at half resolution); a ValueError if not. `comment` is kept in the file's metadata.
    One encoder thread and no clock in the file, so that the same frames give the same bytes. A file of that name is
    replaced in one step, at the end.
    """
    _check_frames(frames, fps)
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise ValueError(f"H.264 needs an even height and width, not {frames.shape[1]} x {frames.shape[2]}")
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4", options=_MUXER) as container:
        if comment is not None:
            container.metadata["comment"] = comment
        stream = _add_stream(container, fps, *frames.shape[1:3])
        kind = "gray" if frames.ndim == 3 else "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=kind)))
        container.mux(stream.encode())


def write_timed_video(
    path: str | Path, frames: Iterable[tuple[float | None, NDArray[np.uint8]]], fps: float, pixel_aspect: float = 1.0
) -> int:
    """Write a colour video, one frame at a time, each at its own time; return the number of frames.

    Frames are pairs of a time stamp in seconds (None: by `fps`) and red, green and blue (height, width, 3), all of one
    size; a side of odd length gets one more black line, as H.264 needs it even. Else like `write_video`.
    """
    count, clock, last = 0, Fraction(1, 90_000), -1
    with replacing(Path(path)) as temporary, av.open(str(temporary), "w", format="mp4", options=_MUXER) as container:
        stream = None
        for time, frame in frames:
            height, width = frame.shape[:2]
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)))
            if stream is None:
                stream, start = _add_stream(container, fps, *even.shape[:2]), time or 0.0
                stream.codec_context.time_base = clock
                stream.codec_context.sample_aspect_ratio = Fraction(pixel_aspect).limit_denominator(255)
            picture = av.VideoFrame.from_ndarray(even, format="rgb24")
            shown = count / fps if time is None else time - start
            picture.time_base, picture.pts = clock, max(round(shown / clock), last + 1)
            last, count = picture.pts, count + 1
            container.mux(stream.encode(picture))
        container.mux(stream.encode() if stream is not None else [])
    return count


def _add_stream(container: av.container.OutputContainer, fps: float, height: int, width: int) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=_ENCODER)
    stream.height, stream.width = height, width
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    return stream


def write_image(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write a grey image of shape (height, width) as PNG; a ValueError if it is not uint8 or two-dimensional."""
    if image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"an image is uint8 of shape (height, width), not {image.dtype} of shape {image.shape}")
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def _check_frames(frames: NDArray[np.uint8], fps: float) -> None:
    """Raise a ValueError where frames are not uint8, of another shape than a video's, or the rate is not positive."""
    if frames.dtype != np.uint8 or 0 in frames.shape or not (frames.ndim == 3 or frames.shape[3:] == (3,)):
        expected = "(frames, height, width), with a last axis of 3 for colour"
        raise ValueError(f"frames are uint8 of shape {expected}, not {frames.dtype} of {frames.shape}")
    if not fps > 0:
        raise ValueError(f"frames per second must be above 0, not {fps!r}")


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
    """Write grey frames as an uncompressed DICOM ultrasound image (one frame) or multi-frame image (several).

    Attributes that the standard requires and allows to be empty are empty; there is no date. All unique identifiers
    follow from `patient_id` (also taken for the name) and the name of the file. `region` is where in the frame the
    B-mode picture is, `mm_per_pixel` its scale. A ValueError if the frames are not uint8 of shape (frames, height,
    width).
    """
    _check_frames(frames, fps)
    path, cine = Path(path), len(frames) > 1
    dataset = _dataset(frames)
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage if cine else UltrasoundImageStorage
    dataset.SOPInstanceUID = derived_uid(f"instance\0{patient_id}\0{path.name}".encode())
    dataset.PatientName, dataset.PatientID = patient_id, patient_id
    dataset.StudyInstanceUID = derived_uid(f"study\0{patient_id}".encode())
    dataset.SeriesInstanceUID = derived_uid(f"series\0{patient_id}".encode())
    if cine:
        dataset.NumberOfFrames, dataset.FrameTime = len(frames), pydicom.valuerep.DSfloat(1000 / fps, auto_format=True)
        dataset.FrameIncrementPointer = Tag("FrameTime")
    if region is not None:
        dataset.SequenceOfUltrasoundRegions = [_region_item(region, mm_per_pixel)]
    if comment:
        dataset.ImageComments = comment
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with replacing(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def derived_uid(content: bytes) -> str:
    """A unique identifier that follows from some bytes, of the kind that needs no registered root (PS3.5 B.2)."""
    return f"2.25.{uuid.UUID(bytes=hashlib.sha256(content).digest()[:16], version=4).int}"


def _dataset(frames: NDArray[np.uint8]) -> pydicom.Dataset:
    """Pixels, and the attributes of an ultrasound image that are the same for all."""
    dataset = pydicom.Dataset()
    dataset.ImageType, dataset.Modality = ["ORIGINAL", "PRIMARY"], "US"
    dataset.LossyImageCompression, dataset.InstanceNumber, dataset.SeriesNumber = "00", 1, 1
    for empty in (
        "StudyDate", "StudyTime", "AccessionNumber", "Manufacturer", "ReferringPhysicianName", "PatientBirthDate",
        "PatientSex", "StudyID", "PatientOrientation",
    ):  # fmt: skip
        setattr(dataset, empty, None)
    dataset.Rows, dataset.Columns = frames.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = frames.tobytes() + b"\0" * (frames.size % 2)  # of even length
    return dataset


def _region_item(box: Box, mm_per_pixel: float | None) -> pydicom.Dataset:
    top, bottom, left, right = box
    item = pydicom.Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = _B_MODE, _TISSUE, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right - 1, bottom - 1
    if mm_per_pixel is not None:
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = _CENTIMETRES
        item.PhysicalDeltaX = item.PhysicalDeltaY = mm_per_pixel / 10
    return item
