"""Simulated test sets: what a large study of the same nets would have found, and what they lose without motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import pandas as pd

from fibrolib.cohort import Cohort, inspect_cohort
from fibrolib.errors import FibrolibError
from fibrolib.inference import (
    Comparison,
    adjust_pvalues,
    auc,
    auc_ci,
    compare_models,
    delong_test,
    select_predictions,
    share_of_ceiling,
)
from fibrolib.learning import AS_FILMED, PERTURBATIONS, Evaluation, predictions_of
from fibrolib.phantom import MOVING, STILL, SignalStrengths, oracle_score, simulate_cohort
from fibrolib.progress import track
from fibrolib.stages import at_least, is_metavir
from fibrolib.study import NetEvaluations, Profile, Staging
from fibrolib.study.cache import digest
from fibrolib.study.preprocessing import prepare_files
from fibrolib.study.tables import staging_tables
from fibrolib.workers import n_workers

_FAR = 1_000_000  # from the seed of a study's cohort to that of its simulated test set: no two seeds in use meet
ORACLES = {"oracle_still": STILL, "oracle_moving": MOVING}  # the best that could be done with a still image, or a video
# The published effects, and two controls: motion says nothing of the stage; nothing but motion does.
SCENARIOS = {
    "published effects": SignalStrengths(),
    "motion = 0": SignalStrengths(motion=0.0),
    "texture = 0, capsule = 0": SignalStrengths(texture=0.0, capsule=0.0),
}


def _prepared_patients(table: Path, clips: Path, profile: Profile, cutoff: int) -> pd.DataFrame:
    """Virtual patients of a table of `simulate_cohort` with prepared files, however few they are."""
    # Not `read_cohort`: it asks for enough patients of both classes to train and test on, and nothing is split here.
    read = inspect_cohort(table, cutoff)
    patients = Cohort(read.name, read.root, read.table.reset_index(drop=True)).patients()
    clip_files, still_files = (prepare_files(patients, clips, profile, kind) for kind in ("clip", "image"))
    return patients.assign(clips=clip_files, stills=still_files)


@dataclass
class SimulatedTestSet:
    """Virtual patients on whom nothing was trained, tuned or chosen, scored by the nets of a study."""

    nets: NetEvaluations  # of a study of a virtual cohort; others raise a FibrolibError
    indices: Mapping[str, Evaluation] = field(default_factory=dict)  # one whose columns are not simulated is left out
    strengths: SignalStrengths = field(default_factory=SignalStrengths)
    n: int = 0  # number of patients; 0 for the profile's

    def __post_init__(self) -> None:
        if not self.nets.virtual:
            raise FibrolibError("This is no virtual cohort: no more of its patients can be simulated.")
        self.n = self.n or self.nets.profile.population
        self.names = self.nets.profile.in_table_order

    @property
    def source(self) -> Path:
        """Folder of the simulated files, beside the cohorts; runs share it."""
        changed = asdict(self.strengths) if self.strengths != SignalStrengths() else {}
        changed |= self.nets.profile.virtual_video
        further = f"-{digest(changed)[:8]}" if changed else ""
        return self.nets.folder.cohorts / f"virtual-fresh-{self.n}-seed{self.nets.seed}{further}"

    @cached_property
    def patients(self) -> pd.DataFrame:
        """One row per patient: prepared files, and latent truth ``texture, capsule, strain, scanner, severity``."""
        options = {"patients": self.n, "seed": self.nets.seed + _FAR, "strengths": self.strengths}
        options |= self.nets.profile.virtual_video
        # Nobody asks where the liver lies in them.
        table = simulate_cohort(self.source, **options, truth=False, n_jobs=n_workers())
        patients = _prepared_patients(table, self.nets.folder.clips, self.nets.profile, self.nets.cutoff)
        truth = pd.read_csv(self.source / "truth" / "patients.csv", index_col="patient_id")
        latent = truth[["texture", "capsule", "strain", "scanner", "severity"]]
        return patients.assign(**latent.reindex(patients.index))

    def cumulative_probs(self, name: str, perturbation: str = AS_FILMED) -> pd.DataFrame:
        """Probability of each stage or a higher one, by a net (`NetEvaluations.cumulative_probs`)."""
        return self.nets.cumulative_probs(name, self.patients, perturbation)

    def oracle_scores(self, signals: Sequence[str], cutoff: int) -> pd.Series:
        """Scores of the best reader of some signals."""
        scores = oracle_score(self.patients.reset_index(drop=True), cutoff, signals, self.strengths)
        return pd.Series(scores, index=self.patients.index)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The predictions table of nets, indices and both oracles on these patients, at the study's cut-off."""
        cutoff, wanted = self.nets.cutoff, [(name, self.patients, False) for name in self.names]
        tables = track(
            self.nets.score_all(wanted, n_workers(here=1)),
            "Scoring the simulated test set",
            len(self.names),
            "nets",
            self.nets.folder.path,
        )
        scores = {name: scored[AS_FILMED][cutoff].to_numpy() for name, scored in zip(self.names, tables, strict=True)}
        for name, evaluation in self.indices.items():
            columns = list(self.nets.profile.indices[name].columns)
            if set(columns) <= set(self.patients):  # nothing is simulated for an index of the user's own
                scores[name] = evaluation.final.predict_proba(self.patients[columns])[:, 1]
        scores |= {name: self.oracle_scores(signals, cutoff).to_numpy() for name, signals in ORACLES.items()}
        tables = [predictions_of(name, self.patients, score, "test", cutoff) for name, score in scores.items()]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables on these patients, computed once and written to ``tables/``.

        ``fresh_auc`` of every model; ``fresh_comparisons``, DeLong tests between the nets; ``fresh_shares``, by net its
        `share_of_ceiling` of each oracle; ``fresh_gain``, what motion adds to a perfect reader.
        """
        key = {"predictions": self.predictions, "nets": self.names}
        made_by = (auc_ci, compare_models, delong_test, select_predictions, share_of_ceiling)
        return self.nets.folder.get_or_compute_tables("simulated-test-set", key, self._tables, made_by=made_by)

    def _tables(self) -> dict[str, pd.DataFrame]:
        by_model = self.predictions.groupby("model", sort=False)
        gain = self.gain
        low, high = gain.confidence_interval
        return {
            "fresh_auc": pd.DataFrame([_auc_row(name, table) for name, table in by_model]),
            "fresh_comparisons": compare_models(self.predictions, models=self.names),
            "fresh_shares": pd.DataFrame([self._share_row(name) for name in self.names]),
            "fresh_gain": pd.DataFrame([{"difference": gain.difference, "low": low, "high": high}]),
        }

    @property
    def gain(self) -> Comparison:
        """What motion adds to a perfect reader on these patients: oracle of the video against that of the image."""
        truth, scores = self._scores
        return delong_test(truth, scores["oracle_moving"], scores["oracle_still"])

    def _share_row(self, name: str) -> dict[str, object]:
        truth, scores = self._scores
        row: dict[str, object] = {"model": name, "auc": auc(truth, scores[name])}
        for oracle in ORACLES:
            share, column = share_of_ceiling(truth, scores[name], scores[oracle]), oracle.removeprefix("oracle_")
            row |= {column: share.value, f"{column}_low": share.low, f"{column}_high": share.high}
        return row

    @property
    def _scores(self) -> tuple[pd.Series, pd.DataFrame]:
        """Truth, and a column of scores for each model."""
        wide = select_predictions(self.predictions)
        return wide["y_true"], wide.drop(columns="y_true")

    @property
    def staging(self) -> Staging:
        """Stages by the nets, with the ceilings of `ORACLES` at every cut-off."""
        probabilities = {name: self.cumulative_probs(name) for name in self.names}
        cutoffs = probabilities[self.names[0]].columns
        ceilings = {
            name: pd.DataFrame({cutoff: self.oracle_scores(signals, cutoff) for cutoff in cutoffs})
            for name, signals in ORACLES.items()
        }
        return Staging(self.patients["stage"], probabilities, ceilings)


def _auc_row(name: str, table: pd.DataFrame) -> dict:
    estimate = auc_ci(table["y_true"], table["y_score"])
    return {"model": name, "n": len(table), "auc": estimate.value, "auc_low": estimate.low, "auc_high": estimate.high}


def stage_patients(nets: NetEvaluations, test_set: SimulatedTestSet | None = None) -> dict[str, pd.DataFrame]:
    """`fibrolib.study.tables.staging_tables` of test patients and a simulated test set, computed once and written.

    Cut-offs are F2, F3 and F4 on the METAVIR scale, all on any other, and always the study's own.
    """
    test = nets.patients[nets.patients["split"] == "test"]
    names = nets.profile.in_table_order
    wanted = [(name, test, False) for name in names]
    scored = nets.score_all(wanted, n_workers(here=1))
    scored = track(scored, "Staging test patients", len(names), "nets", kept=nets.folder.path)
    groups = {"test": Staging(test["stage"], {name: each[AS_FILMED] for name, each in zip(names, scored, strict=True)})}
    if test_set is not None:
        groups["fresh"] = test_set.staging
    stages = nets.patients["stage"]
    cutoffs = sorted({*range(2 if is_metavir(stages) else 1, int(stages.max()) + 1), nets.cutoff})
    contents = {
        group: [each.stages.to_frame(), *each.cumulative_probs.values(), *each.ceilings.values()]
        for group, each in groups.items()
    }
    key = {"groups": contents, "nets": names, "cutoffs": cutoffs}
    compute = partial(staging_tables, groups, cutoffs)
    return nets.folder.get_or_compute_tables("staging", key, compute, made_by=(staging_tables,))


def scenarios_of(test_set: SimulatedTestSet) -> dict[str, SimulatedTestSet]:
    """Simulated test sets of every scenario in `SCENARIOS`, beside one with the published effects."""
    # A control has a fifth of its patients, as simulating them takes the time, but at least 40 (assumption).
    n = test_set.nets.profile.population
    few = min(n, max(40, n // 5))
    return {
        name: test_set if strengths == SignalStrengths() else replace(test_set, strengths=strengths, n=few)
        for name, strengths in SCENARIOS.items()
    }


def ablate(scenarios: Mapping[str, SimulatedTestSet], nets: Sequence[str], cutoff: int) -> pd.DataFrame:
    """Score clips as filmed and perturbed in every scenario, and test the difference on the same patients.

    Nets that see one frame have nothing to lose by a change in time and are scored as filmed. Columns: ``scenario,
    model, perturbation`` (`AS_FILMED` first), ``n, auc, auc_low, auc_high``, and DeLong's paired test of the ``loss``
    (as filmed minus perturbed) with ``loss_low, loss_high, p, p_holm`` (over all tests of the table) and ``note``.
    """
    _score_all(list(scenarios.values()), nets)
    parts = [_of_net(each, net, cutoff).assign(scenario=name) for name, each in scenarios.items() for net in nets]
    table = pd.concat(parts, ignore_index=True)
    table = table.astype(dict.fromkeys(["loss", "loss_low", "loss_high", "p"], float))  # objects where no net has any
    table["p_holm"] = adjust_pvalues(table["p"])
    numbers = ["auc", "auc_low", "auc_high", "loss", "loss_low", "loss_high", "p", "p_holm"]
    return table[["scenario", "model", "perturbation", "n", *numbers, "note"]]


def _perturbations_for(test_set: SimulatedTestSet, net: str) -> tuple[str, ...]:
    return tuple(PERTURBATIONS) if test_set.nets[net].final.view == "clips" else ()


def _score_all(test_sets: Sequence[SimulatedTestSet], nets: Sequence[str]) -> None:
    """Score what is not kept yet: one population after the other is simulated, then several scored at a time."""
    wanted = [
        (net, test_set.patients, perturbed)
        for test_set in test_sets
        for net in nets
        for perturbed in ([False, True] if _perturbations_for(test_set, net) else [False])
    ]
    evaluations = test_sets[0].nets
    # Threads: torch releases Python's lock, each net scores on one thread, and a process would load everything again.
    tables = evaluations.score_all(wanted, n_workers())
    list(track(tables, "Scoring perturbed clips", len(wanted), "nets and clips", kept=evaluations.folder.path))


def _of_net(test_set: SimulatedTestSet, net: str, cutoff: int) -> pd.DataFrame:
    scores = {AS_FILMED: test_set.cumulative_probs(net)[cutoff]}
    for name in _perturbations_for(test_set, net):
        scores[name] = test_set.cumulative_probs(net, name)[cutoff]
    patients = test_set.patients
    tables = [predictions_of(name, patients, score.to_numpy(), "test", cutoff) for name, score in scores.items()]
    pairs = compare_models(pd.concat(tables)).query("a == @AS_FILMED").set_index("b")
    losses = pairs.rename(columns={"difference": "loss", "ci_low": "loss_low", "ci_high": "loss_high"})
    areas = pd.DataFrame([_auc_row(net, table) for table in tables]).assign(perturbation=list(scores))
    return areas.join(losses[["loss", "loss_low", "loss_high", "p", "note"]], on="perturbation")


def ceilings_of(scenarios: Mapping[str, SimulatedTestSet], cutoff: int) -> pd.DataFrame:
    """AUC of the oracles on the very patients of each scenario: ``scenario, n, still, moving``."""
    rows = []
    for scenario, test_set in scenarios.items():
        truth = at_least(test_set.patients["stage"], cutoff)
        still, moving = (auc(truth, test_set.oracle_scores(signals, cutoff)) for signals in ORACLES.values())
        rows.append({"scenario": scenario, "n": len(truth), "still": still, "moving": moving})
    return pd.DataFrame(rows)
