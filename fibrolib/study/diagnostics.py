"""The diagnostics of a study: which of them its cohort allows, and how they are tuned, fitted, scored and kept."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from sklearn.base import BaseEstimator

from fibrolib.errors import counted
from fibrolib.indices import APRI, FIB4, SWE
from fibrolib.learning import Evaluation, NetClassifier, evaluate
from fibrolib.learning.checkpoints import fit_folder
from fibrolib.nets import give_back_memory
from fibrolib.plots import model_label
from fibrolib.progress import watch
from fibrolib.stages import at_least
from fibrolib.study.cache import digest
from fibrolib.study.evaluations import load_evaluation, save_evaluation
from fibrolib.study.processes import net_workers
from fibrolib.study.profiles import ModelSettings
from fibrolib.study.scoring import preparation

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = [
    "EVALUATION",
    "INDICES",
    "classifier_of",
    "evaluate_index",
    "evaluate_net",
    "fits_finished",
    "fits_of",
    "reason_against",
]

EVALUATION = (evaluate, NetClassifier, save_evaluation)
"""What makes the evaluation of a net, once its inputs are known (`ResultCache`)."""

INDICES = {"swe": SWE, "fib4": FIB4, "apri": APRI}
"""Diagnostics that read numbers, in the order of tables."""

_WORTH_PROCESSES = 1000
"""Patients trained on (each as often as there are settings, folds and epochs) from which processes are started: each
takes as long to start as a net of the size of `smoke` takes for some hundred patients."""


def reason_against(study: Study, name: str) -> str:
    """Why a diagnostic cannot be had from a study's cohort, as a sentence; empty where it can.

    Parameters
    ----------
    study : Study
        The study.
    name : str
        A net of the profile, or a key of `INDICES`.
    """
    if name not in INDICES:
        return ""
    patients, columns = study.cohort.patients(), list(INDICES[name].columns)
    absent = [column for column in columns if patients[column].isna().all()]
    label = model_label(name)
    if absent:
        return f"{label} needs {', '.join(absent)}, which this cohort does not have."
    known = patients.dropna(subset=columns)
    side = study.partition.reindex(known.index)
    for part, needed in (("train", study.profile.n_folds), ("validation", 1), ("test", 1)):
        diseased = int(at_least(known["stage"][side == part], study.cutoff).sum())
        if min(diseased, int((side == part).sum()) - diseased) < needed:
            return (
                f"{label} needs {', '.join(columns)} of at least {counted(needed, f'{part} patient')} with and "
                f"{needed} without the condition; too few have them."
            )
    return ""


def evaluate_index(study: Study, name: str) -> Evaluation:
    """Evaluate a diagnostic that reads numbers, in the patients of whom they are known."""
    known = study.cohort.patients().dropna(subset=list(INDICES[name].columns))
    return _evaluate(study, name, INDICES[name](cutoff=study.cutoff), known)


def evaluate_net(study: Study, name: str) -> Evaluation:
    """Evaluate a net of the profile; kept, its model too.

    No finished fit is made again: all of them stay in the run folder, and are read by an evaluation that was stopped,
    or whose key has changed by something that decides no fit.
    """
    done, total = fits_finished(study, name)  # which reads the patients, before they are asked for by two threads
    label = f"Training the {model_label(name)}" if done < total else f"Loading the {model_label(name)}"
    with watch(label, lambda: fits_finished(study, name)[0], total, "fits", kept=study.folder.path):
        result = _tuned_net(study, name)
    gc.collect()
    give_back_memory()
    return result


def _tuned_net(study: Study, name: str) -> Evaluation:
    settings = study.profile.model(name)
    net = classifier_of(study, name).set_params(memory=fits_of(study, name))
    options = {"grid": settings.grid, "n_jobs": _n_jobs(study, net, settings)}
    result = study.folder.cache.get_or_compute(
        settings.name,
        study.cache_key(settings.name),
        lambda: _evaluate(study, name, net, study.patients, **options),
        save_evaluation,
        load_evaluation,
        made_by=EVALUATION,
    )
    shown = preparation(study.profile, result.final.view, study.cohort.virtual)
    study.folder.save_model(settings.name, result.final, shown)
    return result


def classifier_of(study: Study, name: str) -> NetClassifier:
    """A net of the profile, not fitted."""
    return NetClassifier(
        **study.profile.model(name).arguments,
        cutoff=study.cutoff,
        n_stages=int(study.patients["stage"].max()) + 1,
        seed=study.request.seed,
        n_threads=1,
    )


def fits_finished(study: Study, name: str) -> tuple[int, int]:
    """How many fits of a net are finished, and of how many."""
    settings = study.profile.model(name)
    total = settings.n_settings * study.profile.n_folds + 1
    if study.folder.cache.has(settings.name, study.cache_key(settings.name), EVALUATION):
        return total, total
    finished = fit_folder(fits_of(study, name), NetClassifier).glob("[!.]*.safetensors")
    return min(len(list(finished)), total), total


def fits_of(study: Study, name: str) -> Path:
    """Folder of the fits of an evaluation (the `memory` of its net)."""
    return study.folder.fits / name / digest(study.cache_key(name))


def _n_jobs(study: Study, net: NetClassifier, settings: ModelSettings) -> int:
    """Processes for the fits of a net: small ones are done before processes start."""
    passes = settings.n_settings * study.profile.n_folds * net.epochs * len(study.patients)
    return net_workers(net.device) if passes >= _WORTH_PROCESSES else 1


def _evaluate(study: Study, name: str, diagnostic: BaseEstimator, patients: pd.DataFrame, **options) -> Evaluation:
    folds, seed = study.profile.n_folds, study.request.seed
    return evaluate(name, diagnostic, patients, study.partition, n_folds=folds, seed=seed, **options)
