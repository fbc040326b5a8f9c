"""Nets that see a clip as a volume: a small 3D-CNN on movement, SlowFast, and torchvision's video nets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fibrolib.nets.backbone import PACKAGED, _Embedding, _StatisticsPool, import_torchvision
from fibrolib.nets.folding import fold, folded
from fibrolib.nets.gradients import _has_bfloat16
from fibrolib.nets.initial_weights import _FEATURES_ONLY, ClipNetwork
from fibrolib.nets.ordinal import OrdinalHead

_TORCHVISION_NETS = ("r3d_18", "mc3_18", "r2plus1d_18")
"""torchvision's 3D residual networks."""

_FAST_SIDE = 56
"""Side of the images of the fast pathway, pixels: a quarter of ImageNet's 224."""


class MotionStem(nn.Module):
    """Grey value, absolute and signed difference to the next frame, after division by local contrast.

    A small cohort cannot teach the first layer to subtract; gain and grey map change every difference alike. Mean and
    contrast are taken over squares of ``window`` pixels (odd); a contrast below ``floor``, a share of full scale, is
    not amplified (black screen, shadow).
    """

    channels = ("grey value", "absolute difference", "signed difference")

    def __init__(self, window: int = 9, floor: float = 0.02) -> None:
        super().__init__()
        self.window, self.floor = window, floor

    def _local_mean(self, clips: Tensor) -> Tensor:
        for kernel in ((1, self.window, 1), (1, 1, self.window)):  # a mean over rows of means over columns
            padding = [side // 2 for side in kernel]
            clips = functional.avg_pool3d(clips, kernel, 1, padding, count_include_pad=False)
        return clips

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``(batch, 1, frames, h, w)`` in [0, 1] to ``(batch, 3, frames - 1, h, w)``."""
        local = clips - self._local_mean(clips)
        power = self._local_mean(local.square().mean(dim=2, keepdim=True))
        contrast = (power + 1e-12).sqrt()  # the square root has no slope at 0, where the screen is black
        normal = local / (contrast + self.floor)
        difference = normal.diff(dim=2)
        return torch.cat([normal[:, :, :-1], difference.abs(), difference], dim=1)


def _convolution(n_in: int, n_out: int, stride: tuple[int, int, int] = (1, 1, 1)) -> nn.Conv3d:
    return nn.Conv3d(n_in, n_out, kernel_size=3, stride=stride, padding=1, bias=False)


def _norm(n_channels: int) -> nn.BatchNorm3d:
    """Batch normalisation with a high momentum (an epoch has ten steps); others would divide movement away."""
    return nn.BatchNorm3d(n_channels, momentum=0.3)


class _Block(nn.Module):
    """A basic residual block in three dimensions (He et al. 2016; Tran et al. 2018)."""

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(n_in, n_out, stride),
            _norm(n_out),
            nn.ReLU(inplace=True),
            _convolution(n_out, n_out),
            _norm(n_out),
        )
        self.shortcut = nn.Sequential(nn.Conv3d(n_in, n_out, kernel_size=1, stride=stride, bias=False), _norm(n_out))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(x) + self.shortcut(x))


class _MotionPathway(nn.Module):
    """Nine layers of 3D residual network behind a `MotionStem`: 8 times coarser in space, 4 times in time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.n_channels = 4 * width
        self.motion = MotionStem()
        # Differences over time are channels already: the first kernels need no depth, which saves half the cost.
        self.stem = nn.Sequential(
            nn.Conv3d(len(MotionStem.channels), width, (1, 5, 5), (1, 2, 2), (0, 2, 2), bias=False),
            _norm(width),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(
            _Block(width, width, (1, 2, 2)),
            _Block(width, 2 * width, (2, 2, 2)),
            _Block(2 * width, 4 * width, (2, 1, 1)),
        )
        fold(self.modules())

    def forward(self, clips: Tensor) -> Tensor:
        with folded():
            return self.blocks(self.stem(self.motion(clips)))


class _MotionResNet3d(ClipNetwork):
    """A ten-layer 3D residual network; ``weights`` is ``scratch`` or a file of ``fibrolib pretrain``."""

    def __init__(self, n_stages: int, width: int = 16, weights: str = "scratch", dropout: float = 0.0) -> None:
        super().__init__()
        self.pathway = _MotionPathway(width)
        self.pool = _StatisticsPool(self.pathway.n_channels)
        self.embedding = _Embedding(self.pool.n_features)
        self.head = OrdinalHead(self.embedding.n_features, n_stages, dropout)
        self.load_initial("motion_resnet3d", weights, {"width": width})

    @property
    def cam_layer(self) -> nn.Module:
        return self.pathway.blocks[-1]

    def features(self, clips: Tensor) -> Tensor:
        return self.embedding(self.pool(self.pathway(clips)))

    def movement(self, clips: Tensor) -> Tensor:
        return self.pathway.motion(clips)


class _MotionSlowFast(ClipNetwork):
    """SlowFast for small cohorts and slow machines (after Feichtenhofer et al. 2019).

    The *slow* pathway is an image backbone on a few frames: texture and outlines hardly change within two seconds, and
    ImageNet weights exist. The *fast* pathway is a `_MotionPathway` on all frames, at a fraction of the resolution,
    because movement is smooth in space. A 3D convolution joins their maps at the resolution of the slow ones.

    `slow_frames` are spread over the clip; `width` is the number of channels of the fast pathway's first layer, which
    double twice; with `direct`, the slow maps are passed on beside the joined maps. The rest is as for `FrameLSTM`:
    ``imagenet`` initialises the slow pathway only; with ``interpolated``, the fast one has simulation weights.
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
        features = self.feature_options(weights, scales=scales, deviations=deviations, direct=direct)
        self.backbone = self.make_backbone(backbone, weights, freeze_to_stride, features["scales"])
        self.fast = _MotionPathway(width)
        n_slow, n_joined = self.backbone.n_channels, 6 * width
        layers = _convolution(n_slow + self.fast.n_channels, n_joined), _norm(n_joined), nn.ReLU()
        self.fusion = _Fusion(*layers, n_passed=n_slow if features["direct"] else 0)
        if weights in _FEATURES_ONLY:
            _start_as_projection(self.fusion[0], n_slow)
        self.pool = _StatisticsPool(self.fusion.n_passed + n_joined, features["deviations"])
        self.embedding = _Embedding(self.pool.n_features)
        self.head = OrdinalHead(self.embedding.n_features, n_stages, dropout)
        options = {"backbone": backbone, "width": width, **features}  # the number of slow frames changes no shape
        self.load_initial("motion_slowfast", weights, options, imagenet=("backbone",), simulation=("fast",))

    @property
    def cam_layer(self) -> nn.Module:
        """Fusion of both pathways, in space and time."""
        return self.fusion

    @property
    def pretrained_part(self) -> Callable[[Tensor], Tensor] | None:
        return self.joined_maps if {"backbone", "fast"} <= set(self.pretrained_modules) else None

    def joined_maps(self, clips: Tensor) -> Tensor:
        """Maps of both pathways at one size, ``(batch, channels, times, h, w)``."""
        fast, slow = self.fast(_downsampled(clips)), self._slow(clips)
        size = (fast.shape[2], *slow.shape[3:])
        fast, slow = (functional.interpolate(maps, size=size, mode="nearest") for maps in (fast, slow))
        return torch.cat([slow, fast], dim=1)

    def features(self, clips: Tensor) -> Tensor:
        """Embedding of the statistics over space and time of the fusion of the joined maps, which it also takes."""
        maps = self.joined_maps(clips) if clips.shape[1] == 1 else clips
        return self.embedding(self.pool(self.fusion(maps)))

    def movement(self, clips: Tensor) -> Tensor:
        """Channels of the motion stem, at the resolution of the fast pathway."""
        return self.fast.motion(_downsampled(clips))

    def _slow(self, clips: Tensor) -> Tensor:
        """Maps ``(batch, channels, slow frames, h, w)`` of frames in the middles of equal parts of the clip."""
        n, frames = min(self.slow_frames, clips.shape[2]), clips.shape[2]
        chosen = clips[:, :, [(2 * part + 1) * frames // (2 * n) for part in range(n)]]
        maps = self.backbone(chosen.transpose(1, 2).flatten(0, 1))
        return maps.unflatten(0, (len(clips), n)).transpose(1, 2)


class _Fusion(nn.Sequential):
    """Layers in a row; the first ``n_passed`` channels of the input are put in front of their output.

    As in a `Backbone`, they compute in bfloat16 where nothing is learned or explained, if the processor has it.
    """

    def __init__(self, *layers: nn.Module, n_passed: int = 0) -> None:
        super().__init__(*layers)
        self.n_passed = n_passed
        fold([self], reduced=True)

    def forward(self, maps: Tensor) -> Tensor:
        reduced = _has_bfloat16() and not torch.is_grad_enabled()
        with folded(torch.bfloat16 if reduced else torch.float32):
            joined = super().forward(maps).to(maps.dtype)
        return torch.cat([maps[:, : self.n_passed], joined], dim=1) if self.n_passed else joined


@torch.no_grad()
def _start_as_projection(fusion: nn.Conv3d, n_slow: int) -> None:
    """Initialise a convolution as random orthogonal projections, two thirds of the slow maps, one third of the fast."""
    fusion.weight.zero_()
    slow = 2 * fusion.out_channels // 3
    nn.init.orthogonal_(fusion.weight[:slow, :n_slow, 1, 1, 1])
    nn.init.orthogonal_(fusion.weight[slow:, n_slow:, 1, 1, 1])


def _downsampled(clips: Tensor) -> Tensor:
    """Clips of about `_FAST_SIDE` pixels, at most half of the original side."""
    factor = max(2, round(clips.shape[-1] / _FAST_SIDE))
    return functional.avg_pool3d(clips, (1, factor, factor))


class _TorchvisionNet3d(ClipNetwork):
    """One of torchvision's video networks (`_TORCHVISION_NETS`) on grey clips, from scratch."""

    def __init__(self, n_stages: int, name: str = "r3d_18", dropout: float = 0.2) -> None:
        super().__init__()
        import_torchvision()
        from torchvision.models import video

        net = getattr(video, name)(weights=None)
        self.head = OrdinalHead(net.fc.in_features, n_stages, dropout)
        net.fc = nn.Identity()
        self.net = net

    @property
    def cam_layer(self) -> nn.Module:
        return self.net.layer4

    def features(self, clips: Tensor) -> Tensor:
        return self.net((clips - 0.25).expand(-1, 3, -1, -1, -1) / 0.25)
