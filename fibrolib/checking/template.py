"""A first cohort table from a folder of videos: who and where are filled in, clinical columns are not."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fibrolib.cohort import NUMBERS, write_cohort
from fibrolib.cohort.schema import absolute
from fibrolib.errors import FibrolibError
from fibrolib.video import is_dicom, pictures_in
from fibrolib.video.stills import SUFFIXES as PICTURES

_VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mpeg", ".mpg", ".gif", ".webm", ".mkv", ".wmv", ".dcm", ".dicom", ".ima"}

_MIN_FRAMES = 8  # so many numbered pictures in a folder of their own are the frames of a video (*assumption*)


@dataclass(frozen=True)
class Template:
    """What `write_template` wrote: the table, how many patients and videos, how patients were told apart in words."""

    path: Path
    patients: int
    videos: int
    rule: str


def write_template(folder: str | Path, source: str | Path, pattern: str = "") -> Template:
    """Write ``cohort.csv`` for the videos of a folder; its clinical columns are empty.

    Where the videos lie outside `folder`, a link to them is put there: paths in a table do not leave its folder.

    Parameters
    ----------
    folder : str or Path
        Where the table is written; made if it is not there.
    source : str or Path
        The videos: in one folder per patient, or with the patient at the start of each file name (``A01_2.mp4``).
    pattern : str, optional
        A regular expression that finds the patient in a video's path below `source`: its first group, or all of it.

    Raises
    ------
    FibrolibError
        There are no videos, a table is there already, the pattern is none or does not fit, or no link can be made.
    """
    folder, source = absolute(Path(folder)), absolute(Path(source))
    table = folder / "cohort.csv"
    if table.exists():
        raise FibrolibError(f"{table}: there is a table already, and it is not overwritten. Choose another folder.")
    if not source.is_dir():
        raise FibrolibError(f"{source}: there is no such folder of videos.")
    videos = _videos(source)
    if not videos:
        raise FibrolibError(f"{source}: no videos in this folder. Expected MP4, MOV, AVI, MPEG, GIF, WebM or DICOM.")
    patient_of, rule = _rule(videos, source, pattern)
    names = [patient_of(video) for video in videos]
    folder.mkdir(parents=True, exist_ok=True)
    base = source.relative_to(folder) if source.is_relative_to(folder) else _linked(folder, source)
    images = [_image(video) for video in videos]
    rows = {
        "patient_id": names,
        "video": [(base / video.relative_to(source)).as_posix() for video in videos],
        "stage": None,
        "image": [(base / image.relative_to(source)).as_posix() if image else None for image in images],
        "sex": None,
        **dict.fromkeys(NUMBERS),
    }
    write_cohort(pd.DataFrame(rows), table)
    return Template(table, len(set(names)), len(videos), rule)


def _videos(source: Path) -> list[Path]:
    found = []
    for place, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        videos = [path for path in here if _is_video(path)]
        frames = not videos and Path(place) != source and len(pictures_in(Path(place))) >= _MIN_FRAMES
        found += [Path(place)] if frames else videos
    return found


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in _VIDEOS or (not path.suffix and path.is_file() and is_dicom(path))


def _image(video: Path) -> Path | None:
    """A picture of the same name beside the video."""
    beside = (video.with_suffix(suffix) for suffix in sorted(PICTURES))
    return next((path for path in beside if video.is_file() and path.is_file()), None)


def _rule(videos: list[Path], source: Path, pattern: str) -> tuple[Callable[[Path], str], str]:
    """How the patient is found in a path, as a function and in words."""
    if pattern:
        return _by_pattern(source, pattern), f"by the pattern {pattern}"
    if all(len(video.relative_to(source).parts) > 1 for video in videos):
        return (lambda video: video.relative_to(source).parts[0]), "one folder per patient"
    return (lambda video: video.stem.split("_")[0]), "by the file name up to the first '_'"


def _by_pattern(source: Path, pattern: str) -> Callable[[Path], str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise FibrolibError(f"--pattern {pattern}: this is no regular expression ({error}).") from error

    def patient_of(video: Path) -> str:
        path = video.relative_to(source).as_posix()
        match = compiled.search(path)
        name = (match[1] if compiled.groups else match[0]) if match else None
        if not name:
            raise FibrolibError(f"--pattern {pattern}: finds no patient in '{path}'.")
        return name

    return patient_of


def _linked(folder: Path, source: Path) -> Path:
    """Path, in `folder`, of a new link to the videos."""
    link = folder / "videos"
    try:
        link.symlink_to(source, target_is_directory=True)
    except OSError as error:
        raise FibrolibError(
            f"{link}: no link to {source} can be made ({error.strerror}). Put the videos into {folder} and give that."
        ) from error
    return Path(link.name)
