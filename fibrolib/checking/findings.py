"""What a check found: errors and warnings, each with the lines of the table it is about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import pandas as pd

from fibrolib.errors import Problem, counted

__all__ = ["ANNOUNCED", "KEPT", "LEAKS", "CheckReport", "Finding", "from_problems", "ordered", "plain"]

_LINES_TOLD = 10

KEPT = ("severity", "kind", "lines", "column", "finding")
"""Columns of `CheckReport.anonymous_table`."""

LEAKS = frozenset(
    {
        "copy-across-patients",
        "copy-across-split",
        "copy-across-stages",
        "mixture",
        "patient-spelt-twice",
        "same-values",
        "shortcut",
    }
)
"""Kinds of finding after which a run goes well and its result may be false."""

ANNOUNCED = LEAKS | {"results-missing", "stage-in-words", "unused-columns"}
"""Kinds of finding that are told when a run begins: the others can wait for its report."""


@dataclass(frozen=True)
class Finding:
    """One thing that a person should look at.

    Parameters
    ----------
    severity : {"error", "warning"}
        An error stops a run, or makes its result false; a warning says what to look at or how to read the result.
    kind : str
        A short name for this kind of finding, for programs.
    message : str
        What was found, what was expected, what to do.
    rows : tuple of int
        Lines of the table as a text editor counts them (the header is line 1); empty where all of it is meant.
    column : str or None
        Name of the column.
    suggestion : str or None
        What to write instead, where that is known.
    quoted : tuple of str
        Texts of the table that the message repeats, each between single quotes: identifiers and paths may tell who a
        patient is, and are left out wherever a finding is kept (see `anonymous`).
    """

    severity: Literal["error", "warning"]
    kind: str
    message: str
    rows: tuple[int, ...] = ()
    column: str | None = None
    suggestion: str | None = None
    quoted: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Lines and column in words; empty where the whole table is meant."""
        told = ", ".join(str(row) for row in self.rows[:_LINES_TOLD]) + (
            ", ..." if len(self.rows) > _LINES_TOLD else ""
        )
        parts = [f"line{'s' if len(self.rows) > 1 else ''} {told}"] if self.rows else []
        parts += [f"column '{self.column}'"] if self.column else []
        return plain(", ".join(parts))

    @property
    def anonymous(self) -> str:
        """The message without texts of the table: the lines tell where to look them up."""
        message = self.message
        for text in sorted(self.quoted, key=len, reverse=True):
            message = message.replace(f"'{text}'", "'…'")
        return plain(message)

    def __str__(self) -> str:
        advice = f" Write {self.suggestion}." if self.suggestion else ""
        return f"{self.place}: " * bool(self.place) + plain(self.message + advice)


@dataclass(frozen=True)
class CheckReport:
    """All findings about a cohort, and what it holds.

    Parameters
    ----------
    name : str
        What the cohort is called.
    findings : tuple of Finding
        Errors first, then by line.
    summary : tuple of str
        Sentences about what was read; no finding among them.
    """

    name: str
    findings: tuple[Finding, ...]
    summary: tuple[str, ...]

    @property
    def status(self) -> int:
        """0 without a finding, 1 with warnings only, 2 with an error: the exit status of ``fibrolib check``."""
        severities = {finding.severity for finding in self.findings}
        return 2 if "error" in severities else int(bool(severities))

    def of(self, severity: str) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def text(self) -> str:
        """One line per finding, below what was read."""
        counts = ", ".join(counted(len(self.of(severity)), severity) for severity in ("error", "warning"))
        lines = [f"{self.name}: {counts}", *self.summary]
        for severity in ("error", "warning"):
            lines += [f"  {severity}: {finding}" for finding in self.of(severity)]
        return "\n".join(plain(line) for line in lines)

    def json(self) -> str:
        """The same for programs: ``name, status, summary, findings``."""
        findings = [{**_told(finding), "rows": list(finding.rows)} for finding in self.findings]
        content = {"name": self.name, "status": self.status, "summary": self.summary, "findings": findings}
        return json.dumps(content, indent=2)

    def anonymous_table(self) -> pd.DataFrame:
        """What may be kept in a run folder: ``severity, kind, lines, column, finding``, without texts of the table."""
        rows = [
            {
                "severity": finding.severity,
                "kind": finding.kind,
                "lines": " ".join(map(str, finding.rows)),
                "column": finding.column or "",
                "finding": finding.anonymous,
            }
            for finding in self.findings
        ]
        return pd.DataFrame(rows, columns=list(KEPT), dtype=str)


def _told(finding: Finding) -> dict:
    return {field.name: getattr(finding, field.name) for field in fields(finding) if field.name != "quoted"}


def from_problems(problems: Iterable[Problem]) -> list[Finding]:
    """Errors of the table as findings; what is said of many lines in the same words is one finding."""
    lines: dict[tuple[str, str | None], list[int]] = {}
    for problem in problems:
        lines.setdefault((problem.message, problem.column), []).extend([] if problem.row is None else [problem.row])
    return [Finding("error", "table", message, tuple(rows), column) for (message, column), rows in lines.items()]


def plain(text: str) -> str:
    """Text without characters that steer a terminal: they may have come from the table."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first, then by line."""
    return tuple(sorted(findings, key=lambda finding: (finding.severity, finding.rows[:1], finding.column or "")))
