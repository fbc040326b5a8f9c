"""A user's own cohort in a study: its check, its pseudonyms, and a name for the run folder that tells of no patient."""

from __future__ import annotations

import getpass
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fibrolib.checking import CheckReport, check_cohort
from fibrolib.cohort import Cohort, inspect_cohort, table_file
from fibrolib.cohort.columns import FILES, VIRTUAL_PREFIX
from fibrolib.cohort.parsing import read_text_table
from fibrolib.cohort.schema import is_there
from fibrolib.diagnostics import Diagnostic
from fibrolib.errors import FibrolibError
from fibrolib.privacy import find_table, is_reference, open_cohort, private_folder, register
from fibrolib.study.cache import digest
from fibrolib.study.profiles import BUILT_IN, Profile
from fibrolib.study.request import _INSIDE, Request, _from_project
from fibrolib.study.runfolder import RunFolder
from fibrolib.video import file_digest
from fibrolib.workers import n_workers

_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a all and b biopsy bmode c center centre clinic clip clips cohort cohorts data dataset demo dicom disease
        elastography example export exports external fibrosis first hbv hcv hospital image images internal liver livers
        lung lungs mash masld mine my nafld nash new of old our own patient patients pilot prospective retrospective run
        sample second series set site small stage staging studies study swe table test third train training ultrasound
        university us validation video videos virtual ward""",
    )
)
"""Words in the name of a cohort that are nobody's."""

_DATE_OR_NUMBER = re.compile(r"\d{5,}|\d{1,4}[-_. ]\d{1,2}[-_. ]\d{1,4}")


def _name_run_folder(request: Request, reference: str, profile: Profile) -> Request:
    """A request whose run folder is named: the one given, or one that no different request shares.

    A cohort's name is followed by a part of its reference, the name of a profile's file by a hash of its content.
    """
    if request.out:
        return request
    name = request.profile
    if name not in BUILT_IN:
        name = f"{_plain(Path(name).stem) or 'profile'}-{digest(profile.as_dict())[:6]}"
    parts = [name_for_folder(reference), name, f"cutoff{request.cutoff}", f"seed{request.seed}"]
    return replace(request, out=f"reports/{'-'.join(parts)}")


def name_for_folder(reference: str) -> str:
    """What a cohort is called in the name of a folder, with a part of its reference."""
    if not reference:
        return "virtual"
    label = _cohort_label(find_table(reference)[0])
    return f"{label}-{reference.removeprefix('cohort-')[:6]}" if label else reference


def _cohort_label(table: Path) -> str:
    """A cohort's name for a folder, from its file or its folder; empty where that could tell who somebody is.

    It could if it holds a date, a long number, a name of this user or a patient, a word in capital letters, or two
    words that are not of the field; so could the folder of a single patient.
    """
    file, _ = table_file(table)
    name = file.parent.name if file.stem == "cohort" else file.stem
    label = _plain(name)
    words = re.findall(r"[^\W\d_]{2,}", name)
    strange = [word for word in words if word.lower() not in _WORDS]
    personal = (
        not label
        or _DATE_OR_NUMBER.search(name)
        or len(strange) > 1
        or any(word != word.lower() for word in strange)
        or label == _plain(_user())
        or _names_a_patient(label, table)
    )
    return "" if personal else label


def _patient_ids(table: Path) -> list[str]:
    """Ids of a table; none of one that cannot be read, which will end the run."""
    try:
        return read_text_table(table).get("patient_id", pd.Series(dtype=object)).dropna().unique().tolist()
    except FibrolibError:
        return []


def _holds_virtual_patients(reference: str) -> bool:
    """As `Cohort.virtual`, before the cohort is opened."""
    return any(patient.startswith(VIRTUAL_PREFIX) for patient in _patient_ids(find_table(reference)[0]))


def _plain(name: str) -> str:
    """Lower-case letters of ASCII, digits and single hyphens."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:40]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        return ""


def _names_a_patient(label: str, table: Path) -> bool:
    """Whether the label holds an id of the table, or the table holds fewer than two patients."""
    ids = {_plain(patient) for patient in _patient_ids(table)}
    return len(ids) < 2 or any(len(name) > 2 and name in label for name in ids)


def _reference_of(request: Request) -> str:
    """What stands for the cohort's table in the run folder (`fibrolib.privacy.register`); empty for the virtual cohort.

    Raises `FibrolibError` where there is no such table, or the private folder lies in the run folder.
    """
    if not request.cohort:
        return ""
    if request.out:
        refuse_private_folder_in(request.run_folder)
    return request.cohort if is_reference(request.cohort) else register(_from_project(request.cohort))


def refuse_private_folder_in(folder: Path) -> None:
    """Raise where the private folder lies in a folder of results."""
    if private_folder().is_relative_to(folder):
        raise FibrolibError(
            f"{private_folder()}: the private folder, which tells who is who, lies in the run folder "
            f"{folder}, which is made to be shared. Choose another for one of them."
        )


def _open_own_cohort(reference: str, request: Request, diagnostics: Sequence[Diagnostic]) -> Cohort:
    """A cohort behind pseudonyms (`open_cohort`).

    In an executed copy, whose traceback stays in the run folder, an unreadable table's error names nothing.
    """
    try:
        return open_cohort(reference, request.cutoff, diagnostics=diagnostics)
    except FibrolibError:
        if request.out != _INSIDE:
            raise
    raise FibrolibError("The cohort table can no longer be read. 'fibrolib check' on it tells why.")


def request_for_copies(request: Request, reference: str, profile: Profile, folder: RunFolder) -> Request:
    """The request as executed copies in the run folder carry it: without a path, which might name a patient.

    The user's private folder resolves the cohort's reference; a profile's file and the files it names are copied.
    """
    name = request.profile
    if name not in BUILT_IN:
        files = [file.path for _, file in profile.own]
        name = f"{_INSIDE}/profile/{folder.save_profile(Path(name), files).name}"
    return replace(request, cohort=reference, profile=name, out=_INSIDE)


def validate_cohort(
    reference: str,
    cutoff: int,
    profile: Profile,
    folder: RunFolder,
    track: Callable[[Iterable, int], Iterable],
    tell: Callable[[CheckReport], None] = lambda report: None,
) -> pd.DataFrame:
    """Check a user's cohort, unless the same files were checked before; write and return ``tables/check.csv``.

    ``track`` shows progress (gets results and their number, passes results on); ``tell`` is given the report of a new
    check. Raises a `FibrolibError` with all errors and warnings where there are errors. The virtual cohort needs no
    check.
    """
    table, outside = find_table(reference)

    def compute() -> pd.DataFrame:
        report = check_cohort(
            table,
            cutoff,
            clip_frames=profile.clip_frames,
            outside=outside,
            diagnostics=profile.declared,
            n_jobs=n_workers(),
            track=track,
        )
        if report.of("error"):
            raise FibrolibError(
                f"{table}: nothing was run, since the cohort has errors.\n{report.text()}\n"
                "Mend the errors and run again; fibrolib check looks at the cohort alone."
            )
        tell(report)
        return report.anonymous_table()

    cache_key = {
        "content": _content(table, cutoff, outside),
        "cutoff": cutoff,
        "clip_frames": profile.clip_frames,
        "outside": outside,
        "diagnostics": [profile.as_dict()["own"], profile.covariates],
    }
    warnings = folder.cache.get_or_compute_table("check", cache_key, compute, made_by=(check_cohort,))
    folder.save_table("check", warnings)
    return warnings


def _content(table: Path, cutoff: int, outside: bool) -> list[str]:
    """Hashes of the table and of every file that it names and that is there."""
    found = inspect_cohort(table, cutoff, outside=outside)
    names = sorted({name for column in FILES for name in found.table[column].dropna()})
    files = [file_digest(found.root / name) for name in names if is_there(found.root, name, outside)]
    file, sheet = table_file(table)
    return [file_digest(file), sheet, *files]
