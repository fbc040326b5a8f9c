"""What all networks share: features, an ordinal head, and where their first weights come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fibrolib.errors import FibrolibError
from fibrolib.nets.backbone import PACKAGED, Backbone

__all__ = ["FEATURES_ONLY", "WEIGHTS", "ClipNetwork", "check_reading", "check_weights", "read_weights"]

WEIGHTS = ("simulation", "interpolated", "imagenet", "scratch")
"""Where first weights come from: `fibrolib.pretraining` (packaged, or a file of one's own), ImageNet, half way between
the two, or chance."""

FEATURES_ONLY = ("interpolated", "imagenet")
"""Starts that bring features, and nothing that reads them: a linear probe comes first."""

_HALF = 0.5
"""How far half way goes from ImageNet's weights to the course's: what Wortsman et al. (2022) recommend where nothing
tells."""

_USUAL = {"scales": [16], "deviations": True, "direct": False}
"""What a net reads of its image features. Weights are marked with these where they differ: the first ones were made
before there was a choice."""

_OF_FEATURES = {"scales": [16, 32], "deviations": False, "direct": True}
"""What a net reads whose weights taught it features but no diagnosis (docs/nets.md, *A linear probe comes first*)."""


class ClipNetwork(nn.Module):
    """A network from clips ``(batch, 1, frames, height, width)`` in [0, 1] to cumulative logits of stages.

    A subclass gives `features`, sets ``head`` (an `OrdinalHead`) and ``cam_layer``, and calls `begin` last.

    Attributes
    ----------
    pretrained_modules : tuple of str
        Names of the children whose weights were learned before. They are trained at a rate of their own, and
        their batch normalisation keeps the statistics it came with: eight clips of a small cohort estimate them badly
        (usual practice when fine-tuning detectors on few images).
    freeze_batchnorm : bool
        Whether batch normalisation of all layers keeps its statistics in training: something was fitted to them.
    made_for : dict
        Architecture and the options that decide its shape: what weights of it must have been made for.
    """

    pretrained_modules: tuple[str, ...] = ()
    freeze_batchnorm: bool = False
    made_for: dict

    @property
    def uses_linear_probe(self) -> bool:
        """Whether features were learned before, but nothing that is read from them (ImageNet, or half way to it)."""
        return bool(self.pretrained_modules) and "embedding" not in self.pretrained_modules

    @staticmethod
    def begin_backbone(name: str, weights: str, freeze_to_stride: int, scales: Sequence[int]) -> Backbone:
        """An image backbone for a net that begins with `weights`; from chance, nothing of it is held.

        Raises
        ------
        FibrolibError
            If there are no weights to begin it with.
        """
        if weights == "interpolated" and name != PACKAGED:
            raise FibrolibError(
                f"Interpolated weights exist for {PACKAGED} alone; '{name}' was not pretrained on simulations. "
                "Change the backbone, or set weights = imagenet."
            )
        freeze_to_stride = 0 if weights == "scratch" else freeze_to_stride
        return Backbone(name, pretrained=weights in FEATURES_ONLY, scales=scales, freeze_to_stride=freeze_to_stride)

    @staticmethod
    def reading(weights: str, **asked) -> dict:
        """What a net reads of its image features: as asked, and where that is None what suits the start.

        Parameters
        ----------
        weights : str
            Where first weights come from.
        **asked
            ``scales``, ``deviations`` and ``direct``, or those of them that the net has.

        Raises
        ------
        FibrolibError
            If one of them is of another kind than it can be.
        """
        check_reading(asked)
        suits = _OF_FEATURES if weights in FEATURES_ONLY else _USUAL
        return {name: suits[name] if value is None else value for name, value in asked.items()}

    def begin(
        self,
        architecture: str,
        weights: str,
        options: dict,
        imagenet: tuple[str, ...] = (),
        course: tuple[str, ...] = (),
    ) -> None:
        """Load the first weights.

        Parameters
        ----------
        architecture : str
            Name of the network.
        weights : str
            One of `WEIGHTS`, or the path of a file that ``fibrolib pretrain`` wrote.
        options : dict
            What decides the network's shape, and the weights must have been made for.
        imagenet : tuple of str
            Children that hold ImageNet weights already; half way, these go half of the way to the course's.
        course : tuple of str
            Children that have the course's weights half way, because ImageNet cannot teach them.

        Raises
        ------
        FibrolibError
            If there are no such weights, or they are of another network.
        """
        options = {name: sorted(set(value)) if name == "scales" else value for name, value in options.items()}
        options = {name: value for name, value in options.items() if _USUAL.get(name) != value}
        self.made_for = {"architecture": architecture, **options}
        if weights in FEATURES_ONLY and not imagenet:
            raise FibrolibError(f"There are no ImageNet weights for {architecture}: weights = simulation or scratch.")
        if weights == "imagenet":
            self.pretrained_modules = imagenet
        elif weights == "interpolated":
            learned, _ = _open_weights(architecture, "simulation")
            for child in imagenet:
                self.move_towards(learned, child, _HALF)
            for child in course:
                self.move_towards(learned, child, 1.0)
            self.pretrained_modules = imagenet + course
        elif weights != "scratch":
            self.load_state_dict(self._fitting(read_weights(architecture, weights, options), weights), strict=False)
            self.pretrained_modules = tuple(name for name, _ in self.named_children() if name != "head")

    @torch.no_grad()
    def move_towards(self, learned: dict[str, Tensor], child: str, share: float) -> None:
        """Take a child a share of the straight way to other weights (Wortsman et al. 2022), batch statistics with them.

        Layers that the other weights do not have (deeper ones) stay as they are.

        Parameters
        ----------
        learned : dict of str to Tensor
            Weights under this network's names; those of other children are passed over.
        child : str
            Name of the child.
        share : float
            How far, from 0 to 1.

        Raises
        ------
        FibrolibError
            If the weights are of another shape, or hold nothing of the child.
        """
        own = self.get_submodule(child).state_dict(prefix=f"{child}.")
        shared = {name: tensor for name, tensor in own.items() if name in learned and tensor.is_floating_point()}
        if not shared or any(tensor.shape != learned[name].shape for name, tensor in shared.items()):
            raise FibrolibError(
                f"With interpolated weights, '{child}' takes simulation weights, and those have another shape. "
                "Leave the options that shape it (width of the fast pathway: 16), or set weights = imagenet."
            )
        for name, tensor in shared.items():
            tensor.lerp_(learned[name], share)

    def _fitting(self, state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
        """The weights, if they are exactly those of everything but the head."""
        expected = {name: tensor.shape for name, tensor in self.state_dict().items() if not name.startswith("head.")}
        if {name: tensor.shape for name, tensor in state.items()} != expected:
            raise FibrolibError(f"The weights of '{source}' do not fit this version of the network; make them again.")
        return state

    def train(self, mode: bool = True) -> ClipNetwork:
        """Switch to training, except for batch-normalisation statistics that are kept."""
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
        """What the network is shown of movement (`MotionStem`), for a reader to look at; None where it is nothing."""
        return None

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, height, width)`` in [0, 1] to cumulative logits ``(batch, n_stages - 1)``."""
        return self.head(self.features(clips))


def check_reading(options: dict) -> None:
    """Raise unless what a net is to read of its image features can be read; None, and what is not there, can.

    Parameters
    ----------
    options : dict
        Options of a net; looked at are ``scales``, ``deviations`` and ``direct``.

    Raises
    ------
    FibrolibError
        If the scales are not a list of whole numbers, or one of the others is not true or false.
    """
    scales = options.get("scales")
    known = isinstance(scales, list | tuple) and scales and all(type(scale) is int and scale > 0 for scale in scales)
    if scales is not None and not known:
        raise FibrolibError(f"scales must be a list of whole numbers such as [16] or [16, 32], not {scales!r}.")
    for name in ("deviations", "direct"):
        if not isinstance(options.get(name), bool | None):
            raise FibrolibError(f"{name} must be true or false, not {options[name]!r}.")


def check_weights(weights: object) -> None:
    """Raise unless a net can begin so.

    Parameters
    ----------
    weights : object
        One of `WEIGHTS`, or the path of a file.

    Raises
    ------
    FibrolibError
        If it is neither.
    """
    if weights not in WEIGHTS and not (isinstance(weights, str | Path) and Path(weights).is_file()):
        raise FibrolibError(
            f"weights must be one of {', '.join(WEIGHTS)}, or a file of `fibrolib pretrain`, not {weights!r}. "
            "No file has that name."
        )


def read_weights(architecture: str, source: str, options: dict) -> dict[str, Tensor]:
    """Weights that ``fibrolib pretrain`` wrote, for everything but the head.

    Parameters
    ----------
    architecture : str
        Name of the network.
    source : str
        ``simulation`` for the packaged ones, or the path of a file.
    options : dict
        Options that decide the network's shape; they must be those the weights were made with.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    FibrolibError
        If there is no such file, it is not one of ours, or it is of another network.
    """
    state, made_for = _open_weights(architecture, source)
    asked = {"architecture": architecture, **options}
    if made_for != asked:
        pairs = {key: (made_for.get(key, _USUAL.get(key)), asked.get(key, _USUAL.get(key))) for key in made_for | asked}
        different = ", ".join(f"{key} = {has!r}, not {wants!r}" for key, (has, wants) in pairs.items() if has != wants)
        raise FibrolibError(
            f"The weights of '{source}' are of another network ({different}). "
            "Change the option, make weights for it with `fibrolib pretrain`, or set weights = scratch."
        )
    return state


def _open_weights(architecture: str, source: str) -> tuple[dict[str, Tensor], dict]:
    """Weights, in single precision, and what they were made for."""
    check_weights(source)
    packaged = resources.files("fibrolib.nets") / "weights" / f"{architecture}.safetensors"
    with resources.as_file(packaged) as inside:
        path = inside if source == "simulation" else Path(source)
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
