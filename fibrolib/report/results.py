"""results.json and run.json: what a run found, and under which circumstances."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import joblib
import pandas as pd
import psutil

import fibrolib
from fibrolib.experiments import ORACLES
from fibrolib.learning import Evaluation
from fibrolib.provenance import package_digest
from fibrolib.report.progress import _Progress
from fibrolib.study.evaluation import gpu_name

_SCHEMA = 1  # version of results.json

_METRICS = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "sensitivity", "specificity")
_STAGING = ("exact", "kappa", "obuchowski")
_PACKAGES = ("av", "captum", "numpy", "pandas", "scikit-learn", "scipy", "skorch", "timm", "torch", "torchvision")


def _model_entry(row: pd.Series, evaluation: Evaluation, threshold: float) -> dict:
    return {
        "n": int(row["n"]),
        **_area(row),
        **{metric: row[metric] for metric in _METRICS},
        **{f"{metric}_ci": [row[f"{metric}_low"], row[f"{metric}_high"]] for metric in _METRICS},
        "threshold": threshold,
        "threshold_range": [row["threshold_low"], row["threshold_high"]],
        "cv_auc": evaluation.cv_auc.tolist(),
        "settings": evaluation.best,
    }


def _comparison_entries(table: pd.DataFrame) -> list[dict]:
    """Comparisons of one family: Holm's correction is over all of them that have a p."""
    entries = table.drop(columns=["ci_low", "ci_high", "auc_a", "auc_b", "note"], errors="ignore").to_dict("records")
    if "ci_low" not in table:
        return entries
    limits = table[["ci_low", "ci_high"]].to_numpy().tolist()
    return [entry | {"ci": pair} for entry, pair in zip(entries, limits, strict=True)]


def _attribution_entry(table: pd.DataFrame) -> dict:
    complete = table.dropna(subset=["relevance"])
    return {
        "n": len(complete),
        "capsule_share": float(complete["relevance"].mean()),
        "capsule_area": float(complete["area"].mean()),
    }


def _area(row: pd.Series) -> dict:
    return {"auc": row["auc"], "auc_ci": [row["auc_low"], row["auc_high"]]}


def _population_entry(tables: Mapping[str, pd.DataFrame]) -> dict:
    """What a simulated test set says of the same nets."""
    areas, gain = tables["fresh_auc"].set_index("model"), tables["fresh_gain"].iloc[0]
    ceilings = {name.removeprefix("oracle_"): _area(areas.loc[name]) for name in ORACLES}
    return {
        "n": int(areas["n"].max()),
        "models": {name: _area(row) for name, row in areas.drop(index=list(ORACLES)).iterrows()},
        "oracle": {**ceilings, "gain": gain["difference"], "gain_ci": [gain["low"], gain["high"]]},
        "shares": tables["fresh_shares"].set_index("model").drop(columns="auc").to_dict("index"),
        "comparisons": _comparison_entries(tables["fresh_comparisons"]),
    }


def _staging_entry(row: pd.Series, areas: pd.DataFrame, confusion: pd.DataFrame) -> dict:
    counts = confusion.pivot_table(index="stage", columns="called", values="n")
    return {
        "n": int(row["n"]),
        **{measure: row[measure] for measure in _STAGING},
        **{f"{measure}_ci": [row[f"{measure}_low"], row[f"{measure}_high"]] for measure in _STAGING},
        "auc_by_cutoff": {str(area["cutoff"]): _area(area) for _, area in areas.iterrows()},
        "confusion": counts.astype(int).to_numpy().tolist(),
    }


def _staging_entries(tables: Mapping[str, pd.DataFrame]) -> dict:
    """Staging by group of patients and net; nothing where the scale has two stages, which the AUC says all of."""
    if "staging" not in tables:
        return {"staging": None, "staging_comparisons": None}
    entries: dict[str, dict] = {}
    by_net = {name: dict(list(tables[name].groupby(["patients", "model"]))) for name in ("auc_by_cutoff", "confusion")}
    for _, row in tables["staging"].iterrows():
        of = row["patients"], row["model"]
        entry = _staging_entry(row, by_net["auc_by_cutoff"][of], by_net["confusion"][of])
        entries.setdefault(row["patients"], {})[row["model"]] = entry
    comparisons = tables["staging_comparisons"]
    by_group = {group: comparisons[comparisons["patients"] == group].drop(columns="patients") for group in entries}
    return {
        "staging": entries,
        "staging_comparisons": {group: _comparison_entries(table) for group, table in by_group.items()},
    }


def _clinical_entries(table: pd.DataFrame) -> list[dict]:
    """Results of notebook 12, one for each question and measure."""
    limits = table[["low", "high"]].to_numpy().tolist()
    entries = table.drop(columns=["low", "high"]).to_dict("records")
    return [entry | {"ci": pair} for entry, pair in zip(entries, limits, strict=True)]


def _results_json(
    summary: dict,
    evaluations: Mapping[str, Evaluation],
    thresholds: Mapping[str, float],
    tables: Mapping[str, pd.DataFrame],
) -> dict:
    """Content of results.json; the same for the same seed on the same machine.

    ``tables`` has those of the simulated test set where the cohort is virtual, those of staging where there are more
    than two stages, ``attribution-<net>``, and ``clinical`` of notebook 12; what is absent is None in ``population``,
    ``staging`` and ``clinical``.
    """
    metrics = tables["metrics"].set_index("model")
    (joint,) = tables["joint_test"].drop(columns="note").to_dict("records")
    shares = {name: tables[f"attribution-{name}"] for name in sorted(evaluations) if f"attribution-{name}" in tables}
    return {
        "schema": _SCHEMA,
        **summary,
        "models": {
            name: _model_entry(metrics.loc[name], evaluation, thresholds[name])
            for name, evaluation in evaluations.items()
        },
        "comparisons": _comparison_entries(tables["comparisons"]),
        "joint": joint,
        "permutation_comparisons": _comparison_entries(tables["permutation_comparisons"]),
        "accuracy_comparisons": _comparison_entries(tables["accuracy_comparisons"]),
        "attribution": {name: _attribution_entry(table) for name, table in shares.items() if len(table)},
        "population": _population_entry(tables) if "fresh_auc" in tables else None,
        **_staging_entries(tables),
        "clinical": _clinical_entries(tables["clinical"]) if "clinical" in tables else None,
    }


def _all_seconds(file: Path, progress: _Progress) -> dict[str, dict[str, float]]:
    """Times of this call's steps, and of those that an earlier call of the same run had finished."""
    earlier = json.loads(file.read_text("utf-8")) if file.exists() else {}
    kept = earlier if earlier.get("code") == package_digest() else {}
    times = {"seconds": progress.seconds, "processor_seconds": progress.processor_seconds}
    merged = {
        kind: {**kept.get(kind, {}), **{step: round(value, 1) for step, value in steps.items()}}
        for kind, steps in times.items()
    }
    return {kind: dict(sorted(steps.items(), key=_step_number)) for kind, steps in merged.items()}


def _step_number(item: tuple[str, float]) -> int:
    """Place of a step, of notebooks the one in their label; they end in any order."""
    found = re.match(r"\[(\d+)/", item[0])
    return int(found[1]) if found else 0


def _run_json(description: dict, folder: Path, progress: _Progress) -> dict:
    """Content of run.json: versions, hashes, hardware, times of each step, and what `Study.description` says."""
    return {
        "fibrolib": fibrolib.__version__,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "code": package_digest(),
        **description,
        "hardware": {
            "processor": platform.processor() or platform.machine(),
            "cores": joblib.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "gpu": gpu_name(),
        },
        **_all_seconds(folder / "run.json", progress),
    }
