"""What every cell of the cohort table must be, as a pandera schema; plain words for what is not; typed columns."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from fibrolib.cohort.columns import (
    FILES,
    NUMBERS,
    OPTIONAL,
    REQUIRED,
    VIRTUAL_PREFIX,
    _stage_number,
    meant_column,
    numbers_of,
)
from fibrolib.cohort.split import PARTS
from fibrolib.cohort.values import (
    DATES,
    READERS,
    day_first,
    days_from_biopsy,
    explain,
    possible_dates,
    steatosis,
    visit,
)
from fibrolib.diagnostics import INDICES, ColumnSpec, Diagnostic
from fibrolib.errors import Problem
from fibrolib.stages import METAVIR

DAYS = "days_from_biopsy"
_DAYS_SPEC = ColumnSpec("days", -math.inf, math.inf)

_STAGE_IN_WORDS = re.compile(r"[^\W\d_]+[\s_-]*([0-4])")
_TWO_STAGES = re.compile(r"[^\W\d_]*[\s_-]*([0-4])\s*(?:-|–|/|to|or)\s*[^\W\d_]*([0-4])", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\d+,(\d{1,2}|\d{4,})")
_THOUSANDS = re.compile(r"\d{1,3}([.,])\d{3}")
"""A thousand with a separator, or a number with three decimals: 1.050 and 182,000 may mean either."""

_WITH_UNIT = re.compile(r"(\d+(?:[.,]\d+)?)\s*([^\W\d_][^,;]*|%|[×x*].*|/\D.*|10\D.*)")
_MONTH = (
    r"(?:jan|janv|ene|feb|févr?|fev|mar|mär|mrz|mars|apr|avr|abr|may|mai|jun|juin|jul|juil|aug|août|ago|sept?|oct|okt|"
    r"nov|dec|dez|déc|dic|янв|фев|мар|апр|май|июн|июл|авг|сен|окт|ноя|дек)"
)
MADE_DATE = re.compile(
    rf"\d{{1,2}}[-. ]+{_MONTH}\.?|{_MONTH}\.?[-. ]+\d{{2,4}}|\d{{1,2}}月\d{{1,2}}日"
    r"|\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?",
    re.IGNORECASE,
)
"""What a spreadsheet makes of 1-2 or 7.1 when it takes it for a date."""

_GROUPED = re.compile(
    r"(\d{1,3})((?:[ '\u2019\u00a0\u202f]\d{3})+|(?:\.\d{3}){2,}|(?:,\d{3}){2,}|\.\d{3}(?=,)|,\d{3}(?=\.))([.,]\d+)?"
)
_NAMED_STAGES = {"no fibrosis": 0, "cirrhosis": 4, "cirrhotic": 4, "i": 1, "ii": 2, "iii": 3, "iv": 4}


def text_problems(
    text: pd.DataFrame, root: Path, outside: bool = False, diagnostics: Sequence[Diagnostic] = INDICES
) -> list[Problem]:
    """What is wrong with the columns of `read_text_table` and, where the required ones are there, with single cells."""
    if missing := _missing_columns(list(text)):
        return missing
    if text.empty:
        return [Problem("the table has no rows. Expected one per video.")]
    return [*_undeclared_columns(text, diagnostics), *_cell_problems(text, root, outside, numbers_of(diagnostics))]


def _typed_table(text: pd.DataFrame, root: Path, numbers: Collection[str]) -> pd.DataFrame:
    """Columns of the right type, in the documented order; what cannot be converted becomes NaN or None."""
    table = text.reindex(columns=list(dict.fromkeys([*REQUIRED, *OPTIONAL, *numbers, *text])))
    table = table.astype(object).where(table.notna(), None)
    number = _number_reader(text)
    for name in numbers:
        table[name] = table[name].map(number, na_action="ignore").astype(float)
    for name, read in READERS.items():
        table[name] = read(table[name])
    days = days_from_biopsy(*(table[name] for name in DATES))
    table[DAYS] = days.fillna(table[DAYS].map(number, na_action="ignore").astype(float))
    for name in FILES:
        table[name] = pd.Series([_relative(root, value) for value in table[name]], index=table.index, dtype=object)
    stages = table["stage"].map(_stage_number, na_action="ignore")
    table["stage"] = stages.astype(np.int64) if stages.notna().all() else stages
    return table


def is_there(root: Path, text: str, outside: bool = False) -> bool:
    """Whether a file named in the table exists, where it may be."""
    path = _within(root, text, outside)
    try:
        return path is not None and (path.is_file() or path.is_dir())
    except OSError:  # a name longer than the file system takes, a folder that may not be entered
        return False


def absolute(path: Path) -> Path:
    """An absolute path without ``..``; links in it are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def _missing_columns(columns: list[str]) -> list[Problem]:
    """Required columns that are not there, with names that may have been meant."""
    problems = []
    others = [column for column in columns if column not in (*REQUIRED, *OPTIONAL)]
    for name in REQUIRED:
        if name not in columns:
            candidates = " or ".join(f"'{column}'" for column in others if meant_column(column, columns) == name)
            hint = f" Is {candidates} meant? Rename it." if candidates else ""
            message = f"this required column is missing; there are: {', '.join(columns)}.{hint}"
            problems.append(Problem(message, 1, name))
    return problems


def _undeclared_columns(text: pd.DataFrame, diagnostics: Iterable[Diagnostic]) -> list[Problem]:
    """Columns of the user's own diagnostics that a table of real patients does not even have."""
    if text["patient_id"].dropna().str.startswith(VIRTUAL_PREFIX).any():
        return []  # such values need not be simulated
    return [
        Problem(
            f"this column is missing, which the {kind} {diagnostic.label} of the profile reads"
            f"{f' ({spec.unit})' * bool(spec.unit)}. Add it (a cell may be empty), or take the {kind} "
            "out of the profile.",
            1,
            name,
        )
        for diagnostic in diagnostics
        for kind in ("covariate" if diagnostic.kind == "covariate" else "diagnostic",)
        for name, spec in diagnostic.columns.items()
        if name not in NUMBERS and name not in text
    ]


def _cell_problems(text: pd.DataFrame, root: Path, outside: bool, numbers: Mapping[str, ColumnSpec]) -> list[Problem]:
    try:
        _schema(text, root, outside, numbers).validate(text, lazy=True)
    except pa.errors.SchemaErrors as errors:
        failures = errors.failure_cases[["column", "check", "failure_case", "index"]]
        return [
            Problem(_explain(column, check, value, root, numbers), int(line), column)
            for column, check, value, line in failures.itertuples(index=False)
        ]
    return []


def _schema(text: pd.DataFrame, root: Path, outside: bool, numbers: Mapping[str, ColumnSpec]) -> pa.DataFrameSchema:
    def check(name: str, rule: Callable[[str], bool]) -> pa.Check:
        return pa.Check(rule, name=name, element_wise=True)

    def there(value: str) -> bool:
        return _within(root, value, outside) is None or is_there(root, value, outside)

    number = _number_reader(text)

    def is_number(value: str, low: float) -> bool:
        return (found := number(value)) is not None and (found > 0 or found >= low)

    def one_date(value: str, order: bool | None) -> bool:
        return len(possible_dates(value, order)) == 1

    inside = check("inside", lambda value: _within(root, value, outside) is not None)
    file_rules = [inside, check("exists", there)]
    rules = {
        "patient_id": [],
        "stage": [check("stage", lambda value: _stage_number(value) in METAVIR)],
        "split": [check("split", lambda value: value in PARTS)],
        **{n: [check("number", partial(is_number, low=spec.low))] for n, spec in numbers.items()},
        DAYS: [check("number", partial(is_number, low=-math.inf))],
        "steatosis": [check("further", lambda value: steatosis(value) is not None)],
        "visit": [check("further", lambda value: visit(value) is not None)],
        **{n: [check("further", partial(one_date, order=day_first(text[n])))] for n in DATES if n in text},
        **dict.fromkeys(FILES, file_rules),
        "roi": [*file_rules, check("file", lambda value: not there(value) or not absolute(root / value).is_dir())],
    }
    present = {name: checks for name, checks in rules.items() if name in text}
    return pa.DataFrameSchema(
        {name: pa.Column(checks=checks, nullable=name not in REQUIRED) for name, checks in present.items()}
    )


def _number(text: str) -> float | None:
    """A finite number, or None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _number_reader(text: pd.DataFrame) -> Callable[[str], float | None]:
    """`_number`; but where a table has decimal commas, 1.050 may be a thousand, and is no number."""
    if not text.attrs.get("decimal_comma"):
        return _number
    return lambda value: None if _THOUSANDS.fullmatch(value) else _number(value)


def _within(root: Path, text: str, outside: bool = False) -> Path | None:
    """The absolute path of a file named in the table, or None where it would leave its folder and may not."""
    path = absolute(root / text)
    return path if outside or path.is_relative_to(absolute(root)) else None


def _relative(root: Path, value: str | None) -> str | None:
    """One spelling per file: ``a/../b.mp4`` and ``./b.mp4`` are ``b.mp4``."""
    path = None if value is None else _within(root, value)
    return value if path is None else path.relative_to(root).as_posix()


def _explain(column: str, check: str, value: str | None, root: Path, numbers: Mapping[str, ColumnSpec]) -> str:
    """What is wrong with a cell that fails a check, and what to write."""
    match check:
        case "not_nullable":
            return "this cell is empty. Every row needs one."
        case "number":
            return _explain_number(value, numbers.get(column, _DAYS_SPEC))
        case "further":
            return explain(column, value)
        case "stage":
            return _explain_stage(value)
        case "split":
            parts = f"{', '.join(PARTS[:-1])} or {PARTS[-1]}"
            return f"'{value}' is no part of the split: write {parts}, or leave the column out."
        case "inside":
            return (
                f"'{value}' leaves the folder of the table, {root}, and is not opened. Move the file (or put a link to "
                "it) into that folder and write the path from there, or allow files outside."
            )
        case "exists":
            hint = " and written with / and not \\" if "\\" in value else ""
            near = _near_file(root, value)
            return f"there is no file {absolute(root / value)}. Paths are relative to the table{hint}.{near}"
    return f"'{value}' is a folder: a mask is one file: an image, a LabelMe .json or .npz."


def _explain_stage(value: str) -> str:
    in_words, two = _STAGE_IN_WORDS.fullmatch(value), _TWO_STAGES.fullmatch(value)
    if MADE_DATE.fullmatch(value):
        return f"'{value}' is no whole number but a date, which a spreadsheet made of it, perhaps of 1-2: look it up."
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
    if _stage_number(value) is None:
        return f"'{value}' is no whole number: write one stage, 0 to 4."
    return f"stage {value} is outside 0 to 4 (METAVIR). Translate other scales first."


def _explain_number(value: str, spec: ColumnSpec) -> str:
    fault = "is no number" if _number(value) is None else "is not above 0"
    bare = value.lstrip("<>≤≥= ")
    if _THOUSANDS.fullmatch(value):
        whole, decimal = re.sub("[.,]", "", value), float(value.replace(",", "."))
        fault = (
            f"is no number that can be read for sure: write {whole} if '{value[-4]}' separates "
            f"thousands, {decimal:g} if it is the decimal point"
        )
    elif grouped := _GROUPED.fullmatch(value):
        plain = re.sub(r"\D", "", grouped[1] + grouped[2]) + (grouped[3] or "").replace(",", ".")
        fault += f" without its separators of thousands: write {plain}"
    elif MADE_DATE.fullmatch(value):
        fault += ": a spreadsheet has turned it into a date. Look up what it was, and format the column as text"
    elif (with_unit := _WITH_UNIT.fullmatch(value)) and _number(with_unit[1].replace(",", ".")):
        bare, convert = with_unit[1].replace(",", "."), spec.converter(with_unit[2])
        if convert:
            fault += f" alone: write {round(convert(float(bare)), 2):g}"
        else:
            fault += f" alone: write {bare} without '{with_unit[2]}', if that is the unit expected"
    elif _DECIMAL_COMMA.fullmatch(value):
        fault += f" with a decimal point: write {value.replace(',', '.')}"
    elif value[:1] in "<>≤≥" and _number(bare):
        fault += f" but a limit of detection: write {bare} and note it elsewhere"
    expected = f"{spec.unit}, a number alone" if spec.unit else "a number alone"
    return f"'{value}' {fault}. Expected {expected}; leave the cell empty where it is unknown."


def _near_file(root: Path, value: str) -> str:
    """A file whose name differs in case, in the Unicode form of its accents, or in its ending only, as a sentence."""
    folder = root
    for part in Path(value.replace("\\", "/")).parts:
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError:
            return ""
        similar = [name for name in names if _same_letters(name, part)]
        similar = similar or [name for name in names if _same_letters(Path(name).stem, part)]
        similar = similar or [name for name in names if _same_letters(Path(name).stem, Path(part).stem)]
        if part not in names and len(similar) != 1:
            return ""
        folder = folder / (part if part in names else similar[0])
    near = folder.relative_to(root).as_posix()
    if unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", value):
        return f" There is '{near}', whose accents are stored in another Unicode form: copy the name from the file."
    return f" There is '{near}': is it meant?"


def _same_letters(one: str, other: str) -> bool:
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()
