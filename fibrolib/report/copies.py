"""Executed copies without the names of this computer's folders: one of them may be called after a patient."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from nbformat import NotebookNode

from fibrolib.privacy import private_folder
from fibrolib.study import PROJECT

__all__ = ["strip_local_paths"]


def strip_local_paths(notebook: NotebookNode, run_folder: Path) -> NotebookNode:
    """Take the paths of this computer out of an executed copy.

    Patients' names and files do not get here at all (`fibrolib.privacy.open_cohort`). This concerns what surrounds
    them: papermill notes where it read and wrote, and a traceback names the file of every line.

    Parameters
    ----------
    notebook : NotebookNode
        The executed copy; changed in place.
    run_folder : Path
        The run folder that it goes to.

    Returns
    -------
    NotebookNode
        The same.
    """
    shorten = _shortener(run_folder)
    for noted in ("input_path", "output_path"):
        notebook.metadata.get("papermill", {}).pop(noted, None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for part in ("evalue", "text"):
                if part in output:
                    output[part] = shorten(output[part])
            if "traceback" in output:
                output["traceback"] = [shorten(line) for line in output["traceback"]]
            plain = output.get("data", {}).get("text/plain")
            if plain is not None:
                output["data"]["text/plain"] = shorten(plain)
    return notebook


def _shortener(run_folder: Path):
    """A function that replaces the folders in a text; the innermost folder wins."""
    names = {
        str(run_folder): "<run folder>",
        str(private_folder()): "<private folder>",
        str(PROJECT): "<project>",
        sys.prefix: "<python>",
        tempfile.gettempdir(): "<temporary>",
        str(Path.home()): "~",
    }
    longest_first = sorted((name for name in names if name != "/"), key=len, reverse=True)
    pattern = re.compile("(?:" + "|".join(map(re.escape, longest_first)) + r")(?![\w.-])")
    return lambda text: pattern.sub(lambda found: names[found[0]], text)
