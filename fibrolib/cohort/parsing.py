"""Get the table off the disk as text, each row with the line it stands on: one reader per file format.

What spreadsheets do to a table is undone, or named, for all formats alike.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import re
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import charset_normalizer
import openpyxl
import pandas as pd
from openpyxl.cell import Cell
from openpyxl.worksheet.worksheet import Worksheet

from fibrolib.cohort.columns import FILES, NUMBERS, REQUIRED, meant_column
from fibrolib.errors import CohortError, FibrolibError, Problem, counted

_Records = list[tuple[int, list[str]]]
"""The header and the rows, each with its line."""

_MISSING = {"", "na", "n/a", "#n/a", "nan", "none", "null"}
_INVISIBLE = re.compile("ï»¿|[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x19\x1b-\x1f\x7f\ufffd]")
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=\s?([,;|\t])"?', re.IGNORECASE)
_LANGUAGES = {
    "gb18030": "GB18030 (Chinese)",
    "cp932": "Shift-JIS (Japanese)",
    "big5": "Big5 (Chinese)",
    "cp949": "EUC-KR (Korean)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1252": "Windows-1252 (Western European)",
    **dict.fromkeys(("utf-16", "utf-16-le", "utf-16-be"), "UTF-16"),
}
"""Encodings that are recognised besides UTF-8, as spreadsheet programs write them."""

_COMMON_LETTERS = {"gb18030": "gb2312", "cp932": "shift_jis", "big5": "big5", "cp949": "iso2022_kr"}
"""The letters of an Asian encoding that are in common use; others look like text of another encoding."""

_MAX_BYTES = 200_000_000  # of an Excel file, unpacked
_TITLE_LINES = 10  # so many lines may stand above the header


@dataclass
class _Raw:
    """What a reader gets off the disk: rows, notes on how they were read, and what separates cells, "" in Excel."""

    records: _Records
    notes: list[Problem] = field(default_factory=list)
    delimiter: str = ","


def read_text_table(path: Path, numbers: Collection[str] = NUMBERS) -> pd.DataFrame:
    """Read CSV, Excel or Parquet; every cell stripped text, or None where it is empty. The index is the line of a row.

    In columns of `numbers`, decimal commas become points where commas do not separate cells (``attrs["decimal_comma"]``
    is then true); ``attrs["notes"]`` tells what was done to read the table. A `CohortError` says what is no table.
    """
    file, _ = table_file(path)
    if not file.is_file():
        raise FibrolibError(
            f"{path}: there is no such cohort table. Expected a CSV, Excel (.xlsx) or Parquet file, one row per video."
        )
    raw = _reader(path)(path)
    raw.records = [(line, cells) for line, cells in raw.records if any(cell.strip() for cell in cells)]
    if not raw.records:
        raise CohortError(str(path), [Problem("the table is empty. Expected a header line and one row per video.")])
    header, rows = _rectangular(path, raw)
    cells = [[_cell(value, name) for name, value in zip(header, values, strict=True)] for _, values in rows]
    table = pd.DataFrame(cells, columns=header, index=[line for line, _ in rows], dtype=object)
    table.attrs = {"notes": tuple(raw.notes), "decimal_comma": _with_points(table, numbers, raw.delimiter)}
    return table


def table_file(path: str | Path) -> tuple[Path, str]:
    """The file of a table and the sheet in it: ``cohort.xlsx#Liver`` is the sheet ``Liver`` of ``cohort.xlsx``."""
    path = Path(path)
    file, mark, sheet = path.name.rpartition("#")
    return (path.with_name(file), sheet) if mark and file and not path.is_file() else (path, "")


def _reader(path: Path) -> Callable[[Path], _Raw]:
    """By content: a spreadsheet program's file may have any ending."""
    file, _ = table_file(path)
    with file.open("rb") as opened:
        start = opened.read(8)
    if start[:4] == b"PAR1" or file.suffix.lower() in (".parquet", ".pq"):
        return _from_parquet
    if start[:4] == b"PK\3\4":
        return _from_excel
    if start == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        message = "this is an old Excel file (.xls), or one with a password. Save it as .xlsx, without a password."
        raise CohortError(str(path), [Problem(message)])
    return _from_csv


def _from_csv(path: Path) -> _Raw:
    text, notes = _decoded(path)
    text = text.rstrip("\0\x1a")  # what old programs end a file with
    if re.match(r"\s*<(!doctype|html|table|\?xml)", text, re.IGNORECASE):
        raise CohortError(str(path), [Problem("this is a web page (HTML or XML) and no table. Save it as .xlsx.")])
    separator = _SEPARATOR_LINE.match(text)
    delimiter = separator[1] if separator else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records, line = [], 1
    try:
        for cells in reader:
            records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise CohortError(str(path), [Problem(f"the table cannot be read from here on ({error}).", line)]) from error
    records = [(line, cells) for line, cells in records[bool(separator) :] if any(cell.strip() for cell in cells)]
    if records and all(len(cells) == 1 for _, cells in records):
        inner = _delimiter(records[0][1][0])
        if inner in records[0][1][0]:  # each row was quoted as a whole
            rows = csv.reader([cells[0] for _, cells in records], delimiter=inner)
            records = [(line, cells) for (line, _), cells in zip(records, rows, strict=False)]
            delimiter = inner
    return _Raw(records, notes, delimiter)


def _decoded(path: Path) -> tuple[str, list[Problem]]:
    """The text of a file; a note names the encoding where it had to be recognised."""
    content = path.read_bytes()
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        message = "this is no text in UTF-8 or another encoding that can be recognised. Save it as 'CSV UTF-8'."
        raise CohortError(str(path), [Problem(message)]) from error
    if len(_CONTROLS.findall(text.rstrip("\0\x1a"))) > max(len(text) / 100, 1):
        raise CohortError(str(path), [Problem("this is no table: it holds characters that no text has.")])
    if encoding == "utf-8-sig":
        return text, []
    foreign = re.search(r"[^\W_]*[^\x00-\x7f][^\W_]*", text)
    example = f" It says '{foreign[0]}', for instance." if foreign else ""
    message = (
        f"this table is not UTF-8; it was read as {_LANGUAGES[encoding]}.{example} If that is wrong, save it as UTF-8."
    )
    return text, [Problem(message)]


def _encoding(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if content[start::2].count(0) > len(content) / 4:
            return encoding
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _recognised(content)
    return "utf-8-sig"


def _recognised(content: bytes) -> str:
    """An encoding in which columns of the table are recognised, else the one that charset-normalizer finds likely."""
    columns, common = {}, []
    for encoding in list(_LANGUAGES)[:6]:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        with contextlib.suppress(KeyError, UnicodeEncodeError):
            text.encode(_COMMON_LETTERS[encoding])
            common.append(encoding)
        foreign = [name for name in re.split(f"[{_DELIMITERS}]", _first_line(text)) if not name.isascii()]
        columns[encoding] = sum(meant_column(name, NUMBERS) is not None for name in foreign)
    if any(columns.values()):
        return max(columns, key=lambda name: (columns[name], name == "cp1252" and _single_letters(content)))
    if _single_letters(content):
        return "cp1252"
    if len(common) == 1:
        return common[0]
    likely = charset_normalizer.from_bytes(content, cp_isolation=common or list(columns)).best() if columns else None
    return likely.encoding if likely else ""


def _single_letters(content: bytes) -> bool:
    """Whether bytes above ASCII stand alone among Latin letters, as in ``Müller``: Asian encodings look otherwise."""
    runs = re.findall(rb"([A-Za-z]?)([\x80-\xff]+)(?=([A-Za-z]?))", content)
    western = sum(len(run) == 1 or (len(run) < 4 and before != b"" and after != b"") for before, run, after in runs)
    return western > len(runs) / 2 and b"\x81" not in content


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _delimiter(text: str) -> str:
    """The delimiter in whose header most columns are recognised; then the most frequent one."""
    header = _first_line(text)

    def recognised(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter), [])
        return sum(_tidy(name) in REQUIRED or meant_column(name) is not None for name in cells), len(cells)

    return max(_DELIMITERS, key=recognised)  # the comma where none is there


def _from_excel(path: Path) -> _Raw:
    file, name = table_file(path)
    content = file.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except Exception:  # damaged, or of a version to come: what follows says so
        size = 0
    if size > _MAX_BYTES:
        message = f"this Excel file holds {size / 1e6:.0f} MB of cells, too much for a table. Copy it to a new file."
        raise CohortError(str(path), [Problem(message)])
    try:
        values, formulas = (openpyxl.load_workbook(io.BytesIO(content), data_only=stored) for stored in (True, False))
    except Exception as error:  # damaged archives surface as almost any error
        message = "this Excel file cannot be read. Open it in a spreadsheet program and save it anew as .xlsx."
        raise CohortError(str(path), [Problem(message)]) from error
    sheets = {sheet.title: sheet.sheet_state == "visible" for sheet in values.worksheets}
    name = name or next((title for title, visible in sheets.items() if visible), next(iter(sheets), ""))
    if name not in sheets:
        raise CohortError(str(path), [Problem(f"there is no sheet '{name}'; there are: {', '.join(sheets)}.")])
    raw = _Raw([], delimiter="")
    if len(sheets) > 1:
        others = ", ".join(f"'{other}'" for other in sheets if other != name)
        message = f"the sheet '{name}' was read, and not {others}. For another, write FILE.xlsx#SHEET."
        raw.notes.append(Problem(message))
    shown_by, without_result = _merged_cells(values[name]), []
    hidden = {row for row, dimension in values[name].row_dimensions.items() if dimension.hidden}
    # Formats may reach to row 1,048,576.
    last = max((cell.row for cell in values[name]._cells.values() if cell.value is not None), default=1)
    for row in values[name].iter_rows(max_row=last):
        cells = [shown_by.get(cell.coordinate, cell) for cell in row]
        raw.records.append((row[0].row, [_as_text(cell.value, cell.number_format or "") for cell in cells]))
        formula = [cell.coordinate for cell in cells if formulas[name][cell.coordinate].data_type == "f"]
        without_result += [place for place in formula if values[name][place].value is None]
        if row[0].row in hidden and any(cell.value is not None for cell in row):
            message = (
                "this row is hidden in the spreadsheet and is read all the same. Delete it if it is to be left out."
            )
            raw.notes.append(Problem(message, row[0].row))
    if without_result:
        message = f"formulas whose results are not stored in the file (cells {', '.join(without_result[:5])}). "
        raise CohortError(str(path), [Problem(message + "Open it in a spreadsheet program and save it.")])
    if shown_by:
        lines = sorted({cell.row for cell in shown_by.values()})
        raw.notes += [Problem("merged cells are read as if each of them held the value.", line) for line in lines]
    return raw


def _merged_cells(sheet: Worksheet) -> dict[str, Cell]:
    """For each cell merged with cells above it, the cell whose value a spreadsheet shows there."""
    return {
        sheet.cell(row, column).coordinate: sheet.cell(area.min_row, area.min_col)
        for area in sheet.merged_cells.ranges
        for row, column in area.cells
        if area.size["rows"] > 1
    }


def _as_text(value: object, number_format: str = "") -> str:
    """Whole numbers without a point, zeros in front as the cell's format shows them, dates as 2021-03-04."""
    if isinstance(value, int) and not isinstance(value, bool) and re.fullmatch("0+", number_format):
        return f"{value:0{len(number_format)}d}"
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e22:
        return f"{value:.0f}"
    if isinstance(value, float) and re.fullmatch(r"\d{1,3}\.\d{3}", str(value)):
        return f"{value}0"  # a number, and no thousand with its separator
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return str(value)


def _from_parquet(path: Path) -> _Raw:
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow's errors are of many kinds
        raise CohortError(str(path), [Problem(f"this Parquet file cannot be read ({error}).")]) from error
    named = [name for name in table.index.names if name is not None and name not in table.columns]
    table = table.reset_index(level=named) if named else table
    rows = table.astype(object).itertuples(index=False, name=None)
    records = [(line, [_as_text(value) for value in row]) for line, row in enumerate(rows, 2)]
    return _Raw([(1, [str(name) for name in table.columns]), *records])


def _rectangular(path: Path, raw: _Raw) -> tuple[list[str], _Records]:
    """The names of the columns, and rows with a cell for each of them, without columns that are empty altogether."""
    start = _header_place(raw.records)
    if start:
        message = f"the header is on line {raw.records[start][0]}; what stands above it is not read."
        raw.notes.append(Problem(message, raw.records[0][0]))
    (first, header), *rows = raw.records[start:]
    names = [_tidy(name) for name in header]
    n_named = max((place for place, name in enumerate(names, 1) if name), default=0)
    message = f", but the header has {counted(n_named, 'column')}. Put text with commas in quotes."
    problems = [
        Problem(counted(len(cells), "cell") + message, line)
        for line, cells in rows
        if any(cell.strip() for cell in cells[len(names) :])
    ]
    message = "fewer cells than the header has columns: those at the end are taken as empty."
    raw.notes += [Problem(message, line) for line, cells in rows if len(cells) < n_named]
    rows = [(line, [*cells, *[""] * len(names)][: len(names)]) for line, cells in rows]
    unnamed = [p for p, name in enumerate(names) if not name and any(cells[p].strip() for _, cells in rows)]
    if len(unnamed) > 1:
        names = [f"column {p + 1}" if p in unnamed else name for p, name in enumerate(names)]
    used = [p for p, name in enumerate(names) if name or p in unnamed]
    names = [names[p] for p in used]
    problems += [
        Problem("this column is there more than once. Keep one.", first, name)
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if problems:
        raise CohortError(str(path), problems)
    return names, [(line, [cells[p] for p in used]) for line, cells in rows]


def _header_place(records: _Records) -> int:
    """The row in which two required columns, and most of all, are recognised: titles may stand above it."""
    recognised = []
    for _, cells in records[:_TITLE_LINES]:
        names = [_tidy(name) for name in cells]
        meanings = {name if name in (*REQUIRED, *NUMBERS) else meant_column(name) for name in names} - {None}
        recognised.append(len(meanings) if len(meanings.intersection(REQUIRED)) > 1 else 0)
    return recognised.index(max(recognised))


def _with_points(table: pd.DataFrame, numbers: Collection[str], delimiter: str) -> bool:
    """Write 12,5 as 12.5 in columns of numbers, where commas separate no cells; whether there was such a cell.

    Between semicolons 7,125 is 7.125; else it may be a thousand, unless other cells have decimal commas.
    """
    columns = table.columns.intersection(list(numbers)) if delimiter != "," else []
    cells = {name: table[name].dropna().loc[lambda texts: texts.map(_has_comma).astype(bool)] for name in columns}
    thousand = {name: texts.str.fullmatch(r"\d{1,3},\d{3}").astype(bool) for name, texts in cells.items()}
    found = any((~each).any() for each in thousand.values())
    for name, texts in cells.items() if found or delimiter == ";" else ():
        # As 7.1250, which is no thousand.
        table.loc[texts.index, name] = texts.str.replace(",", ".") + thousand[name].map({True: "0", False: ""})
    return bool(found)


def _has_comma(text: str) -> bool:
    return "," in text and "." not in text


def _tidy(text: str) -> str:
    """Text without outer spaces and invisible characters, which copies from web pages and PDF files hold."""
    return re.sub("[\u00a0\u2007\u202f\u3000]", " ", _INVISIBLE.sub("", text)).strip()


def _cell(text: str, column: str) -> str | None:
    text = text.strip().strip("\ufeff\u200b") if column in FILES else _tidy(text)
    missing = {"", "#n/a"} if column == "patient_id" else _MISSING  # NA may be a patient
    return None if text.lower() in missing else text
