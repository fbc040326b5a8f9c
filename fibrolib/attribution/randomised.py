"""Nets with shuffled weights: what a map looks like when the net has learned nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import pandas as pd
import torch
from torch import nn

from fibrolib.attribution.agreement import explained_like, map_agreement
from fibrolib.attribution.explain import Explanation, attribute_methods
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


def cascade_maps(
    estimator: NetClassifier,
    clips: Sequence[Clip],
    methods: Sequence[str] = ("gradcam",),
    *,
    layer: str | None = None,
    steps: int = _STEPS,
    seed: int = 0,
) -> Iterator[tuple[str, float, dict[str, list[Explanation]]]]:
    """Maps of a net whose weights are destroyed from the head downwards.

    Parameters
    ----------
    estimator : NetClassifier
        Fitted; it stays as it is.
    clips : sequence of Clip
        Prepared clips.
    methods, layer
        As for `attribute_methods`.
    steps : int
        Into how many steps the layers are divided.
    seed : int
        Of the shuffling.

    Yields
    ------
    down_to : str
        Deepest layer shuffled so far; empty for the intact net, which comes first.
    share : float
        Of layers shuffled.
    maps : dict of str to list of Explanation
        By method.
    """
    intact = attribute_methods(estimator, clips, methods, layer=layer)
    yield "", 0.0, intact
    layers = layers_with_weights(estimator, clips[0])
    for step in range(1, steps + 1):
        reached = layers[: round(len(layers) * step / steps)]
        changed = with_shuffled_weights(estimator, reached, seed)
        yield reached[-1], len(reached) / len(layers), explained_like(changed, clips, intact)


def cascading_randomisation(
    estimator: NetClassifier, clips: Sequence[Clip], methods: Sequence[str] = ("gradcam",), **options
) -> pd.DataFrame:
    """Rank correlation of maps with those of a net whose weights are destroyed from the head downwards.

    A method that shows what the net has learned must lose its map on the way (Adebayo et al. 2018).

    Parameters
    ----------
    estimator, clips, methods
        As for `cascade_maps`.
    **options
        Likewise: ``layer, steps, seed``.

    Returns
    -------
    DataFrame
        A row per method, step and clip: ``method``, ``step`` (0 is the intact net), ``down_to``, ``share``, ``clip``
        (its position), ``correlation``, ``empty`` (if nothing spoke for the target).
    """
    rows, intact = [], None
    for step, (down_to, share, maps) in enumerate(cascade_maps(estimator, clips, methods, **options)):
        intact = intact or maps
        known = {"step": step, "down_to": down_to, "share": share}
        rows += [
            {"method": method, **known, "clip": clip, "correlation": value, "empty": not cam.relevance.any()}
            for method, found in map_agreement(intact, maps).items()
            for clip, (value, cam) in enumerate(zip(found, maps[method], strict=True))
        ]
    return pd.DataFrame(rows)
