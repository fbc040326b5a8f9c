"""Read and check the cohort table, split patients."""

from fibrolib.cohort.split import PARTS, split_patients
from fibrolib.cohort.table import Cohort, Inspection, inspect_cohort, read_cohort, write_cohort

__all__ = [
    "PARTS",
    "Cohort",
    "Inspection",
    "inspect_cohort",
    "read_cohort",
    "split_patients",
    "write_cohort",
]
