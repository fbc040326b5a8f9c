"""Frozen models of a run: read from tensors and numbers, applied to other patients, never fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fibrolib.diagnostics import Diagnostic, DiagnosticError, model_label, restore_classifier
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.study import Profile
from fibrolib.study.cache import ResultCache
from fibrolib.study.preprocessing import prepare_files
from fibrolib.video import file_digest

_SOURCES = {
    "validation": "the validation patients of the training cohort",
    "out_of_fold": "out-of-fold scores of the training patients",
}
_VIEWS = {"clips": "clip", "stills": "image"}


@dataclass(frozen=True, eq=False)
class FrozenModel:
    """A fitted diagnostic with everything that was fixed before: ``classifier`` gives probabilities of ``columns``."""

    name: str
    classifier: Any
    columns: tuple[str, ...]
    cutoff: int
    threshold: float
    threshold_source: str
    digest: str  # of its file

    @property
    def is_net(self) -> bool:
        """Whether it reads videos or images, and gives a probability of every stage."""
        return isinstance(self.classifier, NetClassifier)


def _find_run(path: Path) -> tuple[Path, list[str]]:
    """The run folder that a path means, and the names of models: all of a run's, or that of one file in ``models/``."""
    path = path.expanduser().resolve()
    if path.is_dir():
        names = sorted(file.stem for file in (path / "models").glob("*.json"))
        if not names:
            raise FibrolibError(f"{path}: there are no models. Name the folder of a finished run.")
        return path, names
    if path.suffix not in (".safetensors", ".json") or not path.is_file():
        raise FibrolibError(
            f"{path}: there is no such run or model. Name the folder of a finished run, or one of its files "
            "models/NAME.safetensors or models/NAME.json."
        )
    return path.parents[1], [path.stem]


def _read_models(run: Path, names: list[str], profile: Profile) -> tuple[list[FrozenModel], dict[str, str]]:
    """Read models, and say of those that cannot be applied why; nothing in their files is executed.

    A FibrolibError where a file is damaged, or a net does not fit its settings.
    """
    models, reasons = [], {}
    order = {name: place for place, name in enumerate([*profile.in_table_order, *profile.indices])}
    for name in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
        settings = _settings(run / "models" / f"{name}.json")
        model = _read_net(run, name, settings) if "view" in settings else _read_index(run, name, settings, profile)
        if isinstance(model, str):
            reasons[name] = model
        else:
            models.append(model)
    return models, reasons


def _settings(path: Path) -> dict:
    try:
        settings = json.loads(path.read_text("utf-8"))
        missing = {"cutoff", "threshold", "threshold_source"} - set(settings)
    except (OSError, ValueError, TypeError) as error:
        raise FibrolibError(f"{path}: the settings of the model are missing or damaged ({error}).") from error
    if missing:
        raise FibrolibError(
            f"{path}: {', '.join(sorted(missing))} is not noted there: an earlier version of fibrolib wrote it. Run "
            "the study again; what is kept is not computed again."
        )
    return settings


def _frozen(name: str, classifier: Any, columns: list[str], settings: dict, file: Path) -> FrozenModel:
    threshold = float("nan") if settings["threshold"] is None else float(settings["threshold"])
    source = _SOURCES.get(settings["threshold_source"], settings["threshold_source"])
    return FrozenModel(name, classifier, tuple(columns), settings["cutoff"], threshold, source, file_digest(file))


def _read_net(run: Path, name: str, settings: dict) -> FrozenModel:
    file = run / "models" / f"{name}.safetensors"
    net = NetClassifier.load(file)
    if (net.cutoff, net.view) != (settings["cutoff"], settings["view"]):
        raise FibrolibError(f"{file}: the net does not belong to {name}.json beside it. Copy both from one run.")
    return _frozen(name, net, [net.view], settings, file)


def _read_index(run: Path, name: str, settings: dict, profile: Profile) -> FrozenModel | str:
    """The model, or why it cannot be applied."""
    file, record = run / "models" / f"{name}.json", profile.indices.get(name)
    if record is None:
        return f"{name} is a diagnostic of the user's own: give --profile, which names its file."
    if settings["fit"] is None:
        return (
            f"{model_label(name)}: what its classifier learned is more than a few numbers, and no run stores objects "
            "that would have to be executed. It is left out."
        )
    return _frozen(name, _restored(file, record, settings), settings["columns"], settings, file)


def _restored(file: Path, record: Diagnostic, settings: dict) -> Any:
    try:
        if list(record.columns) != settings["columns"]:
            raise DiagnosticError(f"'{record.name}' reads other columns here")
        return restore_classifier(record, settings["fit"], settings["cutoff"])
    except (KeyError, TypeError, ValueError) as error:
        raise FibrolibError(f"{file}: these numbers are not of {record.label} ({error}).") from error


def _prepare_views(patients: pd.DataFrame, models: list[FrozenModel], folder: Path, profile: Profile) -> pd.DataFrame:
    """Patients with the prepared files that the nets among the models read, as the run prepared its own."""
    views = dict.fromkeys(model.columns[0] for model in models if model.is_net)
    return patients.assign(**{view: prepare_files(patients, folder, profile, _VIEWS[view]) for view in views})


def _unavailable(model: FrozenModel, patients: pd.DataFrame) -> str:
    """Why patients cannot be scored, as a sentence; empty where at least one can."""
    absent = [column for column in model.columns if patients[column].isna().all()]
    if absent:
        return f"{model_label(model.name)} needs {', '.join(absent)}, which this cohort does not have."
    if patients[list(model.columns)].isna().any(axis=1).all():
        return f"{model_label(model.name)} needs {', '.join(model.columns)}, which no patient has all of."
    return ""


def _stage_probabilities(model: FrozenModel, patients: pd.DataFrame, cache: ResultCache) -> pd.DataFrame:
    """P(stage >= k) by a frozen model, a row per patient and a column per k: all of a net, its cut-off of an index.

    What a net says is kept; missing where an index lacks a value.
    """
    ids = patients.index.rename("patient_id")
    if not model.is_net:
        scores = model.classifier.predict_proba(patients[list(model.columns)])[:, 1]
        return pd.DataFrame({model.cutoff: scores}, index=ids)

    def score() -> pd.DataFrame:
        scores = np.clip(model.classifier.predict_cumulative(patients), 0.0, 1.0)
        return pd.DataFrame(scores, index=ids, columns=range(1, scores.shape[1] + 1))

    files = [[path.name for path in paths] for paths in patients[model.columns[0]]]
    key = {"model": model.digest, "patients": ids.tolist(), "files": files}
    table = cache.get_or_compute_table(f"scores-{model.name}", key, score, made_by=(NetClassifier,))
    return table.rename(columns=int)  # on disk, names are text


def _thresholds_table(models: list[FrozenModel]) -> pd.DataFrame:
    """Operating points in the form of `fibrolib.inference.threshold_ranges`; fixed before, they have no range here."""
    rows = [(model.name, model.threshold, np.nan, np.nan, model.threshold_source) for model in models]
    return pd.DataFrame(rows, columns=["model", "threshold", "threshold_low", "threshold_high", "threshold_source"])


def _refuse_other_scale(models: list[FrozenModel], about: Mapping, patients: pd.DataFrame, metavir: bool) -> None:
    """Raise where cut-offs differ, or stages of the patients are not on the scale of the models."""
    cutoffs = {model.cutoff for model in models}
    if len(cutoffs) > 1:
        raise FibrolibError(f"The models have several cut-offs ({sorted(cutoffs)}). Validate one run at a time.")
    scales = ["METAVIR" if each else "not METAVIR" for each in (about["metavir"], metavir)]
    present = ", ".join(str(stage) for stage in sorted(patients["stage"].unique()))
    if scales[0] != scales[1] or patients["stage"].max() >= about["stages"]:
        raise FibrolibError(
            f"The models know the stages 0 to {about['stages'] - 1} ({scales[0]}); this cohort has the stages "
            f"{present} ({scales[1]}). Only a cohort on the same scale can validate them."
        )
