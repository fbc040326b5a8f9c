"""Validation of a run's frozen models in another cohort, from two paths to a report of its own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.console import Console

from fibrolib.atomic import remove_unfinished
from fibrolib.checking import ANNOUNCED, CheckReport
from fibrolib.privacy import who_is_who
from fibrolib.report.external_page import _build_page, _external_results, _said_of_virtual, _save_figures
from fibrolib.report.progress import _count_files, _Progress, _Tally
from fibrolib.report.results import _run_json
from fibrolib.study.own_cohort import refuse_private_folder_in, validate_cohort
from fibrolib.study.preprocessing import sources
from fibrolib.validation import Validation


def validate_models(validation: Validation, console: Console | None = None, *, overwrite: bool = False) -> Path:
    """Write the report of a validation; what an earlier call finished is not done again.

    Raises `FibrolibError` before any work where the cohort has errors, shares patients or pictures with the one that
    the models were made in, or has other stages.
    """
    console, folder = console or Console(), validation.folder
    refuse_private_folder_in(folder.path)
    if overwrite and (aside := folder.move_other_study_aside()):
        _say(console, f"Moved aside: {aside}")
    folder.refuse_other_content()
    with folder.hold():
        remove_unfinished(folder.path)
        return _validate(validation, _Progress(console), console)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _validate(validation: Validation, progress: _Progress, console: Console) -> Path:
    folder = validation.folder
    _say(console, f"Folder: {folder.path}")
    features = _refuse(validation, progress, console)
    files = sum(len(sources(row, kind)) for row in validation.patients.itertuples() for kind in ("clip", "image"))
    with progress.step("preparing clips and images", _count_files(folder.clips, "*.npz", files, "files")):
        _ = validation.prepared
    with progress.step("scoring all patients with the frozen models"):
        _ = validation.predictions
    with progress.step("step 1: the models as they are"):
        tables = validation.first_step()
        folder.save_json("results", _external_results(validation, tables))
    with progress.step("comparing the cohorts"):
        tables |= validation.differences(features)
    with progress.step(f"step 2: recalibration on {validation.share:.0%} of the patients"):
        tables |= validation.second_step()
    with progress.step("writing the report"):
        return _report(validation, tables, progress)


def _refuse(validation: Validation, progress: _Progress, console: Console) -> pd.DataFrame:
    """Refuse a cohort that cannot validate these models; return its picture statistics."""
    texts: list[str] = []

    def announce(report: CheckReport) -> None:
        texts.extend(str(finding) for finding in report.of("warning") if finding.kind in ANNOUNCED)

    validation.refuse_known_ids()
    tally = _Tally("files")
    with progress.step("checking the cohort", tally):
        given = validation.reference, validation.cutoff, validation.profile, validation.folder
        warnings = validate_cohort(*given, tally.follow, announce)
    for text in texts or warnings.loc[warnings["kind"].isin(ANNOUNCED), "finding"]:
        _say(console, f"  warning  {text}")
    validation.refuse_other_scale()
    if words := _said_of_virtual(validation.development.about["virtual"], validation.cohort.virtual):
        _say(console, f"  NOTE  {words}")
    if who_is_who(validation.reference).exists():
        _say(console, f"Pseudonyms and patient ids (private): {who_is_who(validation.reference)}")
    tally = _Tally("files")
    with progress.step("looking for pictures of the training cohort", tally):
        return validation.look_at_pictures(tally.follow)


def _report(validation: Validation, tables: dict[str, pd.DataFrame], progress: _Progress) -> Path:
    _save_figures(validation, tables)
    found = _external_results(validation, tables)
    described = {"cohort": validation.cohort.digest(), "cutoff": validation.cutoff, "seed": validation.seed}
    described |= {"share": validation.share, "development": validation.development.about["name"]}
    run = _run_json(described, validation.folder.path, progress)
    validation.folder.save_json("results", found)
    validation.folder.save_json("run", run)
    return _build_page(validation, found, run, tables)
