"""Networks layer by layer."""

import torch
from torch import nn

from fibrolib.nets import count_weights, describe_layers


class Holder(nn.Module):
    """Only holds a layer, as timm's models do in a backbone: nothing passes through it as a whole."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(1, 2, 3, padding=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.held = Holder()
        self.norm = nn.BatchNorm2d(2)
        self.lstm = nn.LSTM(2, 5, batch_first=True)
        self.head = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
        self.unused = nn.Linear(7, 7)

    def forward(self, images):
        sequence = self.norm(self.held.inner(images)).flatten(2).transpose(1, 2)
        return self.head(self.lstm(sequence)[0][:, -1])


def test_layers_with_shapes_and_weights_counted_by_hand():
    table = describe_layers(Net(), torch.rand(4, 1, 6, 6))
    expected = [
        (1, "held.inner", "Conv2d", (4, 2, 6, 6), 2 * 9 + 2),
        (1, "norm", "BatchNorm2d", (4, 2, 6, 6), 4),
        (1, "lstm", "LSTM", (4, 36, 5), 4 * 5 * (2 + 5 + 2)),
        (1, "head", "Sequential", (4, 3), 18),
        (2, "head.0", "Linear", (4, 3), 18),
        (2, "head.1", "ReLU", (4, 3), 0),
    ]
    assert list(table[["level", "layer", "kind", "output", "weights"]].itertuples(index=False, name=None)) == expected
    assert table["learned"].equals(table["weights"])
    assert describe_layers(Net(), torch.rand(4, 1, 6, 6), levels=1)["layer"].tolist() == [
        row[1] for row in expected[:4]
    ]


def test_fixed_weights_are_not_learned():
    net = Net()
    net.held.requires_grad_(False)
    assert count_weights(net) - count_weights(net, learned_only=True) == 20
    assert describe_layers(net, torch.rand(1, 1, 6, 6)).set_index("layer")["learned"]["held.inner"] == 0


def test_the_network_is_left_as_it_was():
    net = Net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    describe_layers(net, torch.rand(4, 1, 6, 6))
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
