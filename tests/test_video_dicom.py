"""DICOM by transfer syntax: pydicom's own example files, and files made here; equal pictures must come out equal."""

import io
from fractions import Fraction

import av
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, JPEGLSLossless, generate_uid
from test_video_reading import LEVELS, dicom_dataset, levels, steps, write_dicom

from fibrolib.errors import VideoError
from fibrolib.video import find_sector, prepare_clip, read_video, survey_video

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # about its own odd examples


def notes_of(video) -> dict[str, str]:
    return dict(video.notes)


def example(name: str) -> np.ndarray:
    return read_video(get_testdata_file(name, download=False)).frames


def encapsulated(path, frames, syntax, payloads):
    dataset = dicom_dataset(frames)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(payloads)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_one_signed_picture_in_many_transfer_syntaxes(name):
    np.testing.assert_array_equal(example(name), example("MR_small.dcm"))


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("SC_rgb_jpeg_gdcm.dcm", 0),  # JPEG lossless
        ("SC_rgb_gdcm_KY.dcm", 0),  # JPEG 2000
        ("SC_rgb_rle_16bit.dcm", 1),
        ("SC_rgb_jls_lossy_line.dcm", 8),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 8),  # JPEG baseline, RGB
        ("SC_rgb_jpeg_dcmtk.dcm", 8),  # JPEG baseline, YBR_FULL
        ("SC_ybr_full_422_uncompressed.dcm", 8),
    ],
)
def test_one_colour_picture_in_many_transfer_syntaxes(name, tolerance):
    difference = np.abs(example(name).astype(int) - example("SC_rgb_rle.dcm"))
    # Edges between saturated colours differ where chroma is subsampled: nearly all pixels agree.
    assert np.percentile(difference, 90) <= tolerance


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("examples_ybr_color.dcm", (30, 240, 320)),
        ("examples_rgb_color.dcm", (1, 240, 320)),
        ("examples_palette.dcm", (1, 350, 800)),
        ("examples_jpeg2k.dcm", (1, 480, 640)),
        ("SC_rgb_rle_2frame.dcm", (2, 100, 100)),
        ("SC_rgb_small_odd_big_endian.dcm", (1, 3, 3)),
        ("image_dfl.dcm", (1, 512, 512)),
    ],
)
def test_frames_and_sizes_of_examples(name, shape):
    assert example(name).shape == shape


@pytest.mark.parametrize(
    "name",
    [
        "MR_truncated.dcm",
        "JPGExtended.dcm",
        "SC_rgb_jls_lossy_sample.dcm",
        "GDCMJ2K_TextGBR.dcm",
        "JPEG2000-embedded-sequence-delimiter.dcm",
    ],
)
def test_what_cannot_be_decoded_is_named(name):
    with pytest.raises(VideoError, match=name):
        example(name)


def test_jpeg_ls_of_many_frames(tmp_path):
    payloads = []
    for picture in steps(3):
        codec = av.CodecContext.create("jpegls", "w")
        codec.height, codec.width, codec.pix_fmt, codec.time_base = *picture.shape, "gray", Fraction(1, 20)
        packets = [*codec.encode(av.VideoFrame.from_ndarray(picture, format="gray")), *codec.encode(None)]
        payloads.append(b"".join(bytes(packet) for packet in packets))
    path = encapsulated(tmp_path / "a.dcm", steps(3), JPEGLSLossless, payloads)
    np.testing.assert_array_equal(read_video(path).frames, steps(3))
    np.testing.assert_array_equal(read_video(path, max_frames=1).frames, steps(3)[1:2])
    short = encapsulated(tmp_path / "b.dcm", steps(3), JPEGLSLossless, [payloads[0], payloads[1][:40], payloads[2]])
    with pytest.raises(VideoError, match="frame 2 of 3"):
        read_video(short)


def test_h264_inside_dicom(tmp_path):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for picture in steps():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    path = encapsulated(tmp_path / "a.dcm", steps(), MPEG4HP41, [buffer.getvalue()])
    np.testing.assert_allclose(levels(read_video(path).frames), LEVELS, atol=4)


# The region that the scanner gives


def with_region(path, frames, **changed):
    item = pydicom.Dataset()
    item.RegionSpatialFormat, item.RegionDataType = 1, 1
    item.RegionLocationMinX0, item.RegionLocationMinY0 = 20, 10
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 59, 39
    for name, value in changed.items():
        setattr(item, name, value)
    return write_dicom(
        path, frames, SequenceOfUltrasoundRegions=pydicom.Sequence([item]), StudyInstanceUID=generate_uid()
    )


def two_pictures() -> np.ndarray:
    """A small moving picture, and a larger one beside it that moves more."""
    random = np.random.default_rng(0)
    frames = np.zeros((8, 120, 160), dtype=np.uint8)
    frames[:, 10:40, 20:60] = random.integers(60, 100, (8, 30, 40))
    frames[:, 50:120, 70:160] = random.integers(0, 255, (8, 70, 90))
    return frames


def test_the_sector_is_looked_for_where_the_scanner_says(tmp_path):
    told, untold = with_region(tmp_path / "a.dcm", two_pictures()), write_dicom(tmp_path / "b.dcm", two_pictures())
    assert read_video(told).region == (10, 40, 20, 60)
    assert read_video(untold).region is None
    video = read_video(told)
    sector = find_sector(video.frames, video.region)
    assert sector.box == (10, 40, 20, 60)
    assert sector.mask.sum() == 30 * 40
    assert survey_video(told).sector_share == pytest.approx(30 * 40 / 120 / 160)
    assert survey_video(untold).sector_share > 70 * 90 / 120 / 160
    assert prepare_clip(told, size=40, fps=None, max_frames=8).frames[:, 5:35].max() <= 100


@pytest.mark.parametrize(
    "changed",
    [
        {"RegionSpatialFormat": 3},  # a spectral trace
        {"RegionDataType": 2},  # colour
        {"RegionLocationMaxX1": 25},  # too narrow to be meant
    ],
)
def test_regions_of_no_use_are_passed_over(tmp_path, changed):
    assert read_video(with_region(tmp_path / "a.dcm", two_pictures(), **changed)).region is None


def test_a_region_beyond_the_frame_is_distrusted(tmp_path):
    video = read_video(with_region(tmp_path / "a.dcm", two_pictures(), RegionLocationMaxX1=5000))
    assert video.region is None
    assert "lies outside the frame" in notes_of(video)["region"]
    rounded = with_region(tmp_path / "b.dcm", two_pictures(), RegionLocationMaxX1=160, RegionLocationMaxY1=120)
    assert read_video(rounded).region == (10, 120, 20, 160)
