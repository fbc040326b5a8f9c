"""Execute notebooks with papermill: parameters, errors in a sentence, copies without the folders of this computer."""

from __future__ import annotations

import contextlib
import difflib
import errno
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from fibrolib.atomic import write_atomically
from fibrolib.attribution import parse_methods
from fibrolib.errors import KEPT_WHERE_IT_STOPPED, FibrolibError
from fibrolib.privacy import private_folder
from fibrolib.provenance import package_digest
from fibrolib.report.kernels import _KernelManager
from fibrolib.study import PROJECT
from fibrolib.study.cache import digest

_FAILED = "-failed"  # ends the name of an executed copy that stopped at an error


def _whole_number(least: int, or_zero: bool = False) -> Callable[[object], None]:
    """A check that a value is a whole number, at least so large."""

    def check(value: object) -> None:
        right = isinstance(value, int) and not isinstance(value, bool)
        if not right or (value < least and not (or_zero and value == 0)):
            raise FibrolibError(f"Expected a whole number of at least {least}{', or 0' * or_zero}, found {value!r}.")

    return check


def _share(value: object) -> None:
    """A check that a value is a share."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
        raise FibrolibError(f"Expected a share between 0 and 1, such as 0.1, found {value!r}.")


def _level(value: object) -> None:
    """A check that a value is a confidence level."""
    _share(value)
    if value < 0.5:
        raise FibrolibError(f"Expected a share from 0.5 up, such as 0.8, found {value!r}.")


_VALUES: dict[str, Callable[[object], object]] = {
    "methods": parse_methods,
    "redraws": _whole_number(10),
    "draws": _whole_number(100),
    "planted": _whole_number(12, or_zero=True),
    "explained": _whole_number(1),
    "trainings": _whole_number(0),
    "advanced": _whole_number(1),
    "prevalence": _share,
    "margin": _share,
    "biopsy_error": _share,
    "answers": _level,
}
"""Of every parameter that a notebook has besides those of `Request`: what raises where a value is not allowed."""


def _notebook_sources(*, virtual: bool = True) -> list[Path]:
    """Return the numbered notebooks in their order.

    Without ``virtual``, those are left out whose metadata say ``"fibrolib": {"cohort": "virtual"}``. Raises
    `FibrolibError` where there are none: the package was installed without its checkout.
    """
    found = sorted((PROJECT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise FibrolibError(
            f"No notebooks in {PROJECT / 'notebooks'}: fibrolib runs from a checkout (git clone, then make env), "
            "or from a folder that holds its notebooks."
        )
    return [path for path in found if virtual or _metadata(path, "cohort", "") != "virtual"]


def _dependencies(notebooks: Sequence[Path]) -> dict[Path, list[Path]]:
    """The notebooks that each notebook must run after, from its metadata: ``"fibrolib": {"after": ["05_cnn3d"]}``."""
    by_name = {path.stem: path for path in notebooks}
    return {path: [by_name[name] for name in _metadata(path, "after", []) if name in by_name] for path in notebooks}


def _metadata(notebook: Path, key: str, default):
    """What a notebook tells the pipeline in its metadata."""
    return json.loads(notebook.read_text("utf-8"))["metadata"].get("fibrolib", {}).get(key, default)


def _parameter_names(notebook: Path) -> list[str]:
    """Names that the notebook's ``parameters`` cell declares."""
    return list(papermill.inspect_notebook(str(notebook)))


def _check_parameters(notebooks: Sequence[Path], parameters: dict) -> None:
    """Refuse a parameter that no notebook declares (papermill would only warn), or a value that is not allowed."""
    declared = sorted({name for notebook in notebooks for name in _parameter_names(notebook)})
    for name in parameters:
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            settable = [name for name in declared if name in _VALUES] or declared
            raise FibrolibError(f"No notebook has a parameter '{name}'.{hint} Known: {', '.join(settable)}.")
        if name in _VALUES:
            try:
                _VALUES[name](parameters[name])
            except FibrolibError as error:
                raise FibrolibError(f"Parameter {name}={parameters[name]}: {error}") from error


def _key(notebook: Path, parameters: dict, content: str) -> str:
    """Everything an executed copy depends on, the drawing code included."""
    source = notebook.read_text("utf-8")
    return digest({"source": source, "parameters": parameters, "code": package_digest(), "content": content})


def _is_current(notebook: Path, executed: Path, parameters: dict, content: str) -> bool:
    """Whether an executed copy is finished and was made from this source, these parameters, this cohort, this code."""
    if not executed.exists():
        return False
    with contextlib.suppress(ValueError, KeyError):
        return nbformat.read(executed, as_version=4).metadata["fibrolib"]["key"] == _key(notebook, parameters, content)
    return False


def _failure(notebook: Path, executed: Path, error: PapermillExecutionError) -> FibrolibError:
    first_line = next((line for line in error.source.splitlines() if line.strip()), "")
    full = f"The disk is full. {KEPT_WHERE_IT_STOPPED}\n" if os.strerror(errno.ENOSPC) in error.evalue else ""
    return FibrolibError(
        f"{full}{notebook.name} stopped in cell [{error.exec_count}], which begins '{first_line}':\n"
        f"  {error.ename}: {error.evalue}\n"
        f"The executed copy with the traceback is {executed}."
    )


def _execute_notebook(notebook: Path, executed: Path, parameters: dict, content: str) -> float:
    """Run a notebook in the folder of its executed copy, with the parameters that it declares, and keep that copy.

    Returns the processor seconds of its kernel.

    The copy of a notebook that fails is called ``<name>-failed``: a finished copy of an earlier run stays. What reaches
    the run folder is complete and names no local folder.
    """
    failed = executed.with_stem(f"{executed.stem}{_FAILED}")
    declared = {name: parameters[name] for name in _parameter_names(notebook) if name in parameters}
    ended: list[NotebookNode] = []
    try:
        spent = _execute(notebook, declared, executed.parent, ended.append)
    except PapermillExecutionError as error:
        _keep_copy(ended[0], failed)
        raise _failure(notebook, failed, error) from error
    except DeadKernelError as error:
        _keep_copy(ended[0], failed)
        raise FibrolibError(
            f"{notebook.name}: its kernel died, probably because the memory is full. Close other programs or "
            f"choose a smaller profile. Finished work is kept. The copy up to that point is {failed}."
        ) from error
    except RuntimeError as error:  # from jupyter_client: the kernel ended, or was silent, while it started
        raise FibrolibError(
            f"{notebook.name}: its kernel did not start ({error}). Most likely memory ran out, or JupyterLab's "
            "kernel is not installed in this environment (make env)."
        ) from error
    _keep_copy(ended[0], executed, {"key": _key(notebook, parameters, content)})
    failed.unlink(missing_ok=True)
    return spent


class _Engine(NBClientEngine):
    """papermill's engine, which hands the notebook on as it has ended, however it has.

    papermill itself writes the notebook to a file before and after every cell.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, ended: Callable[[NotebookNode], object], **options):
        """Run the cells."""
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **options)
        finally:
            ended(nb_man.nb)


papermill_engines.register("fibrolib", _Engine)


def _execute(notebook: Path, parameters: dict, folder: Path, ended: Callable[[NotebookNode], object]) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    # papermill logs every cell, and kernels that a failing run ends; the run itself reports what matters.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    manager = _KernelManager.counting()
    papermill.execute_notebook(
        str(notebook),
        None,
        parameters,
        engine_name="fibrolib",
        kernel_name="python3",
        # Not papermill's ``cwd``, which moves this whole process there: another notebook may be running beside.
        resources={"metadata": {"path": str(folder)}},
        kernel_manager_class=manager,
        progress_bar=False,
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
        ended=ended,
    )
    return sum(manager.spent.values())


def _keep_copy(notebook: NotebookNode, executed: Path, mark: dict | None = None) -> None:
    """Bring an executed copy to its place; ``mark`` tells what a finished one was made from."""
    copy = _strip_local_paths(notebook, run_folder=executed.parent.parent)
    if mark is not None:
        copy.metadata["fibrolib"] = mark
    write_atomically(executed, lambda path: nbformat.write(copy, path))


def _strip_local_paths(notebook: NotebookNode, run_folder: Path) -> NotebookNode:
    """Take the paths of this computer out of an executed copy, in place: a folder may be called after a patient.

    papermill notes where it read and wrote, and a traceback names the file of every line.
    """
    shorten = _shortener(run_folder)
    for key in ("input_path", "output_path"):
        notebook.metadata.get("papermill", {}).pop(key, None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for part in ("evalue", "text"):
                if part in output:
                    output[part] = shorten(output[part])
            if "traceback" in output:
                output["traceback"] = [shorten(line) for line in output["traceback"]]
            if (plain := output.get("data", {}).get("text/plain")) is not None:
                output["data"]["text/plain"] = shorten(plain)
    return notebook


def _shortener(run_folder: Path) -> Callable[[str], str]:
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
    return lambda text: pattern.sub(lambda match: names[match[0]], text)
