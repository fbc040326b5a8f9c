"""Attributions to pixels, by Captum: integrated gradients, and occlusion in space-time blocks."""

from __future__ import annotations

import torch
from captum.attr import IntegratedGradients, Occlusion
from torch import Tensor, nn

from fibrolib.attribution.cams import Score

__all__ = ["BLOCKS", "PIXEL_METHODS", "block_occlusion", "integrated_gradients", "neutral"]

BLOCKS = (3, 8, 8)
"""Parts into which time, height and width are cut for occlusion (assumption: as fine as 192 passes per clip allow)."""

_STEPS = 32
"""Points on the path of integrated gradients; Sundararajan et al. 2017 advise 20 to 300."""

_AT_ONCE = 16
"""Clips in one pass."""


def neutral(clips: Tensor, sectors: Tensor) -> Tensor:
    """Clips that say nothing: the mean grey of each sector all over it, black outside.

    Black would be the usual choice; but black pixels could then never count, and shadows and vessels are black.

    Parameters
    ----------
    clips : Tensor, shape (batch, 1, frames, height, width)
        In [0, 1].
    sectors : Tensor of bool, shape (batch, height, width)
        The ultrasound pictures.
    """
    inside = sectors[:, None, None].expand_as(clips).to(clips.dtype)
    level = (clips * inside).sum((1, 2, 3, 4)) / inside.sum((1, 2, 3, 4)).clamp_min(1)
    return inside * level.view(-1, 1, 1, 1, 1)


def integrated_gradients(net: nn.Module, clips: Tensor, sectors: Tensor, score: Score, steps: int = _STEPS) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017) from a neutral clip; signed.

    The values of a clip add up to the difference of its score to that of the neutral clip (completeness).

    Parameters
    ----------
    net : Module
        In evaluation mode.
    clips, sectors
        As for `neutral`.
    score : callable
        What is explained, of the net's output.
    steps : int
        Points on the path.

    Returns
    -------
    Tensor, shape (batch, frames, height, width)
    """
    method = IntegratedGradients(lambda batch: score(net(batch)))
    found = method.attribute(
        _dithered(clips),
        _dithered(neutral(clips, sectors)),
        n_steps=steps,
        internal_batch_size=max(_AT_ONCE, len(clips)),
    )
    return found.detach()[:, 0].to(clips.dtype)


def _dithered(clips: Tensor) -> Tensor:
    """Add a fortieth of a grey level of noise, always the same: local contrast, a square root, has no slope at 0."""
    noise = torch.randn(clips.shape[1:], generator=torch.Generator().manual_seed(0))
    return clips + 1e-4 * noise.to(clips)


@torch.no_grad()
def block_occlusion(
    net: nn.Module, clips: Tensor, sectors: Tensor, score: Score, blocks: tuple[int, int, int] = BLOCKS
) -> Tensor:
    """Occlusion (Zeiler & Fergus 2014) in space and time: by how much the score falls when a block says nothing.

    Parameters
    ----------
    net, clips, sectors, score
        As for `integrated_gradients`.
    blocks : tuple of int
        Into how many parts time, height and width are cut.

    Returns
    -------
    Tensor, shape (batch, frames, height, width)
        Signed; the same throughout a block.
    """
    sides = tuple(-(-length // parts) for length, parts in zip(clips.shape[2:], blocks, strict=True))
    method = Occlusion(lambda batch: score(net(batch)))
    found = method.attribute(
        clips,
        sliding_window_shapes=(1, *sides),
        strides=(1, *sides),
        baselines=neutral(clips, sectors),
        perturbations_per_eval=max(1, _AT_ONCE // len(clips)),
    )
    return found[:, 0].to(clips.dtype)


PIXEL_METHODS = {"integrated gradients": integrated_gradients, "occlusion": block_occlusion}
"""Methods that need no layer."""
