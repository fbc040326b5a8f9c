"""Convolution, batch normalisation and activation in one pass, where the statistics of the normalisation are fixed.

Maps are large and kernels small: a layer costs as many passes over the maps as it takes, more than its products.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv3d
from torch.nn.modules.batchnorm import _BatchNorm

_Pair = tuple[nn.Module, str, str]
"""A module, and the names of two of its layers: a convolution, and the batch normalisation of what it returns."""

_FUSED = {nn.Identity: ("none", []), nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}
"""Activations that oneDNN computes while it writes the maps: its names and numbers."""


def find_pairs(modules: Iterable[nn.Module]) -> list[_Pair]:
    """Convolutions with their batch normalisation, in modules that list layers in the order in which data passes."""
    return [
        (module, name, next_name)
        for module in modules
        for (name, layer), (next_name, following) in pairwise(module.named_children())
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and layer.padding_mode == "zeros" and layer.padding != "same"
        if isinstance(following, _BatchNorm) and following.affine and following.track_running_stats
    ]


@contextmanager
def folded(pairs: Sequence[_Pair], maps: Tensor, dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Compute each pair as one layer, within, if `maps` are on the CPU; `dtype` is that of layers without gradient.

    A pair whose normalisation learns its statistics, or that a hook listens to, stays as it is.
    """
    with ExitStack() as undo:
        for module, name, next_name in pairs if maps.device.type == "cpu" else ():
            layer, norm = getattr(module, name), getattr(module, next_name)
            if norm.training or _has_hooks(layer) or _has_hooks(norm):
                continue
            undo.callback(module._modules.update, {name: layer, next_name: norm})
            module._modules.update({name: _Folded(layer, norm, dtype), next_name: nn.Identity()})
        yield


def _has_hooks(layer: nn.Module) -> bool:
    return any(
        each._forward_hooks or each._forward_pre_hooks or each._backward_hooks or each._backward_pre_hooks
        for each in layer.modules()
    )


class _Folded(nn.Module):
    """A convolution whose weights hold the normalisation behind it, and its activation."""

    def __init__(self, layer: nn.Conv2d | nn.Conv3d, norm: _BatchNorm, dtype: torch.dtype) -> None:
        super().__init__()
        self._layer, self._dtype = [layer], dtype  # in a list: no module of this one
        self._after = [getattr(norm, "act", nn.Identity())]
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        self._weight = layer.weight * scale.view(-1, *[1] * (layer.weight.ndim - 1))
        self._bias = norm.bias - norm.running_mean * scale
        if layer.bias is not None:
            self._bias = self._bias + layer.bias * scale

    def forward(self, maps: Tensor) -> Tensor:
        layer, activation = self._layer[0], self._after[0]
        learned = torch.is_grad_enabled() and any(each.requires_grad for each in (maps, self._weight, self._bias))
        dtype = maps.dtype if learned else self._dtype
        maps, weight, bias = (each.to(dtype) for each in (maps, self._weight, self._bias))
        if learned or not torch.backends.mkldnn.is_available():
            return activation(_convolve(layer, maps, weight, bias))
        padding, cut = _padding(layer, maps.shape[2:])
        name, numbers = _FUSED.get(type(activation), ("none", []))
        settings = padding, layer.stride, layer.dilation, layer.groups, name, numbers, ""
        maps = torch.ops.mkldnn._convolution_pointwise(maps, weight, bias, *settings)[cut]
        return maps if type(activation) in _FUSED else activation(maps)


def _convolve(layer: nn.Conv2d | nn.Conv3d, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Other weights in the place of a layer's own, with their gradient."""
    if type(layer) not in (nn.Conv2d, nn.Conv3d):
        from timm.layers.padding import pad_same

        maps = pad_same(maps, layer.kernel_size, layer.stride, layer.dilation)
    convolve = conv2d if maps.ndim == 4 else conv3d
    return convolve(maps, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)


def _padding(layer: nn.Conv2d | nn.Conv3d, sides: Sequence[int]) -> tuple[list[int], tuple[slice, ...]]:
    """Padding of a convolution, and the part of its result that is meant.

    TensorFlow's "same" pads the end more than the beginning. A copy of the maps with such a border costs more than one
    row of results too many at the beginning, which is cut off.
    """
    if type(layer) in (nn.Conv2d, nn.Conv3d):
        return list(layer.padding), ()
    padding, cut = [], [slice(None), slice(None)]
    for side, kernel, stride, dilation in zip(sides, layer.kernel_size, layer.stride, layer.dilation, strict=True):
        results = -(-side // stride)
        border = max((results - 1) * stride + (kernel - 1) * dilation + 1 - side, 0)
        before, uneven = divmod(border, 2)
        padding.append(before + uneven * stride)
        cut.append(slice(uneven, uneven + results))
    return padding, tuple(cut)
