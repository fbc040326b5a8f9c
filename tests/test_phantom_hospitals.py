"""The second virtual hospital: other people, another machine, nobody in common with the first."""

import json

import numpy as np
import pandas as pd
import pytest

from fibrolib.errors import FibrolibError
from fibrolib.phantom import draw_patients, find_hospital, simulate_cohort
from fibrolib.video import read_video


@pytest.fixture(scope="module")
def hospitals():
    return [draw_patients(3000, 0, hospital=find_hospital(name)) for name in ("first", "second")]


def test_the_first_hospital_is_the_default(hospitals):
    assert draw_patients(3000, 0).equals(hospitals[0])


def test_the_second_has_fatter_patients_fewer_of_them_ill_and_another_scanner(hospitals):
    first, second = hospitals
    assert np.mean(second["stage"] >= 2) == pytest.approx(0.34, abs=0.03)
    assert second["bmi"].mean() - first["bmi"].mean() == pytest.approx(5, abs=0.4)
    assert second["fat"].mean() > first["fat"].mean() + 0.05
    assert first["scanner"].max() == 2
    assert set(second["scanner"]) == {3}
    assert second["gain_db"].mean() - first["gain_db"].mean() == pytest.approx(-4, abs=0.3)
    assert second["fps"].min() > first["fps"].max()


def test_stages_show_as_in_the_first(hospitals):
    first, second = (table.groupby("stage")[["swe_kpa", "texture", "strain"]].median() for table in hospitals)
    assert second.to_numpy() == pytest.approx(first.to_numpy(), rel=0.15, abs=0.2)


def test_equal_seeds_give_other_patients(hospitals):
    first, second = hospitals
    assert abs(np.corrcoef(first["texture"], second["texture"])[0, 1]) < 0.06


def test_its_cohort_is_written_darker_resumed_and_not_mixed_with_the_first(tmp_path):
    options = {"patients": 1, "seed": 0, "truth": False, "n_jobs": 1}
    second = simulate_cohort(tmp_path / "second", hospital=find_hospital("second"), **options)
    video = second.parent / pd.read_csv(second)["video"][0]
    written = video.stat().st_mtime_ns
    simulate_cohort(tmp_path / "second", hospital=find_hospital("second"), **options)
    assert video.stat().st_mtime_ns == written
    assert json.loads((second.parent / "cohort.json").read_text())["hospital"]["name"] == "second"
    first = simulate_cohort(tmp_path / "first", **options)
    assert read_video(video).frames.mean() < read_video(first.parent / pd.read_csv(first)["video"][0]).frames.mean()
    with pytest.raises(FibrolibError, match="another seed"):
        simulate_cohort(tmp_path / "second", **options)


def test_a_hospital_that_does_not_exist_is_refused():
    with pytest.raises(FibrolibError, match="Choose one of first, second"):
        find_hospital("third")
