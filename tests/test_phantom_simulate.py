"""The cohort on disk: its format, its bytes, and going on where it stopped."""

import json

import numpy as np
import pandas as pd
import pytest

from fibrolib.errors import FibrolibError
from fibrolib.phantom import Dials, draw_patients, render_clip, simulate_cohort
from fibrolib.video import read_image, read_video

SEED = 3


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return simulate_cohort(tmp_path_factory.mktemp("cohort"), patients=2, seed=SEED, n_jobs=1)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_table_has_the_cohort_format(table):
    rows = pd.read_csv(table)
    assert list(rows["patient_id"]) == ["virtual-001", "virtual-002"]
    for column in ("video", "image", "roi"):
        assert all((table.parent / name).is_file() for name in rows[column])
    assert rows["stage"].between(0, 4).all()
    for column in ("age", "ast", "alt", "platelets"):
        assert pd.api.types.is_integer_dtype(rows[column])
    assert {"sex", "bmi", "swe_kpa"} <= set(rows)
    assert not {"stiffness_kpa", "strain", "texture", "capsule", "severity"} & set(rows)


def test_videos_images_and_masks_fit(table):
    row = pd.read_csv(table).iloc[0]
    video = read_video(table.parent / row["video"])
    truth = np.load(table.parent / row["roi"])
    assert len(video.frames) >= 32
    assert video.fps == pytest.approx(draw_patients(1, SEED)["fps"][0])
    for name in ("liver", "capsule", "vessels"):
        assert truth[name].shape == video.frames.shape
        assert truth[name].dtype == bool
        assert truth[f"image_{name}"].shape == read_image(table.parent / row["image"]).shape
    assert truth["displacement"].shape[0] == len(video.frames)


def test_the_video_is_what_was_rendered(table):
    frames = render_clip(next(draw_patients(1, SEED).itertuples(index=False)), (SEED, 0)).frames
    read = read_video(table.parent / "videos" / "virtual-001.mp4").frames
    assert np.corrcoef(frames.ravel(), read.ravel())[0, 1] > 0.98


def test_truth_and_settings_are_kept(table):
    truth = pd.read_csv(table.parent / "truth" / "patients.csv")
    assert truth["strain"].to_numpy() == pytest.approx(draw_patients(2, SEED)["strain"].to_numpy(), rel=1e-5)
    card = json.loads((table.parent / "cohort.json").read_text())
    assert card["seed"] == SEED
    assert card["dials"]["motion"] == 1.0


def test_same_seed_same_bytes_whatever_the_workers(table, tmp_path):
    again = simulate_cohort(tmp_path, patients=2, seed=SEED, n_jobs=2)
    assert contents(again.parent) == contents(table.parent)


def test_a_stopped_run_goes_on_where_it_was(table, tmp_path):
    before = contents(table.parent)
    whole = table.parent / "videos" / "virtual-001.mp4"
    stamp = whole.stat().st_mtime_ns
    (table.parent / "truth" / "virtual-002.npz").unlink()
    done = []
    simulate_cohort(table.parent, patients=2, seed=SEED, n_jobs=1, progress=lambda *state: done.append(state))
    assert done == [(2, 2)]
    assert whole.stat().st_mtime_ns == stamp
    assert contents(table.parent) == before


@pytest.mark.parametrize("other", [{"seed": SEED + 1}, {"dials": Dials(motion=0.0)}])
def test_another_cohort_is_not_mixed_in(table, other):
    with pytest.raises(FibrolibError, match="another seed"):
        simulate_cohort(table.parent, **{"patients": 2, "seed": SEED, "n_jobs": 1, **other})
