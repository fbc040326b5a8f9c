"""Evaluations on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.errors import EmptyDataError

from fibrolib.learning import Evaluation, NetClassifier

__all__ = ["load_evaluation", "save_evaluation"]


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write an evaluation of a net into an empty folder."""
    evaluation.final.save(folder / "model.safetensors")
    for name in ("predictions", "search", "histories"):
        getattr(evaluation, name).to_csv(folder / f"{name}.csv", index=False)
    summary = {"name": evaluation.name, "cv_auc": evaluation.cv_auc.tolist(), "best": evaluation.best}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype={"fold": "Int64", "patient_id": str})
    except EmptyDataError:
        return pd.DataFrame()


def load_evaluation(folder: Path) -> Evaluation:
    """Read what `save_evaluation` wrote."""
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    return Evaluation(
        name=summary["name"],
        final=NetClassifier.load(folder / "model.safetensors"),
        predictions=_read(folder / "predictions.csv"),
        cv_auc=np.array(summary["cv_auc"], dtype=float),
        search=_read(folder / "search.csv"),
        best=summary["best"],
        histories=_read(folder / "histories.csv"),
    )
