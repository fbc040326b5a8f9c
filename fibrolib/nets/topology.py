"""From which layers a layer of a network takes its data: found by following a clip, not declared by hand."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor, nn

from fibrolib.nets.build import build_net, describe_layers

CLIP = "clip"
"""What the input of a network is called."""


def layer_sources(network: nn.Module, clip: Tensor) -> dict[str, list[str]]:
    """Sources of the network's own layers: by layer, in the order of passing, names of layers or `CLIP`.

    Every output is made the beginning of a piece of autograd's graph, and from every input the graph is followed back
    to such beginnings, through whatever lies between the layers; where none is found (work without gradients), the
    layer before is taken. The network is not changed.
    """
    names: dict[int, str] = {}
    kept: list[Tensor] = []  # or another tensor could be given the same id
    sources: dict[str, list[str]] = {}

    def begin(tensor: Tensor, name: str) -> Tensor:
        fresh = tensor.detach().requires_grad_()
        names[id(fresh)] = name
        kept.append(fresh)
        return fresh

    def look_back(name: str, _layer: nn.Module, inputs: tuple) -> None:
        found = {names[each] for given in inputs if isinstance(given, Tensor) for each in _beginnings(given, names)}
        before = list(dict.fromkeys(each for each in names.values() if each in found))
        sources[name] = before or [list(sources)[-1] if sources else CLIP]

    def replace(name: str, _layer: nn.Module, _inputs: tuple, output: Tensor | tuple) -> Tensor | tuple:
        if isinstance(output, Tensor):
            return begin(output, name)
        return tuple(begin(each, name) if isinstance(each, Tensor) else each for each in output)

    handles = []
    for name, layer in network.named_children():
        handles.append(layer.register_forward_pre_hook(lambda *given, name=name: look_back(name, *given)))
        handles.append(layer.register_forward_hook(lambda *given, name=name: replace(name, *given)))
    was_training = network.training
    try:
        with torch.enable_grad():
            network.eval()(begin(clip, CLIP))
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    return sources


def _beginnings(tensor: Tensor, names: dict[int, str]) -> set[int]:
    """Ids of the named tensors that a tensor was computed from, or its own."""
    if id(tensor) in names:
        return {id(tensor)}
    found, seen, ahead = set(), set(), [tensor.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) in names:
            found.add(id(leaf))
        ahead += [before for before, _ in node.next_functions]
    return found


def follow_clip(
    architecture: str, n_stages: int, shape: tuple[int, int, int], **options: object
) -> tuple[dict[str, list[str]], pd.DataFrame]:
    """`layer_sources` and `describe_layers` of a new network that is shown a clip ``(frames, height, width)``."""
    network, clip = build_net(architecture, n_stages, **options), torch.zeros(1, 1, *shape)
    return layer_sources(network, clip), describe_layers(network, clip)
