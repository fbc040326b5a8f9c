"""Names of run folders: what was asked for, and nothing that could tell who a patient is."""

from __future__ import annotations

import getpass
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fibrolib.cohort.parsing import read_text_table
from fibrolib.errors import FibrolibError
from fibrolib.privacy import find_table
from fibrolib.study.cache import digest
from fibrolib.study.profiles import BUILT_IN, Profile
from fibrolib.study.request import Request

__all__ = ["cohort_label", "with_run_folder"]

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


def with_run_folder(request: Request, reference: str, profile: Profile) -> Request:
    """A request whose run folder is named: the one given, or one of its own.

    Two requests that differ in anything never share a folder of their own: a cohort's name is followed by a part of its
    reference, and the name of a profile's file by a hash of its content.

    Parameters
    ----------
    request : Request
        What is asked for.
    reference : str
        What stands for the cohort's table (`fibrolib.privacy.register`); empty for the virtual cohort.
    profile : Profile
        The profile that the request names.
    """
    if request.out:
        return request
    name = request.profile
    if name not in BUILT_IN:
        name = f"{_plain(Path(name).stem) or 'profile'}-{digest(profile.as_dict())[:6]}"
    parts = [_cohort(reference), name, f"cutoff{request.cutoff}", f"seed{request.seed}"]
    return replace(request, out=f"reports/{'-'.join(parts)}")


def _cohort(reference: str) -> str:
    if not reference:
        return "virtual"
    label = cohort_label(find_table(reference))
    return f"{label}-{reference.removeprefix('cohort-')[:6]}" if label else reference


def cohort_label(table: Path) -> str:
    """A cohort's name for a folder, from its file or its folder; empty where that could tell who somebody is.

    It could, if it holds a date, a long number, the name of this user, one of the table's patients, or what may be a
    person's name: a word in capital letters, or two words that are not of the field. So could the folder of a single
    patient.
    """
    name = table.parent.name if table.stem == "cohort" else table.stem
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
    try:
        patients = read_text_table(table).get("patient_id", pd.Series(dtype=object)).dropna().unique()
    except FibrolibError:
        return True  # a table that cannot be read ends the run; until then it is behind its reference
    ids = {_plain(patient) for patient in patients}
    return len(ids) < 2 or any(len(name) > 2 and name in label for name in ids)
