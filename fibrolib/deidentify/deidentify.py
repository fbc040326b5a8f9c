"""Make files safe to hand on: each under another name, whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from fibrolib.cohort import write_cohort
from fibrolib.cohort.columns import FILES, OPTIONAL, REQUIRED
from fibrolib.deidentify.dicom import write_clean_dicom
from fibrolib.deidentify.films import write_clean_image, write_clean_mask, write_clean_video
from fibrolib.deidentify.jobs import TABLES, Job, jobs_of_folder, jobs_of_table, read_files_table
from fibrolib.deidentify.picture import Picture, find_picture
from fibrolib.deidentify.report import FileResult, RefusedError, Report
from fibrolib.deidentify.sheet import Sheet
from fibrolib.errors import FibrolibError, VideoError
from fibrolib.privacy import MEDIA_SUFFIXES, private_folder, pseudonym, read_key, write_private
from fibrolib.video import is_still
from fibrolib.video.dicom import is_dicom
from fibrolib.video.writing import replacing

__all__ = ["deidentify"]

_ENDINGS = {"dicom": ".dcm", "video": ".mp4", "image": ".png", "mask": ".png", "arrays of a mask": ".npz"}


def deidentify(
    source: str | Path,
    out: str | Path,
    *,
    whole: bool = False,
    say: Callable[[str], object] = print,
    track: Callable[[Iterable, int], Iterable] = lambda jobs, total: jobs,
) -> tuple[Report, Path]:
    """Write copies of ultrasound files that say nothing of the patient, and a report.

    Parameters
    ----------
    source : str or Path
        A file, a folder, or a cohort table; of a table its files, and a new table with pseudonyms.
    out : str or Path
        Folder of the copies; it must not lie in `source`, nor `source` in it.
    whole : bool
        Accept pictures that fill the frame, of which nothing is blanked.
    say : callable
        Gets a sentence, with the true name, for every picture that is refused: for the screen.
    track : callable
        Shows progress: gets the files and their number, passes them on.

    Returns
    -------
    report : Report
        Also written to `out` as ``deidentified.txt`` and ``deidentified.json``, with the pictures as ``look.html``.
    who : Path
        The list of new and old names, in the private folder.

    Raises
    ------
    FibrolibError
        `source` is missing, or `out` cannot be used.
    CohortError
        The table names files that are not there, or lacks a column.
    """
    source, out, key = Path(source).resolve(), Path(out).resolve(), read_key()
    table, jobs = _plan(source, key)
    _check_folder(source, out)
    sheet, results = Sheet(), {}
    for job in track(jobs, len(jobs)):
        results[job.source] = _make_safe(job, out, key, whole, say, sheet)
    report = Report(sorted(results.values(), key=lambda result: result.file))
    if table is not None:
        _write_table(table, source.parent, results, key, out / "cohort.csv")
    for name, text in (("txt", report.text()), ("json", report.json())):
        _write(out / f"deidentified.{name}", text)
    _write(out / "look.html", sheet.html())
    return report, _write_names(jobs, results, out, key)


def _plan(source: Path, key: bytes) -> tuple[pd.DataFrame | None, list[Job]]:
    if not source.exists():
        raise FibrolibError(f"{source}: there is no such file or folder.")
    if source.suffix.lower() in TABLES and source.is_file():
        table = read_files_table(source)
        return table, jobs_of_table(table, source.parent, key)
    return None, jobs_of_folder(source, key)


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


def _make_safe(job: Job, out: Path, key: bytes, whole: bool, say: Callable[[str], object], sheet: Sheet) -> FileResult:
    try:
        kind = _kind(job)
        if not kind:
            return FileResult(job.name, "left out", reason="it is no picture or video")
        name = f"{job.name}{_ENDINGS[kind]}"
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if job.mask:
            write_clean_mask(job.source, out / name)
            return FileResult(name, "written", kind)
        picture = find_picture(job.source, whole)
        removed, look = _write_picture(job, out / name, kind, picture, key)
    except RefusedError as refusal:
        say(f"{job.source}: not written: {refusal}.")
        return FileResult(job.name, "refused", reason=str(refusal))
    except VideoError as error:
        say(str(error))
        return FileResult(job.name, "refused", reason="it cannot be read")
    except OSError as error:
        raise FibrolibError(f"{out / job.name}: the copy cannot be written ({error.strerror or error}).") from error
    sheet.add(name, picture.brightest)
    return FileResult(name, "written", kind, dict(removed), round(picture.kept, 4), (*picture.look, *look))


def _kind(job: Job) -> str:
    """What a file is, by its content; empty where it is no picture."""
    suffix = job.source.suffix.lower()
    if job.mask:
        return "arrays of a mask" if suffix == ".npz" else "mask"
    if job.source.is_dir():
        return "video"
    try:
        if is_dicom(job.source):
            return "dicom"
    except OSError as error:
        raise VideoError(f"{job.source}: the file cannot be read ({error.strerror}).") from error
    if is_still(job.source):
        return "image"
    return "video" if suffix in MEDIA_SUFFIXES - {".json", ".npz"} else ""


def _write_picture(
    job: Job, target: Path, kind: str, picture: Picture, key: bytes
) -> tuple[Counter[str], tuple[str, ...]]:
    """Write the copy; return what was removed, and what a person must look at."""
    if kind == "dicom":
        return write_clean_dicom(job.source, target, picture, key, job.patient), ()
    if kind == "image":
        return write_clean_image(job.source, target, picture)
    return write_clean_video(job.source, target, picture), ()


def _write_table(table: pd.DataFrame, root: Path, results: dict[Path, FileResult], key: bytes, path: Path) -> None:
    """The cohort table with pseudonyms and new names; rows whose video was refused are left out."""
    new = table[[name for name in (*REQUIRED, *OPTIONAL) if name in table]].copy()
    new["patient_id"] = [pseudonym(key, "p", name) for name in table["patient_id"]]
    for column in FILES:
        if column in new:
            found = [None if name is None else results[root / name] for name in table[column]]
            new[column] = [made.file if made and made.outcome == "written" else None for made in found]
    write_cohort(new[new["video"].notna()], path)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_names(jobs: list[Job], results: dict[Path, FileResult], out: Path, key: bytes) -> Path:
    """The list of new and old names, for the user alone."""
    rows = [{"new": results[job.source].file, "patient": job.patient, "old": str(job.source)} for job in jobs]
    path = private_folder() / "deidentified" / f"{pseudonym(key, 'out', str(out))}.csv"
    return write_private(path, pd.DataFrame(rows, columns=["new", "patient", "old"]).to_csv(index=False))
