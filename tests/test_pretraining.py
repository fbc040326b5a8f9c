"""Pretraining: pictures are made once, weights fit the net they were made for, and measuring is learned."""

import numpy as np
import pytest
import torch
from conftest import make_patients
from safetensors.torch import load_file

from fibrolib.errors import FibrolibError
from fibrolib.learning.training import torch_threads
from fibrolib.nets import build_net
from fibrolib.phantom import QUANTITIES
from fibrolib.pretraining import RECIPES, make_weights, pretrain
from fibrolib.pretraining.simulation import _simulate_pictures
from fibrolib.video import load_clip

SMALL = {
    "architecture": "motion_slowfast",
    "options": {"weights": "scratch", "width": 4},
    "clips": {"view": "clips", "clip_length": 5, "frame_stride": 1},
    "quantities": ("strain",),
    "learning_rate": 2e-3,
}


@pytest.fixture(autouse=True)
def one_thread():
    with torch_threads(1):
        yield


@pytest.fixture
def flickering(tmp_path):
    """Clips whose flicker is the quantity to be measured."""
    patients = make_patients(tmp_path, 48, n_stages=4, side=32)
    return patients.assign(clustering=0.0, nodules=0.0, strain=patients["stage"].astype(float))


@pytest.mark.parametrize(("view", "shape"), [("clips", (6, 32, 32)), ("stills", (1, 32, 32))])
def test_pictures_are_made_once_and_measured(tmp_path, view, shape):
    settings = {"patients": 2, "seed": 5, "size": 32, "max_frames": 6, "n_jobs": 1}
    pictures = _simulate_pictures(tmp_path, view, **settings)
    assert load_clip(pictures[view].iloc[0][0]).frames.shape == shape
    assert np.isfinite(pictures[list(QUANTITIES)].to_numpy(dtype=float)).all()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    _simulate_pictures(tmp_path, view, **settings)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_weights_are_taken_up_by_the_net_they_were_made_for(flickering, tmp_path):
    out = tmp_path / "weights" / "mine.safetensors"
    pretrain(flickering, out, epochs=1, **SMALL)
    one, other = (build_net("motion_slowfast", 5, weights=str(out), width=4).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one if not name.startswith("head."))
    assert not list(out.parent.rglob(".unfinished-*"))
    with pytest.raises(FibrolibError, match="width = 4, not 8"):
        build_net("motion_slowfast", 5, weights=str(out), width=8)


def test_same_seed_same_weights(flickering, tmp_path):
    for name in "ab":
        pretrain(flickering, tmp_path / name, epochs=1, **SMALL)
    one, other = load_file(tmp_path / "a"), load_file(tmp_path / "b")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_flickers_more_is_measured_as_more(flickering, tmp_path):
    correlations, history = pretrain(flickering, tmp_path / "w", epochs=24, **SMALL)
    assert correlations["strain"] > 0.8
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]


def test_another_net_can_begin_with_what_fits(flickering, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    pretrain(flickering, first, epochs=1, **SMALL)
    still = {**SMALL, "options": {"weights": "scratch", "width": 8}}
    pretrain(flickering, second, epochs=1, initial_weights=first, **{**still, "learning_rate": 0.0})
    one = build_net("motion_slowfast", 5, weights=str(first), width=4).state_dict()
    two = build_net("motion_slowfast", 5, weights=str(second), width=8).state_dict()
    assert torch.equal(one["backbone.model.conv_stem.weight"], two["backbone.model.conv_stem.weight"])
    assert one["fast.stem.0.weight"].shape != two["fast.stem.0.weight"].shape


def test_recipes_are_of_the_packaged_nets():
    for architecture, recipe in RECIPES.items():
        shape = {key: value for key, value in recipe["options"].items() if key != "weights"}
        build_net(architecture, 5, **shape, weights="simulation")
    with pytest.raises(ValueError, match="frame_cnn"):
        make_weights(None, None, only="r3d_18")
