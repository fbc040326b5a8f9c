"""The study's nets trained otherwise, for the tests of their maps: without a fold, or on shuffled stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import delayed
from sklearn.base import clone

from fibrolib.learning import Evaluation, NetClassifier
from fibrolib.learning.evaluation import stage_folds
from fibrolib.plots import model_label
from fibrolib.progress import track
from fibrolib.study.processes import side_by_side

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = ["N_FOLDS_KEPT", "keep_folds", "nets_of_folds", "nets_of_shuffled_stages"]

N_FOLDS_KEPT = 2
"""Nets of the cross-validation that stay when it is finished: enough to ask whether two trainings agree."""


def keep_folds(study: Study, name: str, evaluation: Evaluation, memory: Path | None = None) -> list[NetClassifier]:
    """Nets of the chosen settings, each trained without one fold of the training patients; kept.

    Parameters
    ----------
    study : Study
        The study.
    name : str
        A net.
    evaluation : Evaluation
        Of that net.
    memory : Path, optional
        Where the fits of its cross-validation lie; what is not there is trained again.
    """
    patients, side = study.patients, study.partition.reindex(study.patients.index)
    train, validation = (patients[side == part] for part in ("train", "validation"))
    folds = stage_folds(train["stage"], study.cutoff, study.profile.n_folds, study.request.seed)

    def fitted(rows) -> NetClassifier:
        part, stops = train.iloc[rows], (validation, validation["stage"].to_numpy())
        again = clone(evaluation.final).set_params(memory=memory)
        return again.fit(part, part["stage"].to_numpy(), validation=stops)

    asked = {**study.asked(name), "settings": evaluation.best}
    nets = (
        _kept(study, f"fold-{name}", {**asked, "fold": number}, lambda rows=rows: fitted(rows))
        for number, (rows, _) in enumerate(folds[:N_FOLDS_KEPT], start=1)
    )
    label = f"Training the {model_label(name)} without a fold"
    return list(track(nets, label, N_FOLDS_KEPT, "nets", kept=study.folder.path))


def nets_of_folds(study: Study, name: str) -> list[NetClassifier]:
    """`keep_folds` of a finished evaluation."""
    return keep_folds(study, name, study.evaluation(name))


def nets_of_shuffled_stages(study: Study, names: Sequence[str], number: int) -> dict[str, list[NetClassifier]]:
    """Nets of the chosen settings, trained on stages that were shuffled among the patients; kept.

    Parameters
    ----------
    study : Study
        The study.
    names : sequence of str
        Nets; those that are not there yet are trained side by side.
    number : int
        How often each is trained, with another seed each time.
    """
    patients, side = study.patients, study.partition.reindex(study.patients.index)
    parts = [patients[side == part] for part in ("train", "validation")]
    asked, jobs = {}, {}
    for name in names:
        evaluation = study.evaluation(name)
        for again in range(1, number + 1):
            key, seed = (name, again), study.request.seed + again
            asked[key] = {**study.asked(name), "settings": evaluation.best, "shuffled": again}
            if not study.folder.keeper.has(f"shuffled-{name}", asked[key]):
                net = clone(evaluation.final).set_params(seed=seed, memory=None)
                jobs[key] = delayed(_fit_shuffled)(net, parts, seed)
    device = study.evaluation(names[0]).final.device if names else "cpu"
    nets = side_by_side(list(jobs.values()), device, "Training on shuffled stages", "nets")
    made = dict(zip(jobs, nets, strict=True))
    return {
        name: [
            _kept(study, f"shuffled-{name}", asked[name, again], lambda key=(name, again): made[key])
            for again in range(1, number + 1)
        ]
        for name in names
    }


def _fit_shuffled(net: NetClassifier, parts, seed: int) -> NetClassifier:
    random = np.random.default_rng(seed)
    (train, stages), validation = ((part, random.permutation(part["stage"].to_numpy())) for part in parts)
    return net.fit(train, stages, validation=validation)


def _kept(study: Study, name: str, asked: dict, train) -> NetClassifier:
    return study.folder.keeper.keep(
        name,
        asked,
        train,
        lambda net, folder: net.save(folder / "model.safetensors"),
        lambda folder: NetClassifier.load(folder / "model.safetensors"),
    )
