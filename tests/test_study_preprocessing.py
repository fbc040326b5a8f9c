"""Which files are prepared for a patient, and with which mask; a saved net scores one video."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import make_patients
from PIL import Image

from fibrolib.checking import check_cohort
from fibrolib.errors import FibrolibError, VideoError
from fibrolib.learning import NetClassifier
from fibrolib.phantom import simulate_cohort
from fibrolib.study import load_profile
from fibrolib.study.preprocessing import _preprocessing_settings, prepare_files, score_video, sources
from fibrolib.video import load_clip, write_dicom


def mask(path, *names):
    np.savez(path, **{name: np.ones((2, 2), bool) for name in names})
    return path


def patient(images, rois):
    videos = tuple(f"{number}.mp4" for number in range(len(images)))
    return SimpleNamespace(videos=videos, images=images, rois=rois)


@pytest.mark.parametrize("first", [True, False])
def test_one_image_beside_several_videos_is_prepared_once_with_its_own_mask(tmp_path, first):
    with_image = mask(tmp_path / "a.npz", "capsule", "image_capsule")
    rois = (with_image, mask(tmp_path / "b.npz", "capsule"))
    found = patient(("a.png", "a.png"), rois if first else rois[::-1])
    assert sources(found, "image") == [("a.png", with_image)]
    assert len(sources(found, "clip")) == 2


def test_images_of_their_own_and_videos_without_one_all_stay(tmp_path):
    roi = mask(tmp_path / "a.npz", "capsule")
    found = patient(("a.png", "b.png", None), (None, roi, roi))
    # A mask without the image's region belongs to the video; a middle frame is the video's.
    assert sources(found, "image") == [("a.png", None), ("b.png", None), ("2.mp4", roi)]


def test_a_virtual_patient_with_two_videos_has_one_still(tmp_path):
    table = pd.read_csv(simulate_cohort(tmp_path, patients=1, videos=2, seed=5, n_jobs=1))
    rois = tuple(tmp_path / name for name in table["roi"])
    found = patient(tuple(tmp_path / name for name in table["image"]), rois)
    assert sources(found, "image") == [(tmp_path / "images" / "virtual-001.png", rois[0])]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = tmp_path_factory.mktemp("virtual")
    simulate_cohort(folder, patients=1, seed=4, n_jobs=1)
    return folder / "videos" / "virtual-001.mp4"


@pytest.fixture(scope="module", params=["clips", "stills"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    patients = make_patients(folder, 6)
    net = NetClassifier(options={"width": 4}, view=request.param, clip_length=4, n_clips=2, epochs=1, n_stages=3)
    net.fit(patients, patients["stage"]).save(folder / "net.safetensors")
    settings = _preprocessing_settings(load_profile("smoke"), request.param, virtual=True)
    (folder / "net.json").write_text(json.dumps(settings), "utf-8")
    return folder / "net.safetensors"


def test_a_video_gets_a_probability_of_each_stage(model, video, tmp_path):
    probabilities, settings = score_video(model, video, tmp_path)
    assert list(probabilities.index) == [0, 1, 2]
    assert probabilities.between(0, 1).all()
    assert probabilities.sum() == pytest.approx(1)
    assert settings["trained_on_virtual_patients"] is True


def test_it_is_prepared_as_the_net_was_trained(model, video, tmp_path):
    _, settings = score_video(model, video, tmp_path)
    frames = load_clip(tmp_path / "prepared.npz").frames
    assert frames.shape[1:] == (settings["size"],) * 2
    assert 1 < len(frames) <= settings["max_frames"]


def test_a_video_without_an_image_gives_all_its_frames_as_stills(video, tmp_path):
    profile, image = load_profile("smoke"), video.parents[1] / "images" / "virtual-001.png"
    rows = {"videos": [(video,), (video,)], "images": [(None,), (image,)], "rois": [(None,), (None,)]}
    stills = prepare_files(pd.DataFrame(rows), tmp_path, profile, "image")
    assert [len(load_clip(path).frames) for (path,) in stills] == [16, 1]
    assert stills[0] == prepare_files(pd.DataFrame(rows), tmp_path, profile, "clip")[0]


def test_a_second_time_gives_the_same(model, video, tmp_path):
    first, again = (score_video(model, video, tmp_path / name)[0] for name in "ab")
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("damage", ["missing", "no JSON"])
def test_settings_must_lie_beside_the_weights(model, video, tmp_path, damage):
    alone = tmp_path / "net.safetensors"
    alone.write_bytes(model.read_bytes())
    if damage == "no JSON":
        alone.with_suffix(".json").write_text("{", "utf-8")
    with pytest.raises(FibrolibError, match=r"net\.json: the settings of the model are missing or damaged"):
        score_video(alone, video, tmp_path)


def test_what_is_no_model_and_no_video_is_refused(model, video, tmp_path):
    with pytest.raises(FibrolibError):
        score_video(video, video, tmp_path)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        score_video(model, broken, tmp_path)


def answers(files, work):
    """What is said of each file; empty where it is read."""
    said = {}
    for file in files:
        try:
            work(file)
            said[file.name] = ""
        except VideoError as error:
            said[file.name] = str(error).replace(str(file), file.name)
    return said


def test_score_run_and_check_say_the_same_of_a_file(model, video, tmp_path):
    good = video.read_bytes()
    frames = np.random.default_rng(0).integers(0, 255, (12, 96, 96), dtype=np.uint8)
    (tmp_path / "good.mp4").write_bytes(good)
    (tmp_path / "cut.mp4").write_bytes(good[: len(good) // 2])
    (tmp_path / "text.avi").write_bytes(b"no video")
    (tmp_path / "video.dcm").write_bytes(good)
    Image.new("1", (9000, 20)).save(tmp_path / "wide.png")
    write_dicom(tmp_path / "good.dcm", frames, 20, patient_id="a")
    whole = (tmp_path / "good.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-9000])
    (tmp_path / "bare").write_bytes(whole[132:])
    files = sorted(tmp_path.iterdir())
    table = pd.DataFrame({"patient_id": range(len(files)), "video": [file.name for file in files], "stage": 1})
    table.to_csv(tmp_path / "cohort.csv", index=False)
    checked = dict.fromkeys(table["video"], "")
    for finding in check_cohort(tmp_path / "cohort.csv").findings:
        if finding.kind == "unreadable":
            checked[table["video"][finding.rows[0] - 2]] = finding.message
    assert sum(map(bool, checked.values())) == 4
    assert answers(files, lambda file: score_video(model, file, tmp_path)) == checked

    def prepare(file):
        one = pd.DataFrame({"videos": [(file,)], "images": [(None,)], "rois": [(None,)]})
        prepare_files(one, tmp_path / "prepared", load_profile("smoke"), "clip")

    assert answers(files, prepare) == checked
