"""From maps to one row of features: what a layer says on average, and how unevenly it says it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Embedding", "StatisticsPool"]


class StatisticsPool(nn.Module):
    """Mean and, if asked for, standard deviation of every channel over all places and times, brought to one scale.

    A plain average drowns what happens in few places (a nodule on the surface, the stretch of tissue beside the heart)
    or at few instants (systole); the standard deviation keeps it. Statistics pooling after Snyder et al. 2018.

    Parameters
    ----------
    n_channels : int
        Channels of the maps.
    deviations : bool
        Standard deviations, too; without them this is the average alone.
    """

    def __init__(self, n_channels: int, deviations: bool = True) -> None:
        super().__init__()
        self.deviations = deviations
        self.n_features = 2 * n_channels if deviations else n_channels
        self.norm = nn.BatchNorm1d(self.n_features)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``(n, channels, ...)`` to features ``(n, n_features)``, means first."""
        flat = maps.flatten(2)
        if not self.deviations:
            return _normalised(flat.mean(2), self.norm)
        deviation = (flat.var(dim=2, correction=0) + 1e-4).sqrt()  # the square root has no slope at 0
        return _normalised(torch.cat([flat.mean(2), deviation], dim=1), self.norm)


class Embedding(nn.Module):
    """A few numbers that sum a clip up, on one scale.

    A head that reads hundreds of features learns the noise of seventy patients; one that reads a handful cannot. After
    pretraining these numbers are mixtures of what was measured.

    Parameters
    ----------
    n_in : int
        Features that come in.
    n_features : int
        Numbers that go out.
    """

    def __init__(self, n_in: int, n_features: int = 4) -> None:
        super().__init__()
        self.n_features = n_features
        self.project = nn.Linear(n_in, n_features)
        self.norm = nn.BatchNorm1d(n_features)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(n, n_in)`` to ``(n, n_features)``."""
        return _normalised(self.project(features), self.norm)

    @torch.no_grad()
    def begin_along(self, direction: Tensor, features: Tensor) -> None:
        """Let the first number begin as the features along a direction; all are standardised over ``features``.

        Parameters
        ----------
        direction : Tensor, shape (n_in,)
            Weights.
        features : Tensor, shape (n, n_in)
            What the numbers are standardised over.
        """
        self.project.weight[0] = direction
        self.project.bias[0] = 0.0
        numbers = self.project(features)
        self.norm.running_mean.copy_(numbers.mean(0))
        self.norm.running_var.copy_(numbers.var(0, correction=0))


def _normalised(features: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """Batch normalisation, also where an epoch leaves a single clip over, which has no batch statistics."""
    if norm.training and len(features) == 1:
        return functional.batch_norm(features, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    return norm(features)
