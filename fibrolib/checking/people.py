"""Patients: one written in two ways, two that are one, and what tells who they are."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

import pandas as pd

from fibrolib.checking.findings import Finding
from fibrolib.cohort.aliases import folded, meant_column
from fibrolib.cohort.columns import NUMBERS, OPTIONAL, REQUIRED, VIRTUAL_FURTHER, VIRTUAL_PREFIX

__all__ = ["column_findings", "patient_findings"]

_IDENTIFYING = {
    "name", "surname", "firstname", "lastname", "patientname", "familyname", "givenname", "initials", "address",
    "birthdate", "dateofbirth", "dob", "phone", "telephone", "email", "mrn", "ssn", "insurancenumber",
    "nachname", "vorname", "geburtsdatum", "adresse", "telefon", "nom", "prenom", "datedenaissance", "telefono",
    "apellido", "apellidos", "nombre", "fechadenacimiento", "direccion", "姓名", "出生日期", "身份证号", "电话", "地址",
}  # fmt: skip
"""Names of columns, as `folded` gives them."""

_MANGLED = re.compile(r"\d(\.\d+)?E\+?\d+|#[A-Z/0]+[!?]?", re.IGNORECASE)
_TWO_WORDS = re.compile(r"[^\W\d_]{2,}[ ,^]+[^\W\d_]{2,}")
_DATE = re.compile(
    r"(?<!\d)((19|20)\d\d[-./]?(0[1-9]|1[0-2])[-./]?(0[1-9]|[12]\d|3[01])|\d\d?\.\d\d?\.(19|20)\d\d)(?!\d)"
)
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_VALUES_IN_COMMON = 4  # *assumption*: so many equal laboratory values are no chance


def column_findings(columns: Iterable[str], virtual: bool = False, numbers: Collection[str] = NUMBERS) -> list[Finding]:
    """Columns that tell who a patient is, and those that the study does not read, with what they may be meant for.

    A column that stands for a required one that is missing is told with the error.

    Parameters
    ----------
    columns : iterable of str
        All columns of the table.
    virtual : bool
        Whether the patients are virtual: their table has further columns that nobody put there.
    numbers : collection of str
        Columns of numbers that the study reads.
    """
    columns = list(columns)
    known = {*REQUIRED, *OPTIONAL, *numbers, *(VIRTUAL_FURTHER if virtual else ())}
    others = [name for name in columns if name not in known]
    identifying = [name for name in others if folded(name) in _IDENTIFYING]
    message = "this column tells who a patient is; nothing here needs it. Delete it."
    findings = [Finding("warning", "identifying-column", message, (1,), name) for name in identifying]
    meant = {name: meant_column(name, columns) for name in others if name not in identifying}
    unused = [name for name, column in meant.items() if column not in REQUIRED or column in columns]
    if unused:
        told = ", ".join(_told(name, meant[name], columns) for name in unused)
        count = f"{len(unused)} columns are" if len(unused) > 1 else "1 column is"
        message = f"{count} not read by the study: {told}."
        findings.append(Finding("warning", "unused-columns", message, quoted=tuple(filter(None, unused))))
    return findings


def _told(column: str, meant: str | None, columns: list[str]) -> str:
    name = f"'{column}'" if column else "one without a name"
    if meant is None:
        return name
    return f"{name} ('{meant}' is read instead)" if meant in columns else f"{name} (is '{meant}' meant? Rename it)"


def patient_findings(table: pd.DataFrame, numbers: Collection[str] = NUMBERS) -> list[Finding]:
    """Patients under two names, names that are people's, virtual patients among real ones.

    Parameters
    ----------
    table : DataFrame
        Typed, indexed by line.
    numbers : collection of str
        Columns of numbers.
    """
    same = _same_values(table, numbers)
    return [*_one_written_twice(table), *_telling_ids(table), *same, *_mixture(table), *_sexes(table)]


def _lines(table: pd.DataFrame, patients: Iterable[str]) -> tuple[int, ...]:
    return tuple(int(line) for line in table.index[table["patient_id"].isin(set(patients))])


def _quotes(texts: Iterable[str], between: str) -> str:
    return between.join(f"'{text}'" for text in texts)


def _groups(values: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    """Different spellings with the same key."""
    groups = defaultdict(list)
    for value in dict.fromkeys(values):
        groups[key(value)].append(value)
    return [group for group in groups.values() if len(group) > 1]


def _folded(identifier: str) -> str:
    """An identifier without case, zeros in front of numbers, spaces, punctuation and typographic variants."""
    text = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", identifier).casefold())
    return "".join(_LEADING_ZEROS.sub("", part) + " " * part[-1:].isdigit() for part in text.split())


def _one_written_twice(table: pd.DataFrame) -> list[Finding]:
    return [
        Finding(
            "warning",
            "patient-spelt-twice",
            f"{_quotes(group, ' and ')} look like one patient. If they are, write one name: "
            "else the same patient may be trained on and tested.",
            _lines(table, group),
            "patient_id",
            quoted=tuple(group),
        )
        for group in _groups(table["patient_id"].dropna(), _folded)
    ]


def _telling_ids(table: pd.DataFrame) -> list[Finding]:
    rules = {
        "mangled-id": (_MANGLED.fullmatch, "a spreadsheet has changed this number; several patients may now be one."),
        "identifying-id": (_TWO_WORDS.search, "this looks like a person's name. Use a pseudonym."),
        "date-in-id": (_DATE.search, "this holds a date, which can tell who a patient is. Use a pseudonym."),
    }
    findings = []
    for kind, (matches, message) in rules.items():
        lines = tuple(int(line) for line, name in table["patient_id"].dropna().items() if matches(name))
        if lines:
            findings.append(Finding("warning", kind, message, lines, "patient_id"))
    return findings


def _same_values(table: pd.DataFrame, numbers: Collection[str]) -> list[Finding]:
    """Two patients with the same clinical values, all of them."""
    patients = table.groupby("patient_id")[list(numbers)].first()
    patients = patients[patients.notna().sum(axis=1) >= _VALUES_IN_COMMON]
    groups = patients.astype(object).where(patients.notna(), None).apply(tuple, axis=1)
    return [
        Finding(
            "warning",
            "same-values",
            f"{_quotes(same.index, ' and ')} have all clinical values in common. Are they one patient, or was a row "
            "copied?",
            _lines(table, same.index),
            quoted=tuple(same.index),
        )
        for _, same in groups.groupby(groups)
        if len(same) > 1 and len(same) < max(3, len(groups) / 2)  # else whole columns were filled down: told elsewhere
    ]


def _mixture(table: pd.DataFrame) -> list[Finding]:
    virtual = table["patient_id"].dropna().str.startswith(VIRTUAL_PREFIX)
    if virtual.all() or not virtual.any():
        return []
    fewer = virtual if virtual.sum() <= (~virtual).sum() else ~virtual
    message = "virtual patients among real ones: every result would be marked as virtual. Keep them apart."
    return [Finding("warning", "mixture", message, tuple(int(line) for line in fewer.index[fewer]), "patient_id")]


def _sexes(table: pd.DataFrame) -> list[Finding]:
    """``f``, ``F`` and ``female`` in one column are counted as three."""
    return [
        Finding(
            "warning",
            "spelt-variously",
            f"{_quotes(group, ', ')} are counted apart. Write all the same way.",
            tuple(int(line) for line in table.index[table["sex"].isin(group[1:])]),
            "sex",
            quoted=tuple(group),
        )
        for group in _groups(table["sex"].dropna().astype(str), lambda value: value.casefold()[:1])
    ]
