"""A first cohort table from a folder of videos: who and where are filled in, clinical columns are not."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pydicom
from PIL import Image

from fibrolib.cohort import NUMBERS, write_cohort
from fibrolib.cohort.schema import absolute
from fibrolib.errors import FibrolibError, counted
from fibrolib.video import is_dicom, pictures_in
from fibrolib.video.stills import SUFFIXES as PICTURES
from fibrolib.video.streams import VIDEO_SUFFIXES

_MIN_FRAMES = 8  # so many numbered pictures in a folder of their own are the frames of a video (*assumption*)
_DIRECTORY = "1.2.840.10008.1.3.10"  # SOP class of a DICOMDIR
_TAGS = ["PatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDate", "AcquisitionDate"]
_TAGS += ["Manufacturer", "ManufacturerModelName", "SOPClassUID", "Rows"]
_NO_ID = re.compile(r"\W*|0+|1|x+|(anon|unknown|unbekannt|test|none|null|noid|patient|no id|n/a).*", re.IGNORECASE)
"""What stands for a patient's id in headers that were anonymised, or never filled in."""

_LEVELS = re.compile(r"(st|se|s|ser|series|stu|study|exam|im|img|images?|dicom)[-_ ]?\d*", re.IGNORECASE)
_COUNTERS = re.compile(
    r"(im|img|image|mov|video|vid|clip|dsc|us|file|frame|ser?|scan)[-_ ]?\d*|[\d.]{16,}", re.IGNORECASE
)
"""Names that scanners give to folders of studies and series, and to files: they do not tell patients apart."""


@dataclass(frozen=True)
class _Template:
    """What `write_template` wrote."""

    path: Path  # of the table
    patients: int
    videos: int
    rule: str  # how patients were told apart, in words
    sure: bool  # whether that needs no second look
    left_out: tuple[str, ...]  # files of the folder that are not listed
    ids: dict[str, str] = field(repr=False)  # PatientID of DICOM headers by the pseudonym in the table


def write_template(
    folder: str | Path, source: str | Path, pattern: str = "", pseudonym: Callable[[str], str] | None = None
) -> _Template:
    """Write ``cohort.csv`` for the videos of a folder; its clinical columns are empty but for what DICOM headers say.

    Patients are told apart by `pattern`, else by the PatientID of DICOM headers, else by folder or file name. Where the
    videos lie outside `folder`, a link to them is put there: paths in a table do not leave its folder.

    Parameters
    ----------
    folder, source : str or Path
        Where the table is written (made if it is not there), and the videos.
    pattern : str, optional
        A regular expression that finds the patient in a video's path below `source`: its first group, or all of it.
    pseudonym : callable, optional
        Gets a PatientID and returns what stands for it in the table; by default a running number.
    """
    folder, source = absolute(Path(folder)), absolute(Path(source))
    table = folder / "cohort.csv"
    if table.exists():
        raise FibrolibError(f"{table}: there is a table already, and it is not overwritten. Choose another folder.")
    if not source.is_dir():
        raise FibrolibError(f"{source}: there is no such folder of videos.")
    found = _found(source)
    if not found.headers:
        left_out = f" There are: {', '.join(found.left_out())}." if found.others else ""
        raise FibrolibError(
            f"{source}: no videos in this folder. Expected MP4, MOV, AVI, MPEG, GIF, WebM or DICOM.{left_out}"
        )
    names, rule, sure = _patients(found.headers, source, pattern, pseudonym)
    folder.mkdir(parents=True, exist_ok=True)
    base = source.relative_to(folder) if source.is_relative_to(folder) else _linked(folder, source)
    write_cohort(_table(found.headers, names, source, base), table)
    header_ids = [header.get("PatientID", "") for header in found.headers.values()]
    ids = {name: given for name, given in zip(names, header_ids, strict=True) if given and not pattern}
    return _Template(table, len(set(names)), len(names), rule, sure, found.left_out(), ids)


@dataclass
class _Found:
    """Videos with their DICOM headers, empty for other files, and how many files are no videos, by what they are."""

    headers: dict[Path, dict[str, str]] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)

    def left_out(self) -> tuple[str, ...]:
        return tuple(f"{counted(n, 'file')} ({kind})" for kind, n in self.others.most_common())


def _found(source: Path) -> _Found:
    found = _Found()
    for place, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        found.others["hidden"] += len(names) - len(files)
        headers = {path: _header(path) for path in files}
        kinds = {path: _no_video(path, header) for path, header in headers.items()}
        videos = [path for path, kind in kinds.items() if not kind]
        if not videos and Path(place) != source and len(pictures_in(Path(place))) >= _MIN_FRAMES:
            found.headers[Path(place)] = {}
            continue
        found.headers |= {path: headers[path] for path in videos}
        images = {_image(video) for video in videos}
        found.others.update(kind for path, kind in kinds.items() if kind and path not in images)
    found.others = +found.others
    return found


def _no_video(path: Path, header: dict[str, str]) -> str:
    """What a file is that is no video; empty for videos, which the check looks at."""
    try:
        path.name.encode("utf-8")
        dicom = path.name.upper() != "DICOMDIR" and is_dicom(path)
    except UnicodeEncodeError:
        return "name that is not UTF-8: rename it"
    except OSError:
        return "cannot be opened"
    if dicom:
        if header.get("SOPClassUID") == _DIRECTORY:
            return "DICOMDIR"
        return "DICOM without a picture" if "SOPClassUID" in header and "Rows" not in header else ""
    if path.suffix.lower() in VIDEO_SUFFIXES or _pages(path) > 1:
        return ""
    return path.suffix.lower() or path.name if path.suffix or path.name.upper() == "DICOMDIR" else "no known kind"


def _pages(path: Path) -> int:
    """Pictures in a TIFF, WebP or PNG file: several are a video."""
    if path.suffix.lower() not in {".tif", ".tiff", ".webp", ".png", ".apng"}:
        return 0
    try:
        with Image.open(path) as picture:
            return getattr(picture, "n_frames", 1)
    except Exception:  # a damaged picture is none to be listed
        return 0


def _header(path: Path) -> dict[str, str]:
    """What the header of a DICOM file says of patient, examination and scanner; empty for other files."""
    try:
        if not path.is_file() or not is_dicom(path):
            return {}
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS, force=True)
        header = {tag: " ".join(str(dataset.get(tag) or "").split()) for tag in _TAGS}
        header["SOPClassUID"] = header["SOPClassUID"] or str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))
    except Exception:  # damaged headers surface as almost any error; the check names the file
        return {}
    if _NO_ID.fullmatch(header["PatientID"]):
        header["PatientID"] = ""
    return {tag: value for tag, value in header.items() if value}


def _image(video: Path) -> Path | None:
    """A picture of the same name beside the video."""
    beside = (video.with_suffix(suffix) for suffix in sorted(PICTURES))
    return next((path for path in beside if video.is_file() and path.is_file() and path != video), None)


def _patients(
    headers: dict[Path, dict[str, str]], source: Path, pattern: str, pseudonym: Callable[[str], str] | None
) -> tuple[list[str], str, bool]:
    """The patient of each video, how patients were told apart, and whether that is sure."""
    if pattern:
        return _by_pattern(headers, source, pattern), f"by the pattern {pattern}", True
    ids = {video: header.get("PatientID", "") for video, header in headers.items()}
    if not any(ids.values()):
        return _by_place(list(headers), source)
    numbers = {name: f"P{number:03d}" for number, name in enumerate(dict.fromkeys(filter(None, ids.values())), 1)}
    name_of = pseudonym or numbers.get
    twice = _ids_of_several(ids, headers)
    rule = "by the PatientID in their DICOM headers, for which pseudonyms stand"
    if all(ids.values()):
        if twice:
            rule += f"; {counted(len(twice), 'PatientID')} with more than one name or date of birth"
        return [name_of(name) for name in ids.values()], rule, not twice
    neighbours = {video: {ids[other] for other in ids if other.parent == video.parent} - {""} for video in ids}
    if all(name or len(neighbours[video]) == 1 for video, name in ids.items()):
        known = [name or next(iter(neighbours[video])) for video, name in ids.items()]
        rule += "; files without one belong to the patient of their folder"
        return [name_of(name) for name in known], rule, False
    names, place_rule, _ = _by_place(list(headers), source)
    mixed = [name_of(ids[video]) if ids[video] else name for video, name in zip(headers, names, strict=True)]
    return mixed, f"{rule}, where there is one, else {place_rule}: a patient may stand under two names", False


def _ids_of_several(ids: dict[Path, str], headers: dict[Path, dict[str, str]]) -> list[str]:
    """PatientIDs under which more than one person stands."""
    people = pd.DataFrame(headers.values(), ids.values(), ["PatientName", "PatientBirthDate"], dtype=object)
    people["PatientName"] = people["PatientName"].str.casefold()
    different = people.groupby(level=0).nunique().gt(1).any(axis=1)
    return [name for name in different.index[different] if name]


def _by_place(videos: Sequence[Path], source: Path) -> tuple[list[str], str, bool]:
    """Patients by the first level of folders that differ, else by the beginning of file names."""
    paths = [video.relative_to(source).parts for video in videos]
    folders = [path[:-1] for path in paths]
    level = next((level for level, names in enumerate(zip(*folders, strict=False)) if len(set(names)) > 1), None)
    if level is not None and not all(_LEVELS.fullmatch(path[level]) for path in folders):
        return [path[level] for path in folders], "one folder per patient", False
    names = [Path(path[-1]).stem.split("_")[0] if "." in path[-1] else path[-1].split("_")[0] for path in paths]
    nested = level is not None
    if len(videos) > 1 and (nested or len(set(names)) == 1 or all(_COUNTERS.fullmatch(name) for name in names)):
        raise FibrolibError(
            f"{source}: nothing tells the patients of {counted(len(videos), 'video')} apart: file names such as "
            f"'{paths[0][-1]}' are numbers that a scanner gives, and there is no folder for each patient. Make one, or "
            "say by --pattern where in a path the patient stands."
        )
    return names, "by the file name up to the first '_'", False


def _by_pattern(videos: Iterable[Path], source: Path, pattern: str) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise FibrolibError(f"--pattern {pattern}: this is no regular expression ({error}).") from error
    names = []
    for path in [video.relative_to(source).as_posix() for video in videos]:
        match = compiled.search(path)
        names.append(match and match[min(compiled.groups, 1)])
        if not names[-1]:
            raise FibrolibError(f"--pattern {pattern}: finds no patient in '{path}'.")
    return names


def _table(headers: dict[Path, dict[str, str]], names: list[str], source: Path, base: Path) -> pd.DataFrame:
    images = [_image(video) for video in headers]
    columns = {
        "patient_id": names,
        "video": [(base / video.relative_to(source)).as_posix() for video in headers],
        "stage": None,
        "image": [(base / image.relative_to(source)).as_posix() if image else None for image in images],
        "sex": [header.get("PatientSex") for header in headers.values()],
        **dict.fromkeys(NUMBERS),
        "video_date": [_date(header) for header in headers.values()],
        "scanner": [
            " ".join(header[tag] for tag in ("Manufacturer", "ManufacturerModelName") if tag in header) or None
            for header in headers.values()
        ],
    }
    table = pd.DataFrame(columns)
    ages = pd.Series([_age(header) for header in headers.values()], dtype=float)
    table["age"] = ages.groupby(table["patient_id"]).transform("min").round(1)  # one age per patient: at the first
    return table.drop(columns=[name for name in ("video_date", "scanner") if table[name].isna().all()])


def _date(header: dict[str, str]) -> str | None:
    date = pd.to_datetime(header.get("StudyDate") or header.get("AcquisitionDate"), format="%Y%m%d", errors="coerce")
    return None if pd.isna(date) else date.date().isoformat()


def _age(header: dict[str, str]) -> float:
    """Years, as the header says, or from the dates of birth and examination; NaN where neither is there."""
    stated = re.fullmatch(r"0*(\d+)([DWMY])", header.get("PatientAge", ""))
    if stated:
        return int(stated[1]) / {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}[stated[2]]
    birth = pd.to_datetime(header.get("PatientBirthDate"), format="%Y%m%d", errors="coerce")
    days = (pd.to_datetime(_date(header)) - birth).days if _date(header) and not pd.isna(birth) else -1
    return days // 365.25 if days >= 0 else float("nan")


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
