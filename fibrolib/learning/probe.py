"""Where fine-tuning begins: a linear probe on what the net sees before it has learned anything here.

A net that starts from ImageNet brings features that already tell patients apart, and a last layer that points anywhere.
Let both learn at once, and the features are bent to suit a last layer that is still wrong. So the last layer is fitted
first, and then all of it learns: linear probing, then fine-tuning (Kumar et al. 2022, ICLR).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from fibrolib.learning.clips import ClipDataset, average_by_patient
from fibrolib.nets import ClipNetwork, OrdinalHead, OrdinalLoss

__all__ = ["begin_with_probe", "fit_probe"]

_C = 0.01
"""Inverse strength of the ridge, per patient, as scikit-learn's ``C``: there are more features than patients."""


def begin_with_probe(module: ClipNetwork, windows: ClipDataset, *, batch_size: int, device: str = "cpu") -> None:
    """Let a net's diagnosis begin as that of a linear probe on its own features.

    Batch statistics of layers that start from chance are taken from the windows, the features in front of the embedding
    are averaged by patient, a ridge-penalised head is fitted to them, and its direction becomes the first number of the
    embedding, read by the net's head.

    Parameters
    ----------
    module : ClipNetwork
        A net with an ``embedding`` that has learned nothing yet; changed in place.
    windows : ClipDataset
        Windows of the training patients as they are scored (without augmentation), with stages.
    batch_size : int
        Windows per step.
    device : str
        Torch device.
    """
    module.to(device)
    loader = DataLoader(windows, batch_size=batch_size)
    _settle_statistics(module, loader, device)
    values = _features(module, loader, device).double().numpy()
    stages = torch.tensor(windows.targets)
    features = torch.from_numpy(average_by_patient(values, windows.owner, len(stages))).float()
    direction, head = fit_probe(features, stages, module.head.n_stages)
    module.embedding.read_first(direction.to(device), features.to(device))
    module.head.read_first((features @ direction).std(correction=0), head)
    module.cpu()


def fit_probe(features: Tensor, stages: Tensor, n_stages: int) -> tuple[Tensor, OrdinalHead]:
    """Fit an ordinal head with a ridge penalty to features of patients.

    For two stages this is scikit-learn's ``LogisticRegression(C=0.01)`` behind its ``StandardScaler``.

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
    spread = features.std(0, correction=0)
    varies = spread > 1e-6 * (1.0 + features.mean(0).abs())
    scale = torch.where(varies, spread, torch.inf)  # what never varies says nothing
    standard = ((features - features.mean(0)) / scale).double()
    head = OrdinalHead(features.shape[1], n_stages, dropout=0.0).double()
    head.start_at_prevalence(stages)
    ridge = 1.0 / (2.0 * _C * len(features))
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = OrdinalLoss()(head(standard), stages) + ridge * head.severity.weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return head.severity.weight.detach()[0].float() / scale, head.float()


@torch.no_grad()
def _settle_statistics(module: ClipNetwork, loader: DataLoader, device: str) -> None:
    """Batch statistics over all windows, for the layers whose statistics are not kept from before."""
    module.train()
    norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.training]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
    for clips, _ in loader:
        module(clips.to(device))
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


@torch.no_grad()
def _features(module: ClipNetwork, loader: DataLoader, device: str) -> Tensor:
    """What comes in front of the embedding, one row per window."""
    rows: list[Tensor] = []
    watch = module.embedding.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].float().cpu()))
    module.eval()
    for clips, _ in loader:
        module(clips.to(device))
    watch.remove()
    return torch.cat(rows)
