"""One training recipe for every net: AdamW, one cosine schedule, early stopping on the validation patients."""

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
from torch import nn

from fibrolib.learning.clips import ClipDataset
from fibrolib.nets import ClipNetwork, OrdinalLoss
from fibrolib.stages import at_least

__all__ = [
    "ClipNet",
    "channels_last",
    "cosine_schedule",
    "history_table",
    "make_net",
    "pick_device",
    "torch_threads",
    "warm_cosine",
]


def pick_device(device: str = "auto") -> str:
    """``cuda`` where there is one, else ``cpu``; any other name is passed on."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def torch_threads(n_threads: int | None) -> Iterator[None]:
    """Use so many threads inside the block; None leaves torch's own choice.

    Sums are grouped by thread, so a fixed number is what makes a fit repeat to the last bit on a machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def channels_last(module: nn.Module) -> nn.Module:
    """Put the weights of convolutions into the layout that is fastest on CPUs, and return the module.

    The layout decides the order of sums: a net that is loaded needs the same one to repeat its scores to the last bit.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv3d):
            layer.to(memory_format=torch.channels_last_3d)
        elif isinstance(layer, nn.Conv2d):
            layer.to(memory_format=torch.channels_last)
    return module


class _Stopped(KeyboardInterrupt):
    """How `_EarlyStopping` ends a training; skorch raises a bare KeyboardInterrupt, as a user's interrupt does."""


class _EarlyStopping(EarlyStopping):
    def on_epoch_end(self, net: NeuralNet, **options) -> None:
        try:
            super().on_epoch_end(net, **options)
        except KeyboardInterrupt as stopped:
            raise _Stopped from stopped


class ClipNet(NeuralNet):
    """A skorch net with mixed precision on the GPU; on a CPU, `fibrolib.nets.Backbone` sees to it."""

    def infer(self, x, **fit_params):
        """Forward pass of a batch, to float32 logits."""
        on_gpu = str(self.device).startswith("cuda")
        x = x.to(self.device)
        with torch.autocast("cuda", torch.bfloat16, enabled=on_gpu):
            return super().infer(x, **fit_params).float()

    def fit(self, X, y=None, **fit_params):
        """Train; an interrupt is raised, where skorch would take it for the end and hand on a half-trained net."""
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


def _valid_auc(net: NeuralNet, dataset: ClipDataset, y: None = None, *, cutoff: int) -> float:
    """AUC over the validation windows; skorch passes the predictions it has just made."""
    logits = np.concatenate([batch.cpu().numpy() for batch in net.forward_iter(dataset)])
    truth = at_least(dataset.targets[dataset.owner], cutoff)
    return float(roc_auc_score(truth, logits[:, cutoff - 1])) if 0 < truth.sum() < len(truth) else float("nan")


def warm_cosine(step: int, total: int, warmup: float = 0.1) -> float:
    """Factor on the learning rate: a straight rise over the first tenth of the steps, then half a cosine to 0."""
    rising = max(round(warmup * total), 1)
    falling = max(step - rising, 0) / max(total - rising, 1)
    return min((step + 1) / rising, 1.0) * 0.5 * (1.0 + math.cos(math.pi * min(falling, 1.0)))


def cosine_schedule(steps: int) -> LRScheduler:
    """`warm_cosine` over so many steps, as a callback."""
    return LRScheduler(
        torch.optim.lr_scheduler.LambdaLR, lr_lambda=partial(warm_cosine, total=steps), step_every="batch"
    )


def make_net(
    module: ClipNetwork,
    *,
    cutoff: int,
    validation: ClipDataset | None,
    learning_rate: float,
    backbone_lr_scale: float,
    weight_decay: float,
    epochs: int,
    patience: int,
    batch_size: int,
    n_training: int,
    device: str,
) -> ClipNet:
    """Set up the training of a module.

    Parameters
    ----------
    module : ClipNetwork
        A net of `fibrolib.nets`.
    cutoff : int
        Cut-off of the validation AUC that is written down (training itself uses all stages).
    validation : ClipDataset or None
        Patients whose loss stops the training; the weights of their best epoch are kept. None trains all epochs.
    learning_rate, weight_decay : float
        Of AdamW; the rate warms up and falls along a cosine (`warm_cosine`).
    backbone_lr_scale : float
        Factor on the learning rate of what the net started with.
    epochs, patience, batch_size : int
        Longest training, epochs without a better validation loss before it ends, items per step.
    n_training : int
        Number of training items, for the length of the schedule.
    device : str
        Torch device.
    """
    callbacks: list = [("schedule", cosine_schedule(-(-n_training // batch_size) * epochs))]
    if validation is not None:
        scoring = EpochScoring(partial(_valid_auc, cutoff=cutoff), lower_is_better=False, name="valid_auc")
        stopping = _EarlyStopping(monitor="valid_loss", patience=patience, load_best=True, sink=_silent)
        callbacks += [("valid_auc", scoring), ("stopping", stopping)]
    return ClipNet(
        module,
        criterion=OrdinalLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=weight_decay,
        optimizer__param_groups=[
            (f"{child}.*", {"lr": learning_rate * backbone_lr_scale}) for child in module.pretrained_modules
        ],
        lr=learning_rate,
        max_epochs=epochs,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        train_split=predefined_split(validation) if validation is not None else None,
        callbacks=callbacks,
        device=device,
        verbose=0,
    )


def _silent(_: str) -> None:
    """Drop skorch's remarks: the history holds them."""


def history_table(net: NeuralNet) -> pd.DataFrame:
    """Training curves: one row per epoch with ``epoch, train_loss, valid_loss, valid_auc`` where there are such."""
    columns = ["epoch", "train_loss", "valid_loss", "valid_auc"]
    return pd.DataFrame([{name: row[name] for name in columns if name in row} for row in net.history])
