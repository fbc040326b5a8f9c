"""Simulation pretraining: a net learns to measure on simulated patients without a stage, and keeps all but its head.

Only there are displacement and scatterer statistics known (Tehrani & Rivaz 2020; Tehrani et al. 2021).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import delayed
from safetensors.torch import load_file
from scipy.stats import spearmanr
from torch import Tensor, nn

from fibrolib.learning import Augment, ClipDataset, ClipNet, average_by_patient, pick_device
from fibrolib.nets import build_net, write_tensors
from fibrolib.phantom import QUANTITIES, draw_unstaged_patients, physical_quantities, render_clip, render_image
from fibrolib.progress import track
from fibrolib.video import prepare_clip, prepare_image, save_clip, write_image, write_video
from fibrolib.workers import in_parallel

_SEED = 5_000_000  # of the simulated patients: far from those of cohorts and of simulated test sets
_BATCH_SIZE = 16
_PATIENTS = {"stills": 3000, "clips": 600}  # simulated patients, by what the nets look at

# Speckle and outlines are measured finely, and also by how uneven they are.
_IMAGENET = {"weights": "imagenet", "backbone": "tf_efficientnet_lite0", "freeze_to_stride": 4}
_FRAMES = {**_IMAGENET, "scales": [16], "deviations": True}

RECIPES = {
    "frame_cnn": {
        "options": _FRAMES,
        "clips": {"view": "stills", "clip_length": 1, "frame_stride": 1},
        "quantities": ("clustering", "nodules"),  # a still image does not move
        "epochs": 8,
    },
    # The other two begin with the backbone of the first: features of still images are learned once, for all three.
    "frame_lstm": {
        "options": {**_FRAMES, "direct": False, "hidden": 64},
        "clips": {"view": "clips", "clip_length": 4, "frame_stride": 3},
        "epochs": 6,
    },
    "motion_slowfast": {
        "options": {**_FRAMES, "direct": False, "slow_frames": 2, "width": 16},
        "clips": {"view": "clips", "clip_length": 17, "frame_stride": 2},
        "epochs": 12,
        "learning_rate": 2e-3,
    },
}
"""Arguments of `pretrain` for each architecture that has packaged weights, in order."""


def make_weights(
    pictures: Path,
    out: Path,
    *,
    only: str = "",
    patients: Mapping[str, int] = _PATIENTS,
    report: Callable[[str], None] = print,
    n_jobs: int = 2,
) -> None:
    """Make the packaged weights, ``<out>/<architecture>.safetensors``, of all nets or of `only` one.

    Missing simulated pictures are made in the folder `pictures`, of as many `patients` as given by view.
    """
    if only and only not in RECIPES:
        raise ValueError(f"there is no recipe for '{only}', choose one of {', '.join(RECIPES)}")
    first = out / "frame_cnn.safetensors"
    for architecture in [only] if only else RECIPES:
        recipe = RECIPES[architecture]
        view = recipe["clips"]["view"]
        correlations, _ = pretrain(
            _simulate_pictures(pictures, view, patients[view], _SEED, n_jobs=n_jobs),
            out / f"{architecture}.safetensors",
            architecture=architecture,
            initial_weights=first if architecture != "frame_cnn" and first.exists() else None,
            **recipe,
        )
        values = ", ".join(f"{name} {value:.2f}" for name, value in correlations.items())
        report(f"{architecture}: rank correlation on held-out patients: {values}")


def _simulate_pictures(
    folder: Path, view: str, patients: int, seed: int, *, size: int = 224, max_frames: int = 48, n_jobs: int = 2
) -> pd.DataFrame:
    """Simulate patients without a stage and prepare a clip, or a still image, of each, as of a cohort.

    Files in `folder` are named after seed and settings; existing ones are not made again. The table has one row per
    patient: the column `view` (tuples of one path each) and the logarithms of `QUANTITIES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = draw_unstaged_patients(patients, seed)
    form = {"size": size, "fps": 20.0, "max_frames": max_frames} if view == "clips" else {"size": size}
    name = "-".join(f"{value:g}" for value in form.values())
    files = [folder / f"s{seed}-{number:05d}-{view}-{name}.npz" for number in range(patients)]
    jobs = [
        delayed(_write_picture)(row, (seed, number), file, form)
        for number, (row, file) in enumerate(zip(table.itertuples(index=False), files, strict=True))
        if not file.exists()
    ]
    finished = patients - len(jobs)
    list(track(in_parallel(jobs, n_jobs), "Simulating pictures", patients, "patients", kept=folder, before=finished))
    quantities = pd.DataFrame(physical_quantities(table), columns=list(QUANTITIES))
    return quantities.assign(**{view: [(path,) for path in files]})


def _write_picture(patient: object, seed: tuple[int, int], file: Path, form: dict) -> None:
    """Render, encode, read back and prepare one patient."""
    with tempfile.TemporaryDirectory() as scratch:
        video, image = Path(scratch) / "clip.mp4", Path(scratch) / "still.png"
        if "fps" in form:
            rendering = render_clip(patient, seed, truth=False)
            write_video(video, rendering.frames, rendering.fps)
            save_clip(file, prepare_clip(video, **form))
        else:
            write_image(image, render_image(patient, seed, truth=False).frames[0])
            save_clip(file, prepare_image(image, **form))


class _QuantityNet(nn.Module):
    """A net whose head reads quantities instead of stages."""

    def __init__(self, net: nn.Module, n_quantities: int) -> None:
        super().__init__()
        self.net = net
        self.quantities = nn.Linear(net.head.severity.in_features, n_quantities)

    def forward(self, clips: Tensor) -> Tensor:
        return self.quantities(self.net.features(clips))


def pretrain(
    pictures: pd.DataFrame,
    out: Path,
    *,
    architecture: str,
    options: dict,
    clips: dict,
    epochs: int,
    learning_rate: float = 1e-3,
    quantities: tuple[str, ...] = QUANTITIES,
    initial_weights: Path | None = None,
) -> tuple[dict[str, float], pd.DataFrame]:
    """Train a net to measure `quantities`, and write its weights without the head.

    Parameters
    ----------
    pictures : DataFrame
        One row per patient: a column of tuples of prepared files, and one of each quantity. The last tenth is held out.
    out, initial_weights : Path
        File of weights to write, in half precision; another, of which every tensor of equal name and shape is loaded.
    architecture, options, clips : str, dict, dict
        Arguments of `fibrolib.nets.build_net`; ``view``, ``clip_length`` and ``frame_stride`` of `ClipDataset`.

    Returns
    -------
    correlations, history : dict of str to float, DataFrame
        Rank correlation of each quantity with its measurement on held-out patients; ``train_loss`` by epoch.
    """
    values = pictures[list(quantities)].to_numpy()
    values = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    n_training = round(0.9 * len(pictures))
    training = ClipDataset(pictures[:n_training], values[:n_training], augment=Augment(), **clips)
    test = ClipDataset(pictures[n_training:], values[n_training:], n_clips=3, **clips)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build_net(architecture, 2, **options)
        if initial_weights is not None:
            own, tensors = net.state_dict(), load_file(initial_weights)
            same = {name for name in own.keys() & tensors.keys() if own[name].shape == tensors[name].shape}
            net.load_state_dict({name: tensors[name] for name in same}, strict=False)
        net.pretrained_modules = ()  # there are enough patients to train all of it, batch statistics included
        fitted = ClipNet(
            _QuantityNet(net, len(quantities)),
            criterion=nn.MSELoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=0.02,
            lr=learning_rate,
            max_epochs=epochs,
            batch_size=_BATCH_SIZE,
            iterator_train__shuffle=True,
            iterator_train__drop_last=True,
            train_split=None,
            callbacks=[("schedule", ClipNet.cosine_schedule(len(training) // _BATCH_SIZE * epochs))],
            device=pick_device("auto"),
            verbose=0,
        ).fit(training)
        measured = np.concatenate([batch.float().cpu().numpy() for batch in fitted.forward_iter(test)])
    measured = average_by_patient(measured, test.owner, len(pictures) - n_training)
    pairs = zip(quantities, measured.T, values[n_training:].T, strict=True)
    correlations = {name: round(float(spearmanr(one, other).statistic), 3) for name, one, other in pairs}
    _save(out, net, {"patients": n_training, "epochs": epochs, **correlations})
    return correlations, pd.DataFrame({"train_loss": fitted.history[:, "train_loss"]})


def _save(path: Path, net: nn.Module, made_by: dict) -> None:
    """Write everything but the head."""
    state = {name: tensor for name, tensor in net.state_dict().items() if not name.startswith("head.")}
    state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    write_tensors(path, state, {"made_for": json.dumps(net.made_for), "made_by": json.dumps(made_by)})
