"""The private folder: the key, and the lists of who is who. It belongs to one user and is never part of a run."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

import platformdirs

from fibrolib.errors import FibrolibError

__all__ = ["VARIABLE", "private_folder", "read_key", "write_private"]

VARIABLE = "FIBROLIB_PRIVATE"
"""Environment variable that names another folder."""

_KEY_BYTES = 32
_ANYBODY_ELSE = 0o077  # permissions of group and others


def private_folder() -> Path:
    """Absolute path of the private folder, which need not be there yet.

    It lies in the user's own data folder (``~/.local/share/fibrolib`` on Linux), or where ``FIBROLIB_PRIVATE`` says:
    neither beside a run, which is shared, nor beside the cohort, which may be copied or read by others.
    """
    folder = os.environ.get(VARIABLE) or platformdirs.user_data_path("fibrolib", appauthor=False)
    return Path(folder).expanduser().resolve()


def read_key() -> bytes:
    """The user's secret key, 32 random bytes; made at the first call.

    Raises
    ------
    FibrolibError
        If it cannot be made, others may read it, or it is damaged.
    """
    path = private_folder() / "key"
    if not path.exists():
        _make_key(path)
    if os.name == "posix" and path.stat().st_mode & _ANYBODY_ELSE:
        raise FibrolibError(
            f"{path}: others may read the key to the pseudonyms. Run 'chmod 600 {path}', or, where the disk knows no "
            f"permissions, set {VARIABLE} to a folder on another."
        )
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if len(key) != _KEY_BYTES:
        raise _damaged(path)
    return key


def write_private(path: Path, text: str) -> Path:
    """Write a file that its owner alone may read, whole or not at all; return its path.

    Raises
    ------
    FibrolibError
        If it cannot be written.
    """
    temporary = _written_aside(path, text)
    try:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _make_key(path: Path) -> None:
    temporary = _written_aside(path, secrets.token_hex(_KEY_BYTES) + "\n")
    try:
        os.link(temporary, path)  # unlike a rename, this keeps the key of whoever came first
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _written_aside(path: Path, text: str) -> Path:
    """A file beside ``path``; it and the folders that are made for it are their owner's alone."""
    try:
        for folder in [*reversed(path.parent.parents), path.parent]:
            folder.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-")  # mode 0600
    except OSError as error:
        raise FibrolibError(
            f"{path}: this private file cannot be written ({error.strerror}). "
            f"Set {VARIABLE} to a folder that is yours alone."
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return Path(name)


def _damaged(path: Path) -> FibrolibError:
    return FibrolibError(
        f"{path}: this is no key ({2 * _KEY_BYTES} hexadecimal digits). Put it back from a copy: a new one would give "
        "every patient another pseudonym."
    )
