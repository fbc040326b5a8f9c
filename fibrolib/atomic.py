"""Files whole or not at all: filled under another name, brought to the disk, and only then given their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fibrolib.system import flush

UNFINISHED = ".unfinished-"
"""How the names of folders begin in which files are being written."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a path of the same name in a folder of its own; what is there at the end takes the place of ``path``.

    Where the body raises, or the process is killed, ``path`` stays as it was.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=UNFINISHED) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        finish(unfinished, path)


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a file under a temporary name, then give it its own; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        write(unfinished)
    return path


def finish(unfinished: Path, path: Path) -> None:
    """Give a finished file, or folder of files, its name; its bytes reach the disk first, in case of a power cut."""
    for file in unfinished.rglob("*") if unfinished.is_dir() else [unfinished]:
        if file.is_file():
            flush(file)
    unfinished.replace(path)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left half-written below a folder, where nobody is writing any more."""
    for unfinished in list(folder.rglob(f"{UNFINISHED}*")):
        shutil.rmtree(unfinished, ignore_errors=True)
