"""Odd files as scanners, toolkits and spreadsheets export them: read rightly, or refused in words."""

import io
import itertools
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless
from test_video_reading import dicom_dataset, encode

from fibrolib.errors import VideoError
from fibrolib.video import find_sector, prepare_clip, read_image, read_video, survey_video

COUNT, HEIGHT, WIDTH = 12, 48, 64
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def fan(count: int = COUNT, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Frames of moving speckle in a fan on black; each frame has a level of its own."""
    texture = np.random.default_rng(0).integers(40, 200, (height, width + count))
    y, x = np.mgrid[:height, :width]
    inside = np.abs(x - width / 2) < 8 + 0.4 * y
    return np.stack([texture[:, n : n + width] * inside for n in range(count)]).astype(np.uint8)


FRAMES = fan()
MEAN = FRAMES.mean()


def save(path: Path, pixels: np.ndarray = FRAMES, drop: tuple[str, ...] = (), **tags) -> Path:
    dataset = dicom_dataset(pixels, **{"FrameTime": 40, **tags})
    for name in drop:
        delattr(dataset, name)
    dataset.save_as(path, enforce_file_format=True)
    return path


def save_encoded(path: Path, payloads: list[bytes], syntax: str, pixels: np.ndarray = FRAMES, **tags) -> Path:
    dataset = dicom_dataset(pixels, **{"FrameTime": 40, **tags})
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = payloads if isinstance(payloads, bytes) else encapsulate(payloads, has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)
    return path


def jpeg(frame: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def h264(frames: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return buffer.getvalue()


def notes_of(video) -> dict[str, str]:
    return dict(video.notes)


def assert_read(path: Path, count: int = COUNT, tolerance: float = 0.0):
    """All frames, at the right level, in a video and in a survey."""
    video = read_video(path)
    assert len(video.frames) == survey_video(path).n_frames == count
    np.testing.assert_allclose(video.frames.mean(axis=(1, 2)), FRAMES[:count].mean(axis=(1, 2)), atol=tolerance)
    return video


# Frames are what decodes


@pytest.mark.parametrize("stated", [0, 1, 6, 15])
def test_the_pixels_tell_how_many_frames_there_are(tmp_path, stated):
    video = assert_read(save(tmp_path / "a.dcm", NumberOfFrames=stated))
    assert f"says {stated} frame" in notes_of(video)["frame-count"]
    assert "holds 12" in notes_of(video)["frame-count"]


def test_a_missing_number_of_frames(tmp_path):
    video = assert_read(save(tmp_path / "a.dcm", drop=("NumberOfFrames",)))
    assert video.notes == ()


def test_a_file_that_breaks_off_within_a_frame_is_refused(tmp_path):
    path = save(tmp_path / "a.dcm", PixelData=FRAMES.tobytes()[: int(7.5 * HEIGHT * WIDTH)])
    with pytest.raises(VideoError, match=r"a\.dcm: the file breaks off in frame 8 of 12"):
        read_video(path)


@pytest.mark.parametrize("stated", [1, 12, 13, 24])
@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_fragments_are_put_together_to_frames(tmp_path, stated, pieces):
    payloads = [jpeg(frame) for frame in FRAMES]
    split = [
        part
        for data in payloads
        for part in np.array_split(np.frombuffer(data + b"\0" * (-len(data) % 6), "u1"), pieces)
    ]
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(part)) + part.tobytes() for part in split)
    content = b"\xfe\xff\x00\xe0\0\0\0\0" + items
    assert_read(save_encoded(tmp_path / "a.dcm", content, JPEGBaseline8Bit, NumberOfFrames=stated), tolerance=1)


def test_all_frames_in_one_fragment(tmp_path):
    payload = b"".join(jpeg(frame) + b"\0" * (len(jpeg(frame)) % 2) for frame in FRAMES)
    assert_read(save_encoded(tmp_path / "a.dcm", [payload], JPEGBaseline8Bit), tolerance=1)


def test_a_damaged_frame_among_others_is_named(tmp_path):
    payloads = [jpeg(frame) for frame in FRAMES]
    payloads[4] = b"\0\0" + payloads[4][2:60]
    with pytest.raises(VideoError, match="frame 5 of 12"):
        read_video(save_encoded(tmp_path / "a.dcm", payloads, JPEGBaseline8Bit))


@pytest.mark.parametrize("stated", [1, 12, 20])
def test_a_video_inside_dicom(tmp_path, stated):
    path = save_encoded(tmp_path / "a.dcm", [h264(FRAMES)], MPEG4HP41, NumberOfFrames=stated)
    video = assert_read(path, tolerance=2)
    assert ("frame-count" in notes_of(video)) == (stated != COUNT)


def test_run_length_coding_without_a_number_of_frames(tmp_path):
    dataset = dicom_dataset(FRAMES, FrameTime=40)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.NumberOfFrames = 5
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert_read(tmp_path / "a.dcm")


# Grey levels


@pytest.mark.parametrize(("bits", "factor"), [(8, 1), (10, 4), (12, 16), (16, 256)])
@pytest.mark.parametrize("stated", [None, 16])
def test_the_bits_that_are_used_count(tmp_path, bits, factor, stated):
    pixels = FRAMES.astype(np.uint16) * factor + (factor - 1) * (FRAMES > 0)
    pixels[:, 0, 0] = (1 << bits) - 1  # something is white
    stated = stated or bits
    path = save(tmp_path / "a.dcm", pixels, BitsStored=stated, HighBit=stated - 1)
    assert read_video(path).frames.mean() == pytest.approx(MEAN, abs=1)


def test_values_beyond_the_stated_bits(tmp_path):
    path = save(tmp_path / "a.dcm", FRAMES.astype(np.uint16) * 16, BitsStored=8, HighBit=7)
    assert read_video(path).frames.mean() == pytest.approx(MEAN, abs=1)


@pytest.mark.parametrize("window", [(128, 256), (127.5, 255)])
def test_a_window_that_says_all(tmp_path, window):
    path = save(tmp_path / "a.dcm", FRAMES.astype(np.uint16), WindowCenter=window[0], WindowWidth=window[1])
    assert_read(path)


def test_a_window_makes_dark_values_bright(tmp_path):
    assert_read(save(tmp_path / "a.dcm", FRAMES // 4, WindowCenter=32, WindowWidth=64), tolerance=3)


def test_values_in_the_upper_bits(tmp_path):
    assert_read(save(tmp_path / "a.dcm", FRAMES.astype(np.uint16) << 8, BitsStored=8, HighBit=15))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"])
def test_the_codestream_tells_how_it_is_coded(tmp_path, syntax):
    path = save_encoded(tmp_path / "a.dcm", [jpeg(frame) for frame in FRAMES], syntax)
    assert_read(path, tolerance=1)


def test_a_window_that_shows_nothing_is_not_used(tmp_path):
    video = assert_read(save(tmp_path / "a.dcm", WindowCenter=5000, WindowWidth=2))
    assert "window" in notes_of(video)["grey-levels"]


def test_a_window_of_signed_and_rescaled_values(tmp_path):
    tags = {"WindowCenter": 128, "WindowWidth": 256, "RescaleSlope": 0.5, "RescaleIntercept": 500}
    pixels = (FRAMES.astype(np.int16) - 500) * 2
    assert_read(save(tmp_path / "a.dcm", pixels, PixelRepresentation=1, **tags))


def test_a_table_of_levels(tmp_path):
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [256, 1000, 16])
    item.add_new("LUTData", "OW", np.arange(255, -1, -1, dtype=np.uint16).tobytes())
    path = save(tmp_path / "a.dcm", 1255 - FRAMES.astype(np.uint16), VOILUTSequence=pydicom.Sequence([item]))
    assert_read(path)


def test_a_modality_table(tmp_path):
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 16])
    item.add_new("LUTData", "OW", (np.arange(256, dtype=np.uint16) * 257)[::-1].tobytes())
    assert_read(save(tmp_path / "a.dcm", 255 - FRAMES, ModalityLUTSequence=[item]))
    path = save(tmp_path / "b.dcm", FRAMES, ModalityLUTSequence=[item], WindowCenter=128, WindowWidth=256)
    with pytest.raises(VideoError, match=r"b\.dcm: two tables or windows .* Export without"):
        read_video(path)


@pytest.mark.parametrize("signed", [0, 1])
def test_overlays_in_spare_bits_are_left_out(tmp_path, signed):
    drawn = (FRAMES.astype(np.uint16) << 4) - 2048 * signed & 0xFFF | np.uint16(1 << 15)
    dataset = dicom_dataset(drawn, FrameTime=40, BitsStored=12, HighBit=11, PixelRepresentation=signed)
    dataset.add_new((0x6000, 0x0100), "US", 16)
    dataset.add_new((0x6000, 0x0102), "US", 15)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert "overlay" in notes_of(assert_read(tmp_path / "a.dcm"))


@pytest.mark.parametrize(("scale", "bits"), [(1, 16), (257, 16), (1, 8)])
@pytest.mark.parametrize("entries", [256, 0])
def test_palettes(tmp_path, scale, bits, entries):
    dataset = dicom_dataset(FRAMES, FrameTime=40, PhotometricInterpretation="PALETTE COLOR")
    table = np.arange(entries or 65536).clip(0, 255).astype(np.uint16) * scale
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [entries, 0, bits])
        data = table.astype(np.uint8) if bits == 8 else table
        setattr(dataset, f"{colour}PaletteColorLookupTableData", data.tobytes())
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert_read(tmp_path / "a.dcm", tolerance=0.5)


def test_a_palette_that_is_missing(tmp_path):
    with pytest.raises(VideoError, match=r"a\.dcm: the header of this DICOM file lacks its palette"):
        read_video(save(tmp_path / "a.dcm", PhotometricInterpretation="PALETTE COLOR"))


def test_white_is_zero(tmp_path):
    assert_read(save(tmp_path / "a.dcm", 255 - FRAMES, PhotometricInterpretation="MONOCHROME1"))
    assert_read(save(tmp_path / "b.dcm", 255 - FRAMES, PresentationLUTShape="INVERSE"))


@pytest.mark.parametrize("meaning", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("really", ["RGB", "YBR"])
def test_the_pixels_tell_how_colours_are_coded(tmp_path, meaning, really):
    colour = np.repeat(FRAMES[..., None], 3, axis=-1)
    payloads = []
    for frame in colour:
        if really == "RGB":
            payloads.append(jpeg(frame, keep_rgb=True))
        else:
            data = jpeg(frame)  # without the mark of JFIF, as old scanners write it
            length = struct.unpack(">H", data[4:6])[0]
            payloads.append(data[:2] + data[4 + length :])
    path = save_encoded(tmp_path / "a.dcm", payloads, JPEGBaseline8Bit, colour, PhotometricInterpretation=meaning)
    assert_read(path, tolerance=2)


def test_every_frame_of_subsampled_colours_without_compression(tmp_path):
    # PS3.3 C.7.6.3.1.2: Y1 Y2 Cb Cr; pydicom 3.0 reads all frames but the first at the wrong place.
    pairs = FRAMES.reshape(COUNT, HEIGHT, WIDTH // 2, 2)
    coded = np.concatenate([pairs, np.full_like(pairs, 128)], axis=3)
    path = save(tmp_path / "a.dcm", np.repeat(FRAMES[..., None], 3, axis=3), PhotometricInterpretation="YBR_FULL_422")
    dataset = pydicom.dcmread(path)
    dataset.PixelData = coded.tobytes()
    dataset.save_as(path)
    assert_read(path)
    np.testing.assert_array_equal(read_video(path, max_frames=4).frames, FRAMES[4:8])
    dataset.PhotometricInterpretation = "YBR_PARTIAL_422"
    dataset.save_as(path)
    with pytest.raises(VideoError, match="coded as YBR_PARTIAL_422, which is not read here"):
        read_video(path)


def test_colours_that_are_labelled_wrongly_without_compression(tmp_path):
    coded = np.full((*FRAMES.shape, 3), 128, np.uint8)
    coded[..., 0] = FRAMES
    assert_read(save(tmp_path / "a.dcm", coded, PhotometricInterpretation="RGB"), tolerance=1)
    colour = np.repeat(FRAMES[..., None], 3, axis=-1)
    assert_read(save(tmp_path / "b.dcm", colour, PhotometricInterpretation="YBR_FULL"), tolerance=1)


def lossless_jpeg(frame: np.ndarray, bits: int) -> bytes:
    """ITU-T T.81 process 14: each pixel by its left neighbour, the first of a row by the one above."""
    values = frame.astype(int)
    guess = np.empty_like(values)
    guess[:, 1:], guess[1:, 0], guess[0, 0] = values[:, :-1], values[:-1, 0], 1 << (bits - 1)
    codes = ""
    for step in (values - guess).ravel():
        size = int(abs(step)).bit_length()
        extra = step if step > 0 else step + (1 << size) - 1
        codes += f"{size:05b}" + (f"{extra:0{size}b}" if size else "")
    codes += "1" * (-len(codes) % 8)
    scan = int(codes, 2).to_bytes(len(codes) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11]) + bytes(range(17))  # seventeen codes of five bits
    frame_header = struct.pack(">HBHHB", 11, bits, *frame.shape, 1) + b"\x01\x11\0"
    return (
        b"\xff\xd8\xff\xc4"
        + struct.pack(">H", 2 + len(table))
        + table
        + b"\xff\xc3"
        + frame_header
        + b"\xff\xda\0\x08\x01\x01\0\x01\0\0"
        + scan
        + b"\xff\xd9"
    )


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_codestream_tells_the_bits(tmp_path, bits):
    pixels = FRAMES[:3].astype(np.uint16) << (bits - 8)
    pixels[:, 0, 0] = (1 << bits) - 1
    payloads = [lossless_jpeg(frame, bits) for frame in pixels]
    path = save_encoded(tmp_path / "a.dcm", payloads, JPEGLosslessSV1, pixels)
    np.testing.assert_array_equal(read_video(path).frames, (pixels >> (bits - 8)).astype(np.uint8))


def test_deep_pictures(tmp_path):
    Image.fromarray(FRAMES[0].astype(np.uint16) * 16).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").mean() == pytest.approx(FRAMES[0].mean(), abs=1)
    assert "12 of 16 bits" in notes_of(read_video(tmp_path / "a.png"))["grey-levels"]
    Image.fromarray(FRAMES[0].astype(np.float32) / 255).save(tmp_path / "b.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), FRAMES[0])


def test_what_is_transparent_is_black(tmp_path):
    pictures = [
        Image.fromarray(np.dstack([np.repeat(np.where(f, f, 255)[..., None], 3, -1), np.where(f, 255, 0)]).astype("u1"))
        for f in FRAMES
    ]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40, disposal=2)
    assert read_video(tmp_path / "a.gif").frames.mean() == pytest.approx(MEAN, abs=3)
    for name in ("b.png", "c.webp", "d.tif"):
        pictures[0].save(tmp_path / name, **({"lossless": True} if name == "c.webp" else {}))
        np.testing.assert_allclose(read_image(tmp_path / name), FRAMES[0], atol=1)


# Geometry and time


def test_square_pixels_by_their_spacing(tmp_path):
    spaced = save(tmp_path / "a.dcm", PixelSpacing=[0.2, 0.1])
    assert read_video(spaced).pixel_aspect == pytest.approx(0.5)
    told = save(tmp_path / "b.dcm", PixelSpacing=[0.2, 0.1], PixelAspectRatio=[1, 2])
    assert read_video(told).pixel_aspect == 2
    wild = read_video(save(tmp_path / "c.dcm", PixelSpacing=[0.2, 40]))
    assert wild.pixel_aspect == 1
    assert "not believed" in notes_of(wild)["pixel-aspect"]


def region(left=4, top=2, right=59, bottom=45, **changed) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.RegionSpatialFormat, item.RegionDataType = 1, 1
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    for name, value in changed.items():
        setattr(item, name, value)
    return item


def test_regions(tmp_path):
    scaled = region(PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3, PhysicalDeltaX=0.02, PhysicalDeltaY=0.01)
    video = read_video(save(tmp_path / "a.dcm", SequenceOfUltrasoundRegions=[scaled]))
    assert video.pixel_aspect == pytest.approx(2)
    assert prepare_clip(tmp_path / "a.dcm", size=32, fps=None, max_frames=4).sector.any(axis=0).sum() == 32
    lacking = region()
    del lacking.RegionLocationMaxY1
    sound = assert_read(save(tmp_path / "b.dcm", SequenceOfUltrasoundRegions=[lacking, region()]))
    assert sound.region == (2, 46, 4, 60)
    both = read_video(save(tmp_path / "c.dcm", SequenceOfUltrasoundRegions=[region(), region(right=30)]))
    assert both.region == (2, 46, 4, 60)
    assert "2 B-mode pictures" in notes_of(both)["region"]


@pytest.mark.parametrize(
    ("tags", "fps", "guessed"),
    [
        ({"FrameTimeVector": [0] + [125] * 11}, 8, False),
        ({"FrameTimeVector": [125] * 11}, 8, False),
        ({"FrameTimeVector": [0] + [125] * 10}, 8, True),
        ({"FrameTimeVector": [0] + [125] * 5}, 8, True),
        ({"FrameTime": 0, "RecommendedDisplayFrameRate": 0}, 25, True),
        ({"FrameTime": 0, "CineRate": 31}, 31, False),
        ({"FrameTime": 44.9, "CineRate": 22}, 1000 / 44.9, False),
    ],
)
def test_a_rate_that_is_a_guess_is_said(tmp_path, tags, fps, guessed):
    video = read_video(save(tmp_path / "a.dcm", **{"FrameTime": None, **tags}))
    assert video.fps == pytest.approx(fps)
    assert ("guess" in notes_of(video).get("frame-rate", "")) == guessed


def test_two_rates_that_contradict_each_other_are_said(tmp_path):
    video = read_video(save(tmp_path / "a.dcm", FrameTime=40, CineRate=10))
    assert video.fps == pytest.approx(25)
    assert "two frame rates, 25 (FrameTime) and 10 (CineRate)" in notes_of(video)["frame-rate"]
    assert not read_video(save(tmp_path / "b.dcm", FrameTime=44.9, CineRate=22)).notes


@pytest.mark.parametrize(
    "tags", [{"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.2"}, {"DimensionOrganizationType": "3D"}], ids=str
)
def test_slices_of_a_volume_are_no_video(tmp_path, tags):
    with pytest.raises(VideoError, match="slices of a volume in space"):
        read_video(save(tmp_path / "a.dcm", **tags))


def test_rows_and_columns_of_the_codestream(tmp_path):
    path = save_encoded(
        tmp_path / "a.dcm", [jpeg(frame) for frame in FRAMES], JPEGBaseline8Bit, Rows=WIDTH, Columns=HEIGHT
    )
    video = assert_read(path, tolerance=1)
    assert video.frames.shape[1:] == (HEIGHT, WIDTH)
    assert "48 x 64 pixels, the pictures are 64 x 48" in notes_of(video)["size"]


@pytest.mark.parametrize(
    ("matrix", "change"),
    [
        ((-1, 0, 0, 1), lambda frames: frames[:, :, ::-1]),
        ((1, 0, 0, -1), lambda frames: frames[:, ::-1]),
        ((0, 1, 1, 0), lambda frames: frames.swapaxes(1, 2)),
    ],
)
def test_mirrored_recordings(tmp_path, matrix, change):
    path = encode(tmp_path / "clip.mp4", FRAMES)
    upright = read_video(path).frames
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    for place, value in zip((0, 4, 12, 16), matrix, strict=True):
        content[start + place : start + place + 4] = struct.pack(">i", value << 16)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_video(path).frames, change(upright))


def test_interlaced_frames_are_put_together(tmp_path):
    frames = fan(COUNT, 96, 128)
    combed = frames.copy()
    combed[:-1, 1::2] = frames[1:, 1::2]  # every other line is of the next moment
    path = tmp_path / "clip.mpeg"
    with av.open(str(path), "w") as container:
        options = {"flags": "+ildct+ilme", "top": "1"}
        stream = container.add_stream("mpeg2video", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = 96, 128, "yuv420p", 8_000_000
        for frame in combed:
            picture = av.VideoFrame.from_ndarray(frame, format="gray")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        as_stored = np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])
    frames = read_video(path).frames
    assert len(frames) == len(as_stored) == COUNT

    def combs(pictures: np.ndarray) -> float:
        lines = pictures.astype(float)
        return np.abs(lines[:, 1:-1] - (lines[:, :-2] + lines[:, 2:]) / 2).mean()

    assert combs(frames) < 0.8 * combs(as_stored)


# Which file is what


def test_a_tiff_header_in_the_preamble(tmp_path):
    path = save(tmp_path / "a.tif")
    content = bytearray(path.read_bytes())
    content[:8] = b"II*\0\x08\0\0\0"
    path.write_bytes(content)
    assert_read(path)


def test_dicom_without_preamble_or_suffix(tmp_path):
    dataset = dicom_dataset(FRAMES, FrameTime=40)
    del dataset.file_meta
    dataset.save_as(tmp_path / "1.2.840.1", implicit_vr=True, little_endian=True)
    assert (tmp_path / "1.2.840.1").read_bytes()[128:132] != b"DICM"
    assert_read(tmp_path / "1.2.840.1")


def test_cover_art_is_no_video(tmp_path):
    path, cover = tmp_path / "a.mp4", av.VideoFrame.from_ndarray(np.full((48, 64), 200, np.uint8), format="gray")
    with av.open(str(path), "w") as container:
        art = container.add_stream("mjpeg", rate=1)
        art.height, art.width, art.pix_fmt = 48, 64, "yuvj420p"
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        container.mux(art.encode(cover))
        container.mux(art.encode())
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    assert_read(path, tolerance=2)


@pytest.mark.parametrize(
    ("name", "options"), [("a.tif", {}), ("a.webp", {"lossless": True, "duration": 50}), ("a.png", {"duration": 50})]
)
def test_a_file_of_many_pictures_is_a_video(tmp_path, name, options):
    pictures = [Image.fromarray(frame) for frame in FRAMES]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], **options)
    video = assert_read(tmp_path / name, tolerance=1)
    assert video.fps == pytest.approx(20 if options else 25)
    assert ("guess" in notes_of(video).get("frame-rate", "")) == (not options)


def test_a_video_of_a_kind_that_nobody_knows(tmp_path):
    path = encode(tmp_path / "a.avi", FRAMES)
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZZZ"))
    with pytest.raises(VideoError, match=r"a\.avi: nothing here decodes the video in this file"):
        survey_video(path)


def test_a_matroska_file_that_breaks_off_is_named_by_its_length(tmp_path):
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64), dtype=np.uint8)
    encode(whole, noise)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    assert "cut-short" not in notes_of(read_video(whole))
    assert "the header states about 40 frames" in notes_of(read_video(cut))["cut-short"]


@pytest.mark.parametrize(("name", "codec"), [("a.wmv", "wmv2"), ("a.flv", "flv")])
def test_a_wmv_or_flv_file_that_breaks_off_between_packets_is_named(tmp_path, name, codec):
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64), dtype=np.uint8)
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    assert "cut-short" not in notes_of(read_video(tmp_path / name))
    with av.open(str(tmp_path / name)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: starts[20]])
    video = read_video(tmp_path / name)
    assert len(video.frames) < 36
    assert "cut short" in notes_of(video)["cut-short"]


def test_a_gif_without_its_last_byte(tmp_path):
    pictures = [Image.fromarray(frame) for frame in FRAMES]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40)
    content = (tmp_path / "a.gif").read_bytes()
    assert content.endswith(b";")
    (tmp_path / "a.gif").write_bytes(content[:-1])
    video = assert_read(tmp_path / "a.gif")
    assert "missing" in notes_of(video)["cut-short"]
    (tmp_path / "a.gif").write_bytes(content[:-20])
    with pytest.raises(VideoError, match=r"a\.gif: the file is damaged or cut short"):
        read_video(tmp_path / "a.gif")


def test_compressed_dicom_that_breaks_off_is_not_called_one_without_a_picture(tmp_path):
    path = save_encoded(tmp_path / "a.dcm", [jpeg(frame) for frame in FRAMES], JPEGBaseline8Bit)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"a\.dcm: the file breaks off within its pictures"):
        read_video(path)


def test_what_libraries_say_of_odd_files_does_not_reach_the_user(tmp_path):
    path = save_encoded(tmp_path / "a.dcm", [jpeg(frame) for frame in FRAMES], JPEGBaseline8Bit)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (tmp_path / "cohort.csv").write_text("patient_id,video,stage\na,a.dcm,1\n")
    command = [sys.executable, "-m", "fibrolib", "check", str(tmp_path / "cohort.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "breaks off" in done.stdout
    assert not done.stderr.strip()


def test_a_reserved_colour_matrix(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5", "x264-params": "colormatrix=ICtCp"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    assert_read(path, tolerance=2)


def test_digits_of_other_kinds_in_the_names_of_pictures(tmp_path):
    for number, frame in enumerate(FRAMES, start=1):
        Image.fromarray(frame).save(tmp_path / f"{number}²3.png")
    assert_read(tmp_path)


# Bounds


def test_enormous_pictures_are_refused_before_they_are_decoded(tmp_path):
    Image.new("1", (9000, 20)).save(tmp_path / "wide.png")
    Image.new("1", (8192, 8000)).save(tmp_path / "large.png")
    for name in ("wide.png", "large.png"):
        with pytest.raises(VideoError, match=rf"{name}: the picture is .* pixels; up to 8192 a side"):
            survey_video(tmp_path / name)
    path = save(tmp_path / "a.dcm", Rows=40000, Columns=40000)
    with pytest.raises(VideoError, match=r"a\.dcm: the picture is 40000 x 40000 pixels"):
        read_video(path)


@pytest.mark.parametrize(("pixels", "millions"), [("yuv444p10le", 6), ("yuv420p", 24)])
def test_a_video_is_refused_by_the_bytes_of_a_frame(tmp_path, pixels, millions):
    height = 64 * (millions * 1_000_000 // (64 * 4096) + 1)  # a decoder may hold 16 of them
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 4096, height, pixels
        container.mux(stream.encode(av.VideoFrame(4096, height, pixels)))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match=rf"a\.mkv: the picture is 4096 x {height} pixels; .* {millions} million"):
        survey_video(tmp_path / "a.mkv")


@pytest.mark.parametrize("name", ["a.mp4", "a.dcm", "a.webp", "pictures"])
def test_a_file_that_takes_too_long_is_refused(tmp_path, monkeypatch, name):
    path = tmp_path / name
    if name == "a.mp4":
        encode(path, FRAMES)
    elif name == "a.dcm":
        save(path)
    elif name == "a.webp":
        first, *rest = map(Image.fromarray, FRAMES)
        first.save(path, save_all=True, append_images=rest)
    else:
        path.mkdir()
        for number, frame in enumerate(FRAMES):
            Image.fromarray(frame).save(path / f"{number}.png")
    monkeypatch.setattr("fibrolib.video.streams.monotonic", itertools.count().__next__)  # a second for each look
    with pytest.raises(VideoError, match=rf"{name}: this file takes longer than 5 s to read.*Export a shorter"):
        survey_video(path, 5)
    assert survey_video(path, 100).n_frames == survey_video(path).n_frames == COUNT


def test_whatever_a_decoder_raises_names_the_file(tmp_path, monkeypatch):
    path = save(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME7")
    for error in (MemoryError(), RuntimeError("x"), OSError("x"), TypeError("'IS' has no len()"), ValueError("y")):

        def fail(*given, error=error, **named):
            raise error

        monkeypatch.setattr("fibrolib.video.pixels.iter_pixels", fail)
        with pytest.raises(VideoError, match=r"a\.dcm: [a-z]") as raised:
            read_video(path)
        assert "has no len" not in str(raised.value)


def test_the_sector_is_found_in_what_was_read(tmp_path):
    video = read_video(
        save(tmp_path / "a.dcm", fan(COUNT, 96, 128).astype(np.uint16), WindowCenter=128, WindowWidth=256)
    )
    assert find_sector(video.frames).found
