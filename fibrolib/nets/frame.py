"""Nets that see frames: the 2D-CNN, and the 2D-CNN followed by an LSTM."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fibrolib.nets.backbone import PACKAGED, _Embedding, _StatisticsPool
from fibrolib.nets.initial_weights import ClipNetwork
from fibrolib.nets.ordinal import OrdinalHead


class _FrameNetwork(ClipNetwork):
    """A backbone whose maps become one row of features per frame."""

    def __init__(self, backbone: str, weights: str, freeze_to_stride: int, features: dict) -> None:
        super().__init__()
        self.backbone = self.make_backbone(backbone, weights, freeze_to_stride, features["scales"])
        self.pool = _StatisticsPool(self.backbone.n_channels, features["deviations"])

    @property
    def cam_layer(self) -> nn.Module:
        return self.backbone

    @property
    def pretrained_part(self) -> Callable[[Tensor], Tensor] | None:
        return self.frame_statistics if "backbone" in self.pretrained_modules else None

    def frame_statistics(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, height, width)`` to statistics of the maps, ``(batch, frames, statistics)``."""
        frames = clips.transpose(1, 2).flatten(0, 1)
        return self.pool.statistics(self.backbone(frames)).unflatten(0, (len(clips), -1))

    def frame_features(self, clips: Tensor) -> Tensor:
        """Clips, or their `frame_statistics`, to ``(batch, frames, features)``."""
        if clips.ndim == 3:
            rows = self.pool.normalised(clips.flatten(0, 1))
        else:
            rows = self.pool(self.backbone(clips.transpose(1, 2).flatten(0, 1)))
        return rows.unflatten(0, (len(clips), -1))


class _FrameCNN(_FrameNetwork):
    """A 2D-CNN on still images; the features of several frames of a clip are averaged. Options as of `FrameLSTM`."""

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
        features = self.feature_options(weights, scales=scales, deviations=deviations)
        super().__init__(backbone, weights, freeze_to_stride, features)
        self.embedding = _Embedding(self.pool.n_features)
        self.head = OrdinalHead(self.embedding.n_features, n_stages, dropout)
        self.load_initial("frame_cnn", weights, {"backbone": backbone, **features}, imagenet=("backbone",))

    def features(self, clips: Tensor) -> Tensor:
        """Clips to the embedding of the mean over their frames."""
        return self.embedding(self.frame_features(clips).mean(1))


class FrameLSTM(_FrameNetwork):
    """The same backbone on every frame, then an LSTM over time.

    The LSTM's outputs are averaged over time: a clip starts anywhere in the heartbeat, so no frame is special.

    Parameters
    ----------
    n_stages, hidden : int
        Number of ordered stages; size of the LSTM's state.
    backbone, weights : str
        timm name; initial weights: ``simulation`` (from `fibrolib.pretraining`), ``imagenet``, ``interpolated`` (the
        mean of these two), ``scratch``, or a file of ``fibrolib pretrain``.
    freeze_to_stride, dropout : int, float
        As of `Backbone` (from ``scratch``, all layers learn); dropout before the head.
    scales, deviations, direct : sequence of int, bool, bool, or None
        As of `Backbone`; read standard deviations of the maps, too; the embedding reads the mean over the frames beside
        the LSTM's outputs. None: the default depends on the initial weights.
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
        features = self.feature_options(weights, scales=scales, deviations=deviations, direct=direct)
        super().__init__(backbone, weights, freeze_to_stride, features)
        self.lstm = nn.LSTM(self.pool.n_features, hidden, batch_first=True)
        self.direct = features["direct"]
        self.embedding = _Embedding(hidden + self.pool.n_features if self.direct else hidden)
        self.head = OrdinalHead(self.embedding.n_features, n_stages, dropout)
        options = {"backbone": backbone, "hidden": hidden, **features}
        self.load_initial("frame_lstm", weights, options, imagenet=("backbone",))

    def features(self, clips: Tensor) -> Tensor:
        """Embedding of the mean of the LSTM's states over time, and (`direct`) of the frames' features."""
        frames = self.frame_features(clips)
        states = self.lstm(frames)[0].mean(1)
        return self.embedding(torch.cat([frames.mean(1), states], dim=1) if self.direct else states)
