"""The command ``fibrolib``."""

from __future__ import annotations

import contextlib
import errno
import json
import signal
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console
from rich.progress import track

from fibrolib import __version__
from fibrolib.errors import KEPT_WHERE_IT_STOPPED, FibrolibError, counted
from fibrolib.stages import CONDITIONS
from fibrolib.system import STOP_SIGNALS
from fibrolib.workers import SCHEDULER, computing_on

app = typer.Typer(
    help="Stage liver fibrosis from ultrasound images and videos: the study, on a virtual cohort or your own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_error_console = Console(stderr=True)
_NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Errors of the system about a place that the user named."""

Seed = Annotated[int, typer.Option(help="Random seed.", min=0)]
Cutoff = Annotated[
    int, typer.Option(help="Lowest stage that counts as diseased.", min=min(CONDITIONS), max=max(CONDITIONS))
]

OwnProfile = Annotated[str, typer.Option("--profile", help="TOML file that names user-defined diagnostics.")]
Pseudonymous = Annotated[
    bool, typer.Option("--pseudonymous", help="Keep patient_id, because it is already a pseudonym.")
]
Outside = Annotated[bool, typer.Option("--outside", help="Allow files outside the table's folder.")]


def main() -> None:
    """Entry point: errors in the input give a message and exit status 2, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # consoles that are not UTF-8, file names that are in no coding
    try:
        app()
    except FibrolibError as error:
        from fibrolib.privacy import revealed

        _say_and_stop(revealed(str(error)))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _say_and_stop(f"The disk is full ({error}). {KEPT_WHERE_IT_STOPPED}")
        if error.errno not in _NO_PLACE:
            raise
        _say_and_stop(
            f"{error.filename}: this cannot be opened or made here ({error.strerror}). Choose another folder, or "
            "change its permissions."
        )
    except (MemoryError, TerminatedWorkerError):
        _say_and_stop(
            "A process of this run ended, probably because the memory is full. Close other programs or choose a "
            "smaller profile, and run the same command again; it resumes."
        )


def _say_and_stop(message: str) -> NoReturn:
    _error_console.print("Error: ", style="bold red", end="")
    _say(message)
    sys.exit(2)


def _say(text: str) -> None:
    _error_console.print(text, markup=False, highlight=False, soft_wrap=True)


def _track(label: str, results: Iterable, total: int) -> Iterable:
    """Pass results on, under a progress bar."""
    return track(results, label, total=total, console=_error_console, transient=True)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fibrolib {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself."""


@app.command("simulate")
def _simulate(
    out: Annotated[Path, typer.Option(help="Folder of the cohort.")],
    patients: Annotated[int, typer.Option(help="Number of virtual patients.", min=1)] = 110,
    seed: Seed = 0,
    videos: Annotated[int, typer.Option(help="Videos per patient, each of another view.", min=1)] = 1,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write videos and images as uncompressed DICOM.")] = False,
    hospital: Annotated[str, typer.Option(help="first, or second: another scanner, other patients.")] = "first",
) -> None:
    """Simulate a virtual cohort: videos, images, laboratory values, true masks and cohort.csv."""
    from fibrolib.phantom import find_hospital, simulate_cohort

    options = {"videos": videos, "seed": seed, "dicom": dicom, "hospital": find_hospital(hospital)}
    table = simulate_cohort(out, patients=patients, **options, n_jobs=-1)
    typer.echo(f"{counted(patients, 'virtual patient')}, {counted(patients * videos, 'video')}: {table}")


@app.command("init")
def _init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new table.")],
    source: Annotated[Path, typer.Option("--from", help="Folder of videos.")],
    pattern: Annotated[str, typer.Option(help="Regular expression for the patient id in a video's path.")] = "",
) -> None:
    """Write a first cohort.csv for a folder of videos, and list what to complete."""
    from fibrolib.checking import write_template
    from fibrolib.cohort import NUMBERS
    from fibrolib.privacy import private_folder, pseudonym, read_key, write_private

    numbers = ", ".join(f"{name} ({spec.unit})" for name, spec in NUMBERS.items())
    made = write_template(folder, source, pattern, lambda patient: pseudonym(read_key(), "p", patient))
    typer.echo(
        f"{made.path}: {counted(made.videos, 'video')} of {counted(made.patients, 'patient')}, "
        f"told apart {made.rule}.{'' if made.sure else ' This is a guess: look through the table.'}"
    )
    if made.ids:
        rows = "".join(f'{name},"{patient}"\n' for name, patient in made.ids.items())
        place = private_folder() / "init" / f"{pseudonym(read_key(), 'table', str(made.path))}.csv"
        typer.echo(f"Who is who, for you alone: {write_private(place, 'patient_id,PatientID' + chr(10) + rows)}")
    if made.left_out:
        typer.echo(f"Not listed: {', '.join(made.left_out)}.")
    typer.echo(
        f"Fill in: stage (METAVIR 0 to 4), and what is known of sex, {numbers}. Replace names by pseudonyms.\n"
        f"Then: fibrolib check {made.path}"
    )


@app.command("check")
def _check(
    cohort: Annotated[Path, typer.Argument(help="Cohort table: CSV, Excel (.xlsx, .xlsx#sheet) or Parquet.")],
    cutoff: Cutoff = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    outside: Outside = False,
    profile: OwnProfile = "",
    page: Annotated[
        str, typer.Option(help="Write an HTML page that shows each video, and the input of the networks.")
    ] = "",
) -> None:
    """List all problems of a cohort and its files, by line. Exit status: 0 no problems, 1 warnings, 2 errors."""
    from fibrolib.checking import check_cohort
    from fibrolib.diagnostics import INDICES

    diagnostics = INDICES
    if profile:
        from fibrolib.study import load_profile

        diagnostics = load_profile(profile).declared

    options = {"outside": outside, "diagnostics": diagnostics, "n_jobs": -1, "track": partial(_track, "Reading files")}
    report = check_cohort(cohort, cutoff, **options)
    typer.echo(report.json() if as_json else report.text())
    if page:
        report.write_page(page)
    raise typer.Exit(report.status)


@app.command("deidentify")
def _deidentify(
    source: Annotated[Path, typer.Argument(help="A file, a folder, or a cohort table.")],
    out: Annotated[Path, typer.Argument(help="Folder of the copies.")],
    whole: Annotated[
        bool, typer.Option("--whole", help="Accept images that fill the frame; nothing is set to black.")
    ] = False,
) -> None:
    """Copy ultrasound files without names, ids, dates, and text around the image.

    Exit status: 0 all files written, 1 files skipped or to be looked at, 2 files refused.
    """
    from fibrolib.deidentify import deidentify as make_safe

    report, names = make_safe(source, out, whole=whole, say=_say, track=partial(_track, "Writing copies"))
    typer.echo(report.text())
    typer.echo(f"Old and new names (private): {names}")
    raise typer.Exit(report.status)


@app.command("run")
def _run(
    cohort: Annotated[str, typer.Option(help="Cohort table. Default: the virtual cohort.")] = "",
    profile: Annotated[str, typer.Option(help="smoke, quick, paper, or a TOML file.")] = "quick",
    cutoff: Cutoff = 2,
    seed: Seed = 0,
    out: Annotated[
        str, typer.Option(help="Run folder. Default: reports/..., named after cohort, profile, cut-off and seed.")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="If the run folder holds another study, rename it (adds a date).")
    ] = False,
    pseudonymous: Pseudonymous = False,
    outside: Outside = False,
    scheduler: Annotated[
        str, typer.Option(envvar=SCHEDULER, help="Dask scheduler, tcp://HOST:PORT, or local:N for N processes.")
    ] = "",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="Notebook parameter, NAME=VALUE.")
    ] = None,
) -> None:
    """Run the study and write the report."""
    from fibrolib.paper import write_cards
    from fibrolib.privacy import register, who_is_who
    from fibrolib.progress import hidden
    from fibrolib.report import run_study
    from fibrolib.study import PROJECT, Request, load_profile

    load_profile(profile)  # one that does not exist ends the run before anything is noted or read
    # Notebooks run elsewhere: paths given on the command line are meant from here.
    reference = register(Path(cohort).resolve(), pseudonymous=pseudonymous, outside=outside) if cohort else ""
    folder = str(Path(out).resolve()) if out else ""
    profile = str(Path(profile).resolve()) if profile.endswith(".toml") else profile
    request = Request(reference, profile, cutoff, seed, folder)
    written = Path(folder).parent if folder else PROJECT / "reports"
    read = [Path(cohort).resolve().parent, who_is_who(reference).parent] if cohort else []
    cluster = computing_on(scheduler, written, *read)
    # Bars are for notebooks; a run shows where it is in its own way.
    with _stopped_in_a_sentence(), hidden(), cluster:
        report = run_study(request, _parameters(parameter or []), overwrite=overwrite)
        write_cards(report.parent)
    typer.echo(f"Report: {report}")


@app.command("paper")
def _paper(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Option(help="Folder of the material.")] = Path("paper"),
    journal: Annotated[str, typer.Option(help="standard, elsevier, springer or nature.")] = "standard",
    width: Annotated[float | None, typer.Option(help="Width of all figures in mm. Default: what suits each.")] = None,
    style: Annotated[str, typer.Option(help="File of matplotlib settings for the figures (.mplstyle).")] = "",
) -> None:
    """Write the material of a manuscript from a finished run. Nothing is computed anew."""
    from fibrolib.paper import write_paper

    for sentence in write_paper(run, out, journal=journal, width=width, style=style):
        typer.echo(sentence)


@app.command("score")
def _score(
    model: Annotated[Path, typer.Argument(help="models/NAME.safetensors of a run.")],
    video: Annotated[Path, typer.Argument(help="Video, DICOM cine or image.")],
    profile: OwnProfile = "",
) -> None:
    """Print the stage probabilities of one video. For research only, not for patient care."""
    from tempfile import TemporaryDirectory

    from fibrolib.study import load_profile
    from fibrolib.study.preprocessing import score_video

    if profile:
        load_profile(profile)  # which makes its nets known
    with TemporaryDirectory() as scratch:
        probabilities, settings = score_video(model, video, Path(scratch))
    typer.echo("stage  probability")
    for stage, probability in probabilities.items():
        typer.echo(f"{stage:>5}  {probability:.3f}")
    trained = "virtual patients (simulated)" if settings["trained_on_virtual_patients"] else "one cohort"
    typer.echo(f"Not a diagnosis: the network was trained on {trained} and is for research only.")


@app.command("validate")
def _validate(
    model: Annotated[Path, typer.Argument(help="Folder of a finished run, or one of its files models/NAME....")],
    cohort: Annotated[Path, typer.Argument(help="Table of another cohort.")],
    share: Annotated[float, typer.Option(help="Share of the patients that the second step recalibrates on.")] = 0.5,
    seed: Seed = 0,
    out: Annotated[str, typer.Option(help="Folder of the report. Default: reports/validation-...")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="If the folder holds something else, rename it (adds a date).")
    ] = False,
    pseudonymous: Pseudonymous = False,
    outside: Outside = False,
    profile: OwnProfile = "",
) -> None:
    """Try the frozen models of a run on another cohort; nothing is fitted before the first results are written."""
    from fibrolib.privacy import register
    from fibrolib.progress import hidden
    from fibrolib.report import validate_models
    from fibrolib.validation import open_validation

    reference = register(cohort.resolve(), pseudonymous=pseudonymous, outside=outside)
    validation = open_validation(model, reference, share=share, seed=seed, out=out, profile=profile)
    with _stopped_in_a_sentence(), hidden():
        report = validate_models(validation, overwrite=overwrite)
    typer.echo(f"Report: {report}")


@app.command("pretrain")
def _pretrain(
    out: Annotated[Path, typer.Option(help="Folder of the weights.")],
    pictures: Annotated[Path, typer.Option(help="Folder of the simulated images.")],
    stills: Annotated[int, typer.Option(help="Simulated patients with a still image.", min=20)] = 3000,
    clips: Annotated[int, typer.Option(help="Simulated patients with a clip.", min=20)] = 600,
    only: Annotated[str, typer.Option(help="One architecture. Default: all.")] = "",
) -> None:
    """Repeat the simulation pretraining and write its weights."""
    from fibrolib.pretraining import RECIPES, make_weights

    if only and only not in RECIPES:
        raise FibrolibError(f"There is no recipe for '{only}'. Choose one of {', '.join(RECIPES)}.")
    made_of = {"stills": stills, "clips": clips}
    make_weights(pictures, out, only=only, patients=made_of, report=typer.echo, n_jobs=-1)


@app.command("lab")
def _lab() -> None:
    """Open JupyterLab on the notebooks; reports open in it too."""
    from jupyterlab.labapp import LabApp

    from fibrolib.study import PROJECT

    LabApp.launch_instance([f"--ServerApp.root_dir={PROJECT}", "--LabApp.default_url=/lab/tree/notebooks"])


@contextlib.contextmanager
def _stopped_in_a_sentence() -> Iterator[None]:
    """Ctrl-C, a signal that asks the run to end, and a closed terminal: all processes end, and a sentence says so."""

    def stop(*_) -> NoReturn:
        raise KeyboardInterrupt

    for signum in STOP_SIGNALS:
        signal.signal(signum, stop)
    try:
        yield
    except KeyboardInterrupt:
        _error_console.print("Stopped. Run the same command again to resume.")
        raise typer.Exit(130) from None


def _parameters(pairs: list[str]) -> dict:
    """``NAME=VALUE`` pairs; values are read as JSON where they are, else as text."""
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise FibrolibError(f"--parameter {pair}: expected NAME=VALUE.")
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    return parameters
