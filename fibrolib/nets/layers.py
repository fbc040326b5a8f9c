"""A network layer by layer: what comes out of each layer, and how many weights it has."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch
from torch import Tensor, nn

__all__ = ["count_weights", "describe_layers"]


def count_weights(module: nn.Module, learned_only: bool = False) -> int:
    """Number of weights of a module, or of those that training changes."""
    return sum(each.numel() for each in module.parameters() if each.requires_grad or not learned_only)


def describe_layers(network: nn.Module, inputs: Tensor, levels: int = 2) -> pd.DataFrame:
    """Follow a batch through a network, layer by layer.

    Parameters
    ----------
    network : Module
        The network; it is left as it was.
    inputs : Tensor
        A batch, such as clips ``(batch, 1, frames, height, width)``.
    levels : int
        1 for the layers of the network itself, 2 for the layers inside these, too, and so on.

    Returns
    -------
    DataFrame
        One row per layer, in the order of the network's definition, a layer before those inside it: ``level``,
        ``layer`` (name), ``kind`` (class), ``output`` (shape, batch first), ``weights`` and ``learned`` (how many of
        them training changes). A layer's weights include those of the layers inside it. Layers that nothing passes
        through are left out.
    """
    shapes: dict[nn.Module, tuple[int, ...]] = {}

    def remember(module: nn.Module, _inputs: tuple, output: Tensor | tuple) -> None:
        shapes[module] = tuple((output if torch.is_tensor(output) else output[0]).shape)

    handles = [module.register_forward_hook(remember) for module in network.modules()]
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(inputs.to(next(network.parameters()).device))
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    rows = [
        (level, name, type(layer).__name__, shapes[layer], count_weights(layer), count_weights(layer, True))
        for level, name, layer in _layers(network, shapes, levels)
    ]
    return pd.DataFrame(rows, columns=["level", "layer", "kind", "output", "weights", "learned"])


def _layers(
    module: nn.Module, passed: dict, levels: int, level: int = 1, prefix: str = ""
) -> Iterator[tuple[int, str, nn.Module]]:
    """Layers that something passed through; one that only holds others (timm's models) is no level of its own."""
    for name, child in module.named_children():
        if child in passed:
            yield level, prefix + name, child
        inside = level + (child in passed)
        if inside <= levels:
            yield from _layers(child, passed, levels, inside, f"{prefix}{name}.")
