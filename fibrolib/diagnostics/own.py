"""Diagnostics of a user's own: Python files that the user's profile names, and what this process knows of them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fibrolib.diagnostics.records import BUILT_IN, Diagnostic, DiagnosticError

__all__ = ["OwnFile", "find_diagnostic", "forget_diagnostics", "know_files", "known_files", "load_diagnostic"]


@dataclass(frozen=True)
class OwnFile:
    """Where a diagnostic of a user's own comes from.

    Parameters
    ----------
    name : str
        Name of the diagnostic.
    folder : Path
        Folder of the profile.
    text : str
        What the profile says: ``elf.py:ELF``.
    digest : str
        SHA-256 of the file's content: another content makes another result.
    """

    name: str
    folder: Path
    text: str
    digest: str

    @property
    def path(self) -> str:
        """The file, relative to the folder."""
        return self.text.rpartition(":")[0]


_known: dict[str, tuple[Diagnostic, OwnFile]] = {}
"""Diagnostics of the user's own that this process was told of, by name: for labels, colours, and networks by name.
What a study computes does not depend on it, but on the records of its profile."""


def load_diagnostic(text: str, folder: Path) -> tuple[Diagnostic, OwnFile]:
    """Run a user's Python file and take a diagnostic out of it; this process then knows it by its name.

    Parameters
    ----------
    text : str
        ``elf.py:ELF``: a file in `folder` or below, and the name of an object in it.
    folder : Path
        Folder of the profile that says so.

    Raises
    ------
    DiagnosticError
        If the text is of another form, there is no such file or object, the file cannot be run, the object is no
        `Diagnostic`, one of the package has the same name, or this process knows another network of that name.
    """
    name, _, wanted = text.rpartition(":")
    if not name.endswith(".py") or not wanted.isidentifier():
        raise DiagnosticError(f"'{text}' must name a Python file and an object in it, such as elf.py:ELF.")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DiagnosticError(
            f"'{text}': the file must lie beside the profile or in a folder below it, since a run keeps a copy of both."
        )
    path = folder / name
    if not path.is_file():
        raise DiagnosticError(f"'{text}': there is no file {path}. Its path is relative to the profile.")
    content = path.read_bytes()
    record = getattr(_module(path, content), wanted, None)
    if not isinstance(record, Diagnostic):
        raise DiagnosticError(f"'{text}': {_instead(_module(path, content), wanted, record)}")
    if record.name in {built_in.name for built_in in BUILT_IN}:
        raise DiagnosticError(f"'{text}': the package has a diagnostic '{record.name}' already. Choose another name.")
    if record.kind == "net" and record.network is None:
        raise DiagnosticError(f"'{text}': the net '{record.name}' has no network.")
    own = OwnFile(record.name, folder, text, hashlib.sha256(content).hexdigest())
    _, before = _known.get(record.name, (None, own))
    if record.kind == "net" and before.digest != own.digest:  # nets are built by name
        raise DiagnosticError(
            f"'{text}': this session has loaded another network '{record.name}', from {before.folder / before.path}. "
            "Restart the kernel."
        )
    _known[record.name] = record, own
    return record, own


def find_diagnostic(name: str) -> Diagnostic | None:
    """The record of that name: of the package, or of the user's own as far as this process was told; else None."""
    built_in = next((record for record in BUILT_IN if record.name == name), None)
    return built_in or _known.get(name, (None, None))[0]


def known_files() -> tuple[OwnFile, ...]:
    """Files that this process was told of; another process gets them by `know_files`."""
    return tuple(own for _, own in _known.values())


def know_files(files: Sequence[OwnFile]) -> None:
    """Load the diagnostics that another process of the same run was told of."""
    for own in files:
        if own not in known_files():
            load_diagnostic(own.text, own.folder)


def forget_diagnostics() -> None:
    """Forget all diagnostics of the user's own."""
    _known.clear()


def _module(path: Path, content: bytes) -> ModuleType:
    """The file as a module; run once for each content."""
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
        if isinstance(error, DiagnosticError):
            raise
        raise DiagnosticError(f"{path}: this file cannot be run ({type(error).__name__}: {error}).") from error
    return module


def _instead(module: ModuleType, wanted: str, value: object) -> str:
    """What there is in place of a record."""
    records = [name for name, each in vars(module).items() if isinstance(each, Diagnostic)]
    hint = f" Records in this file: {', '.join(records)}." if records else " There is no record in this file."
    if value is None:
        return f"the file has no object '{wanted}'.{hint}"
    return f"'{wanted}' is no Diagnostic but {type(value).__name__}.{hint}"
