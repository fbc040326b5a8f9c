"""The cohort: its table, checked as a whole before anything else happens."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fibrolib.atomic import write_atomically
from fibrolib.cohort.columns import FILES, NUMBERS, OPTIONAL, PATIENT_LEVEL, REQUIRED, VIRTUAL_PREFIX, numbers_of
from fibrolib.cohort.consistency import class_problems, row_problems
from fibrolib.cohort.parsing import read_text_table
from fibrolib.cohort.schema import (
    absent_column_problems,
    absolute,
    cell_problems,
    column_problems,
    number,
    stage_number,
    within,
)
from fibrolib.diagnostics import INDICES, ColumnSpec, Diagnostic
from fibrolib.errors import CohortError, Problem
from fibrolib.stages import is_metavir

__all__ = ["Cohort", "Inspection", "inspect_cohort", "read_cohort", "write_cohort"]


@dataclass(frozen=True, eq=False)
class Cohort:
    """A checked cohort.

    Parameters
    ----------
    name : str
        What it is called in reports.
    root : Path
        Absolute path of the table's folder.
    table : DataFrame
        One row per video: the required and all optional columns (NaN or None where absent), then any further ones.
    numbers : mapping of str to ColumnSpec
        Columns of positive numbers, with those of the user's own diagnostics.
    """

    name: str
    root: Path
    table: pd.DataFrame
    numbers: Mapping[str, ColumnSpec] = field(default_factory=lambda: NUMBERS)

    @property
    def virtual(self) -> bool:
        """Whether there are virtual patients; one is enough, as no result on a mixture is evidence either."""
        return bool(self.table["patient_id"].str.startswith(VIRTUAL_PREFIX).any())

    @property
    def metavir(self) -> bool:
        """Whether the stages can be read as METAVIR F0-F4."""
        return is_metavir(self.table["stage"])

    def patients(self) -> pd.DataFrame:
        """One row per patient, in the order of the table.

        Returns
        -------
        DataFrame
            Indexed by ``patient_id``: ``stage`` (int), the columns of `numbers` (float, NaN where not known), ``sex``,
            ``split`` (str or None), and ``videos, images, rois``: tuples of absolute paths of one length, None where a
            video has no image or mask.
        """
        return _one_row_per_patient(self.table, self.root, self.numbers)

    def digest(self) -> str:
        """SHA-256 of the table's content, 64 hexadecimal digits; the videos themselves are not read."""
        return hashlib.sha256(self.table.to_csv(index=False).encode()).hexdigest()


def read_cohort(
    path: str | Path, cutoff: int = 2, *, outside: bool = False, diagnostics: Sequence[Diagnostic] = INDICES
) -> Cohort:
    """Read a cohort table and check all of it. No video is opened.

    Parameters
    ----------
    path : str or Path
        CSV (comma, semicolon or tab) or Parquet, one row per video.
    cutoff : int
        The lowest stage that counts as diseased; there must be patients on both sides of it.
    outside : bool
        Whether files may lie outside the table's folder; a table from elsewhere should not name any file of this
        computer.
    diagnostics : sequence of Diagnostic
        Indices whose columns are read.

    Returns
    -------
    Cohort

    Raises
    ------
    FibrolibError
        There is no such table.
    CohortError
        With everything that is wrong, by line and column.
    """
    found = inspect_cohort(path, cutoff, outside=outside, diagnostics=diagnostics)
    if found.problems:
        raise CohortError(str(path), found.problems)
    return Cohort(found.name, found.root, found.table.reset_index(drop=True), numbers_of(diagnostics))


@dataclass(frozen=True, eq=False)
class Inspection:
    """A cohort table as far as it can be read, with all that is wrong with it.

    Parameters
    ----------
    name, root, table
        As in `Cohort`, the table indexed by line; a cell that was refused is NaN or None. A table that cannot be read
        at all has no rows.
    text : DataFrame
        What the file says: text or None, indexed by line.
    problems : tuple of Problem
        In the order of the lines; none for a table that `read_cohort` takes.
    """

    name: str
    root: Path
    table: pd.DataFrame
    text: pd.DataFrame
    problems: tuple[Problem, ...]


def inspect_cohort(
    path: str | Path, cutoff: int = 2, *, outside: bool = False, diagnostics: Sequence[Diagnostic] = INDICES
) -> Inspection:
    """Like `read_cohort`, but return what is wrong instead of raising it, with whatever could be read.

    Raises
    ------
    FibrolibError
        There is no such table.
    """
    path = Path(path)
    root = absolute(path).parent
    name = root.name if path.stem == "cohort" else path.stem
    numbers = numbers_of(diagnostics)
    nothing = pd.DataFrame(columns=_known_columns(numbers), dtype=object)
    try:
        text = read_text_table(path, numbers)
    except CohortError as error:
        return Inspection(name, root, nothing, nothing, error.problems)
    problems = column_problems(list(text.columns))
    if text.empty and not problems:
        problems = [Problem("the table has no rows. Expected one per video.")]
    if problems:
        return Inspection(name, root, nothing, text, tuple(problems))
    problems = [*absent_column_problems(text, diagnostics), *cell_problems(text, root, outside, numbers)]
    table = _typed(text, root, numbers)
    problems += row_problems(table, numbers)
    if not any(problem.column in ("patient_id", "stage", "split") for problem in problems):
        problems += class_problems(_one_row_per_patient(table, root, numbers), cutoff)
    return Inspection(name, root, table, text, tuple(sorted(problems, key=lambda problem: problem.row or 0)))


def write_cohort(table: pd.DataFrame, path: str | Path) -> None:
    """Write a cohort table as CSV, or as Parquet where `path` ends so; atomically.

    Parameters
    ----------
    table : DataFrame
        One row per video, with at least the required columns.
    path : str or Path
        The file. Paths in the table must be relative to its folder.
    """
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        raise ValueError(f"the table lacks the columns {missing}")
    path = Path(path)
    as_parquet = path.suffix.lower() in (".parquet", ".pq")
    write_atomically(path, lambda file: (table.to_parquet if as_parquet else table.to_csv)(file, index=False))


def _known_columns(numbers: Collection[str]) -> list[str]:
    """Columns that the study reads, in the documented order."""
    return list(dict.fromkeys([*REQUIRED, *OPTIONAL, *numbers]))


def _typed(text: pd.DataFrame, root: Path, numbers: Collection[str]) -> pd.DataFrame:
    """Columns of the right type, in the documented order; what cannot be converted becomes NaN or None."""
    table = text.reindex(columns=list(dict.fromkeys([*_known_columns(numbers), *text])))
    table = table.astype(object).where(table.notna(), None)
    for name in numbers:
        table[name] = table[name].map(number, na_action="ignore").astype(float)
    for name in FILES:
        table[name] = pd.Series([_relative(root, value) for value in table[name]], index=table.index, dtype=object)
    stages = table["stage"].map(stage_number, na_action="ignore")
    table["stage"] = stages.astype(np.int64) if stages.notna().all() else stages
    return table


def _relative(root: Path, value: str | None) -> str | None:
    """One spelling per file: ``a/../b.mp4`` and ``./b.mp4`` are ``b.mp4``."""
    path = None if value is None else within(root, value)
    return value if path is None else path.relative_to(root).as_posix()


def _one_row_per_patient(table: pd.DataFrame, root: Path, numbers: Collection[str]) -> pd.DataFrame:
    groups = table.groupby("patient_id", sort=False)
    patients = groups[list(dict.fromkeys([*PATIENT_LEVEL, *numbers]))].first()
    patients["stage"] = patients["stage"].astype(np.int64)
    for column in FILES:
        patients[f"{column}s"] = [tuple(_absolute(root, value) for value in rows[column]) for _, rows in groups]
    return patients


def _absolute(root: Path, value: str | None) -> Path | None:
    return None if value is None else root / value
