"""One head and one loss for ordered stages; the binary case is the same code with two stages."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class OrdinalHead(nn.Module):
    """Proportional odds: one severity per clip, one threshold per stage.

    ``logit P(stage >= k) = severity - threshold_k`` with increasing thresholds, so cumulative probabilities are
    monotone by construction (McCullagh 1980; rank consistency as in CORAL, Cao et al. 2020). There are at least 2
    stages; ``dropout`` acts on the features.
    """

    def __init__(self, n_features: int, n_stages: int, dropout: float = 0.2) -> None:
        super().__init__()
        if n_stages < 2:
            raise ValueError(f"n_stages must be at least 2, got {n_stages}")
        self.n_stages = n_stages
        self.dropout = nn.Dropout(dropout)
        self.severity = nn.Linear(n_features, 1, bias=False)
        # A random direction would be a random diagnosis that few patients would have to unlearn.
        nn.init.zeros_(self.severity.weight)
        self.first = nn.Parameter(torch.zeros(1))
        self.steps = nn.Parameter(torch.zeros(n_stages - 2))

    @property
    def thresholds(self) -> Tensor:
        """Increasing thresholds, shape ``(n_stages - 1,)``."""
        return torch.cat([self.first, self.first + functional.softplus(self.steps).cumsum(0)])

    @torch.no_grad()
    def start_at_prevalence(self, stages: Tensor) -> None:
        """Set the thresholds so that severity 0 predicts the prevalence of each stage in ``stages`` (integers)."""
        targets = _cumulative_targets(stages, self.n_stages).float()
        prevalence = (targets.sum(0) + 0.5) / (len(targets) + 1)
        thresholds = -torch.logit(prevalence)
        self.first.copy_(thresholds[:1])
        self.steps.copy_(thresholds.diff().clamp_min(0.05).expm1().log())  # the inverse of softplus

    @torch.no_grad()
    def start_from(self, slope: Tensor, head: OrdinalHead) -> None:
        """Set the severity to ``slope`` times the first feature, and take the thresholds of another head."""
        self.severity.weight.zero_()
        self.severity.weight[0, 0] = slope
        self.first.copy_(head.first)
        self.steps.copy_(head.steps)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(n, n_features)`` to logits of P(stage >= 1), P(stage >= 2), ...: ``(n, n_stages - 1)``."""
        return self.severity(self.dropout(features)) - self.thresholds


class OrdinalLoss(nn.Module):
    """Mean binary cross-entropy over the cut-offs between stages."""

    def forward(self, logits: Tensor, stages: Tensor) -> Tensor:
        """Logits ``(n, n_stages - 1)`` and stages ``(n,)`` to a scalar."""
        targets = _cumulative_targets(stages, logits.shape[1] + 1).to(logits.dtype)
        return functional.binary_cross_entropy_with_logits(logits, targets)


def _cumulative_targets(stages: Tensor, n_stages: int) -> Tensor:
    """Stages ``(n,)`` to booleans ``(n, n_stages - 1)``: is the stage at least 1, at least 2, ...?"""
    return stages[:, None] >= torch.arange(1, n_stages, device=stages.device)


def stage_probabilities(logits: Tensor) -> Tensor:
    """Cumulative logits ``(n, n_stages - 1)`` to the probability of each stage ``(n, n_stages)``."""
    inner = torch.sigmoid(logits.double())
    cumulative = torch.cat([inner.new_ones(len(inner), 1), inner, inner.new_zeros(len(inner), 1)], dim=1)
    return (cumulative[:, :-1] - cumulative[:, 1:]).clamp_min(0.0)
