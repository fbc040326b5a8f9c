"""The columns of the cohort table."""

from __future__ import annotations

__all__ = ["FILES", "NUMBERS", "OPTIONAL", "PATIENT_LEVEL", "REQUIRED", "VIRTUAL_FURTHER", "VIRTUAL_PREFIX"]

REQUIRED = ("patient_id", "video", "stage")

OPTIONAL = ("image", "age", "sex", "bmi", "ast", "alt", "platelets", "swe_kpa", "split", "roi")

NUMBERS = {
    "age": "years",
    "bmi": "kg/m²",
    "ast": "U/L",
    "alt": "U/L",
    "platelets": "10⁹/L",
    "swe_kpa": "kPa",
}
"""Columns of positive numbers, and their units."""

FILES = ("video", "image", "roi")
"""Columns of paths relative to the table."""

PATIENT_LEVEL = ("stage", "age", "sex", "bmi", "ast", "alt", "platelets", "swe_kpa", "split")
"""Columns that belong to the patient: all rows of one patient say the same, or nothing."""

VIRTUAL_PREFIX = "virtual-"
"""Begins the ids of patients who do not exist, and no others: it stays when the table is copied or renamed."""

VIRTUAL_FURTHER = ("aetiology",)
"""Columns that the table of the virtual cohort has beyond those that the study reads."""
