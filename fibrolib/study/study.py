"""The study: one object that a notebook opens, and that computes what is asked for once and keeps it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fibrolib import __version__
from fibrolib.attribution import Explanation, attribute_clips, input_channels, mask_scores_by_patient
from fibrolib.cohort import Cohort, read_cohort, split_patients
from fibrolib.diagnostics import model_label
from fibrolib.errors import FibrolibError, counted, is_interactive
from fibrolib.inference import choose_thresholds, compare_models, summarise_models
from fibrolib.learning import Evaluation
from fibrolib.phantom import simulate_cohort
from fibrolib.progress import track
from fibrolib.stages import condition
from fibrolib.study.cache import digest
from fibrolib.study.diagnostics import (
    EVALUATION,
    classifier_of,
    evaluate_index,
    evaluate_net,
    evaluate_once,
    missing_requirements,
    refuse_other_arguments,
)
from fibrolib.study.naming import with_run_folder
from fibrolib.study.preprocessing import prepare_files
from fibrolib.study.profiles import Profile, load_profile
from fibrolib.study.pseudonymise import open_own_cohort, reference_of
from fibrolib.study.request import Request
from fibrolib.study.runfolder import RunFolder
from fibrolib.video import load_clip
from fibrolib.workers import n_workers

__all__ = ["Study", "open_study"]


def open_study(cohort: str = "", profile: str = "quick", cutoff: int = 2, seed: int = 0, out: str = "") -> Study:
    """Open a study; nothing is computed yet. Parameters as in `Request`.

    Raises
    ------
    FibrolibError
        As `Study`; or the run folder that ``out`` names holds something else.
    """
    study = Study(Request(cohort, profile, cutoff, seed, out))
    study.folder.refuse_other_content()
    return study


class Study:
    """A cohort, a profile and a run folder.

    Every attribute is made when it is first asked for, and what is slow is kept in the run folder, so notebooks can be
    opened alone and in any order.

    Parameters
    ----------
    request : Request
        What is asked for.

    Attributes
    ----------
    reference : str
        What stands for the cohort's table in the run folder (`fibrolib.privacy.register`); empty for the virtual
        cohort.

    Raises
    ------
    FibrolibError
        If the profile is unknown, there is no such cohort table, or the private folder lies in the run folder.
    """

    def __init__(self, request: Request) -> None:
        self.profile: Profile = load_profile(request.profile)
        self.reference = reference_of(request)
        self.request = with_run_folder(request, self.reference, self.profile)
        asked = {"cohort": self.reference, "cutoff": request.cutoff, "seed": request.seed}  # a run folder may be moved
        shown = {**asked, "profile": Path(request.profile).stem, "version": __version__}
        key = digest({**asked, "profile": self.profile.as_dict()})
        self.folder = RunFolder(self.request.run_folder, key, shown)

    @property
    def cutoff(self) -> int:
        """Lowest stage that counts as diseased."""
        return self.request.cutoff

    @property
    def condition(self) -> str:
        """What is diagnosed, in words."""
        return condition(self.cutoff, self.cohort.metavir)

    @cached_property
    def cohort(self) -> Cohort:
        """The checked cohort, behind pseudonyms; the virtual one is simulated where it is not there yet."""
        if self.reference:
            return open_own_cohort(self.reference, self.request, list(self.profile.indices.values()))
        folder = self.request.virtual_folder(self.profile.patients)
        table = simulate_cohort(folder, patients=self.profile.patients, seed=self.request.seed, n_jobs=n_workers())
        return read_cohort(table, self.cutoff, diagnostics=list(self.profile.indices.values()))

    @property
    def banner(self) -> str:
        """What kind of data a reader is looking at, as Markdown."""
        caveat = f"> **{self.profile.caveat}**\n>\n" if self.profile.caveat else ""
        kept = f"\n>\n> Results are kept in `{self.folder.path}`." if is_interactive() else ""
        if not self.reference or self.cohort.virtual:  # the virtual cohort may not be simulated yet
            return (
                f"{caveat}> **Virtual cohort.** These patients do not exist; videos, blood values and stages are "
                "simulated. The numbers tell how the method behaves on a simulation: they are **not clinical "
                f"evidence**.{kept}"
            )
        return (
            f"{caveat}> Cohort **{self.cohort.name}**: {counted(len(self.cohort.patients()), 'patient')}, "
            f"{counted(len(self.cohort.table), 'video')}, as given by its owner.{kept}"
        )

    @cached_property
    def split(self) -> pd.Series:
        """``train``, ``validation`` or ``test`` per patient."""
        return split_patients(self.cohort.patients(), self.request.seed)

    @cached_property
    def patients(self) -> pd.DataFrame:
        """One row per patient, with the prepared files in ``clips`` and ``stills``."""
        patients = self.cohort.patients()
        clips, stills = (prepare_files(patients, self.folder.clips, self.profile, kind) for kind in ("clip", "image"))
        return patients.assign(clips=clips, stills=stills)

    @property
    def content(self) -> str:
        """Hash of the cohort's table, of what its videos and images show, and of the profile."""
        names = [path.name for view in ("clips", "stills") for paths in self.patients[view] for path in paths]
        return digest({"table": self.cohort.digest(), "files": names, "profile": self.profile.as_dict()})

    @property
    def nets(self) -> list[str]:
        """Names of the nets of the profile."""
        return [settings.name for settings in self.profile.models]

    def unavailable(self, name: str) -> str:
        """Why a diagnostic cannot be had from this cohort, as a sentence; empty where it can."""
        return missing_requirements(self, name)

    @property
    def reasons(self) -> dict[str, str]:
        """Diagnostics that cannot be had from this cohort, each with the reason."""
        return {name: self.unavailable(name) for name in self.profile.indices if self.unavailable(name)}

    @property
    def indices(self) -> list[str]:
        """Names of the indices this cohort allows."""
        return [name for name in self.profile.indices if not self.unavailable(name)]

    @property
    def models(self) -> list[str]:
        """Names of all diagnostics this cohort allows: nets, then indices."""
        return [*reversed(self.nets), *self.indices]

    def evaluation(self, name: str) -> Evaluation:
        """Tuned, cross-validated, fitted and scored diagnostic; computed once and kept.

        Parameters
        ----------
        name : str
            A net or an index of the profile.

        Raises
        ------
        FibrolibError
            If the cohort lacks what the diagnostic needs, or the profile has no such net.
        """
        if self.unavailable(name):
            raise FibrolibError(self.unavailable(name))
        if name not in self._evaluations:
            self._evaluations[name] = (evaluate_index if name in self.profile.indices else evaluate_net)(self, name)
        return self._evaluations[name]

    def cached(self, evaluate: Callable[..., Evaluation]) -> Callable[..., Evaluation]:
        """`fibrolib.learning.evaluate` with its results kept in the run folder, as joblib's ``Memory.cache`` does it.

        The function that is returned takes the same arguments. It loads the finished evaluation of a net from the run
        folder; where there is none, it evaluates the net, shows the progress, keeps every finished fit (an
        interrupted evaluation resumes), and saves the result and the trained net.

        Parameters
        ----------
        evaluate : callable
            `fibrolib.learning.evaluate`.

        Returns
        -------
        callable
            Raises `FibrolibError` for arguments other than those of the study's profile: what is kept is what
            `evaluation` returns, here and in every other notebook.
        """

        def cached_evaluate(*given, **options) -> Evaluation:
            arguments = signature(evaluate).bind(*given, **options).arguments
            refuse_other_arguments(self, arguments)
            name = arguments["name"]
            if name not in self._evaluations:
                self._evaluations[name] = evaluate_once(self, evaluate, arguments)
            return self._evaluations[name]

        return cached_evaluate

    @cached_property
    def _evaluations(self) -> dict[str, Evaluation]:
        return {}

    def cache_key(self, name: str) -> dict:
        """Everything the evaluation of a net depends on, besides the code."""
        return {
            "model": self.profile.model(name),
            "estimator": classifier_of(self, name).get_params(),
            "cutoff": self.cutoff,
            "seed": self.request.seed,
            "folds": self.profile.n_folds,
            "split": self.split.to_dict(),
            "stages": self.patients["stage"].to_dict(),
            "files": [[path.name for path in paths] for view in ("clips", "stills") for paths in self.patients[view]],
        }

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The predictions table of all diagnostics; also written to the run folder."""
        table = pd.concat([self.evaluation(name).predictions for name in self.models], ignore_index=True)
        self.folder.save_predictions(table)
        return table

    @cached_property
    def thresholds(self) -> dict[str, float]:
        """Operating point per model, chosen on the validation patients (Youden)."""
        return choose_thresholds(self.predictions)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Every estimate on the test patients with its 95 % interval, one row per model."""
        return summarise_models(self.predictions, self.thresholds, seed=self.request.seed)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """DeLong tests of all pairs on the test patients, Holm-corrected."""
        return compare_models(self.predictions)

    def model_view(self, name: str, patient: str) -> dict[str, NDArray[np.float32]]:
        """What a net is shown of a patient's first file: arrays ``(frames, height, width)`` by channel."""
        classifier = self.evaluation(name).final
        return input_channels(classifier, load_clip(self.patients.loc[patient, classifier.view][0]))

    def gradcams(self, name: str) -> dict[str, list[Explanation]]:
        """Grad-CAM of a net for the test patients, one map per prepared file; made once per session.

        Parameters
        ----------
        name : str
            A net.

        Returns
        -------
        dict of str to list of Explanation
            By patient.
        """
        if name not in self._gradcams:
            classifier = self.evaluation(name).final
            test = self.patients[self.split.reindex(self.patients.index) == "test"]
            maps = (attribute_clips(classifier, [load_clip(path) for path in paths]) for paths in test[classifier.view])
            label = f"Grad-CAM of the {model_label(name)}"
            self._gradcams[name] = dict(zip(test.index, track(maps, label, len(test), "patients"), strict=True))
        return self._gradcams[name]

    @cached_property
    def _gradcams(self) -> dict[str, dict[str, list[Explanation]]]:
        return {}

    def attribution(self, name: str) -> pd.DataFrame:
        """Share of Grad-CAM relevance on the marked region (the capsule), beside its share of the sector's area; kept.

        Returns
        -------
        DataFrame
            One row per test patient: ``patient_id, model, stage, score`` and the scores of `mask_scores`; no rows where
            the cohort has no masks. A patient's videos are averaged.
        """
        return self.folder.cache.get_or_compute_table(
            f"attribution-{name}",
            self.cache_key(name),
            lambda: mask_scores_by_patient(self.gradcams(name), name, self.patients["stage"]),
            made_by=(*EVALUATION, attribute_clips, mask_scores_by_patient),
        )
