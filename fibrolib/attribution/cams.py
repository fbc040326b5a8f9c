"""Class activation maps: Grad-CAM, Grad-CAM++ and Layer-CAM of a layer in two or three dimensions.

A layer of a net that treats frames one by one gives one map per frame, with channel weights of its own; a layer of a
3D net gives a map in space and time, with weights taken over both.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fibrolib.attribution.layers import is_map, not_a_map
from fibrolib.errors import FibrolibError

__all__ = ["CAMS", "class_activation", "enlarged"]

Score = Callable[[Tensor], Tensor]
"""Logits ``(n, n_stages - 1)`` to what is explained, ``(n,)``."""

_VOLUME = (2, 3, 4)


def _gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Selvaraju et al. 2017: channels weighed by their mean gradient."""
    return (gradients.mean(_VOLUME, keepdim=True) * activations).sum(1)


def _gradcam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Chattopadhay et al. 2018, eq. 19: positive gradients weighed by how much of the score each place accounts for."""
    square, total = gradients.square(), activations.sum(_VOLUME, keepdim=True)
    below = 2 * square + total * square * gradients
    # Without a small constant in the denominator: gradients of a mean over many places are themselves tiny.
    share = torch.where((gradients != 0) & (below != 0), square / below, 0.0)
    return ((share * gradients.relu()).sum(_VOLUME, keepdim=True) * activations).sum(1)


def _layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Jiang et al. 2021: every place weighed by its own positive gradient."""
    return (gradients.relu() * activations).sum(1)


CAMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradcam": _gradcam,
    "gradcam++": _gradcam_plus_plus,
    "layercam": _layercam,
}
"""Maps ``(n, times, height, width)`` from activations and gradients ``(n, channels, times, height, width)``."""


def class_activation(method: str, net: nn.Module, layer: str, clips: Tensor, score: Score) -> tuple[Tensor, Tensor]:
    """A class activation map for each clip of a batch; signed, as coarse as the layer.

    Parameters
    ----------
    method : str
        A key of `CAMS`.
    net : Module
        In evaluation mode.
    layer : str
        A layer with maps (`find_layer`).
    clips : Tensor, shape (batch, 1, frames, height, width)
        In [0, 1].
    score : callable
        What is explained, of the net's output.

    Returns
    -------
    maps : Tensor, shape (batch, times, h, w)
        Frames that are treated one by one are the times.
    scores : Tensor, shape (batch,)
        What is explained, from the same pass.

    Raises
    ------
    FibrolibError
        If the layer gives no maps, or a clip passes it more than once.
    """
    activations, gradients, scores = _activations_and_gradients(net, layer, clips, score)
    maps = CAMS[method](_volumes(activations), _volumes(gradients))
    return maps.reshape(len(clips), -1, *maps.shape[-2:]), scores


def enlarged(maps: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Maps ``(n, times, h, w)`` as large as a clip ``(frames, height, width)``, interpolated in space and time."""
    return functional.interpolate(maps[:, None], tuple(shape), mode="trilinear", align_corners=False)[:, 0]


def _volumes(maps: Tensor) -> Tensor:
    return maps if maps.dim() == 5 else maps[:, :, None]


def _activations_and_gradients(
    net: nn.Module, layer: str, clips: Tensor, score: Score
) -> tuple[Tensor, Tensor, Tensor]:
    seen: list[Tensor] = []

    def catch(_module, _inputs, output: object) -> Tensor | None:
        if not torch.is_tensor(output):
            return None
        # The graph begins here, so nothing below the layer is kept or differentiated; the copy goes on, because a layer
        # that works in place (ReLU) would change what was caught.
        seen.append(output.detach().requires_grad_())
        return seen[-1].clone()

    handle = net.get_submodule(layer).register_forward_hook(catch)
    try:
        with torch.enable_grad():
            scores = score(net(clips))
    finally:
        handle.remove()
    if not seen or not is_map(seen[0], clips):
        raise not_a_map(net, clips, layer)
    if len(seen) != 1:
        raise FibrolibError(
            f"Layer '{layer}' is passed {len(seen)} times by each clip, so it has no map of its own. "
            "Choose the block around it."
        )
    # The clips of a batch do not see each other in evaluation mode: the gradient of the sum is that of each.
    (gradients,) = torch.autograd.grad(scores.sum(), seen)
    return seen[0].detach(), gradients, scores.detach()
