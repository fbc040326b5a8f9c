"""Run the notebooks into a run folder and build the report."""

from fibrolib.report.html import build_report
from fibrolib.report.notebooks import check_parameters, execute_notebook
from fibrolib.report.pipeline import run_study

__all__ = ["build_report", "check_parameters", "execute_notebook", "run_study"]
