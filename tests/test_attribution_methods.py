"""Class activation maps against closed forms, Captum, and the package grad-cam."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from small_nets import Linear3d, classifier_with
from torch import nn

from fibrolib.attribution import attribute
from fibrolib.attribution.methods import _CAMS, _class_activation
from fibrolib.errors import FibrolibError
from fibrolib.nets import build_net
from fibrolib.video import Clip, load_clip

REFERENCE = np.load(Path(__file__).parent / "reference" / "cams.npz")


class Frames(nn.Module):
    """A 2-D net on the frames of clips, their scores averaged."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, clips):
        return self.net(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(clips), -1)).mean(1)


@pytest.fixture
def clip(flicker_patients):
    return load_clip(flicker_patients["clips"].iloc[2][0])


def small_net():
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2, padding=1, bias=False),
        nn.Tanh(),
        nn.Conv2d(6, 8, 3, padding=1, bias=False),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3, bias=False),
    )
    net.load_state_dict({name: torch.from_numpy(REFERENCE[name]) for name in net.state_dict()})
    return net


@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_a_linear_net_has_its_closed_form(clip, method):
    found = attribute(classifier_with(Linear3d()), clip, method)
    # d score / d activation = weight / size everywhere, so the map is (2 x - 0.5 x) / size: the picture itself. Both
    # weights are positive, so Layer-CAM cuts nothing off.
    expected = found.frames / 255.0 * clip.sector
    np.testing.assert_allclose(found.relevance, expected / expected.max(), rtol=1e-5)


def test_grad_cam_plus_plus_of_a_linear_net_has_its_closed_form():
    activations = torch.tensor([[[[[1.0, 3.0]]], [[[2.0, 2.0]]]]])
    gradients = torch.tensor([2.0, 0.5]).view(1, 2, 1, 1, 1).expand_as(activations)
    # alpha = g^2 / (2 g^2 + sum(A) g^3) = 1 / (2 + g sum(A)): 1/10 and 1/4; weights: two places, alpha g: .4 and .25.
    expected = [[0.4 * 1 + 0.25 * 2, 0.4 * 3 + 0.25 * 2]]
    np.testing.assert_allclose(_CAMS["gradcam++"](activations, gradients)[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("method", list(_CAMS))
@pytest.mark.parametrize("target", [1, 2, 3])
def test_maps_agree_with_the_package_grad_cam(method, target):
    image = REFERENCE["image"]
    still = Clip(image[None], 1.0, np.ones(image.shape, bool))
    estimator = classifier_with(Frames(small_net()), clip_length=1)
    found = attribute(estimator, still, method, target=target, layer="net.3")
    # grad-cam stretches a map from its smallest value to its largest, ours begins at 0: no evidence.
    stretched = (found.relevance[0] - found.relevance.min()) / np.ptp(found.relevance)
    np.testing.assert_allclose(stretched, REFERENCE[f"{method}/{target - 1}"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("motion_resnet3d", {"width": 4}),
        ("motion_slowfast", {"width": 4, "weights": "scratch"}),
        ("frame_lstm", {"weights": "scratch", "hidden": 4}),
    ],
)
def test_grad_cam_is_that_of_captum(name, options):
    torch.manual_seed(3)
    net, clips = build_net(name, 3, **options).eval(), torch.rand(2, 1, 5, 32, 32)
    nn.init.normal_(net.head.severity.weight)  # an untrained head may say nothing at all
    layer = next(key for key, module in net.named_modules() if module is net.cam_layer)
    maps, scores = _class_activation(["gradcam"], net, layer, clips, lambda logits: logits[:, 1])
    found = maps["gradcam"]
    expected = LayerGradCam(net, net.cam_layer).attribute(clips, target=1)[:, 0].detach()
    expected = expected.reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * expected.abs().max())
    np.testing.assert_allclose(scores, net(clips)[:, 1].detach(), rtol=1e-5)


def test_a_layer_that_works_in_place_after_it_changes_nothing():
    clips = torch.rand(1, 1, 2, 24, 24)
    before, after = (
        _class_activation(["layercam"], Frames(small_net()), f"net.{at}", clips, lambda x: x[:, 0])[0]["layercam"]
        for at in (2, 3)
    )
    # Before the ReLU negative activations are still there, and the gradient there is that of the ReLU: 0.
    np.testing.assert_allclose(before.relu(), after.relu(), atol=1e-4 * float(after.max()))


def test_a_layer_that_is_passed_twice_is_a_sentence():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(1, 1, 1)

        def forward(self, clips):
            return self.conv(self.conv(clips)).mean((2, 3, 4))

    with pytest.raises(FibrolibError, match="passed 2 times"):
        _class_activation(["gradcam"], Twice(), "conv", torch.rand(1, 1, 2, 8, 8), lambda logits: logits[:, 0])
