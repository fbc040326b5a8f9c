"""The study: one object that a notebook opens. It computes what is needed once, and keeps it in the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path

import pandas as pd

from fibrolib import __version__
from fibrolib.attribution import Explanation, mask_scores_by_patient
from fibrolib.cohort import PARTS, Cohort, read_cohort, refuse_few_patients, split_patients
from fibrolib.diagnostics import model_label
from fibrolib.errors import FibrolibError, counted, is_interactive, shorten_interrupts
from fibrolib.inference import choose_thresholds
from fibrolib.learning import Evaluation
from fibrolib.phantom import draw_patients, simulate_cohort
from fibrolib.progress import track
from fibrolib.stages import condition
from fibrolib.study.cache import digest
from fibrolib.study.evaluation import EVALUATION, NetEvaluations, _evaluate_index, _missing_requirements, save_index
from fibrolib.study.own_cohort import _holds_virtual_patients, _name_run_folder, _open_own_cohort, _reference_of
from fibrolib.study.plates import Plates, _GradCams, make_plates, read_plates, write_plates
from fibrolib.study.preprocessing import prepare_files
from fibrolib.study.profiles import Profile, load_profile
from fibrolib.study.request import Request
from fibrolib.study.runfolder import RunFolder
from fibrolib.study.tables import _performance_tables, _quality_tables
from fibrolib.workers import n_workers


def open_study(cohort: str = "", profile: str = "quick", cutoff: int = 2, seed: int = 0, out: str = "") -> Study:
    """Open a study; nothing is computed yet. Parameters as in `Request`. In a notebook, interrupts become short.

    Raises `FibrolibError` as `Study` does, or where the run folder holds something else.
    """
    shorten_interrupts()
    study = Study(Request(cohort, profile, cutoff, seed, out))
    study.folder.refuse_other_content()
    return study


class Study:
    """A cohort, a profile and a run folder.

    Every attribute is computed when it is first read, and what is slow is kept in the run folder, so notebooks can be
    opened alone and in any order. ``reference`` stands for the cohort's table in the run folder
    (`fibrolib.privacy.register`) and is empty for the virtual cohort.

    Raises
    ------
    FibrolibError
        The profile is unknown, there is no such table, or the private folder lies in the run folder.
    """

    def __init__(self, request: Request) -> None:
        self.reference = _reference_of(request)
        virtual = not self.reference or _holds_virtual_patients(self.reference)
        self.profile: Profile = load_profile(request.profile).for_cohort(virtual)
        self.request = _name_run_folder(request, self.reference, self.profile)
        inputs = {"cohort": self.reference, "cutoff": request.cutoff, "seed": request.seed}  # a run folder may be moved
        description = {**inputs, "profile": Path(request.profile).stem, "version": __version__}
        key = digest({**inputs, "profile": self.profile.as_dict()})
        self.folder = RunFolder(self.request.run_folder, key, description)
        self._evaluations: dict[str, Evaluation] = {}

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
            return _open_own_cohort(self.reference, self.request, self.profile.declared)
        patients, video = self.profile.patients, self.profile.virtual_video
        seed, n_jobs = self.request.seed, n_workers()
        name = f"the virtual cohort of {counted(patients, 'patient')} with seed {seed}"
        refuse_few_patients(draw_patients(patients, seed)["biopsy_stage"], self.cutoff, name)
        table = simulate_cohort(self.virtual_folder, patients=patients, seed=seed, n_jobs=n_jobs, **video)
        return read_cohort(table, self.cutoff, diagnostics=self.profile.declared)

    @property
    def virtual_folder(self) -> Path:
        """Folder of the virtual cohort; beside the run folders, so that runs share it."""
        frames = self.profile.virtual_video.get("frames")
        short = f"-{frames}-frames" if frames else ""
        return self.folder.cohorts / f"virtual-{self.profile.patients}-seed{self.request.seed}{short}"

    @property
    def banner(self) -> str:
        """What kind of data a reader is looking at, as Markdown."""
        caveat = f"> **{self.profile.caveat}**\n>\n" if self.profile.caveat else ""
        kept = f"\n>\n> Results are stored in `{self.folder.path}`." if is_interactive() else ""
        if not self.reference or self.cohort.virtual:  # the virtual cohort may not be simulated yet
            return (
                f"{caveat}> **Virtual cohort.** These patients do not exist; videos, blood values and stages are "
                "simulated. The numbers show how the method behaves where the truth is known. They are **not clinical "
                f"evidence**.{kept}"
            )
        return (
            f"{caveat}> Cohort **{self.cohort.name}**: {counted(len(self.cohort.patients()), 'patient')}, "
            f"{counted(len(self.cohort.table), 'video')}.{kept}"
        )

    @cached_property
    def _unprepared(self) -> pd.DataFrame:
        """One row per patient, with ``split``; no file has been opened yet."""
        patients = self.cohort.patients()
        return patients.assign(split=split_patients(patients, self.request.seed))

    @cached_property
    def patients(self) -> pd.DataFrame:
        """One row per patient: the table's columns, ``split``, and the prepared files in ``clips`` and ``stills``."""
        patients = self._unprepared
        clips, stills = (prepare_files(patients, self.folder.clips, self.profile, kind) for kind in ("clip", "image"))
        return patients.assign(clips=clips, stills=stills)

    @property
    def content(self) -> str:
        """Hash of the cohort's table, of what its videos and images show, and of the profile."""
        names = [path.name for view in ("clips", "stills") for paths in self.patients[view] for path in paths]
        return digest({"table": self.cohort.digest(), "files": names, "profile": self.profile.as_dict()})

    @property
    def nets(self) -> list[str]:
        """Names of the nets of the profile that are trained."""
        return self.profile.nets

    @property
    def probes(self) -> list[str]:
        """Names of the nets of the profile that are linear probes on frozen features."""
        return self.profile.probes

    @cached_property
    def reasons(self) -> dict[str, str]:
        """Diagnostics that cannot be had from this cohort, each with the reason."""
        indices, given = self.profile.indices, (self._unprepared, self.cutoff, self.profile.n_folds)
        reasons = {name: _missing_requirements(index, *given) for name, index in indices.items()}
        return {name: reason for name, reason in reasons.items() if reason}

    @property
    def indices(self) -> list[str]:
        """Names of the indices this cohort allows."""
        return [name for name in self.profile.indices if name not in self.reasons]

    @property
    def models(self) -> list[str]:
        """Names of all diagnostics this cohort allows: nets, probes, then indices."""
        return [*self.profile.in_table_order, *self.indices]

    @cached_property
    def net_evaluations(self) -> NetEvaluations:
        """Evaluations of the nets by name, kept in the run folder."""
        given = self.patients, self.profile, self.folder, self.cutoff, self.request.seed
        return NetEvaluations(*given, virtual=self.cohort.virtual)

    def evaluation(self, name: str) -> Evaluation:
        """Tuned, cross-validated, fitted and scored diagnostic, a net or an index; that of a net is kept.

        Raises `FibrolibError` where the cohort lacks what the diagnostic needs, or the profile has no such net.
        """
        if name not in self.profile.indices:
            return self.net_evaluations[name]
        if name in self.reasons:
            raise FibrolibError(self.reasons[name])
        if name not in self._evaluations:
            given = self._unprepared, self.cutoff, self.profile.n_folds, self.request.seed
            self._evaluations[name] = _evaluate_index(self.profile.indices[name], *given)
            save_index(self.folder, self._evaluations[name], self.cutoff, self.profile)
        return self._evaluations[name]

    @property
    def index_evaluations(self) -> dict[str, Evaluation]:
        """Evaluations of the indices this cohort allows, by name."""
        return {name: self.evaluation(name) for name in self.indices}

    def cached(self, evaluate: Callable[..., Evaluation]) -> Callable[..., Evaluation]:
        """`fibrolib.learning.evaluate` with its results kept in the run folder (`NetEvaluations.cached`)."""
        return self.net_evaluations.cached(evaluate)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The predictions table of all diagnostics; also written to the run folder."""
        table = pd.concat([self.evaluation(name).predictions for name in self.models], ignore_index=True)
        self.folder.save_predictions(table)
        return table

    @cached_property
    def thresholds(self) -> dict[str, float]:
        """Operating point per model (Youden), from the profile's ``threshold_source``."""
        return choose_thresholds(self.predictions, split=self.profile.threshold_split)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Metrics and tests on the test patients (`_performance_tables`), computed once and written to ``tables/``."""
        split, made_by = self.profile.threshold_split, (_performance_tables,)
        key = {"predictions": self.predictions, "threshold_split": split}
        compute = partial(_performance_tables, self.predictions, split)
        return self.folder.get_or_compute_tables("performance", key, compute, made_by=made_by)

    @cached_property
    def quality(self) -> dict[str, pd.DataFrame]:
        """Which clips are beyond the profile's limits, and results without their patients (`_quality_tables`).

        Computed once and written to ``tables/``; no patient is left out anywhere else.
        """
        limits, clips = self.profile.quality, [[path.name for path in paths] for paths in self.patients["clips"]]
        key = {"predictions": self.predictions, "clips": clips, "limits": limits}
        compute = partial(_quality_tables, self.patients, self.predictions, limits)
        return self.folder.get_or_compute_tables("quality", key, compute, made_by=(_quality_tables,))

    @property
    def metrics(self) -> pd.DataFrame:
        """Every estimate on the test patients with its 95 % interval, one row per model."""
        return self.tables["metrics"]

    @property
    def comparisons(self) -> pd.DataFrame:
        """DeLong tests of all pairs on the test patients, Holm-corrected."""
        return self.tables["comparisons"]

    @property
    def heart_rates(self) -> dict[str, float]:
        """Heart rates of virtual patients, 1/min; empty for other patients, whose rates are not known."""
        if not self.cohort.virtual:
            return {}
        truth = pd.read_csv(self.cohort.root / "truth" / "patients.csv", index_col="patient_id")
        return truth["heart_rate"].to_dict()

    def gradcams(self, name: str) -> Mapping[str, list[Explanation]]:
        """Grad-CAM of a net for the test patients, by patient, one map per prepared file; made when asked for."""
        classifier = self.evaluation(name).final
        files = self.patients.loc[self.patients["split"] == "test", classifier.view]
        label = f"Grad-CAM of the {model_label(name)}"
        return _GradCams(classifier, files, partial(track, label=label, total=len(files), unit="patients"))

    @property
    def plates(self) -> Plates:
        """Pictures that a manuscript shows (`make_plates`); kept."""
        return self.folder.cache.get_or_compute(
            "plates",
            {name: self.net_evaluations.cache_key(name) for name in self.nets},
            lambda: make_plates(self.patients, {name: self.evaluation(name).final for name in self.nets}),
            lambda plates, folder: write_plates(plates, folder / "plates.npz"),
            lambda folder: read_plates(folder / "plates.npz", self.cutoff),
            made_by=(*EVALUATION, make_plates, write_plates),
        )

    def attribution(self, name: str) -> pd.DataFrame:
        """Share of Grad-CAM relevance on the marked region (the capsule), beside its share of the sector's area; kept.

        One row per test patient (means over videos): ``patient_id, model, stage, score`` and
        `Explanation.mask_scores`; no rows where the cohort has no masks.
        """
        return self.folder.cache.get_or_compute_table(
            f"attribution-{name}",
            self.net_evaluations.cache_key(name),
            lambda: mask_scores_by_patient(self.gradcams(name), name, self.patients["stage"]),
            made_by=(*EVALUATION, _GradCams, mask_scores_by_patient),
        )

    def description(self) -> dict:
        """What the study was asked for, and what the report says of it, as plain values: a part of run.json."""
        own = [
            {"label": record.label, "text": file.text, "digest": file.digest, "citation": record.citation}
            for record, file in self.profile.own
        ]
        return {
            "cohort": self.cohort.digest(),
            "seed": self.request.seed,
            "cutoff": self.cutoff,
            "profile": self.profile.as_dict(),
            "condition": self.condition,
            "metavir": self.cohort.metavir,
            "own_split": bool(self.cohort.table["split"].notna().all()),
            "nets": self.nets,
            "indices": self.indices,
            "own": own,
        }

    def summary(self) -> dict:
        """What the study is of, as plain values: the head of results.json."""
        split = self.patients["split"].value_counts()
        return {
            "caveat": self.profile.caveat or None,
            "profile": self.profile.name,
            "cutoff": self.cutoff,
            "seed": self.request.seed,
            "cohort": {
                "name": self.cohort.name,
                "virtual": self.cohort.virtual,
                "patients": len(self.patients),
                "videos": len(self.cohort.table),
                "split": {part: int(split[part]) for part in PARTS},
            },
            "unavailable": self.reasons,
        }
