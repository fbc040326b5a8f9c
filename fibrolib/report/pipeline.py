"""The whole study, from a cohort table to a report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeVar

import pandas as pd
from rich.console import Console

from fibrolib.atomic import remove_unfinished
from fibrolib.checking import ANNOUNCED, LEAKS, CheckReport
from fibrolib.errors import FibrolibError, counted
from fibrolib.experiments import SimulatedTestSet, stage_patients
from fibrolib.privacy import who_is_who
from fibrolib.report.html import _build_report
from fibrolib.report.kernels import _kernels
from fibrolib.report.notebooks import (
    _check_parameters,
    _dependencies,
    _execute_notebook,
    _is_current,
    _notebook_sources,
)
from fibrolib.report.progress import _count_files, _Fits, _Progress, _Tally
from fibrolib.report.results import _results_json, _run_json
from fibrolib.study import Request, Study
from fibrolib.study.own_cohort import request_for_copies, validate_cohort
from fibrolib.study.preprocessing import sources
from fibrolib.validation import describe_development
from fibrolib.video import VideoSurvey

_T = TypeVar("_T")


def run_study(
    request: Request, further: dict | None = None, console: Console | None = None, *, overwrite: bool = False
) -> Path:
    """Run the notebooks and build ``report.html``; what an earlier run finished is not done again.

    ``further`` are further notebook parameters; ``overwrite`` moves another study in the run folder aside and deletes
    nothing. Raises `FibrolibError` where the input is wrong (before any work), the folder holds another study or is in
    use, or a notebook raises.
    """
    console = console or Console()
    _refuse_options_of_run(request, further or {})
    _check_parameters(_notebook_sources(), {**asdict(request), **(further or {})})
    study = Study(request)
    study.profile.check_devices()
    if overwrite and (aside := study.folder.move_other_study_aside()):
        _say(console, f"Moved aside: {aside}")
    study.folder.refuse_other_content()
    with study.folder.hold():
        remove_unfinished(study.folder.path)
        return _run(study, further or {}, console)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _run(study: Study, further: dict, console: Console) -> Path:
    progress, surveys = _Progress(console), {}
    _say(console, f"Run folder: {study.folder.path}")
    if study.reference:
        if study.folder.path.name.startswith(study.reference):
            _say(console, "  Its name is a reference: the name of the table or its folder could identify a person.")
        surveys = _check(study, progress, console)
    study.folder.claim()
    if not study.reference:
        _say(console, f"Virtual cohort: {study.virtual_folder}")
    with progress.step(*_first_step(study)):
        patients = study.cohort.patients()
    if study.reference and who_is_who(study.reference).exists():
        _say(console, f"Pseudonyms and patient ids (private): {who_is_who(study.reference)}")
    files = sum(len(sources(row, kind)) for row in patients.itertuples() for kind in ("clip", "image"))
    with progress.step(
        "preparing clips and images", _count_files(study.folder.clips, "*.npz", files, "clips and images")
    ):
        content = study.content
    _run_notebooks(study, further, content, progress, console)
    tally = _Tally("files")
    with progress.step("describing the cohort, for fibrolib validate", tally):
        describe_development(study, tally.follow, surveys)
    with progress.step("writing the report"):
        report = _write_report(study, progress)
    study.folder.remove_features()
    if study.profile.caveat:
        _say(console, study.profile.caveat)
    return report


def _run_notebooks(study: Study, further: dict, content: str, progress: _Progress, console: Console) -> None:
    """Run the notebooks, two at a time; current copies of an earlier run stay."""
    parameters = {**asdict(request_for_copies(study.request, study.reference, study.profile, study.folder)), **further}
    notebooks, fits = _notebooks_for(study.cohort.virtual, console), _Fits(study.net_evaluations)
    labels = {notebook: f"[{at}/{len(notebooks)}] {notebook.stem}" for at, notebook in enumerate(notebooks, start=1)}

    def execute(notebook: Path) -> None:
        executed = study.folder.notebooks / notebook.name
        if _is_current(notebook, executed, parameters, content):
            _say(console, f"  kept  {labels[notebook]}")
            return
        with progress.step(labels[notebook], fits):
            spent = _execute_notebook(notebook, executed, parameters, content)
        progress.processor_seconds[labels[notebook]] = spent

    with _kernels() as max_workers:
        _run_in_order(execute, _dependencies(notebooks), max_workers)


def _keep_for_paper(study: Study) -> None:
    """Write what `fibrolib.paper` draws and no notebook keeps: training curves, and pictures with their maps."""
    fits = [study.evaluation(name).histories.assign(model=name) for name in study.nets]
    study.folder.save_table("histories", pd.concat(fits, ignore_index=True))
    study.folder.save_plates(study.plates)


def _write_report(study: Study, progress: _Progress) -> Path:
    """Write results.json, run.json and the report from the tables of the run."""
    nets = study.net_evaluations
    test_set = SimulatedTestSet(nets, study.index_evaluations) if study.cohort.virtual else None
    binary = study.patients["stage"].max() < 2
    staging = {} if binary else stage_patients(nets, test_set)
    tables = {**study.tables, **staging, **(test_set.tables if test_set else {})}
    tables |= study.quality
    tables |= {f"attribution-{name}": study.attribution(name) for name in study.nets}
    answers = study.folder.path / "tables" / "clinical.csv"  # of notebook 12, which has run before
    tables |= {"clinical": pd.read_csv(answers)} if answers.exists() else {}
    evaluations = {name: study.evaluation(name) for name in study.models}
    found = _results_json(study.summary(), evaluations, study.thresholds, tables)
    run = _run_json(study.description(), study.folder.path, progress)
    study.folder.save_json("results", found)
    study.folder.save_json("run", run)
    _keep_for_paper(study)
    return _build_report(study.folder, found, run, tables)


def _check(study: Study, progress: _Progress, console: Console) -> Mapping[str, VideoSurvey]:
    """Stop at errors of the user's cohort before any work; print warnings. Returns what was seen of the files."""
    tally = _Tally("files")
    reports: list[CheckReport] = []  # of a new check
    settings = study.reference, study.cutoff, study.profile, study.folder
    with progress.step("checking the cohort", tally):
        warnings = validate_cohort(*settings, tally.follow, reports.append)
    texts = [str(finding) for report in reports for finding in report.of("warning") if finding.kind in ANNOUNCED]
    # A check that an earlier run made holds no text of the table.
    for text in texts or warnings.loc[warnings["kind"].isin(ANNOUNCED), "finding"]:
        _say(console, f"  warning  {text}")
    if len(warnings):
        grave = warnings["kind"].isin(LEAKS).sum()
        _say(console, f"  {counted(len(warnings), 'warning')}, {grave} of them grave: see the report")
    return reports[0].surveys if reports else {}


def _refuse_options_of_run(request: Request, further: dict) -> None:
    """A parameter that has an option of its own must not reach the notebooks by another way than the results."""
    for name in sorted(set(further) & set(asdict(request))):
        raise FibrolibError(f"Set {name} with --{name}, not with --parameter.")


def _notebooks_for(virtual: bool, console: Console) -> list[Path]:
    """The notebooks that fit the cohort; one that does not is named on the console."""
    fitting = _notebook_sources(virtual=virtual)
    for notebook in _notebook_sources():
        if notebook not in fitting:
            _say(console, f"  left out  {notebook.stem}: it is about virtual patients")
    return fitting


def _first_step(study: Study) -> tuple:
    """Label of the step that simulates or reads the cohort, and how to follow it."""
    if study.reference:
        return ("reading the cohort",)
    patients = study.profile.patients
    images = study.virtual_folder / "images"  # one of each patient, however many videos
    return "simulating the virtual cohort", _count_files(images, "*.png", patients, "patients")


def _run_in_order(work: Callable[[_T], object], dependencies: Mapping[_T, Collection[_T]], max_workers: int) -> None:
    """Work on every item in threads, none before its dependencies; with one worker, in the order given.

    What others wait for goes first, then what comes last, which takes longer. An exception is raised at once: nothing
    is begun afterwards, and what is under way goes on by itself.
    """
    if max_workers == 1:
        for item in dependencies:
            work(item)
        return
    awaited = {item for before in dependencies.values() for item in before}
    rank = {item: (item not in awaited, -place) for place, item in enumerate(dependencies)}
    order = TopologicalSorter(dependencies)
    order.prepare()
    pool = ThreadPoolExecutor(max_workers)
    ready: list[_T] = []
    running: dict[Future, _T] = {}
    try:
        while order.is_active():
            ready = sorted([*ready, *order.get_ready()], key=rank.__getitem__)
            free = max_workers - len(running)
            running |= {pool.submit(work, item): item for item in ready[:free]}
            ready = ready[free:]
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                ended.result()
                order.done(running.pop(ended))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
