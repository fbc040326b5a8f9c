"""Python files of a user's own. Networks are built by name, so every process of a run loads these files, each once."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fibrolib.errors import FibrolibError


@dataclass(frozen=True)
class OwnFile:
    """Where a diagnostic of a user's own comes from."""

    name: str
    folder: Path
    text: str
    digest: str

    def load(self) -> None:
        """Run the file in this process, which then knows its object by name, unless it does already."""
        if self not in known_files():
            LOADED[self.name] = getattr(run_file(self.folder / self.path), self.text.rpartition(":")[2]), self

    @property
    def path(self) -> str:
        """The file, relative to the folder."""
        return self.text.rpartition(":")[0]


LOADED: dict[str, tuple[object, OwnFile]] = {}
"""Diagnostics that this process has loaded from such files, by name, each with its file."""


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


def known_object(name: str) -> object | None:
    """The loaded diagnostic of that name; None where there is none."""
    return LOADED.get(name, (None, None))[0]


def known_files() -> tuple[OwnFile, ...]:
    """All files that were loaded."""
    return tuple(own for _, own in LOADED.values())
