"""Where things are: the one module that knows.

Notebooks run in their own folder under JupyterLab and nbval, in the caller's under papermill; so every path of the
project is anchored at the top of the checkout. Of an installed wheel there is no checkout: then it is the working
directory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fibrolib.errors import FibrolibError

__all__ = ["INSIDE", "PROJECT", "STAMP", "find_run_folder", "from_project", "notebook_sources"]


def _top(package: Path) -> Path:
    """Top of the checkout that a package lies in, or the working directory where it was installed without one."""
    checkout = package.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


PROJECT = _top(Path(__file__).resolve().parents[1])
"""Top of the checkout; of an installed wheel, the working directory."""

STAMP = ".made-for"
"""A file that every run folder has."""

INSIDE = ".."
"""Run folder of an executed copy: the one it lies in, seen from the folder of the notebooks."""


def from_project(path: str | Path) -> Path:
    """Absolute path; a relative one is taken from `PROJECT`."""
    return (PROJECT / Path(path).expanduser()).resolve()


def find_run_folder(out: str | Path) -> Path:
    """Absolute path of a run folder.

    Parameters
    ----------
    out : str or Path
        A path; or `INSIDE`, as executed copies have it. It names no place, so a run folder may be moved, and tells
        nothing of the computer where it was made.

    Raises
    ------
    FibrolibError
        If `INSIDE` is said outside of a run folder: nothing must be written to whatever folder that would be.
    """
    if str(out) != INSIDE:
        return from_project(out)
    folder = Path.cwd().parent
    if not (folder / STAMP).is_file():
        raise FibrolibError(
            f"out = '{INSIDE}' means the run folder that a notebook lies in, and {folder} is none. Open the notebook "
            "where the run left it, or set 'out' to the run folder."
        )
    return folder


def notebook_sources(*, virtual: bool = True) -> list[Path]:
    """Return the numbered notebooks in the order of the study.

    Parameters
    ----------
    virtual : bool
        Whether the cohort is virtual. Notebooks that are about virtual patients alone say so in their metadata,
        ``"fibrolib": {"cohort": "virtual"}``, and are left out of the study of any other cohort.

    Raises
    ------
    FibrolibError
        If there are none: the package was installed without its checkout.
    """
    found = sorted((PROJECT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise FibrolibError(
            f"No notebooks in {PROJECT / 'notebooks'}: fibrolib runs from a checkout (git clone, then make env), "
            "or from a folder that holds its notebooks."
        )
    return found if virtual else [path for path in found if not _about_virtual_patients(path)]


def comes_after(notebooks: Sequence[Path]) -> dict[Path, list[Path]]:
    """Of each notebook, those that it must not run beside, but after: it would do their work a second time.

    Notebooks say so in their metadata: ``"fibrolib": {"after": ["05_cnn3d"]}``; those that also name an earlier one
    because both train on all cores would only disturb each other.
    """
    by_name = {path.stem: path for path in notebooks}
    return {path: [by_name[name] for name in _said(path, "after", []) if name in by_name] for path in notebooks}


def _about_virtual_patients(notebook: Path) -> bool:
    return _said(notebook, "cohort", "") == "virtual"


def _said(notebook: Path, key: str, default):
    """What a notebook says of itself to the pipeline, in its metadata."""
    return json.loads(notebook.read_text("utf-8"))["metadata"].get("fibrolib", {}).get(key, default)
