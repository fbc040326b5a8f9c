"""Which files are prepared for a patient, and with which mask."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fibrolib.phantom import simulate_cohort
from fibrolib.study.preprocessing import sources


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
