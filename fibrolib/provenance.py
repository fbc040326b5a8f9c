"""What a result was computed by: a hash of the package's own source, so that a change of code is a change of key."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path

__all__ = ["PACKAGE", "rooms", "source_digest"]

PACKAGE = Path(__file__).resolve().parent

_SUFFIXES = {".py", ".safetensors"}  # packaged weights decide results as much as code does


@cache
def _sources() -> dict[Path, str]:
    """Files that decide results, each with its room."""
    files = sorted(path for path in PACKAGE.rglob("*") if path.suffix in _SUFFIXES)
    return {path: Path(path.relative_to(PACKAGE).parts[0]).stem for path in files}


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()  # once: a file that is edited under a running study must not change its keys


def rooms() -> frozenset[str]:
    """Names of all rooms (files and folders) of the package."""
    return frozenset(_sources().values())


def source_digest(of: Collection[str]) -> str:
    """Hash of the source and packaged weights of some rooms.

    Parameters
    ----------
    of : collection of str
        Names of rooms.

    Returns
    -------
    str
        Sixteen hexadecimal digits.

    Raises
    ------
    ValueError
        If a room does not exist: one that was renamed must not silently drop out of every key.
    """
    unknown = set(of) - rooms()
    if unknown:
        raise ValueError(f"no such rooms: {sorted(unknown)}")
    sources = (_bytes(path) for path, room in _sources().items() if room in of)
    return hashlib.sha256(b"\0".join(sources)).hexdigest()[:16]
