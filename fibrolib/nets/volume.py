"""Nets that see a clip as a volume: a small 3D-CNN to which movement is shown, and torchvision's video nets."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fibrolib.nets.initial_weights import ClipNetwork
from fibrolib.nets.ordinal import OrdinalHead
from fibrolib.nets.pooling import Embedding, StatisticsPool
from fibrolib.nets.torchvision_import import import_torchvision

__all__ = [
    "TORCHVISION_NETS",
    "MotionPathway",
    "MotionResNet3d",
    "MotionStem",
    "TorchvisionNet3d",
    "convolution",
    "norm",
]

TORCHVISION_NETS = ("r3d_18", "mc3_18", "r2plus1d_18")
"""torchvision's 3D residual networks that can take the place of the small one."""


class MotionStem(nn.Module):
    """Put movement beside the picture: grey value, absolute and signed difference to the next frame.

    In a prototype with 94 training patients the same 3D-CNN learned nothing from raw frames and reached an AUC of 0.90
    from absolute frame differences (evidence behind the study): a small cohort cannot teach the first layer to
    subtract. Frames are first divided by their local contrast, so that gain and grey map, which change every
    difference alike, are taken out; what is left of a difference tells how far the speckle moved.

    Parameters
    ----------
    window : int
        Side of the square, in pixels, over which mean and contrast are taken; odd.
    floor : float
        Contrast, as a share of full scale, below which nothing is amplified (black screen, shadow).
    """

    channels = ("grey value", "absolute difference", "signed difference")

    def __init__(self, window: int = 9, floor: float = 0.02) -> None:
        super().__init__()
        self.window, self.floor = window, floor

    def _mean(self, clips: Tensor) -> Tensor:
        sides = (1, self.window, self.window)
        middle = (0, self.window // 2, self.window // 2)
        return functional.avg_pool3d(clips, sides, stride=1, padding=middle, count_include_pad=False)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, h, w)`` in [0, 1] to ``(batch, 3, frames - 1, h, w)``."""
        local = clips - self._mean(clips)
        power = self._mean(local.square().mean(dim=2, keepdim=True))
        contrast = (power + 1e-12).sqrt()  # the square root has no slope at 0, where the screen is black
        normal = local / (contrast + self.floor)
        difference = normal.diff(dim=2)
        return torch.cat([normal[:, :, :-1], difference.abs(), difference], dim=1)


def convolution(n_in: int, n_out: int, stride: tuple[int, int, int] = (1, 1, 1)) -> nn.Conv3d:
    """A 3 x 3 x 3 convolution without bias."""
    return nn.Conv3d(n_in, n_out, kernel_size=3, stride=stride, padding=1, bias=False)


def norm(n_channels: int) -> nn.BatchNorm3d:
    """Batch normalisation that forgets fast.

    An epoch has ten steps here: with torch's momentum of 0.1 the running statistics lag a whole epoch behind the
    weights, which throws the validation loss about. Normalising each clip by itself (group or instance norm) is no way
    out: it divides away the amplitude of movement, which is the signal.
    """
    return nn.BatchNorm3d(n_channels, momentum=0.3)


class _Block(nn.Module):
    """A basic residual block in three dimensions (He et al. 2016; Tran et al. 2018)."""

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(n_in, n_out, stride),
            norm(n_out),
            nn.ReLU(inplace=True),
            convolution(n_out, n_out),
            norm(n_out),
        )
        self.shortcut = nn.Sequential(nn.Conv3d(n_in, n_out, kernel_size=1, stride=stride, bias=False), norm(n_out))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(x) + self.shortcut(x))


class MotionPathway(nn.Module):
    """Nine layers of 3D residual network on a clip whose movement is shown to it.

    Parameters
    ----------
    width : int
        Channels of the first layer; they double twice.

    Attributes
    ----------
    n_channels : int
        Channels of its maps, which are 8 times coarser than the picture and 4 times than the clip.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.n_channels = 4 * width
        self.motion = MotionStem()
        # Differences over time are in the channels already: the first kernels need no depth, which saves half the cost.
        self.stem = nn.Sequential(
            nn.Conv3d(len(MotionStem.channels), width, (1, 5, 5), (1, 2, 2), (0, 2, 2), bias=False),
            norm(width),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(
            _Block(width, width, (1, 2, 2)),
            _Block(width, 2 * width, (2, 2, 2)),
            _Block(2 * width, 4 * width, (2, 1, 1)),
        )

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, height, width)`` in [0, 1] to maps ``(batch, channels, t, h, w)``."""
        return self.blocks(self.stem(self.motion(clips)))


class MotionResNet3d(ClipNetwork):
    """A ten-layer 3D residual network for small cohorts and slow machines.

    Parameters
    ----------
    n_stages : int
        Number of ordered stages.
    width : int
        Channels of the first layer; they double twice.
    weights : str
        Where first weights come from: ``scratch``, or a file of ``fibrolib pretrain``.
    dropout : float
        Dropout before the head.
    """

    def __init__(self, n_stages: int, width: int = 16, weights: str = "scratch", dropout: float = 0.0) -> None:
        super().__init__()
        self.pathway = MotionPathway(width)
        self.pool = StatisticsPool(self.pathway.n_channels)
        self.embedding = Embedding(self.pool.n_features)
        self.head = OrdinalHead(self.embedding.n_features, n_stages, dropout)
        self.begin("motion_resnet3d", weights, {"width": width})

    @property
    def cam_layer(self) -> nn.Module:
        """The layer whose activations Grad-CAM weighs: the last residual stage, in space and time."""
        return self.pathway.blocks[-1]

    def features(self, clips: Tensor) -> Tensor:
        """Embedding of the last maps' statistics over space and time."""
        return self.embedding(self.pool(self.pathway(clips)))

    def movement(self, clips: Tensor) -> Tensor:
        """Channels of the motion stem."""
        return self.pathway.motion(clips)


class TorchvisionNet3d(ClipNetwork):
    """One of torchvision's video networks on grey clips, from scratch.

    Parameters
    ----------
    n_stages : int
        Number of ordered stages.
    name : str
        One of `TORCHVISION_NETS`.
    dropout : float
        Dropout before the head.

    Raises
    ------
    ValueError
        If the name is not one of them.
    """

    def __init__(self, n_stages: int, name: str = "r3d_18", dropout: float = 0.2) -> None:
        super().__init__()
        if name not in TORCHVISION_NETS:
            raise ValueError(f"unknown network '{name}', choose one of {', '.join(TORCHVISION_NETS)}")
        import_torchvision()
        from torchvision.models import video

        net = getattr(video, name)(weights=None)
        self.head = OrdinalHead(net.fc.in_features, n_stages, dropout)
        net.fc = nn.Identity()
        self.net = net

    @property
    def cam_layer(self) -> nn.Module:
        """The layer whose activations Grad-CAM weighs: the last residual stage, in space and time."""
        return self.net.layer4

    def features(self, clips: Tensor) -> Tensor:
        """What torchvision's net feeds its own last layer."""
        return self.net((clips - 0.25).expand(-1, 3, -1, -1, -1) / 0.25)
