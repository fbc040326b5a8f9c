"""The diagnostics of a study: which of them a cohort allows, and how they are tuned, fitted, scored and kept."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from inspect import signature
from itertools import compress
from pathlib import Path

import pandas as pd
import torch
from joblib import delayed
from sklearn.base import clone

from fibrolib.diagnostics import Diagnostic, IndexInputError, fitted_numbers, model_label
from fibrolib.errors import FibrolibError, counted
from fibrolib.inference import choose_thresholds
from fibrolib.learning import AS_FILMED, PERTURBATIONS, VIEWS, Evaluation, NetClassifier, evaluate, pick_device
from fibrolib.progress import watch
from fibrolib.stages import at_least
from fibrolib.study.cache import _load_evaluation, _save_evaluation, digest
from fibrolib.study.preprocessing import _preprocessing_settings
from fibrolib.study.profiles import Profile, _ModelSettings
from fibrolib.study.runfolder import RunFolder
from fibrolib.system import give_back_memory
from fibrolib.workers import in_parallel, n_workers, on_cluster

EVALUATION = (evaluate, NetClassifier, _save_evaluation)
"""What makes the evaluation of a net, once its inputs are known (`ResultCache`)."""

_WORTH_PROCESSES = 1000
"""Patients trained on (each as often as there are settings, folds and epochs) from which processes are started: each
takes as long to start as a net of the size of `smoke` takes for some hundred patients."""


def net_workers(device: str) -> int:
    """Processes for work with nets on a device: one per core, one for a GPU, which is not shared, or a Dask cluster."""
    return n_workers(None if pick_device(device) == "cpu" else 1)


def gpu_name() -> str | None:
    """Name of the GPU that nets are trained on; None without one."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def _missing_requirements(index: Diagnostic, patients: pd.DataFrame, cutoff: int, n_folds: int) -> str:
    """Why a diagnostic that reads numbers cannot be had from patients, as a sentence; empty where it can."""
    columns, label = list(index.columns), model_label(index.name)
    absent = [column for column in columns if patients[column].isna().all()]
    if absent:
        return f"{label} needs {', '.join(absent)}, which this cohort does not have."
    complete = patients.dropna(subset=columns)
    if index.formula is not None:
        try:
            index.classifier(cutoff).index(complete)
        except IndexInputError as error:
            return f"{label} is left out. {error}."
    for part, needed in (("train", n_folds), ("validation", 1), ("test", 1)):
        diseased = at_least(complete.loc[complete["split"] == part, "stage"], cutoff)
        if min(diseased.sum(), len(diseased) - diseased.sum()) < needed:
            return (
                f"{label} needs {', '.join(columns)} of at least {counted(needed, f'{part} patient')} with and "
                f"{needed} without the condition; too few have them."
            )
    return ""


def _evaluate_index(index: Diagnostic, patients: pd.DataFrame, cutoff: int, n_folds: int, seed: int) -> Evaluation:
    """Evaluate a diagnostic that reads numbers, in the patients who have all of them."""
    columns = list(index.columns)
    complete = patients.dropna(subset=columns)
    options = {"columns": columns, "cutoff": cutoff, "n_folds": n_folds, "seed": seed}
    return evaluate(index.name, index.classifier(cutoff), complete, **options)


def _frozen_settings(evaluation: Evaluation, cutoff: int, profile: Profile) -> dict:
    """What has to be known beside a fitted diagnostic to apply it elsewhere as it is."""
    threshold = choose_thresholds(evaluation.predictions, split=profile.threshold_split)[evaluation.name]
    return {"cutoff": cutoff, "threshold": threshold, "threshold_source": profile.threshold_source}


def save_index(folder: RunFolder, evaluation: Evaluation, cutoff: int, profile: Profile) -> None:
    """Write ``models/<name>.json`` of a diagnostic that reads numbers; ``fit`` is null where it is no few numbers."""
    columns = list(profile.indices[evaluation.name].columns)
    fitted = {"columns": columns, "fit": fitted_numbers(evaluation.final)}
    folder.save_json(f"models/{evaluation.name}", fitted | _frozen_settings(evaluation, cutoff, profile))


@dataclass
class NetEvaluations:
    """Evaluations of the nets of a profile, by name; each is computed once and kept in the run folder, as are its fits.

    Parameters
    ----------
    patients : DataFrame
        One row per patient: ``stage``, ``split``, and prepared files in ``clips`` and ``stills``.
    profile : Profile
        Settings of the nets, and the number of folds.
    folder : RunFolder
        Where evaluations, fits and nets are kept.
    cutoff, seed : int
        Lowest stage that counts as diseased; seed of the folds and the nets.
    virtual : bool
        Whether the patients are virtual.
    """

    patients: pd.DataFrame
    profile: Profile
    folder: RunFolder
    cutoff: int
    seed: int
    virtual: bool
    _finished: dict[str, Evaluation] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of the nets of the profile that are trained."""
        return self.profile.nets

    def __getitem__(self, name: str) -> Evaluation:
        if name not in self._finished:
            self._finished[name] = self._evaluate_once(evaluate, self.arguments(name))
        return self._finished[name]

    def fitted(self, name: str) -> NetClassifier:
        """A fitted net, built: tasks that are given it would each build their own, in threads with one random state."""
        net = self[name].final
        _ = net.module_
        return net

    def classifier(self, name: str) -> NetClassifier:
        """A net of the profile, not fitted."""
        return NetClassifier(
            **self.profile.model(name).arguments,
            cutoff=self.cutoff,
            n_stages=int(self.patients["stage"].max()) + 1,
            seed=self.seed,
            n_threads=1,
        )

    def arguments(self, name: str) -> dict:
        """What `evaluate` is called with for a net; notebooks 03 to 05 build the same in their cells."""
        return {
            "name": name,
            "diagnostic": self.classifier(name),
            "patients": self.patients,
            "grid": self.profile.model(name).grid,
            "n_folds": self.profile.n_folds,
            "n_repeats": self.profile.n_repeats,
            "seed": self.seed,
        }

    def cache_key(self, name: str) -> dict:
        """Everything the evaluation of a net depends on, besides the code."""
        return {
            "model": self.profile.model(name),
            "estimator": self.classifier(name).get_params(),
            "cutoff": self.cutoff,
            "seed": self.seed,
            "folds": (self.profile.n_folds, self.profile.n_repeats),
            "split": self.patients["split"].to_dict(),
            "stages": self.patients["stage"].to_dict(),
            "files": _file_names(self.patients),
        }

    def fits(self, name: str) -> Path:
        """Folder of the fits of an evaluation (the `memory` of its net)."""
        return self.folder.fits / name / digest(self.cache_key(name))

    def fits_finished(self, name: str) -> tuple[int, int]:
        """How many fits of a net are finished, and of how many."""
        settings = self.profile.model(name)
        total = settings.n_settings * self.profile.n_folds * self.profile.n_repeats + 1
        if self.folder.cache.has(name, self.cache_key(name), EVALUATION):
            return total, total
        finished = NetClassifier.fit_folder(self.fits(name)).glob("[!.]*.safetensors")
        return min(len(list(finished)), total), total

    def cached(self, procedure: Callable[..., Evaluation]) -> Callable[..., Evaluation]:
        """`fibrolib.learning.evaluate` with its results kept in the run folder, as joblib's ``Memory.cache`` does it.

        Arguments other than those of the profile raise `FibrolibError`: other notebooks read what is kept.
        """

        def cached_evaluate(*args, **kwargs) -> Evaluation:
            arguments = signature(procedure).bind(*args, **kwargs).arguments
            self._refuse_other(arguments)
            name = arguments["name"]
            if name not in self._finished:
                self._finished[name] = self._evaluate_once(procedure, arguments)
            return self._finished[name]

        return cached_evaluate

    def cumulative_probs(self, name: str, patients: pd.DataFrame, perturbation: str = AS_FILMED) -> pd.DataFrame:
        """P(stage >= 1), ... of patients with prepared files, by a fitted net: columns ``1, 2, ...``; kept.

        `perturbation` is a key of `fibrolib.learning.PERTURBATIONS`, or `AS_FILMED`.
        """
        (tables,) = self.score_all([(name, patients, perturbation != AS_FILMED)], n_workers(here=1))
        return tables[perturbation]

    def score_all(
        self, wanted: Sequence[tuple[str, pd.DataFrame, bool]], n_jobs: int
    ) -> Iterator[dict[str, pd.DataFrame]]:
        """`cumulative_probs` of nets and patients, by perturbation: of `AS_FILMED` alone, or (True) of all others.

        What is not kept is computed side by side.
        """
        cache, keys = self.folder.cache, []
        for name, patients, perturbed in wanted:
            files, ids = _file_names(patients), patients.index.tolist()
            key = {"net": self.cache_key(name), "patients": ids, "files": files, "perturbed": perturbed}
            keys.append((f"scores-{name}", key))
        missing = [not cache.has(*key, EVALUATION) for key in keys]
        jobs = [delayed(_score)(self.fitted(name), *of) for name, *of in compress(wanted, missing)]
        computed = in_parallel(jobs, n_jobs, threads=True)
        for key, is_missing in zip(keys, missing, strict=True):
            tables = next(computed) if is_missing else None  # which are on disk
            tables = cache.get_or_compute_tables(*key, lambda tables=tables: tables, made_by=EVALUATION)
            yield {name: table.rename(columns=int) for name, table in tables.items()}  # on disk, columns are text

    def _evaluate_once(self, procedure: Callable[..., Evaluation], arguments: dict) -> Evaluation:
        """Load the kept evaluation of a net, or call `evaluate` with these arguments and keep the result."""
        name = arguments["name"]
        done, total = self.fits_finished(name)
        label = f"{'Training' if done < total else 'Loading'} the {model_label(name)}"
        with watch(label, lambda: self.fits_finished(name)[0], total, "fits", kept=self.folder.path):
            evaluation = self._load_or_evaluate(procedure, arguments)
        gc.collect()
        give_back_memory()
        return evaluation

    def _load_or_evaluate(self, procedure: Callable[..., Evaluation], arguments: dict) -> Evaluation:
        settings = self.profile.model(arguments["name"])
        net = clone(arguments["diagnostic"]).set_params(n_threads=1, memory=self.fits(settings.name))
        evaluation = self.folder.cache.get_or_compute(
            settings.name,
            self.cache_key(settings.name),
            lambda: procedure(**{**arguments, "diagnostic": net, "n_jobs": self._n_jobs(net, settings)}),
            _save_evaluation,
            _load_evaluation,
            made_by=EVALUATION,
        )
        preprocessing = _preprocessing_settings(self.profile, evaluation.final.view, self.virtual)
        frozen = _frozen_settings(evaluation, self.cutoff, self.profile)
        self.folder.save_model(settings.name, evaluation.final, preprocessing | frozen)
        return evaluation

    def _n_jobs(self, net: NetClassifier, settings: _ModelSettings) -> int:
        """Processes for the fits of a net: small ones are done before processes start."""
        passes = settings.n_settings * self.profile.n_folds * self.profile.n_repeats * net.epochs * len(self.patients)
        return net_workers(net.device) if passes >= _WORTH_PROCESSES or on_cluster() else 1

    def _refuse_other(self, arguments: dict) -> None:
        """Raise unless `evaluate` is given what the kept evaluation of that net was made with."""
        name = arguments["name"]
        given, expected = _comparable(arguments), _comparable(self.arguments(name))
        different = sorted(key for key in given | expected if given.get(key) != expected.get(key))
        if different:
            raise FibrolibError(
                f"The run folder keeps the evaluation of '{name}' with the settings of profile '{self.profile.name}'. "
                f"These arguments differ from it: {', '.join(different)}. To try other values, call evaluate(...) "
                "directly (nothing is kept); to run the study with them, write them into a profile."
            )


def _score(net: NetClassifier, patients: pd.DataFrame, perturbed: bool) -> dict[str, pd.DataFrame]:
    # A copy: threads score at the same time, and an LSTM packs its weights anew when it is moved to a device.
    net, index = deepcopy(net), patients.index.rename("patient_id")
    if perturbed:
        scores = net.predict_perturbed(patients, PERTURBATIONS)
    else:
        scores = {AS_FILMED: net.predict_cumulative(patients)}
    return {name: pd.DataFrame(each, index, range(1, net.n_stages_)) for name, each in scores.items()}


def _file_names(patients: pd.DataFrame) -> list[list[str]]:
    """Names of prepared files, which stand for their contents."""
    return [[path.name for path in paths] for view in VIEWS for paths in patients[view]]


def _comparable(arguments: dict) -> dict:
    """Arguments of `evaluate` as values that can be compared, the estimator's parameters one by one."""
    net, patients = arguments["diagnostic"], arguments["patients"]
    parameters = {key: value for key, value in net.settings.items() if key != "n_threads"}
    plain = {key: value for key, value in arguments.items() if key not in ("diagnostic", "n_jobs")}
    plain["grid"] = plain.get("grid") or []
    plain["patients"] = patients[["stage", "split", "clips", "stills"]].to_dict("index")
    return {**plain, **{f"{type(net).__name__}.{key}": value for key, value in parameters.items()}}
