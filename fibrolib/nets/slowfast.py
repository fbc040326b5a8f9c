"""A 3D-CNN in two pathways: what the tissue looks like, from few frames; how it moves, from many."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fibrolib.nets.backbone import PACKAGED
from fibrolib.nets.initial_weights import FEATURES_ONLY, ClipNetwork
from fibrolib.nets.ordinal import OrdinalHead
from fibrolib.nets.pooling import Embedding, StatisticsPool
from fibrolib.nets.volume import MotionPathway, convolution, norm

__all__ = ["MotionSlowFast"]

_FAST_SIDE = 56
"""Side of the pictures of the fast pathway, pixels: a quarter of ImageNet's 224."""


class MotionSlowFast(ClipNetwork):
    """SlowFast for small cohorts and slow machines (after Feichtenhofer et al. 2019).

    The *slow* pathway is an image backbone on a few frames of the clip: texture and outlines do not change within two
    seconds, and ImageNet weights can be had. The *fast* pathway is a small 3D residual network on all frames, at a
    fraction of the resolution (movement is smooth in space), to which movement is shown as differences between frames
    (`MotionStem`). Their maps are joined in space and time, at the resolution of the slow ones, by a three-dimensional
    convolution. Grad-CAM weighs what comes out of it, and the slow maps with it where they are handed on.

    Parameters
    ----------
    n_stages : int
        Number of ordered stages.
    backbone : str
        timm name of the slow pathway.
    slow_frames : int
        Frames that the slow pathway looks at, spread over the clip.
    width : int
        Channels of the first layer of the fast pathway; they double twice.
    weights : str
        As for `FrameCNN`. ImageNet initialises the slow pathway only; with ``interpolated``, the fast one has
        simulation weights.
    freeze_to_stride : int
        As for `FrameCNN`; the fast pathway is always learned.
    dropout : float
        Dropout before the head.
    scales, deviations : sequence of int or None, bool or None
        As for `FrameCNN`: the scales of the slow pathway, the deviations of the joined maps.
    direct : bool or None
        Hand the slow maps on as they are, too, beside what the fusion makes of both.
    """

    def __init__(
        self,
        n_stages: int,
        backbone: str = PACKAGED,
        slow_frames: int = 2,
        width: int = 16,
        weights: str = "simulation",
        freeze_to_stride: int = 8,
        dropout: float = 0.0,
        scales: Sequence[int] | None = None,
        deviations: bool | None = None,
        direct: bool | None = None,
    ) -> None:
        super().__init__()
        self.slow_frames = slow_frames
        reads = self.reading(weights, scales=scales, deviations=deviations, direct=direct)
        self.backbone = self.begin_backbone(backbone, weights, freeze_to_stride, reads["scales"])
        self.fast = MotionPathway(width)
        joined = 6 * width
        n_slow = self.backbone.n_channels
        joining = convolution(n_slow + self.fast.n_channels, joined), norm(joined), nn.ReLU()
        self.fusion = Fusion(*joining, n_handed_on=n_slow if reads["direct"] else 0)
        if weights in FEATURES_ONLY:
            _begin_as_projection(self.fusion[0], n_slow)
        self.pool = StatisticsPool(self.fusion.n_handed_on + joined, reads["deviations"])
        self.embedding = Embedding(self.pool.n_features)
        self.head = OrdinalHead(self.embedding.n_features, n_stages, dropout)
        options = {"backbone": backbone, "width": width, **reads}  # the number of slow frames changes no shape
        self.begin("motion_slowfast", weights, options, imagenet=("backbone",), course=("fast",))

    @property
    def cam_layer(self) -> nn.Module:
        """The layer whose activations Grad-CAM weighs: where both pathways meet, in space and time.

        Slow maps that are handed on past the convolution (`direct`) are among its activations.
        """
        return self.fusion

    def features(self, clips: Tensor) -> Tensor:
        """Embedding of the joined maps' statistics over space and time."""
        fast, slow = self.fast(_shrunk(clips)), self._slow(clips)
        size = (fast.shape[2], *slow.shape[3:])
        fast, slow = (functional.interpolate(maps, size=size, mode="nearest") for maps in (fast, slow))
        return self.embedding(self.pool(self.fusion(torch.cat([slow, fast], dim=1))))

    def movement(self, clips: Tensor) -> Tensor:
        """Channels of the motion stem, at the resolution of the fast pathway."""
        return self.fast.motion(_shrunk(clips))

    def _slow(self, clips: Tensor) -> Tensor:
        """Maps ``(batch, channels, slow frames, h, w)`` of frames in the middles of equal parts of the clip."""
        n, frames = min(self.slow_frames, clips.shape[2]), clips.shape[2]
        chosen = clips[:, :, [(2 * part + 1) * frames // (2 * n) for part in range(n)]]
        maps = self.backbone(chosen.transpose(1, 2).flatten(0, 1))
        return maps.unflatten(0, (len(clips), n)).transpose(1, 2)


class Fusion(nn.Sequential):
    """Layers in a row, and past them the first so many channels of what goes in.

    Parameters
    ----------
    *layers : nn.Module
        Layers that make something of all channels.
    n_handed_on : int
        Channels that come out as they went in, in front of what the layers make.
    """

    def __init__(self, *layers: nn.Module, n_handed_on: int = 0) -> None:
        super().__init__(*layers)
        self.n_handed_on = n_handed_on

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``(n, channels, t, h, w)`` to maps of the same size."""
        joined = super().forward(maps)
        return torch.cat([maps[:, : self.n_handed_on], joined], dim=1) if self.n_handed_on else joined


@torch.no_grad()
def _begin_as_projection(fusion: nn.Conv3d, n_slow: int) -> None:
    """Let a convolution over slow and fast maps begin as a random orthogonal projection of each, place by place.

    A random filter blurs and mixes what the slow pathway has learned elsewhere, and thirty patients cannot undo it. Two
    thirds of what comes out are of the slow maps, one third of the fast.
    """
    fusion.weight.zero_()
    slow = 2 * fusion.out_channels // 3
    nn.init.orthogonal_(fusion.weight[:slow, :n_slow, 1, 1, 1])
    nn.init.orthogonal_(fusion.weight[slow:, n_slow:, 1, 1, 1])


def _shrunk(clips: Tensor) -> Tensor:
    """Bring clips to about `_FAST_SIDE` pixels, at most half of what they have."""
    factor = max(2, round(clips.shape[-1] / _FAST_SIDE))
    return functional.avg_pool3d(clips, (1, factor, factor))
