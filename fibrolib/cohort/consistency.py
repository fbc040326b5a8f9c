"""What rows and patients of a cohort table must be together: one patient one truth, enough of each class."""

from __future__ import annotations

import math
from collections.abc import Collection

import pandas as pd

from fibrolib.cohort.columns import NUMBERS, PATIENT_LEVEL
from fibrolib.cohort.split import FRACTIONS, PARTS, part_sizes
from fibrolib.errors import Problem, counted
from fibrolib.stages import at_least, cutoff_name, is_metavir

__all__ = ["class_problems", "row_problems"]

_CLASS_MINIMUM = 8
"""Of 8 patients of a class the split 7 : 1.5 : 1.5 gives at least 5 to training, one for each of five folds."""

_TRAINING_MINIMUM = 5
"""Patients of each class that training needs at the least: one for each of five folds."""


def row_problems(table: pd.DataFrame, numbers: Collection[str] = NUMBERS) -> list[Problem]:
    """Rows that contradict each other.

    Parameters
    ----------
    table : DataFrame
        Typed columns, NaN or None where a cell is empty or was refused; indexed by line.
    numbers : collection of str
        Columns of numbers, which belong to the patient.
    """
    return [*_videos_listed_twice(table), *_contradictions(table, numbers), *_incomplete_split(table)]


def class_problems(patients: pd.DataFrame, cutoff: int) -> list[Problem]:
    """Whether the patients can answer the question at all.

    Parameters
    ----------
    patients : DataFrame
        One row per patient with ``stage`` and ``split``.
    cutoff : int
        The lowest stage that counts as diseased.
    """
    stages = sorted({int(stage) for stage in patients["stage"]})
    name = cutoff_name(cutoff, is_metavir(stages))
    if cutoff <= stages[0] or cutoff > stages[-1]:
        return [Problem(_one_class(stages, name), column="stage")]
    diseased = pd.Series(at_least(patients["stage"], cutoff), index=patients.index)
    if patients["split"].notna().all():
        return _problems_of_split(diseased, patients["split"], name)
    return _too_few(diseased, name)


def _videos_listed_twice(table: pd.DataFrame) -> list[Problem]:
    first_line: dict[str, int] = {}
    problems = []
    for line, video in table["video"].dropna().items():
        if video in first_line:
            message = f"the same video is already on line {first_line[video]}. List every video once."
            problems.append(Problem(message, line, "video"))
        first_line.setdefault(video, line)
    return problems


def _contradictions(table: pd.DataFrame, numbers: Collection[str]) -> list[Problem]:
    problems = []
    for patient, rows in table.groupby("patient_id", sort=False):
        for column in dict.fromkeys([*PATIENT_LEVEL, *numbers]):
            values = rows[column].dropna()
            first_lines = values.drop_duplicates()
            if len(first_lines) > 1:
                said = ", ".join(f"{_plain(value)} (line {line})" for line, value in first_lines.items())
                problems.append(Problem(f"{_contradiction(column, patient)}: {said}.", first_lines.index[1], column))
    return problems


def _contradiction(column: str, patient: str) -> str:
    if column == "stage":
        return f"patient {patient} has more than one stage; a patient has one"
    if column == "split":
        return f"patient {patient} is on two sides of the split; all videos of a patient belong to one"
    return f"patient {patient} has more than one value here; it belongs to the patient"


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _incomplete_split(table: pd.DataFrame) -> list[Problem]:
    empty = table.index[table["split"].isna()]
    if len(empty) in (0, len(table)):
        return []
    lines = ", ".join(str(line) for line in empty[:10]) + (", ..." if len(empty) > 10 else "")
    message = f"no split in {len(empty)} of {len(table)} rows (lines {lines}). Fill in all or leave the column out."
    return [Problem(message, int(empty[0]), "split")]


def _one_class(stages: list[int], name: str) -> str:
    present = ", ".join(str(stage) for stage in stages)
    usable = " or ".join(str(stage) for stage in stages[1:])
    advice = f"a cut-off of {usable} would work" if usable else "no cut-off can work"
    return f"the cut-off {name} leaves only one class: the stages in the table are {present}; {advice}."


def _counts(diseased: pd.Series, name: str) -> list[tuple[int, str]]:
    """Patients of each class, and what the class is called."""
    return [(int(diseased.sum()), name), (int((1 - diseased).sum()), f"not {name}")]


def _problems_of_split(diseased: pd.Series, split: pd.Series, name: str) -> list[Problem]:
    problems = []
    for part in PARTS:
        needed = _TRAINING_MINIMUM if part == "train" else 1
        for count, kind in _counts(diseased[split == part], name):
            if count < needed:
                message = f"the part '{part}' holds {counted(count, 'patient')} of {kind}; it needs at least {needed}."
                problems.append(Problem(message, column="split"))
    return problems


def _too_few(diseased: pd.Series, name: str) -> list[Problem]:
    """Without a split column: every part must be sure to get patients of both classes.

    `split_patients` gives each part its proportional number of a class, rounded down or up; that is at least one where
    the class has as many patients as there are of all for each patient of the smallest part.
    """
    total = len(diseased)
    smallest = max(min(part_sizes(total, FRACTIONS)), 1)  # of three patients, one part gets none
    needed = max(_CLASS_MINIMUM, math.ceil(total / smallest))
    return [
        Problem(
            f"{count} of {counted(total, 'patient')} {'is' if count == 1 else 'are'} {kind}: too few for training "
            f"(five folds), validation and test to have some each. At least {needed} must be.",
            column="stage",
        )
        for count, kind in _counts(diseased, name)
        if count < needed
    ]
