"""Plates are read as they were made, and hold the patients that the notebooks show."""

import numpy as np
import pandas as pd
import pytest
from small_nets import Linear3d, classifier_with

from fibrolib.attribution import attribute_methods
from fibrolib.study.plates import Plates, _GradCams, make_plates, read_plates, write_plates
from fibrolib.video import Clip, load_clip, save_clip


@pytest.fixture
def patients(tmp_path):
    """Six patients, of whom the later ones of each stage are on no plate; some have no mask."""
    random, rows = np.random.default_rng(0), []
    for number, (stage, split) in enumerate(
        [(1, "test"), (0, "train"), (0, "test"), (1, "train"), (0, "train"), (0, "test")]
    ):
        frames = random.integers(0, 255, (6, 8, 8), dtype=np.uint8)
        roi = np.zeros_like(frames, dtype=bool)
        roi[:, 2:4] = True
        path = tmp_path / f"{number}.npz"
        save_clip(path, Clip(frames, 10.0, np.ones((8, 8), bool), roi if number % 2 else None))
        rows.append({"stage": stage, "split": split, "clips": (path,), "stills": (path,), "first": frames[3]})
    return pd.DataFrame(rows, index=[f"p{number}" for number in range(6)])


@pytest.fixture
def plates(patients):
    return make_plates(patients, {"cnn3d": classifier_with(Linear3d(), view="clips")})


def test_the_first_patient_of_each_stage_is_shown(plates, patients):
    assert {stage: clip.frames.shape for stage, clip in plates.samples.items()} == {0: (1, 8, 8), 1: (1, 8, 8)}
    for stage, name in ((0, "p1"), (1, "p3")):
        assert (plates.samples[stage].frames[0] == patients.loc[name, "first"]).all()
    assert sorted(plates.maps["cnn3d"]) == [0, 1]


def test_plates_are_read_as_written(plates, tmp_path):
    path = tmp_path / "plates.npz"
    write_plates(plates, path)
    again = read_plates(path, cutoff=1)
    assert isinstance(again, Plates)
    for stage, cam in plates.maps["cnn3d"].items():
        read = again.maps["cnn3d"][stage]
        assert (read.frames == cam.frames).all()
        assert read.score == pytest.approx(cam.score)
        assert np.abs(read.relevance - cam.relevance).max() <= 0.5 / 255 + 1e-6
        assert (read.roi is None) == (cam.roi is None)
    assert (again.samples[1].roi == plates.samples[1].roi).all()


def test_maps_are_made_when_asked_for_and_not_held(patients, monkeypatch):
    net, opened = classifier_with(Linear3d(), view="clips"), []
    monkeypatch.setattr("fibrolib.study.plates.load_clip", lambda path: opened.append(path.stem) or load_clip(path))
    maps = _GradCams(net, patients["clips"], iter)
    assert list(maps) == list(patients.index)
    assert opened == []
    (cam,) = maps["p1"]
    assert opened == ["1"]
    (expected,) = attribute_methods(net, [load_clip(patients.loc["p1", "clips"][0])], ["gradcam"])["gradcam"]
    assert np.array_equal(cam.relevance, expected.relevance)
    assert [len(cams) for cams in maps.values()] == [1] * 6
    assert opened == ["1", *"012345"]
