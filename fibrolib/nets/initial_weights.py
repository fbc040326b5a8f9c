"""What all networks share: features, an ordinal head, and initial weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fibrolib.atomic import write_atomically
from fibrolib.errors import FibrolibError
from fibrolib.nets.backbone import PACKAGED, Backbone

WEIGHTS = ("simulation", "interpolated", "imagenet", "scratch")
"""Initial weights: simulation pretraining (packaged), the mean of these and ImageNet's, ImageNet's, or random."""

_FEATURES_ONLY = ("interpolated", "imagenet")
"""Weights of the features without a trained embedding: a linear probe comes first."""

_SHARE = 0.5
"""Interpolation from ImageNet to simulation weights; recommended where no data tell (Wortsman et al. 2022)."""

_USUAL = {"scales": [16], "deviations": True, "direct": False}
"""Default features. Files of weights are marked only with options that differ: the first files had no choice."""

_USUAL_OF_FEATURES_ONLY = {"scales": [16, 32], "deviations": False, "direct": True}
"""Default features for `_FEATURES_ONLY` weights (docs/nets.md, *A linear probe comes first*)."""


class ClipNetwork(nn.Module):
    """A network from clips ``(batch, 1, frames, height, width)`` in [0, 1] to cumulative logits of stages.

    A subclass defines `features` and sets ``head`` (an `OrdinalHead`) and ``cam_layer``, whose activations Grad-CAM
    weighs.

    Attributes
    ----------
    pretrained_modules, freeze_batchnorm : tuple of str, bool
        Names of pretrained children, which have a learning rate of their own and keep their batch statistics; whether
        all layers keep them (after a linear probe).
    pretrained_part : callable or None
        From clips to what `features` also takes in their place: all that pretrained children with fixed weights
        compute. None where a child that is not pretrained reads the clips, too.
    made_for : dict
        Architecture and the options that decide its shape; a file of weights holds the same.
    """

    pretrained_modules: tuple[str, ...] = ()
    freeze_batchnorm: bool = False
    made_for: dict

    @property
    def pretrained_part(self) -> Callable[[Tensor], Tensor] | None:
        """By default, there is none."""
        return None

    @property
    def uses_linear_probe(self) -> bool:
        """Whether the features are pretrained, but not the embedding that reads them."""
        return bool(self.pretrained_modules) and "embedding" not in self.pretrained_modules

    @staticmethod
    def make_backbone(name: str, weights: str, freeze_to_stride: int, scales: Sequence[int]) -> Backbone:
        """An image backbone for a net with the given initial weights; from scratch, nothing is frozen."""
        if weights == "interpolated" and name != PACKAGED:
            raise FibrolibError(
                f"Interpolated weights exist for {PACKAGED} alone; '{name}' was not pretrained on simulations. "
                "Change the backbone, or set weights = imagenet."
            )
        freeze_to_stride = 0 if weights == "scratch" else freeze_to_stride
        return Backbone(name, pretrained=weights in _FEATURES_ONLY, scales=scales, freeze_to_stride=freeze_to_stride)

    @staticmethod
    def feature_options(weights: str, **options) -> dict:
        """``scales``, ``deviations`` and ``direct``, with defaults for None that depend on the initial weights."""
        check_options(options)
        defaults = _USUAL_OF_FEATURES_ONLY if weights in _FEATURES_ONLY else _USUAL
        return {name: defaults[name] if value is None else value for name, value in options.items()}

    def load_initial(
        self,
        architecture: str,
        weights: str,
        options: dict,
        imagenet: tuple[str, ...] = (),
        simulation: tuple[str, ...] = (),
    ) -> None:
        """Load the initial weights: one of `WEIGHTS`, or a file of ``fibrolib pretrain`` made for the same `options`.

        `imagenet` names the children that hold ImageNet weights already, `simulation` those that ImageNet has none for.
        """
        options = {name: sorted(set(value)) if name == "scales" else value for name, value in options.items()}
        options = {name: value for name, value in options.items() if _USUAL.get(name) != value}
        self.made_for = {"architecture": architecture, **options}
        if weights in _FEATURES_ONLY and not imagenet:
            raise FibrolibError(f"There are no ImageNet weights for {architecture}: weights = simulation or scratch.")
        if weights == "imagenet":
            self.pretrained_modules = imagenet
        elif weights == "interpolated":
            simulated, _ = _open_weights(architecture, "simulation")
            for child in imagenet + simulation:
                self.move_towards(simulated, child, _SHARE if child in imagenet else 1.0)
            self.pretrained_modules = imagenet + simulation
        elif weights != "scratch":
            state = _read_weights(self.made_for, weights)
            expected = {name: own.shape for name, own in self.state_dict().items() if not name.startswith("head.")}
            if {name: tensor.shape for name, tensor in state.items()} != expected:
                raise FibrolibError(
                    f"The weights of '{weights}' do not fit this version of the network; make them again."
                )
            self.load_state_dict(state, strict=False)
            self.pretrained_modules = tuple(name for name, _ in self.named_children() if name != "head")

    @torch.no_grad()
    def move_towards(self, state: dict[str, Tensor], child: str, share: float) -> None:
        """Interpolate a child's weights and batch statistics linearly, by a share of 0 to 1, towards `state`."""
        own = self.get_submodule(child).state_dict(prefix=f"{child}.")
        shared = {name: tensor for name, tensor in own.items() if name in state and tensor.is_floating_point()}
        if not shared or any(tensor.shape != state[name].shape for name, tensor in shared.items()):
            raise FibrolibError(
                f"With interpolated weights, '{child}' takes simulation weights, and those have another shape. "
                "Leave the options that shape it (width of the fast pathway: 16), or set weights = imagenet."
            )
        for name, tensor in shared.items():
            tensor.lerp_(state[name], share)

    def train(self, mode: bool = True) -> ClipNetwork:
        """Switch to training, except for batch normalisation of pretrained children or, if so set, of all layers."""
        super().train(mode)
        for child in (self,) if self.freeze_batchnorm else map(self.get_submodule, self.pretrained_modules):
            for module in child.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def features(self, clips: Tensor) -> Tensor:
        """Clips to one row of features each, ``(batch, features)``."""
        raise NotImplementedError

    def movement(self, clips: Tensor) -> Tensor | None:
        """Channels of the net's `MotionStem`; None if it has none."""
        return None

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, height, width)`` in [0, 1] to cumulative logits ``(batch, n_stages - 1)``."""
        return self.head(self.features(clips))


def check_options(options: dict) -> None:
    """Raise FibrolibError if ``weights``, ``scales``, ``deviations`` or ``direct`` has a value that no net takes."""
    weights = options.get("weights", "scratch")
    if weights not in WEIGHTS and not (isinstance(weights, str | Path) and Path(weights).is_file()):
        raise FibrolibError(
            f"weights must be one of {', '.join(WEIGHTS)}, or a file of `fibrolib pretrain`, not {weights!r}. "
            "No file has that name."
        )
    scales = options.get("scales")
    valid = isinstance(scales, list | tuple) and scales and all(type(scale) is int and scale > 0 for scale in scales)
    if scales is not None and not valid:
        raise FibrolibError(f"scales must be a list of whole numbers such as [16] or [16, 32], not {scales!r}.")
    for name in ("deviations", "direct"):
        if not isinstance(options.get(name), bool | None):
            raise FibrolibError(f"{name} must be true or false, not {options[name]!r}.")


def _read_weights(made_for: dict, source: str) -> dict[str, Tensor]:
    """Packaged weights or those of a file, for everything but the head of the network that is described."""
    state, marked = _open_weights(made_for["architecture"], source)
    if marked != made_for:
        pairs = [
            (key, *({**_USUAL, **options}.get(key) for options in (marked, made_for))) for key in marked | made_for
        ]
        different = ", ".join(f"{key} = {has!r}, not {wants!r}" for key, has, wants in pairs if has != wants)
        raise FibrolibError(
            f"The weights of '{source}' are of another network ({different}). "
            "Change the option, make weights for it with `fibrolib pretrain`, or set weights = scratch."
        )
    return state


def _open_weights(architecture: str, source: str) -> tuple[dict[str, Tensor], dict]:
    """Weights, in single precision, and what they were made for."""
    check_options({"weights": source})
    packaged = resources.files("fibrolib.nets") / "weights" / f"{architecture}.safetensors"
    with resources.as_file(packaged) as packaged_path:
        path = packaged_path if source == "simulation" else Path(source)
        if not path.is_file():
            raise FibrolibError(
                f"There are no simulation weights of {architecture}: set scratch, or a file of `fibrolib pretrain`."
            )
        try:
            with safe_open(path, framework="pt") as file:
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
                made_for = json.loads(file.metadata()["made_for"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise FibrolibError(f"{path} holds no weights written by `fibrolib pretrain` ({error}).") from error
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}, made_for


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file, whole or not at all; its folder is made. The same content gives the same bytes."""
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)
    end = 8 + int.from_bytes(content[:8], "little")  # safetensors writes the metadata in random order: sort the header
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors are aligned
    write_atomically(path, lambda file: file.write_bytes(len(header).to_bytes(8, "little") + header + content[end:]))
