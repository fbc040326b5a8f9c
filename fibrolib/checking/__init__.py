"""Check a cohort before anything is computed from it: every finding by line, errors and warnings, all at once."""

from fibrolib.checking.check import check_cohort
from fibrolib.checking.copies import alike_pictures
from fibrolib.checking.report import ANNOUNCED, LEAKS, CheckReport
from fibrolib.checking.template import write_template

__all__ = ["ANNOUNCED", "LEAKS", "CheckReport", "alike_pictures", "check_cohort", "write_template"]
