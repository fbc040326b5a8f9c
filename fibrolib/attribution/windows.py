"""From clips to what a net sees of them: the window that is explained, as a batch, and its score."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrolib.learning import NetClassifier
from fibrolib.learning.clips import spread_windows, take_window
from fibrolib.learning.training import pick_device, torch_threads
from fibrolib.nets import MotionStem, give_back_memory
from fibrolib.video import Clip

__all__ = ["Window", "as_batch", "frozen_net", "middle_window", "shown"]


@dataclass(frozen=True)
class Window:
    """The frames of a clip that a net sees at once.

    Attributes
    ----------
    frames : ndarray of uint8, shape (frames, height, width)
        Grey values.
    roi : ndarray of bool, shape (frames, height, width), or None
        The marked region in the same frames.
    sector : ndarray of bool, shape (height, width)
        The ultrasound picture.
    times : ndarray of float, shape (frames,)
        Seconds since the clip's first frame; a short clip is played back and forth, and so are its times.
    """

    frames: NDArray[np.uint8]
    roi: NDArray[np.bool_] | None
    sector: NDArray[np.bool_]
    times: NDArray[np.float64]


def middle_window(estimator: NetClassifier, clip: Clip) -> Window:
    """The window in the middle of a clip, cut as the estimator cuts its own."""
    starts = spread_windows(len(clip.frames), estimator.clip_length, estimator.frame_stride, 3)
    cut = starts[len(starts) // 2], estimator.clip_length, estimator.frame_stride
    roi = None if clip.roi is None else take_window(clip.roi, *cut)
    times = take_window(np.arange(len(clip.frames)) / clip.fps, *cut)
    return Window(take_window(clip.frames, *cut), roi, clip.sector, times)


def as_batch(windows: Sequence[NDArray], device: str) -> Tensor:
    """Windows ``(frames, height, width)`` in uint8 or in [0, 1] to a batch ``(n, 1, frames, height, width)``."""
    stacked = np.stack(windows)
    scaled = stacked.astype(np.float32) / 255.0 if stacked.dtype == np.uint8 else stacked.astype(np.float32)
    return torch.from_numpy(scaled)[:, None].to(device)


@contextlib.contextmanager
def frozen_net(estimator: NetClassifier) -> Iterator[tuple[nn.Module, str]]:
    """The estimator's net in evaluation mode, no gradient kept for its weights, and the device it is on.

    Inside, torch uses the estimator's number of threads, so that a map repeats to the last bit as its scores do.
    After it the process keeps none of the memory that feature maps and their gradients took.
    """
    device = pick_device(estimator.device)
    net = estimator.module_.to(device).eval()
    wanted = [(parameter, parameter.requires_grad) for parameter in net.parameters()]
    for parameter, _ in wanted:
        parameter.requires_grad_(False)
    # cuDNN's recurrent nets have no backward pass in evaluation mode; elsewhere the switch changes nothing.
    try:
        with torch_threads(estimator.n_threads), torch.backends.cudnn.flags(enabled=not _is_recurrent(net)):
            yield net, device
    finally:
        for parameter, before in wanted:
            parameter.requires_grad_(before)
        give_back_memory()


def _is_recurrent(net: nn.Module) -> bool:
    return any(isinstance(module, nn.RNNBase) for module in net.modules())


def shown(estimator: NetClassifier, clip: Clip) -> dict[str, NDArray[np.float32]]:
    """What reaches the first convolution of a net: the grey value, and movement where the net has a motion stem.

    Returns
    -------
    dict of str to ndarray of float32, shape (frames, height, width)
        By channel; differences have one frame less, and may have half the height and width.
    """
    window = middle_window(estimator, clip).frames
    channels = {"grey value": window.astype(np.float32) / 255.0}
    with torch.inference_mode(), frozen_net(estimator) as (net, device):
        seen = net.movement(as_batch([window], device))
    if seen is None:
        return channels
    movement = seen[0].cpu().numpy()
    return channels | {name: movement[at] for at, name in enumerate(MotionStem.channels) if at > 0}
