"""Check a cohort before anything is computed from it: every finding by line, errors and warnings, all at once."""

from fibrolib.checking.check import CLIP_FRAMES, check_cohort, survey_cohort
from fibrolib.checking.findings import ANNOUNCED, KEPT, LEAKS, CheckReport, Finding
from fibrolib.checking.page import write_page
from fibrolib.checking.template import Template, write_template

__all__ = [
    "ANNOUNCED",
    "CLIP_FRAMES",
    "KEPT",
    "LEAKS",
    "CheckReport",
    "Finding",
    "Template",
    "check_cohort",
    "survey_cohort",
    "write_page",
    "write_template",
]
