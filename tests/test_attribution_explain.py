"""One call for every net and method; layers, targets, pixels."""

import numpy as np
import pytest
import torch
from conftest import make_patients
from small_nets import Linear3d, Patch, classifier_with
from torch import nn

from fibrolib.attribution import (
    METHODS,
    Target,
    attribute,
    attribute_methods,
    fine_layer,
    list_layers,
)
from fibrolib.attribution.explain import _as_batch, _window_scores, middle_window
from fibrolib.attribution.methods import _block_occlusion, _integrated_gradients, _neutral
from fibrolib.errors import FibrolibError
from fibrolib.learning.training import torch_threads
from fibrolib.nets import build_net
from fibrolib.video import Clip, load_clip


@pytest.fixture
def clip(flicker_patients):
    return load_clip(flicker_patients["clips"].iloc[2][0])


def untrained(name, cutoff=1, clip_length=8, **options):
    torch.manual_seed(0)
    net = build_net(name, 3, **options).eval()
    nn.init.normal_(net.head.severity.weight)  # an untrained head may say nothing at all
    return classifier_with(net, clip_length=clip_length, cutoff=cutoff)


NETS = [
    ("motion_resnet3d", {"width": 4}),
    ("motion_slowfast", {"width": 4, "weights": "scratch"}),
    ("frame_lstm", {"weights": "scratch", "hidden": 4}),
    ("frame_cnn", {"weights": "scratch"}),
    ("r3d_18", {}),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("name", "options"), NETS[:4], ids=[name for name, _ in NETS[:4]])
def test_every_method_explains_every_net(clip, name, options, method):
    found = attribute(untrained(name, clip_length=5, **options), clip, method, target=2)
    assert found.relevance.shape == found.frames.shape == found.roi.shape == (5, 24, 24)
    assert 0 <= found.relevance.min() <= found.relevance.max() == 1
    assert (found.relevance[:, ~found.sector] == 0).all()
    assert (found.method, found.target) == (method, Target(2))
    assert (found.layer == "") == (method in ("integrated gradients", "occlusion"))


@pytest.mark.parametrize(("name", "options"), NETS, ids=[name for name, _ in NETS])
def test_a_batch_gives_the_maps_of_its_clips(tmp_path, name, options):
    patients = make_patients(tmp_path, 3, side=32)
    clips = [load_clip(paths[0]) for paths in patients["clips"]]
    estimator = untrained(name, **options)
    together = attribute_methods(estimator, clips, ["gradcam"], batch_size=2)["gradcam"]
    for clip, batched in zip(clips, together, strict=True):
        alone = attribute(estimator, clip)
        np.testing.assert_allclose(batched.relevance, alone.relevance, atol=1e-4)
        assert batched.score == pytest.approx(alone.score, rel=1e-5)


def test_methods_together_are_those_alone(clip):
    estimator = untrained("motion_resnet3d", width=4)
    together = attribute_methods(estimator, [clip], ["layercam", "occlusion", "gradcam"])
    for method, (found,) in together.items():
        alone = attribute(estimator, clip, method)
        np.testing.assert_allclose(found.relevance, alone.relevance, atol=1e-6)
        assert (found.method, found.layer, found.score) == (method, alone.layer, pytest.approx(alone.score))


def test_a_map_knows_where_it_came_from(clip):
    found = attribute(classifier_with(Linear3d(), frame_stride=2), clip)
    assert (found.method, found.layer, str(found.target)) == ("gradcam", "cam_layer", "stage >= 1")
    assert found.score == pytest.approx(1 / (1 + np.exp(-1.5 * (found.frames / 255).mean())), rel=1e-5)
    # The clip has ten frames at 20 per second; the middle of three windows of four frames, two apart, begins at 2.
    np.testing.assert_allclose(found.times, [0.1, 0.2, 0.3, 0.4])
    assert found.fps == pytest.approx(10)


def test_the_estimator_is_as_it_was(clip):
    estimator = untrained("motion_resnet3d", width=4)
    before = {name: tensor.clone() for name, tensor in estimator.module_.state_dict().items()}
    attribute(estimator, clip)
    assert all(parameter.requires_grad for parameter in estimator.module_.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in estimator.module_.state_dict().items())


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenetv3_small_050", "convnext_atto"])
def test_a_backbone_unknown_to_us_is_explained(clip, backbone):
    estimator = untrained("frame_lstm", clip_length=2, backbone=backbone, weights="scratch", hidden=4)
    large = Clip(
        np.kron(clip.frames, np.ones((1, 3, 3), np.uint8)), clip.fps, np.kron(clip.sector, np.ones((3, 3))) > 0
    )
    layers = list_layers(estimator, large)
    deepest = layers.iloc[-1]
    assert (deepest["layer"], deepest["times"]) == ("backbone", 2)
    assert attribute(estimator, large).layer == "backbone"
    first = layers["layer"].iloc[0]
    assert attribute(estimator, large, layer=first).relevance.shape == (2, 72, 72)


def test_any_layer_by_name(clip):
    estimator = untrained("motion_resnet3d", width=4)
    maps = {name: attribute(estimator, clip, layer=name).relevance for name in ("pathway.stem", "pathway.blocks.2")}
    assert not np.allclose(*maps.values())
    layers = list_layers(estimator, clip).set_index("layer")
    assert tuple(layers.loc["pathway.stem", ["channels", "times", "height", "width"]]) == (4, 7, 12, 12)


def test_a_fine_layer_is_the_deepest_that_is_not_too_coarse(clip):
    estimator = untrained("motion_resnet3d", width=4)
    heights = list_layers(estimator, clip).set_index("layer")["height"]
    name = fine_layer(estimator, clip)  # at most four pixels of 24 per place
    assert heights[name] >= 6
    assert (heights.loc[name:].iloc[1:] < 6).all()
    assert heights[fine_layer(estimator, clip, coarseness=2)] == 12
    coarse = nn.Sequential(nn.Conv3d(1, 2, 3, (1, 8, 8)), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 1))
    with pytest.raises(FibrolibError, match="No layer of this net"):
        fine_layer(classifier_with(coarse), clip)


def test_without_a_layer_of_its_own_the_last_map_is_taken(clip):
    net = nn.Sequential(nn.Conv3d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 1))
    assert attribute(classifier_with(net), clip).layer == "1"


def test_an_unknown_layer_lists_those_there_are(clip):
    estimator = untrained("motion_resnet3d", width=4)
    with pytest.raises(FibrolibError, match=r"'pathway.block' does not exist.*pathway.blocks, .*list_layers"):
        attribute(estimator, clip, layer="pathway.block")
    with pytest.raises(FibrolibError, match="'pool' gives no maps of the picture"):
        attribute(estimator, clip, layer="pool")


def test_a_net_without_maps_is_a_sentence(clip):
    class Flat(nn.Sequential):
        cam_layer = property(lambda self: self[1])

    net = Flat(nn.Flatten(), nn.Linear(4 * 24 * 24, 3), nn.Linear(3, 1))
    with pytest.raises(FibrolibError, match="convolutional backbone"):
        attribute(classifier_with(net), clip)


def test_what_cannot_be_asked_is_a_sentence(clip):
    estimator = classifier_with(Linear3d())
    with pytest.raises(FibrolibError, match=r"no method 'saliency'.*layercam"):
        attribute(estimator, clip, "saliency")
    with pytest.raises(FibrolibError, match="takes no layer"):
        attribute(estimator, clip, "occlusion", layer="cam_layer")
    with pytest.raises(FibrolibError, match=r"stage >= 2.*stages 0 to 1"):
        attribute(estimator, clip, target=2)


def test_targets_are_the_stages_of_the_ordinal_head():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    reached = torch.sigmoid(logits[0]).tolist()
    exact = [1 - reached[0], reached[0] - reached[1], reached[1] - reached[2], reached[2]]
    for stage, probability in enumerate(exact):
        found = torch.sigmoid(Target(stage, exactly=True).log_odds(logits))
        assert found.item() == pytest.approx(probability, rel=1e-5)
    assert Target(2).log_odds(logits).item() == 0.0
    assert str(Target(3, exactly=True)) == "stage = 3"
    with pytest.raises(FibrolibError, match="from 1 to 3"):
        Target(0).log_odds(logits)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam", "integrated gradients", "occlusion"])
def test_a_net_that_looks_at_one_patch_is_explained_by_it(clip, method):
    inside = np.zeros((4, 24, 24), bool)
    inside[Patch.place[2:]] = True
    found = attribute(classifier_with(Patch()), clip, method)
    share = found.relevance[inside].sum() / found.relevance.sum()
    # Grad-CAM averages gradients over all places, so by construction it cannot tell where one channel mattered.
    assert share == pytest.approx(1) if method not in ("gradcam", "gradcam++") else share < 0.2
    if method == "occlusion":
        assert found.relevance[inside].min() > 0


def test_integrated_gradients_are_complete(clip):
    estimator = untrained("motion_resnet3d", width=4)
    window = middle_window(estimator, clip)
    clips, sectors = _as_batch([window.frames], "cpu"), torch.from_numpy(window.sector)[None]

    def score(logits):
        return logits[:, 0]

    found = _integrated_gradients(estimator.module_, clips, sectors, score, steps=200).sum()
    with torch.no_grad():
        expected = score(estimator.module_(clips)) - score(estimator.module_(_neutral(clips, sectors)))
    assert found.item() == pytest.approx(expected.item(), rel=0.02)


def test_integrated_gradients_of_a_linear_net_are_weight_times_difference(clip):
    net, window = Linear3d(), middle_window(classifier_with(Linear3d()), clip)
    clips, sectors = _as_batch([window.frames], "cpu"), torch.from_numpy(window.sector)[None]
    found = _integrated_gradients(net, clips, sectors, lambda logits: logits[:, 0])
    expected = 1.5 * (clips - _neutral(clips, sectors))[:, 0] / clips.numel()
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.abs().max())


def test_occlusion_is_the_fall_of_the_score(clip):
    net, window = Patch(), middle_window(classifier_with(Patch()), clip)
    clips, sectors = _as_batch([window.frames], "cpu"), torch.from_numpy(window.sector)[None]
    found = _block_occlusion(net, clips, sectors, lambda logits: logits[:, 0], blocks=(2, 4, 4))[0]
    hidden = clips.clone()
    hidden[Patch.place] = _neutral(clips, sectors)[Patch.place]
    expected = (net(clips) - net(hidden)).item()
    np.testing.assert_allclose(found[Patch.place[2:]], expected, rtol=1e-5)
    assert found[:2].abs().max() == 0


def test_maps_do_not_depend_on_the_threads_that_torch_has_elsewhere(clip):
    estimator = untrained("frame_lstm", cutoff=2, weights="scratch").set_params(n_threads=1)
    found = {}
    for threads in (1, 2):
        with torch_threads(threads):
            found[threads] = attribute(estimator, clip).relevance
            assert torch.get_num_threads() == threads
    assert np.array_equal(found[1], found[2])


def test_scores_of_windows_are_those_of_the_map(clip):
    estimator = untrained("frame_cnn", cutoff=2, weights="scratch")
    found = attribute(estimator, clip)
    again = _window_scores(estimator, np.stack([found.frames / np.float32(255)] * 5), found.target)
    # Scores are computed without gradients, and may be in bfloat16; the map's score is not.
    np.testing.assert_allclose(again, found.score, rtol=1e-3)
