"""One call for every method: a clip in, a map of relevance out, with where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrolib.attribution.cams import CAMS, class_activation, enlarged
from fibrolib.attribution.layers import find_layer
from fibrolib.attribution.pixels import PIXEL_METHODS
from fibrolib.attribution.targets import Target
from fibrolib.attribution.windows import Window, as_batch, frozen_net, middle_window
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.video import Clip

__all__ = [
    "METHODS",
    "Explanation",
    "attribute",
    "attribute_clips",
    "attribute_methods",
    "parse_methods",
    "target_of",
    "window_scores",
]

METHODS = (*CAMS, *PIXEL_METHODS)
"""Names of all methods."""


@dataclass(frozen=True)
class Explanation:
    """A map of relevance, the window it explains, and where it came from.

    Attributes
    ----------
    frames : ndarray of uint8, shape (frames, height, width)
        What the net saw.
    relevance : ndarray of float32, shape (frames, height, width)
        Evidence for the target, in [0, 1] with its largest value 1; 0 outside the sector, and 0 where evidence is
        negative. All 0 where nothing spoke for the target.
    roi : ndarray of bool, shape (frames, height, width), or None
        The marked region in the same frames.
    sector : ndarray of bool, shape (height, width)
        The ultrasound picture.
    times : ndarray of float, shape (frames,)
        Seconds since the clip's first frame.
    score : float
        Probability of the target in this window.
    method, layer : str
        How it was made; the layer is empty for methods that need none.
    target : Target
        What is explained.
    """

    frames: NDArray[np.uint8]
    relevance: NDArray[np.float32]
    roi: NDArray[np.bool_] | None
    sector: NDArray[np.bool_]
    times: NDArray[np.float64]
    score: float
    method: str
    layer: str
    target: Target

    @property
    def fps(self) -> float:
        """Frames per second; 1 for a still."""
        return 1.0 if len(self.times) == 1 else float(1 / np.abs(np.diff(self.times)).mean())


def target_of(estimator: NetClassifier, target: Target | int | None) -> Target:
    """What is explained: a `Target`, P(stage >= an integer), or, for None, the estimator's own cut-off."""
    if target is None:
        return Target(estimator.cutoff)
    return target if isinstance(target, Target) else Target(target)


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
        Class activation maps of a layer (`fibrolib.attribution.cams`), or attributions to pixels
        (`fibrolib.attribution.pixels`).
    target : Target, int or None
        What is explained: a `Target`; an integer for P(stage >= it); None for the estimator's own cut-off.
    layer : str or None
        Name of a layer (`list_layers`), for the class activation maps; None takes the net's own.

    Returns
    -------
    Explanation
        Negative evidence is cut off (ReLU) and the rest is scaled to its own maximum: two maps can be compared in
        where they lie, not in how strong they are.

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
    """Explain many clips, several at once; the maps are those of `attribute`.

    Parameters
    ----------
    estimator, method, target, layer
        As for `attribute`.
    clips : sequence of Clip
        Prepared clips, or stills, of one size.
    batch_size : int
        Clips in one pass. A CPU takes longer for each of many at once (``benchmarks/attribution.py speed``); a GPU does
        not.

    Returns
    -------
    list of Explanation
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
    """Explain many clips by several methods; class activation maps share one pass through the net.

    Parameters
    ----------
    estimator, clips, target, batch_size
        As for `attribute_clips`.
    methods : sequence of str
        Of `METHODS`.
    layer : str or None
        Of the class activation maps among them.

    Returns
    -------
    dict of str to list of Explanation
        By method.
    """
    _check_methods(methods, layer)
    asked, windows = target_of(estimator, target), [middle_window(estimator, clip) for clip in clips]
    explained: dict[str, list[Explanation]] = {method: [] for method in methods}
    with frozen_net(estimator) as (net, device):
        if windows and set(methods) & set(CAMS):
            layer = find_layer(net, as_batch([windows[0].frames], device), layer)
        for start in range(0, len(windows), batch_size):
            some = windows[start : start + batch_size]
            maps, scores = _explain(net, device, some, methods, layer, asked)
            for method in methods:
                of = {"method": method, "layer": layer if method in CAMS else "", "target": asked}
                explained[method] += [
                    Explanation(**vars(window), relevance=relevance, score=score, **of)
                    for window, relevance, score in zip(some, maps[method], scores, strict=True)
                ]
    return explained


def parse_methods(text: str) -> list[str]:
    """Names of methods in a text, separated by commas.

    Raises
    ------
    FibrolibError
        If there is none, or one that does not exist.
    """
    methods = list(dict.fromkeys(name.strip() for name in str(text).split(",") if name.strip()))
    if not methods:
        raise FibrolibError(f"No method is named. Choose from: {', '.join(METHODS)}.")
    _check_methods(methods, None)
    return methods


def _check_methods(methods: Sequence[str], layer: str | None) -> None:
    for method in methods:
        if method not in METHODS:
            raise FibrolibError(f"There is no method '{method}'. Choose one of: {', '.join(METHODS)}.")
    if layer is not None and not set(methods) & set(CAMS):
        raise FibrolibError(f"'{methods[0]}' explains pixels and takes no layer; layers belong to {', '.join(CAMS)}.")


def _explain(
    net: nn.Module, device: str, windows: list[Window], methods: Sequence[str], layer: str | None, target: Target
) -> tuple[dict[str, NDArray[np.float32]], list[float]]:
    """Scaled maps ``(n, frames, height, width)`` by method, and probabilities of a batch."""
    clips = as_batch([window.frames for window in windows], device)
    sectors = torch.from_numpy(np.stack([window.sector for window in windows])).to(device)
    cams, log_odds = [method for method in methods if method in CAMS], None
    maps: dict[str, Tensor] = {}
    if cams:
        coarse, log_odds = class_activation(cams, net, layer, clips, target.log_odds)
        # Cut off before enlarging: interpolation would else dilute evidence with its contrary.
        maps = {method: enlarged(one.relu(), clips.shape[2:]) for method, one in coarse.items()}
    for method in set(methods) - set(cams):
        maps[method] = PIXEL_METHODS[method](net, clips, sectors, target.log_odds).relu()
    if log_odds is None:
        with torch.no_grad():
            log_odds = target.log_odds(net(clips))
    scaled = {method: _scaled(one * sectors[:, None]) for method, one in maps.items()}
    return scaled, torch.sigmoid(log_odds.double()).tolist()


def _scaled(maps: Tensor) -> NDArray[np.float32]:
    """Each map over its own largest value."""
    largest = maps.amax((1, 2, 3), keepdim=True)
    return torch.where(largest > 0, maps / largest, 0.0).float().cpu().numpy()


def window_scores(
    estimator: NetClassifier, windows: NDArray[np.float32], target: Target | int | None = None, batch_size: int = 4
) -> NDArray[np.float64]:
    """Probability of the target in changed windows.

    Parameters
    ----------
    estimator : NetClassifier
        Fitted.
    windows : ndarray of float32, shape (n, frames, height, width)
        In [0, 1].
    target : Target, int or None
        As for `attribute`.
    batch_size : int
        Windows in one pass.

    Returns
    -------
    ndarray, shape (n,)
    """
    asked = target_of(estimator, target)
    parts = []
    with torch.inference_mode(), frozen_net(estimator) as (net, device):
        for start in range(0, len(windows), batch_size):
            batch = as_batch(windows[start : start + batch_size], device)
            parts.append(torch.sigmoid(asked.log_odds(net(batch)).double()).cpu().numpy())
    return np.concatenate(parts)
