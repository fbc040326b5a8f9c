"""Results kept by content: asked for again with the same data, settings and code, they are read and not made."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import pandas as pd

from fibrolib.atomic import UNFINISHED, finish, write_atomically
from fibrolib.provenance import rooms, source_digest

__all__ = ["Keeper", "digest", "package_digest", "write_atomically"]

T = TypeVar("T")

# Rooms that only draw, format or parse, or serve other commands: a change there makes no number stale.
_PRESENTATION = {"plots", "report", "cli", "deidentify", "progress", "__main__"}


def package_digest(with_presentation: bool = False) -> str:
    """Hash of the source of every room that makes numbers, or of all rooms."""
    return source_digest(rooms() if with_presentation else rooms() - _PRESENTATION)


@cache
def _versions() -> dict[str, str]:
    """Packages whose change may change a result."""
    return {name: metadata.version(name) for name in ("numpy", "scikit-learn", "skorch", "timm", "torch")}


def digest(asked: dict) -> str:
    """Short hash of plain values."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:20]


class Keeper:
    """A folder of finished results, one sub-folder each.

    Parameters
    ----------
    folder : Path
        Made when the first result is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _place(self, name: str, asked: dict) -> Path:
        return self.folder / f"{name}-{digest({**asked, 'code': package_digest(), 'packages': _versions()})}"

    def has(self, name: str, asked: dict) -> bool:
        """Whether a result is finished."""
        return self._place(name, asked).exists()

    def keep(
        self,
        name: str,
        asked: dict,
        compute: Callable[[], T],
        save: Callable[[T, Path], None],
        load: Callable[[Path], T],
    ) -> T:
        """Load a result, or compute and save it first.

        What is returned has always been read from disk, so a run that resumes sees the same bytes as one that did
        not stop.

        Parameters
        ----------
        name : str
            What it is, for a person who looks into the folder.
        asked : dict
            Everything the result depends on besides the code.
        compute, save, load : callable
            Make it, write it into an empty folder, read it from there.
        """
        finished = self._place(name, asked)
        if not finished.exists():
            result = compute()
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=UNFINISHED) as folder:
                unfinished = Path(folder) / finished.name
                unfinished.mkdir()
                save(result, unfinished)
                self._finish_first(unfinished, finished)
        return load(finished)

    def keep_table(self, name: str, asked: dict, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """`keep` a table; its numbers are read back to the last bit.

        Parameters
        ----------
        name, asked, compute
            As for `keep`.
        """
        file = "table.parquet"
        return self.keep(
            name,
            asked,
            compute,
            lambda table, folder: table.to_parquet(folder / file),
            lambda folder: pd.read_parquet(folder / file),
        )

    @staticmethod
    def _finish_first(unfinished: Path, finished: Path) -> None:
        """Give a result its name, unless a notebook beside this one has just finished the same."""
        try:
            finish(unfinished, finished)
        except OSError:
            if not finished.exists():
                raise
