"""The whole study, from a cohort table to a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from fibrolib.report.html import build_report
from fibrolib.report.notebooks import check_parameters, execute_notebook, is_current
from fibrolib.report.progress import Progress
from fibrolib.study import Request, Study, notebook_sources
from fibrolib.study.results import circumstances, results

__all__ = ["run_study"]


def run_study(request: Request, further: dict | None = None, console: Console | None = None) -> Path:
    """Run the notebooks in order and build the report; what an earlier run finished is not done again.

    Parameters
    ----------
    request : Request
        Cohort, profile, cut-off, seed and run folder.
    further : dict or None
        Further notebook parameters.
    console : Console or None
        Where progress is shown.

    Returns
    -------
    Path
        ``report.html``.

    Raises
    ------
    FibrolibError
        If the input is wrong (before any work), or a notebook raises.
    """
    console = console or Console()
    parameters = {**asdict(request), **(further or {})}
    notebooks = notebook_sources()
    check_parameters(notebooks, parameters)
    study = Study(request)
    progress = Progress(study, console)
    console.print(f"Run folder: {study.folder.path}", highlight=False)
    with progress.step("reading the cohort" if request.cohort else "simulating the virtual cohort"):
        cohort = study.cohort.digest()
    with progress.step("preparing clips and images"):
        _ = study.patients
    for number, notebook in enumerate(notebooks, start=1):
        executed = study.folder.notebooks / notebook.name
        label = f"[{number}/{len(notebooks)}] {notebook.stem}"
        if is_current(notebook, executed, parameters, cohort):
            console.print(f"  kept  {label}", highlight=False, markup=False)
            continue
        with progress.step(label.replace("[", "\\["), nets=True):
            execute_notebook(notebook, executed, parameters, cohort)
    with progress.step("writing the report"):
        found = results(study)
        made = circumstances(study, progress.seconds)
        study.folder.save_json("results", found)
        study.folder.save_json("run", made)
        report = build_report(study, found, made)
    return report
