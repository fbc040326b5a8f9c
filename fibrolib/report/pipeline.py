"""The whole study, from a cohort table to a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from fibrolib.atomic import remove_unfinished
from fibrolib.checking import ANNOUNCED, LEAKS, CheckReport
from fibrolib.errors import FibrolibError, counted
from fibrolib.privacy import who_is_who
from fibrolib.report.html import build_report
from fibrolib.report.kernels import kernels
from fibrolib.report.notebooks import check_parameters, execute_notebook, is_current
from fibrolib.report.order import run_in_order
from fibrolib.report.progress import Progress, Tally, count
from fibrolib.report.results import circumstances, results
from fibrolib.study import Request, Study, notebook_sources
from fibrolib.study.lock import held
from fibrolib.study.paths import comes_after
from fibrolib.study.preprocessing import sources
from fibrolib.study.pseudonymise import request_for_copies
from fibrolib.study.validation import validate_cohort

__all__ = ["notebooks_for", "run_study"]


def run_study(
    request: Request, further: dict | None = None, console: Console | None = None, *, overwrite: bool = False
) -> Path:
    """Run the notebooks in order and build the report; what an earlier run finished is not done again.

    Parameters
    ----------
    request : Request
        Cohort, profile, cut-off, seed and run folder.
    further : dict or None
        Further notebook parameters.
    console : Console or None
        Where progress is shown.
    overwrite : bool
        Whether another study that the run folder holds is moved aside, under a dated name. Nothing is deleted.

    Returns
    -------
    Path
        ``report.html``.

    Raises
    ------
    FibrolibError
        If the input is wrong (before any work), the folder holds another study, another run is at work in it, or a
        notebook raises.
    """
    console = console or Console()
    _refuse_twice_said(request, further or {})
    check_parameters(notebook_sources(), {**asdict(request), **(further or {})})
    study = Study(request)
    if overwrite and (aside := study.folder.move_other_study_aside()):
        console.print(f"Moved aside: {aside}", highlight=False, soft_wrap=True)
    study.folder.refuse_other_content()
    with held(study.folder.path):
        remove_unfinished(study.folder.path)
        return _run(study, further or {}, console)


def _run(study: Study, further: dict, console: Console) -> Path:
    progress = Progress(study, console)
    console.print(f"Run folder: {study.folder.path}", highlight=False, soft_wrap=True)
    if study.reference and study.folder.path.name.startswith(study.reference):
        console.print(
            "  Its name is a reference: the name of the table, or of its folder, could tell who somebody is.",
            highlight=False,
            soft_wrap=True,
        )
    if study.reference:
        _check(study, progress, console)
    study.folder.claim()
    if not study.reference:
        folder = study.request.virtual_folder(study.profile.patients)
        console.print(f"Virtual cohort: {folder}", highlight=False, soft_wrap=True)
    with progress.step(*_first_step(study)):
        patients = study.cohort.patients()
    if study.reference and who_is_who(study.reference).exists():
        console.print(f"Who is who (yours alone): {who_is_who(study.reference)}", highlight=False, soft_wrap=True)
    files = sum(len(sources(row, kind)) for row in patients.itertuples() for kind in ("clip", "image"))
    clips = count(study.folder.clips, "*.npz", files, "clips and images")
    with progress.step("preparing clips and images", clips):
        content = study.content
    parameters = {**asdict(request_for_copies(study)), **further}
    notebooks = notebooks_for(study, console)
    labels = {notebook: f"[{at}/{len(notebooks)}] {notebook.stem}" for at, notebook in enumerate(notebooks, start=1)}

    def execute(notebook: Path) -> None:
        executed = study.folder.notebooks / notebook.name
        if is_current(notebook, executed, parameters, content):
            console.print(f"  kept  {labels[notebook]}", highlight=False, markup=False)
            return
        with progress.step(labels[notebook], progress.fits):
            execute_notebook(notebook, executed, parameters, content)

    with kernels() as at_once:
        run_in_order(execute, comes_after(notebooks), at_once)
    with progress.step("writing the report"):
        found = results(study)
        made = circumstances(study, progress.seconds)
        study.folder.save_json("results", found)
        study.folder.save_json("run", made)
        report = build_report(study, found, made)
    if study.profile.caveat:
        console.print(study.profile.caveat, highlight=False, soft_wrap=True)
    return report


def _check(study: Study, progress: Progress, console: Console) -> None:
    """Stop at errors of the user's cohort before any work; say what warnings there are."""
    tally = Tally("files")
    told: list[str] = []
    with progress.step("checking the cohort", tally):
        warnings = validate_cohort(study, tally.follow, lambda report: told.extend(_announced(report)))
    # A check that is kept holds no text of the table.
    kept = warnings.loc[warnings["kind"].isin(ANNOUNCED), "finding"]
    for sentence in told or kept:
        console.print(f"  warning  {sentence}", highlight=False, markup=False, soft_wrap=True)
    if len(warnings):
        grave = warnings["kind"].isin(LEAKS).sum()
        console.print(f"  {counted(len(warnings), 'warning')}, {grave} of them grave: see the report", highlight=False)


def _announced(report: CheckReport) -> list[str]:
    """Warnings that a user should read before the work begins."""
    return [str(finding) for finding in report.of("warning") if finding.kind in ANNOUNCED]


def _refuse_twice_said(request: Request, further: dict) -> None:
    """What has an option of its own must not reach the notebooks by another way than the results."""
    for name in sorted(set(further) & set(asdict(request))):
        raise FibrolibError(f"Set {name} with --{name}, not with --parameter.")


def notebooks_for(study: Study, console: Console) -> list[Path]:
    """Return the notebooks that fit the cohort of a study, and say a word of each that does not."""
    fitting = notebook_sources(virtual=study.cohort.virtual)
    for notebook in notebook_sources():
        if notebook not in fitting:
            console.print(f"  left out  {notebook.stem}: it is about virtual patients", highlight=False, markup=False)
    return fitting


def _first_step(study: Study) -> tuple:
    """Label of the step that makes or reads the cohort, and how to follow it."""
    if study.reference:
        return ("reading the cohort",)
    patients = study.profile.patients
    images = study.request.virtual_folder(patients) / "images"  # one of each patient, however many videos
    return "simulating the virtual cohort", count(images, "*.png", patients, "patients")
