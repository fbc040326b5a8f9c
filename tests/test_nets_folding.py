"""Folded layers against the same layers one by one, as torch and timm compute them."""

from copy import deepcopy
from itertools import product

import pytest
import torch
from torch import nn

from fibrolib.nets import build_net, import_torchvision
from fibrolib.nets.backbone import Backbone
from fibrolib.nets.folding import _Folded, find_pairs, folded

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
        if hasattr(module, "_pairs"):
            module._pairs = []
    return network


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch):
    monkeypatch.setattr("fibrolib.nets.backbone._has_bfloat16", lambda: False)


@pytest.mark.parametrize(("name", "shape"), [("frame_cnn", (2, 1, 1, 64, 75)), ("motion_slowfast", (2, 1, 9, 64, 64))])
@pytest.mark.parametrize("gradient", [False, True])
def test_a_folded_network_gives_the_same_scores(name, shape, gradient):
    net = with_other_statistics(build_net(name, 3).eval())
    clips = torch.rand(shape)
    assert find_pairs(net.backbone.model.modules()) == net.backbone._pairs != []
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
    seen, forward = [], _Folded.forward

    def record(self, maps):
        out = forward(self, maps)
        seen.append((self._weight.requires_grad, out.dtype))
        return out

    monkeypatch.setattr(_Folded, "forward", record)
    backbone = Backbone(freeze_to_stride=8)
    learned = sum(getattr(module, name).weight.requires_grad for module, name, _ in backbone._pairs)
    backbone.eval()(torch.rand(1, 1, 64, 64))
    assert {dtype for _, dtype in seen} == {torch.float32}, "maps that are explained"
    seen.clear()
    for module, _, norm in backbone.train()._pairs:
        getattr(module, norm).eval()  # as pretrained layers learn
    backbone(torch.rand(1, 1, 64, 64))
    assert len(seen) == len(backbone._pairs)
    assert [dtype for grad, dtype in seen if grad] == [torch.float32] * learned
    assert {dtype for grad, dtype in seen if not grad} == {torch.bfloat16}
    seen.clear()
    with torch.no_grad():
        assert backbone.eval()(torch.rand(1, 1, 64, 64)).dtype == torch.float32
    assert {dtype for _, dtype in seen} == {torch.bfloat16}


def test_same_padding_is_that_of_timm():
    """One row too many at the beginning is cut off, for every side, kernel, stride and dilation."""
    generator = torch.Generator().manual_seed(0)
    for (height, width), kernel, stride, dilation in product([(8, 9), (13, 6)], (1, 2, 3, 4, 5), (1, 2, 3), (1, 2)):
        layer = Conv2dSame(2, 4, kernel, stride, dilation=dilation)
        norm = with_other_statistics(BatchNormAct2d(4, act_layer=nn.ReLU6)).eval()
        maps = torch.rand(2, 2, height, width, generator=generator)
        with torch.no_grad():
            expected, found = norm(layer(maps)), _Folded(layer, norm, torch.float32)(maps)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "relu6", "swish", "identity"])
@pytest.mark.parametrize("onednn", [True, False])
def test_activations(activation, onednn, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
    layer, maps = nn.Conv2d(3, 8, 3, 2, 1, groups=1), torch.randn(2, 3, 15, 16)
    norm = with_other_statistics(BatchNormAct2d(8)).eval()
    norm.act = create_act_layer(activation)
    with torch.no_grad():
        torch.testing.assert_close(_Folded(layer, norm, torch.float32)(maps), norm(layer(maps)), rtol=1e-4, atol=1e-5)


def test_the_network_is_whole_again_afterwards():
    net = nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2), nn.ReLU()).eval()
    layers, maps = list(net), torch.rand(1, 1, 4, 8, 8)
    pairs = find_pairs(net.modules())
    assert [names for _, *names in pairs] == [["0", "1"]]
    with pytest.raises(ZeroDivisionError), folded(pairs, maps):
        assert isinstance(net[0], _Folded)
        raise ZeroDivisionError
    assert list(net) == layers
    with folded(pairs, maps.to("meta")):
        assert list(net) == layers, "on other devices nothing is folded"


def test_a_layer_that_is_listened_to_stays():
    net, maps, heard = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval(), torch.rand(1, 1, 8, 8), []
    pairs = find_pairs(net.modules())
    for layer in net:
        with layer.register_forward_hook(lambda *_: heard.append(1)), folded(pairs, maps):
            net(maps)
    assert len(heard) == 2
    with folded(pairs, maps):
        net(maps)
    assert len(heard) == 2


def test_a_normalisation_that_learns_its_statistics_stays():
    net, maps = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), torch.rand(4, 1, 8, 8)
    with folded(find_pairs(net.modules()), maps):
        net(maps)
    assert net[1].num_batches_tracked == 1


def test_other_networks_are_not_folded():
    assert Backbone("resnet18", pretrained=False)._pairs == []
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.BatchNorm2d(2))
    also = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False))
    also.append(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(2)))
    assert find_pairs([*net.modules(), *also.modules()]) == []
