"""Gradients of learned convolutions against those that torch computes by itself, in double precision."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from fibrolib.nets import build_net
from fibrolib.nets.gradients import convolve

LAYERS = {
    "dense": (nn.Conv2d(5, 7, 1), (2, 5, 9, 8)),
    "dense, three dimensions": (nn.Conv3d(3, 4, 3, stride=(1, 2, 2), padding=1), (2, 3, 5, 9, 8)),
    "depthwise, three wide": (nn.Conv2d(6, 6, 3, padding=1, groups=6), (2, 6, 9, 8)),
    "depthwise, five wide": (nn.Conv2d(6, 6, 5, padding=2, groups=6), (2, 6, 9, 8)),
    "depthwise, four wide": (nn.Conv2d(6, 6, (3, 4), padding=(0, 1), groups=6), (2, 6, 9, 8)),
    "depthwise, with a stride": (nn.Conv2d(6, 6, 5, stride=2, padding=1, groups=6), (2, 6, 12, 11)),
    "depthwise, dilated": (nn.Conv2d(6, 6, 5, dilation=2, padding=4, groups=6), (2, 6, 12, 11)),
    "depthwise, without bias": (nn.Conv2d(6, 6, 7, padding=3, groups=6, bias=False), (2, 6, 9, 8)),
    "depthwise, narrow maps": (nn.Conv2d(4, 4, 7, padding=3, groups=4), (2, 4, 2, 2)),
    "depthwise, two a channel": (nn.Conv2d(3, 6, 5, padding=2, groups=3), (2, 3, 9, 8)),
    "in groups": (nn.Conv2d(6, 4, 5, padding=2, groups=2), (2, 6, 9, 8)),
}


@pytest.fixture(params=LAYERS)
def layer_and_maps(request):
    layer, shape = LAYERS[request.param]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in layer.parameters():
            each.normal_(generator=generator)
    return layer.train(), torch.randn(shape, generator=generator, requires_grad=True)


def gradients(layer, maps, compute):
    """What comes out, and gradients of the maps and of all weights."""
    for each in (maps, *layer.parameters()):
        each.grad = None
    found = compute(maps)
    weights = torch.linspace(-1, 1, found.numel(), dtype=found.dtype).reshape(found.shape)
    (found * weights).sum().backward()
    return [found.detach(), *(each.grad.clone() for each in (maps, *layer.parameters()))]


def in_double(layer, maps):
    exact = deepcopy(layer).double()
    return gradients(exact, maps.detach().double().requires_grad_(), exact)


@pytest.mark.parametrize(("bfloat16", "tolerance"), [(False, 1e-5), (True, 1.5e-2)])
def test_gradients_are_those_of_torch(layer_and_maps, bfloat16, tolerance, monkeypatch):
    """In bfloat16, whose numbers have eight bits, within a hundredth of the largest."""
    monkeypatch.setattr("fibrolib.nets.gradients._has_bfloat16", lambda: bfloat16)
    layer, maps = layer_and_maps
    found = gradients(layer, maps, lambda given: convolve(layer, given, layer.weight, layer.bias))
    for ours, exact in zip(found, in_double(layer, maps), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours.double(), exact, rtol=0, atol=tolerance * float(exact.abs().max()))


def test_bfloat16_is_for_what_is_dense_and_learns(monkeypatch):
    monkeypatch.setattr("fibrolib.nets.gradients._has_bfloat16", lambda: True)
    for name, (layer, shape) in LAYERS.items():
        maps = torch.randn(shape)
        plain = layer(maps)
        reduced = name.startswith("dense")
        assert torch.equal(convolve(layer.train(), maps, layer.weight, layer.bias), plain) != reduced, name
        assert torch.equal(convolve(layer.eval(), maps, layer.weight, layer.bias), plain), name
        with torch.no_grad():
            assert torch.equal(convolve(layer.train(), maps, layer.weight, layer.bias), plain), name
        exact = convolve(layer.double(), maps.double(), layer.weight, layer.bias)
        assert exact.dtype == torch.float64
        layer.float()


@pytest.mark.parametrize("name", ["frame_lstm", "motion_slowfast"])
def test_a_training_step_is_nearly_that_of_float32(name, monkeypatch):
    """The gradients of a whole network point the same way."""
    clips, found = torch.rand(4, 1, 9, 64, 64, generator=torch.Generator().manual_seed(1)), []
    for bfloat16 in (False, True):
        for module in ("backbone", "gradients", "volume"):
            monkeypatch.setattr(f"fibrolib.nets.{module}._has_bfloat16", lambda bfloat16=bfloat16: bfloat16)
        torch.manual_seed(0)
        net = build_net(name, 5, weights="imagenet").train()
        net(clips).square().sum().backward()
        learned = {name: each.grad for name, each in net.named_parameters() if each.grad is not None}
        found.append(torch.cat([each.ravel() for each in learned.values()]))
    assert torch.cosine_similarity(*found, dim=0) > 0.98
    assert not torch.equal(*found)
