"""Folded layers against the same layers one by one, as torch and timm compute them."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial
from itertools import product

import pytest
import torch
from torch import nn

from fibrolib.nets import build_net, import_torchvision
from fibrolib.nets.backbone import Backbone
from fibrolib.nets.folding import _dtype, _has_onednn, _Pair, fold, folded

import_torchvision()
from timm.layers import BatchNormAct2d, Conv2dSame, create_act_layer  # noqa: E402


def with_other_statistics(network: nn.Module) -> nn.Module:
    """Statistics and weights of normalisation that a fresh network has not."""
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            for values, low, high in (
                (layer.running_mean, -0.3, 0.3),
                (layer.running_var, 0.5, 2),
                (layer.weight.data, -1, 1),
                (layer.bias.data, -0.5, 1),
            ):
                values.uniform_(low, high, generator=generator)
    return network


def one_by_one(network: nn.Module) -> nn.Module:
    """The same network, without folding."""
    network = deepcopy(network)
    for module in network.modules():
        vars(module).pop("forward", None)
    return network


def pairs_of(network: nn.Module) -> list[_Pair]:
    return [vars(layer)["forward"].__self__ for layer in network.modules() if "forward" in vars(layer)][::2]


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    for module in ("backbone", "gradients", "volume"):
        monkeypatch.setattr(f"fibrolib.nets.{module}._has_bfloat16", lambda: False)


@pytest.mark.parametrize(("name", "shape"), [("frame_cnn", (2, 1, 1, 64, 75)), ("motion_slowfast", (2, 1, 9, 64, 64))])
@pytest.mark.parametrize("gradient", [False, True])
def test_a_folded_network_gives_the_same_scores(name, shape, gradient):
    net = with_other_statistics(build_net(name, 3).eval())
    clips = torch.rand(shape)
    assert len(pairs_of(net)) > 20
    with torch.set_grad_enabled(gradient):
        torch.testing.assert_close(net(clips), one_by_one(net)(clips), rtol=1e-4, atol=1e-4)


def test_a_folded_network_learns_the_same():
    """Weights, and the scale and shift of the normalisation, have the gradients that torch gives them one by one."""
    folding = with_other_statistics(Backbone(freeze_to_stride=8).eval()).double()
    plain, frames = one_by_one(folding), torch.rand(2, 1, 64, 64, dtype=torch.float64)
    for network in (folding, plain):
        network(frames).square().mean().backward()
    compared = 0
    for (name, ours), theirs in zip(folding.named_parameters(), plain.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None) == (not ours.requires_grad), name
        if ours.requires_grad:
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7 * float(theirs.grad.abs().max()))
            compared += 1
    assert compared > 20


def test_layers_without_gradient_are_reduced_and_others_are_not(monkeypatch):
    monkeypatch.setattr("fibrolib.nets.backbone._has_bfloat16", lambda: True)
    backbone, frames, seen = Backbone(freeze_to_stride=8), torch.rand(1, 1, 64, 64), []
    normalise = _Pair._normalise

    def record(self, maps):
        if maps.shape[-1] < 32:  # the finest maps are never reduced
            seen.append((self.layer.weight.requires_grad, maps.dtype))
        return normalise(self, maps)

    pairs = pairs_of(backbone)
    for pair in pairs:
        pair.norm.forward = partial(record, pair)
    backbone.eval()(frames)
    assert {dtype for _, dtype in seen} == {torch.float32}, "maps that are explained"
    seen.clear()
    backbone.train()
    for pair in pairs:
        pair.norm.eval()  # as pretrained layers learn
    backbone(frames)
    assert {dtype for learned, dtype in seen if learned} == {torch.float32}
    assert {dtype for learned, dtype in seen if not learned} == {torch.bfloat16}
    assert len(seen) == len(pairs) - 4
    seen.clear()
    with torch.no_grad():
        assert backbone.eval()(frames).dtype == torch.float32
    assert {dtype for _, dtype in seen} == {torch.bfloat16}


def test_same_padding_is_that_of_timm():
    """One row too many at the beginning is cut off, for every side, kernel, stride and dilation."""
    generator = torch.Generator().manual_seed(0)
    for (height, width), kernel, stride, dilation in product([(8, 9), (13, 6)], (1, 2, 3, 4, 5), (1, 2, 3), (1, 2)):
        layer = Conv2dSame(2, 4, kernel, stride, dilation=dilation)
        norm = with_other_statistics(BatchNormAct2d(4, act_layer=nn.ReLU6)).eval()
        maps = torch.rand(2, 2, height, width, generator=generator)
        expected = norm(layer(maps))
        fold([nn.Sequential(layer, norm)])
        torch.testing.assert_close(norm(layer(maps)), expected)  # by itself, a layer is none but itself
        with torch.no_grad(), folded():
            found = norm(layer(maps))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "relu6", "swish", "identity"])
@pytest.mark.parametrize("onednn", [True, False])
def test_activations(activation, onednn, monkeypatch):
    monkeypatch.setattr("fibrolib.nets.folding._has_onednn", lambda dtype: onednn)
    layer, maps = nn.Conv2d(3, 8, 3, 2, 1, groups=1), torch.randn(2, 3, 15, 16)
    norm = with_other_statistics(BatchNormAct2d(8)).eval()
    norm.act = create_act_layer(activation)
    expected = norm(layer(maps))
    fold([nn.Sequential(layer, norm)])
    with torch.no_grad(), folded():
        torch.testing.assert_close(norm(layer(maps)), expected, rtol=1e-4, atol=1e-5)


def small_net() -> nn.Sequential:
    net = with_other_statistics(nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2)))
    fold(net.modules())
    return net


def test_a_layer_that_is_listened_to_gives_its_own_maps():
    net, maps, heard = small_net().eval(), torch.rand(1, 1, 4, 8, 8), []
    plain = one_by_one(net)
    for layer in net:
        with layer.register_forward_hook(lambda _, inputs, out: heard.append((inputs[0], out))), folded():
            torch.testing.assert_close(net(maps), plain(maps))
    torch.testing.assert_close(heard[0][1], plain[0](maps))
    torch.testing.assert_close(heard[1][0], plain[0](maps))


def test_a_normalisation_that_learns_its_statistics_stays():
    net, maps = small_net(), torch.rand(4, 1, 4, 8, 8)
    with folded():
        torch.testing.assert_close(net(maps), one_by_one(net)(maps))
    assert net[1].num_batches_tracked == 1


@pytest.mark.parametrize("copied", [deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"])
def test_a_copy_computes_with_its_own_weights(copied):
    net, maps = small_net().eval(), torch.rand(1, 1, 4, 8, 8)
    before, copy = net(maps), copied(net)
    nn.init.zeros_(copy[0].weight)
    with folded():
        assert (copy(maps).std((2, 3, 4)) == 0).all()
        torch.testing.assert_close(net(maps), before)


def test_changed_weights_are_seen():
    """Weights are kept between passes, until one of them changes: in place, by another tensor, by loading."""
    net, maps = small_net().eval(), torch.rand(1, 1, 4, 8, 8)
    other = with_other_statistics(nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2))).state_dict()
    changes = {
        "nothing": lambda: None,
        "in place": lambda: nn.init.normal_(net[0].weight),
        "statistics": lambda: net[1].running_var.mul_(2),
        "statistics of other maps": lambda: (net.train(), net(3 * maps), net.eval()),
        "another epsilon": lambda: setattr(net[1], "eps", 0.5),
        "another tensor": lambda: setattr(net[0], "bias", nn.Parameter(torch.ones(2))),
        "data": lambda: setattr(net[1].weight, "data", torch.tensor([3.0, -2.0])),
        "loading": lambda: net.load_state_dict(other),
    }
    before = None
    for name, change in changes.items():
        with torch.no_grad():
            change()
            with folded():
                found = net(maps)
            assert before is None or not torch.equal(found, before), name
            before = found
            torch.testing.assert_close(found, one_by_one(net)(maps), msg=name)
    (pair,) = pairs_of(net)
    kept = pair._kept[-1]
    with torch.inference_mode(), folded():
        assert torch.equal(net(maps), before)
    assert pair._kept[-1] is kept
    assert deepcopy(pair)._kept is None


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.AdamW])
def test_steps_of_fused_optimisers_are_seen(optimiser):
    net, maps = small_net().eval(), torch.rand(1, 1, 4, 8, 8)
    steps = optimiser(net.parameters(), lr=0.1, fused=True)
    for _ in range(2):
        with folded():
            with torch.no_grad():
                torch.testing.assert_close(net(maps), one_by_one(net)(maps))
            net(maps).square().sum().backward()
        steps.step()
    with torch.no_grad(), folded():
        torch.testing.assert_close(net(maps), one_by_one(net)(maps))


def test_fusion_is_explained_in_float32_and_keeps_double_precision(monkeypatch):
    for module in ("backbone", "gradients", "volume"):
        monkeypatch.setattr(f"fibrolib.nets.{module}._has_bfloat16", lambda: True)
    net, seen = build_net("motion_slowfast", 3, weights="scratch", width=4).eval(), []
    net.fusion[2].register_forward_hook(lambda _layer, _inputs, maps: seen.append(maps.dtype))
    clips = torch.rand(1, 1, 9, 64, 64)
    net(clips)
    with torch.no_grad():
        net(clips)
    assert seen == [torch.float32, torch.bfloat16]
    assert net.double().train()(torch.rand(2, 1, 9, 64, 64).double()).dtype == torch.float64


def test_two_threads_may_use_one_network(monkeypatch):
    """One in bfloat16, one in float32: neither sees the other's precision, nor leaves its own behind."""
    monkeypatch.setattr("fibrolib.nets.backbone._has_bfloat16", lambda: True)
    backbone, frames = Backbone().eval(), torch.rand(2, 1, 64, 64)

    def maps(gradient: bool) -> torch.Tensor:
        with torch.set_grad_enabled(gradient):
            return backbone(frames).detach()

    alone = [maps(False), maps(True)]
    assert not torch.equal(*alone)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(maps, [False, True] * 10))
    for at, found in enumerate(together):
        assert torch.equal(found, alone[at % 2])
    assert _dtype.get() is None
    assert not torch.is_autocast_enabled("cpu")


def test_torch_without_the_function_of_its_compiler(monkeypatch):
    assert _has_onednn(torch.float32)
    assert not _has_onednn.__wrapped__(torch.complex64)
    monkeypatch.setattr(torch.ops, "mkldnn", None)
    assert not _has_onednn.__wrapped__(torch.float32)


def test_other_networks_are_not_folded():
    assert pairs_of(Backbone("resnet18", pretrained=False)) == []
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.BatchNorm2d(2))
    also = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False))
    also.append(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(2)))
    fold([*net.modules(), *also.modules()])
    assert pairs_of(net) == pairs_of(also) == []
