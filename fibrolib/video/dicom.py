"""DICOM ultrasound, single and multi-frame, as grey frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import pydicom
from numpy.typing import NDArray

from fibrolib.errors import VideoError
from fibrolib.video.grey import _GreyScale, _luma
from fibrolib.video.pixels import PixelData
from fibrolib.video.sector import Box
from fibrolib.video.streams import DEFAULT_FPS, Frame, Source, Wanted, _usable_rate, one_line

_SUFFIXES = {".dcm", ".dicom", ".ima"}
_NO_PREAMBLE = {b"\x02\x00", b"\x08\x00"}  # groups that a file without a preamble begins with

_LEAST_SIDE = 16
"""Pixels; a smaller region is an error of the scanner (*assumption*)."""

_ROUNDING = 2  # pixels by which the corner of a region may lie outside the frame
_MOST_ASPECT = 4.0  # width by height of a pixel, or height by width; beyond is an error of the header (*assumption*)
_RATE_ROUNDING = 0.1  # share of the frame rate, or one frame per second: CineRate is a whole number
_SQUARE = 0.005  # scanners round their scales
_SAMPLES = 8  # frames from which the range of the stored values is taken

_CENTIMETRES = 3  # PS3.3 C.8.5.5.1.15
_SLICES = 0x0018_2005  # Slice Location Vector, as Frame Increment Pointer
_VOLUMES = {
    f"1.2.840.10008.5.1.4.1.1.{number}"
    for number in ("6.2", "2.1", "2.2", "4.1", "4.3", "4.4", "128.1", "130", "13.1.1", "13.1.2", "13.1.3")
}
"""Storage classes of volumes (PS3.4 B.5): enhanced ultrasound volume, CT, MR, PET, X-ray in 3D."""


class Cine(Source):
    """A DICOM file, its pixels not yet decoded."""

    container = "dicom"

    def _open(self) -> None:
        self.dataset = dataset = pydicom.dcmread(self.path, force=True)
        dataset.elements()
        if not len(dataset.get("PixelData") or b""):
            self._refuse_cut()
            raise VideoError(
                f"{self.path}: this DICOM file holds no picture (no pixel data). Choose the image or cine export."
            )
        self._complete(dataset)
        self._pixels = PixelData(dataset, self.path, self.note)
        if not self._pixels.count:
            raise VideoError(f"{self.path}: not one whole frame is in this DICOM file. Export it again.")
        self._refuse_volume()
        self.times = self._header_times()
        self.region = self._find_region()
        self.pixel_aspect = self._find_pixel_aspect()

    def _refuse_cut(self) -> None:
        """Say of a file that it breaks off: pydicom then gives no element at all, but for those before the pixels."""
        if len(pydicom.dcmread(self.path, force=True, stop_before_pixels=True)) > len(self.dataset):
            message = "the file breaks off within its pictures: it is not whole. Copy or export it again."
            raise VideoError(f"{self.path}: {message}")

    def _complete(self, dataset: pydicom.Dataset) -> None:
        """Refuse a header that does not describe a picture; fill in what follows from the rest."""
        for name in ("Rows", "Columns", "BitsAllocated"):
            if not int(dataset.get(name) or 0) > 0:
                raise VideoError(f"{self.path}: the header of this DICOM file lacks {name}. Export it again.")
        dataset.BitsStored = dataset.get("BitsStored") or dataset.BitsAllocated
        high = int(dataset.get("HighBit") or 0) + 1  # old scanners keep 8 bits in the upper half of 16
        dataset.BitsStored = max(int(dataset.BitsStored), min(high, int(dataset.BitsAllocated)))
        dataset.SamplesPerPixel = dataset.get("SamplesPerPixel") or 1
        dataset.PixelRepresentation = dataset.get("PixelRepresentation") or 0
        if not dataset.get("PhotometricInterpretation"):
            dataset.PhotometricInterpretation = "MONOCHROME2" if dataset.SamplesPerPixel == 1 else "RGB"
        if dataset.PhotometricInterpretation == "PALETTE COLOR" and "RedPaletteColorLookupTableData" not in dataset:
            raise VideoError(f"{self.path}: the header of this DICOM file lacks its palette. Export it again.")

    def pixels(self, indices: Iterable[int]) -> Iterator[NDArray]:
        """Some frames, in ascending order: grey as stored (height, width), or red, green and blue as 8 bits.

        A VideoError names the first frame that cannot be decoded.
        """
        indices = list(indices)
        stored = self._pixels.stored(indices)
        for index in indices:
            try:
                picture = next(stored)
            except StopIteration:
                if self._pixels.stream is not None:
                    return  # fewer frames decode than the video has packets
                raise self._damaged(index, "it is missing") from None
            except Exception as error:  # damaged pixels surface as almost any error, depending on the decoder
                raise self._damaged(index, one_line(error)) from error
            yield picture

    def _damaged(self, index: int, reason: str) -> VideoError:
        return VideoError(
            f"{self.path}: frame {index + 1} of {len(self.times)} cannot be decoded ({reason}). "
            "The file is damaged, or its transfer syntax needs a decoder that is not installed: "
            "export it uncompressed or as JPEG."
        )

    def _times(self) -> NDArray[np.float64]:
        return self.times

    def _frames(self, wanted: Wanted, coloured: Wanted) -> Iterator[Frame]:
        if self._pixels.stream is not None:
            for index, (_, grey, colours) in enumerate(self._pixels.stream.frames(wanted, coloured)):
                yield self.times[index] if index < len(self.times) else None, grey, colours
            return
        indices = [index for index in range(len(self.times)) if wanted(index) or coloured(index)]
        pictures = self.pixels(indices)
        for index, time in enumerate(self.times):
            if not (wanted(index) or coloured(index)):
                yield time, None, None
                continue
            picture = next(pictures)
            if picture.ndim == 3:
                yield time, _luma(picture), picture if coloured(index) else None
            else:
                yield time, self.scale.levels(picture), None

    @cached_property
    def scale(self) -> _GreyScale:
        """Black and white of stored grey values."""
        dataset = self.dataset
        inverted = (
            dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
        )
        window, table = _first(dataset, "WindowCenter"), dataset.get("VOILUTSequence")
        if modality := dataset.get("ModalityLUTSequence"):
            if window is not None or table:
                raise VideoError(
                    f"{self.path}: two tables or windows in the header change the grey levels one after the other "
                    "(ModalityLUTSequence and VOI LUT). Export without, or as MP4."
                )
            table = modality
        eight = int(dataset.BitsAllocated) == 8 == int(dataset.BitsStored) and not dataset.get("PixelRepresentation")
        if eight and window is None and not table:
            return _GreyScale(inverted=inverted)
        chosen = np.unique(np.linspace(0, len(self.times) - 1, _SAMPLES).round().astype(int)).tolist()
        samples = list(self.pixels(chosen))
        scale = _scale_of_table(table[0]) if table else _GreyScale.of_values(samples, int(dataset.BitsStored))
        if window is not None and not table:
            slope, intercept = _first(dataset, "RescaleSlope"), _first(dataset, "RescaleIntercept")
            width = _first(dataset, "WindowWidth") or 0
            scale = scale.windowed(window, width, samples, 1.0 if slope is None else slope, intercept or 0.0)
        if scale.note:
            self.note("grey-levels", f"{scale.note}.")
        return _GreyScale(scale.black, scale.white, scale.inverted != inverted, scale.note, scale.table)

    def _refuse_volume(self) -> None:
        organisation = str(self.dataset.get("DimensionOrganizationType") or "")
        slices = self.dataset.get("FrameIncrementPointer") == _SLICES
        volume = str(self.dataset.get("SOPClassUID") or "") in _VOLUMES or organisation.startswith("3D")
        if self._pixels.count > 1 and (volume or slices):
            raise VideoError(
                f"{self.path}: the frames of this DICOM file are slices of a volume in space, not instants in time. "
                "Export a two-dimensional video (cine) of the liver."
            )

    def _header_times(self) -> NDArray[np.float64]:
        """When frames are shown, in seconds; sets the stated rate."""
        dataset, count = self.dataset, self._pixels.count
        frame_time = _usable_rate(1000 / (_first(dataset, "FrameTime") or np.inf))
        rates = (frame_time, _first(dataset, "CineRate"), _first(dataset, "RecommendedDisplayFrameRate"))
        self.fps = next((rate for rate in map(_usable_rate, rates) if rate), None)
        if self.fps is None and self._pixels.stream is not None:
            self.fps = self._pixels.stream.fps
        steps = _numbers(dataset, "FrameTimeVector")
        steps = steps[1:] if len(steps) == count or (len(steps) and steps[0] == 0) else steps
        if len(steps) and count > 1 and (steps > 0).all() and _usable_rate(1000 / np.median(steps)):
            if len(steps) != count - 1:
                self.note("frame-rate", f"the header times {len(steps) + 1} frames, not {count}: the rest is a guess.")
            steps = np.resize(np.append(steps, np.full(max(0, count - 1 - len(steps)), np.median(steps))), count - 1)
            return np.concatenate([[0.0], np.cumsum(steps / 1000)])
        if frame_time and rates[1] and abs(rates[1] - frame_time) > max(1.0, _RATE_ROUNDING * frame_time):
            told = f"the header tells two frame rates, {frame_time:g} (FrameTime) and {rates[1]:g} (CineRate)"
            self.note("frame-rate", f"{told} per second: the first is used. Compare it with the scanner's screen.")
        if self.fps is None and count > 1:
            self.note_guessed_rate()
        return np.arange(count) / (self.fps or DEFAULT_FPS)

    def _find_region(self) -> Box | None:
        """The largest B-mode region of the Sequence of Ultrasound Regions, or None where there is none of use."""
        rows, columns = int(self.dataset.Rows), int(self.dataset.Columns)
        regions = []
        for item in self.dataset.get("SequenceOfUltrasoundRegions") or ():
            # PS3.3 C.8.5.5.1: spatial format 1 is 2D (B-mode or colour flow), data type 1 tissue.
            corners = _corners(item)
            if corners is None or item.get("RegionSpatialFormat") != 1 or item.get("RegionDataType") != 1:
                continue
            top, bottom, left, right = corners
            if min(top, left) < -_ROUNDING or bottom > rows + _ROUNDING or right > columns + _ROUNDING:
                self.note("region", "a region in the header lies outside the frame, and is not used.")
            elif min(bottom - top, right - left) >= _LEAST_SIDE:
                regions.append(((max(0, top), min(bottom, rows), max(0, left), min(right, columns)), item))
        if len({box for box, _ in regions}) > 1:
            self.note("region", f"the header names {len(regions)} B-mode pictures in a frame: the largest is read.")
        box, self._region = max(regions, key=lambda region: _area(region[0]), default=(None, None))
        return box

    def _find_pixel_aspect(self) -> float:
        """Width of a pixel by its height: from its ratio, the region's scale, or the spacing of rows and columns."""
        scales = [_numbers(self.dataset, "PixelAspectRatio"), _region_scale(self._region)]
        scales += [_numbers(self.dataset, name) for name in ("PixelSpacing", "ImagerPixelSpacing")]
        for heights_first in scales:
            if len(heights_first) == 2 and (heights_first > 0).all():
                aspect = float(heights_first[1]) / float(heights_first[0])
                if 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT:
                    return 1.0 if abs(aspect - 1) <= _SQUARE else aspect
                self.note("pixel-aspect", f"the header makes a pixel {aspect:g} times as wide as high: not believed.")
        return self._pixels.stream.pixel_aspect if self._pixels.stream is not None else 1.0


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM: by its mark ``DICM``, by what it begins with, or by its suffix if it is nothing else."""
    with path.open("rb") as file:
        head = file.read(132)
    if head[128:] == b"DICM" or _begins_dataset(head):
        return True
    return path.suffix.lower() in _SUFFIXES and not _is_video(path)


def _is_video(path: Path) -> bool:
    try:
        with av.open(str(path)) as container:
            return any(stream.codec_context and stream.width for stream in container.streams.video)
    except (av.FFmpegError, OSError, ValueError):
        return False


def _begins_dataset(head: bytes) -> bool:
    """Whether a file without a preamble begins with an element of the meta information, or identification, group."""
    if head[:2] not in _NO_PREAMBLE or len(head) < 16 or head[3] or head[2] > 0x18:
        return False
    explicit = head[4:6] in (b"UL", b"CS", b"UI", b"DA", b"OB", b"SH", b"LO", b"TM")
    length = int.from_bytes(head[4:8], "little")
    return explicit or (0 < length <= 64 and head[8 + length : 10 + length] in (head[:2], b"\x08\x00"))


def _corners(item: pydicom.Dataset) -> Box | None:
    """Top, bottom, left and right of a region; None where one is missing."""
    names = ("RegionLocationMinY0", "RegionLocationMaxY1", "RegionLocationMinX0", "RegionLocationMaxX1")
    values = [_first(item, name) for name in names]
    if None in values:
        return None
    (top, bottom), (left, right) = sorted(map(int, values[:2])), sorted(map(int, values[2:]))
    return top, bottom + 1, left, right + 1


def _area(box: Box) -> int:
    return (box[1] - box[0]) * (box[3] - box[2])


def _region_scale(item: pydicom.Dataset | None) -> NDArray[np.float64]:
    """Height and width of a pixel, where a region tells both in centimetres."""
    if item is None or any(item.get(f"PhysicalUnits{axis}Direction") != _CENTIMETRES for axis in "XY"):
        return np.empty(0)
    return np.abs([_first(item, f"PhysicalDelta{axis}") or 0.0 for axis in "YX"])


def _scale_of_table(item: pydicom.Dataset) -> _GreyScale:
    """A modality or VOI LUT (PS3.3 C.11.1.1.1, C.11.2.1.1): the level of each stored value from its first on."""
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    data = np.asarray(item.LUTData if not isinstance(item.LUTData, bytes) else np.frombuffer(item.LUTData, "<u2"))
    table = data[: entries or 1 << 16].astype(np.uint16)
    return _GreyScale(first, first + len(table) - 1, table=_GreyScale.of_values([table], bits).levels(table))


def _numbers(dataset: pydicom.Dataset, name: str) -> NDArray[np.float64]:
    """The values of an attribute; none where it is missing or holds something else."""
    value = dataset.get(name)
    values = [] if value is None or value == "" else [value] if isinstance(value, (str, int, float)) else list(value)
    try:
        numbers = np.array([float(number) for number in values])
    except (TypeError, ValueError):
        return np.empty(0)
    return numbers if np.isfinite(numbers).all() else np.empty(0)


def _first(dataset: pydicom.Dataset, name: str) -> float | None:
    """The first value of an attribute."""
    numbers = _numbers(dataset, name)
    return float(numbers[0]) if len(numbers) else None
