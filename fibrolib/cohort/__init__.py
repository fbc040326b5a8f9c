"""Read and check the cohort table, split patients."""

from fibrolib.cohort.split import PARTS, split_patients
from fibrolib.cohort.table import Cohort, read_cohort, write_cohort

__all__ = ["PARTS", "Cohort", "read_cohort", "split_patients", "write_cohort"]
