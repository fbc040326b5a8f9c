"""Files that may leave the hospital: names, ids, dates and all that is written around the picture taken out."""

from fibrolib.deidentify.deidentify import deidentify
from fibrolib.deidentify.report import FileResult, Report

__all__ = ["FileResult", "Report", "deidentify"]
