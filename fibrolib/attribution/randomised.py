"""Nets with shuffled weights: what a map looks like when the net has learned nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import pandas as pd
import torch
from torch import nn

from fibrolib.attribution.agreement import rank_correlation
from fibrolib.attribution.explain import Explanation, attribute, attribute_clips
from fibrolib.attribution.windows import as_batch, frozen_net, middle_window
from fibrolib.learning import NetClassifier
from fibrolib.video import Clip

__all__ = ["cascade_maps", "cascading_randomisation", "layers_with_weights", "with_shuffled_weights"]

_STEPS = 6
"""Steps from the head to the first layer (assumption: enough to see where a map stops following the net)."""


def layers_with_weights(estimator: NetClassifier, clip: Clip) -> list[str]:
    """Names of the layers that hold weights of their own, from the head to the first one."""
    order: dict[str, None] = {}

    def watch(name: str):
        return lambda *_: order.update({name: None})

    with frozen_net(estimator) as (net, device):
        handles = [
            module.register_forward_hook(watch(name))
            for name, module in net.named_modules()
            if name and any(True for _ in module.parameters(recurse=False))
        ]
        try:
            with torch.no_grad():
                net(as_batch([middle_window(estimator, clip).frames], device))
        finally:
            for handle in handles:
                handle.remove()
    return list(order)[::-1]


def with_shuffled_weights(estimator: NetClassifier, layers: Sequence[str], seed: int) -> NetClassifier:
    """A copy of an estimator in which the entries of every weight of some layers are shuffled among themselves.

    What the layers had learned is lost; the scale of their weights stays, so the net does not fall silent, as it would
    with fresh weights beside batch statistics of the old ones.
    """
    shuffled = copy.deepcopy(estimator)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in layers:
            for parameter in shuffled.module_.get_submodule(name).parameters(recurse=False):
                _shuffle(parameter, random)
    return shuffled


def _shuffle(parameter: nn.Parameter, random: torch.Generator) -> None:
    order = torch.randperm(parameter.numel(), generator=random).to(parameter.device)
    parameter.copy_(parameter.flatten()[order].view_as(parameter))


def cascading_randomisation(
    estimator: NetClassifier,
    clips: Sequence[Clip],
    method: str = "gradcam",
    *,
    layer: str | None = None,
    steps: int = _STEPS,
    seed: int = 0,
    explained: Sequence[Explanation] | None = None,
) -> pd.DataFrame:
    """Rank correlation of a method's maps with those of a net whose weights are destroyed from the head downwards.

    A method that shows what the net has learned must lose its map on the way (Adebayo et al. 2018).

    Parameters
    ----------
    estimator : NetClassifier
        Fitted; it stays as it is.
    clips : sequence of Clip
        Prepared clips.
    method, layer
        As for `attribute`.
    steps : int
        Into how many steps the layers are divided.
    seed : int
        Of the shuffling.
    explained : sequence of Explanation or None
        Maps of the intact net, where they are made already.

    Returns
    -------
    DataFrame
        A row per step and clip: ``step`` (0 is the intact net), ``down_to`` (deepest layer shuffled so far), ``share``
        (of layers shuffled), ``clip`` (its position), ``correlation``, ``empty`` (if nothing spoke for the target).
    """
    intact = explained if explained is not None else attribute_clips(estimator, clips, method, layer=layer)
    rows = [_row(0, "", 0.0, at, one, one) for at, one in enumerate(intact)]
    for step, (changed, reached, share) in enumerate(_cascade(estimator, clips[0], steps, seed), start=1):
        after = attribute_clips(changed, clips, method, target=intact[0].target, layer=layer)
        rows += [_row(step, reached, share, at, *pair) for at, pair in enumerate(zip(intact, after, strict=True))]
    return pd.DataFrame(rows)


def cascade_maps(
    estimator: NetClassifier,
    clip: Clip,
    method: str = "gradcam",
    *,
    layer: str | None = None,
    steps: int = 3,
    seed: int = 0,
) -> dict[float, Explanation]:
    """The maps behind `cascading_randomisation`, of one clip, by the share of layers that are shuffled: 0 to 1."""
    maps = {0.0: attribute(estimator, clip, method, layer=layer)}
    for changed, _, share in _cascade(estimator, clip, steps, seed):
        maps[share] = attribute(changed, clip, method, layer=layer)
    return maps


def _cascade(estimator: NetClassifier, clip: Clip, steps: int, seed: int) -> Iterator[tuple[NetClassifier, str, float]]:
    """The net shuffled further at every step, the deepest layer reached, and the share of layers shuffled."""
    layers = layers_with_weights(estimator, clip)
    for step in range(1, steps + 1):
        reached = layers[: round(len(layers) * step / steps)]
        yield with_shuffled_weights(estimator, reached, seed), reached[-1], len(reached) / len(layers)


def _row(step: int, down_to: str, share: float, clip: int, before: Explanation, after: Explanation) -> dict:
    return {
        "step": step,
        "down_to": down_to,
        "share": share,
        "clip": clip,
        "correlation": rank_correlation(before, after),
        "empty": not after.relevance.any(),
    }
