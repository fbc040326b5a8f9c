"""One call for every method: a clip in, a map of relevance out, with its origin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrolib.attribution.methods import (
    CAMS,
    PIXEL_METHODS,
    Target,
    class_activation,
    enlarged,
    find_layer,
    map_shapes,
)
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier, pick_device, spread_windows, take_window, torch_threads
from fibrolib.nets import MotionStem, give_back_memory
from fibrolib.video import Clip

__all__ = [
    "METHODS",
    "Explanation",
    "as_batch",
    "attribute",
    "attribute_clips",
    "attribute_methods",
    "fine_layer",
    "frozen_net",
    "input_channels",
    "list_layers",
    "middle_window",
    "parse_methods",
    "window_scores",
]

METHODS = (*CAMS, *PIXEL_METHODS)
"""Names of all methods."""


@dataclass(frozen=True)
class _Window:
    """The frames of a clip that a net sees at once; fields as of `Explanation`."""

    frames: NDArray[np.uint8]
    roi: NDArray[np.bool_] | None
    sector: NDArray[np.bool_]
    times: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Explanation(_Window):
    """A map of relevance, the window it explains, and its origin.

    Attributes
    ----------
    frames : ndarray of uint8, shape (frames, height, width)
        Input of the net.
    roi : ndarray of bool, shape (frames, height, width), or None
        The marked region in the same frames.
    sector : ndarray of bool, shape (height, width)
        The ultrasound sector.
    times : ndarray of float, shape (frames,)
        Seconds since the clip's first frame; a short clip is played back and forth, and so are its times.
    relevance : ndarray of float32, shape (frames, height, width)
        Evidence for the target, in [0, 1] with maximum 1; 0 outside the sector and where evidence is negative. All 0
        without evidence for the target.
    score : float
        Probability of the target in this window.
    method, layer : str
        Saliency method, and its layer; empty for methods without layer.
    target : Target
        What is explained.
    """

    relevance: NDArray[np.float32]
    score: float
    method: str
    layer: str
    target: Target

    @property
    def fps(self) -> float:
        """Frames per second; 1 for a still."""
        return 1.0 if len(self.times) == 1 else float(1 / np.abs(np.diff(self.times)).mean())


def middle_window(estimator: NetClassifier, clip: Clip) -> _Window:
    """The window in the middle of a clip, cut as the estimator cuts its own."""
    starts = spread_windows(len(clip.frames), estimator.clip_length, estimator.frame_stride, 3)
    cut = starts[len(starts) // 2], estimator.clip_length, estimator.frame_stride
    roi = None if clip.roi is None else take_window(clip.roi, *cut)
    times = take_window(np.arange(len(clip.frames)) / clip.fps, *cut)
    return _Window(take_window(clip.frames, *cut), roi, clip.sector, times)


def as_batch(windows: Sequence[NDArray], device: str) -> Tensor:
    """Windows ``(frames, height, width)`` in uint8 or in [0, 1] to a batch ``(n, 1, frames, height, width)``."""
    stacked = np.stack(windows)
    scaled = stacked.astype(np.float32) / 255.0 if stacked.dtype == np.uint8 else stacked.astype(np.float32)
    return torch.from_numpy(scaled)[:, None].to(device)


@contextlib.contextmanager
def frozen_net(estimator: NetClassifier) -> Iterator[tuple[nn.Module, str]]:
    """The estimator's net in evaluation mode, without gradients of its weights, and its device.

    Inside, torch uses the estimator's number of threads, so that a map repeats to the last bit as its scores do.
    """
    device = pick_device(estimator.device)
    net = estimator.module_.to(device).eval()
    parameters = [(parameter, parameter.requires_grad) for parameter in net.parameters()]
    for parameter, _ in parameters:
        parameter.requires_grad_(False)
    # cuDNN's recurrent nets have no backward pass in evaluation mode.
    recurrent = any(isinstance(module, nn.RNNBase) for module in net.modules())
    try:
        with torch_threads(estimator.n_threads), torch.backends.cudnn.flags(enabled=not recurrent):
            yield net, device
    finally:
        for parameter, requires_grad in parameters:
            parameter.requires_grad_(requires_grad)
        give_back_memory()


def input_channels(estimator: NetClassifier, clip: Clip) -> dict[str, NDArray[np.float32]]:
    """Input of a net's first convolution by channel: the grey value, and differences where the net has a motion stem.

    Arrays are ``(frames, height, width)``; differences have one frame less, and may have half the height and width.
    """
    window = middle_window(estimator, clip).frames
    channels = {"grey value": window.astype(np.float32) / 255.0}
    with torch.inference_mode(), frozen_net(estimator) as (net, device):
        motion = net.movement(as_batch([window], device))
    if motion is None:
        return channels
    return channels | dict(zip(MotionStem.channels[1:], motion[0].cpu().numpy()[1:], strict=True))


def list_layers(estimator: NetClassifier, clip: Clip) -> pd.DataFrame:
    """Layers of a fitted net that `attribute` can explain, in the order in which a prepared clip passes them.

    Returns
    -------
    DataFrame
        ``layer`` (name), ``kind``, ``channels``, ``times``, ``height``, ``width`` of its maps. Frames that a net treats
        one by one count as times.
    """
    with frozen_net(estimator) as (net, device):
        shapes = map_shapes(net, as_batch([middle_window(estimator, clip).frames], device))
        kinds = {name: type(module).__name__ for name, module in net.named_modules()}
    rows = [(name, kinds[name], *shape) for name, shape in shapes.items()]
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
    """Explain the middle window of a clip.

    Parameters
    ----------
    estimator : NetClassifier
        Fitted.
    clip : Clip
        A prepared clip, or a prepared still (one frame).
    method : {'gradcam', 'gradcam++', 'layercam', 'integrated gradients', 'occlusion'}
        Class activation maps of a layer, or attributions to pixels.
    target : Target, int or None
        What is explained: a `Target`; an integer for P(stage >= it); None for the estimator's own cut-off.
    layer : str or None
        Name of a layer (`list_layers`), for the class activation maps; None takes the net's own.

    Returns
    -------
    Explanation
        Negative evidence is cut off (ReLU) and the rest is scaled to its own maximum: maps compare in location, not in
        strength.

    Raises
    ------
    FibrolibError
        If the method is unknown, the net has no such layer (the message lists those it has), or no such stage.
    """
    return attribute_clips(estimator, [clip], method, target=target, layer=layer)[0]


def attribute_clips(
    estimator: NetClassifier,
    clips: Sequence[Clip],
    method: str = "gradcam",
    *,
    target: Target | int | None = None,
    layer: str | None = None,
    batch_size: int = 2,
) -> list[Explanation]:
    """Maps of `attribute` for clips of one size, ``batch_size`` in one pass.

    Larger batches are slower on a CPU (``benchmarks/attribution.py speed``).
    """
    return attribute_methods(estimator, clips, [method], target=target, layer=layer, batch_size=batch_size)[method]


def attribute_methods(
    estimator: NetClassifier,
    clips: Sequence[Clip],
    methods: Sequence[str],
    *,
    target: Target | int | None = None,
    layer: str | None = None,
    batch_size: int = 2,
) -> dict[str, list[Explanation]]:
    """Maps of `attribute_clips` by several methods; class activation maps share one pass through the net.

    `layer` is that of the class activation maps among them.
    """
    _check_methods(methods, layer)
    target, windows = _as_target(estimator, target), [middle_window(estimator, clip) for clip in clips]
    explanations: dict[str, list[Explanation]] = {method: [] for method in methods}
    with frozen_net(estimator) as (net, device):
        if windows and set(methods) & set(CAMS):
            layer = find_layer(net, as_batch([windows[0].frames], device), layer)
        for start in range(0, len(windows), batch_size):
            batch = windows[start : start + batch_size]
            maps, scores = _explain(net, device, batch, methods, layer, target)
            for method in methods:
                origin = {"method": method, "layer": layer if method in CAMS else "", "target": target}
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


def _as_target(estimator: NetClassifier, target: Target | int | None) -> Target:
    if target is None:
        return Target(estimator.cutoff)
    return target if isinstance(target, Target) else Target(target)


def _check_methods(methods: Sequence[str], layer: str | None) -> None:
    for method in methods:
        if method not in METHODS:
            raise FibrolibError(f"There is no method '{method}'. Choose one of: {', '.join(METHODS)}.")
    if layer is not None and not set(methods) & set(CAMS):
        raise FibrolibError(f"'{methods[0]}' explains pixels and takes no layer; layers belong to {', '.join(CAMS)}.")


def _explain(
    net: nn.Module, device: str, windows: list[_Window], methods: Sequence[str], layer: str | None, target: Target
) -> tuple[dict[str, NDArray[np.float32]], list[float]]:
    """Scaled maps ``(n, frames, height, width)`` by method, and probabilities of a batch."""
    clips = as_batch([window.frames for window in windows], device)
    sectors = torch.from_numpy(np.stack([window.sector for window in windows])).to(device)
    cams, log_odds = [method for method in methods if method in CAMS], None
    maps: dict[str, Tensor] = {}
    if cams:
        coarse, log_odds = class_activation(cams, net, layer, clips, target.log_odds)
        # ReLU before enlarging: interpolation would mix positive with negative evidence.
        maps = {method: enlarged(one.relu(), clips.shape[2:]) for method, one in coarse.items()}
    for method in set(methods) - set(cams):
        maps[method] = PIXEL_METHODS[method](net, clips, sectors, target.log_odds).relu()
    if log_odds is None:
        with torch.no_grad():
            log_odds = target.log_odds(net(clips))
    scaled = {method: _scaled(one * sectors[:, None]) for method, one in maps.items()}
    return scaled, torch.sigmoid(log_odds.double()).tolist()


def _scaled(maps: Tensor) -> NDArray[np.float32]:
    """Each map divided by its own maximum."""
    largest = maps.amax((1, 2, 3), keepdim=True)
    return torch.where(largest > 0, maps / largest, 0.0).float().cpu().numpy()


def window_scores(
    estimator: NetClassifier, windows: NDArray[np.float32], target: Target | int | None = None, batch_size: int = 4
) -> NDArray[np.float64]:
    """Probability ``(n,)`` of the target in changed windows ``(n, frames, height, width)`` in [0, 1]."""
    target = _as_target(estimator, target)
    parts = []
    with torch.inference_mode(), frozen_net(estimator) as (net, device):
        for start in range(0, len(windows), batch_size):
            batch = as_batch(windows[start : start + batch_size], device)
            parts.append(torch.sigmoid(target.log_odds(net(batch)).double()).cpu().numpy())
    return np.concatenate(parts)
