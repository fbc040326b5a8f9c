import numpy as np
import pytest
import torch
from conftest import make_patients
from torch import nn

from fibrolib.attribution import GradCam, gradcam, region_share, shown
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.video import load_clip


class Linear3d(nn.Module):
    """One convolution, mean over space and time, one weight per channel: its Grad-CAM has a closed form."""

    def __init__(self):
        super().__init__()
        self.cam_layer = nn.Conv3d(1, 2, kernel_size=1, bias=False)
        self.cam_layer.weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1, 1)
        self.weights = torch.tensor([2.0, 0.5])

    def forward(self, clips):
        return (self.cam_layer(clips).mean(dim=(2, 3, 4)) @ self.weights)[:, None]


def classifier_with(net, **options):
    classifier = NetClassifier(**{"length": 4, "n_windows": 1, "cutoff": 1, **options})
    classifier.module_ = net
    return classifier


@pytest.fixture
def clip(flicker_patients):
    return load_clip(flicker_patients["clips"].iloc[2][0])


def test_linear_net_has_its_closed_form(clip):
    cam = gradcam(classifier_with(Linear3d()), clip)
    # d score / d activation = weight / size, so the map is (2 * x - 0.5 * x) / size: in proportion to the picture.
    expected = cam.frames / 255.0 * clip.sector
    np.testing.assert_allclose(cam.relevance, expected / expected.max(), rtol=1e-5)


def test_score_is_that_of_the_window(clip):
    cam = gradcam(classifier_with(Linear3d()), clip)
    assert cam.score == pytest.approx(1 / (1 + np.exp(-1.5 * (cam.frames / 255).mean())), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "view"),
    [
        ("motion_resnet3d", {"width": 4}, "clips"),
        ("frame_lstm", {"pretrained": False, "hidden": 4}, "clips"),
        ("frame_cnn", {"pretrained": False}, "stills"),
        ("r3d_18", {}, "clips"),
    ],
)
def test_every_net_has_a_map_of_its_window(tmp_path, name, options, view):
    patients = make_patients(tmp_path, 6, side=32)
    length = 1 if view == "stills" else 8
    net = NetClassifier(name, options, view=view, length=length, n_windows=1, epochs=1, cutoff=1)
    net.fit(patients, patients["stage"])
    cam = gradcam(net, load_clip(patients[view].iloc[2][0]), cutoff=2)
    assert cam.relevance.shape == cam.frames.shape == cam.roi.shape == (length, 32, 32)
    assert 0 <= cam.relevance.min() <= cam.relevance.max() <= 1
    assert (cam.relevance[:, ~cam.sector] == 0).all()


def test_a_net_without_maps_is_a_sentence(clip):
    class Flat(nn.Sequential):
        cam_layer = property(lambda self: self[1])

    net = Flat(nn.Flatten(), nn.Linear(4 * 24 * 24, 3), nn.Linear(3, 1))
    with pytest.raises(FibrolibError, match="convolutional backbone"):
        gradcam(classifier_with(net), clip)


def make_cam(relevance, roi, sector=None):
    sector = np.ones(relevance.shape[1:], dtype=bool) if sector is None else sector
    return GradCam(np.zeros(relevance.shape, np.uint8), relevance.astype(np.float32), roi, sector, 0.5)


def test_share_of_a_map_without_preference_is_the_share_of_area():
    roi = np.zeros((2, 4, 4), dtype=bool)
    roi[:, 0] = True
    found = region_share(make_cam(np.ones((2, 4, 4)), roi))
    assert found.relevance == found.area == 0.25


def test_only_the_sector_counts():
    roi = np.zeros((1, 4, 4), dtype=bool)
    roi[0, 0] = True
    sector = np.zeros((4, 4), dtype=bool)
    sector[:2] = True
    relevance = np.zeros((1, 4, 4))
    relevance[0, 0, 0], relevance[0, 1, 1], relevance[0, 3, 3] = 3, 1, 100
    found = region_share(make_cam(relevance, roi, sector))
    assert (found.relevance, found.area) == (0.75, 0.5)


def test_an_empty_map_has_no_share():
    found = region_share(make_cam(np.zeros((1, 4, 4)), np.ones((1, 4, 4), dtype=bool)))
    assert np.isnan(found.relevance)
    assert found.area == 1


def test_no_region_no_share():
    with pytest.raises(ValueError, match="no marked region"):
        region_share(make_cam(np.ones((1, 4, 4)), None))


def test_what_is_shown_to_the_nets(tmp_path, clip):
    patients = make_patients(tmp_path, 3)
    net = NetClassifier(options={"width": 4}, length=4, epochs=1, cutoff=1).fit(patients, patients["stage"])
    channels = shown(net, clip)
    assert list(channels) == ["grey value", "absolute difference", "signed difference"]
    np.testing.assert_allclose(channels["absolute difference"], np.abs(channels["signed difference"]))
    assert list(shown(classifier_with(Linear3d()), clip)) == ["grey value"]
