"""Patient identifiers that a spreadsheet has changed, or that tell who a patient is."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from fibrolib.checking.report import _Finding
from fibrolib.cohort.columns import IDENTIFYING, meant_column
from fibrolib.cohort.schema import MADE_DATE

_EXPONENT = re.compile(r"\d([.,]\d+)?E\+?\d+|#[A-Z/0]+[!?]?", re.IGNORECASE)
_ROUNDED = re.compile(r"[1-9]\d{14}0+")
"""Spreadsheet programs keep 15 digits of a number, and write zeros for the rest."""

_DATE = re.compile(
    r"(?<!\d)((19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])|(19|20)\d\d[-./年](0?[1-9]|1[0-2])[-./月]"
    r"(0?[1-9]|[12]\d|3[01])|\d\d?[-./]\d\d?[-./](19|20)\d\d)(?!\d)"
)
_TWO_WORDS = re.compile(
    r"[^\W\d_]{2,}[ ,^]+[^\W\d_]{2,}|[^\W\d_]{2,}, ?[^\W\d_]\.?|(?<!\w)[^\W\d_]\. ?[^\W\d_]{2,}"
    r"|(?<!\w)(?!Site|Group|Cent|Ward|Control|Case|Patient)[A-Z][a-z]{2,}[_.][A-Z][a-z]{2,}(?!\w)"
)
_EAST_ASIAN_NAME = re.compile(r"[\u3400-\u9fff々·・\u3040-\u30ff\uac00-\ud7a3 \u3000]{2,12}")
_CYRILLIC_NAME = re.compile(r"[А-ЯЁІЇЄ][а-яёіїє]{2,}([ .]*[А-ЯЁІЇЄ][а-яёіїє.]*)*")
_NO_NAME = re.compile(
    r"患者|病人|病例|受试|受試|对照|對照|编号|編號|样本|志愿|健康|被験|症例|対照|환자|대상|정상|пациент|больн|контрол|случай|здоров",
    re.IGNORECASE,
)
"""Words of pseudonyms in scripts in which a name is one word."""

_IDENTITY_NUMBERS = [
    re.compile(pattern)
    for pattern in (
        r"\d{6}-[1-8]\d{6}",  # Korea
        r"\d{3}-\d{2}-\d{4}",  # United States
        r"\d{3}-\d{3}-\d{3}[ -]\d{2}",  # Russia
        r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]",  # Italy
        r"\d{8}[A-HJ-NP-TV-Z]|[XYZ]\d{7}[A-Z]",  # Spain
        r"[12]\d{2}(0[1-9]|1[0-2])(\d{2}|2[AB])\d{6}(\d{2})?",  # France
        r"(19|20)?\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])[-+]\d{4}",  # Sweden
        r"(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d{2}[-+A]\d{3,4}[0-9A-Z]?",  # Denmark, Finland
        r"[A-Z][12]\d{8}",  # Taiwan
    )
]


def _identifier_findings(text: pd.DataFrame) -> list[_Finding]:
    """Identifiers, by kind of fault with all their lines, and other columns that hold identity numbers."""
    findings = []
    for kind, applies, message in _RULES:
        lines = [line for line, name in text["patient_id"].dropna().items() if applies(name)]
        if lines:
            findings.append(_Finding("warning", kind, message, lines, "patient_id"))
    for column in text.columns.difference(["patient_id"]):
        values = text[column].dropna()
        telling = values.map(_is_identity_number).astype(bool)
        if meant_column(column) != IDENTIFYING and telling.sum() > len(values) / 2:
            message = "this column holds identity numbers; nothing here needs it. Delete it."
            findings.append(_Finding("warning", "identifying-column", message, (1,), column))
    return findings


def _is_identity_number(text: str) -> bool:
    """One of `_IDENTITY_NUMBERS`, or a Chinese one: 18 digits (the last may be rounded) with the date of birth."""
    if re.fullmatch(r"[1-9]\d{16}[\dXx]", text):
        birth = pd.to_datetime(text[6:14], format="%Y%m%d", errors="coerce")
        return bool(birth.year >= 1900)
    return any(pattern.fullmatch(text) for pattern in _IDENTITY_NUMBERS)


def _is_name(text: str) -> bool:
    """Two words, or one in a script in which names are written without a space; pseudonyms hold digits."""
    if _NO_NAME.search(text) or re.search(r"\d", text):
        return _TWO_WORDS.search(text) is not None and not _NO_NAME.search(text)
    patterns = (_EAST_ASIAN_NAME.fullmatch, _CYRILLIC_NAME.fullmatch, _TWO_WORDS.search)
    return any(matches(text) for matches in patterns)


_SEVERAL = "several patients may now be one. Take the identifiers from their source again, as text."
_RULES: tuple[tuple[str, Callable[[str], object], str], ...] = (
    ("mangled-id", _EXPONENT.fullmatch, "a spreadsheet has changed this number; several patients may now be one."),
    ("mangled-id", _ROUNDED.fullmatch, f"a spreadsheet has rounded this number to 15 digits: {_SEVERAL}"),
    (
        "mangled-id",
        lambda name: MADE_DATE.fullmatch(name) and not re.fullmatch(r"[\d-]+", name),
        f"a spreadsheet has turned this identifier into a date; {_SEVERAL}",
    ),
    (
        "id-like-missing",
        lambda name: name.lower() in {"na", "n/a", "nan", "none", "null", "-", "?"},
        "this was read as the identifier of one patient. Where it means 'not known', give each patient an identifier.",
    ),
    ("identifying-id", _is_identity_number, "this identity number tells who a patient is. Use a pseudonym."),
    ("identifying-id", _is_name, "this looks like a person's name. Use a pseudonym."),
    ("date-in-id", _DATE.search, "this holds a date, which can tell who a patient is. Use a pseudonym."),
)
"""What an identifier must not be: the kind of finding, whether it applies, and what it says."""
