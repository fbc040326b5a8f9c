"""Read and check the cohort table, split patients."""

from fibrolib.cohort.columns import FILES, NUMBERS, OPTIONAL, REQUIRED, VIRTUAL_PREFIX
from fibrolib.cohort.parsing import read_text_table, table_file
from fibrolib.cohort.schema import is_there
from fibrolib.cohort.split import PARTS, split_patients
from fibrolib.cohort.table import Cohort, inspect_cohort, read_cohort, refuse_few_patients, write_cohort

__all__ = [
    "FILES",
    "NUMBERS",
    "OPTIONAL",
    "PARTS",
    "REQUIRED",
    "VIRTUAL_PREFIX",
    "Cohort",
    "inspect_cohort",
    "is_there",
    "read_cohort",
    "read_text_table",
    "refuse_few_patients",
    "split_patients",
    "table_file",
    "write_cohort",
]
