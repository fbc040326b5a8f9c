"""`fibrolib init`: a table from a folder of videos, which needs only its clinical columns filled in."""

import pandas as pd
import pytest
from PIL import Image

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
