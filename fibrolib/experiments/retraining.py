"""The study's nets trained otherwise, for the tests of their maps: without a fold, or on shuffled stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from joblib import delayed
from sklearn.base import clone

from fibrolib.diagnostics import model_label
from fibrolib.learning import NetClassifier, fit_shuffled, fit_without_fold
from fibrolib.progress import track
from fibrolib.study.diagnostics import EVALUATION, fits_of
from fibrolib.study.processes import side_by_side

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = ["N_FOLDS_COMPARED", "OTHERWISE_TRAINED", "nets_of_folds", "nets_of_shuffled_stages"]

N_FOLDS_COMPARED = 2
"""Nets of the cross-validation that are returned: enough to ask whether two trainings agree."""

OTHERWISE_TRAINED = (fit_without_fold, fit_shuffled)
"""What makes these nets."""


def nets_of_folds(study: Study, name: str) -> list[NetClassifier]:
    """Nets of the chosen settings, each trained without one fold of the training patients.

    They are fits of the evaluation's cross-validation, which stay in the run folder; one that is not there any more is
    trained again.

    Parameters
    ----------
    study : Study
        The study.
    name : str
        A net.
    """
    net = clone(study.evaluation(name).final).set_params(memory=fits_of(study, name))
    options = {"n_folds": study.profile.n_folds, "seed": study.request.seed}
    nets = (
        fit_without_fold(net, study.patients, study.split, fold, **options) for fold in range(1, N_FOLDS_COMPARED + 1)
    )
    label = f"Training the {model_label(name)} without a fold"
    return list(track(nets, label, N_FOLDS_COMPARED, "nets", kept=study.folder.path))


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
    cache, made_by = study.folder.cache, (*EVALUATION, fit_shuffled)
    keys, jobs = {}, {}
    for name in names:
        evaluation = study.evaluation(name)
        for again in range(1, number + 1):
            net, seed = (name, again), study.request.seed + again
            keys[net] = {**study.cache_key(name), "settings": evaluation.best, "shuffled": again}
            if not cache.has(f"shuffled-{name}", keys[net], made_by):
                jobs[net] = delayed(fit_shuffled)(evaluation.final, study.patients, study.split, seed)
    device = study.evaluation(names[0]).final.device if names else "cpu"
    nets = side_by_side(list(jobs.values()), device, "Training on shuffled stages", "nets")
    made = dict(zip(jobs, nets, strict=True))

    def kept(net: tuple[str, int]) -> NetClassifier:
        return cache.get_or_compute(
            f"shuffled-{net[0]}", keys[net], lambda: made[net], _save_net, _load_net, made_by=made_by
        )

    return {name: [kept((name, again)) for again in range(1, number + 1)] for name in names}


def _save_net(net: NetClassifier, folder: Path) -> None:
    net.save(folder / "model.safetensors")


def _load_net(folder: Path) -> NetClassifier:
    return NetClassifier.load(folder / "model.safetensors")
