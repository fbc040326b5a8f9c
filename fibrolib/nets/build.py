"""Make a network by its name, and describe it layer by layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from fibrolib.errors import FibrolibError
from fibrolib.nets.frame import FrameLSTM, _FrameCNN
from fibrolib.nets.initial_weights import ClipNetwork
from fibrolib.nets.ordinal import OrdinalHead
from fibrolib.nets.volume import _TORCHVISION_NETS, _MotionResNet3d, _MotionSlowFast, _TorchvisionNet3d
from fibrolib.own_files import known_object

ARCHITECTURES: dict[str, Callable[..., ClipNetwork]] = {
    "frame_cnn": _FrameCNN,
    "frame_lstm": FrameLSTM,
    "motion_resnet3d": _MotionResNet3d,
    "motion_slowfast": _MotionSlowFast,
    **{name: partial(_TorchvisionNet3d, name=name) for name in _TORCHVISION_NETS},
}
"""Networks of the package, by name."""


def net_options(architecture: str) -> set[str]:
    """Names of the options that `build_net` takes for a network; ValueError if no network has that name."""
    return set(inspect.signature(_constructor(architecture)).parameters) - {"n_stages", "name"}


def _constructor(architecture: str) -> Callable[..., nn.Module]:
    """Class of a network of the package, or the ``network`` of a record in the user's own file."""
    network = ARCHITECTURES.get(architecture) or getattr(known_object(architecture), "network", None)
    if network is None:
        raise ValueError(f"unknown architecture '{architecture}', choose one of {', '.join(ARCHITECTURES)}")
    return network


def build_net(architecture: str, n_stages: int, **options) -> nn.Module:
    """Make a network for `n_stages` ordered stages by name.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`, or the name of a `Diagnostic` of the user's own that has a network.
    **options
        Arguments of the network's class, such as ``backbone`` or ``width``.

    Raises
    ------
    ValueError, FibrolibError
        No network has that name or such an option; a user's own is no `ClipNetwork`, or has no `OrdinalHead`.
    """
    unknown = set(options) - net_options(architecture)
    if unknown:
        raise ValueError(f"{architecture} has no option {', '.join(sorted(unknown))}")
    net = _constructor(architecture)(n_stages, **options)
    if not isinstance(net, ClipNetwork) or not isinstance(getattr(net, "head", None), OrdinalHead):
        raise FibrolibError(
            f"The network '{architecture}' must be a fibrolib.nets.ClipNetwork whose head is an OrdinalHead, not "
            f"{type(net).__name__}."
        )
    for layer in net.modules():  # the layout that is fastest on CPUs; it decides the order of sums
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            layer.to(memory_format=torch.channels_last if isinstance(layer, nn.Conv2d) else torch.channels_last_3d)
    return net


def count_weights(module: nn.Module, learned_only: bool = False) -> int:
    """Number of weights of a module, or of those that training changes."""
    return sum(each.numel() for each in module.parameters() if each.requires_grad or not learned_only)


def describe_layers(network: nn.Module, inputs: Tensor, levels: int = 2) -> pd.DataFrame:
    """Follow a batch through a network, layer by layer.

    Parameters
    ----------
    network, inputs : Module, Tensor
        The network, which is not changed; a batch, such as clips ``(batch, 1, frames, height, width)``.
    levels : int
        Depth of nesting: 2 includes the layers inside the network's own layers.

    Returns
    -------
    DataFrame
        One row per layer that data passes through, a layer before those inside it: ``level``, ``layer`` (name),
        ``kind`` (class), ``output`` (shape), ``weights`` and ``learned`` (how many of them training changes).
    """
    by_name = output_shapes(network, inputs.to(next(network.parameters()).device))
    shapes = {network.get_submodule(name): shape for name, shape in by_name.items()}
    rows = [
        (level, name, type(layer).__name__.lstrip("_"), shapes[layer], count_weights(layer), count_weights(layer, True))
        for level, name, layer in _layers(network, shapes, levels)
    ]
    return pd.DataFrame(rows, columns=["level", "layer", "kind", "output", "weights", "learned"])


@torch.no_grad()
def output_shapes(network: nn.Module, inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """Shape of the (first) output of every layer that a batch passes through, by name, in the order of passing."""
    shapes: dict[str, tuple[int, ...]] = {}

    def remember(name: str, _layer: nn.Module, _inputs: tuple, output: object) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if torch.is_tensor(first):
            shapes[name] = tuple(first.shape)

    with ExitStack() as undo:
        undo.callback(network.train, network.training)
        for name, layer in network.named_modules():
            if name:
                undo.enter_context(layer.register_forward_hook(partial(remember, name)))
        network.eval()(inputs)
    return shapes


def _layers(
    module: nn.Module, passed: dict, levels: int, level: int = 1, prefix: str = ""
) -> Iterator[tuple[int, str, nn.Module]]:
    """Layers that data passes through; one that only holds others (timm's models) is no level of its own."""
    for name, child in module.named_children():
        if child in passed:
            yield level, prefix + name, child
        inside = level + (child in passed)
        if inside <= levels:
            yield from _layers(child, passed, levels, inside, f"{prefix}{name}.")
