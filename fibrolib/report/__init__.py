"""Run the notebooks into a run folder, put results into words and readable tables, build the report."""

from fibrolib.report.external import validate_models
from fibrolib.report.pipeline import run_study
from fibrolib.report.sentences import (
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
    "describe_attribution",
    "describe_choice",
    "describe_comparisons",
    "describe_evidence",
    "describe_folds",
    "describe_joint",
    "describe_model",
    "describe_notes",
    "describe_training",
    "readable",
    "readable_answers",
    "readable_beside",
    "readable_claims",
    "readable_comparisons",
    "readable_patients",
    "readable_tests",
    "run_study",
    "validate_models",
]
