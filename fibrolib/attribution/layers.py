"""Layers that can be explained: those whose output is a map of the picture."""

from __future__ import annotations

import difflib

import pandas as pd
import torch
from torch import Tensor, nn

from fibrolib.attribution.windows import as_batch, frozen_net, middle_window
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.video import Clip

__all__ = ["find_layer", "fine_layer", "is_map", "list_layers", "map_shapes", "not_a_map"]

_NAMED = 12
"""Layers that an error names: more are not read."""


def list_layers(estimator: NetClassifier, clip: Clip) -> pd.DataFrame:
    """Layers of a net that `attribute` can explain, in the order in which a clip passes through them.

    Parameters
    ----------
    estimator : NetClassifier
        Fitted.
    clip : Clip
        Any prepared clip: layers are found by watching it pass.

    Returns
    -------
    DataFrame
        ``layer`` (name), ``kind``, ``channels``, ``times``, ``height``, ``width`` of its maps. Frames that a net treats
        one by one count as times.
    """
    with frozen_net(estimator) as (net, device):
        shapes = map_shapes(net, as_batch([middle_window(estimator, clip).frames], device))
        kinds = {name: type(module).__name__ for name, module in net.named_modules()}
    rows = [(name, kinds[name], *shape) for name, shape in shapes.items()]
    return pd.DataFrame(rows, columns=["layer", "kind", "channels", "times", "height", "width"])


def fine_layer(estimator: NetClassifier, clip: Clip, coarseness: int = 4) -> str:
    """Name of the deepest layer whose maps are at most some times coarser than the picture.

    Parameters
    ----------
    estimator : NetClassifier
        Fitted.
    clip : Clip
        Any prepared clip.
    coarseness : int
        Pixels of the clip per place of the map, at most.

    Raises
    ------
    FibrolibError
        If all layers are coarser.
    """
    layers = list_layers(estimator, clip)
    fine = layers[layers["height"] * coarseness >= clip.frames.shape[1]]
    if fine.empty:
        raise FibrolibError(f"No layer of this net is less than {coarseness} times coarser than its clips.")
    return fine["layer"].iloc[-1]


def map_shapes(net: nn.Module, clips: Tensor) -> dict[str, tuple[int, int, int, int]]:
    """Channels, times, height and width of all layers of a net whose output is a map of the picture.

    Parameters
    ----------
    net : Module
        In evaluation mode.
    clips : Tensor, shape (1, 1, frames, height, width)
        One clip.

    Returns
    -------
    dict
        By name, in the order in which the layers finish.
    """
    shapes: dict[str, tuple[int, int, int, int]] = {}

    def watch(name: str):
        def hook(_module, _inputs, output) -> None:
            if torch.is_tensor(output) and is_map(output, clips):
                time = output.shape[2] if output.dim() == 5 else len(output)
                shapes[name] = (output.shape[1], time, *output.shape[-2:])

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in net.named_modules() if name]
    try:
        with torch.no_grad():
            net(clips)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def is_map(output: Tensor, clips: Tensor) -> bool:
    """Whether a layer's output is a map ``(n, channels, [times,] height, width)`` of clips ``(batch, 1, t, h, w)``.

    Its last two sides must have the clip's proportions, which tells maps from rows of tokens and from maps that keep
    their channels last.
    """
    if output.dim() not in (4, 5) or len(output) % len(clips) or (output.dim() == 5 and len(output) != len(clips)):
        return False
    (high, wide), (rows, columns) = clips.shape[-2:], output.shape[-2:]
    return min(rows, columns) > 1 and abs(rows * wide - columns * high) <= max(high, wide)


def find_layer(net: nn.Module, clips: Tensor, name: str | None = None) -> str:
    """Name of the layer to explain; whether it gives maps is seen when a clip passes (`not_a_map`).

    Parameters
    ----------
    net : Module
        In evaluation mode.
    clips : Tensor, shape (batch, 1, frames, height, width)
        What it will be explained on.
    name : str or None
        The layer asked for. None takes the net's own ``cam_layer``, or, in a net that names none, the last one with
        maps.

    Raises
    ------
    FibrolibError
        If there is no such layer; the message lists layers that can be had.
    """
    names = {module: key for key, module in net.named_modules()}
    own = getattr(net, "cam_layer", None)
    if name is None and own is not None:
        return names[own]
    if name in names.values():
        return name
    shapes = map_shapes(net, clips[:1])
    if name is None and shapes:
        return list(shapes)[-1]
    raise FibrolibError(_offer(name, shapes, f"Layer '{name}' does not exist."))


def not_a_map(net: nn.Module, clips: Tensor, name: str) -> FibrolibError:
    """The error for a layer that gives no maps of the picture; it lists those that do."""
    return FibrolibError(_offer(name, map_shapes(net, clips[:1]), f"Layer '{name}' gives no maps of the picture."))


def _offer(name: str, shapes: dict, wrong: str) -> str:
    if not shapes:
        return "No layer of this net gives maps of the picture. Choose a convolutional backbone."
    there = list(shapes)
    near = difflib.get_close_matches(name, there, n=3, cutoff=0.75)
    chosen = ", ".join(list(dict.fromkeys([*near, *reversed(there)]))[:_NAMED])
    return f"{wrong} Layers that do, the nearest and the deepest first: {chosen}. (attribution.list_layers names all.)"
