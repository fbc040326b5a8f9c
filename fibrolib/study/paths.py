"""Where things are: the one module that knows.

Notebooks run in their own folder under JupyterLab and nbval, in the caller's under papermill; so every path of the
project is anchored here and not at the working directory.
"""

from __future__ import annotations

import json
from pathlib import Path

from fibrolib.errors import FibrolibError

__all__ = ["INSIDE", "PROJECT", "STAMP", "find_run_folder", "from_project", "notebook_sources"]

PROJECT = Path(__file__).resolve().parents[2]
"""Top of the checkout."""

STAMP = ".made-for"
"""A file that every run folder has."""

INSIDE = ".."
"""Run folder of an executed copy: the one it lies in, seen from the folder of the notebooks."""


def from_project(path: str | Path) -> Path:
    """Absolute path; a relative one is taken from the top of the checkout."""
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
            f"No notebooks in {PROJECT / 'notebooks'}: fibrolib runs from a checkout (git clone, then make env)."
        )
    return found if virtual else [path for path in found if not _about_virtual_patients(path)]


def _about_virtual_patients(notebook: Path) -> bool:
    metadata = json.loads(notebook.read_text("utf-8"))["metadata"]
    return metadata.get("fibrolib", {}).get("cohort") == "virtual"
