"""The check of a user's cohort with which a run begins: once, and kept without what tells who a patient is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from fibrolib.checking import CheckReport, check_cohort
from fibrolib.cohort import inspect_cohort
from fibrolib.cohort.columns import FILES
from fibrolib.cohort.schema import is_there
from fibrolib.errors import FibrolibError
from fibrolib.privacy import find_table, may_leave_folder
from fibrolib.study.study import Study
from fibrolib.video import file_digest
from fibrolib.workers import n_workers

__all__ = ["validate_cohort"]


def validate_cohort(
    study: Study,
    track: Callable[[Iterable, int], Iterable],
    tell: Callable[[CheckReport], None] = lambda report: None,
) -> pd.DataFrame:
    """Check the cohort of a study, unless the same table and files were checked before; write ``tables/check.csv``.

    The virtual cohort that a run simulates for itself is not checked: nobody has touched it, and its simulator is
    tested for what a check looks for.

    Parameters
    ----------
    study : Study
        With a table given by the user.
    track : callable
        Shows progress: gets the results as they come and their number, passes them on.
    tell : callable
        Is given the report with the texts of the table, for the user's screen, where the cohort is checked anew.

    Returns
    -------
    DataFrame
        Warnings: `CheckReport.anonymous_table`.

    Raises
    ------
    FibrolibError
        There are errors: all of them, with the warnings.
    """
    table, outside = find_table(study.reference), may_leave_folder(study.reference)

    def compute() -> pd.DataFrame:
        report = check_cohort(
            table,
            study.cutoff,
            clip_frames=study.profile.clip_frames,
            outside=outside,
            diagnostics=list(study.profile.indices.values()),
            n_jobs=n_workers(),
            track=track,
        )
        if report.of("error"):
            raise FibrolibError(
                f"{table}: nothing was run, since the cohort has errors.\n{report.text()}\n"
                "Mend the errors and run again; fibrolib check looks at the cohort alone."
            )
        tell(report)
        return report.anonymous_table()

    cache_key = {
        "content": _content(table, study.cutoff, outside),
        "cutoff": study.cutoff,
        "clip_frames": study.profile.clip_frames,
        "outside": outside,
        "diagnostics": study.profile.as_dict()["own"],
    }
    warnings = study.folder.cache.get_or_compute_table("check", cache_key, compute, made_by=(check_cohort,))
    study.folder.save_table("check", warnings)
    return warnings


def _content(table: Path, cutoff: int, outside: bool) -> list[str]:
    """Hashes of the table and of every file that it names and that is there."""
    found = inspect_cohort(table, cutoff, outside=outside)
    names = sorted({name for column in FILES for name in found.table[column].dropna()})
    files = [file_digest(found.root / name) for name in names if is_there(found.root, name, outside)]
    return [file_digest(table), *files]
