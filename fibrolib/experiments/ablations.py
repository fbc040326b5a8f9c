"""What a net loses when something is taken from its clips, in scenarios where it is known what there is to lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from joblib import Parallel, delayed

from fibrolib.experiments.simulated_test_set import ORACLES, SimulatedTestSet
from fibrolib.inference import adjust_pvalues, auc, auc_ci, compare_models
from fibrolib.learning import PERTURBATIONS, predictions_of
from fibrolib.phantom import SignalStrengths, oracle_score
from fibrolib.progress import track
from fibrolib.stages import at_least
from fibrolib.workers import n_workers

__all__ = ["AS_FILMED", "WORLDS", "ablate", "ceilings_of", "scenarios_of"]

AS_FILMED = "as filmed"
"""Name of the clip that nothing was done to."""

WORLDS = {
    "published effects": SignalStrengths(),
    "motion = 0": SignalStrengths(motion=0.0),
    "texture = 0, capsule = 0": SignalStrengths(texture=0.0, capsule=0.0),
}
"""The default dials, and two controls: movement says nothing of the stage; nothing but movement does."""

_TEST = ("loss", "loss_low", "loss_high", "p", "note")
_LEAST = 40
"""Patients of a control, at least: fewer hold too few of either side of a cut-off (assumption)."""


def scenarios_of(test_set: SimulatedTestSet) -> dict[str, SimulatedTestSet]:
    """Simulated test sets of every scenario in `WORLDS`, beside one with the published effects.

    A control has a fifth of the fresh population's patients: simulating them is what takes the time.
    """
    study, default = test_set.study, SignalStrengths()
    all_of = study.profile.population
    few = min(all_of, max(_LEAST, all_of // 5))
    return {
        name: test_set if strengths == default else SimulatedTestSet(study, strengths, n=few)
        for name, strengths in WORLDS.items()
    }


def ablate(scenarios: Mapping[str, SimulatedTestSet], nets: Sequence[str], cutoff: int) -> pd.DataFrame:
    """Score clips as filmed and changed, and test the difference on the same patients.

    Parameters
    ----------
    scenarios : mapping of str to Population
        Fresh patients by the name of their scenario.
    nets : sequence of str
        Nets of the study. Those that see one frame have nothing to lose by a change in time and are scored as filmed.
    cutoff : int
        Lowest stage that counts as diseased.

    Returns
    -------
    DataFrame
        One row per scenario, net and perturbation (`AS_FILMED` first): ``scenario, model, perturbation, n, auc,
        auc_low, auc_high``; and, of perturbations, DeLong's paired test of the loss (area as filmed minus area
        perturbed): ``loss, loss_low, loss_high, p, p_holm, note``, Holm over all tests of the table.
    """
    _score_all(list(scenarios.values()), nets)
    parts = [
        _of_net(people, net, cutoff).assign(scenario=scenario) for scenario, people in scenarios.items() for net in nets
    ]
    table = pd.concat(parts, ignore_index=True)
    table["p_holm"] = adjust_pvalues(table["p"].astype(float))
    numbers = ["auc", "auc_low", "auc_high", "loss", "loss_low", "loss_high", "p", "p_holm"]
    return table[["scenario", "model", "perturbation", "n", *numbers, "note"]]


def _perturbations_for(people: SimulatedTestSet, net: str) -> tuple[str, ...]:
    return tuple(PERTURBATIONS) if people.study.evaluation(net).final.view == "clips" else ()


def _score_all(populations: Sequence[SimulatedTestSet], nets: Sequence[str]) -> None:
    """Score what is not kept yet: one population after the other is simulated, then several scored at a time."""
    jobs = []
    for people in populations:
        _ = people.patients  # simulating takes all cores by itself
        jobs += [
            delayed(people.cumulative_probs)(net, perturbation)
            for net in nets
            for perturbation in ("", *_perturbations_for(people, net))
        ]
    # Threads: torch releases Python's lock, each net scores on one thread, and a process would load everything again.
    tables = Parallel(n_jobs=n_workers(), prefer="threads", return_as="generator")(jobs)
    folder = populations[0].study.folder.path
    list(track(tables, "Scoring fresh patients", len(jobs), "nets and clips", kept=folder))


def _of_net(people: SimulatedTestSet, net: str, cutoff: int) -> pd.DataFrame:
    scores = {AS_FILMED: people.cumulative_probs(net)[cutoff]}
    scores |= {
        perturbation: people.cumulative_probs(net, perturbation)[cutoff]
        for perturbation in _perturbations_for(people, net)
    }
    tables = [predictions_of(name, people.patients, score.to_numpy(), "test", cutoff) for name, score in scores.items()]
    pairs = compare_models(pd.concat(tables)).query("a == @AS_FILMED").set_index("b")
    rows = []
    for name, table in zip(scores, tables, strict=True):
        area = auc_ci(table["y_true"], table["y_score"])
        row = {
            "model": net,
            "perturbation": name,
            "n": area.n,
            "auc": area.value,
            "auc_low": area.low,
            "auc_high": area.high,
        }
        if name in pairs.index:
            test = pairs.loc[name]
            row |= {"loss": test["difference"], "loss_low": test["ci_low"], "loss_high": test["ci_high"]}
            row |= {"p": test["p"], "note": test["note"]}
        rows.append(row)
    return pd.DataFrame(rows, columns=["model", "perturbation", "n", "auc", "auc_low", "auc_high", *_TEST])


def ceilings_of(scenarios: Mapping[str, SimulatedTestSet], cutoff: int) -> pd.DataFrame:
    """AUC of the oracles on the very patients of each scenario: ``scenario, n, still, moving``."""
    rows = []
    for scenario, people in scenarios.items():
        latent = people.patients.reset_index(drop=True)
        truth = at_least(latent["stage"], cutoff)
        row = {"scenario": scenario, "n": len(latent)}
        for name, signals in ORACLES.items():
            # Where the signals say nothing all scores are equal, but for the last digits, which must not count.
            score = oracle_score(latent, cutoff, signals, people.strengths)
            row[name.removeprefix("oracle_")] = auc(truth, score)
        rows.append(row)
    return pd.DataFrame(rows)
