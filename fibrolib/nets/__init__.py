"""Network definitions: grey clips ``(batch, 1, frames, height, width)`` in, cumulative stage logits out.

Every network has a ``head`` (`OrdinalHead`) and a ``cam_layer``; a still image is a clip of one frame.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import nn

from fibrolib.errors import FibrolibError
from fibrolib.nets.arithmetic import give_back_memory
from fibrolib.nets.backbone import PACKAGED, Backbone
from fibrolib.nets.frame import FrameCNN, FrameLSTM
from fibrolib.nets.initial_weights import WEIGHTS, ClipNetwork, check_reading, check_weights
from fibrolib.nets.layers import count_weights, describe_layers
from fibrolib.nets.ordinal import OrdinalHead, OrdinalLoss, cumulative_targets, stage_probabilities
from fibrolib.nets.slowfast import MotionSlowFast
from fibrolib.nets.torchvision_import import import_torchvision
from fibrolib.nets.volume import TORCHVISION_NETS, MotionResNet3d, MotionStem, TorchvisionNet3d
from fibrolib.own_files import known_object

__all__ = [
    "PACKAGED",
    "TORCHVISION_NETS",
    "WEIGHTS",
    "Backbone",
    "ClipNetwork",
    "FrameCNN",
    "FrameLSTM",
    "MotionResNet3d",
    "MotionSlowFast",
    "MotionStem",
    "OrdinalHead",
    "OrdinalLoss",
    "TorchvisionNet3d",
    "build_net",
    "check_reading",
    "check_weights",
    "count_weights",
    "cumulative_targets",
    "describe_layers",
    "give_back_memory",
    "import_torchvision",
    "is_packaged",
    "net_options",
    "stage_probabilities",
]

_NETS = {
    "frame_cnn": FrameCNN,
    "frame_lstm": FrameLSTM,
    "motion_resnet3d": MotionResNet3d,
    "motion_slowfast": MotionSlowFast,
}


def net_options(architecture: str) -> set[str]:
    """Names of the options that `build_net` takes for a network.

    Raises
    ------
    ValueError
        If no network has that name.
    """
    if architecture in TORCHVISION_NETS:
        return set(inspect.signature(TorchvisionNet3d.__init__).parameters) - {"self", "n_stages", "name"}
    return set(inspect.signature(_maker(architecture)).parameters) - {"n_stages"}


def is_packaged(architecture: str) -> bool:
    """Whether a network is of this package."""
    return architecture in _NETS or architecture in TORCHVISION_NETS


def _maker(architecture: str) -> Callable[..., nn.Module]:
    """What makes a network: a class of the package, or what a record of the user's own names."""
    if architecture in _NETS:
        return _NETS[architecture]
    network = getattr(known_object(architecture), "network", None)
    if network is None:
        known = ", ".join([*_NETS, *TORCHVISION_NETS])
        raise ValueError(f"unknown architecture '{architecture}', choose one of {known}")
    return network


def build_net(architecture: str, n_stages: int, **options) -> nn.Module:
    """Make a network by name.

    Parameters
    ----------
    architecture : str
        ``frame_cnn``, ``frame_lstm``, ``motion_slowfast``, ``motion_resnet3d``, one of `TORCHVISION_NETS`, or the name
        of a `Diagnostic` of the user's own that has a network.
    n_stages : int
        Number of ordered stages.
    **options
        What the network's class takes, such as ``backbone`` or ``width``.

    Raises
    ------
    ValueError
        If no network has that name, or it has no such option.
    FibrolibError
        If a network of the user's own is no `ClipNetwork`, or has no head.
    """
    unknown = set(options) - net_options(architecture)
    if unknown:
        raise ValueError(f"{architecture} has no option {', '.join(sorted(unknown))}")
    if architecture in TORCHVISION_NETS:
        return TorchvisionNet3d(n_stages, architecture, **options)
    net = _maker(architecture)(n_stages, **options)
    if not isinstance(net, ClipNetwork) or not isinstance(getattr(net, "head", None), OrdinalHead):
        raise FibrolibError(
            f"The network '{architecture}' must be a fibrolib.nets.ClipNetwork whose head is an OrdinalHead, not "
            f"{type(net).__name__}."
        )
    return net
