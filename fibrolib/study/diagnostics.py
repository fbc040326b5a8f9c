"""The diagnostics of a study: which of them its cohort allows, and how they are tuned, fitted, scored and kept."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn.base import clone

from fibrolib.diagnostics import model_label
from fibrolib.errors import FibrolibError, counted
from fibrolib.learning import Evaluation, NetClassifier, evaluate, fit_folder
from fibrolib.nets import give_back_memory
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
    "classifier_of",
    "evaluate_index",
    "evaluate_net",
    "evaluate_once",
    "fits_finished",
    "fits_of",
    "missing_requirements",
    "net_arguments",
    "refuse_other_arguments",
]

EVALUATION = (evaluate, NetClassifier, save_evaluation)
"""What makes the evaluation of a net, once its inputs are known (`ResultCache`)."""

_WORTH_PROCESSES = 1000
"""Patients trained on (each as often as there are settings, folds and epochs) from which processes are started: each
takes as long to start as a net of the size of `smoke` takes for some hundred patients."""


def missing_requirements(study: Study, name: str) -> str:
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
    side = study.split.reindex(known.index)
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
    known = study.cohort.patients().dropna(subset=columns)
    options = {"columns": columns, "cutoff": study.cutoff, "n_folds": study.profile.n_folds, "seed": study.request.seed}
    return evaluate(name, record.classifier(study.cutoff), known, study.split, **options)


def net_arguments(study: Study, name: str) -> dict:
    """What `evaluate` is called with for a net of the profile; notebooks 03 to 05 build the same in their cells."""
    return {
        "name": name,
        "diagnostic": classifier_of(study, name),
        "patients": study.patients,
        "split": study.split,
        "grid": study.profile.model(name).grid,
        "n_folds": study.profile.n_folds,
        "seed": study.request.seed,
    }


def evaluate_net(study: Study, name: str) -> Evaluation:
    """Evaluate a net of the profile; kept, its model too."""
    return evaluate_once(study, evaluate, net_arguments(study, name))


def evaluate_once(study: Study, procedure: Callable[..., Evaluation], arguments: dict) -> Evaluation:
    """Load the kept evaluation of a net, or call `evaluate` with these arguments (`net_arguments`) and keep the result.

    No finished fit is made again: all of them stay in the run folder, and are read by an evaluation that was stopped,
    or whose key has changed by something that decides no fit.
    """
    name = arguments["name"]
    done, total = fits_finished(study, name)  # which reads the patients, before they are asked for by two threads
    label = f"Training the {model_label(name)}" if done < total else f"Loading the {model_label(name)}"
    with watch(label, lambda: fits_finished(study, name)[0], total, "fits", kept=study.folder.path):
        result = _kept_evaluation(study, procedure, arguments)
    gc.collect()
    give_back_memory()
    return result


def _kept_evaluation(study: Study, procedure: Callable[..., Evaluation], arguments: dict) -> Evaluation:
    settings = study.profile.model(arguments["name"])
    net = clone(arguments["diagnostic"]).set_params(n_threads=1, memory=fits_of(study, settings.name))
    result = study.folder.cache.get_or_compute(
        settings.name,
        study.cache_key(settings.name),
        lambda: procedure(**{**arguments, "diagnostic": net, "n_jobs": _n_jobs(study, net, settings)}),
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


def refuse_other_arguments(study: Study, arguments: dict) -> None:
    """Raise unless `evaluate` is given what the study's kept evaluation of that net was made with.

    Raises
    ------
    FibrolibError
        Naming the arguments that differ.
    """
    name = arguments["name"]
    given, expected = _compared(arguments), _compared(net_arguments(study, name))
    different = sorted(key for key in given | expected if given.get(key) != expected.get(key))
    if different:
        raise FibrolibError(
            f"The run folder keeps the evaluation of '{name}' with the settings of profile '{study.profile.name}'. "
            f"These arguments differ from it: {', '.join(different)}. To try other values, call evaluate(...) directly "
            "(nothing is kept); to run the study with them, write them into a profile."
        )


def _compared(arguments: dict) -> dict:
    """Arguments of `evaluate` as values that can be compared, the estimator's parameters one by one."""
    net, patients = arguments["diagnostic"], arguments["patients"]
    parameters = {key: value for key, value in net.settings.items() if key != "n_threads"}
    plain = {key: value for key, value in arguments.items() if key not in ("diagnostic", "n_jobs")}
    plain["grid"] = plain.get("grid") or []
    plain["patients"] = patients[["stage", "clips", "stills"]].to_dict("index")
    plain["split"] = arguments["split"].to_dict()
    return {**plain, **{f"{type(net).__name__}.{key}": value for key, value in parameters.items()}}


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
