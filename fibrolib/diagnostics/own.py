"""Diagnostics of a user's own, in Python files that the user's profile names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

from fibrolib.diagnostics.records import BUILT_IN, Diagnostic, DiagnosticError
from fibrolib.errors import FibrolibError
from fibrolib.own_files import OwnFile, known_files, known_object, run_file, tell_of

__all__ = ["find_diagnostic", "load_diagnostic"]


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
    try:
        module = run_file(path)
    except DiagnosticError:
        raise
    except FibrolibError as error:
        raise DiagnosticError(str(error)) from error
    record = getattr(module, wanted, None)
    if not isinstance(record, Diagnostic):
        raise DiagnosticError(f"'{text}': {_instead(module, wanted, record)}")
    if record.name in {built_in.name for built_in in BUILT_IN}:
        raise DiagnosticError(f"'{text}': the package has a diagnostic '{record.name}' already. Choose another name.")
    if record.kind == "net" and record.network is None:
        raise DiagnosticError(f"'{text}': the net '{record.name}' has no network.")
    own = OwnFile(record.name, folder, text, hashlib.sha256(path.read_bytes()).hexdigest())
    before = next((file for file in known_files() if file.name == record.name), own)
    if record.kind == "net" and before.digest != own.digest:  # nets are built by name
        raise DiagnosticError(
            f"'{text}': this session has loaded another network '{record.name}', from {before.folder / before.path}. "
            "Restart the kernel."
        )
    tell_of(own, record)
    return record, own


def find_diagnostic(name: str) -> Diagnostic | None:
    """The record of that name: of the package, or of the user's own as far as this process was told; else None."""
    built_in = next((record for record in BUILT_IN if record.name == name), None)
    return built_in or known_object(name)


def _instead(module: ModuleType, wanted: str, value: object) -> str:
    """What there is in place of a record."""
    records = [name for name, each in vars(module).items() if isinstance(each, Diagnostic)]
    hint = f" Records in this file: {', '.join(records)}." if records else " There is no record in this file."
    if value is None:
        return f"the file has no object '{wanted}'.{hint}"
    return f"'{wanted}' is no Diagnostic but {type(value).__name__}.{hint}"
