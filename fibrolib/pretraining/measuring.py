"""Pretraining: a net learns to measure clustering, nodules and strain, and keeps everything but the head.

Displacement and scatterer statistics of living tissue cannot be known, so networks for ultrasound elastography and
quantitative ultrasound are trained on simulations, where they can (Tehrani & Rivaz 2020; Tehrani et al. 2021).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.stats import spearmanr
from skorch import NeuralNet
from torch import Tensor, nn

from fibrolib.learning.augment import Augment
from fibrolib.learning.checkpoints import write_tensors
from fibrolib.learning.clips import ClipDataset, average_by_patient
from fibrolib.learning.training import ClipNet, channels_last, cosine_schedule, pick_device, torch_threads
from fibrolib.nets import ClipNetwork, build_net
from fibrolib.phantom.quantities import QUANTITIES

__all__ = ["Measured", "pretrain"]


@dataclass(frozen=True)
class Measured:
    """What a pretraining gave.

    Parameters
    ----------
    correlations : dict of str to float
        Rank correlation of each quantity with its measurement, on patients held out.
    history : DataFrame
        Training loss by epoch.
    """

    correlations: dict[str, float]
    history: pd.DataFrame


class _Measuring(nn.Module):
    """A net whose head reads quantities instead of stages."""

    def __init__(self, net: nn.Module, n_quantities: int) -> None:
        super().__init__()
        self.net = net
        self.quantities = nn.Linear(net.head.severity.in_features, n_quantities)

    def forward(self, clips: Tensor) -> Tensor:
        return self.quantities(self.net.features(clips))


def pretrain(
    pictures: pd.DataFrame,
    out: Path | str,
    *,
    architecture: str,
    options: dict,
    view: str,
    clip_length: int,
    frame_stride: int,
    epochs: int,
    quantities: tuple[str, ...] = QUANTITIES,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.02,
    batch_size: int = 16,
    held_out: float = 0.1,
    begin_with: Path | str | None = None,
    seed: int = 0,
    n_threads: int | None = None,
) -> Measured:
    """Train a net to measure, and write its weights without the head.

    Parameters
    ----------
    pictures : DataFrame
        From `unstaged_pictures`.
    out : Path or str
        File of weights to write (half precision: half the size, and no difference after the first fine-tuning step).
    architecture, options : str, dict
        What `fibrolib.nets.build_net` takes; ``weights`` among the options says what the net itself begins with.
    view, clip_length, frame_stride : str, int, int
        ``clips`` or ``stills``, frames per window and their distance.
    epochs : int
        Passes over the patients.
    quantities : tuple of str
        What is measured.
    learning_rate, weight_decay, batch_size : float, float, int
        Of AdamW.
    held_out : float
        Share of patients, the last ones, that are not trained on.
    begin_with : Path, str or None
        Another file of weights; every tensor of the same name and shape is taken over.
    seed : int
        Seed of weights, order, windows and changes.
    n_threads : int or None
        Torch threads; None leaves torch's choice.

    Returns
    -------
    Measured
    """
    values = pictures[list(quantities)].to_numpy()
    values = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    n_training = round(len(pictures) * (1 - held_out))
    windows = {"view": view, "clip_length": clip_length, "frame_stride": frame_stride, "seed": seed}
    training = ClipDataset(pictures[:n_training], values[:n_training], augment=Augment(), **windows)
    with torch.random.fork_rng(), torch_threads(n_threads):
        torch.manual_seed(seed)
        net = channels_last(build_net(architecture, 2, **options))
        if begin_with is not None:
            _take_over(net, Path(begin_with))
        net.pretrained_modules = ()  # here are enough patients to learn all of it, statistics included
        fitted = ClipNet(
            _Measuring(net, len(quantities)),
            criterion=nn.MSELoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=weight_decay,
            lr=learning_rate,
            max_epochs=epochs,
            batch_size=batch_size,
            iterator_train__shuffle=True,
            iterator_train__drop_last=True,
            train_split=None,
            callbacks=[("schedule", cosine_schedule(len(training) // batch_size * epochs))],
            device=pick_device("auto"),
            verbose=0,
        ).fit(training)
        read = _read(fitted, ClipDataset(pictures[n_training:], values[n_training:], n_clips=3, **windows))
    found = {
        name: round(float(spearmanr(read[:, column], values[n_training:, column]).statistic), 3)
        for column, name in enumerate(quantities)
    }
    _save(Path(out), net, {"patients": n_training, "epochs": epochs, **found})
    return Measured(found, pd.DataFrame({"train_loss": fitted.history[:, "train_loss"]}))


def _read(net: NeuralNet, dataset: ClipDataset) -> NDArray[np.float64]:
    """Measurements per patient."""
    windows = np.concatenate([batch.float().cpu().numpy() for batch in net.forward_iter(dataset)])
    return average_by_patient(windows, dataset.owner, int(dataset.owner.max()) + 1)


def _take_over(net: nn.Module, path: Path) -> None:
    own = net.state_dict()
    same = {name: value for name, value in load_file(path).items() if name in own and value.shape == own[name].shape}
    net.load_state_dict(same, strict=False)


def _save(path: Path, net: ClipNetwork, made_by: dict) -> None:
    """Write everything but the head, whole or not at all."""
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in net.state_dict().items()
        if not name.startswith("head.")
    }
    write_tensors(path, state, {"made_for": json.dumps(net.made_for), "made_by": json.dumps(made_by)})
