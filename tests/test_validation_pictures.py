"""What is said of the pictures of a cohort, and which of them are known."""

import shutil

import numpy as np
import pandas as pd
import pytest
from other_hospital import write_cohort_files

from fibrolib.cohort import read_cohort
from fibrolib.study.cache import ResultCache
from fibrolib.validation import FEATURES
from fibrolib.validation.pictures import _look_at_pictures, _packed, _unpacked
from fibrolib.video import fingerprints, survey_video


def untracked(results, total):
    return results


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return write_cohort_files(tmp_path_factory.mktemp("home"), 0, 20, "P")


def look(table, folder, known=None):
    return _look_at_pictures(read_cohort(table).patients(), ResultCache(folder), untracked, known)


def test_features_are_those_of_the_survey_by_patient(home, tmp_path):
    found = look(home, tmp_path)
    assert list(found["features"]) == list(FEATURES)
    assert list(found["features"].index) == [f"P{number:02d}" for number in range(20)]
    survey = survey_video(home.parent / "videos" / "P03.mp4")
    assert found["features"].loc["P03", "brightness"] == survey.brightness
    assert found["features"].loc["P03", "duration"] == survey.n_frames / survey.fps
    assert found["shared"].empty
    assert found["prints"]["digest"].nunique() == 40  # videos and images


def test_a_packed_fingerprint_is_read_back(home):
    (first, *_) = fingerprints(survey_video(home.parent / "videos" / "P00.mp4").small)
    assert np.array_equal(_unpacked(_packed(first)), first)


def test_equal_files_and_copies_are_shared_and_others_are_not(home, tmp_path):
    known = look(home, tmp_path)["prints"]
    away = write_cohort_files(tmp_path / "away", 700, 20, "Q")
    assert look(away, tmp_path, known)["shared"].empty
    shutil.copy(home.parent / "videos" / "P05.mp4", away.parent / "videos" / "P02.mp4")
    shared = look(away, tmp_path, known)["shared"]
    assert shared["patient_id"].tolist() == ["Q02"]
    assert shared["file"].tolist() == [str(away.parent / "videos" / "P02.mp4")]
    # A file with other bytes that shows the same: its content is none of the known ones.
    renamed = known.assign(digest=known["digest"].map(lambda digest: f"another-{digest}"))
    assert look(away, tmp_path, renamed)["shared"]["patient_id"].tolist() == ["Q02"]


def test_pictures_are_looked_at_once(home, tmp_path, monkeypatch):
    first = look(home, tmp_path)
    monkeypatch.setattr("fibrolib.validation.pictures._prints", None)
    for name, table in look(home, tmp_path).items():
        pd.testing.assert_frame_equal(table, first[name])
