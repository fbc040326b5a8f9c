"""Arrays in ``.npz`` files, which may be damaged or somebody's own."""

from __future__ import annotations

import contextlib
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.format import MAGIC_PREFIX
from numpy.lib.npyio import NpzFile

from fibrolib.errors import VideoError

__all__ = ["open_arrays"]

_DAMAGE = (OSError, KeyError, ValueError, TypeError, EOFError, RuntimeError, SyntaxError, MemoryError)
"""What numpy and zipfile raise at files that are damaged, are no archive of arrays, or want a password."""

_DAMAGE_INSIDE = (zipfile.BadZipFile, zlib.error, tokenize.TokenError)
"""The same, of kinds that are no built-in ones: bad sums, bad streams, bad headers."""


@contextlib.contextmanager
def open_arrays(path: str | Path, what: str, advice: str = "") -> Iterator[NpzFile]:
    """Open an ``.npz`` file; nothing in it is executed.

    Parameters
    ----------
    path : str or Path
        The file.
    what : str
        What it is, for the message: "the mask file".
    advice : str
        What to do about it, as a sentence.

    Raises
    ------
    VideoError
        The file, or an array that is read from it inside the block, cannot be read.
    """
    try:
        # Opened here: numpy leaves a file open in which it finds no archive.
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            _refuse_strangers(arrays)
            yield arrays
    except (*_DAMAGE, *_DAMAGE_INSIDE) as error:
        raise VideoError(f"{path}: {what} cannot be read ({error}). {advice}".rstrip()) from error


def _refuse_strangers(arrays: NpzFile) -> None:
    """Numpy hands out what is no array as bytes, without a word."""
    for member in arrays.zip.namelist():
        with arrays.zip.open(member) as content:
            if content.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:
                raise ValueError(f"'{member}' in it is no array")
