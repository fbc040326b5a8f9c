"""Nets whose explanations are known."""

import numpy as np
import torch
from torch import nn

from fibrolib.attribution import Explanation, Target
from fibrolib.learning import NetClassifier
from fibrolib.nets import ClipNetwork


class Linear3d(ClipNetwork):
    """One convolution, mean over space and time, one weight per channel: its maps have closed forms."""

    def __init__(self):
        super().__init__()
        self.cam_layer = nn.Conv3d(1, 2, kernel_size=1, bias=False)
        self.cam_layer.weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1, 1)
        self.weights = torch.tensor([2.0, 0.5])

    def forward(self, clips):
        return (self.cam_layer(clips).mean(dim=(2, 3, 4)) @ self.weights)[:, None]


class Patch(ClipNetwork):
    """Looks at one patch of the last two frames and at nothing else, through a bend."""

    place = np.s_[:, :, 2:, 6:12, 12:18]

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(1, 1, 1, bias=False)
        self.conv.weight.data.fill_(1.0)

    def forward(self, clips):
        return self.conv(clips)[self.place].square().mean((2, 3, 4))


def classifier_with(net, **options):
    classifier = NetClassifier(**{"clip_length": 4, "n_clips": 1, "cutoff": 1, **options})
    classifier.module_ = net
    return classifier


def explanation(relevance, *, frames=None, roi=None, sector=None, fps=20.0):
    """A map by hand."""
    relevance = np.asarray(relevance, np.float32)
    return Explanation(
        np.zeros(relevance.shape, np.uint8) if frames is None else frames,
        roi,
        np.ones(relevance.shape[1:], bool) if sector is None else sector,
        relevance=relevance,
        times=np.arange(len(relevance)) / fps,
        score=0.5,
        method="gradcam",
        layer="cam_layer",
        target=Target(1),
    )
