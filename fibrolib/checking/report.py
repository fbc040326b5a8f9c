"""What a check found: errors and warnings with their lines, as text, JSON, a table, and an HTML page with pictures."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import jinja2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from fibrolib.atomic import replacing
from fibrolib.errors import counted
from fibrolib.video import Surveys

_COPIES = ("copy-across-patients", "copy-across-split", "copy-across-stages")
LEAKS = frozenset(
    (*_COPIES, "id-like-missing", "mangled-id", "mixture", "patient-spelt-twice", "same-values", "shortcut")
)
"""Kinds of finding with which a run ends well, and its result may be false."""

ANNOUNCED = LEAKS | {"results-missing", "stage-in-words", "unused-columns"}
"""Kinds of finding that are shown when a run begins: the others can wait for its report."""

_MAX_LINES = 10


@dataclass(frozen=True)
class _Finding:
    """One thing that a person should look at.

    Parameters
    ----------
    severity, kind, message : str
        "error" (stops a run, or makes its result false) or "warning"; a short name for programs; what was found, what
        was expected, what to do.
    rows : iterable of int
        Lines of the table as a text editor counts them (the header is line 1); empty where all of it is meant.
    column, suggestion : str or None
        Name of the column, and what to write instead where that is known.
    quoted : iterable of str
        Texts of the table that the message repeats between single quotes: they may tell who a patient is, and are left
        out wherever a finding is kept (`anonymous`).
    """

    severity: Literal["error", "warning"]
    kind: str
    message: str
    rows: tuple[int, ...] = ()
    column: str | None = None
    suggestion: str | None = None
    quoted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(map(int, self.rows)))
        object.__setattr__(self, "quoted", tuple(self.quoted))

    @property
    def place(self) -> str:
        """Lines and column in words; empty where the whole table is meant."""
        lines = ", ".join(map(str, self.rows[:_MAX_LINES])) + ", ..." * (len(self.rows) > _MAX_LINES)
        parts = [f"line{'s' if len(self.rows) > 1 else ''} {lines}"] if self.rows else []
        parts += [f"column '{self.column}'"] if self.column else []
        return _printable(", ".join(parts))

    @property
    def anonymous(self) -> str:
        """The message without texts of the table: the lines tell where to look them up."""
        message = self.message
        for text in sorted(self.quoted, key=len, reverse=True):
            message = message.replace(f"'{text}'", "'…'")
        return _printable(message)

    def __str__(self) -> str:
        advice = f" Write {self.suggestion}." if self.suggestion else ""
        return f"{self.place}: " * bool(self.place) + _printable(self.message + advice)


@dataclass(frozen=True, eq=False)
class CheckReport:
    """All findings about a cohort, and what it holds.

    Parameters
    ----------
    name, findings, summary : str, tuple of _Finding, tuple of str
        What the cohort is called; errors first, then by line; sentences about what was read.
    table, surveys
        The table as far as it could be read, indexed by line, and what each of its files that can be read is like, by
        its path as the table has it.
    """

    name: str
    findings: tuple[_Finding, ...]
    summary: tuple[str, ...]
    table: pd.DataFrame | None = field(default=None, repr=False)
    surveys: Surveys = field(default_factory=Surveys, repr=False)

    @property
    def status(self) -> int:
        """0 without a finding, 1 with warnings only, 2 with an error: the exit status of ``fibrolib check``."""
        severities = {finding.severity for finding in self.findings}
        return 2 if "error" in severities else int(bool(severities))

    def of(self, severity: str) -> list[_Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def text(self) -> str:
        """One line per finding, below what was read."""
        counts = ", ".join(counted(len(self.of(severity)), severity) for severity in ("error", "warning"))
        lines = [f"{self.name}: {counts}", *self.summary]
        for severity in ("error", "warning"):
            lines += [f"  {severity}: {finding}" for finding in self.of(severity)]
        return "\n".join(map(_printable, lines))

    def json(self) -> str:
        """The same for programs: ``name, status, summary, findings``."""
        told = [each.name for each in fields(_Finding) if each.name != "quoted"]
        findings = [{name: getattr(finding, name) for name in told} for finding in self.findings]
        content = {"name": self.name, "status": self.status, "summary": self.summary, "findings": findings}
        return json.dumps(content, indent=2)

    def anonymous_table(self) -> pd.DataFrame:
        """What may be kept in a run folder: ``severity, kind, lines, column, finding``, without texts of the table."""
        rows = [
            (each.severity, each.kind, " ".join(map(str, each.rows)), each.column or "", each.anonymous)
            for each in self.findings
        ]
        return pd.DataFrame(rows, columns=["severity", "kind", "lines", "column", "finding"], dtype=str)

    def write_page(self, path: str | Path) -> None:
        """Write an HTML page with a contact sheet: every video as it is, and as a net sees it; atomically."""
        with_finding = {row for finding in self.findings for row in finding.rows}
        rows = self.table[self.table["video"].isin(self.surveys.keys())] if self.surveys else pd.DataFrame()
        videos = [
            {
                "line": line,
                "patient": row["patient_id"] or "?",
                "stage": "?" if pd.isna(row["stage"]) else f"{row['stage']:g}",
                "survey": (survey := self.surveys[row["video"]]),
                "whole": _encoded(survey.whole, "JPEG"),
                "kept": _encoded(survey.kept, "PNG"),
                "found": line in with_finding,
            }
            for line, row in rows.iterrows()
        ]
        pages = jinja2.Environment(loader=jinja2.PackageLoader("fibrolib.checking", "."), autoescape=True)
        with replacing(path) as unfinished:
            unfinished.write_text(pages.get_template("page.html.j2").render(report=self, videos=videos), "utf-8")


def _printable(text: str) -> str:
    """Text without characters that steer a terminal: they may have come from the table."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _encoded(picture: NDArray[np.uint8], form: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=form, quality=85)
    return base64.b64encode(buffer.getvalue()).decode()
