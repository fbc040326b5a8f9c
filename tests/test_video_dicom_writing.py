"""DICOM as pydicom reads it: what the standard requires of an ultrasound image, and the frames exactly."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from fibrolib.video import find_sector, read_image, read_video, write_dicom

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
def frames():
    frames = np.zeros((5, 51, 63), np.uint8)
    frames[:, 10:40, 12:52] = np.random.default_rng(0).integers(60, 200, (5, 30, 40))
    return frames


def test_a_cine(tmp_path, frames):
    place = {"region": (10, 40, 12, 52), "mm_per_pixel": 0.7}
    write_dicom(tmp_path / "a.dcm", frames, 24.3, patient_id="virtual-001", comment="VIRTUAL", **place)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.SOPClassUID == UltrasoundMultiFrameImageStorage
    assert not [name for name in REQUIRED + MULTI_FRAME if name not in dataset]
    assert dataset[dataset.FrameIncrementPointer].keyword == "FrameTime"
    np.testing.assert_array_equal(dataset.pixel_array, frames)
    (region,) = dataset.SequenceOfUltrasoundRegions
    assert (region.RegionLocationMinX0, region.RegionLocationMaxX1) == (12, 51)
    assert region.PhysicalDeltaX == pytest.approx(0.07)  # centimetres
    video = read_video(tmp_path / "a.dcm")
    np.testing.assert_array_equal(video.frames, frames)
    assert video.fps == pytest.approx(24.3)
    assert find_sector(video.frames, video.region).box == (10, 40, 12, 52)
    for uid in (dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID):
        assert uid.is_valid
        assert uid.startswith("2.25.")
        assert int(uid[5:]) < 2**128


def test_an_image(tmp_path, frames):
    write_dicom(tmp_path / "a.dcm", frames[:1], patient_id="virtual-001")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.SOPClassUID == UltrasoundImageStorage
    assert not [name for name in REQUIRED if name not in dataset]
    assert not [name for name in MULTI_FRAME if name in dataset]
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm"), frames[0])


def test_same_frames_same_bytes_and_one_study_of_one_patient(tmp_path, frames):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a.dcm", "b.dcm"):
            write_dicom(tmp_path / folder / name, frames, 20, patient_id="virtual-001")
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
