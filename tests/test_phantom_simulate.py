"""The cohort on disk: its format, its bytes, and going on where it stopped."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fibrolib.cli import app
from fibrolib.errors import FibrolibError
from fibrolib.phantom import (
    SignalStrengths,
    draw_patients,
    read_truth,
    render_clip,
    render_image,
    simulate,
    simulate_cohort,
)
from fibrolib.phantom.anatomy import LABELS
from fibrolib.phantom.render import FAULTS, clip_fault
from fibrolib.phantom.simulate import _write_truth
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
    assert {"sex", "bmi", "swe_kpa", "centre", "operator", "biopsy_date", "video_date"} <= set(rows)
    assert set(rows["scanner"]) <= {"ORION 5", "HEPAVUE S", "Meridia X2"}
    assert rows["steatosis"].between(0, 3).all()
    assert (rows["visit"] == 1).all()
    assert not {"biopsy_stage", "stiffness_kpa", "strain", "texture", "capsule", "severity"} & set(rows)


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


def test_truth_and_settings_are_written(table):
    truth = pd.read_csv(table.parent / "truth" / "patients.csv")
    assert truth["strain"].to_numpy() == pytest.approx(draw_patients(2, SEED)["strain"].to_numpy(), rel=1e-5)
    card = json.loads((table.parent / "cohort.json").read_text())
    assert card["seed"] == SEED
    assert card["dials"]["motion"] == 1.0


def test_same_seed_same_bytes_whatever_the_workers(table, tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "_WORTH_A_PROCESS", 1)
    again = simulate_cohort(tmp_path, patients=2, seed=SEED, n_jobs=2)
    assert contents(again.parent) == contents(table.parent)


def test_an_interrupted_simulation_resumes(table, tmp_path):
    before = contents(table.parent)
    whole = table.parent / "videos" / "virtual-001.mp4"
    stamp = whole.stat().st_mtime_ns
    (table.parent / "truth" / "virtual-002.npz").unlink()
    simulate_cohort(table.parent, patients=2, seed=SEED, n_jobs=1)
    assert whole.stat().st_mtime_ns == stamp
    assert contents(table.parent) == before


@pytest.mark.parametrize(
    "other",
    [{"seed": SEED + 1}, {"strengths": SignalStrengths(motion=0.0)}, {"frames": 5}, {"fps": 10.0}, {"images": False}],
)
def test_another_cohort_is_not_mixed_in(table, other):
    with pytest.raises(FibrolibError, match="another seed"):
        simulate_cohort(table.parent, **{"patients": 2, "seed": SEED, "n_jobs": 1, **other})


def test_videos_can_be_shorter_and_slower_and_images_left_out(tmp_path):
    form = {"frames": 3, "fps": 10.0, "images": False}
    table = simulate_cohort(tmp_path, patients=1, seed=SEED, n_jobs=1, **form)
    video = read_video(tmp_path / pd.read_csv(table)["video"][0])
    assert (len(video.frames), video.fps) == (3, pytest.approx(10.0))
    truth = read_truth(tmp_path / "truth" / "virtual-001.npz")
    assert truth.masks["liver"].shape == video.frames.shape
    assert not truth.image_masks
    assert pd.read_csv(table)["image"].isna().all()
    assert not list((tmp_path / "images").iterdir())
    stamp = (tmp_path / "videos" / "virtual-001.mp4").stat().st_mtime_ns
    simulate_cohort(tmp_path, patients=1, seed=SEED, n_jobs=1, **form)
    assert (tmp_path / "videos" / "virtual-001.mp4").stat().st_mtime_ns == stamp


def test_a_folder_from_before_a_dial_was_there_is_still_known(table):
    card = table.parent / "cohort.json"
    written = card.read_text()
    settings = json.loads(written)
    for dial in ("tied", "reference_error", "bad_clips"):
        del settings["dials"][dial]
    card.write_text(json.dumps(settings))
    simulate_cohort(table.parent, patients=2, seed=SEED, n_jobs=1)
    assert card.read_text() == written


def test_the_table_has_the_stage_of_the_biopsy_and_the_truth_beside_it(tmp_path):
    form = {"frames": 1, "images": False, "n_jobs": 1}
    table = simulate_cohort(tmp_path, patients=4, seed=SEED, strengths=SignalStrengths(reference_error=1.0), **form)
    told, truth = pd.read_csv(table), pd.read_csv(tmp_path / "truth" / "patients.csv")
    assert ((told["stage"] - truth["stage"]).abs() == 1).all()
    assert truth["stage"].tolist() == draw_patients(4, SEED)["stage"].tolist()


def test_useless_clips_are_a_dial(tmp_path):
    form = {"frames": 2, "images": False, "truth": False, "n_jobs": 1}
    table = simulate_cohort(tmp_path, patients=4, seed=SEED, strengths=SignalStrengths(bad_clips=0.5), **form)
    faults = pd.read_csv(tmp_path / "truth" / "clips.csv", keep_default_na=False)
    assert faults["video"].tolist() == pd.read_csv(table)["video"].tolist()
    assert faults["fault"].tolist() == [clip_fault((SEED, number), 1, 0.5) for number in range(4)]
    assert "" in set(faults["fault"])
    assert set(faults["fault"]) & set(FAULTS)


def test_without_truth_the_pictures_are_the_same(table, tmp_path):
    bare = simulate_cohort(tmp_path, patients=2, seed=SEED, truth=False, n_jobs=1)
    assert pd.read_csv(bare)["roi"].isna().all()
    assert [path.name for path in (tmp_path / "truth").iterdir()] == ["patients.csv"]
    files = contents(tmp_path)
    assert {name: contents(table.parent)[name] for name in files if name.startswith(("videos", "images", "truth"))} == {
        name: files[name] for name in files if name.startswith(("videos", "images", "truth"))
    }


@pytest.fixture(scope="module")
def several(table, tmp_path_factory):
    """The same patients with two videos each."""
    return simulate_cohort(tmp_path_factory.mktemp("several"), patients=2, videos=2, seed=SEED, n_jobs=1)


def test_further_videos_are_further_views(table, several):
    rows = pd.read_csv(several)
    assert list(rows["video"]) == [f"videos/virtual-00{n}.mp4" for n in ("1", "1-2", "2", "2-2")]
    assert list(rows["roi"]) == [f"truth/virtual-00{n}.npz" for n in ("1", "1-2", "2", "2-2")]
    assert list(rows["image"]) == [f"images/virtual-00{n}.png" for n in "1122"]
    assert len(rows[["patient_id", "stage", "age", "swe_kpa"]].drop_duplicates()) == 2
    first, second = (read_video(several.parent / name).frames for name in rows["video"][:2])
    assert np.corrcoef(first[0].ravel(), second[0].ravel())[0, 1] < 0.9
    truth = read_truth(several.parent / rows["roi"][1])
    assert truth.masks["liver"].shape == second.shape
    assert not truth.image_masks
    again = render_clip(next(draw_patients(1, SEED).itertuples(index=False)), (SEED, 0), take=2)
    assert np.array_equal(again.displacement, truth.displacement, equal_nan=True)


def test_the_first_video_and_the_image_do_not_depend_on_the_number_of_videos(table, several):
    one, two = contents(table.parent), contents(several.parent)
    assert {name: two[name] for name in one if name != "cohort.csv"} == {
        name: content for name, content in one.items() if name != "cohort.csv"
    }


def test_a_cohort_grows_by_videos(several, tmp_path):
    settings = {"seed": SEED, "n_jobs": 1}
    simulate_cohort(tmp_path, patients=1, **settings)
    times = {
        path: path.stat().st_mtime_ns for folder in ("videos", "truth") for path in (tmp_path / folder).glob("*-001.*")
    }
    simulate_cohort(tmp_path, patients=2, videos=2, **settings)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert contents(tmp_path) == contents(several.parent)


def test_a_cohort_needs_a_video(tmp_path):
    with pytest.raises(ValueError, match="at least one video"):
        simulate_cohort(tmp_path, patients=1, videos=0)
    with pytest.raises(ValueError, match="from 1"):
        render_clip(next(draw_patients(1, SEED).itertuples(index=False)), (SEED, 0), take=0)


def test_another_seed_is_a_fresh_population(table, tmp_path):
    fresh = pd.read_csv(simulate_cohort(tmp_path, patients=1, seed=SEED + 1, n_jobs=1))
    assert not fresh.iloc[0][["age", "bmi", "ast"]].equals(pd.read_csv(table).iloc[0][["age", "bmi", "ast"]])


def test_the_command_line_takes_a_number_of_videos(tmp_path):
    arguments = ["simulate", "--patients", "1", "--videos", "2", "--seed", str(SEED), "--out", str(tmp_path / "v")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "1 virtual patient, 2 videos" in result.output
    assert len(pd.read_csv(tmp_path / "v" / "cohort.csv")) == 2


def test_a_cohort_as_dicom_holds_what_was_rendered(tmp_path):
    table = simulate_cohort(tmp_path / "dicom", patients=1, seed=SEED, dicom=True, n_jobs=1)
    row = pd.read_csv(table).iloc[0]
    assert (row["video"], row["image"]) == ("videos/virtual-001.dcm", "images/virtual-001.dcm")
    video = read_video(table.parent / row["video"])
    rendered = render_clip(next(draw_patients(1, SEED).itertuples(index=False)), (SEED, 0))
    np.testing.assert_array_equal(video.frames, rendered.frames)
    assert video.fps == pytest.approx(rendered.fps)
    assert video.region == rendered.fan
    assert np.load(table.parent / row["roi"])["image_liver"].shape == read_image(table.parent / row["image"]).shape
    with pytest.raises(FibrolibError, match="another seed, form or version"):
        simulate_cohort(tmp_path / "dicom", patients=1, seed=SEED, n_jobs=1)


@pytest.fixture(scope="module")
def rendered():
    patient = next(draw_patients(1, 0).itertuples(index=False))
    return render_clip(patient, (0, 0)), render_image(patient, (0, 0))


def test_truth_comes_back(rendered, tmp_path):
    clip, still = rendered
    _write_truth(tmp_path / "a.npz", clip, still)
    truth = read_truth(tmp_path / "a.npz")
    assert set(truth.masks) == set(truth.image_masks) == set(LABELS)
    for name in LABELS:
        assert np.array_equal(truth.masks[name], clip.masks[name])
        assert np.array_equal(truth.image_masks[name], still.masks[name][0])
    assert np.array_equal(truth.displacement, clip.displacement, equal_nan=True)
    assert np.array_equal(truth.nodes, clip.nodes)
    assert truth.mm_per_pixel == clip.scale
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_video_without_an_image_has_no_image_masks(rendered, tmp_path):
    _write_truth(tmp_path / "a.npz", rendered[0])
    assert read_truth(tmp_path / "a.npz").image_masks == {}


def test_strangers_are_refused(tmp_path):
    with pytest.raises(FibrolibError, match="no such file"):
        read_truth(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", liver=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "words.npz").write_text("no arrays")
    for name in ("other.npz", "array.npy", "words.npz"):
        with pytest.raises(FibrolibError, match="the truth of a virtual video cannot be read"):
            read_truth(tmp_path / name)
