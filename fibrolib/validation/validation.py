"""One validation: frozen models, another cohort, and what is computed from them, step by step; kept in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from numbers import Real
from pathlib import Path

import pandas as pd

from fibrolib import __version__
from fibrolib.cohort import Cohort
from fibrolib.cohort.columns import VIRTUAL_PREFIX
from fibrolib.errors import FibrolibError, counted
from fibrolib.privacy import open_cohort
from fibrolib.study import PROJECT, Profile, load_profile
from fibrolib.study.cache import digest
from fibrolib.study.own_cohort import name_for_folder
from fibrolib.study.runfolder import RunFolder
from fibrolib.validation.development import Development, _read_development, _refuse_known_patients
from fibrolib.validation.differences import _compare_cohorts
from fibrolib.validation.frozen import (
    FrozenModel,
    _find_run,
    _prepare_views,
    _read_models,
    _refuse_other_scale,
    _stage_probabilities,
    _thresholds_table,
    _unavailable,
)
from fibrolib.validation.pictures import Track, _look_at_pictures
from fibrolib.validation.steps import _draw_share, _first_step, _predictions_table, _second_step, _stage_externals

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Validation:
    """Frozen models, the cohort they were made in, and another cohort by its reference (`fibrolib.privacy.register`).

    ``reasons`` says of models that cannot be applied why. ``share`` and ``seed``: part of the patients that the second
    step recalibrates on, and how they are drawn. Everything is kept in ``folder`` and computed once.
    """

    development: Development
    models: tuple[FrozenModel, ...]
    reasons: dict[str, str]
    profile: Profile
    reference: str
    share: float
    seed: int
    out: str

    @property
    def cutoff(self) -> int:
        """That of the models."""
        return self.development.about["cutoff"]

    @property
    def title(self) -> str:
        """The run's folder, with the model's name where it is one."""
        several = len(self.models) + len(self.reasons) > 1
        return self.development.folder.name + ("" if several else f"-{self.models[0].name}")

    @cached_property
    def folder(self) -> RunFolder:
        """Where the validation is kept: the folder given, or one in reports that no other validation shares."""
        key = {
            "models": {model.name: model.digest for model in self.models},
            "development": digest(self.development.about),
            "cohort": self.reference,
            "share": self.share,
            "seed": self.seed,
        }
        name = f"validation-{self.title}-on-{name_for_folder(self.reference)}-seed{self.seed}"
        path = Path(self.out) if self.out else PROJECT / "reports" / name
        asked = {"validation": self.title, "cohort": self.reference, "seed": self.seed, "version": __version__}
        return RunFolder(path.resolve(), digest(key), asked)

    @cached_property
    def cohort(self) -> Cohort:
        """The other cohort, behind pseudonyms; its split, if it has one, does not count."""
        return open_cohort(self.reference, self.cutoff, diagnostics=self.profile.declared)

    @cached_property
    def patients(self) -> pd.DataFrame:
        """One row per patient of the other cohort."""
        return self.cohort.patients()

    @cached_property
    def prepared(self) -> pd.DataFrame:
        """The same with the prepared files that the models read."""
        return _prepare_views(self.patients, list(self.models), self.folder.clips, self.profile)

    def refuse_known_ids(self) -> None:
        """Raise a `FibrolibError` where a patient bears an id of the training cohort."""
        _refuse_known_patients(self.reference, self.development.about["patients"])

    def refuse_other_scale(self) -> None:
        """Raise a `FibrolibError` where stages are on another scale, or virtual patients stand among real ones."""
        if self.cohort.virtual and not self.patients.index.str.startswith(VIRTUAL_PREFIX).all():
            raise FibrolibError("The cohort mixes virtual and real patients. Validate on either of them.")
        _refuse_other_scale(list(self.models), self.development.about, self.patients, self.cohort.metavir)

    def look_at_pictures(self, track: Track) -> pd.DataFrame:
        """Picture statistics of each patient; a `FibrolibError` where pictures are those of the training cohort."""
        pictures = _look_at_pictures(self.patients, self.folder.cache, track, self.development.prints)
        shared = pictures["shared"]
        if shared.empty:
            return pictures["features"]
        files = ", ".join(shared["file"].head(5)) + ", ..." * (len(shared) > 5)
        raise FibrolibError(
            f"{counted(len(shared), 'file')} of {counted(shared['patient_id'].nunique(), 'patient')} show pictures of "
            f"the training cohort, as they are or as copies: {files}. The models know these patients. Take them out of "
            "the table."
        )

    @cached_property
    def scores(self) -> Tables:
        """Probabilities of stages of every patient by every model that can be applied, by its name."""
        scores = {}
        for model in self.models:
            if reason := _unavailable(model, self.prepared):
                self.reasons[model.name] = reason
            else:
                scores[model.name] = _stage_probabilities(model, self.prepared, self.folder.cache)
        if not scores:
            raise FibrolibError(f"No model can be applied to this cohort. {' '.join(self.reasons.values())}")
        return scores

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The predictions table, written before anything is computed from it."""
        table = _predictions_table(self.scores, self.patients, self.cutoff)
        self.folder.save_predictions(table)
        return table

    @property
    def _thresholds(self) -> pd.DataFrame:
        return _thresholds_table([model for model in self.models if model.name in self.scores])

    def first_step(self) -> Tables:
        """What the models show as they are: nothing is fitted, chosen or recalibrated."""
        given = self.predictions, self._thresholds, self.development.metrics
        key = dict(zip(("predictions", "thresholds", "development"), given, strict=True))
        compute = partial(_first_step, *given)
        tables = self.folder.get_or_compute_tables("step1", key, compute, made_by=(_first_step,))
        key = {"scores": self.scores, "stages": self.patients["stage"].to_frame()}
        compute = partial(_stage_externals, self.scores, self.patients, self.cutoff)
        return tables | self.folder.get_or_compute_tables("staging", key, compute, made_by=(_stage_externals,))

    def differences(self, features: pd.DataFrame) -> Tables:
        """How the cohorts differ; `features` from `look_at_pictures`."""
        development, patients = self.development, self.patients.drop(columns=["videos", "images", "rois"])
        pictures = development.features, features
        numbers = development.numbers, patients[list(self.cohort.numbers)]
        key = {"about": development.about, "patients": patients, "pictures": pictures, "numbers": numbers}
        key |= {"seed": self.seed}
        compute = partial(_compare_cohorts, development.about, patients, pictures, numbers, self.seed)
        return self.folder.get_or_compute_tables("differences", key, compute, made_by=(_compare_cohorts,))

    def second_step(self) -> Tables:
        """Recalibration on a share of the patients, evaluated on the rest."""
        fitted = _draw_share(self.predictions, self.share, self.seed)
        given = self.predictions, self._thresholds, fitted
        key = {"predictions": given[0], "thresholds": given[1], "fitted": fitted.to_frame()}
        compute = partial(_second_step, *given)
        return self.folder.get_or_compute_tables("step2", key, compute, made_by=(_second_step,))


def open_validation(
    model: str | Path, reference: str, *, share: float = 0.5, seed: int = 0, out: str = "", profile: str = ""
) -> Validation:
    """Read what a run left; nothing is computed or written yet.

    Parameters
    ----------
    model : str or Path
        Folder of a finished run, or one of its files ``models/<name>.safetensors`` or ``.json``.
    reference : str
        Of the other cohort's table (`fibrolib.privacy.register`).
    share, seed, out
        As of `Validation`; ``out`` empty: a folder in reports.
    profile : str
        Of the run, where it names diagnostics of the user's own, whose files are run; without one nothing is executed.

    Raises
    ------
    FibrolibError
        There is no such run or model, it was made by an earlier version, or its files are damaged or do not belong
        together; ``share`` is no share.
    """
    if not isinstance(share, Real) or not 0 < share < 1:
        raise FibrolibError(
            f"--share must lie between 0 and 1 (the part of the patients to recalibrate on); not {share!r}."
        )
    run, names = _find_run(Path(model))
    development = _read_development(run)
    own = load_profile(profile).own if profile else ()
    declared = development.about["profile"]["own"]
    for _, file in own:
        if declared.get(file.text) not in (None, file.digest):
            raise FibrolibError(f"{file.text}: this file is not what it was when the models were fitted with it.")
    settings = Profile.from_dict(development.about["profile"], own)
    models, reasons = _read_models(run, names, settings)
    if not models:
        raise FibrolibError(f"{model}: no model of this run can be applied. {' '.join(reasons.values())}")
    return Validation(development, tuple(models), reasons, settings, reference, share, seed, out)
