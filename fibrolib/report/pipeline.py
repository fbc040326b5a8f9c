"""The whole study, from a cohort table to a report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeVar

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
from fibrolib.study import Profile, Request, Study
from fibrolib.study.own_cohort import request_for_copies, validate_cohort
from fibrolib.study.preprocessing import sources
from fibrolib.study.runfolder import RunFolder

_T = TypeVar("_T")


def run_study(
    request: Request, further: dict | None = None, console: Console | None = None, *, overwrite: bool = False
) -> Path:
    """Run the notebooks and build ``report.html``; what an earlier run finished is not done again.

    ``further`` are further notebook parameters; ``overwrite`` moves another study in the run folder aside and deletes
    nothing. Raises `FibrolibError` where the input is wrong (before any work), the folder holds another study or is in
    use, or a notebook raises.
    """
    progress, further = _Progress(console or Console()), further or {}
    for name in sorted(set(further) & set(asdict(request))):
        raise FibrolibError(f"Set {name} with --{name}, not with --parameter.")
    _check_parameters(_notebook_sources(), {**asdict(request), **further})
    study = Study(request)
    if overwrite and (aside := study.folder.move_other_study_aside()):
        progress.say(f"Moved aside: {aside}")
    study.folder.refuse_other_content()
    with study.folder.hold():
        remove_unfinished(study.folder.path)
        return _run(study, further, progress)


def _run(study: Study, further: dict, progress: _Progress) -> Path:
    folder, profile, reference = study.folder, study.profile, study.reference
    progress.say(f"Run folder: {folder.path}")
    if reference:
        if folder.path.name.startswith(reference):
            progress.say("  Its name is a reference: the name of the table or its folder could identify a person.")
        _check(reference, study.cutoff, profile, folder, progress)
    folder.claim()
    first, detail = "reading the cohort", None
    if not reference:
        cohort = study.request.virtual_folder(profile.patients)
        progress.say(f"Virtual cohort: {cohort}")
        # Of images, there is one of each patient, however many videos.
        first = "simulating the virtual cohort"
        detail = _count_files(cohort / "images", "*.png", profile.patients, "patients")
    with progress.step(first, detail):
        patients = study.cohort.patients()
    if reference and who_is_who(reference).exists():
        progress.say(f"Pseudonyms and patient ids (private): {who_is_who(reference)}")
    files = sum(len(sources(row, kind)) for row in patients.itertuples() for kind in ("clip", "image"))
    with progress.step("preparing clips and images", _count_files(folder.clips, "*.npz", files, "clips and images")):
        content = study.content
    parameters = asdict(request_for_copies(study.request, reference, profile, folder)) | further
    notebooks = _notebooks_for(study.cohort.virtual, progress)
    _run_notebooks(notebooks, folder.notebooks, parameters, content, progress, _Fits(study.net_evaluations))
    with progress.step("writing the report"):
        report = _write_report(study, progress.seconds)
    if profile.caveat:
        progress.say(profile.caveat)
    return report


def _run_notebooks(
    notebooks: list[Path], folder: Path, parameters: dict, content: str, progress: _Progress, fits: _Fits
) -> None:
    """Run the notebooks, two at a time; current copies of an earlier run stay."""
    labels = {notebook: f"[{at}/{len(notebooks)}] {notebook.stem}" for at, notebook in enumerate(notebooks, start=1)}

    def execute(notebook: Path) -> None:
        executed = folder / notebook.name
        if _is_current(notebook, executed, parameters, content):
            progress.say(f"  kept  {labels[notebook]}")
            return
        with progress.step(labels[notebook], fits):
            _execute_notebook(notebook, executed, parameters, content)

    with _kernels() as max_workers:
        _run_in_order(execute, _dependencies(notebooks), max_workers)


def _write_report(study: Study, seconds: dict[str, float]) -> Path:
    """Write results.json, run.json and the report from the tables of the run."""
    nets = study.net_evaluations
    test_set = SimulatedTestSet(nets, study.index_evaluations) if study.cohort.virtual else None
    binary = study.patients["stage"].max() < 2
    staging = {} if binary else stage_patients(nets, test_set)
    tables = {**study.tables, **staging, **(test_set.tables if test_set else {})}
    tables |= {f"attribution-{name}": study.attribution(name) for name in study.nets}
    evaluations = {name: study.evaluation(name) for name in study.models}
    found = _results_json(study.summary(), evaluations, study.thresholds, tables)
    run = _run_json(study.description(), study.folder.path, seconds)
    study.folder.save_json("results", found)
    study.folder.save_json("run", run)
    return _build_report(study.folder, found, run, tables)


def _check(reference: str, cutoff: int, profile: Profile, folder: RunFolder, progress: _Progress) -> None:
    """Stop at errors of the user's cohort before any work; print what warnings there are."""
    tally = _Tally("files")
    texts: list[str] = []

    def announce(report: CheckReport) -> None:
        texts.extend(str(finding) for finding in report.of("warning") if finding.kind in ANNOUNCED)

    with progress.step("checking the cohort", tally):
        warnings = validate_cohort(reference, cutoff, profile, folder, tally.follow, announce)
    # A check that an earlier run made holds no text of the table.
    for text in texts or warnings.loc[warnings["kind"].isin(ANNOUNCED), "finding"]:
        progress.say(f"  warning  {text}")
    if len(warnings):
        grave = warnings["kind"].isin(LEAKS).sum()
        progress.say(f"  {counted(len(warnings), 'warning')}, {grave} of them grave: see the report")


def _notebooks_for(virtual: bool, progress: _Progress) -> list[Path]:
    """The notebooks that fit the cohort; one that does not is named on the console."""
    fitting = _notebook_sources(virtual=virtual)
    for notebook in _notebook_sources():
        if notebook not in fitting:
            progress.say(f"  left out  {notebook.stem}: it is about virtual patients")
    return fitting


def _run_in_order(work: Callable[[_T], object], dependencies: Mapping[_T, Collection[_T]], max_workers: int) -> None:
    """Work on every item in threads, none before its dependencies; after an exception none is begun."""
    if max_workers == 1:
        for item in dependencies:
            work(item)
        return
    # What others wait for goes first, then what comes last, which takes longer.
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
