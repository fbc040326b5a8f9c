"""The columns of the cohort table."""

from __future__ import annotations

from collections.abc import Iterable

from fibrolib.diagnostics import FIB4, INDICES, ColumnSpec, Diagnostic

__all__ = [
    "FILES",
    "NUMBERS",
    "OPTIONAL",
    "PATIENT_LEVEL",
    "REQUIRED",
    "VIRTUAL_FURTHER",
    "VIRTUAL_PREFIX",
    "numbers_of",
]

REQUIRED = ("patient_id", "video", "stage")


def numbers_of(diagnostics: Iterable[Diagnostic] = INDICES) -> dict[str, ColumnSpec]:
    """Columns of positive numbers: age, body mass index, blood values, and what else diagnostics read.

    Parameters
    ----------
    diagnostics : iterable of Diagnostic
        Indices.
    """
    own = {name: spec for diagnostic in (FIB4, *diagnostics) for name, spec in diagnostic.columns.items()}
    return {"age": FIB4.columns["age"], "bmi": ColumnSpec("kg/m²", 12, 70, "Body mass index", "normal"), **own}


NUMBERS = numbers_of()
"""Columns of positive numbers that every study may read."""

_AFTER_AGE = tuple(name for name in NUMBERS if name != "age")

OPTIONAL = ("image", "age", "sex", *_AFTER_AGE, "split", "roi")

FILES = ("video", "image", "roi")
"""Columns of paths relative to the table."""

PATIENT_LEVEL = ("stage", "age", "sex", *_AFTER_AGE, "split")
"""Columns that belong to the patient: all rows of one patient say the same, or nothing. So do those of `numbers_of`."""

VIRTUAL_PREFIX = "virtual-"
"""Begins the ids of patients who do not exist, and no others: it stays when the table is copied or renamed."""

VIRTUAL_FURTHER = ("aetiology",)
"""Columns that the table of the virtual cohort has beyond those that the study reads."""
