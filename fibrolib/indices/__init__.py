"""FIB-4, APRI and stiffness (SWE): formulae, published cut-offs, and classifiers for the study.

Ages in years, AST and ALT in U/L, platelets in 10^9/L, stiffness in kPa.
"""

from fibrolib.indices.classifiers import APRI, FIB4, SWE
from fibrolib.indices.cutoffs import PUBLISHED_CUTOFFS, ZONES, PublishedCutoff, published_cutoff, tabulate_zones, zones
from fibrolib.indices.formulae import AST_UPPER_LIMIT, IndexInputError, apri, fib4

__all__ = [
    "APRI",
    "AST_UPPER_LIMIT",
    "FIB4",
    "PUBLISHED_CUTOFFS",
    "SWE",
    "ZONES",
    "IndexInputError",
    "PublishedCutoff",
    "apri",
    "fib4",
    "published_cutoff",
    "tabulate_zones",
    "zones",
]
