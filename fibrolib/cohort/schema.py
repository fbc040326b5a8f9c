"""What every cell of the cohort table must be, as a pandera schema, and plain words for what is not."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from fibrolib.cohort.aliases import meant_column, unaccented
from fibrolib.cohort.columns import FILES, NUMBERS, OPTIONAL, REQUIRED, VIRTUAL_PREFIX
from fibrolib.cohort.split import PARTS
from fibrolib.diagnostics import ColumnSpec, Diagnostic
from fibrolib.errors import Problem
from fibrolib.stages import METAVIR

__all__ = [
    "absent_column_problems",
    "absolute",
    "cell_problems",
    "column_problems",
    "is_there",
    "number",
    "stage_number",
    "whole_number",
    "within",
]

_STAGE_WORD = (
    r"(?:metavir(?:[\s-]*score)?|fibrosegrad|stade\s+de\s+fibrose|estadio\s+de\s+fibrosis|grado\s+de\s+fibrosis|fibrosis|"
    r"fibrose|stage|stadium|stade|estadio|肝?纤维化|分期|f|s)"
)
_ONE_STAGE = rf"(?:{_STAGE_WORD}(?:[\s_:=.]*|-))*([0-4])(?:\.0*)?\s*期?"
_SAID_STAGE = re.compile(rf"{_ONE_STAGE}(?:\s*[(\[]\s*{_ONE_STAGE}\s*[)\]])?")
"""A stage, with words that say no more than that it is one, and perhaps the same again in brackets: ``2 (F2)``."""

_STAGE_IN_WORDS = re.compile(r"[^\W\d_]+[\s_-]*([0-4])")
_TWO_STAGES = re.compile(r"[^\W\d_]*[\s_-]*([0-4])\s*(?:-|–|/|to|or)\s*[^\W\d_]*([0-4])", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\d+,(\d{1,2}|\d{4,})")  # 182,000 may mean either
_NAMED_STAGES = {"no fibrosis": 0, "cirrhosis": 4, "cirrhotic": 4, "i": 1, "ii": 2, "iii": 3, "iv": 4}


def column_problems(columns: list[str]) -> list[Problem]:
    """Required columns that are not there, with names that may have been meant."""
    problems = []
    others = [column for column in columns if column not in (*REQUIRED, *OPTIONAL)]
    for name in REQUIRED:
        if name not in columns:
            like = " or ".join(f"'{column}'" for column in others if meant_column(column, columns) == name)
            meant = f" Is {like} meant? Rename it." if like else ""
            problems.append(
                Problem(f"this required column is missing; there are: {', '.join(columns)}.{meant}", 1, name)
            )
    return problems


def absent_column_problems(text: pd.DataFrame, diagnostics: Iterable[Diagnostic]) -> list[Problem]:
    """Columns of the user's own diagnostics that a table of real patients does not even have."""
    if text["patient_id"].dropna().str.startswith(VIRTUAL_PREFIX).any():
        return []  # of whom such values need not be simulated
    return [
        Problem(
            f"this column is missing, which the diagnostic {diagnostic.label} of the profile reads "
            f"({spec.unit}). Add it (a cell may be empty), or take the diagnostic out of the profile.",
            1,
            name,
        )
        for diagnostic in diagnostics
        for name, spec in diagnostic.columns.items()
        if name not in NUMBERS and name not in text
    ]


def cell_problems(
    text: pd.DataFrame, root: Path, outside: bool = False, numbers: Mapping[str, ColumnSpec] = NUMBERS
) -> list[Problem]:
    """Everything wrong with single cells.

    Parameters
    ----------
    text : DataFrame
        From `read_text_table`: text or None, indexed by line.
    root : Path
        The table's folder.
    outside : bool
        Whether files may lie outside of it.
    numbers : mapping of str to ColumnSpec
        Columns of positive numbers.
    """
    try:
        _schema(text, root, outside, numbers).validate(text, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        found = zip(cases["column"], cases["check"], cases["failure_case"], cases["index"], strict=True)
        return [
            Problem(_explain(column, check, value, root, numbers), int(line), column)
            for column, check, value, line in found
        ]
    return []


def number(text: str) -> float | None:
    """A finite number, or None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def whole_number(text: str) -> int | None:
    """A whole number (2 and 2.0), or None where the text is none."""
    value = number(text)
    return int(value) if value is not None and value.is_integer() else None


def stage_number(text: str) -> int | None:
    """The number of a stage: a whole number, or one in words that leave no doubt (``F2``, ``Stadium 2``, ``2 (F2)``).

    Other scales (``Ishak 2``) and other things than stages (``A2``, an activity) are not understood.
    """
    whole = whole_number(text)
    said = _SAID_STAGE.fullmatch(unaccented(text)) if whole is None else None
    return int(said[1]) if said and said[2] in (None, said[1]) else whole


def within(root: Path, text: str, outside: bool = False) -> Path | None:
    """The absolute path of a file named in the table, or None where it would leave the table's folder and may not.

    Links are not followed: one that somebody put into the folder is meant.
    """
    path = absolute(root / text)
    return path if outside or path.is_relative_to(absolute(root)) else None


def is_there(root: Path, text: str, outside: bool = False) -> bool:
    """Whether a file named in the table exists, where it may be."""
    path = within(root, text, outside)
    return path is not None and _exists(path)


def absolute(path: Path) -> Path:
    """An absolute path without ``..``; links in it are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _schema(text: pd.DataFrame, root: Path, outside: bool, numbers: Mapping[str, ColumnSpec]) -> pa.DataFrameSchema:
    def check(name: str, rule: Callable[[str], bool]) -> pa.Check:
        return pa.Check(rule, name=name, element_wise=True)

    def there(value: str) -> bool:
        return within(root, value, outside) is None or is_there(root, value, outside)

    file_rules = [
        check("inside", lambda value: within(root, value, outside) is not None),
        check("exists", there),
    ]
    rules = {
        "patient_id": [],
        "stage": [check("stage", lambda value: stage_number(value) in METAVIR)],
        "split": [check("split", lambda value: value in PARTS)],
        **{name: [check("number", lambda value: (number(value) or 0) > 0)] for name in numbers},
        **dict.fromkeys(FILES, file_rules),
        "roi": [*file_rules, check("file", lambda value: not there(value) or not absolute(root / value).is_dir())],
    }
    present = {name: checks for name, checks in rules.items() if name in text}
    return pa.DataFrameSchema(
        {name: pa.Column(checks=checks, nullable=name not in REQUIRED) for name, checks in present.items()}
    )


def _exists(path: Path) -> bool:
    try:
        return path.is_file() or path.is_dir()
    except OSError:  # a name longer than the file system takes, a folder that may not be entered
        return False


def _explain(column: str, check: str, value: str | None, root: Path, numbers: Mapping[str, ColumnSpec]) -> str:
    if check == "not_nullable":
        return "this cell is empty. Every row needs one."
    if check == "number":
        return _explain_number(value, numbers[column].unit)
    return {
        "inside": _explain_outside,
        "exists": _explain_missing_file,
        "file": _explain_folder,
        "stage": _explain_stage,
        "split": _explain_split,
    }[check](value, column, root)


def _explain_outside(value: str, column: str, root: Path) -> str:
    return (
        f"'{value}' leaves the folder of the table, {root}, and is not opened. "
        "Move the file (or put a link to it) into that folder and write the path from there, or allow files outside."
    )


def _explain_missing_file(value: str, column: str, root: Path) -> str:
    hint = "Paths are relative to the table"
    hint += " and written with / and not \\." if "\\" in value else "."
    return f"there is no file {absolute(root / value)}. {hint}"


def _explain_folder(value: str, column: str, root: Path) -> str:
    return f"'{value}' is a folder: a mask is one file: an image, a LabelMe .json or .npz."


def _explain_stage(value: str, column: str, root: Path) -> str:
    in_words, two = _STAGE_IN_WORDS.fullmatch(value), _TWO_STAGES.fullmatch(value)
    named = _NAMED_STAGES.get(unicodedata.normalize("NFKC", value).casefold().removeprefix("f"))
    if named is not None:
        return f"'{value}' is a stage in words: write {named}."
    if in_words:
        return f"'{value}' may not be a stage of 0 to 4 (METAVIR): write {in_words[1]} if that is what it says."
    if two:
        return (
            f"'{value}' is no whole number but two stages, {two[1]} and {two[2]}: write one of them, by the same rule "
            "for all patients, or leave the patient out."
        )
    if whole_number(value) is None:
        return f"'{value}' is no whole number: write one stage, 0 to 4."
    return f"stage {value} is outside 0 to 4 (METAVIR). Translate other scales first."


def _explain_split(value: str, column: str, root: Path) -> str:
    return f"'{value}' is no part of the split: write {', '.join(PARTS[:-1])} or {PARTS[-1]}, or leave the column out."


def _explain_number(value: str, unit: str) -> str:
    fault = "is no number" if number(value) is None else "is not above 0"
    if _DECIMAL_COMMA.fullmatch(value):
        fault += f" with a decimal point: write {value.replace(',', '.')}"
    elif value[:1] in "<>≤≥" and number(value.lstrip("<>≤≥= ")):
        fault += f" but a limit of detection: write {value.lstrip('<>≤≥= ')} and note it elsewhere"
    return f"'{value}' {fault}. Expected {unit}, a number alone; leave the cell empty where it is not known."
