"""Check a cohort: the table, every file, and whether together they can answer the question."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fibrolib.checking.entries import _table_findings
from fibrolib.checking.files import _file_findings
from fibrolib.checking.report import CheckReport, _Finding
from fibrolib.checking.sample import _sample_findings
from fibrolib.cohort import FILES, inspect_cohort, is_there
from fibrolib.cohort.columns import numbers_of
from fibrolib.diagnostics import INDICES, Diagnostic
from fibrolib.errors import Problem
from fibrolib.video import Surveys

_OF_CELLS = ("table", "unit")
_MOST_ALIKE = 5  # findings of these kinds that differ in numbers only

_CLIP_FRAMES = 17  # of the longest clip that the default nets take (`clip_length` of `cnn3d` in the profile `quick`)


def check_cohort(
    path: str | Path,
    cutoff: int = 2,
    *,
    clip_frames: int = _CLIP_FRAMES,
    outside: bool = False,
    diagnostics: Sequence[Diagnostic] = INDICES,
    n_jobs: int = 1,
    track: Callable[[Iterable, int], Iterable] = lambda results, total: results,
) -> CheckReport:
    """Say everything that is wrong with a cohort, at once and by line; a FibrolibError only if there is no such table.

    Parameters
    ----------
    path, cutoff, outside, diagnostics
        As for `fibrolib.cohort.read_cohort`.
    clip_frames, n_jobs : int
        Frames of a clip (shorter videos are named); threads that decode, -1 for one per core.
    track : callable
        Shows progress: gets the results as they come and their number, passes them on.
    """
    cohort = inspect_cohort(path, cutoff, outside=outside, diagnostics=diagnostics)
    table = _existing_files_only(cohort.table, cohort.root, outside)
    findings = _of_problems(cohort.problems, "error", "table")
    findings += _of_problems(cohort.text.attrs.get("notes", ()), "warning", "table-read")
    findings += _table_findings(cohort.text, table, diagnostics)
    surveys, summary = Surveys(), ()
    if not table.empty:
        surveys, of_files = _file_findings(table, cohort.root, clip_frames, n_jobs, track)
        of_sample, summary = _sample_findings(table, surveys, cutoff, numbers_of(diagnostics))
        findings += [*of_files, *of_sample]
    findings = sorted(_one_for_many(findings), key=lambda each: (each.severity, each.rows[:1], each.column or ""))
    return CheckReport(cohort.name, tuple(findings), summary, table, surveys)


def _of_problems(problems: Iterable[Problem], severity: str, kind: str) -> list[_Finding]:
    """Problems of the table as findings; what is said of many lines in the same words is one finding."""
    lines: dict[tuple[str, str | None], list[int]] = {}
    for problem in problems:
        lines.setdefault((problem.message, problem.column), []).extend([] if problem.row is None else [problem.row])
    return [
        _Finding(severity, kind, message, rows, column, quoted=re.findall("'([^']+)'", message))
        for (message, column), rows in lines.items()
    ]


def _one_for_many(findings: Iterable[_Finding]) -> Iterator[_Finding]:
    """Many findings about cells of one column that differ in numbers only as one, with all lines."""
    alike = defaultdict(list)
    for each in findings:
        alike[each.severity, each.kind, each.column, re.sub(r"\d+(\.\d+)?", "#", each.message)].append(each)
    for (_, kind, *_), same in alike.items():
        if kind not in _OF_CELLS or len(same) <= _MOST_ALIKE:
            yield from same
            continue
        rows = sorted(row for each in same for row in each.rows)
        others = f"{len(rows) - 1} other cells of this column have the same fault."
        yield replace(same[0], message=f"{same[0].message} {others}", rows=rows, suggestion=None)


def _existing_files_only(table: pd.DataFrame, root: Path, outside: bool) -> pd.DataFrame:
    """The table without files that are not there or may not be opened: those are told already."""
    table = table.copy()
    for column in FILES:
        exists = [name is not None and is_there(root, name, outside) for name in table[column]]
        table[column] = table[column].where(pd.Series(exists, index=table.index, dtype=bool), None)
    return table
