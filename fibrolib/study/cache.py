"""Results kept by what they depend on: with the same inputs and the same code, they are read and not computed."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from fibrolib.atomic import UNFINISHED, finish
from fibrolib.provenance import code_digest

__all__ = ["ResultCache", "digest"]

T = TypeVar("T")


def digest(values: dict) -> str:
    """Short hash of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:20]


class ResultCache:
    """A folder of finished results, one sub-folder each.

    A result is found again by its name, its ``cache_key`` (the inputs) and ``made_by``: the functions and classes that
    make it and write it, of which all the code that they can reach counts (`fibrolib.provenance.code_digest`). Code
    that only passes inputs on need not be named.

    Parameters
    ----------
    folder : Path
        Made when the first result is kept.
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
        """Load a result, or compute and save it first.

        What is returned has always been read from disk, so a run that resumes sees the same bytes as one that did
        not stop.

        Parameters
        ----------
        name : str
            What it is, for a person who looks into the folder.
        cache_key : dict
            Everything the result depends on besides the code.
        compute, save, load : callable
            Make it, write it into an empty folder, read it from there.
        made_by : sequence of functions and classes
            What decides the result, once its inputs are known.
        """
        finished = self._place(name, cache_key, made_by)
        if not finished.exists():
            result = compute()
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=UNFINISHED) as folder:
                unfinished = Path(folder) / finished.name
                unfinished.mkdir()
                save(result, unfinished)
                self._finish_first(unfinished, finished)
        return load(finished)

    def get_or_compute_table(
        self, name: str, cache_key: dict, compute: Callable[[], pd.DataFrame], *, made_by: Sequence
    ) -> pd.DataFrame:
        """`get_or_compute` a table; its numbers are read back to the last bit.

        Parameters
        ----------
        name, cache_key, compute, made_by
            As for `get_or_compute`.
        """
        file = "table.parquet"
        return self.get_or_compute(
            name,
            cache_key,
            compute,
            lambda table, folder: table.to_parquet(folder / file),
            lambda folder: pd.read_parquet(folder / file),
            made_by=made_by,
        )

    @staticmethod
    def _finish_first(unfinished: Path, finished: Path) -> None:
        """Give a result its name, unless a notebook beside this one has just finished the same."""
        try:
            finish(unfinished, finished)
        except OSError:
            if not finished.exists():
                raise
