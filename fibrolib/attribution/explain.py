"""One call for every method: a clip in, a map of relevance out, with its origin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrolib.attribution.maps import Explanation, _Window
from fibrolib.attribution.methods import (
    _CAMS,
    _PIXEL_METHODS,
    Target,
    _class_activation,
    _enlarged,
    _find_layer,
    _grids,
)
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier, pick_device, torch_threads
from fibrolib.system import give_back_memory
from fibrolib.video import Clip

METHODS = (*_CAMS, *_PIXEL_METHODS)


def middle_window(estimator: NetClassifier, clip: Clip) -> _Window:
    """The window in the middle of a clip, cut as the estimator cuts its own."""
    cut = estimator.middle_window
    roi = None if clip.roi is None else cut(clip.roi)
    return _Window(cut(clip.frames), roi, clip.sector, cut(np.arange(len(clip.frames)) / clip.fps))


def _as_batch(windows: Sequence[NDArray], device: str) -> Tensor:
    """Windows ``(frames, height, width)`` in uint8 or in [0, 1] to a batch ``(n, 1, frames, height, width)``."""
    stacked = np.stack(windows)
    scaled = stacked.astype(np.float32) / 255.0 if stacked.dtype == np.uint8 else stacked.astype(np.float32)
    return torch.from_numpy(scaled)[:, None].to(device)


@contextlib.contextmanager
def _frozen_net(estimator: NetClassifier) -> Iterator[tuple[nn.Module, str]]:
    """The estimator's net in evaluation mode, without gradients of its weights, and its device."""
    device = pick_device(estimator.device)
    net = estimator.module_.to(device).eval()
    parameters = [(parameter, parameter.requires_grad) for parameter in net.parameters()]
    for parameter, _ in parameters:
        parameter.requires_grad_(False)
    # cuDNN's recurrent nets have no backward pass in evaluation mode.
    recurrent = any(isinstance(module, nn.RNNBase) for module in net.modules())
    try:
        # With the estimator's number of threads a map repeats to the last bit, as its scores do.
        with torch_threads(estimator.n_threads), torch.backends.cudnn.flags(enabled=not recurrent):
            yield net, device
    finally:
        for parameter, requires_grad in parameters:
            parameter.requires_grad_(requires_grad)
        give_back_memory()


def list_layers(estimator: NetClassifier, clip: Clip) -> pd.DataFrame:
    """Layers of a fitted net that `attribute` can explain, in the order in which a prepared clip passes them.

    Columns: ``layer`` (name), ``kind``, and ``channels, times, height, width`` of its maps. Frames that a net treats
    one by one count as times.
    """
    with _frozen_net(estimator) as (net, device):
        grids = _grids(net, _as_batch([middle_window(estimator, clip).frames], device))
        rows = [(name, type(net.get_submodule(name)).__name__.lstrip("_"), *grid) for name, grid in grids.items()]
    return pd.DataFrame(rows, columns=["layer", "kind", "channels", "times", "height", "width"])


def fine_layer(estimator: NetClassifier, clip: Clip, coarseness: int = 4) -> str:
    """Name of the deepest layer with maps at most `coarseness` times coarser than the clip."""
    layers = list_layers(estimator, clip)
    fine = layers[layers["height"] * coarseness >= clip.frames.shape[1]]
    if fine.empty:
        raise FibrolibError(f"No layer of this net is less than {coarseness} times coarser than its clips.")
    return fine["layer"].iloc[-1]


def attribute(
    estimator: NetClassifier,
    clip: Clip,
    method: str = "gradcam",
    *,
    target: Target | int | None = None,
    layer: str | None = None,
) -> Explanation:
    """Explain the middle window of a clip, by a map without negative evidence that is scaled to its maximum.

    Parameters
    ----------
    estimator, clip : NetClassifier, Clip
        A fitted net, and a prepared clip or still (one frame).
    method : {'gradcam', 'gradcam++', 'layercam', 'integrated gradients', 'occlusion'}
        Class activation maps of a layer, or attributions to pixels.
    target : Target, int or None
        A `Target`; an integer for P(stage >= it); None for the estimator's own cut-off.
    layer : str or None
        A layer of `list_layers`, for class activation maps; None takes the net's own.
    """
    return attribute_methods(estimator, [clip], [method], target=target, layer=layer)[method][0]


def attribute_methods(
    estimator: NetClassifier,
    clips: Sequence[Clip],
    methods: Sequence[str],
    *,
    target: Target | int | None = None,
    layer: str | None = None,
    batch_size: int = 2,
) -> dict[str, list[Explanation]]:
    """Maps of `attribute` for clips of one size, by method, `batch_size` clips at once.

    Class activation maps share one pass; larger batches are slower on a CPU (``benchmarks/attribution.py speed``).
    """
    _check_methods(methods, layer)
    if not isinstance(target, Target):
        target = Target(estimator.cutoff if target is None else target)
    windows = [middle_window(estimator, clip) for clip in clips]
    explanations: dict[str, list[Explanation]] = {method: [] for method in methods}
    with _frozen_net(estimator) as (net, device):
        if windows and set(methods) & set(_CAMS):
            layer = _find_layer(net, _as_batch([windows[0].frames], device), layer)
        for start in range(0, len(windows), batch_size):
            batch = windows[start : start + batch_size]
            maps, scores = _explain(net, device, batch, methods, layer, target)
            for method in methods:
                origin = {"method": method, "layer": layer if method in _CAMS else "", "target": target}
                explanations[method] += [
                    Explanation(**vars(window), relevance=relevance, score=score, **origin)
                    for window, relevance, score in zip(batch, maps[method], scores, strict=True)
                ]
    return explanations


def parse_methods(text: str) -> list[str]:
    """Names of methods in a text, separated by commas; FibrolibError if there is none, or an unknown one."""
    methods = list(dict.fromkeys(name.strip() for name in str(text).split(",") if name.strip()))
    if not methods:
        raise FibrolibError(f"No method is named. Choose from: {', '.join(METHODS)}.")
    _check_methods(methods, None)
    return methods


def _check_methods(methods: Sequence[str], layer: str | None) -> None:
    for method in methods:
        if method not in METHODS:
            raise FibrolibError(f"There is no method '{method}'. Choose one of: {', '.join(METHODS)}.")
    if layer is not None and not set(methods) & set(_CAMS):
        raise FibrolibError(f"'{methods[0]}' explains pixels and takes no layer; layers belong to {', '.join(_CAMS)}.")


def _explain(
    net: nn.Module, device: str, windows: list[_Window], methods: Sequence[str], layer: str | None, target: Target
) -> tuple[dict[str, NDArray[np.float32]], list[float]]:
    """Scaled maps ``(n, frames, height, width)`` by method, and probabilities of a batch."""
    clips = _as_batch([window.frames for window in windows], device)
    sectors = torch.from_numpy(np.stack([window.sector for window in windows])).to(device)
    cams, maps = [method for method in methods if method in _CAMS], {}
    if cams:
        coarse, log_odds = _class_activation(cams, net, layer, clips, target.log_odds)
        # ReLU before enlarging: interpolation would mix positive with negative evidence.
        maps = {method: _enlarged(one.relu(), clips.shape[2:]) for method, one in coarse.items()}
    else:
        with torch.no_grad():
            log_odds = target.log_odds(net(clips))
    for method in set(methods) - set(cams):
        maps[method] = _PIXEL_METHODS[method](net, clips, sectors, target.log_odds).relu()
    scaled = {method: _scaled(one * sectors[:, None]) for method, one in maps.items()}
    return scaled, torch.sigmoid(log_odds.double()).tolist()


def _scaled(maps: Tensor) -> NDArray[np.float32]:
    largest = maps.amax((1, 2, 3), keepdim=True)
    return torch.where(largest > 0, maps / largest, 0.0).float().cpu().numpy()


def _window_scores(estimator: NetClassifier, windows: NDArray[np.float32], target: Target) -> NDArray[np.float64]:
    """Probability ``(n,)`` of the target in changed windows ``(n, frames, height, width)`` in [0, 1]."""
    parts = []
    with torch.inference_mode(), _frozen_net(estimator) as (net, device):
        for start in range(0, len(windows), 4):
            batch = _as_batch(windows[start : start + 4], device)
            parts.append(torch.sigmoid(target.log_odds(net(batch)).double()).cpu().numpy())
    return np.concatenate(parts)
