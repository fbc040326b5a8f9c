"""Diagnostics: one record each, with all that schema, checks, tables, figures and report ask of it.

Ages in years, AST and ALT in U/L, platelets in 10^9/L, stiffness in kPa. A user adds records in files of their own
(docs/extend.md).
"""

from fibrolib.diagnostics.classifier import IndexClassifier
from fibrolib.diagnostics.columns import ColumnSpec, OtherUnit
from fibrolib.diagnostics.cutoffs import ZONES, PublishedCutoff, tabulate_zones, zones
from fibrolib.diagnostics.formulae import AST_UPPER_LIMIT, IndexInputError, apri, fib4
from fibrolib.diagnostics.own import find_diagnostic, load_diagnostic
from fibrolib.diagnostics.records import (
    APRI,
    BUILT_IN,
    FIB4,
    INDICES,
    SWE,
    Diagnostic,
    DiagnosticError,
    tabulate_cutoffs,
)

__all__ = [
    "APRI",
    "AST_UPPER_LIMIT",
    "BUILT_IN",
    "FIB4",
    "INDICES",
    "SWE",
    "ZONES",
    "ColumnSpec",
    "Diagnostic",
    "DiagnosticError",
    "IndexClassifier",
    "IndexInputError",
    "OtherUnit",
    "PublishedCutoff",
    "apri",
    "fib4",
    "find_diagnostic",
    "load_diagnostic",
    "tabulate_cutoffs",
    "tabulate_zones",
    "zones",
]
