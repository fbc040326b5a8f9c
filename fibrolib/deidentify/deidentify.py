"""Make files safe to hand on: each under another name, whole or not at all; and a report of what was removed."""

from __future__ import annotations

import base64
import csv
import functools
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import jinja2
import numpy as np
import pandas as pd
import pydicom
from numpy.typing import NDArray
from PIL import Image

from fibrolib.atomic import write_atomically
from fibrolib.cohort import FILES, OPTIONAL, REQUIRED, read_text_table, table_file, write_cohort
from fibrolib.cohort.columns import ELF, numbers_of
from fibrolib.cohort.schema import DAYS, _typed_table, text_problems
from fibrolib.cohort.values import DATES, NAMED, coarsened
from fibrolib.deidentify.copies import KINDS, _find_picture, _RefusedError, _write_copy, _write_mask
from fibrolib.errors import CohortError, FibrolibError, VideoError
from fibrolib.privacy import MEDIA_SUFFIXES, private_folder, pseudonym, read_key, write_private
from fibrolib.video import is_still
from fibrolib.video.dicom import is_dicom
from fibrolib.video.streams import one_line

_LOOK_AT_ALL = (
    "Look at every picture (look.html) before you hand the files on: text, a name or a date inside the ultrasound "
    "picture itself is not removed, and no program finds all of it."
)


_SIDE = 360  # pixels: a letter of twelve in a frame of a thousand can still be made out


@dataclass(frozen=True)
class _FileResult:
    """What became of one file."""

    file: str  # its new name within the folder; without the ending if it was not written
    outcome: Literal["written", "refused", "left out"]  # left out: it is no picture
    kind: str = ""  # "dicom", "video", "image", "mask", or none of these
    removed: dict[str, int] = field(default_factory=dict)  # how often: DICOM keywords, keys of metadata, other streams
    kept: float | None = None  # share of the frame that was kept, the ultrasound picture
    look: tuple[str, ...] = ()  # what a person must look at, besides all pictures
    reason: str = ""  # why it was not written


@dataclass(frozen=True)
class _Report:
    """What became of all files, in the order of the new names."""

    results: Sequence[_FileResult]

    def of(self, outcome: str) -> list[_FileResult]:
        return [result for result in self.results if result.outcome == outcome]

    @property
    def removed(self) -> dict[str, tuple[int, int]]:
        """In how many files, and how often in all, each thing was removed or replaced; by name."""
        files, times = Counter(), Counter()
        for result in self.of("written"):
            files.update(result.removed.keys())
            times.update(result.removed)
        return {name: (files[name], times[name]) for name in sorted(times)}

    @property
    def status(self) -> int:
        """0: all written; 1: some left out, or wanting a closer look; 2: a picture refused, or none there."""
        if self.of("refused") or not self.of("written"):
            return 2
        return int(bool(self.of("left out")) or any(result.look for result in self.results))

    def text(self) -> str:
        """For people."""
        written, refused, left_out = (self.of(outcome) for outcome in ("written", "refused", "left out"))
        lines = [f"Files written: {len(written)}, refused: {len(refused)}, left out: {len(left_out)}."]
        lines += [f"  {result.outcome}: {result.file}: {result.reason}" for result in [*refused, *left_out]]
        lines += ["", "Removed or replaced (in how many files; how often):"]
        lines += [f"  {name}: {files}; {times}" for name, (files, times) in self.removed.items()] or ["  nothing"]
        shares = [result.kept for result in written if result.kept is not None]
        if shares:
            lines += ["", f"Pixels: of each frame {min(shares):.0%} to {max(shares):.0%} were kept, the rest is black."]
        lines += ["", _LOOK_AT_ALL]
        lines += [f"  {result.file}: {what}" for result in written for what in result.look]
        return "\n".join(lines) + "\n"

    def json(self) -> str:
        """The same for programs."""
        removed = {name: {"files": files, "times": times} for name, (files, times) in self.removed.items()}
        files = [asdict(result) for result in self.results]
        content = {"status": self.status, "files": files, "removed": removed, "look": _LOOK_AT_ALL}
        return json.dumps(content, indent=2) + "\n"


def deidentify(
    source: str | Path,
    out: str | Path,
    *,
    whole: bool = False,
    say: Callable[[str], object] = print,
    track: Callable[[Iterable, int], Iterable] = lambda jobs, total: jobs,
) -> tuple[_Report, Path]:
    """Write copies of ultrasound files that say nothing of the patient, and a report.

    `source` is a file, a folder, or a cohort table: then its files, and a new table with pseudonyms. `out` is the
    folder of the copies, not within `source` nor around it. `whole` accepts pictures that fill the frame, of which
    nothing is blanked. `say` gets a sentence, with the true name, for each refused picture; `track` shows progress.

    Returns the report, also written to `out` as ``deidentified.txt`` and ``deidentified.json`` with the pictures as
    ``look.html``, and the path of the list of new and old names in the private folder.
    """
    source, out, key = Path(source).resolve(), Path(out).resolve(), read_key()
    table, jobs = _plan(source, key)
    _check_folder(source, out)
    pictures, results = {}, {}
    _write_names(jobs, results, out, key)  # before the first copy: whatever happens, it can be told whose it is
    for job in track(jobs, len(jobs)):
        results[job.source] = _make_safe(job, out, key, whole, say, pictures)
    report = _Report(sorted(results.values(), key=lambda result: result.file))
    if table is not None:
        _write_table(table, source.parent, results, key, out / "cohort.csv")
    pages = jinja2.Environment(loader=jinja2.PackageLoader("fibrolib.deidentify", "."), autoescape=True)
    page = pages.get_template("look.html.j2").render(look=_LOOK_AT_ALL, pictures=sorted(pictures.items()))
    texts = {"deidentified.txt": report.text(), "deidentified.json": report.json(), "look.html": page}
    for name, text in texts.items():
        write_atomically(out / name, functools.partial(Path.write_text, data=text, encoding="utf-8"))
    return report, _write_names(jobs, results, out, key)


def _plan(source: Path, key: bytes) -> tuple[pd.DataFrame | None, list[_Job]]:
    file, _ = table_file(source)
    if not file.exists():
        raise FibrolibError(f"{source}: there is no such file or folder.")
    if file.suffix.lower() in _TABLES and file.is_file():
        text = read_text_table(source)  # it need not hold enough patients for a study
        if problems := text_problems(text, source.parent):
            raise CohortError(str(source), problems)
        table = text.astype(object).where(text.notna(), None)
        return table, _jobs_of_table(table, source.parent, key)
    return None, _jobs_of_folder(source, key)


def _check_folder(source: Path, out: Path) -> None:
    place = source if source.is_dir() else source.parent
    if out.is_relative_to(place) and (source.is_dir() or out == place):
        raise FibrolibError(f"{out}: lies in the folder of the files themselves. Choose a folder elsewhere.")
    if place.is_relative_to(out):
        raise FibrolibError(f"{out}: holds the files themselves. Choose a folder elsewhere.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FibrolibError(f"{out}: this folder cannot be made ({error.strerror}).") from error


def _make_safe(
    job: _Job, out: Path, key: bytes, whole: bool, say: Callable[[str], object], pictures: dict[str, str]
) -> _FileResult:
    try:
        kind = _kind(job)
        if not kind:
            return _FileResult(job.name, "left out", reason="it is no picture or video")
        name = f"{job.name}{KINDS[kind]}"
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if job.mask:
            _write_mask(job.source, out / name)
            return _FileResult(name, "written", kind)
        picture = _find_picture(job.source, whole)
        removed, look = _write_copy(kind, job.source, out / name, picture, key, job.patient)
    except _RefusedError as refusal:
        say(f"{job.source}: not written: {refusal}.")
        return _FileResult(job.name, "refused", reason=str(refusal))
    except VideoError as error:
        say(str(error))
        return _FileResult(job.name, "refused", reason="it cannot be read")
    except Exception as error:  # one file never costs the copies of the others
        say(f"{job.source}: not written: the copy cannot be made ({one_line(error)}).")
        return _FileResult(job.name, "refused", reason=f"the copy cannot be made ({type(error).__name__})")
    pictures[name] = _thumbnail(picture.brightest)
    return _FileResult(name, "written", kind, dict(removed), round(picture.kept, 4), (*picture.look, *look))


def _kind(job: _Job) -> str:
    """What a file is, by its content; empty where it is no picture."""
    suffix = job.source.suffix.lower()
    if job.mask:
        return "arrays of a mask" if suffix == ".npz" else "mask"
    if job.source.is_dir():
        return "video"
    try:
        if is_dicom(job.source):
            return "dicom" if _may_hold_picture(job.source) else ""
    except OSError as error:
        raise VideoError(f"{job.source}: the file cannot be read ({error.strerror}).") from error
    if is_still(job.source):
        return "image"
    return "video" if suffix in MEDIA_SUFFIXES - {".json", ".npz"} else ""


def _may_hold_picture(path: Path) -> bool:
    """False for a DICOM file that can be read and has no rows of pixels: the list of a disc, a report."""
    try:
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    except Exception:  # damaged headers surface as almost any error; the reader will say what is wrong
        return True
    return "Rows" in header or not len(header)


def _write_table(table: pd.DataFrame, root: Path, results: dict[Path, _FileResult], key: bytes, path: Path) -> None:
    """The cohort table with pseudonyms and new names, years for dates; rows whose video was refused are left out."""
    new = table[[name for name in (*REQUIRED, *OPTIONAL, ELF) if name in table]].copy()
    typed = coarsened(_typed_table(table, root, numbers_of()))
    for column in (*DATES, *NAMED):
        if column in new:
            new[column] = typed[column]
    if typed[DAYS].notna().any():
        new[DAYS] = typed[DAYS]
    new["patient_id"] = [pseudonym(key, "p", name) for name in table["patient_id"]]
    for column in FILES:
        if column in new:
            outcomes = [None if name is None else results[root / name] for name in table[column]]
            new[column] = [copy.file if copy and copy.outcome == "written" else None for copy in outcomes]
    write_cohort(new[new["video"].notna()], path)


def _thumbnail(picture: NDArray[np.uint8]) -> str:
    """A picture as small PNG, for the page of pictures to look at."""
    image, buffer = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((_SIDE, _SIDE))
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _write_names(jobs: list[_Job], results: dict[Path, _FileResult], out: Path, key: bytes) -> Path:
    """The list of new and old names, for the user alone."""
    names = {job: results[job.source].file if job.source in results else job.name for job in jobs}
    path, text = private_folder() / "deidentified" / f"{pseudonym(key, 'out', str(out))}.csv", io.StringIO()
    rows = csv.writer(text, lineterminator="\n")  # pandas writes no names that are not UTF-8
    rows.writerow(["new", "patient", "old"])
    rows.writerows([name, job.patient, str(job.source)] for job, name in names.items())
    return write_private(path, text.getvalue())


_TABLES = {".csv", ".parquet", ".pq", ".xlsx", ".xlsm"}
"""Endings of cohort tables."""


@dataclass(frozen=True)
class _Job:
    """One file to be made safe."""

    source: Path  # a file, or a folder of pictures
    name: str  # new path within the folder of the copies, without an ending
    mask: bool = False  # which shows no patient
    patient: str = ""  # pseudonym; empty where no table tells it


def _jobs_of_folder(source: Path, key: bytes) -> list[_Job]:
    """A file, or all files of a folder and its subfolders, in the order of their new names; folders get new names."""
    if source.is_file():
        return [_Job(source, pseudonym(key, "f", source.name))]
    files = [Path(place) / name for place, _, names in os.walk(source) for name in names]
    jobs = []
    for path in files:
        *folders, name = path.relative_to(source).parts
        hidden = [*(pseudonym(key, "d", folder) for folder in folders), pseudonym(key, "f", name)]
        jobs.append(_Job(path, "/".join(hidden)))
    return sorted(jobs, key=lambda job: job.name)


def _jobs_of_table(table: pd.DataFrame, root: Path, key: bytes) -> list[_Job]:
    """Every file that a cohort table names, once, in a folder for each patient."""
    jobs: dict[str, _Job] = {}
    for row in table.to_dict("records"):
        patient = pseudonym(key, "p", row["patient_id"])
        for column in FILES:
            name = row.get(column)
            if name is not None and name not in jobs:
                new = f"{patient}/{pseudonym(key, 'f', name)}"
                jobs[name] = _Job(root / name, new, mask=column == "roi", patient=patient)
    return list(jobs.values())
