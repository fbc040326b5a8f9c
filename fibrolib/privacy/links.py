"""A cohort's files under names that tell nothing: links in the private folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from fibrolib.errors import FibrolibError
from fibrolib.privacy.private import VARIABLE, private_folder
from fibrolib.video.stills import RATE_FILE, SUFFIXES, pictures_in

__all__ = ["MEDIA_SUFFIXES", "link", "revealed"]

MEDIA_SUFFIXES = frozenset(
    {".avi", ".dcm", ".dicom", ".gif", ".ima", ".json", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".npz"}
    | {".webm", ".webp", ".wmv", *SUFFIXES}
)
"""Endings that say what a file is. Any other may be a part of a name, as in ``Doe.Jane``, and is dropped."""

_LINKED = r"cohorts/cohort-[a-z2-7]{10}/files/f-[a-z2-7]{10}(\.\w+)?(/\d+\.\w+)?"


def link(target: Path, place: Path, name: str) -> str:
    """Make a file, or a folder of pictures, reachable as ``place/name``; return the name with its ending.

    The pictures of a folder get numbers for names, in their order: theirs may tell who the patient is.

    Raises
    ------
    FibrolibError
        If the disk of the private folder knows no links.
    """
    suffix = target.suffix.lower()
    path = place / (name + suffix if suffix in MEDIA_SUFFIXES else name)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if target.is_dir():
            _link_pictures(target, path)
        else:
            _link_file(target, path)
    except OSError as error:
        raise FibrolibError(
            f"{path}: no link to {target} can be made here ({error.strerror}). Set {VARIABLE} to a folder on a disk "
            "that knows symbolic links."
        ) from error
    return path.name


def revealed(text: str) -> str:
    """A message with the true path for every link in it: for the user's screen, never for a file of a run."""
    place = str(private_folder())
    return re.sub(rf"{re.escape(place)}/{_LINKED}", lambda found: _true_path(found[0]), text)


def _true_path(path: str) -> str:
    return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114 - str in, str out


def _link_file(target: Path, path: Path) -> None:
    if path.is_symlink() and path.readlink() == target:
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(FileExistsError):  # made by another process in between: the same link
        path.symlink_to(target)


def _link_pictures(folder: Path, path: Path) -> None:
    pictures = pictures_in(folder)
    wanted = {f"{number:06d}{picture.suffix.lower()}": picture for number, picture in enumerate(pictures, start=1)}
    if (folder / RATE_FILE).is_file():
        wanted[RATE_FILE] = folder / RATE_FILE
    if path.is_dir() and {entry.name: entry.readlink() for entry in path.iterdir()} == wanted:
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as unfinished:
        made = Path(unfinished) / path.name
        made.mkdir(mode=0o700)
        for name, picture in wanted.items():
            (made / name).symlink_to(picture)
        shutil.rmtree(path, ignore_errors=True)
        made.rename(path)
