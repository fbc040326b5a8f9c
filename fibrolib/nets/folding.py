"""Convolution, batch normalisation and activation in one pass, where the statistics of the normalisation are fixed.

Maps are large and kernels small: a layer costs as many passes over the maps as it takes, more than its products.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fibrolib.nets.gradients import convolve

_ONEDNN = {nn.Identity: ("none", []), nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}
"""Activations that oneDNN computes while it writes the maps: its names and numbers."""

_IDENTITY = nn.Identity()

_dtype: ContextVar[torch.dtype | None] = ContextVar("of layers without gradient; None: not folded", default=None)


@contextmanager
def folded(dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Compute pairs of layers (`fold`) in one pass, in this thread; `dtype` is that of layers without gradient."""
    before = _dtype.set(dtype)
    try:
        yield
    finally:
        _dtype.reset(before)


def fold(modules: Iterable[nn.Module], *, reduced: bool = False) -> None:
    """Let convolutions include the normalisation behind them, in modules that list layers in the order of the data.

    They do so within `folded`. If they are to be `reduced`, dense ones learn in bfloat16 (`fibrolib.nets.gradients`).
    """
    for module in modules:
        for layer, norm in pairwise(module.children()):
            plain = isinstance(layer, nn.Conv2d | nn.Conv3d) and layer.padding_mode == "zeros"
            fixed = isinstance(norm, _BatchNorm) and norm.affine and norm.track_running_stats
            if plain and fixed and not isinstance(layer.padding, str):
                _Pair(layer, norm, reduced)


class _Pair:
    """A convolution and its normalisation, with activation; the first computes for both, if it may.

    It may not where the normalisation learns its statistics, where a hook listens to one of them, or on a GPU.
    Their common weights are kept while nothing learns. (A change through ``weight.data`` in place is not seen, as it
    is not by torch.)
    """

    def __init__(self, layer: nn.Conv2d | nn.Conv3d, norm: _BatchNorm, reduced: bool) -> None:
        self.layer, self.norm, self.reduced = layer, norm, reduced
        self._kept: tuple[tuple, list[Tensor], tuple[Tensor, Tensor]] | None = None
        layer.forward, norm.forward = self._convolve, self._normalise  # names and kinds of layers stay

    def __getstate__(self) -> dict:
        return {**vars(self), "_kept": None}

    def _computed_at_once(self, maps: Tensor) -> bool:
        if _dtype.get() is None or maps.device.type != "cpu" or self.norm.training:
            return False
        return not (_has_hooks(self.layer) or _has_hooks(self.norm))

    def _normalise(self, maps: Tensor) -> Tensor:
        if self.norm.training:
            self._kept = None  # torch does not count that statistics change
        return maps if self._computed_at_once(maps) else type(self.norm).forward(self.norm, maps)

    def _convolve(self, maps: Tensor) -> Tensor:
        layer = self.layer
        if not self._computed_at_once(maps):
            return _convolve_with(layer, maps, layer.weight, layer.bias, self.reduced)
        activation, sources = getattr(self.norm, "act", _IDENTITY), self._sources()
        learned = torch.is_grad_enabled() and any(each.requires_grad for each in (maps, *sources))
        if learned:
            self._kept = None  # torch does not count the steps of fused optimisers
        dtype = maps.dtype if learned else _dtype.get()
        maps, (weight, bias) = maps.to(dtype), self._weights(dtype) if learned else self._kept_weights(sources, dtype)
        if learned or not _has_onednn(dtype):
            return activation(_convolve_with(layer, maps, weight, bias.to(dtype), self.reduced))
        padding, cut = _padding(layer, maps.shape[2:])
        name, numbers = _ONEDNN.get(type(activation), ("none", []))
        settings = padding, layer.stride, layer.dilation, layer.groups, name, numbers, ""
        maps = torch.ops.mkldnn._convolution_pointwise(maps, weight, bias.float(), *settings)[cut]
        return maps if type(activation) in _ONEDNN else activation(maps)

    def _sources(self) -> list[Tensor]:
        layer, norm = self.layer, self.norm
        every = layer.weight, layer.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var
        return [each for each in every if each is not None]

    def _kept_weights(self, sources: list[Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """`_weights`, computed again only where torch has counted a change of what they are made from."""
        if any(each.is_inference() for each in sources):  # their changes are not counted
            return self._weights(dtype)
        versions = ((id(each), each.data_ptr(), each._version) for each in sources)
        made_from, kept = (dtype, self.norm.eps, *versions), self._kept
        if kept is None or kept[0] != made_from:
            with torch.inference_mode(False), torch.no_grad():
                held = [*sources, *(each.detach() for each in sources)]  # no other tensor may get their id or address
                self._kept = kept = made_from, held, self._weights(dtype)
        return kept[-1]

    def _weights(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        layer, norm = self.layer, self.norm
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        bias = norm.bias - norm.running_mean * scale
        bias = bias if layer.bias is None else bias + layer.bias * scale
        return (layer.weight * scale.view(-1, *[1] * (layer.weight.ndim - 1))).to(dtype), bias


@cache
def _has_onednn(dtype: torch.dtype) -> bool:
    """Whether the function of torch's compiler that joins layers is there, which is not part of torch's public API."""
    one = torch.zeros(1, 1, 1, 1, dtype=dtype)
    try:
        torch.ops.mkldnn._convolution_pointwise(one, one, one.ravel(), [0, 0], [1, 1], [1, 1], 1, "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return True


def _has_hooks(layer: nn.Module) -> bool:
    hooks = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
    return bool(hooks) or any(_has_hooks(each) for each in layer.children())


def _convolve_with(
    layer: nn.Conv2d | nn.Conv3d, maps: Tensor, weight: Tensor, bias: Tensor | None, reduced: bool
) -> Tensor:
    """Other weights in the place of a layer's own, with their gradient."""
    if type(layer) not in (nn.Conv2d, nn.Conv3d):
        from timm.layers.padding import pad_same

        maps = pad_same(maps, layer.kernel_size, layer.stride, layer.dilation)
    return convolve(layer, maps, weight, bias, reduced)


def _padding(layer: nn.Conv2d | nn.Conv3d, sides: Sequence[int]) -> tuple[list[int], tuple[slice, ...]]:
    """Padding of a convolution, and the part of its result that is meant.

    TensorFlow's "same" pads the end more than the beginning. A copy of the maps with such a border costs more than one
    row of results too many at the beginning, which is cut off.
    """
    if type(layer) in (nn.Conv2d, nn.Conv3d):
        return list(layer.padding), ()
    from timm.layers.padding import get_same_padding

    padding, cut = [], [slice(None), slice(None)]
    for side, kernel, stride, dilation in zip(sides, layer.kernel_size, layer.stride, layer.dilation, strict=True):
        before, uneven = divmod(get_same_padding(side, kernel, stride, dilation), 2)
        padding.append(before + uneven * stride)
        cut.append(slice(uneven, uneven + -(-side // stride)))
    return padding, tuple(cut)
