"""Execute numbered notebooks with papermill, and say in a sentence what went wrong."""

from __future__ import annotations

import contextlib
import difflib
import errno
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from fibrolib.atomic import write_atomically
from fibrolib.attribution import parse_methods
from fibrolib.errors import KEPT_WHERE_IT_STOPPED, FibrolibError
from fibrolib.provenance import package_digest
from fibrolib.report.copies import strip_local_paths
from fibrolib.report.kernels import KernelManager
from fibrolib.study.cache import digest

__all__ = ["FAILED", "VALUES", "check_parameters", "execute_notebook", "is_current", "parameter_names"]


FAILED = "-failed"
"""Ends the name of an executed copy that stopped at an error."""


def _whole_number(least: int, or_zero: bool = False) -> Callable[[object], None]:
    """A check that a value is a whole number, at least so large."""

    def check(value: object) -> None:
        right = isinstance(value, int) and not isinstance(value, bool)
        if not right or (value < least and not (or_zero and value == 0)):
            raise FibrolibError(f"Expected a whole number of at least {least}{', or 0' * or_zero}, found {value!r}.")

    return check


VALUES: dict[str, Callable[[object], object]] = {
    "methods": parse_methods,
    "redraws": _whole_number(10),
    "draws": _whole_number(100),
    "planted": _whole_number(12, or_zero=True),
    "explained": _whole_number(1),
    "trainings": _whole_number(0),
}
"""Of every parameter that a notebook has besides those of `Request`: what raises where a value is not allowed."""


def parameter_names(notebook: Path) -> list[str]:
    """Names that the notebook's ``parameters`` cell declares."""
    return list(papermill.inspect_notebook(str(notebook)))


def check_parameters(notebooks: Sequence[Path], parameters: dict) -> None:
    """Refuse a parameter that no notebook declares (papermill alone would only warn), or a value that is not allowed.

    Raises
    ------
    FibrolibError
        Naming the parameter, and the nearest one that exists or what is allowed.
    """
    known = sorted({name for notebook in notebooks for name in parameter_names(notebook)})
    for name in parameters:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            settable = [name for name in known if name in VALUES] or known
            raise FibrolibError(f"No notebook has a parameter '{name}'.{hint} Known: {', '.join(settable)}.")
        if name in VALUES:
            try:
                VALUES[name](parameters[name])
            except FibrolibError as error:
                raise FibrolibError(f"Parameter {name}={parameters[name]}: {error}") from error


def _key(notebook: Path, parameters: dict, content: str) -> str:
    """Everything an executed copy depends on, the drawing code included."""
    return digest(
        {
            "source": notebook.read_text("utf-8"),
            "parameters": parameters,
            "code": package_digest(),
            "content": content,
        }
    )


def is_current(notebook: Path, executed: Path, parameters: dict, content: str) -> bool:
    """Whether an executed copy is finished and was made from this source, these parameters, this cohort, this code."""
    if not executed.exists():
        return False
    with contextlib.suppress(ValueError, KeyError):
        kept = nbformat.read(executed, as_version=4).metadata["fibrolib"]["key"]
        return kept == _key(notebook, parameters, content)
    return False


def _failure(notebook: Path, executed: Path, error: PapermillExecutionError) -> FibrolibError:
    first_line = next((line for line in error.source.splitlines() if line.strip()), "")
    full = f"The disk is full. {KEPT_WHERE_IT_STOPPED}\n" if os.strerror(errno.ENOSPC) in error.evalue else ""
    return FibrolibError(
        f"{full}{notebook.name} stopped in cell [{error.exec_count}], which begins '{first_line}':\n"
        f"  {error.ename}: {error.evalue}\n"
        f"The executed copy with the traceback is {executed}."
    )


def execute_notebook(notebook: Path, executed: Path, parameters: dict, content: str) -> None:
    """Run a notebook in the folder of its executed copy, and keep that copy.

    The copy of a notebook that fails gets a name of its own (`FAILED`): a finished copy of an earlier run, and the
    report made with it, stay as they were.

    While it runs, papermill writes it elsewhere: what reaches the run folder is complete and names no folder of this
    computer (`strip_local_paths`).

    Parameters
    ----------
    notebook : Path
        Source.
    executed : Path
        Executed copy.
    parameters : dict
        Those of the names that the notebook declares are passed on.
    content : str
        Hash of the cohort and its files, for `is_current`.

    Raises
    ------
    FibrolibError
        Naming the notebook and the cell that raised.
    """
    failed = executed.with_stem(f"{executed.stem}{FAILED}")
    declared = {name: parameters[name] for name in parameter_names(notebook) if name in parameters}
    with tempfile.TemporaryDirectory() as elsewhere:
        unfinished = Path(elsewhere) / notebook.name
        try:
            _execute(notebook, unfinished, declared, executed.parent)
        except PapermillExecutionError as error:
            _keep_copy(unfinished, failed)
            raise _failure(notebook, failed, error) from error
        except DeadKernelError as error:
            _keep_copy(unfinished, failed)
            raise FibrolibError(
                f"{notebook.name}: its kernel died, most likely for want of memory. Close other programs, or choose a "
                f"smaller profile; what was finished is kept. The copy as far as it came is {failed}."
            ) from error
        except RuntimeError as error:  # jupyter_client's word for a kernel that ends, or is silent, while it starts
            raise FibrolibError(
                f"{notebook.name}: its kernel did not start ({error}). Most likely memory ran out, or JupyterLab's "
                "kernel is not installed in this environment (make env)."
            ) from error
        _keep_copy(unfinished, executed, {"key": _key(notebook, parameters, content)})
        failed.unlink(missing_ok=True)


def _execute(notebook: Path, unfinished: Path, parameters: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # papermill logs every cell, and kernels that a failing run ends; what matters is told by the run.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    papermill.execute_notebook(
        str(notebook),
        str(unfinished),
        parameters,
        kernel_name="python3",
        # Not papermill's ``cwd``, which moves this whole process there: another notebook may be running beside.
        resources={"metadata": {"path": str(folder)}},
        kernel_manager_class=KernelManager,
        progress_bar=False,
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
    )


def _keep_copy(unfinished: Path, executed: Path, mark: dict | None = None) -> None:
    """Bring an executed copy to its place; ``mark`` tells what a finished one was made from."""
    copy = strip_local_paths(nbformat.read(unfinished, as_version=4), run_folder=executed.parent.parent)
    if mark is not None:
        copy.metadata["fibrolib"] = mark
    write_atomically(executed, lambda path: nbformat.write(copy, path))
