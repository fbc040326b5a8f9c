"""`fibrolib init`: a table from a folder of videos, which needs only its clinical columns filled in."""

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset

from fibrolib.checking import check_cohort, write_template
from fibrolib.cohort import inspect_cohort
from fibrolib.errors import FibrolibError


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    return folder


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def table_of(made):
    return pd.read_csv(made.path, dtype=str)


def test_one_folder_per_patient(source):
    touch(source, "A/one.mp4", "A/two.avi", "B/one.MOV", "B/notes.txt", ".cache/x.mp4", "B/.x.mp4")
    made = write_template(source, source)
    assert (made.videos, made.patients, made.rule) == (3, 2, "one folder per patient")
    assert table_of(made)[["patient_id", "video"]].to_numpy().tolist() == [
        ["A", "A/one.mp4"], ["A", "A/two.avi"], ["B", "B/one.MOV"],
    ]  # fmt: skip


def test_patients_in_file_names_and_pictures_beside_videos(source):
    touch(source, "P1_a.mp4", "P1_b.mp4", "P1_b.png", "P2.mp4")
    table = table_of(write_template(source, source))
    assert table["patient_id"].tolist() == ["P1", "P1", "P2"]
    assert table["image"].fillna("").tolist() == ["", "P1_b.png", ""]
    assert table["stage"].isna().all()


def test_a_pattern(source):
    touch(source, "2021/scan-0007-liver.mp4", "2022/scan-0008-liver.mp4", "2022/scan-0007-liver.mp4")
    made = write_template(source, source, r"scan-(\d+)")
    assert table_of(made)["patient_id"].tolist() == ["0007", "0007", "0008"]
    assert made.patients == 2


@pytest.mark.parametrize("pattern", ["scan-(", "nothing"])
def test_patterns_that_do_not_work(source, pattern):
    touch(source, "a.mp4")
    with pytest.raises(FibrolibError, match="--pattern"):
        write_template(source, source, pattern)
    assert not (source / "cohort.csv").exists()


def test_videos_elsewhere_are_linked(source, tmp_path):
    touch(source, "A/one.mp4")
    made = write_template(tmp_path / "study", source)
    assert table_of(made)["video"].tolist() == ["videos/A/one.mp4"]
    assert (tmp_path / "study/videos/A/one.mp4").samefile(source / "A/one.mp4")


def test_dicom_without_a_suffix_and_folders_of_frames(source):
    (source / "P1").mkdir()
    (source / "P1/IM0001").write_bytes(b"\0" * 128 + b"DICM")
    (source / "P1/DIRECTORY").write_bytes(b"no picture")
    (source / "P2/frames").mkdir(parents=True)
    for number in range(8):
        Image.new("L", (4, 4)).save(source / f"P2/frames/{number}.png")
    assert table_of(write_template(source, source))["video"].tolist() == ["P1/IM0001", "P2/frames"]


def test_all_that_is_left_to_do_is_to_fill_it_in(source):
    touch(source, *[f"P{number}.mp4" for number in range(20)])
    made = write_template(source, source)
    problems = inspect_cohort(made.path).problems
    assert {(problem.column, "empty" in problem.message) for problem in problems} == {("stage", True)}
    report = check_cohort(made.path)
    assert report.status == 2
    (stage,) = [finding for finding in report.findings if finding.column == "stage"]
    assert stage.rows == tuple(range(2, 22))


def test_nothing_is_overwritten_and_nothing_made_of_nothing(source, tmp_path):
    with pytest.raises(FibrolibError, match="no videos in this folder"):
        write_template(tmp_path / "a", source)
    with pytest.raises(FibrolibError, match="no such folder"):
        write_template(tmp_path / "a", source / "none")
    assert not (tmp_path / "a").exists()
    touch(source, "a.mp4", "cohort.csv")
    with pytest.raises(FibrolibError, match="not overwritten"):
        write_template(source, source)
    assert (source / "cohort.csv").read_bytes() == b"x"


# DICOM headers and disc exports

FRAMES = np.full((3, 16, 16), 90, np.uint8)


def dicom(path, sop_class="1.2.840.10008.5.1.4.1.1.3.1", picture=True, **tags):
    """Write a small DICOM file with some attributes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, "1.2.3"
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    if picture:
        dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 16, 16, 3
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
        dataset.PhotometricInterpretation, dataset.PixelData = "MONOCHROME2", FRAMES.tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_disc_with_a_directory_tells_patients_apart_by_their_header(source):
    dicom(source / "DICOMDIR", "1.2.840.10008.1.3.10", picture=False)
    for number in (1, 2, 3, 4):
        dicom(source / f"IM_000{number}", PatientID=f"0012345{min(number, 3)}", PatientName="Test^Case")
    made = write_template(source, source, pseudonym=lambda patient: f"p-{patient[-1]}")
    assert table_of(made)["patient_id"].tolist() == ["p-1", "p-2", "p-3", "p-3"]
    assert made.ids == {"p-1": "00123451", "p-2": "00123452", "p-3": "00123453"}
    assert (made.sure, made.left_out) == (True, ("1 file (DICOMDIR)",))
    assert "PatientID" in made.rule
    assert "0012345" not in made.path.read_text("utf-8")


@pytest.mark.parametrize("place", ["DICOM/PA{}/ST0/SE0/IM0", "IMAGES/{}/1.2.840.113619.2.{}", "{}_export/US/S1/I1.dcm"])
def test_layouts_of_discs(source, place):
    for number in (1, 2, 3):
        dicom(source / place.format(number, number), PatientID=f"T{number}")
    made = write_template(source, source)
    assert table_of(made)["patient_id"].tolist() == ["P001", "P002", "P003"]
    assert made.sure


def test_without_an_id_in_the_header_folders_tell_patients_apart(source):
    for number in (1, 2, 3):
        dicom(source / f"DICOM/PA{number}/ST0/SE0/IM0", PatientID=["", "ANONYMOUS", "0"][number - 1])
    made = write_template(source, source)
    assert table_of(made)["patient_id"].tolist() == ["PA1", "PA2", "PA3"]
    assert (made.rule, made.sure, made.ids) == ("one folder per patient", False, {})


@pytest.mark.parametrize(
    "names",
    [
        ["IM_0001", "IM_0002"],
        ["DICOM/PA1/ST0/SE0/IM0", "DICOM/PA1/ST1/SE0/IM0"],
        ["IM0001", "IM0002"],
        ["disc/IMG-1.mp4", "disc/IMG-2.mp4"],
        ["1.2.840.113619.2.1.1", "1.2.840.113619.2.1.2"],
    ],
)
def test_files_are_not_lumped_under_one_name_or_split_by_a_counter(source, names):
    for name in names:
        dicom(source / name) if "mp4" not in name else touch(source, name)
    with pytest.raises(FibrolibError, match="nothing tells the patients of 2 videos apart"):
        write_template(source, source)
    assert not (source / "cohort.csv").exists()
    assert write_template(source, source, r"\d+$|\d(?=\.)|\d").videos == 2


def test_one_id_for_two_people_is_said(source):
    dicom(source / "a.dcm", PatientID="7001", PatientName="A", PatientBirthDate="19600101")
    dicom(source / "b.dcm", PatientID="7001", PatientName="B", PatientBirthDate="19700101")
    made = write_template(source, source)
    assert not made.sure
    assert "1 PatientID with more than one name or date of birth" in made.rule


def test_other_files_in_a_patient_s_folder_belong_to_the_patient(source):
    dicom(source / "A/1.dcm", PatientID="7001")
    dicom(source / "B/1.dcm", PatientID="7002")
    touch(source, "A/2.mp4", "B/2.mp4")
    made = write_template(source, source)
    assert table_of(made)["patient_id"].tolist() == ["P001", "P001", "P002", "P002"]
    assert not made.sure


def test_what_the_header_says_stands_in_the_table(source):
    common = {"PatientID": "7001", "PatientSex": "F", "Manufacturer": "ACME", "ManufacturerModelName": "US 9"}
    dicom(source / "a.dcm", StudyDate="20210304", PatientAge="052Y", **common)
    dicom(source / "b.dcm", StudyDate="20220304", PatientAge="053Y", **common)
    dicom(source / "c.dcm", PatientID="7002", StudyDate="20210304", PatientBirthDate="19600305")
    table = table_of(write_template(source, source))
    assert table["age"].tolist() == ["52.0", "52.0", "60.0"]
    assert table["sex"].fillna("").tolist() == ["F", "F", ""]
    assert table["video_date"].tolist() == ["2021-03-04", "2022-03-04", "2021-03-04"]
    assert table["scanner"].fillna("").tolist() == ["ACME US 9", "ACME US 9", ""]
    assert "video_date" not in table_of(write_template(source / "x", only_video(source / "y")))


def only_video(folder):
    touch(folder, "a.mp4")
    return folder


def test_what_is_passed_over_is_counted_by_kind(source):
    dicom(source / "A/1.dcm", PatientID="7001")
    dicom(source / "A/report", "1.2.840.10008.5.1.4.1.1.88.11", picture=False, PatientID="7001")
    touch(source, "A/.hidden", "A/notes.txt", "A/list.txt", "A/readme", "autorun.inf")
    made = write_template(source, source)
    assert set(made.left_out) == {
        "2 files (.txt)",
        "1 file (.inf)",
        "1 file (hidden)",
        "1 file (no known kind)",
        "1 file (DICOM without a picture)",
    }
    assert made.videos == 1


def test_names_that_are_not_utf_8_are_left_out_and_named(source):
    touch(source, "A.mp4")
    try:
        (source / "B\udcff.mp4").write_bytes(b"x")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes no such name")
    made = write_template(source, source)
    assert made.videos == 1
    assert made.left_out == ("1 file (name that is not UTF-8: rename it)",)


def test_pictures_of_several_pages_are_videos(source):
    pages = [Image.new("L", (16, 16), level) for level in (10, 20, 30)]
    pages[0].save(source / "A.tif", save_all=True, append_images=pages[1:])
    pages[0].save(source / "B.webp", save_all=True, append_images=pages[1:], lossless=True)
    pages[0].save(source / "C.tif")
    made = write_template(source, source)
    assert table_of(made)["video"].tolist() == ["A.tif", "B.webp"]
    assert made.left_out == ("1 file (.tif)",)
