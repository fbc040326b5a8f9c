"""What is not medicine and yet tells the stage: a net finds it first."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import pandas as pd

from fibrolib.checking.files import Surveys
from fibrolib.checking.findings import Finding
from fibrolib.cohort.columns import NUMBERS, OPTIONAL, REQUIRED
from fibrolib.inference import Estimate, auc_ci
from fibrolib.stages import at_least, cutoff_name, is_metavir

__all__ = ["shortcut_findings", "shortcut_table"]

_LEVEL = 0.95
_LEAST_AREA = 0.65
"""A feature below is too weak to explain a model's success, however sure it is (*assumption*)."""

_MOST_LEVELS = 12
_LEVEL_NAMED = re.compile(r"\('(.*)'\)$", re.DOTALL)
_SURVEYED = {
    "image width": "width",
    "image height": "height",
    "frame rate": "fps",
    "number of frames": "n_frames",
    "brightness": "brightness",
    "contrast": "contrast",
    "sector's share of the frame": "sector_share",
}
_MAY_BE_LACKING = [*(name for name in OPTIONAL if name not in ("image", "split", "roi")), "image", "roi"]


def shortcut_findings(
    table: pd.DataFrame, surveys: Surveys, cutoff: int, numbers: Collection[str] = NUMBERS
) -> list[Finding]:
    """Features of the files and of the table's further columns that alone predict the stage.

    Parameters
    ----------
    table : DataFrame
        Typed, indexed by line.
    surveys : dict
        From `survey_files`.
    cutoff : int
        Lowest stage that counts as diseased.
    numbers : collection of str
        Columns of numbers that the study reads.

    Notes
    -----
    One value per patient (mean over the patient's videos). The confidence level is raised for the number of features
    looked at (Bonferroni), so that a clean cohort is accused in one case of twenty at the most.
    """
    found = shortcut_table(table, surveys, cutoff, numbers)
    findings = []
    for feature, (estimate, column) in found.items():
        area, low, high = _folded(estimate)
        if low > 0.5 and area >= _LEAST_AREA:
            name = cutoff_name(cutoff, is_metavir(table["stage"].dropna()))
            message = (
                f"{feature} alone predicts {name}: AUC {area:.2f} ({low:.2f} to {high:.2f}; {len(found)} features "
                f"looked at, confidence {estimate.confidence_level:.1%}). A net may learn it in place of the liver: "
                "balance it, or test on patients where it differs."
            )
            findings.append(Finding("warning", "shortcut", message, (), column, quoted=_level_in(feature)))
    return findings


def shortcut_table(
    table: pd.DataFrame, surveys: Surveys, cutoff: int, numbers: Collection[str] = NUMBERS
) -> dict[str, tuple[Estimate, str | None]]:
    """The AUC of each feature, with its interval and the column it is about; constant features are left out."""
    usable = table[table["patient_id"].notna() & table["stage"].notna()]
    features = pd.concat([_of_files(usable, surveys), _of_columns(usable, numbers), _lacking(usable, numbers)], axis=1)
    patients = features.groupby(usable["patient_id"]).mean()
    truth = at_least(usable.groupby("patient_id")["stage"].first().reindex(patients.index), cutoff)
    counts = usable.groupby("patient_id").size().reindex(patients.index)
    patients["number of videos"] = counts.astype(float)
    able = {
        name: values.notna().to_numpy()
        for name, values in patients.items()
        if len(values.dropna().unique()) > 1 and 0 < truth[values.notna()].sum() < values.notna().sum()
    }
    level = 1 - (1 - _LEVEL) / max(1, len(able))
    return {
        name: (auc_ci(truth[known], patients.loc[known, name], confidence_level=level), _column_of(name, table))
        for name, known in able.items()
    }


def _level_in(feature: str) -> tuple[str, ...]:
    """The value that an indicator is about: it may be a name."""
    found = _LEVEL_NAMED.search(feature)
    return (found[1],) if found else ()


def _folded(estimate: Estimate) -> tuple[float, float, float]:
    """Area and limits, turned round where low values go with the disease."""
    if estimate.value >= 0.5:
        return estimate.value, estimate.low, estimate.high
    return 1 - estimate.value, 1 - estimate.high, 1 - estimate.low


def _column_of(feature: str, table: pd.DataFrame) -> str | None:
    name = feature.split("'")[1] if "'" in feature else None
    return name if name in table else None


def _of_files(table: pd.DataFrame, surveys: Surveys) -> pd.DataFrame:
    found = table["video"].map(surveys.get)
    features = {
        name: found.map(lambda survey, a=attribute: float(getattr(survey, a)) if survey else np.nan)
        for name, attribute in _SURVEYED.items()
    }
    containers = found.map(lambda survey: survey.container if survey else None)
    return pd.DataFrame({**features, **_indicators(containers, "the file type")}, index=table.index, dtype=float)


def _of_columns(table: pd.DataFrame, numbers: Collection[str]) -> pd.DataFrame:
    """Further columns: scanner, site, date ... whatever the table has beyond what the study reads."""
    features: dict[str, pd.Series] = {}
    for column in table.columns.difference([*REQUIRED, *OPTIONAL, *numbers]):
        values = table[column]
        parsed = _numbers(values)
        if parsed is not None:
            features[f"the column '{column}'"] = parsed
        elif 1 < values.nunique() <= _MOST_LEVELS:
            quoted = values.map(lambda value: f"'{value}'", na_action="ignore")
            features |= _indicators(quoted, f"the column '{column}'")
    return pd.DataFrame(features, index=table.index, dtype=float)


def _numbers(values: pd.Series) -> pd.Series | None:
    """Numbers, or dates as days, where all known values are; else None."""
    known = values.dropna().astype(str)
    for parsed in (
        pd.to_numeric(known, errors="coerce"),
        pd.to_datetime(known, errors="coerce", format="ISO8601", utc=True),
    ):
        if len(known) and parsed.notna().all():
            days = parsed if parsed.dtype.kind in "iuf" else (parsed - parsed.min()).dt.total_seconds() / 86400
            return days.astype(float).reindex(values.index)
    return None


def _indicators(values: pd.Series, name: str) -> dict[str, pd.Series]:
    """One feature per value: whether it is this one."""
    levels = sorted(values.dropna().unique())
    if len(levels) < 2:
        return {}
    return {f"{name} ({level})": (values == level).astype(float).where(values.notna()) for level in levels}


def _lacking(table: pd.DataFrame, numbers: Collection[str]) -> pd.DataFrame:
    """Whether a value is known at all: sicker patients are measured more."""
    may_be = dict.fromkeys([*_MAY_BE_LACKING, *numbers])
    partly = [name for name in may_be if 0 < table[name].isna().sum() < len(table)]
    return pd.DataFrame(
        {f"whether '{name}' is empty": table[name].isna().astype(float) for name in partly}, table.index
    )
