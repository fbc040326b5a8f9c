"""Convolutions that learn, on CPUs, where oneDNN computes some gradients slowly.

Dense ones may compute in bfloat16 on a processor that multiplies it, in a third of the time: what is multiplied is
rounded to it; results and the weights themselves are float32. Of depthwise kernels, oneDNN has a fast gradient for the
weights of up to three columns: that of wider ones is put together from parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, conv3d, pad

_FAST_COLUMNS = 3


@cache
def _has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 numbers; others emulate it slowly."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def convolve(
    layer: nn.Conv2d | nn.Conv3d, maps: Tensor, weight: Tensor, bias: Tensor | None, reduced: bool = True
) -> Tensor:
    """What a layer makes of maps that are padded as it needs them, with other weights in the place of its own.

    A dense layer that learns may compute in bfloat16 if it is to be `reduced`.
    """
    settings = layer.stride, layer.padding, layer.dilation, layer.groups
    learns = layer.training and torch.is_grad_enabled()
    if not learns or maps.device.type != "cpu" or maps.dtype != torch.float32:
        return _convolve(maps, weight, bias, *settings)
    dtype = torch.bfloat16 if reduced and layer.groups == 1 and _has_bfloat16() else torch.float32
    return _Convolution.apply(maps, weight, bias, dtype, settings)


def _convolve(maps: Tensor, weight: Tensor, *arguments: Any) -> Tensor:
    return (conv2d if weight.ndim == 4 else conv3d)(maps, weight, *arguments)


class _Convolution(torch.autograd.Function):
    """A convolution of float32 maps that computes in `dtype`, with gradients in float32."""

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, settings: tuple
    ) -> Tensor:
        maps, weight, bias = (each if each is None else each.to(dtype) for each in (maps, weight, bias))
        ctx.save_for_backward(maps, weight)
        ctx.settings = settings
        return _convolve(maps, weight, bias, *settings).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (maps, weight), wanted = ctx.saved_tensors, ctx.needs_input_grad
        given = gradient.to(maps.dtype)
        if wanted[1] and _has_parts(maps, weight, ctx.settings):
            to_maps, _ = _gradients(given, maps, weight, ctx.settings, (wanted[0], False))
            to_weight = _by_columns(given, maps, weight, ctx.settings)
        else:
            to_maps, to_weight = _gradients(given, maps, weight, ctx.settings, wanted[:2])
        to_bias = gradient.sum((0, *range(2, gradient.ndim))) if wanted[2] else None
        to_maps, to_weight = (each if each is None else each.float() for each in (to_maps, to_weight))
        return to_maps, to_weight, to_bias, None, None


def _has_parts(maps: Tensor, weight: Tensor, settings: tuple) -> bool:
    """Whether kernels are depthwise and wide, and maps not so narrow that a part of the kernel sees none of them."""
    (*_, stride), _, (*_, dilation), groups = settings
    columns = weight.shape[-1]
    return groups == len(weight) and columns > _FAST_COLUMNS and maps.shape[-1] >= dilation * (columns - 1) + stride


def _gradients(
    given: Tensor, maps: Tensor, weight: Tensor, settings: tuple, wanted: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of maps and weights as torch computes them."""
    stride, padding, dilation, groups = settings
    back = torch.ops.aten.convolution_backward
    unused = [0] * len(stride)
    both = back(given, maps, weight, None, stride, padding, dilation, False, unused, groups, [*wanted, False])
    return both[0], both[1]


def _by_columns(given: Tensor, maps: Tensor, weight: Tensor, settings: tuple) -> Tensor:
    """Gradient of the weights, a few columns of the kernel at a time: each sees its own part of the maps."""
    stride, padding, dilation, groups = settings
    parts, width, last = [], weight.shape[-1], (given.shape[-1] - 1) * stride[-1]
    for first in range(0, width, _FAST_COLUMNS):
        end = min(width, first + _FAST_COLUMNS)
        left = padding[-1] - first * dilation[-1]
        right = last + (end - 1) * dilation[-1] - padding[-1] - (maps.shape[-1] - 1)
        seen, part = pad(maps, (left, right)), weight[..., first:end].contiguous()
        of_part = stride, (*padding[:-1], 0), dilation, groups
        parts.append(_gradients(given, seen, part, of_part, (False, True))[1])
    return torch.cat(parts, dim=-1)
