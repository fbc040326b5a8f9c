"""Tables of a study: metrics and tests on the test patients, staging of any group of patients, published results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fibrolib.inference import (
    Estimate,
    InferenceError,
    auc_ci,
    compare_models,
    compare_staging,
    joint_test,
    obuchowski,
    quadratic_kappa,
    summarise_models,
    threshold_ranges,
    wilson,
)
from fibrolib.stages import at_least
from fibrolib.video import clip_quality, load_clip, quality_faults

PUBLISHED_SOURCE = "Xinyixue (New Medicine), doi 10.12464/j.issn.0253-9802.2026-0255"
"""The published study that is repeated here."""

PUBLISHED_TEST_PATIENTS = 17
"""Patients its test results rest on (110 patients, split 77 / 16 / 17)."""

PUBLISHED = pd.DataFrame(
    [
        ("cnn3d", 0.847, 0.7647, 0.7803, 0.7569, 0.7571),
        ("cnn2d_lstm", 0.761, None, None, None, None),
        ("cnn2d", 0.753, None, None, None, None),
    ],
    columns=["model", "auc", "accuracy", "precision_macro", "recall_macro", "f1_macro"],
)
"""Its test results for significant fibrosis; the abstracts give no more (source: `PUBLISHED_SOURCE`)."""

_MEASURES = ("exact", "kappa", "obuchowski")


def _performance_tables(predictions: pd.DataFrame, threshold_split: str) -> dict[str, pd.DataFrame]:
    """`performance_tables` with operating points from another split."""
    return performance_tables(predictions, threshold_ranges(predictions, split=threshold_split))


def performance_tables(predictions: pd.DataFrame, ranges: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What is estimated and tested on the test patients, at operating points (`threshold_ranges`).

    ``metrics``, ``joint_test``, and of every two models ``comparisons`` (DeLong), ``permutation_comparisons`` and
    ``accuracy_comparisons`` (McNemar).
    """
    thresholds = ranges.set_index("model")["threshold"].to_dict()
    return {
        "metrics": summarise_models(predictions, thresholds).merge(ranges.drop(columns="threshold"), on="model"),
        "comparisons": compare_models(predictions),
        "joint_test": joint_test(predictions),
        "permutation_comparisons": compare_models(predictions, "permutation"),
        "accuracy_comparisons": compare_models(predictions, "mcnemar", thresholds=thresholds),
    }


def _quality_tables(
    patients: pd.DataFrame, predictions: pd.DataFrame, limits: Mapping[str, float]
) -> dict[str, pd.DataFrame]:
    """Quality of the clips, and AUCs of the test patients with and without those who have a clip that fails.

    ``quality``: a row per clip, ``patient_id, clip, split``, the numbers of `clip_quality`, ``faults``.
    ``quality_results``: ``model, patients`` (``all``, ``without``), ``n, n_positive, auc, auc_low, auc_high, note``.
    """
    rows = [
        {
            "patient_id": patient,
            "clip": number,
            "split": row["split"],
            **numbers,
            "faults": "; ".join(quality_faults(numbers, limits)),
        }
        for patient, row in patients.iterrows()
        for number, numbers in enumerate((clip_quality(load_clip(path)) for path in row["clips"]), start=1)
    ]
    quality = pd.DataFrame(rows)
    failing = set(quality.loc[quality["faults"] != "", "patient_id"])
    test = predictions[predictions["split"] == "test"]
    groups = {"all": test, "without": test[~test["patient_id"].isin(failing)]}
    results = []
    for model in test["model"].unique():
        for group, scores in groups.items():
            scored = scores[scores["model"] == model]
            numbers, note = _estimated(lambda scored=scored: auc_ci(scored["y_true"], scored["y_score"]))
            row = {"model": model, "patients": group, "n": len(scored), "n_positive": int(scored["y_true"].sum())}
            results.append(row | dict(zip(("auc", "auc_low", "auc_high"), numbers, strict=True)) | {"note": note})
    return {"quality": quality, "quality_results": pd.DataFrame(results)}


def _predicted_stages(cumulative_probs: pd.DataFrame) -> pd.Series:
    """The highest stage that is reached with a probability of at least one half: the median of the distribution."""
    return (cumulative_probs >= 0.5).sum(axis=1).astype(int)


def _expected_stages(cumulative_probs: pd.DataFrame) -> pd.Series:
    """Mean of the distribution over stages: one score that orders patients, as the Obuchowski measure needs."""
    return cumulative_probs.sum(axis=1)


@dataclass(frozen=True)
class Staging:
    """True stages of a group of patients, and what nets say of them.

    ``cumulative_probs`` holds P(stage >= 1), ... by net; ``ceilings`` scores of oracles at each cut-off in the same
    form.
    """

    stages: pd.Series
    cumulative_probs: Mapping[str, pd.DataFrame]
    ceilings: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def _scale(self, name: str) -> range:
        """All stages that the net knows, present or not."""
        return range(self.cumulative_probs[name].shape[1] + 1)

    def confusion(self, name: str) -> pd.DataFrame:
        """Patients by true stage (rows) and called stage (columns); every stage has its row and column."""
        scale = self._scale(name)
        called = _predicted_stages(self.cumulative_probs[name]).reindex(self.stages.index)
        table = pd.crosstab(self.stages.to_numpy(), called.to_numpy())
        table = table.reindex(index=scale, columns=scale, fill_value=0)
        return table.rename_axis(index="stage", columns="called")

    @property
    def summary(self) -> pd.DataFrame:
        """One row per net: share of exact calls (Wilson), quadratic kappa, Obuchowski measure of the expected stage."""
        return pd.DataFrame([self._row(name) for name in self.cumulative_probs])

    def _row(self, name: str) -> dict[str, object]:
        cumulative_probs = self.cumulative_probs[name].reindex(self.stages.index)
        called, scale = _predicted_stages(cumulative_probs), self._scale(name)
        exact = wilson(int((called == self.stages).sum()), len(called))
        found = {
            "exact": lambda: exact,
            "kappa": lambda: quadratic_kappa(self.stages, called),
            "obuchowski": lambda: obuchowski(self.stages, _expected_stages(cumulative_probs), scale=scale),
        }
        # Ties count half, as chance does.
        (chance, *_), _ = _estimated(lambda: obuchowski(self.stages, np.zeros(len(called)), scale=scale))
        row: dict[str, object] = {"model": name, "n": len(called)}
        notes = []
        for measure in _MEASURES:
            numbers, note = _estimated(found[measure])
            row |= dict(zip((measure, f"{measure}_low", f"{measure}_high"), numbers, strict=True))
            notes.append(note)
        return row | {"obuchowski_chance": chance, "note": "; ".join(filter(None, notes))}

    @property
    def comparisons(self) -> pd.DataFrame:
        """Paired tests of the nets' Obuchowski measures, Holm-corrected; columns as of `compare_staging`."""
        scores = pd.DataFrame(
            {name: _expected_stages(cumulative_probs) for name, cumulative_probs in self.cumulative_probs.items()}
        )
        scale = self._scale(next(iter(self.cumulative_probs)))
        return compare_staging(self.stages, scores.reindex(self.stages.index), scale=scale)

    def aucs(self, cutoffs: Sequence[int]) -> pd.DataFrame:
        """AUC at several cut-offs from the one model."""
        rows = []
        for name, scores in {**self.cumulative_probs, **self.ceilings}.items():
            for cutoff in cutoffs:
                truth, score = at_least(self.stages, cutoff), scores[cutoff].reindex(self.stages.index)
                numbers, note = _estimated(lambda truth=truth, score=score: auc_ci(truth, score))
                row = {"model": name, "cutoff": cutoff, "n": len(truth), "n_positive": int(truth.sum())}
                row |= dict(zip(("auc", "auc_low", "auc_high"), numbers, strict=True))
                rows.append(row | {"note": note})
        return pd.DataFrame(rows)


def _estimated(estimate: Callable[[], Estimate]) -> tuple[tuple[float, float, float], str]:
    """Value and limits, or NaN and the reason."""
    try:
        found = estimate()
    except InferenceError as error:
        return (np.nan, np.nan, np.nan), str(error)
    return (found.value, found.low, found.high), found.note


def staging_tables(groups: Mapping[str, Staging], cutoffs: Sequence[int]) -> dict[str, pd.DataFrame]:
    """Tables of all groups of patients, the group in the first column ``patients``.

    ``staging`` (`Staging.summary`), ``staging_comparisons``, ``auc_by_cutoff``, and ``confusion``: ``model, stage,
    called, n``.
    """
    parts = {
        "staging": {group: staging.summary for group, staging in groups.items()},
        "staging_comparisons": {group: staging.comparisons for group, staging in groups.items()},
        "auc_by_cutoff": {group: staging.aucs(cutoffs) for group, staging in groups.items()},
        "confusion": {group: _long_confusion(staging) for group, staging in groups.items()},
    }
    tables = {name: pd.concat(part, names=["patients"]) for name, part in parts.items()}
    return {name: table.reset_index("patients").reset_index(drop=True) for name, table in tables.items()}


def _long_confusion(staging: Staging) -> pd.DataFrame:
    tables = {
        name: staging.confusion(name).reset_index().melt("stage", value_name="n") for name in staging.cumulative_probs
    }
    return pd.concat(tables, names=["model"]).reset_index("model").reset_index(drop=True)
