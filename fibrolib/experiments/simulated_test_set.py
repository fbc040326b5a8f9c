"""Fresh virtual patients: what a large study of the same nets would have found."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fibrolib.cohort import Cohort, inspect_cohort
from fibrolib.errors import FibrolibError
from fibrolib.inference import (
    Comparison,
    auc,
    auc_ci,
    compare_models,
    delong_test,
    select_predictions,
    share_of_ceiling,
)
from fibrolib.learning import PERTURBATIONS, VIEWS, predictions_of
from fibrolib.phantom import MOVING, STILL, SignalStrengths, oracle_score, simulate_cohort
from fibrolib.progress import track
from fibrolib.study.cache import digest
from fibrolib.study.diagnostics import EVALUATION
from fibrolib.study.preprocessing import prepare_files
from fibrolib.study.profiles import Profile
from fibrolib.study.staging import Staging
from fibrolib.workers import n_workers

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = ["ORACLES", "SimulatedTestSet", "fresh_patients", "population_folder", "prepared_patients"]

_FAR = 1_000_000
"""Distance between the seed of a study's cohort and that of its fresh population: no two seeds in use meet."""

ORACLES = {"oracle_still": STILL, "oracle_moving": MOVING}
"""Ceilings: the best that could be done with what a still image, or a video, carries."""


def population_folder(parent: Path, patients: int, seed: int, strengths: SignalStrengths) -> Path:
    """Where a fresh population lies: beside the cohorts, so that runs share it."""
    turned = "" if strengths == SignalStrengths() else f"-{digest(asdict(strengths))[:8]}"
    return parent / f"virtual-fresh-{patients}-seed{seed}{turned}"


def fresh_patients(
    parent: Path,
    clips: Path,
    profile: Profile,
    *,
    patients: int,
    seed: int,
    cutoff: int,
    strengths: SignalStrengths | None = None,
) -> pd.DataFrame:
    """Simulate and prepare virtual patients that no net has met.

    Parameters
    ----------
    parent : Path
        Folder of virtual cohorts.
    clips : Path
        Folder of prepared files.
    profile : Profile
        How files are prepared.
    patients : int
        How many.
    seed : int
        The study's seed; the population's lies far from it.
    cutoff : int
        Lowest stage that counts as diseased.
    strengths : SignalStrengths, optional
        Strength of the signals; the published effects if left out.

    Returns
    -------
    DataFrame
        As `Study.patients`, and the latent truth: ``texture, capsule, strain, scanner, severity``.
    """
    folder = population_folder(parent, patients, seed, strengths or SignalStrengths())
    # Nobody asks where the liver lies in them.
    table = simulate_cohort(
        folder, patients=patients, seed=seed + _FAR, strengths=strengths, truth=False, n_jobs=n_workers()
    )
    found = prepared_patients(table, clips, profile, cutoff)
    truth = pd.read_csv(folder / "truth" / "patients.csv", index_col="patient_id")
    latent = truth[["texture", "capsule", "strain", "scanner", "severity"]]
    return found.join(latent.reindex(found.index))


def prepared_patients(table: Path, clips: Path, profile: Profile, cutoff: int) -> pd.DataFrame:
    """Virtual patients as `Study.patients`, however few they are.

    Parameters
    ----------
    table : Path
        Of `simulate_cohort`.
    clips, profile, cutoff
        As for `fresh_patients`.
    """
    # Not `read_cohort`: it asks for enough patients of both classes to train and test on, and nothing is split here.
    read = inspect_cohort(table, cutoff)
    found = Cohort(read.name, read.root, read.table.reset_index(drop=True)).patients()
    clip_files, still_files = (prepare_files(found, clips, profile, kind) for kind in ("clip", "image"))
    return found.assign(clips=clip_files, stills=still_files)


class SimulatedTestSet:
    """Fresh virtual patients, scored by the nets of a study.

    Parameters
    ----------
    study : Study
        A study of a virtual cohort.
    strengths : SignalStrengths, optional
        Strength of the signals in the fresh patients; the published effects if left out.
    n : int, optional
        How many; the profile's number if left out.
    """

    def __init__(self, study: Study, strengths: SignalStrengths | None = None, n: int | None = None) -> None:
        self.study, self.strengths, self.n = study, strengths or SignalStrengths(), n

    @cached_property
    def patients(self) -> pd.DataFrame:
        """One row per patient with prepared files and latent truth (`fresh_patients`)."""
        request, profile, cohort = self.study.request, self.study.profile, self.study.cohort
        if not cohort.virtual:
            raise FibrolibError(f"{cohort.name} is no virtual cohort: no more of its patients can be simulated.")
        return fresh_patients(
            request.run_folder.parent / "cohorts",
            self.study.folder.clips,
            profile,
            patients=self.n or profile.population,
            seed=request.seed,
            cutoff=request.cutoff,
            strengths=self.strengths,
        )

    def cumulative_probs(self, name: str, perturbation: str = "") -> pd.DataFrame:
        """Probability of each stage or a higher one, by a net of the study.

        Parameters
        ----------
        name : str
            A net.
        perturbation : str
            A key of `fibrolib.learning.PERTURBATIONS`; empty for the clips as they are.

        Returns
        -------
        DataFrame
            Indexed by patient, columns ``1, 2, ...``.
        """
        cache_key = {
            "net": self.study.cache_key(name),
            "patients": self.patients.index.tolist(),
            "files": [[path.name for path in paths] for view in VIEWS for paths in self.patients[view]],
            "perturbation": perturbation,
        }
        kept = self.study.folder.cache.get_or_compute_table(
            f"population-{name}", cache_key, lambda: self._reached(name, perturbation), made_by=EVALUATION
        )
        return kept.rename(columns=int)  # on disk, names are text

    def _reached(self, name: str, perturbation: str) -> pd.DataFrame:
        # A copy: several threads score at a time, and an LSTM packs its weights anew whenever it is moved to a device.
        net = deepcopy(self.study.evaluation(name).final)
        scores = net.predict_cumulative(self.patients, PERTURBATIONS[perturbation] if perturbation else None)
        return pd.DataFrame(scores, index=self.patients.index.rename("patient_id"), columns=range(1, net.n_stages_))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The predictions table of nets, indices and both oracles on these patients, at the study's cut-off."""
        cutoff = self.study.cutoff
        nets = list(reversed(self.study.nets))
        cumulative_probs = track(
            map(self.cumulative_probs, nets), "Scoring fresh patients", len(nets), "nets", self.study.folder.path
        )
        scores = {name: table[cutoff].to_numpy() for name, table in zip(nets, cumulative_probs, strict=True)}
        for name in self.study.indices:
            columns = list(self.study.profile.indices[name].columns)
            if set(columns) <= set(self.patients):  # nothing is simulated for an index of the user's own
                scores[name] = self.study.evaluation(name).final.predict_proba(self.patients[columns])[:, 1]
        latent = self.patients.reset_index(drop=True)
        for name, signals in ORACLES.items():
            scores[name] = oracle_score(latent, cutoff, signals, self.strengths)
        tables = [predictions_of(name, self.patients, score, "test", cutoff) for name, score in scores.items()]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def staging(self) -> Staging:
        """Stages by the nets, with the ceilings of `ORACLES` at every cut-off."""
        nets = list(reversed(self.study.nets))
        scale = range(1, self.study.evaluation(nets[0]).final.n_stages_)
        latent = self.patients.reset_index(drop=True)
        ceilings = {
            name: pd.DataFrame(
                {cutoff: oracle_score(latent, cutoff, signals, self.strengths) for cutoff in scale}
            ).set_axis(self.patients.index)
            for name, signals in ORACLES.items()
        }
        return Staging(self.patients["stage"], {name: self.cumulative_probs(name) for name in nets}, ceilings)

    @cached_property
    def aucs(self) -> pd.DataFrame:
        """AUC of every model with its interval: ``model, n, auc, auc_low, auc_high``."""
        by_model = self.predictions.groupby("model", sort=False)
        return pd.DataFrame([_auc_row(name, table) for name, table in by_model])

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """DeLong tests between the nets on these patients, Holm-corrected."""
        return compare_models(self.predictions, models=list(reversed(self.study.nets)))

    @cached_property
    def gain(self) -> Comparison:
        """What movement adds to a perfect reader on these patients: oracle of the video against that of the image."""
        truth, scores = self._scores
        return delong_test(truth, scores["oracle_moving"], scores["oracle_still"])

    def shares(self) -> pd.DataFrame:
        """How much of the way from chance to a ceiling each net covers.

        Returns
        -------
        DataFrame
            ``model, auc, still, still_low, still_high, moving, moving_low, moving_high``: AUC, and its distance from
            one half over that of the oracle of a still image and of a video (`share_of_ceiling`).
        """
        truth, scores = self._scores
        rows = []
        for name in reversed(self.study.nets):
            row = {"model": name, "auc": auc(truth, scores[name])}
            for oracle in ORACLES:
                found, column = share_of_ceiling(truth, scores[name], scores[oracle]), oracle.removeprefix("oracle_")
                row |= {column: found.value, f"{column}_low": found.low, f"{column}_high": found.high}
            rows.append(row)
        return pd.DataFrame(rows)

    @property
    def _scores(self) -> tuple[pd.Series, pd.DataFrame]:
        """Truth, and a column of scores for each model."""
        wide = select_predictions(self.predictions)
        return wide["y_true"], wide.drop(columns="y_true")


def _auc_row(name: str, table: pd.DataFrame) -> dict:
    estimate = auc_ci(table["y_true"], table["y_score"])
    return {"model": name, "n": len(table), "auc": estimate.value, "auc_low": estimate.low, "auc_high": estimate.high}
