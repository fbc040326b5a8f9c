"""One training recipe for every net: a linear probe where features come pretrained, then AdamW with a cosine schedule.

Training all layers behind a random embedding would distort pretrained features (Kumar et al. 2022, ICLR). Early
stopping watches the loss of the validation patients.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, EpochScoring, LRScheduler
from skorch.helper import predefined_split
from skorch.utils import noop
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from fibrolib.errors import FibrolibError
from fibrolib.learning.clips import ClipDataset, average_by_patient
from fibrolib.nets import ClipNetwork, OrdinalHead, OrdinalLoss
from fibrolib.stages import at_least

_RIDGE_C = 0.01
"""Inverse strength of the probe's ridge, as scikit-learn's ``C``: there are more features than patients."""

_FLAT = 1e-3
"""A feature that varies by less than this share of the most variable one is ignored; likewise a severity."""


def pick_device(device: str = "auto") -> str:
    """For ``auto``, ``cuda`` where there is one, else ``cpu``; other names are passed on.

    Raises `FibrolibError` where this computer has no such device.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0].removesuffix(".")
        raise FibrolibError(
            f"device = '{device}' cannot be used on this computer ({reason}). Set device = 'auto', which takes a GPU "
            "where there is one, or 'cpu'."
        ) from error
    return device


@contextlib.contextmanager
def torch_threads(n_threads: int | None) -> Iterator[None]:
    """Use so many threads inside the block; None leaves torch's choice. Equal numbers repeat a fit to the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Stopped(KeyboardInterrupt):
    """Early stopping; skorch raises a bare KeyboardInterrupt, as a user's interrupt does."""


class _EarlyStopping(EarlyStopping):
    def on_epoch_end(self, net: NeuralNet, **options) -> None:
        try:
            super().on_epoch_end(net, **options)
        except KeyboardInterrupt as stopped:
            raise _Stopped from stopped


class ClipNet(NeuralNet):
    """A skorch net with mixed precision on the GPU; on a CPU, `fibrolib.nets.Backbone` chooses the precision."""

    def infer(self, x, **fit_params):
        """Forward pass of a batch, to float32 logits."""
        with torch.autocast("cuda", torch.bfloat16, enabled=str(self.device).startswith("cuda")):
            return super().infer(x.to(self.device), **fit_params).float()

    def fit(self, X, y=None, **fit_params):
        """Train; a user's interrupt is raised, where skorch would return a half-trained net."""
        self._interrupt = None
        super().fit(X, y, **fit_params)
        if self._interrupt is not None:
            raise self._interrupt
        return self

    def fit_loop(self, *data, **options):
        """Train all epochs, and remember an interrupt for `fit`."""
        try:
            return super().fit_loop(*data, **options)
        except _Stopped:
            raise
        except KeyboardInterrupt as interrupt:
            self._interrupt = interrupt
            raise

    @staticmethod
    def cosine_schedule(steps: int) -> LRScheduler:
        """`warm_cosine` over so many steps, as a callback."""
        schedule = partial(warm_cosine, total=steps)
        return LRScheduler(torch.optim.lr_scheduler.LambdaLR, lr_lambda=schedule, step_every="batch")

    @property
    def curves(self) -> pd.DataFrame:
        """Training curves: one row per epoch; ``epoch, train_loss, valid_loss, valid_auc`` if recorded."""
        columns = ["epoch", "train_loss", "valid_loss", "valid_auc"]
        return pd.DataFrame([{name: row[name] for name in columns if name in row} for row in self.history])


def _valid_auc(net: NeuralNet, dataset: ClipDataset, y: None = None, *, cutoff: int) -> float:
    """AUC over the validation windows, from the predictions of the epoch (skorch caches them)."""
    logits = np.concatenate([batch.cpu().numpy() for batch in net.forward_iter(dataset)])
    truth = at_least(dataset.targets[dataset.owner], cutoff)
    return float(roc_auc_score(truth, logits[:, cutoff - 1])) if 0 < truth.sum() < len(truth) else float("nan")


def warm_cosine(step: int, total: int, warmup: float = 0.1) -> float:
    """Factor on the learning rate: a linear rise over the first tenth of the steps, then half a cosine to 0."""
    rising = max(round(warmup * total), 1)
    falling = max(step - rising, 0) / max(total - rising, 1)
    return min((step + 1) / rising, 1.0) * 0.5 * (1.0 + math.cos(math.pi * min(falling, 1.0)))


def _make_net(module: ClipNetwork, estimator, n_training: int, validation: ClipDataset | None) -> ClipNet:
    """The skorch net that trains a module on ``n_training`` windows with the parameters of a `NetClassifier`.

    Early stopping restores the epoch with the lowest validation loss; the AUC at the cut-off is only recorded.
    """
    steps = -(-n_training // estimator.batch_size) * estimator.epochs
    callbacks: list = [("schedule", ClipNet.cosine_schedule(steps))]
    if validation is not None:
        scoring = EpochScoring(partial(_valid_auc, cutoff=estimator.cutoff), lower_is_better=False, name="valid_auc")
        stopping = _EarlyStopping(monitor="valid_loss", patience=estimator.patience, load_best=True, sink=noop)
        callbacks += [("valid_auc", scoring), ("stopping", stopping)]
    pretrained = {"lr": estimator.learning_rate * estimator.backbone_lr_scale}
    return ClipNet(
        module,
        criterion=OrdinalLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=estimator.weight_decay,
        optimizer__param_groups=[(f"{child}.*", dict(pretrained)) for child in module.pretrained_modules],
        lr=estimator.learning_rate,
        max_epochs=estimator.epochs,
        batch_size=estimator.batch_size,
        iterator_train__shuffle=True,
        train_split=predefined_split(validation) if validation is not None else None,
        callbacks=callbacks,
        device=pick_device(estimator.device),
        verbose=0,
    )


def _initialise_linear_probe(module: ClipNetwork, windows: ClipDataset, batch_size: int, device: str = "cpu") -> None:
    """Initialise embedding and head of a net as a linear probe on its pretrained features, in place.

    Layers without pretrained weights take their batch statistics from `windows` of the training patients. A ridge-
    penalised head is fitted to features averaged by patient; its direction becomes the first number of the embedding.
    Training keeps these batch statistics: those of eight windows would change the diagnosis with every batch. If the
    probe does not separate patients, embedding and head stay unchanged.
    """
    module.to(device)
    _set_batch_statistics(module, windows, batch_size, device)
    features = _embedding_inputs(module, windows, batch_size, device)
    stages = torch.tensor(windows.targets)
    means = torch.from_numpy(average_by_patient(features.double().numpy(), windows.owner, len(stages))).float()
    direction, head = _fit_probe(means, stages, module.head.n_stages)
    severity = features @ direction
    slope = severity.std(correction=0)
    if slope > _FLAT:
        # Training sees embeddings standardised over windows, the probe features standardised over patients.
        head.first.data += (means @ direction).mean() - severity.mean()
        module.embedding.start_along((direction / slope).to(device), features.to(device))
        module.head.start_from(slope, head)
        module.freeze_batchnorm = True
    module.cpu()


def _fit_probe(features: Tensor, stages: Tensor, n_stages: int) -> tuple[Tensor, OrdinalHead]:
    """Fit an ordinal head with a ridge penalty to features ``(n_patients, n_features)``.

    For two stages, scikit-learn's ``LogisticRegression(C=0.01)`` on standardised features with one undecided, average
    patient more. Returns the direction of severity for raw features, and the head for standardised ones.
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
        ridge = head.severity.weight.square().sum() / (2 * _RIDGE_C)
        value = (n * OrdinalLoss()(head(standard), stages) + undecided + ridge) / (n + 1)
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return head.severity.weight.detach()[0].float() / scale, head.float()


@torch.no_grad()
def _set_batch_statistics(module: ClipNetwork, windows: ClipDataset, batch_size: int, device: str) -> None:
    """Batch statistics over all windows, for the layers that are not pretrained."""
    module.train()
    norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.training]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
    # In the order of the table, a batch would hold one or two patients and miss how patients differ.
    generator, drop_last = torch.Generator().manual_seed(0), len(windows) > batch_size
    loader = DataLoader(windows, batch_size=batch_size, shuffle=True, generator=generator, drop_last=drop_last)
    for clips, _ in loader:
        module(clips.to(device))
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


@torch.no_grad()
def _embedding_inputs(module: ClipNetwork, windows: ClipDataset, batch_size: int, device: str) -> Tensor:
    """Features in front of the embedding, one row per window."""
    rows: list[Tensor] = []
    module.eval()
    with module.embedding.register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].float().cpu())):
        for clips, _ in DataLoader(windows, batch_size=batch_size):
            module(clips.to(device))
    return torch.cat(rows)
