"""results.json and run.json: what a run found, and under which circumstances."""

from __future__ import annotations

import json
import platform
from importlib import metadata

import joblib
import pandas as pd
import psutil
import torch

import fibrolib
from fibrolib.experiments import ORACLES, SimulatedTestSet
from fibrolib.inference import compare_models, joint_test
from fibrolib.provenance import package_digest
from fibrolib.study.staging import Staging, reported_cutoffs, stage_patients
from fibrolib.study.study import Study

__all__ = ["SCHEMA", "circumstances", "results"]

SCHEMA = 1
"""Version of results.json."""

_METRICS = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "sensitivity", "specificity")
_STAGING = ("exact", "kappa", "obuchowski")
_PACKAGES = ("av", "captum", "numpy", "pandas", "scikit-learn", "scipy", "skorch", "timm", "torch", "torchvision")


def _model_entry(study: Study, name: str) -> dict:
    row = study.metrics.set_index("model").loc[name]
    return {
        "n": int(row["n"]),
        "auc": row["auc"],
        "auc_ci": [row["auc_low"], row["auc_high"]],
        **{metric: row[metric] for metric in _METRICS},
        **{f"{metric}_ci": [row[f"{metric}_low"], row[f"{metric}_high"]] for metric in _METRICS},
        "threshold": study.thresholds[name],
        "cv_auc": study.evaluation(name).cv_auc.tolist(),
        "settings": study.evaluation(name).best,
    }


def _comparison_entries(table: pd.DataFrame) -> list[dict]:
    """Comparisons of one family: Holm's correction is over all of them that have a p."""
    entries = table.drop(columns=["ci_low", "ci_high", "auc_a", "auc_b", "note"], errors="ignore").to_dict("records")
    if "ci_low" not in table:
        return entries
    limits = table[["ci_low", "ci_high"]].to_numpy().tolist()
    return [entry | {"ci": pair} for entry, pair in zip(entries, limits, strict=True)]


def _further_tests(study: Study) -> dict:
    """What is tested beside the areas of every two models."""
    predictions = study.predictions
    (joint,) = joint_test(predictions).drop(columns="note").to_dict("records")
    return {
        "joint": joint,
        "permutation_comparisons": _comparison_entries(compare_models(predictions, "permutation")),
        "accuracy_comparisons": _comparison_entries(
            compare_models(predictions, "mcnemar", thresholds=study.thresholds)
        ),
    }


def _attribution_entry(table: pd.DataFrame) -> dict:
    known = table.dropna(subset=["relevance"])
    return {
        "n": len(known),
        "capsule_share": float(known["relevance"].mean()),
        "capsule_area": float(known["area"].mean()),
    }


def _area(row: pd.Series) -> dict:
    return {"auc": row["auc"], "auc_ci": [row["auc_low"], row["auc_high"]]}


def _population_entry(study: Study, people: SimulatedTestSet) -> dict:
    """What many fresh virtual patients say of the same nets."""
    areas = people.aucs.set_index("model")
    ceilings = {name.removeprefix("oracle_"): _area(areas.loc[name]) for name in ORACLES}
    return {
        "n": len(people.patients),
        "models": {name: _area(areas.loc[name]) for name in study.models if name in areas.index},
        "oracle": {**ceilings, "gain": people.gain.difference, "gain_ci": list(people.gain.confidence_interval)},
        "shares": people.shares().set_index("model").drop(columns="auc").to_dict("index"),
        "comparisons": _comparison_entries(people.comparisons),
    }


def _staging_entry(staging: Staging, cutoffs: list[int]) -> dict:
    areas = staging.aucs(cutoffs)
    entries = {}
    for name, row in staging.summary.set_index("model").iterrows():
        known = areas[areas["model"] == name].set_index("cutoff")
        entries[name] = {
            "n": int(row["n"]),
            **{measure: row[measure] for measure in _STAGING},
            **{f"{measure}_ci": [row[f"{measure}_low"], row[f"{measure}_high"]] for measure in _STAGING},
            "auc_by_cutoff": {str(cutoff): _area(area) for cutoff, area in known.iterrows()},
            "confusion": staging.confusion(name).to_numpy().tolist(),
        }
    return entries


def _staging_entries(study: Study, fresh: SimulatedTestSet | None) -> dict:
    """Staging by group of patients and net; nothing where the scale has two stages, which the AUC says all of."""
    if study.cohort.table["stage"].max() < 2:
        return {"staging": None, "staging_comparisons": None}
    nets = {name: study.evaluation(name).final for name in reversed(study.nets)}
    test = study.patients[study.split.reindex(study.patients.index) == "test"]
    groups = {"test": stage_patients(nets, test)} | ({"fresh": fresh.staging} if fresh else {})
    cutoffs = reported_cutoffs(study.cohort.table["stage"], study.cutoff)
    return {
        "staging": {group: _staging_entry(staging, cutoffs) for group, staging in groups.items()},
        "staging_comparisons": {group: _comparison_entries(each.comparisons) for group, each in groups.items()},
    }


def results(study: Study) -> dict:
    """Return the content of results.json; the same for the same seed on the same machine.

    Parameters
    ----------
    study : Study
        What is missing is computed.

    Returns
    -------
    dict
        Plain values; models that the cohort does not allow are listed under ``unavailable`` with the reason.
        ``caveat`` is None where nothing forbids to read the numbers, ``population`` where the cohort is not virtual,
        ``staging`` where there are two stages only.
    """
    split = study.split.value_counts()
    fresh = SimulatedTestSet(study) if study.cohort.virtual else None
    shares = {name: study.attribution(name) for name in study.nets}
    return {
        "schema": SCHEMA,
        "caveat": study.profile.caveat or None,
        "profile": study.profile.name,
        "cutoff": study.cutoff,
        "seed": study.request.seed,
        "cohort": {
            "name": study.cohort.name,
            "virtual": study.cohort.virtual,
            "patients": len(study.split),
            "videos": len(study.cohort.table),
            "split": {side: int(split[side]) for side in ("train", "validation", "test")},
        },
        "models": {name: _model_entry(study, name) for name in study.models},
        "unavailable": study.reasons,
        "comparisons": _comparison_entries(study.comparisons),
        **_further_tests(study),
        "attribution": {name: _attribution_entry(table) for name, table in shares.items() if len(table)},
        "population": _population_entry(study, fresh) if fresh else None,
        **_staging_entries(study, fresh),
    }


def _all_seconds(study: Study, seconds: dict[str, float]) -> dict[str, float]:
    """Times of this call's steps, and of those that an earlier call of the same run had finished."""
    path = study.folder.path / "run.json"
    earlier = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept = earlier.get("seconds", {}) if earlier.get("code") == package_digest() else {}
    return {**kept, **{step: round(value, 1) for step, value in seconds.items()}}


def circumstances(study: Study, seconds: dict[str, float]) -> dict:
    """Return the content of run.json: versions, seed, hashes, hardware, profile and timings.

    Parameters
    ----------
    study : Study
        The study that was run.
    seconds : dict of str to float
        Time of each step.
    """
    return {
        "fibrolib": fibrolib.__version__,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "code": package_digest(),
        "cohort": study.cohort.digest(),
        "seed": study.request.seed,
        "cutoff": study.cutoff,
        "profile": study.profile.as_dict(),
        "hardware": {
            "processor": platform.processor() or platform.machine(),
            "cores": joblib.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        },
        "seconds": _all_seconds(study, seconds),
    }
