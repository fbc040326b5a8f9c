"""Sources of layers, of networks whose wiring is known."""

import pytest
import torch
from torch import nn

from fibrolib.nets import CLIP, describe_layers, follow_clip, layer_sources


class Wired(nn.Module):
    """Two branches of the clip, joined; the last layer also takes the first branch, past the middle one."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.middle, self.last = (
            nn.Conv3d(*channels, 1) for channels in ((1, 2), (1, 3), (5, 4), (6, 1))
        )

    def forward(self, clips):
        left, right = self.left(clips), self.right(clips.square())
        middle = self.middle(torch.cat([left, right], dim=1))
        return self.last(torch.cat([middle, left.relu()], dim=1))


class Recurrent(nn.Module):
    """A layer that returns a tuple, and a stem that gradients do not pass."""

    def __init__(self):
        super().__init__()
        self.stem, self.lstm, self.head = nn.Flatten(2), nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, clips):
        with torch.no_grad():
            frames = self.stem(clips[:, 0])
        return self.head(self.lstm(frames)[0][:, -1])


def test_branches_and_skipped_layers_are_found():
    sources = layer_sources(Wired(), torch.rand(1, 1, 2, 4, 4))
    assert {name: set(each) for name, each in sources.items()} == {
        "left": {CLIP},
        "right": {CLIP},
        "middle": {"left", "right"},
        "last": {"left", "middle"},
    }


def test_tuples_and_layers_without_gradients_are_followed():
    network = Recurrent().train()
    assert layer_sources(network, torch.rand(1, 1, 5, 2, 2)) == {"stem": [CLIP], "lstm": ["stem"], "head": ["lstm"]}
    assert network.training
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules())


@pytest.mark.parametrize(("options", "before"), [({}, ["lstm"]), ({"direct": True}, ["pool", "lstm"])])
def test_the_embedding_of_the_lstm_takes_image_features_where_told_so(options, before):
    shape = (3, 32, 32)
    sources, layers = follow_clip("frame_lstm", 5, shape, weights="scratch", hidden=4, **options)
    assert sources["embedding"] == before
    own = layers.loc[layers["level"] == 1, "layer"]
    assert set(own) == set(sources)
    assert list(layers) == list(describe_layers(Wired(), torch.rand(1, 1, 2, 4, 4)))
