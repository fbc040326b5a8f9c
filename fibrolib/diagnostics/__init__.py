"""Diagnostics: one record each; users add their own (docs/extend.md). Years, U/L, 10^9/L and kPa throughout."""

from fibrolib.diagnostics.frozen import fitted_numbers, restore_classifier
from fibrolib.diagnostics.indices import PublishedCutoff, apri, fib4, stiffness
from fibrolib.diagnostics.records import (
    APRI,
    BUILT_IN,
    FIB4,
    INDICES,
    SWE,
    ZONES,
    Diagnostic,
    find_diagnostic,
    load_diagnostic,
    model_label,
    tabulate_cutoffs,
    tabulate_zones,
    zones,
)
from fibrolib.diagnostics.units import ColumnSpec, DiagnosticError, IndexInputError, OtherUnit

__all__ = [
    "APRI",
    "BUILT_IN",
    "FIB4",
    "INDICES",
    "SWE",
    "ZONES",
    "ColumnSpec",
    "Diagnostic",
    "DiagnosticError",
    "IndexInputError",
    "OtherUnit",
    "PublishedCutoff",
    "apri",
    "fib4",
    "find_diagnostic",
    "fitted_numbers",
    "load_diagnostic",
    "model_label",
    "restore_classifier",
    "stiffness",
    "tabulate_cutoffs",
    "tabulate_zones",
    "zones",
]
