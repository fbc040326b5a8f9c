"""Grad-CAM of images and clips, and how much of it falls on a region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.learning.clips import spread_windows, take_window
from fibrolib.learning.training import pick_device
from fibrolib.video import Clip

__all__ = ["GradCam", "RegionShare", "gradcam", "region_share", "shown"]


@dataclass(frozen=True)
class GradCam:
    """A Grad-CAM map and the window it explains.

    Attributes
    ----------
    frames : ndarray of uint8, shape (frames, height, width)
        What the net saw.
    relevance : ndarray of float32, shape (frames, height, width)
        Relevance for a stage at or above the cut-off, in [0, 1] with its largest value 1; 0 outside the sector.
        All 0 where nothing spoke for it.
    roi : ndarray of bool, shape (frames, height, width), or None
        The marked region in the same frames.
    sector : ndarray of bool, shape (height, width)
        The ultrasound picture.
    score : float
        P(stage >= cutoff) of this window.
    """

    frames: NDArray[np.uint8]
    relevance: NDArray[np.float32]
    roi: NDArray[np.bool_] | None
    sector: NDArray[np.bool_]
    score: float


def _middle_window(classifier: NetClassifier, clip: Clip) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    starts = spread_windows(len(clip.frames), classifier.length, classifier.step, 3)
    start = starts[len(starts) // 2]
    roi = None if clip.roi is None else take_window(clip.roi, start, classifier.length, classifier.step)
    return take_window(clip.frames, start, classifier.length, classifier.step), roi


def shown(classifier: NetClassifier, clip: Clip) -> dict[str, NDArray[np.float32]]:
    """What reaches the first convolution of a net: the grey value, and movement where the net has a motion stem.

    Returns
    -------
    dict of str to ndarray of float32, shape (frames, height, width)
        By channel; differences have one frame less.
    """
    frames, _ = _middle_window(classifier, clip)
    grey = frames.astype(np.float32) / 255.0
    channels = {"grey value": grey}
    motion = getattr(classifier.module_, "motion", None)
    if motion is not None:
        seen = motion(torch.from_numpy(grey)[None, None])[0].detach().cpu().numpy()
        channels |= {name: seen[channel] for channel, name in enumerate(motion.channels) if channel > 0}
    return channels


def _map_of(classifier: NetClassifier, batch: Tensor, target: int) -> Tensor:
    """Captum's Grad-CAM of the net's own layer: ``(frames, 1, h, w)`` of a frame net, ``(1, 1, t, h, w)`` in 3-D."""
    net = classifier.module_
    # cuDNN's recurrent nets have no backward pass in evaluation mode; elsewhere the switch changes nothing.
    with torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
        return LayerGradCam(net, net.cam_layer).attribute(batch, target=target, relu_attributions=True)


def _to_frames(relevance: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Resample a map to ``(frames, height, width)``."""
    if relevance.dim() == 5:
        return functional.interpolate(relevance, shape, mode="trilinear", align_corners=False)[0, 0]
    if relevance.dim() == 4 and len(relevance) == shape[0]:
        return functional.interpolate(relevance, shape[1:], mode="bilinear", align_corners=False)[:, 0]
    raise FibrolibError(
        "Grad-CAM needs a layer with feature maps in space; this one gives an array of shape "
        f"{tuple(relevance.shape)}. Choose a convolutional backbone."
    )


def gradcam(classifier: NetClassifier, clip: Clip, cutoff: int | None = None) -> GradCam:
    """Grad-CAM (Selvaraju et al. 2017, as in Captum, negative evidence cut off) of a clip's middle window.

    Parameters
    ----------
    classifier : NetClassifier
        Fitted.
    clip : Clip
        A prepared clip, or a prepared still (one frame).
    cutoff : int or None
        Explain P(stage >= cutoff); None takes the classifier's own.

    Returns
    -------
    GradCam

    Raises
    ------
    FibrolibError
        If the net's layer has no feature maps.
    """
    frames, roi = _middle_window(classifier, clip)
    target = (cutoff or classifier.cutoff) - 1
    device = pick_device(classifier.device)
    classifier.module_.to(device).eval()
    batch = torch.from_numpy(frames.astype(np.float32) / 255.0)[None, None].to(device)
    with torch.no_grad():
        score = torch.sigmoid(classifier.module_(batch)[0, target]).item()
    relevance = _to_frames(_map_of(classifier, batch, target).detach(), frames.shape).cpu().numpy()
    relevance = np.clip(relevance * clip.sector, 0.0, None)
    largest = relevance.max()
    scaled = relevance / largest if largest > 0 else relevance
    return GradCam(frames, scaled.astype(np.float32), roi, clip.sector, score)


@dataclass(frozen=True)
class RegionShare:
    """How much relevance falls on a region, beside how large the region is.

    Attributes
    ----------
    relevance : float
        Share of all relevance in the sector that lies on the region; NaN where there is no relevance at all.
    area : float
        Share of the sector's area that the region covers: what a map without preference would score.
    """

    relevance: float
    area: float


def region_share(cam: GradCam) -> RegionShare:
    """Share of relevance on the marked region against its share of the sector (relevance mass accuracy, Arras 2022).

    Raises
    ------
    ValueError
        If the window has no marked region.
    """
    if cam.roi is None:
        raise ValueError("this clip has no marked region")
    sector = np.broadcast_to(cam.sector, cam.roi.shape)
    region = cam.roi & sector
    total = float(cam.relevance[sector].sum())
    share = float(cam.relevance[region].sum()) / total if total > 0 else float("nan")
    return RegionShare(share, float(region.sum() / sector.sum()))
