"""The diagnostics of a study: which of them its cohort allows, and how they are tuned, fitted, scored and kept."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from sklearn.base import BaseEstimator

from fibrolib.errors import counted
from fibrolib.learning import Evaluation, NetClassifier, evaluate
from fibrolib.nets import give_back_memory
from fibrolib.plots import model_label
from fibrolib.progress import watch
from fibrolib.stages import at_least
from fibrolib.study.evaluations import load_evaluation, save_evaluation
from fibrolib.study.keeping import digest
from fibrolib.study.processes import net_workers
from fibrolib.study.profiles import ModelSettings
from fibrolib.study.scoring import preparation
from fibrolib.study.trainings import keep_folds

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = ["evaluate_index", "evaluate_net", "fits_finished", "reason_against"]

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
        A net of the profile, or one of its indices.
    """
    if name not in study.profile.indices:
        return ""
    patients, columns = study.cohort.patients(), list(study.profile.indices[name].columns)
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
    record = study.profile.indices[name]
    columns = list(record.columns)
    known, options = study.cohort.patients().dropna(subset=columns), {"columns": columns, "cutoff": study.cutoff}
    return _evaluate(study, name, record.classifier(study.cutoff), known, **options)


def evaluate_net(study: Study, name: str) -> Evaluation:
    """Evaluate a net of the profile; kept, its model too.

    What is finished of an evaluation that was stopped is not done again: its fits lie in the run folder until the
    whole is kept.
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
    memory = _fits_of(study, settings)
    net = NetClassifier(
        **settings.arguments,
        cutoff=study.cutoff,
        n_stages=int(study.patients["stage"].max()) + 1,
        seed=study.request.seed,
        n_threads=1,
        memory=memory,
    )
    options = {"grid": settings.grid, "n_jobs": _n_jobs(study, net, settings)}
    result = study.folder.keeper.keep(
        settings.name,
        study.asked(settings.name),
        lambda: _evaluate(study, name, net, study.patients, **options),
        save_evaluation,
        load_evaluation,
    )
    if memory.exists():
        keep_folds(study, settings.name, result, memory)
    shutil.rmtree(memory, ignore_errors=True)
    shown = preparation(study.profile, result.final.view, study.cohort.virtual)
    study.folder.save_model(settings.name, result.final, shown)
    return result


def fits_finished(study: Study, name: str) -> tuple[int, int]:
    """How many fits of a net are finished, and of how many."""
    settings = study.profile.model(name)
    total = settings.n_settings * study.profile.n_folds + 1
    if study.folder.keeper.has(settings.name, study.asked(settings.name)):
        return total, total
    return min(len(list(_fits_of(study, settings).glob("[!.]*.safetensors"))), total), total


def _fits_of(study: Study, settings: ModelSettings) -> Path:
    """Folder of the fits of an evaluation that is under way."""
    return study.folder.fits / settings.name / digest(study.asked(settings.name))


def _n_jobs(study: Study, net: NetClassifier, settings: ModelSettings) -> int:
    """Processes for the fits of a net: small ones are done before processes start."""
    passes = settings.n_settings * study.profile.n_folds * net.epochs * len(study.patients)
    return net_workers(net.device) if passes >= _WORTH_PROCESSES else 1


def _evaluate(study: Study, name: str, diagnostic: BaseEstimator, patients: pd.DataFrame, **options) -> Evaluation:
    folds, seed = study.profile.n_folds, study.request.seed
    return evaluate(name, diagnostic, patients, study.partition, n_folds=folds, seed=seed, **options)
