"""Nets that see frames: the 2D-CNN, and the 2D-CNN followed by an LSTM."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fibrolib.nets.backbone import PACKAGED
from fibrolib.nets.initial_weights import ClipNetwork
from fibrolib.nets.ordinal import OrdinalHead
from fibrolib.nets.pooling import Embedding, StatisticsPool

__all__ = ["FrameCNN", "FrameLSTM"]


class _FrameNetwork(ClipNetwork):
    """A backbone whose maps become one row of features per frame."""

    def __init__(self, backbone: str, weights: str, freeze_to_stride: int, reads: dict) -> None:
        super().__init__()
        self.backbone = self.begin_backbone(backbone, weights, freeze_to_stride, reads["scales"])
        self.pool = StatisticsPool(self.backbone.n_channels, reads["deviations"])

    @property
    def cam_layer(self) -> nn.Module:
        """The layer whose activations Grad-CAM weighs: the backbone's last feature map."""
        return self.backbone

    def frame_features(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, height, width)`` to ``(batch, frames, features)``."""
        frames = clips.transpose(1, 2).flatten(0, 1)
        return self.pool(self.backbone(frames)).unflatten(0, (len(clips), -1))


class FrameCNN(_FrameNetwork):
    """A 2D-CNN on still images; several frames of a clip are averaged as features.

    Parameters
    ----------
    n_stages : int
        Number of ordered stages.
    backbone : str
        timm name.
    weights : str
        Initial weights: ``simulation`` (from `fibrolib.pretraining`), ``imagenet``, ``interpolated`` (half way between
        these two), ``scratch``, or a file of ``fibrolib pretrain``.
    freeze_to_stride : int
        Layers whose maps are at most so many times coarser than the picture keep the weights they start with (see
        `Backbone`); 0 learns all. From ``scratch`` all are learned.
    dropout : float
        Dropout before the head.
    scales : sequence of int or None
        How many times coarser than the picture the backbone's maps are that are read (see `Backbone`). None, here and
        below: what suits the start.
    deviations : bool or None
        Read standard deviations of the maps, too (see `fibrolib.nets.pooling.StatisticsPool`).
    """

    def __init__(
        self,
        n_stages: int,
        backbone: str = PACKAGED,
        weights: str = "simulation",
        freeze_to_stride: int = 8,
        dropout: float = 0.0,
        scales: Sequence[int] | None = None,
        deviations: bool | None = None,
    ) -> None:
        reads = self.reading(weights, scales=scales, deviations=deviations)
        super().__init__(backbone, weights, freeze_to_stride, reads)
        self.embedding = Embedding(self.pool.n_features)
        self.head = OrdinalHead(self.embedding.n_features, n_stages, dropout)
        self.begin("frame_cnn", weights, {"backbone": backbone, **reads}, imagenet=("backbone",))

    def features(self, clips: Tensor) -> Tensor:
        """Embedding of the mean over the frames."""
        return self.embedding(self.frame_features(clips).mean(1))


class FrameLSTM(_FrameNetwork):
    """The same backbone on every frame, then an LSTM over time.

    The LSTM's outputs are averaged over time rather than read at the last frame only: a clip starts anywhere in the
    heartbeat, so no frame is special.

    Parameters
    ----------
    n_stages : int
        Number of ordered stages.
    backbone : str
        timm name.
    weights, freeze_to_stride : str, int
        As for `FrameCNN`.
    hidden : int
        Size of the LSTM's state.
    dropout : float
        Dropout before the head.
    scales, deviations : sequence of int or None, bool or None
        As for `FrameCNN`.
    direct : bool or None
        Let the mean over the frames reach the embedding, too, beside what the LSTM makes of them.
    """

    def __init__(
        self,
        n_stages: int,
        backbone: str = PACKAGED,
        weights: str = "simulation",
        freeze_to_stride: int = 8,
        hidden: int = 64,
        dropout: float = 0.0,
        scales: Sequence[int] | None = None,
        deviations: bool | None = None,
        direct: bool | None = None,
    ) -> None:
        reads = self.reading(weights, scales=scales, deviations=deviations, direct=direct)
        super().__init__(backbone, weights, freeze_to_stride, reads)
        self.lstm = nn.LSTM(self.pool.n_features, hidden, batch_first=True)
        self.direct = reads["direct"]
        self.embedding = Embedding(hidden + self.pool.n_features if self.direct else hidden)
        self.head = OrdinalHead(self.embedding.n_features, n_stages, dropout)
        self.begin("frame_lstm", weights, {"backbone": backbone, "hidden": hidden, **reads}, imagenet=("backbone",))

    def features(self, clips: Tensor) -> Tensor:
        """Embedding of the mean of the LSTM's states over time, and (`direct`) of the frames' features."""
        frames = self.frame_features(clips)
        states = self.lstm(frames)[0].mean(1)
        return self.embedding(torch.cat([frames.mean(1), states], dim=1) if self.direct else states)
