"""The viewer, used without a browser."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from small_nets import Linear3d, classifier_with
from torch import nn

from fibrolib.attribution import METHODS, attribute
from fibrolib.experiments.viewer import Viewer
from fibrolib.nets import build_net
from fibrolib.plots import beside_overlay
from fibrolib.plots.maps import _overlay_frames
from fibrolib.video import load_clip


@pytest.fixture(scope="module")
def clips(flicker_patients):
    return {f"patient {name}": load_clip(flicker_patients["clips"].iloc[row][0]) for row, name in enumerate("ABC")}


@pytest.fixture
def viewer(clips):
    torch.manual_seed(0)
    net = build_net("motion_resnet3d", 3, width=4).eval()
    nn.init.normal_(net.head.severity.weight)
    return Viewer(classifier_with(net, clip_length=6), clips)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_frame_and_overlay_stand_side_by_side(viewer):
    viewer.frame.value = 4
    shown, cam = pixels(viewer.picture), viewer.explanation
    assert np.array_equal(shown[:, :24, 0], cam.frames[4])
    assert np.array_equal(shown[:, 26:50], _overlay_frames(cam, viewer.opacity.value)[4])
    np.testing.assert_array_equal(shown, beside_overlay(cam)[4])


def test_without_opacity_both_are_the_frame(viewer):
    viewer.opacity.value = 0
    shown = pixels(viewer.picture)
    assert np.array_equal(shown[:, :24], shown[:, 26:50])


@pytest.mark.parametrize("method", METHODS[1:])
def test_choosing_shows_the_map_of_attribute(viewer, clips, method):
    viewer.method.value, viewer.patient.value = method, "patient C"
    expected = attribute(viewer._estimator, clips["patient C"], method)
    assert np.array_equal(viewer.explanation.relevance, expected.relevance)
    assert method in viewer.caption
    assert f"P(stage >= 1) = {expected.score:.2f}" in viewer.caption


def test_a_map_is_made_once(viewer):
    first = viewer.explanation
    viewer.patient.value = "patient B"
    viewer.patient.value = "patient A"
    assert viewer.explanation is first


def test_an_empty_map_says_so(clips):
    net = Linear3d()
    net.weights = torch.tensor([-1.0, 0.0])
    assert "Nothing in this window spoke for it" in Viewer(classifier_with(net), clips).caption


def test_without_a_kernel_the_first_state_is_a_picture(viewer):
    shown = viewer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert shown["image/png"]


def test_a_still_has_nothing_to_play(clips):
    viewer = Viewer(classifier_with(Linear3d(), clip_length=1), clips)
    controls = viewer.box.children[0].children
    assert viewer.play not in [child for box in controls for child in getattr(box, "children", ())]
