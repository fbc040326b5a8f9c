"""What is to be made safe, and the name that each file gets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fibrolib.cohort.columns import FILES
from fibrolib.cohort.parsing import read_text_table
from fibrolib.cohort.schema import cell_problems, column_problems
from fibrolib.errors import CohortError, FibrolibError
from fibrolib.privacy import pseudonym

__all__ = ["TABLES", "Job", "jobs_of_folder", "jobs_of_table", "read_files_table"]

TABLES = {".csv", ".parquet", ".pq"}
"""Endings of cohort tables."""


@dataclass(frozen=True)
class Job:
    """One file to be made safe.

    Parameters
    ----------
    source : Path
        The file, or a folder of pictures.
    name : str
        New path within the folder of the safe files, without an ending.
    mask : bool
        Whether it is a mask, which shows no patient.
    patient : str
        Pseudonym of the patient; empty where no table tells it.
    """

    source: Path
    name: str
    mask: bool = False
    patient: str = ""


def jobs_of_folder(source: Path, key: bytes) -> list[Job]:
    """A file, or all files of a folder and the folders in it, in the order of their new names.

    Folders keep their structure under new names: it may tell patients apart.
    """
    if source.is_file():
        return [Job(source, pseudonym(key, "f", source.name))]
    found = [Path(place) / name for place, _, names in os.walk(source) for name in names]
    jobs = [Job(path, _hidden(path.relative_to(source), key)) for path in found]
    return sorted(jobs, key=lambda job: job.name)


def jobs_of_table(table: pd.DataFrame, root: Path, key: bytes) -> list[Job]:
    """Every file that a cohort table names, once, in a folder for each patient.

    Parameters
    ----------
    table : DataFrame
        From `read_files_table`.
    root : Path
        The table's folder.
    key : bytes
        From `fibrolib.privacy.read_key`.
    """
    jobs: dict[str, Job] = {}
    for row in table.to_dict("records"):
        patient = pseudonym(key, "p", row["patient_id"])
        for column in FILES:
            name = row.get(column)
            if name is not None and name not in jobs:
                new = f"{patient}/{pseudonym(key, 'f', name)}"
                jobs[name] = Job(root / name, new, mask=column == "roi", patient=patient)
    return list(jobs.values())


def read_files_table(path: Path) -> pd.DataFrame:
    """Read a cohort table as text; it need not hold enough patients for a study.

    Raises
    ------
    CohortError
        With everything that is wrong, by line and column.
    """
    text = read_text_table(path)
    problems = column_problems(list(text.columns)) or cell_problems(text, path.parent)
    if problems:
        raise CohortError(str(path), problems)
    if text.empty:
        raise FibrolibError(f"{path}: the table has no rows.")
    return text.astype(object).where(text.notna(), None)


def _hidden(relative: Path, key: bytes) -> str:
    *folders, name = relative.parts
    return "/".join([*(pseudonym(key, "d", folder) for folder in folders), pseudonym(key, "f", name)])
