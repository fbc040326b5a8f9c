"""Errors that speak to the user: what is wrong, where, what was expected, what to do; and how messages count."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

KEPT_WHERE_IT_STOPPED = "Free some disk space and run the same command again; it resumes."
"""Advice for a full disk."""


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun, such as ``1 patient`` or ``2 patients``."""
    return f"{n} {noun}" if n == 1 else f"{n} {plural or noun + 's'}"


def is_interactive() -> bool:
    """Whether a person is watching this process: `fibrolib run` sets ``FIBROLIB_PROGRESS=0`` where nobody is."""
    return os.environ.get("FIBROLIB_PROGRESS") != "0"


def _rendered(error: BaseException) -> list[str]:
    """What a notebook shows of an error: the message; in the executed copies of a run, the traceback."""
    return [str(error)] if is_interactive() else traceback.format_exception(error)


class FibrolibError(Exception):
    """A mistake in the input. The message is for the user; command line and notebooks show it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Called by IPython."""
        return _rendered(self)


class Interrupted(KeyboardInterrupt):
    """Slow work that the user interrupted. The message says what is kept and how to continue.

    A `KeyboardInterrupt`, so that no ``except Exception`` on the way swallows it.
    """

    def _render_traceback_(self) -> list[str]:
        """Called by IPython."""
        return _rendered(self)


def shorten_interrupts() -> None:
    """In a notebook, show one sentence in place of the traceback of an interrupt, in code without a bar too."""

    def say(shell, kind: type, error: BaseException, trace: TracebackType, tb_offset: int | None = None) -> None:
        interrupted = Interrupted(str(error) or "Interrupted. Run the cell again; finished results are kept.")
        shell.showtraceback((Interrupted, interrupted.with_traceback(trace), trace))

    ipython = sys.modules.get("IPython")  # imported wherever there is a notebook
    if ipython and (shell := ipython.get_ipython()):
        shell.set_custom_exc((KeyboardInterrupt,), say)


class VideoError(FibrolibError):
    """A video or image file that cannot be used; the message names the file."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a cohort table."""

    message: str
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        place = [f"line {self.row}"] if self.row is not None else []
        place += [f"column '{self.column}'"] if self.column is not None else []
        return f"{', '.join(place)}: {self.message}" if place else self.message


class CohortError(FibrolibError):
    """Everything that is wrong with a cohort table (``table``: its path as the user gave it), reported at once."""

    def __init__(self, table: str, problems: Sequence[Problem]) -> None:
        self.table = str(table)
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{self.table}: {counted(len(self.problems), 'problem')}\n{lines}")

    def __reduce__(self):
        # Exceptions cross process borders (joblib) by their constructor's arguments.
        return type(self), (self.table, self.problems)
