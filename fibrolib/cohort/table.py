"""The cohort: its table, checked as a whole before anything else happens."""

from __future__ import annotations

import hashlib
import math
import reprlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fibrolib.atomic import write_atomically
from fibrolib.cohort.columns import (
    ELF,
    FILES,
    NUMBERS,
    PATIENT_LEVEL,
    REQUIRED,
    VIDEO_LEVEL,
    VIRTUAL_PREFIX,
    numbers_of,
)
from fibrolib.cohort.parsing import read_text_table, table_file
from fibrolib.cohort.schema import _typed_table, absolute, text_problems
from fibrolib.cohort.split import PARTS, part_sizes
from fibrolib.diagnostics import INDICES, ColumnSpec, Diagnostic, DiagnosticError
from fibrolib.errors import CohortError, Problem, counted
from fibrolib.stages import at_least, check_stage, cutoff_name, is_metavir

_TRAINING_MINIMUM = 5  # patients of each class that training needs: one for each of five folds
_CLASS_MINIMUM = 8  # of 8 patients of a class, the split 7 : 1.5 : 1.5 gives at least 5 to training
_CONTRADICTIONS = {
    "stage": "has more than one stage; a patient has one",
    "split": "is on two sides of the split; all videos of a patient belong to one",
}


@dataclass(frozen=True, eq=False)
class Cohort:
    """A checked cohort.

    Parameters
    ----------
    name, root
        What it is called in reports, and the absolute path of the table's folder.
    table, numbers : DataFrame, mapping of str to ColumnSpec
        One row per video: the required and all optional columns (NaN or None where absent), then any further ones;
        columns of numbers, with those of the user's own diagnostics and covariates.
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
        """One row per patient, in the order of the table, indexed by ``patient_id``.

        ``stage`` (int), the columns of `numbers`, ``elf`` and ``steatosis`` (float, NaN where unknown), ``sex, centre,
        aetiology, biopsy_date, split`` (str or None); ``scanner, operator, visit, video_date, days_from_biopsy``, where
        they are the same for all videos of the patient; and ``videos, images, rois``: tuples of absolute paths of one
        length, None where a video has no image or mask.
        """
        return _one_row_per_patient(self.table, self.root, self.numbers)

    def digest(self) -> str:
        """SHA-256 of the table's content, 64 hexadecimal digits; the videos themselves are not read."""
        return hashlib.sha256(self.table.to_csv(index=False).encode()).hexdigest()


def read_cohort(
    path: str | Path, cutoff: int = 2, *, outside: bool = False, diagnostics: Sequence[Diagnostic] = INDICES
) -> Cohort:
    """Read a cohort table and check all of it. No video is opened. A `CohortError` lists all faults by line and column.

    Parameters
    ----------
    path, cutoff : str or Path, int
        CSV, Excel (``cohort.xlsx``, or ``cohort.xlsx#sheet``) or Parquet, one row per video; the lowest stage that
        counts as diseased: there must be patients on both sides of it.
    outside, diagnostics : bool, sequence of Diagnostic
        Whether files may lie outside the table's folder (a table from elsewhere should not name any file of this
        computer); indices whose columns are read.
    """
    diagnostics = _check_options(cutoff, outside, diagnostics)
    inspection = inspect_cohort(path, cutoff, outside=outside, diagnostics=diagnostics)
    if inspection.problems:
        raise CohortError(str(path), inspection.problems)
    table = inspection.table.reset_index(drop=True)
    numbers = numbers_of(diagnostics)
    if ELF not in inspection.text and not any(ELF in diagnostic.columns for diagnostic in diagnostics):
        del numbers[ELF]
    return Cohort(inspection.name, inspection.root, table, numbers)


@dataclass(frozen=True, eq=False)
class _Inspection:
    """A cohort table as far as it can be read, with all that is wrong with it, in the order of the lines."""

    name: str
    root: Path
    table: pd.DataFrame  # that of `Cohort`, by line; refused cells are NaN or None; no rows if it cannot be read at all
    text: pd.DataFrame  # what the file says: text or None
    problems: tuple[Problem, ...]


def inspect_cohort(
    path: str | Path, cutoff: int = 2, *, outside: bool = False, diagnostics: Sequence[Diagnostic] = INDICES
) -> _Inspection:
    """Like `read_cohort`, but return what is wrong instead of raising it; an error only where there is no table."""
    diagnostics = _check_options(cutoff, outside, diagnostics)
    path = Path(path)
    root = absolute(path).parent
    file, sheet = table_file(path)
    name = (root.name if file.stem == "cohort" else file.stem) + f" {sheet}" * bool(sheet)
    numbers = numbers_of(diagnostics)
    nothing = _typed_table(pd.DataFrame(dtype=object), root, numbers)
    try:
        text = read_text_table(path, numbers)
    except CohortError as error:
        return _Inspection(name, root, nothing, nothing, error.problems)
    problems = text_problems(text, root, outside, diagnostics)
    if text.empty or not set(REQUIRED).issubset(text):
        return _Inspection(name, root, nothing, text, tuple(problems))
    table = _typed_table(text, root, numbers)
    problems += [*_videos_listed_twice(table), *_contradictions(table, numbers), *_incomplete_split(table)]
    if not any(problem.column in ("patient_id", "stage", "split") for problem in problems):
        problems += _class_problems(_one_row_per_patient(table, root, numbers), cutoff)
    return _Inspection(name, root, table, text, tuple(sorted(problems, key=lambda problem: problem.row or 0)))


def _check_options(cutoff: int, outside: bool, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics as a list; an error where one of the options is none. Any text is true, "no" as well."""
    if not isinstance(cutoff, int | np.integer):  # others out of range are a problem of the table
        check_stage(cutoff, "the cut-off")
    if not isinstance(outside, bool | np.bool_):
        raise ValueError(f"outside must be True or False; it is {outside!r}")
    listed = list(diagnostics) if isinstance(diagnostics, Iterable) else [None]
    if not all(isinstance(each, Diagnostic) for each in listed):
        given = reprlib.repr(diagnostics)
        raise DiagnosticError(f"diagnostics must be a list of records, such as [FIB4] or INDICES; it is {given}.")
    return listed


def write_cohort(table: pd.DataFrame, path: str | Path) -> None:
    """Write a cohort table, its paths relative to the folder of `path`, as CSV, or Parquet where `path` ends so."""
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        raise ValueError(f"the table lacks the columns {missing}")
    path = Path(path)
    as_parquet = path.suffix.lower() in (".parquet", ".pq")
    write_atomically(path, lambda file: (table.to_parquet if as_parquet else table.to_csv)(file, index=False))


def _one_row_per_patient(table: pd.DataFrame, root: Path, numbers: Collection[str]) -> pd.DataFrame:
    groups = table.groupby("patient_id", sort=False)
    patients = groups[list(dict.fromkeys([*PATIENT_LEVEL, *numbers]))].first()
    patients["stage"] = patients["stage"].astype(np.int64)
    agree = groups[list(VIDEO_LEVEL)].nunique(dropna=False).eq(1)
    for column, shared in groups[list(VIDEO_LEVEL)].first().items():
        patients[column] = shared.where(agree[column], None)
    for column in FILES:
        paths = table[column].map(lambda name: root / name, na_action="ignore").groupby(table["patient_id"], sort=False)
        patients[f"{column}s"] = paths.agg(tuple)
    return patients


def _videos_listed_twice(table: pd.DataFrame) -> list[Problem]:
    videos = table["video"].dropna()
    first_line = {video: line for line, video in videos.drop_duplicates().items()}
    message = "the same video is already on line {}. List every video once."
    again = videos[videos.duplicated()]
    return [Problem(message.format(first_line[video]), line, "video") for line, video in again.items()]


def _contradictions(table: pd.DataFrame, numbers: Collection[str]) -> list[Problem]:
    problems, columns = [], list(dict.fromkeys([*PATIENT_LEVEL, *numbers]))
    several = table.groupby("patient_id", sort=False)[columns].nunique().gt(1)
    for patient in several.index[several.any(axis=1)]:
        rows = table[table["patient_id"] == patient]
        for column in several.columns[several.loc[patient]]:
            first_lines = rows[column].dropna().drop_duplicates()
            plain = first_lines.map(lambda value: f"{value:g}" if isinstance(value, float) else value)
            listed = ", ".join(f"{value} (line {line})" for line, value in plain.items())
            fault = _CONTRADICTIONS.get(column, "has more than one value here; it belongs to the patient")
            problems.append(Problem(f"patient {patient} {fault}: {listed}.", first_lines.index[1], column))
    return problems


def _incomplete_split(table: pd.DataFrame) -> list[Problem]:
    empty = table.index[table["split"].isna()]
    if len(empty) in (0, len(table)):
        return []
    lines = ", ".join(map(str, empty[:10])) + ", ..." * (len(empty) > 10)
    message = f"no split in {len(empty)} of {len(table)} rows (lines {lines}). Fill in all or leave the column out."
    return [Problem(message, int(empty[0]), "split")]


def refuse_few_patients(stage: pd.Series, cutoff: int, name: str) -> None:
    """Raise the `CohortError` of `read_cohort` for patients of these stages; `name` says whose patients they are."""
    problems = _class_problems(pd.DataFrame({"stage": stage, "split": None}), cutoff)
    if problems:
        raise CohortError(name, problems)


def _class_problems(patients: pd.DataFrame, cutoff: int) -> list[Problem]:
    """Whether the patients can answer the question at all: enough of each class, in every part of a split."""
    stages = sorted({int(stage) for stage in patients["stage"]})
    name = cutoff_name(cutoff, is_metavir(stages))
    if cutoff <= stages[0] or cutoff > stages[-1]:
        usable = " or ".join(str(stage) for stage in stages[1:])
        advice = f"a cut-off of {usable} would work" if usable else "no cut-off can work"
        listed = ", ".join(map(str, stages))
        message = f"the cut-off {name} leaves only one class: the stages in the table are {listed}; {advice}."
        return [Problem(message, column="stage")]
    diseased = at_least(patients["stage"], cutoff)
    classes = {name: diseased == 1, f"not {name}": diseased == 0}
    if patients["split"].notna().all():
        return _problems_of_split(classes, patients["split"])
    return _too_few({kind: int(members.sum()) for kind, members in classes.items()})


def _problems_of_split(classes: Mapping[str, pd.Series], split: pd.Series) -> list[Problem]:
    problems = []
    for part in PARTS:
        needed = _TRAINING_MINIMUM if part == "train" else 1
        for kind, members in classes.items():
            count = int((members & (split == part)).sum())
            if count < needed:
                message = f"the part '{part}' holds {counted(count, 'patient')} of {kind}; it needs at least {needed}."
                problems.append(Problem(message, column="split"))
    return problems


def _too_few(counts: Mapping[str, int]) -> list[Problem]:
    """Without a split column: every part must be sure to get patients of both classes.

    A part gets its proportional number of a class, rounded down or up: at least one where the class has as many
    patients as there are of all for each patient of the smallest part.
    """
    total = sum(counts.values())
    smallest = max(min(part_sizes(total)), 1)  # of three patients, one part gets none
    needed = max(_CLASS_MINIMUM, math.ceil(total / smallest))
    return [
        Problem(
            f"{count} of {counted(total, 'patient')} {'is' if count == 1 else 'are'} {kind}: too few for training "
            f"(five folds), validation and test to have some each. At least {needed} must be.",
            column="stage",
        )
        for kind, count in counts.items()
        if count < needed
    ]
