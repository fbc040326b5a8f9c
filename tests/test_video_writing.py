"""Written files are read back by independent readers."""

import av
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage
from scipy.ndimage import gaussian_filter

from fibrolib.video import find_sector, read_image, read_video, write_dicom
from fibrolib.video.writing import write_image, write_timed_video, write_video

# Written files are read back by independent readers


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.standard_normal((12, 64, 96)), (1.5, 1.5, 1.5))
    return (smooth / smooth.std() * 40 + 120).clip(0, 255).astype(np.uint8)


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pictures = np.stack([frame.to_ndarray(format="gray") for frame in container.decode(stream)])
        return pictures, float(stream.average_rate), container.metadata, stream.codec_context.name


def test_video_comes_back_with_its_speckle(tmp_path, frames):
    write_video(tmp_path / "a.mp4", frames, 24.3, comment="VIRTUAL PATIENT")
    pictures, fps, metadata, codec = decoded(tmp_path / "a.mp4")
    assert pictures.shape == frames.shape
    assert fps == pytest.approx(24.3)
    assert metadata["comment"] == "VIRTUAL PATIENT"
    assert codec == "h264"
    for written, read in zip(frames, pictures, strict=True):
        assert np.corrcoef(written.ravel(), read.ravel())[0, 1] > 0.97
        assert abs(written.mean() - read.mean()) < 2


def test_black_and_white_stay_black_and_white(tmp_path):
    frames = np.zeros((8, 32, 32), np.uint8)
    frames[:, :, 16:] = 255
    write_video(tmp_path / "a.mp4", frames, 25)
    pictures = decoded(tmp_path / "a.mp4")[0]
    assert pictures[:, :, :12].max() <= 4
    assert pictures[:, :, 20:].min() >= 251


def test_colours_come_back(tmp_path):
    frames = np.zeros((6, 48, 96, 3), np.uint8)
    colours = np.array([[200, 30, 30], [30, 160, 60], [40, 60, 220]])
    for at, colour in enumerate(colours):
        frames[:, :, 32 * at : 32 * at + 32] = colour
    write_video(tmp_path / "a.mp4", frames, 10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert pictures.shape == frames.shape
    for at, colour in enumerate(colours):
        seen = pictures[:, 8:40, 32 * at + 8 : 32 * at + 24].mean(axis=(0, 1, 2))
        np.testing.assert_allclose(seen, colour, atol=6)


def test_same_frames_same_bytes(tmp_path, frames):
    names = [tmp_path / f"{number}.mp4" for number in range(4)]
    for name in names:
        write_video(name, frames, 20, comment="x")
    assert len({name.read_bytes() for name in names}) == 1


def test_image_comes_back_exactly(tmp_path, frames):
    write_image(tmp_path / "a.png", frames[0])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), frames[0])


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((0, 32, 32), np.uint8),
        np.zeros((4, 32, 32)),
        np.zeros((32, 32), np.uint8),
        np.zeros((4, 31, 32), np.uint8),
        np.zeros((4, 32, 32, 4), np.uint8),
    ],
)
def test_frames_of_the_wrong_kind_are_refused(tmp_path, bad):
    with pytest.raises(ValueError, match=r"uint8|even"):
        write_video(tmp_path / "a.mp4", bad, 25)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_rate_must_be_positive(tmp_path, frames):
    with pytest.raises(ValueError, match="per second"):
        write_video(tmp_path / "a.mp4", frames, 0)


def test_an_image_of_the_wrong_kind_is_refused(tmp_path, frames):
    with pytest.raises(ValueError, match="uint8"):
        write_image(tmp_path / "a.png", frames)


def test_what_was_there_survives_a_failure(tmp_path, frames, monkeypatch):
    write_video(tmp_path / "a.mp4", frames, 25)
    before = (tmp_path / "a.mp4").read_bytes()

    def broken(*args, **kwargs):
        raise RuntimeError("disk full")

    monkeypatch.setattr(av.VideoFrame, "from_ndarray", broken)
    with pytest.raises(RuntimeError, match="disk full"):
        write_video(tmp_path / "a.mp4", frames, 25)
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_colours_come_back_at_their_own_times(tmp_path):
    times = [3.0, 3.05, 3.2, 3.21, 3.5]
    shades = np.arange(5) * 30 + 40
    frames = [np.broadcast_to([shade, shade // 2, 0], (33, 47, 3)).astype(np.uint8) for shade in shades]
    assert write_timed_video(tmp_path / "a.mp4", zip(times, frames, strict=True), 20, pixel_aspect=1.5) == 5
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        read = list(container.decode(stream))
        assert float(stream.sample_aspect_ratio) == 1.5
    np.testing.assert_allclose([frame.time for frame in read], np.subtract(times, 3), atol=1e-3)
    colours = np.stack([frame.to_ndarray(format="rgb24")[:33, :47].mean(axis=(0, 1)) for frame in read])
    np.testing.assert_allclose(colours, np.stack([shades, shades // 2, 0 * shades], axis=1), atol=6)
    assert (read[0].height, read[0].width) == (34, 48)


def test_frames_without_a_time_follow_the_rate(tmp_path):
    write_timed_video(tmp_path / "a.mp4", [(None, np.full((32, 32, 3), 90, np.uint8))] * 4, 8)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx([0, 0.125, 0.25, 0.375], abs=1e-3)


# DICOM as pydicom reads it: what the standard requires of an ultrasound image, and the frames exactly


# Type 1 and 2 attributes of the modules that PS3.3 A.6.4 and A.7.4 make mandatory: patient, study, series, equipment,
# image, image pixel, ultrasound image, SOP common.
REQUIRED = [
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
    *("Modality", "SeriesInstanceUID", "SeriesNumber", "Manufacturer", "InstanceNumber", "PatientOrientation"),
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PixelData", "ImageType", "SOPClassUID", "SOPInstanceUID"),
]
MULTI_FRAME = ["NumberOfFrames", "FrameIncrementPointer", "FrameTime"]


@pytest.fixture
def block():
    frames = np.zeros((5, 51, 63), np.uint8)
    frames[:, 10:40, 12:52] = np.random.default_rng(0).integers(60, 200, (5, 30, 40))
    return frames


def test_a_cine(tmp_path, block):
    place = {"region": (10, 40, 12, 52), "mm_per_pixel": 0.7}
    write_dicom(tmp_path / "a.dcm", block, 24.3, patient_id="virtual-001", comment="VIRTUAL", **place)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.SOPClassUID == UltrasoundMultiFrameImageStorage
    assert not [name for name in REQUIRED + MULTI_FRAME if name not in dataset]
    assert dataset[dataset.FrameIncrementPointer].keyword == "FrameTime"
    np.testing.assert_array_equal(dataset.pixel_array, block)
    (region,) = dataset.SequenceOfUltrasoundRegions
    assert (region.RegionLocationMinX0, region.RegionLocationMaxX1) == (12, 51)
    assert region.PhysicalDeltaX == pytest.approx(0.07)  # centimetres
    video = read_video(tmp_path / "a.dcm")
    np.testing.assert_array_equal(video.frames, block)
    assert video.fps == pytest.approx(24.3)
    assert find_sector(video.frames, video.region).box == (10, 40, 12, 52)
    for uid in (dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID):
        assert uid.is_valid
        assert uid.startswith("2.25.")
        assert int(uid[5:]) < 2**128


def test_an_image(tmp_path, block):
    write_dicom(tmp_path / "a.dcm", block[:1], patient_id="virtual-001")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.SOPClassUID == UltrasoundImageStorage
    assert not [name for name in REQUIRED if name not in dataset]
    assert not [name for name in MULTI_FRAME if name in dataset]
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm"), block[0])


def test_same_frames_same_bytes_and_one_study_of_one_patient(tmp_path, block):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a.dcm", "b.dcm"):
            write_dicom(tmp_path / folder / name, block, 20, patient_id="virtual-001")
    assert (tmp_path / "one" / "a.dcm").read_bytes() == (tmp_path / "two" / "a.dcm").read_bytes()
    first, second = (pydicom.dcmread(tmp_path / "one" / name) for name in ("a.dcm", "b.dcm"))
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


@pytest.mark.parametrize("bad", [np.zeros((2, 4, 4)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 4), np.uint8)])
def test_what_are_no_frames_is_refused(tmp_path, bad):
    with pytest.raises(ValueError, match="frames are uint8"):
        write_dicom(tmp_path / "a.dcm", bad, 20, patient_id="x")
    with pytest.raises(ValueError, match="above 0"):
        write_dicom(tmp_path / "a.dcm", np.zeros((2, 4, 4), np.uint8), 0, patient_id="x")
    assert list(tmp_path.iterdir()) == []
