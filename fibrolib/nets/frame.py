"""Nets that see frames: the 2D-CNN, and the 2D-CNN followed by an LSTM."""

from __future__ import annotations

from torch import Tensor, nn

from fibrolib.nets.backbone import PACKAGED, Backbone
from fibrolib.nets.ordinal import OrdinalHead

__all__ = ["FrameCNN", "FrameLSTM"]


def _as_frames(clips: Tensor) -> Tensor:
    """Clips ``(batch, 1, frames, height, width)`` to frames ``(batch * frames, 1, height, width)``."""
    return clips.transpose(1, 2).flatten(0, 1)


class FrameCNN(nn.Module):
    """A 2D-CNN on still images; several frames of a clip are averaged as features.

    Parameters
    ----------
    n_stages : int
        Number of ordered stages.
    backbone : str
        timm name.
    pretrained : bool
        Start from ImageNet weights.
    dropout : float
        Dropout before the head.
    """

    def __init__(self, n_stages: int, backbone: str = PACKAGED, pretrained: bool = True, dropout: float = 0.2) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, pretrained)
        self.head = OrdinalHead(self.backbone.n_features, n_stages, dropout)

    @property
    def cam_layer(self) -> nn.Module:
        """The layer whose activations Grad-CAM weighs: the backbone's last feature map."""
        return self.backbone.maps

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, height, width)`` in [0, 1] to cumulative logits ``(batch, n_stages - 1)``."""
        features = self.backbone(_as_frames(clips))
        return self.head(features.unflatten(0, (clips.shape[0], -1)).mean(1))


class FrameLSTM(nn.Module):
    """The same backbone on every frame, then an LSTM over time.

    The LSTM's outputs are averaged over time rather than read at the last frame only: a clip starts anywhere in the
    heartbeat, so no frame is special.

    Parameters
    ----------
    n_stages : int
        Number of ordered stages.
    backbone : str
        timm name.
    pretrained : bool
        Start from ImageNet weights.
    hidden : int
        Size of the LSTM's state.
    dropout : float
        Dropout before the head.
    """

    def __init__(
        self,
        n_stages: int,
        backbone: str = PACKAGED,
        pretrained: bool = True,
        hidden: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, pretrained)
        self.lstm = nn.LSTM(self.backbone.n_features, hidden, batch_first=True)
        self.head = OrdinalHead(hidden, n_stages, dropout)

    @property
    def cam_layer(self) -> nn.Module:
        """The layer whose activations Grad-CAM weighs: the backbone's last feature map."""
        return self.backbone.maps

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, height, width)`` in [0, 1] to cumulative logits ``(batch, n_stages - 1)``."""
        features = self.backbone(_as_frames(clips)).unflatten(0, (clips.shape[0], -1))
        states, _ = self.lstm(features)
        return self.head(states.mean(1))
