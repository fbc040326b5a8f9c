"""Where fine-tuning begins: a linear probe on what the net sees before it has learned anything here.

A net that starts from ImageNet, or half way between it and the course, brings features that already tell patients
apart, and a last layer that points anywhere. Let both learn at once, and the features are bent to suit a last layer
that is still wrong. So the last layer is fitted first, and then all that is not held learns: linear probing, then
fine-tuning (Kumar et al. 2022, ICLR).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from fibrolib.learning.clips import ClipDataset, average_by_patient
from fibrolib.nets import ClipNetwork, OrdinalHead, OrdinalLoss

__all__ = ["fit_probe", "initialise_linear_probe"]

_C = 0.01
"""Inverse strength of the ridge, per patient, as scikit-learn's ``C``: there are more features than patients."""

_FLAT = 1e-3
"""A feature that varies by less than this share of the one that varies most says nothing; so does such a severity."""


def initialise_linear_probe(module: ClipNetwork, windows: ClipDataset, *, batch_size: int, device: str = "cpu") -> None:
    """Let a net's diagnosis begin as that of a linear probe on its own features.

    Layers that start from chance take their batch statistics from the windows; the features in front of the embedding
    are averaged by patient, a ridge-penalised head is fitted to them, and its direction becomes the embedding's first
    number, read by the net's head. Training that follows keeps the batch statistics that the head was fitted to: those
    of eight windows would make another diagnosis of every batch. Where the probe tells no patient from another,
    embedding and head are left as they were.

    Parameters
    ----------
    module : ClipNetwork
        A net with an ``embedding`` that has learned nothing yet; changed in place, and left in evaluation mode on the
        CPU.
    windows : ClipDataset
        Windows of the training patients as they are scored (without augmentation), with stages.
    batch_size : int
        Windows per step.
    device : str
        Torch device.
    """
    module.to(device)
    _settle_statistics(module, windows, batch_size, device)
    features = _features(module, windows, batch_size, device)
    stages = torch.tensor(windows.targets)
    means = torch.from_numpy(average_by_patient(features.double().numpy(), windows.owner, len(stages))).float()
    direction, head = fit_probe(means, stages, module.head.n_stages)
    severity = features @ direction
    slope = severity.std(correction=0)
    if slope > _FLAT:
        # The embedding is standardised over windows, which is what it meets in training; the probe over patients.
        head.first.data += (means @ direction).mean() - severity.mean()
        module.embedding.begin_along((direction / slope).to(device), features.to(device))
        module.head.begin_with(slope, head)
        module.freeze_batchnorm = True
    module.cpu()


def fit_probe(features: Tensor, stages: Tensor, n_stages: int) -> tuple[Tensor, OrdinalHead]:
    """Fit an ordinal head with a ridge penalty to features of patients.

    For two stages this is scikit-learn's ``LogisticRegression(C=0.01)`` on standardised features, with one more
    patient: average in every feature and undecided at every cut-off, as in `OrdinalHead.start_at_prevalence`. Without
    that one a stage that no patient has would have a threshold at infinity.

    Parameters
    ----------
    features : Tensor, shape (n_patients, n_features)
        One row per patient.
    stages : Tensor of int, shape (n_patients,)
        Stages.
    n_stages : int
        Number of ordered stages.

    Returns
    -------
    direction : Tensor, shape (n_features,)
        Weights of the severity, for features as they come in.
    head : OrdinalHead
        The head for standardised features, with its thresholds.
    """
    n, spread = len(features), features.std(0, correction=0)
    scale = torch.where(spread > _FLAT * spread.max(), spread, torch.inf)
    standard = ((features - features.mean(0)) / scale).double()
    head = OrdinalHead(features.shape[1], n_stages, dropout=0.0).double()
    head.start_at_prevalence(stages)
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        thresholds = head.thresholds
        undecided = binary_cross_entropy_with_logits(-thresholds, torch.full_like(thresholds, 0.5))
        ridge = head.severity.weight.square().sum() / (2 * _C)
        value = (n * OrdinalLoss()(head(standard), stages) + undecided + ridge) / (n + 1)
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return head.severity.weight.detach()[0].float() / scale, head.float()


@torch.no_grad()
def _settle_statistics(module: ClipNetwork, windows: ClipDataset, batch_size: int, device: str) -> None:
    """Batch statistics over all windows, for the layers that start from chance."""
    module.train()
    norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.training]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
    # In the order of the table a batch would hold a patient or two, and miss how patients differ.
    mixed, whole = torch.Generator().manual_seed(0), len(windows) > batch_size
    loader = DataLoader(windows, batch_size=batch_size, shuffle=True, generator=mixed, drop_last=whole)
    for clips, _ in loader:
        module(clips.to(device))
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


@torch.no_grad()
def _features(module: ClipNetwork, windows: ClipDataset, batch_size: int, device: str) -> Tensor:
    """What comes in front of the embedding, one row per window."""
    rows: list[Tensor] = []
    watch = module.embedding.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].float().cpu()))
    module.eval()
    for clips, _ in DataLoader(windows, batch_size=batch_size):
        module(clips.to(device))
    watch.remove()
    return torch.cat(rows)
