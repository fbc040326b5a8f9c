"""Get the table off the disk as text, each row with the line it stands on: one function per file format."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from fibrolib.cohort.columns import NUMBERS
from fibrolib.errors import CohortError, FibrolibError, Problem, counted

_MISSING = {"", "na", "n/a", "#n/a", "nan", "none", "null"}


def read_text_table(path: Path, numbers: Collection[str] = NUMBERS) -> pd.DataFrame:
    """Read CSV or Parquet; every cell stripped text, or None where it is empty.

    The index is the line of each row as a text editor counts it (for Parquet: as if it were CSV). In the columns
    `numbers` a spreadsheet may have written decimal commas. A `CohortError` says what is no table.
    """
    if not path.is_file():
        raise FibrolibError(
            f"{path}: there is no such cohort table. Expected a CSV or Parquet file, one row per video."
        )
    return _from_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _from_csv(path, numbers)


def _from_csv(path: Path, numbers: Collection[str]) -> pd.DataFrame:
    records = _records(path, numbers)
    if not records:
        raise CohortError(str(path), [Problem("the table is empty. Expected a header line and one row per video.")])
    (_, header), *rows = records
    header = [name.strip() for name in header]
    problems = [
        Problem(
            f"{counted(len(cells), 'cell')}, but the header has {counted(len(header), 'column')}. "
            "Put text with commas in quotes.",
            line,
        )
        for line, cells in rows
        if len(cells) != len(header)
    ]
    problems += [
        Problem("this column is there more than once. Keep one.", 1, name)
        for name in sorted({name for name in header if header.count(name) > 1})
    ]
    if problems:
        raise CohortError(str(path), problems)
    cells = [[_cell(value) for value in cells] for _, cells in rows]
    return pd.DataFrame(cells, columns=header, index=[line for line, _ in rows], dtype=object)


def _records(path: Path, numbers: Collection[str]) -> list[tuple[int, list[str]]]:
    """The non-blank records, each with the line it begins on."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(
            str(path), [Problem(f"this is no UTF-8 text ({error.reason}). Save it as 'CSV UTF-8'.")]
        ) from error
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records, line = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise CohortError(str(path), [Problem(f"the table cannot be read from here on ({error}).", line)]) from error
    return _decimal_points(records, numbers) if delimiter == ";" else records


def _delimiter(text: str) -> str:
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=header.count)  # the comma where none is there


def _decimal_points(records: list[tuple[int, list[str]]], numbers: Collection[str]) -> list[tuple[int, list[str]]]:
    """Spreadsheets that separate cells by semicolons write 12,5 for 12.5."""
    header = [name.strip() for name in records[0][1]] if records else []
    numeric = {position for position, name in enumerate(header) if name in numbers}
    return [
        (line, [cell.replace(",", ".") if position in numeric else cell for position, cell in enumerate(cells)])
        for line, cells in records
    ]


def _from_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise CohortError(str(path), [Problem(f"this Parquet file cannot be read ({error}).")]) from error
    table = table.reset_index(drop=True).rename(columns=str)
    table = table.astype(object).apply(lambda column: column.map(_cell))
    return table.set_axis(range(2, len(table) + 2), axis="index")


def _cell(value: object) -> str | None:
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    text = str(value).strip()
    return None if text.lower() in _MISSING else text
