"""The command ``fibrolib``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from fibrolib.errors import FibrolibError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Can an ultrasound video stage liver fibrosis without a needle? The study, on a virtual cohort or your own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_error_console = Console(stderr=True)

Seed = Annotated[int, typer.Option(help="Seed of every random choice.", min=0)]
Cutoff = Annotated[int, typer.Option(help="Lowest stage that counts as diseased.", min=1)]


def main() -> None:
    """Entry point: errors in the input become a sentence and exit status 2, not a traceback."""
    try:
        app()
    except FibrolibError as error:
        _error_console.print("Error: ", style="bold red", end="")
        _error_console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder of the cohort.")],
    patients: Annotated[int, typer.Option(help="Number of virtual patients.", min=1)] = 110,
    seed: Seed = 0,
    videos: Annotated[int, typer.Option(help="Videos per patient, each another view.", min=1)] = 1,
) -> None:
    """Make a virtual cohort: videos, images, laboratory values, true masks and cohort.csv."""
    from fibrolib.phantom import simulate_cohort

    table = simulate_cohort(out, patients=patients, videos=videos, seed=seed, n_jobs=-1)
    typer.echo(f"{patients} virtual patients, {patients * videos} videos: {table}")


@app.command()
def check(
    cohort: Annotated[Path, typer.Argument(help="Cohort table, CSV or Parquet.")],
    cutoff: Cutoff = 2,
) -> None:
    """Read a cohort table and every video, image and mask it names, and say what is wrong with them."""
    from fibrolib.cohort import read_cohort
    from fibrolib.errors import VideoError
    from fibrolib.study.preparing import sources
    from fibrolib.video import prepare_clip, prepare_image

    found = read_cohort(cohort, cutoff)
    unreadable = []
    for patient in track(
        list(found.patients().itertuples()), "Reading videos and images", console=_error_console, transient=True
    ):
        for kind in ("clip", "image"):
            for path, roi in sources(patient, kind):
                try:
                    if kind == "clip":
                        prepare_clip(path, size=64, fps=None, max_frames=8, roi=roi)
                    else:
                        prepare_image(path, size=64, roi=roi)
                except VideoError as error:
                    unreadable.append(str(error))
    if unreadable:
        raise FibrolibError("\n".join(dict.fromkeys(unreadable)))
    stages = found.patients()["stage"].value_counts().sort_index().to_dict()
    typer.echo(
        f"Nothing wrong with {found.name}: {len(found.patients())} patients, {len(found.table)} videos, "
        f"patients by stage {stages}."
    )


@app.command()
def run(
    cohort: Annotated[str, typer.Option(help="Cohort table; none: the virtual cohort.")] = "",
    profile: Annotated[str, typer.Option(help="smoke, quick, paper, or a TOML file.")] = "quick",
    cutoff: Cutoff = 2,
    seed: Seed = 0,
    out: Annotated[str, typer.Option(help="Run folder; none: reports/<name of the cohort>.")] = "",
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="Notebook parameter, NAME=VALUE.")
    ] = None,
) -> None:
    """Run the whole study into a report."""
    from fibrolib.report import run_study
    from fibrolib.study import Request

    # Notebooks run elsewhere: paths given on the command line are meant from here.
    table = str(Path(cohort).resolve()) if cohort else ""
    folder = Path(out).resolve() if out else f"reports/{_default_name(table)}"
    profile = str(Path(profile).resolve()) if profile.endswith(".toml") else profile
    report = run_study(Request(table, profile, cutoff, seed, str(folder)), _parameters(parameter or []))
    typer.echo(f"Report: {report}")


def _default_name(cohort: str) -> str:
    if not cohort:
        return "virtual"
    path = Path(cohort)
    return path.parent.name if path.stem == "cohort" else path.stem


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
