"""Saliency methods on a net and a batch: class activation maps of a layer, and Captum's attributions to pixels."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from captum.attr import IntegratedGradients, Occlusion
from torch import Tensor, nn
from torch.nn import functional

from fibrolib.errors import FibrolibError
from fibrolib.nets import output_shapes

_Score = Callable[[Tensor], Tensor]  # logits (n, n_stages - 1) to what is explained, (n,)
_VOLUME = (2, 3, 4)  # axes
_CLIPS_PER_PASS = 16


@dataclass(frozen=True)
class Target:
    """What is explained: P(stage >= `stage`), or with `exactly` P(stage = `stage`)."""

    stage: int
    exactly: bool = False

    def __str__(self) -> str:
        return f"stage {'=' if self.exactly else '>='} {self.stage}"

    def log_odds(self, logits: Tensor) -> Tensor:
        """Log-odds ``(n,)`` of the target, from logits ``(n, n_stages - 1)`` of P(stage >= 1), P(stage >= 2), ..."""
        highest, lowest = logits.shape[1], 0 if self.exactly else 1
        if not lowest <= self.stage <= highest:
            problem = f"There is nothing to explain for {self}: this net tells stages 0 to {highest} apart."
            raise FibrolibError(f"{problem} Choose a stage from {lowest} to {highest}.")
        if not self.exactly:
            return logits[:, self.stage - 1]
        cumulative = torch.sigmoid(logits.double())
        here = cumulative[:, self.stage - 1] if self.stage > 0 else torch.ones_like(cumulative[:, 0])
        above = cumulative[:, self.stage] if self.stage < highest else torch.zeros_like(cumulative[:, 0])
        return torch.logit(here - above, eps=1e-9).to(logits.dtype)


def _gradcam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Chattopadhay et al. 2018, eq. 19: positive gradients weighted by each place's part in the score."""
    square, total = gradients.square(), activations.sum(_VOLUME, keepdim=True)
    below = 2 * square + total * square * gradients
    # No small constant in the denominator: gradients of a mean over many places are themselves tiny.
    share = torch.where((gradients != 0) & (below != 0), square / below, 0.0)
    return ((share * gradients.relu()).sum(_VOLUME, keepdim=True) * activations).sum(1)


# Maps (n, times, height, width) from activations and gradients (n, channels, times, height, width).
_CAMS = {
    # Selvaraju et al. 2017: channels weighted by their mean gradient.
    "gradcam": lambda activations, gradients: (gradients.mean(_VOLUME, keepdim=True) * activations).sum(1),
    "gradcam++": _gradcam_plus_plus,
    # Jiang et al. 2021: every place weighted by its own positive gradient.
    "layercam": lambda activations, gradients: (gradients.relu() * activations).sum(1),
}


def _class_activation(
    methods: Sequence[str], net: nn.Module, layer: str, clips: Tensor, score: _Score
) -> tuple[dict[str, Tensor], Tensor]:
    """Signed maps ``(batch, times, h, w)`` of a layer by method, and scores of the clips, from one pass."""
    activations, gradients, scores = _activations_and_gradients(net, layer, clips, score)
    volumes = [maps if maps.dim() == 5 else maps[:, :, None] for maps in (activations, gradients)]
    maps = {method: _CAMS[method](*volumes) for method in methods}
    return {method: one.reshape(len(clips), -1, *one.shape[-2:]) for method, one in maps.items()}, scores


def _enlarged(maps: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Maps ``(n, times, h, w)`` as large as a clip ``(frames, height, width)``, interpolated in space and time."""
    return functional.interpolate(maps[:, None], tuple(shape), mode="trilinear", align_corners=False)[:, 0]


def _activations_and_gradients(
    net: nn.Module, layer: str, clips: Tensor, score: _Score
) -> tuple[Tensor, Tensor, Tensor]:
    outputs: list[Tensor] = []

    def catch(_module, _inputs, output: object) -> Tensor | None:
        if not torch.is_tensor(output):
            return None
        # The graph begins here: nothing below the layer is stored or differentiated. A copy goes on, because an
        # in-place layer (ReLU) would change the stored output.
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()

    with torch.enable_grad(), net.get_submodule(layer).register_forward_hook(catch):
        scores = score(net(clips))
    if not outputs or not _is_map(outputs[0].shape, clips):
        raise _layer_error(net, clips, layer, f"Layer '{layer}' gives no maps of the picture.")
    if len(outputs) != 1:
        raise FibrolibError(
            f"Layer '{layer}' is passed {len(outputs)} times by each clip, so it has no map of its own. "
            "Choose the block around it."
        )
    # Clips of a batch are independent in evaluation mode: the gradient of the sum is that of each.
    (gradients,) = torch.autograd.grad(scores.sum(), outputs)
    return outputs[0].detach(), gradients, scores.detach()


def _grids(net: nn.Module, clip: Tensor) -> dict[str, tuple[int, int, int, int]]:
    """Channels, times, height and width of all layers whose output is a map of the one clip, by name, in order."""
    maps = {name: shape for name, shape in output_shapes(net, clip).items() if _is_map(shape, clip)}
    return {name: (shape[1], shape[2] if len(shape) == 5 else shape[0], *shape[-2:]) for name, shape in maps.items()}


def _is_map(shape: tuple[int, ...], clips: Tensor) -> bool:
    """Whether an output is a map ``(n, channels, [times,] height, width)``, with the proportions of the clips."""
    if len(shape) not in (4, 5) or shape[0] % len(clips) or (len(shape) == 5 and shape[0] != len(clips)):
        return False
    (height, width), (rows, columns) = clips.shape[-2:], shape[-2:]
    return min(rows, columns) > 1 and abs(rows * width - columns * height) <= max(height, width)


def _find_layer(net: nn.Module, clips: Tensor, name: str | None = None) -> str:
    """Name of the layer to explain; None takes the net's ``cam_layer`` or, without one, the last layer with maps."""
    names = {module: key for key, module in net.named_modules()}
    default = getattr(net, "cam_layer", None)
    if name is None and default is not None:
        return names[default]
    if name in names.values():
        return name
    grids = _grids(net, clips[:1])
    if name is None and grids:
        return list(grids)[-1]
    raise _layer_error(net, clips, name, f"Layer '{name}' does not exist.")


def _layer_error(net: nn.Module, clips: Tensor, name: str, problem: str) -> FibrolibError:
    """An error that lists twelve layers with maps."""
    layers = list(_grids(net, clips[:1]))
    if not layers:
        return FibrolibError("No layer of this net gives maps of the picture. Choose a convolutional backbone.")
    near = difflib.get_close_matches(name, layers, n=3, cutoff=0.75)
    listed = ", ".join(list(dict.fromkeys([*near, *reversed(layers)]))[:12])
    hint = f"Layers that do, the nearest and the deepest first: {listed}. (attribution.list_layers names all.)"
    return FibrolibError(f"{problem} {hint}")


def _neutral(clips: Tensor, sectors: Tensor) -> Tensor:
    """Clips without content: the mean grey of each sector, for with black, shadows and vessels could never count."""
    inside = sectors[:, None, None].expand_as(clips).to(clips.dtype)
    level = (clips * inside).sum((1, 2, 3, 4)) / inside.sum((1, 2, 3, 4)).clamp_min(1)
    return inside * level.view(-1, 1, 1, 1, 1)


def _integrated_gradients(net: nn.Module, clips: Tensor, sectors: Tensor, score: _Score, steps: int = 32) -> Tensor:
    """Integrated gradients from a neutral clip; Sundararajan et al. 2017 advise 20 to 300 steps."""
    relevance = IntegratedGradients(lambda batch: score(net(batch))).attribute(
        _dithered(clips),
        _dithered(_neutral(clips, sectors)),
        n_steps=steps,
        internal_batch_size=max(_CLIPS_PER_PASS, len(clips)),
    )
    return relevance.detach()[:, 0].to(clips.dtype)


def _dithered(clips: Tensor) -> Tensor:
    """Add a fortieth of a grey level of fixed noise: local contrast, a square root, has no slope at 0."""
    noise = torch.randn(clips.shape[1:], generator=torch.Generator().manual_seed(0))
    return clips + 1e-4 * noise.to(clips)


@torch.no_grad()
def _block_occlusion(
    net: nn.Module, clips: Tensor, sectors: Tensor, score: _Score, blocks: tuple[int, int, int] = (3, 8, 8)
) -> Tensor:
    """Occlusion (Zeiler & Fergus 2014): fall of the score per neutral block; 192 passes a clip (assumption)."""
    sides = tuple(-(-length // parts) for length, parts in zip(clips.shape[2:], blocks, strict=True))
    relevance = Occlusion(lambda batch: score(net(batch))).attribute(
        clips,
        sliding_window_shapes=(1, *sides),
        strides=(1, *sides),
        baselines=_neutral(clips, sectors),
        perturbations_per_eval=max(1, _CLIPS_PER_PASS // len(clips)),
    )
    return relevance[:, 0].to(clips.dtype)


_PIXEL_METHODS = {"integrated gradients": _integrated_gradients, "occlusion": _block_occlusion}  # need no layer
