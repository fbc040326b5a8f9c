"""Where things are: the one module that knows.

Notebooks run in their own folder under JupyterLab and nbval, in the caller's under papermill; so every path of the
project is anchored here and not at the working directory.
"""

from __future__ import annotations

import json
from pathlib import Path

from fibrolib.errors import FibrolibError

__all__ = ["PROJECT", "from_project", "notebook_sources"]

PROJECT = Path(__file__).resolve().parents[2]
"""Top of the checkout."""


def from_project(path: str | Path) -> Path:
    """Absolute path; a relative one is taken from the top of the checkout."""
    return (PROJECT / Path(path).expanduser()).resolve()


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
