"""What the study that is being repeated reported."""

from __future__ import annotations

import pandas as pd

__all__ = ["SOURCE", "TABLE", "TEST_PATIENTS"]

SOURCE = "Xinyixue (New Medicine), doi 10.12464/j.issn.0253-9802.2026-0255"
"""The study."""

TEST_PATIENTS = 17
"""Patients its test results rest on (110 patients, split 77 / 16 / 17)."""

TABLE = pd.DataFrame(
    [
        ("cnn3d", 0.847, 0.7647, 0.7803, 0.7569, 0.7571),
        ("cnn2d_lstm", 0.761, None, None, None, None),
        ("cnn2d", 0.753, None, None, None, None),
    ],
    columns=["model", "auc", "accuracy", "precision_macro", "recall_macro", "f1_macro"],
)
"""Its test results for significant fibrosis; the abstracts give no more (source: `SOURCE`)."""
