"""Python files of a user's own, and what this process knows of them.

Networks are built by name in every process of a run, so each process is told of the files, and runs each once.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fibrolib.errors import FibrolibError

__all__ = ["OwnFile", "forget_files", "know_files", "known_files", "known_object", "run_file", "tell_of"]


@dataclass(frozen=True)
class OwnFile:
    """Where a diagnostic of a user's own comes from."""

    name: str
    folder: Path
    text: str
    digest: str

    @property
    def path(self) -> str:
        """The file, relative to the folder."""
        return self.text.rpartition(":")[0]


_known: dict[str, tuple[object, OwnFile]] = {}
"""What this process was told of, by name. What a study computes does not depend on it, but on the records of its
profile."""


def run_file(path: Path) -> ModuleType:
    """The file as a module; run once for each content."""
    content = path.read_bytes()
    name = f"fibrolib_own_{path.stem}_{hashlib.sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # before it is run: dataclasses and pickles look for it there
    try:
        exec(compile(content, path, "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, FibrolibError):
            raise
        raise FibrolibError(f"{path}: this file cannot be run ({type(error).__name__}: {error}).") from error
    return module


def tell_of(own: OwnFile, value: object) -> None:
    """Let this process know an object of a file by its name."""
    _known[own.name] = value, own


def known_object(name: str) -> object | None:
    """The object of that name, of a user's file; None where this process was told of none."""
    return _known.get(name, (None, None))[0]


def known_files() -> tuple[OwnFile, ...]:
    """Files that this process was told of; another process gets them by `know_files`."""
    return tuple(own for _, own in _known.values())


def know_files(files: Sequence[OwnFile]) -> None:
    """Run the files that another process of the same run was told of."""
    for own in files:
        if own not in known_files():
            tell_of(own, getattr(run_file(own.folder / own.path), own.text.rpartition(":")[2]))


def forget_files() -> None:
    """Forget all files of the user's own."""
    _known.clear()
