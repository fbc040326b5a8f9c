"""Copies of single files without the patient: header, metadata, and all pixels but the ultrasound picture."""

from __future__ import annotations

import hashlib
import hmac
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av
import numpy as np
import pydicom
from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions_2024b, replace
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import UID, ExplicitVRLittleEndian

import fibrolib
from fibrolib.atomic import replacing
from fibrolib.errors import VideoError
from fibrolib.privacy import pseudonym
from fibrolib.video import Sector, find_sector, open_arrays, read_image, read_video, write_image
from fibrolib.video.dicom import Cine
from fibrolib.video.reading import open_source
from fibrolib.video.stills import is_picture_file
from fibrolib.video.writing import derived_uid, write_timed_video

KINDS = {"dicom": ".dcm", "video": ".mp4", "image": ".png", "mask": ".png", "arrays of a mask": ".npz"}
"""Kinds of files, and the endings of their copies."""


class _RefusedError(Exception):
    """A file that is not written, with the reason; the reason names nobody."""


_WHOLE = 0.98
"""Share of the frame from which on nothing would be blanked (*assumption*: of 71 real pictures the largest takes
0.975)."""


@dataclass(frozen=True)
class _Picture:
    """The ultrasound picture of a file."""

    sector: Sector
    brightest: NDArray[np.uint8]  # of each pixel over frames spread over the file: text shows that comes and goes
    fps: float = 1.0
    pixel_aspect: float = 1.0
    look: tuple[str, ...] = ()  # what a person must look at

    @property
    def kept(self) -> float:
        """Share of the frame."""
        return float(self.sector.mask.mean())


def _find_picture(path: Path, whole: bool = False) -> _Picture:
    """Find the ultrasound picture of a video, DICOM file or image; `whole` accepts one that fills the frame."""
    video = read_video(path, max_frames=1)
    frames = video.frames if video.overview is None else video.overview
    sector = find_sector(frames, video.region)
    if not sector.found:
        raise _RefusedError("no ultrasound picture was found in it")
    look = tuple(sentence for _, sentence in video.notes)  # the copy no longer shows it
    if sector.mask.mean() >= _WHOLE:
        if not whole:
            raise _RefusedError(
                "the picture seems to fill the frame, so nothing would be blanked. Look at it; if there is no text on "
                "it, ask for it with --whole"
            )
        look = ("the picture fills the frame: nothing was blanked", *look)
    return _Picture(sector, frames.max(axis=0) * sector.mask, video.fps, video.pixel_aspect, look)


def _write_copy(
    kind: str, source: Path, target: Path, picture: _Picture, key: bytes, patient: str = ""
) -> tuple[Counter[str], tuple[str, ...]]:
    """Write a copy of a video, folder of pictures, DICOM file or image that appears whole or not at all.

    `patient` is the patient's pseudonym, by default that of the Patient ID. Returns how often which attribute, metadata
    or other stream was removed or replaced, and what a person must look at.
    """
    if kind == "dicom":
        return _write_dicom(source, target, picture, key, patient), ()
    if kind == "image":
        return _write_image(source, target, picture)
    return _write_video(source, target, picture), ()


# Videos, images and masks

_REGIONS = ("capsule", "image_capsule")
"""Arrays of a mask file that the study reads."""

_FILE_TYPE = {"major_brand", "minor_version", "compatible_brands"}  # say what kind of MP4 it is, not whose


def _write_video(source: Path, target: Path, picture: _Picture) -> Counter[str]:
    """Encode a video again (H.264 in MP4, in colour, each frame at its time), without metadata and other streams."""
    mask = picture.sector.mask[..., np.newaxis]
    removed = Counter({"names of pictures": 1}) if source.is_dir() else _metadata(source)
    frames = open_source(source).frames(lambda index: False, lambda index: True)
    blanked = ((time, colours * mask) for time, _, colours in frames)
    write_timed_video(target, blanked, picture.fps, picture.pixel_aspect)
    return removed


def _write_image(source: Path, target: Path, picture: _Picture) -> tuple[Counter[str], tuple[str, ...]]:
    """Write an image as PNG, without EXIF, comments or profiles; also return what a person must look at."""
    (_, grey, pixels) = next(open_source(source).frames(lambda index: True, lambda index: True))
    if (pixels == pixels[..., :1]).all():
        pixels = grey
    mask = picture.sector.mask if pixels.ndim == 2 else picture.sector.mask[..., np.newaxis]
    with replacing(target) as temporary:
        Image.fromarray(pixels * mask).save(temporary, format="PNG")
    with Image.open(source) as image:
        pages = getattr(image, "n_frames", 1)
    return _metadata(source), (f"only the first of its {pages} pictures was kept",) * (pages > 1)


def _write_mask(source: Path, target: Path) -> None:
    """Write a mask that belongs to a video or image: only where the region is."""
    if source.suffix.lower() == ".json":
        raise _RefusedError("outlines in JSON may hold the picture and its path; draw the mask as an image")
    if source.suffix.lower() != ".npz":
        write_image(target, np.uint8(255) * (read_image(source) != 0))
        return
    with open_arrays(source, "the mask file") as arrays:
        regions = {name: arrays[name] != 0 for name in _REGIONS if name in arrays}
    with replacing(target) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **regions)


def _metadata(source: Path) -> Counter[str]:
    """Names of the metadata of a picture or video file, and what streams there are besides the first video."""
    if is_picture_file(source):
        with Image.open(source) as image:
            return Counter(dict.fromkeys((str(name) for name in image.info), 1)) + Counter(EXIF=len(image.getexif()))
    with av.open(str(source)) as container:
        names = Counter(container.metadata.keys())
        for stream in container.streams:
            names.update(stream.metadata.keys())
            if stream is not container.streams.video[0]:
                names[f"{stream.type} stream"] += 1
        names["chapter"] += len(container.chapters())
    return Counter({name: times for name, times in names.items() if times and name not in _FILE_TYPE})


# DICOM: the picture

_ULTRASOUND = {"", "US", "IVUS", "OT"}  # PS3.3 C.7.3.1.1.1; captured screens are called "other"
_LOSSY = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 91, *range(100, 109))}
_LARGEST = 2**32 - 2
"""Bytes: the most that uncompressed pixel data may have (PS3.5 A.2)."""


def _write_dicom(source: Path, target: Path, picture: _Picture, key: bytes, patient: str = "") -> Counter[str]:
    """Write a DICOM file with a clean header, its pixels uncompressed (colour as RGB), black around the picture.

    Burned In Annotation is removed: text may be left in the picture, and only a person can tell.
    """
    cine = Cine(source)
    dataset = cine.dataset
    if str(dataset.get("Modality") or "") not in _ULTRASOUND:
        raise _RefusedError("it is no ultrasound, by its modality")
    with tempfile.TemporaryFile(dir=target.parent) as pixels:
        count, frame = _write_pixels(cine, picture.sector.mask, pixels)
        pixels.seek(0)
        try:
            removed = _clean_header(dataset, key, patient)
            clean = _described(dataset, count, frame)
            clean.PixelData = pixels
            clean["PixelData"].VR = "OB" if frame.itemsize == 1 else "OW"
            with replacing(target) as temporary:
                clean.save_as(temporary, enforce_file_format=True)
        except OSError:
            raise
        except Exception as error:  # damaged headers surface as almost any error, when their values are looked at
            raise VideoError(f"{source}: the header cannot be cleaned ({error}). Export the file again.") from error
    return removed


def _write_pixels(cine: Cine, mask: NDArray[np.bool_], file: IO[bytes]) -> tuple[int, NDArray]:
    """Decode, blank and write all frames; return their number and the last."""
    black, count = _black(cine.dataset), 0
    for frame in cine.pixels(range(len(cine.times))):
        if frame.shape[:2] != mask.shape:
            raise _RefusedError("its frames are not all of one size")
        if len(cine.times) * frame.nbytes > _LARGEST:
            raise _RefusedError("uncompressed it is larger than DICOM allows (4 GiB)")
        inside = mask if frame.ndim == 2 else mask[..., np.newaxis]
        blanked = np.where(inside, frame, frame.dtype.type(black))
        file.write(blanked.astype(frame.dtype.newbyteorder("<")).tobytes())
        count += 1
    if file.tell() % 2:
        file.write(b"\0")
    return count, frame


def _black(dataset: Dataset) -> int:
    """The stored value of black."""
    meaning = dataset.PhotometricInterpretation
    if meaning not in ("MONOCHROME1", "MONOCHROME2"):
        return 0
    bits, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation", 0))
    lowest = -(1 << (bits - 1)) if signed else 0
    return lowest + (1 << bits) - 1 if meaning == "MONOCHROME1" else lowest


def _described(dataset: Dataset, count: int, frame: NDArray) -> Dataset:
    """A new header without the old preamble and file meta information, that tells what the pixels are."""
    clean = Dataset({element.tag: element for element in dataset})
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


# DICOM: the header

_TABLE = dicom_anonymization_database_selector("dicomfields_2024b")
"""Table E.1-1 of PS3.15, edition 2024b, as the package dicom-anonymizer has it: tags by action."""

# What the profile does not name but can hold free text, a date, or, being bytes, anything at all.
_FREE = {"AE", "AS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
_FREE |= {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
_PLAIN = {f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue", "Alpha")}
_PLAIN |= {"CodeMeaning", "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion"}
_PLAIN |= {"Manufacturer", "ManufacturerModelName", "PixelData", "SoftwareVersions"}
_DRAWN = {0x5000, 0x6000}  # curves and overlays: drawn on the picture, text among them

_Action = Callable[[Dataset, tuple[int, int]], None]


def _clean_header(dataset: Dataset, key: bytes, patient: str = "") -> Counter[str]:
    """Remove from a header, nested sequences included, all that may tell who the patient is.

    The basic application level confidentiality profile (PS3.15 annex E, table E.1-1, edition 2024b). It keeps what it
    does not name; here, further free text, dates, bytes, overlays and curves are removed too, and unique identifiers
    that the standard does not define are replaced.
    """
    known_as = str(dataset.get("PatientID") or "").strip()
    before = Counter(_values(dataset))
    _clean(dataset, _actions(key), key)
    dataset.PatientID = dataset.PatientName = patient or (pseudonym(key, "p", known_as) if known_as else "")
    lost = before - Counter(_values(dataset))
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    dataset.DeidentificationMethod = [
        "Basic Application Confidentiality Profile, PS3.15 2024b",
        f"fibrolib {fibrolib.__version__}: outside of ultrasound picture blanked",
    ]
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.DeidentificationMethodCodeSequence = [code]
    return Counter(name for name, _ in lost.elements())


def _actions(key: bytes) -> dict[tuple, _Action]:
    """What to do with each attribute that the profile names."""

    def another_uid(dataset: Dataset, tag: tuple[int, int]) -> None:
        if tag in dataset:
            _replace_uids(dataset[tag], key)

    table = {action: [tag for tag in _TABLE[action] if len(tag) == 2] for action in _TABLE}
    actions: dict[tuple, _Action] = dict(initialize_actions_2024b())
    # The package leaves dates standing as dummies where they may be removed, and draws other identifiers each time.
    actions |= dict.fromkeys(table["X_TAGS"] + table["X_Z_U_STAR_TAGS"], _remove)
    actions |= dict.fromkeys(table["Z_TAGS"] + table["X_Z_TAGS"], _empty)
    actions |= dict.fromkeys(table["D_TAGS"] + table["Z_D_TAGS"] + table["X_D_TAGS"] + table["X_Z_D_TAGS"], _dummy)
    return actions | dict.fromkeys(table["U_TAGS"], another_uid)


def _clean(dataset: Dataset, actions: dict[tuple, _Action], key: bytes) -> None:
    anonymize_dataset(dataset, base_rules_gen=lambda: dict(actions))
    for element in list(dataset):
        named = (element.tag.group, element.tag.element) in actions
        if element.VR == "SQ":
            for item in element.value:
                _clean(item, actions, key)
        elif element.tag.group & 0xFF00 in _DRAWN or (
            not named and element.VR in _FREE and element.keyword not in _PLAIN
        ):
            del dataset[element.tag]
        elif element.VR == "UI" and not named:
            _replace_uids(element, key)


def _remove(dataset: Dataset, tag: tuple[int, int]) -> None:
    if tag in dataset:
        del dataset[tag]


def _empty(dataset: Dataset, tag: tuple[int, int]) -> None:
    if tag in dataset:
        dataset[tag].value = [] if dataset[tag].VR == "SQ" else None


def _dummy(dataset: Dataset, tag: tuple[int, int]) -> None:
    try:
        replace(dataset, tag)
    except NotImplementedError:  # the package has no dummy for bytes of this kind
        _remove(dataset, tag)


def _replace_uids(element: pydicom.DataElement, key: bytes) -> None:
    """Replace unique identifiers, except those of the standard: kinds of objects, codings."""
    old = element.value if isinstance(element.value, MultiValue) else [element.value]
    code = {uid: hmac.new(key, f"uid\0{uid}".encode(), hashlib.sha256).digest() for uid in old}
    new = [uid if not uid or UID(uid).type else derived_uid(code[uid]) for uid in old]
    element.value = new if len(new) > 1 else new[0]


def _values(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Keyword and value of all attributes that are not empty, also in sequences; without pixels."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _values(item)
        elif element.keyword != "PixelData" and not element.is_empty:
            name = "private attributes" if element.tag.is_private else element.keyword or str(element.tag)
            yield name, hashlib.sha256(repr(element.value).encode()).hexdigest()  # short, whatever the value
