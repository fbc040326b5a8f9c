"""Results kept by content: asked for again with the same data, settings and code, they are read and not made."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TypeVar

from fibrolib.provenance import rooms, source_digest

__all__ = ["Keeper", "digest", "package_digest", "write_atomically"]

T = TypeVar("T")

# Rooms that only draw, format or parse, or serve other commands: a change there makes no number stale.
_PRESENTATION = {"plots", "report", "cli", "deidentify", "__main__"}


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


def write_atomically(path: Path, write: Callable[[Path], None]) -> Path:
    """Let ``write`` fill a file under a temporary name, then give it its own: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as folder:
        unfinished = Path(folder) / path.name
        write(unfinished)
        unfinished.replace(path)
    return path


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
        place = self._place(name, asked)
        if not place.exists():
            result = compute()
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(dir=self.folder, prefix=".unfinished-"))
            try:
                save(result, unfinished)
                unfinished.rename(place)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return load(place)
