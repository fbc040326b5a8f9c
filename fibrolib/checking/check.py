"""Check a cohort: the table, every file, and whether together they can answer the question."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import pandas as pd

from fibrolib.checking.copies import copy_findings
from fibrolib.checking.files import Surveys, content_findings, mask_findings, survey_files
from fibrolib.checking.findings import CheckReport, Finding, from_problems, ordered
from fibrolib.checking.people import column_findings, patient_findings
from fibrolib.checking.sample import (
    absent_summary,
    held_out_sizes,
    missing_findings,
    power_findings,
    power_summary,
    stage_findings,
    worded_stage_findings,
)
from fibrolib.checking.shortcuts import shortcut_findings
from fibrolib.checking.values import value_findings
from fibrolib.cohort import inspect_cohort
from fibrolib.cohort.columns import VIRTUAL_PREFIX, numbers_of
from fibrolib.cohort.schema import is_there
from fibrolib.diagnostics import INDICES, Diagnostic
from fibrolib.errors import counted
from fibrolib.stages import at_least, is_metavir, stage_name

__all__ = ["CLIP_FRAMES", "check_cohort", "survey_cohort"]

CLIP_FRAMES = 17
"""Frames of the longest clip the default nets take (``clip_length`` of `cnn3d` in the profile ``quick``)."""


def check_cohort(
    path: str | Path,
    cutoff: int = 2,
    *,
    clip_frames: int = CLIP_FRAMES,
    outside: bool = False,
    diagnostics: Sequence[Diagnostic] = INDICES,
    n_jobs: int = 1,
    track: Callable[[Iterable, int], Iterable] = lambda results, total: results,
) -> CheckReport:
    """Say everything that is wrong with a cohort, at once and by line.

    Parameters
    ----------
    path : str or Path
        The cohort table.
    cutoff : int
        Lowest stage that counts as diseased.
    clip_frames : int
        Frames of a clip; shorter videos are named.
    outside : bool
        Whether files may lie outside the table's folder.
    diagnostics : sequence of Diagnostic
        Indices whose columns are read.
    n_jobs : int
        Threads that decode; -1 for one per core.
    track : callable
        Shows progress: gets the results as they come and their number, passes them on.

    Returns
    -------
    CheckReport

    Raises
    ------
    FibrolibError
        There is no such table.
    """
    options = {"clip_frames": clip_frames, "outside": outside, "diagnostics": diagnostics}
    return survey_cohort(path, cutoff, **options, n_jobs=n_jobs, track=track)[0]


def survey_cohort(
    path: str | Path,
    cutoff: int = 2,
    *,
    clip_frames: int = CLIP_FRAMES,
    outside: bool = False,
    diagnostics: Sequence[Diagnostic] = INDICES,
    n_jobs: int = 1,
    track: Callable[[Iterable, int], Iterable] = lambda results, total: results,
) -> tuple[CheckReport, pd.DataFrame, Surveys]:
    """`check_cohort`, with the table and what each file is like: for a page with pictures."""
    found, numbers = inspect_cohort(path, cutoff, outside=outside, diagnostics=diagnostics), numbers_of(diagnostics)
    findings = from_problems(found.problems)
    findings += column_findings(found.text.columns, _is_virtual(found.text), numbers)
    table = _existing_files_only(found.table, found.root, outside)
    if table.empty:
        return CheckReport(found.name, ordered(findings), ()), table, {}
    surveys, unreadable = survey_files(table, found.root, n_jobs, track)
    findings += unreadable
    findings += content_findings(table, surveys, clip_frames)
    findings += mask_findings(table, found.root, surveys)
    findings += copy_findings(table, found.root, surveys)
    findings += patient_findings(table, numbers)
    findings += value_findings(table, numbers)
    findings += missing_findings(table, diagnostics)
    findings += worded_stage_findings(found.text["stage"])
    about_all, summary = _about_all(table, surveys, cutoff, numbers)
    return CheckReport(found.name, ordered([*findings, *about_all]), summary), table, surveys


def _is_virtual(text: pd.DataFrame) -> bool:
    return "patient_id" in text and any(str(name).startswith(VIRTUAL_PREFIX) for name in text["patient_id"])


def _existing_files_only(table: pd.DataFrame, root: Path, outside: bool) -> pd.DataFrame:
    """The table without files that are not there or may not be opened: those are told already."""
    table = table.copy()
    for column in ("video", "image", "roi"):
        there = [name is not None and is_there(root, name, outside) for name in table[column]]
        table[column] = table[column].where(pd.Series(there, index=table.index, dtype=bool), None)
    return table


def _about_all(
    table: pd.DataFrame, surveys: Surveys, cutoff: int, numbers: Collection[str]
) -> tuple[list[Finding], tuple[str, ...]]:
    """What concerns the cohort as a whole, as far as stages are known."""
    staged = table[table["patient_id"].notna() & table["stage"].notna()]
    patients = staged.drop_duplicates("patient_id")
    counts = f"{counted(table['patient_id'].nunique(), 'patient')}, {counted(len(table), 'video')}."
    summary = [counts, *absent_summary(table)]
    if len(patients) == 0 or at_least(patients["stage"], cutoff).all() or not at_least(patients["stage"], cutoff).any():
        return [], tuple(summary)
    metavir = is_metavir(patients["stage"])
    counts = patients["stage"].astype(int).value_counts().sort_index()
    summary.append("Patients by stage: " + ", ".join(f"{stage_name(s, metavir)} {n}" for s, n in counts.items()) + ".")
    sizes = held_out_sizes(patients, cutoff)
    summary.append(power_summary(*sizes, cutoff, metavir))
    findings = [
        *stage_findings(patients),
        *power_findings(*sizes),
        *shortcut_findings(table, surveys, cutoff, numbers),
    ]
    return findings, tuple(summary)
