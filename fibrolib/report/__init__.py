"""Run the notebooks into a run folder, put results into words and readable tables, build the report."""

from fibrolib.report.html import build_report
from fibrolib.report.notebooks import check_parameters, execute_notebook
from fibrolib.report.pipeline import run_study
from fibrolib.report.sentences import (
    collect_notes,
    describe_attribution,
    describe_choice,
    describe_comparisons,
    describe_evidence,
    describe_folds,
    describe_joint,
    describe_model,
    describe_notes,
    describe_training,
)
from fibrolib.report.tables import (
    readable,
    readable_answers,
    readable_beside,
    readable_claims,
    readable_comparisons,
    readable_patients,
    readable_tests,
)

__all__ = [
    "build_report",
    "check_parameters",
    "collect_notes",
    "describe_attribution",
    "describe_choice",
    "describe_comparisons",
    "describe_evidence",
    "describe_folds",
    "describe_joint",
    "describe_model",
    "describe_notes",
    "describe_training",
    "execute_notebook",
    "readable",
    "readable_answers",
    "readable_beside",
    "readable_claims",
    "readable_comparisons",
    "readable_patients",
    "readable_tests",
    "run_study",
]
