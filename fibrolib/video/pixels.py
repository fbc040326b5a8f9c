"""The pixels of a DICOM file: what decodes counts, whatever the header says of number, size and colours."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate, generate_fragments, parse_basic_offsets
from pydicom.pixels import apply_color_lut, convert_color_space, iter_pixels
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from fibrolib.errors import VideoError, counted
from fibrolib.video.grey import _GreyScale, _looks_like_ycbcr
from fibrolib.video.streams import _check_size, _Stream

_ROOT = "1.2.840.10008.1.2"  # transfer syntaxes, PS3.6 annex A
_VIDEO_SYNTAXES = tuple(f"{_ROOT}.4.{number}" for number in range(100, 109))  # MPEG-2, H.264, H.265
_RLE = f"{_ROOT}.5"

_ITEM = b"\xfe\xff\x00\xe0"
_JPEG, _JPEG_2000, _JP2_BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"jP  "
_BOXES = 4096  # bytes that the boxes of a JP2 file may take before the codestream
_BETWEEN_CODESTREAMS = re.compile(rb"(?<=\xff\xd9)\x00?(?=\xff\xd8\xff|\xff\x4f\xff\x51)")

# Start-of-frame markers (ITU-T T.81 table B.1; T.87 for JPEG-LS) and what FFmpeg calls the decoder; "" is Pillow.
_FRAMES = dict.fromkeys((0xC0, 0xC1, 0xC2), "") | {0xC3: "mjpeg", 0xF7: "jpegls"}

_RETIRED = {"ARGB", "CMYK", "HSV", "YBR_PARTIAL_420", "YBR_PARTIAL_422"}
"""Ways of coding colours without compression that nothing here reads (PS3.3 C.7.6.3.1.2)."""

_OVERLAYS = range(0x6000, 0x6020, 2)  # groups; element 0102 is the bit in which a drawing lies

Note = Callable[[str, str], None]


class _Codestream(NamedTuple):
    """What the beginning of a JPEG, JPEG-LS or JPEG 2000 codestream says."""

    height: int
    width: int
    bits: int
    components: int
    decoder: str


class PixelData:
    """The frames of a data set, not yet decoded; `dataset` is corrected where the pixels contradict it.

    `count` is the number of frames that are there, `stream` the video where the file holds one, else None.
    """

    def __init__(self, dataset: pydicom.Dataset, path: Path, note: Note) -> None:
        self._dataset, self._path, self._note = dataset, path, note
        self._encoded: list[bytes] | None = None
        self._codestream: _Codestream | None = None
        self.stream: _Stream | None = None
        syntax = _transfer_syntax(dataset)
        if syntax.startswith(_VIDEO_SYNTAXES):
            self.stream = _Stream(path, content=b"".join(list(generate_fragments(dataset.PixelData))[1:]))
            self.count = len(self.stream.expected_times())
        elif _is_encapsulated(dataset.PixelData):
            self._open_encapsulated()
        else:
            _check_size(path, int(dataset.Columns), int(dataset.Rows))
            self.count = self._native_count()
        self._compare_count()
        if self.stream is None:
            if "NumberOfFrames" in dataset or self.count > 1:
                dataset.NumberOfFrames = max(self.count, 1)
            self._correct_colours()

    def stored(self, indices: list[int]) -> Iterator[NDArray]:
        """Some frames, in ascending order: grey as stored (height, width), or red, green and blue as 8 bits.

        Raises almost any error where the file is damaged.
        """
        if self.stream is not None:
            chosen = set(indices)
            for _, _, colours in self.stream.frames(lambda index: False, lambda index: index in chosen):
                if colours is not None:
                    yield colours
            return
        for pixels in self._decoded(indices) if indices else ():
            if self._dataset.PhotometricInterpretation == "PALETTE COLOR":
                yield self._palette().levels(apply_color_lut(pixels, self._dataset))[..., :3]
            elif pixels.ndim == 3 and pixels.dtype != np.uint8:
                yield self._deep_colours().levels(pixels[..., :3])
            else:
                yield pixels[..., :3] if pixels.ndim == 3 else self._without_drawings(pixels)

    def _without_drawings(self, pixels: NDArray) -> NDArray:
        """Grey values without the overlays (PS3.3 C.9.2) that old files keep in the bits above them."""
        bits, unused = int(self._dataset.BitsStored), 8 * pixels.itemsize - int(self._dataset.BitsStored)
        places = [self._dataset.get((group, 0x0102)) for group in _OVERLAYS]
        if unused <= 0 or not any(place and int(place.value) >= bits for place in places):
            return pixels
        self._note("overlay", "drawings (overlays) lie in spare bits of the pixels: they are left out.")
        return (pixels << unused) >> unused  # of signed values, the sign is kept

    # Which frames there are

    def _open_encapsulated(self) -> None:
        dataset = self._dataset
        fragments = list(generate_fragments(dataset.PixelData))[1:]
        self._encoded = _frames_of(fragments, parse_basic_offsets(dataset.PixelData), self._stated_count())
        self.count = len(self._encoded)
        headers = (_codestream(encoded) for encoded in self._encoded)
        self._codestream = next((header for header in headers if header), None)
        if self._codestream is not None:
            self._trust_codestream(self._codestream)
        _check_size(self._path, int(dataset.Columns), int(dataset.Rows))
        if self._codestream is None or self._codestream.decoder == "jpeg2000":
            if self._codestream is not None and not _transfer_syntax(dataset).startswith(f"{_ROOT}.4.9"):
                dataset.file_meta.TransferSyntaxUID = JPEG2000
            bare = [encoded[max(0, encoded.find(_JPEG_2000, 0, _BOXES)) :] for encoded in self._encoded]
            if bare != fragments:
                self._encoded, dataset.PixelData = bare, encapsulate(bare)

    def _trust_codestream(self, found: _Codestream) -> None:
        """Rows, columns, bits and components as the codestream has them."""
        dataset = self._dataset
        size, stated = (found.width, found.height), (int(dataset.Columns), int(dataset.Rows))
        if size != stated:
            dataset.Columns, dataset.Rows = size
            self._note("size", "the header says {} x {} pixels, the pictures are {} x {}.".format(*stated, *size))
        if found.bits != int(dataset.BitsStored) and found.decoder != "":
            dataset.BitsStored, dataset.HighBit = found.bits, found.bits - 1
            dataset.BitsAllocated = 8 if found.bits <= 8 else 16
        if found.components != int(dataset.SamplesPerPixel):
            dataset.SamplesPerPixel, colour = found.components, found.components > 1
            dataset.PhotometricInterpretation = "YBR_FULL" if colour else "MONOCHROME2"
            dataset.PlanarConfiguration = 0

    def _native_count(self) -> int:
        dataset = self._dataset
        if dataset.PhotometricInterpretation in _RETIRED:
            how = f"its colours are coded as {dataset.PhotometricInterpretation}, which is not read here"
            raise VideoError(f"{self._path}: {how}. Export it as RGB, JPEG or MP4.")
        bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
        if dataset.PhotometricInterpretation == "YBR_FULL_422":
            bits = bits * 2 // 3
        size = max(1, -(-bits // 8))
        count, rest = divmod(len(dataset.PixelData), size)
        if count < max(1, self._stated_count()) and rest > 1:
            raise VideoError(
                f"{self._path}: the file breaks off in frame {count + 1} of {max(1, self._stated_count())}. "
                "Copy or export it again."
            )
        return count

    def _stated_count(self) -> int:
        """Number of Frames as the header has it; 0 where it is missing or no number."""
        try:
            return max(0, int(self._dataset.get("NumberOfFrames") or 0))
        except (TypeError, ValueError):
            return 0

    def _compare_count(self) -> None:
        stated = self._stated_count()
        if "NumberOfFrames" in self._dataset and stated != self.count and self.count:
            here = f"the file holds {self.count}: those are read."
            self._note("frame-count", f"the header says {counted(stated, 'frame')}, {here}")

    # Decoding

    def _decoded(self, indices: list[int]) -> Iterator[NDArray]:
        if self._codestream is None:
            # Of several frames at a time, pydicom 3.0 takes only the first for subsampled: one by one.
            subsampled = self._dataset.PhotometricInterpretation == "YBR_FULL_422"
            for chosen in [[index] for index in indices] if subsampled else [indices]:
                yield from iter_pixels(self._dataset, indices=chosen)
            return
        if self._codestream.decoder == "jpeg2000":
            for index in indices:
                if not self._encoded[index].startswith(_JPEG_2000):
                    raise ValueError("it does not begin as JPEG 2000 does")
                yield from iter_pixels(self._dataset, indices=[index])
            return
        for index in indices:
            encoded = self._encoded[index]
            header = _codestream(encoded) or self._codestream
            yield self._jpeg(encoded) if header.decoder == "" else self._by_ffmpeg(encoded, header)

    def _jpeg(self, encoded: bytes) -> NDArray:
        image = Image.open(io.BytesIO(encoded))
        if image.mode != "RGB":
            return np.array(image.convert("L"))
        coded_as_rgb = image.layer[0][0] == ord("R")  # component identifiers R, G, B: libjpeg and Pillow heed them
        if "adobe_transform" in image.info or coded_as_rgb:
            return np.array(image)
        image.draft("YCbCr", image.size)  # the components as they are
        return _as_rgb(np.array(image), self._dataset.PhotometricInterpretation)

    def _by_ffmpeg(self, encoded: bytes, header: _Codestream) -> NDArray:
        decoder = av.CodecContext.create(header.decoder, "r")
        decoder.options = {"err_detect": "explode"}
        (frame,) = [*decoder.decode(av.Packet(encoded)), *decoder.decode(None)]
        if header.components == 3:
            return _as_rgb(frame.to_ndarray(format="rgb24"), self._dataset.PhotometricInterpretation)
        pixels = frame.to_ndarray()
        if pixels.itemsize == 2 and header.bits < 16 and pixels.max() >> header.bits:
            pixels = pixels >> (16 - header.bits)  # FFmpeg moves them to the upper bits
        if pixels.itemsize == 1 and header.bits < 8 and pixels.max() >> header.bits:
            pixels = pixels >> (8 - header.bits)
        if pixels.itemsize == 2 and int(self._dataset.PixelRepresentation):
            unused = 16 - header.bits
            return (pixels << unused).view(np.int16) >> unused
        return pixels

    # Colours

    def _correct_colours(self) -> None:
        """How three components are coded, as the dark pixels of a frame in the middle show."""
        dataset, meaning = self._dataset, str(self._dataset.PhotometricInterpretation)
        coded = self._codestream is not None
        if int(dataset.SamplesPerPixel) != 3 or meaning not in ("RGB", "YBR_FULL", "YBR_FULL_422"):
            return
        jpeg_2000 = coded and self._codestream.decoder == "jpeg2000"
        if jpeg_2000 or int(dataset.BitsAllocated) != 8 or not (coded or meaning != "YBR_FULL_422"):
            return
        try:
            dataset.PhotometricInterpretation = "RGB"
            differences = _looks_like_ycbcr(next(self._decoded([self.count // 2])))
            if differences is None and coded:
                differences = _marked_ycbcr(self._encoded[self.count // 2]) or None
        except Exception:  # the frame is damaged: it is named when it is asked for
            differences = None
        finally:
            dataset.PhotometricInterpretation = meaning
        if differences is not None and differences != (meaning != "RGB"):
            dataset.PhotometricInterpretation = "YBR_FULL" if differences else "RGB"
            real = "brightness and colour differences (YBR)" if differences else "red, green and blue"
            self._note("colours", f"the header says {meaning}, but the pixels hold {real}: they are read as such.")

    def _palette(self) -> _GreyScale:
        """Black and white of the palette's entries, which may hold 8 bits in 16."""
        entries = np.arange(int(self._dataset.RedPaletteColorLookupTableDescriptor[0]) or 1 << 16, dtype=np.uint16)
        return _GreyScale.of_values([apply_color_lut(entries[np.newaxis], self._dataset)[..., :3]])

    def _deep_colours(self) -> _GreyScale:
        chosen = sorted({0, self.count // 2, self.count - 1})
        return _GreyScale.of_values(self._decoded(chosen), int(self._dataset.BitsStored))


def _as_rgb(components: NDArray[np.uint8], meaning: str) -> NDArray[np.uint8]:
    return convert_color_space(components, meaning, "RGB") if meaning.startswith("YBR") else components


def _marked_ycbcr(encoded: bytes) -> bool:
    """Whether a JPEG has the mark of JFIF, which knows only YCbCr, or fewer samples of colour than of brightness."""
    image = Image.open(io.BytesIO(encoded))
    return image.format == "JPEG" and ("jfif" in image.info or len({layer[1:3] for layer in image.layer}) > 1)


def _transfer_syntax(dataset: pydicom.Dataset) -> str:
    """As the file says; where it does not, as it was parsed."""
    if not getattr(dataset, "file_meta", None):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return str(dataset.file_meta.TransferSyntaxUID)


def _is_encapsulated(content: bytes) -> bool:
    """Whether pixels lie in items, whatever the transfer syntax says: an offset table, and an item behind it."""
    end = 8 + int.from_bytes(content[4:8], "little")
    return content[:4] == _ITEM and content[end : end + 4] == _ITEM


def _frames_of(fragments: list[bytes], offsets: list[int], stated: int) -> list[bytes]:
    """Fragments put together to frames: by the marks of the codestreams, else by the offset table, else one each."""
    starts = [place for place, fragment in enumerate(fragments) if _begins_codestream(fragment)]
    if len(fragments) == stated and (not starts or 2 * len(starts) > len(fragments)):
        starts = list(range(len(fragments)))
    elif not starts:
        lengths = np.cumsum([0, *(len(fragment) + 8 for fragment in fragments)]).tolist()
        starts = [lengths.index(offset) for offset in offsets if offset in lengths] or list(range(len(fragments)))
    starts = sorted({0, *starts})
    groups = [b"".join(fragments[start:end]) for start, end in zip(starts, [*starts[1:], None], strict=True)]
    return [part for group in groups if group for part in _split(group)]


def _split(group: bytes) -> list[bytes]:
    """The codestreams of several frames that lie in one fragment."""
    return _BETWEEN_CODESTREAMS.split(group) if _begins_codestream(group) else [group]


def _begins_codestream(fragment: bytes) -> bool:
    return fragment.startswith((_JPEG, _JPEG_2000)) or fragment[4:8] == _JP2_BOX


def _codestream(encoded: bytes) -> _Codestream | None:
    """What a codestream says of itself; None where it is none, or damaged."""
    if encoded.startswith(_JPEG):
        return _jpeg_header(encoded)
    place = encoded.find(_JPEG_2000, 0, _BOXES)
    if place < 0 or len(encoded) < place + 43:
        return None
    width, height, left, top = struct.unpack_from(">IIII", encoded, place + 8)
    components, bits = struct.unpack_from(">HB", encoded, place + 40)
    return _Codestream(height - top, width - left, (bits & 0x7F) + 1, components, "jpeg2000")


def _jpeg_header(encoded: bytes) -> _Codestream | None:
    place = 2
    while place + 10 <= len(encoded):
        if encoded[place] != 0xFF:
            return None
        marker = encoded[place + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            place += 1
        elif marker in _FRAMES:
            bits, height, width, components = struct.unpack_from(">BHHB", encoded, place + 4)
            return _Codestream(height, width, bits, components, _FRAMES[marker])
        else:
            place += 2 + struct.unpack_from(">H", encoded, place + 2)[0]
    return None
