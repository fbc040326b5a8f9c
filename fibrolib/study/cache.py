"""Results on disk, by what they depend on: with the same inputs and the same code they are read and not computed."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from pandas.errors import EmptyDataError

from fibrolib.atomic import UNFINISHED, finish
from fibrolib.learning import Evaluation, NetClassifier
from fibrolib.provenance import code_digest

T = TypeVar("T")


def digest(values: dict) -> str:
    """Short hash of plain values, and of tables to the last bit."""
    text = json.dumps(values, sort_keys=True, default=_as_text)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _as_text(value: object) -> str:
    return value.to_csv() if isinstance(value, pd.DataFrame) else str(value)


class ResultCache:
    """A folder of finished results, one sub-folder each.

    A result is found by its name, its ``cache_key`` (plain values and tables: all inputs) and ``made_by``: the
    functions and classes that make and write it, with all code that they can reach (`fibrolib.provenance.code_digest`).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _place(self, name: str, cache_key: dict, made_by: Sequence) -> Path:
        return self.folder / f"{name}-{digest({**cache_key, 'code': code_digest(*made_by)})}"

    def has(self, name: str, cache_key: dict, made_by: Sequence) -> bool:
        """Whether a result is finished."""
        return self._place(name, cache_key, made_by).exists()

    def get_or_compute(
        self,
        name: str,
        cache_key: dict,
        compute: Callable[[], T],
        save: Callable[[T, Path], None],
        load: Callable[[Path], T],
        *,
        made_by: Sequence,
    ) -> T:
        """Load a result, or compute and save it first (``save`` gets an empty folder, ``load`` that folder).

        What is returned has always been read from disk, so a run that resumes sees the same bytes as one that did not
        stop.
        """
        finished = self._place(name, cache_key, made_by)
        if not finished.exists():
            result = compute()
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=UNFINISHED) as folder:
                unfinished = Path(folder) / finished.name
                unfinished.mkdir()
                save(result, unfinished)
                try:
                    finish(unfinished, finished)
                except OSError:
                    if not finished.exists():  # a notebook beside this one may just have finished the same
                        raise
        return load(finished)

    def get_or_compute_tables(
        self, name: str, cache_key: dict, compute: Callable[[], dict[str, pd.DataFrame]], *, made_by: Sequence
    ) -> dict[str, pd.DataFrame]:
        """`get_or_compute` several tables by name; their numbers are read back to the last bit."""
        return self.get_or_compute(name, cache_key, compute, _save_tables, _load_tables, made_by=made_by)

    def get_or_compute_table(
        self, name: str, cache_key: dict, compute: Callable[[], pd.DataFrame], *, made_by: Sequence
    ) -> pd.DataFrame:
        """`get_or_compute` one table."""
        tables = self.get_or_compute_tables(name, cache_key, lambda: {"table": compute()}, made_by=made_by)
        return tables["table"]


def _save_tables(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")


def _load_tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def _save_evaluation(evaluation: Evaluation, folder: Path) -> None:
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


def _load_evaluation(folder: Path) -> Evaluation:
    """Read what `_save_evaluation` wrote."""
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    return Evaluation(
        name=summary["name"],
        final=NetClassifier.load(folder / "model.safetensors", build=False),  # most readers want its scores alone
        predictions=_read(folder / "predictions.csv"),
        cv_auc=np.array(summary["cv_auc"], dtype=float),
        search=_read(folder / "search.csv"),
        best=summary["best"],
        histories=_read(folder / "histories.csv"),
    )
