"""Whether the patients can answer the question: enough of every stage, and nothing but medicine tells their stage."""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd

from fibrolib.checking.report import _Finding
from fibrolib.cohort.columns import DEVICE, FURTHER, OPTIONAL, REQUIRED
from fibrolib.cohort.split import part_sizes
from fibrolib.errors import counted
from fibrolib.inference import Estimate, auc_ci
from fibrolib.inference.appraisal import auc_power, auc_sample_size, comparison_power, comparison_sample_size
from fibrolib.stages import METAVIR, cutoff_name, is_metavir, stage_name
from fibrolib.video import Surveys, VideoSurvey

_FOLDS = 5
_POWER = 0.8  # the usual convention
_AREAS = (0.85, 0.75)
"""The best and the least net of the published study (0.847, 0.753; doi 10.12464/j.issn.0253-9802.2026-0255)."""

_LEVEL = 0.95
_MIN_AREA = 0.65  # a feature below is too weak to explain a model's success, however sure it is (*assumption*)
_MAX_LEVELS = 12
_ABOUT = re.compile(r"^(?:the column|whether) '(.*?)'(?: \('(.*)'\))?|", re.DOTALL)
"""The column that a feature is about, and the value of an indicator, which may be a name."""

_WITHOUT = {
    "image": "No video has an image: its frames are taken as still images.",
    "roi": "No video has a mask (roi): maps of relevance can be looked at, but not be counted.",
}
_OF_2D_SWE = "Cut-offs of stiffness differ between devices: the published ones in the report are of 2D-SWE."
_SURVEYED = {
    "image width": "width",
    "image height": "height",
    "frame rate": "fps",
    "number of frames": "n_frames",
    "brightness": "brightness",
    "contrast": "contrast",
    "sector's share of the frame": "sector_share",
}


def _sample_findings(
    table: pd.DataFrame, surveys: Surveys, cutoff: int, numbers: Collection[str]
) -> tuple[list[_Finding], tuple[str, ...]]:
    """What concerns the cohort as a whole, as far as stages are known, and sentences that sum it up."""
    patients = table[table["patient_id"].notna() & table["stage"].notna()].drop_duplicates("patient_id")
    counts = f"{counted(table['patient_id'].nunique(), 'patient')}, {counted(len(table), 'video')}."
    summary = [counts, *(sentence for column, sentence in _WITHOUT.items() if table[column].isna().all())]
    if table["swe_kpa"].notna().any():
        named = DEVICE in table and table[DEVICE].notna().any()
        summary.append(_OF_2D_SWE + ("" if named else f" Name the device in a column {DEVICE}."))
    if (patients["stage"] >= cutoff).nunique() < 2:
        return [], tuple(summary)
    metavir = is_metavir(patients["stage"])
    counts = patients["stage"].astype(int).value_counts().sort_index()
    summary.append("Patients by stage: " + ", ".join(f"{stage_name(s, metavir)} {n}" for s, n in counts.items()) + ".")
    sizes = _test_sizes(patients, cutoff)
    summary.append(_power_summary(*sizes, cutoff, metavir))
    findings = _stage_findings(patients) + _power_findings(*sizes)
    return findings + _shortcut_findings(table, surveys, cutoff, numbers), tuple(summary)


def _stage_findings(patients: pd.DataFrame) -> list[_Finding]:
    """Stages that nobody or hardly anybody has; one row per patient."""
    counts = patients["stage"].astype(int).value_counts()
    if not is_metavir(counts.index):
        return []
    findings = []
    for stage in METAVIR:
        count = int(counts.get(stage, 0))
        if count == 0:
            message = f"no patient has stage {stage_name(stage)}: results say nothing about it."
            findings.append(_Finding("warning", "stage-absent", message, (), "stage"))
        elif count < _FOLDS:
            lines = patients.index[patients["stage"] == stage]
            message = (
                f"stage {stage_name(stage)} has {counted(count, 'patient')}: fewer than {_FOLDS} folds, which are then "
                "balanced by the cut-off alone."
            )
            findings.append(_Finding("warning", "stage-rare", message, lines, "stage"))
    return findings


def _test_sizes(patients: pd.DataFrame, cutoff: int) -> tuple[int, int]:
    """Diseased and other patients of the test part: as split, or as the split to come will have it."""
    diseased = patients["stage"] >= cutoff
    if patients["split"].notna().all():
        diseased = diseased[(patients["split"] == "test").to_numpy()]
        return int(diseased.sum()), int(len(diseased) - diseased.sum())
    size = part_sizes(len(diseased))[-1]
    positive = round(size * float(diseased.mean()))
    return positive, size - positive


def _power_findings(positive: int, negative: int) -> list[_Finding]:
    """Whether the test patients can tell a good model from chance."""
    power = auc_power(_AREAS[0], positive, negative).power if min(positive, negative) else 0.0
    if power >= _POWER:
        return []
    needed = auc_sample_size(_AREAS[0], power=_POWER)
    message = (
        f"{positive} + {negative} test patients would tell a true AUC of {_AREAS[0]} from chance with a probability of "
        f"{power:.2f} only; {needed.n_positive} + {needed.n_negative} would with {_POWER}. "
        "Read single results with their intervals, or collect more patients."
    )
    return [_Finding("warning", "power", message)]


def _power_summary(positive: int, negative: int, cutoff: int, metavir: bool) -> str:
    """What the test patients can tell about two models, as a sentence."""
    name = cutoff_name(cutoff, metavir)
    power = comparison_power(*_AREAS, positive, negative).power if min(positive, negative) else 0.0
    needed = comparison_sample_size(*_AREAS, power=_POWER)
    return (
        f"Test patients (of the split, or expected): {positive} {name}, {negative} below. Two models with true AUCs of "
        f"{_AREAS[0]} and {_AREAS[1]} would be told apart with a probability of {power:.2f}; {needed.n_positive} + "
        f"{needed.n_negative} patients give {_POWER}."
    )


def _shortcut_findings(table: pd.DataFrame, surveys: Surveys, cutoff: int, numbers: Collection[str]) -> list[_Finding]:
    """Features of the files and of the table's further columns that alone predict the stage, by their mean per patient.

    The confidence level is raised for the number of features (Bonferroni), so that few clean cohorts are accused.
    """
    areas = _shortcut_table(table, surveys, cutoff, numbers)
    findings = []
    for feature, estimate in areas.items():
        area, low, high = estimate.value, estimate.low, estimate.high
        if area < 0.5:  # low values go with the disease
            area, low, high = 1 - area, 1 - high, 1 - low
        if low > 0.5 and area >= _MIN_AREA:
            name = cutoff_name(cutoff, is_metavir(table["stage"].dropna()))
            message = (
                f"{feature} alone predicts {name}: AUC {area:.2f} ({low:.2f} to {high:.2f}; {len(areas)} features "
                f"looked at, confidence {estimate.confidence_level:.1%}). A net may learn it in place of the liver: "
                "balance it, or test on patients where it differs."
            )
            column, value = _ABOUT.search(feature).groups()
            findings.append(_Finding("warning", "shortcut", message, (), column, quoted=filter(None, [value])))
    return findings


def _shortcut_table(
    table: pd.DataFrame, surveys: Surveys, cutoff: int, numbers: Collection[str]
) -> dict[str, Estimate]:
    """The AUC of each feature with its interval; constant features are left out."""
    usable = table[table["patient_id"].notna() & table["stage"].notna()]
    features = pd.concat([_of_files(usable, surveys), _of_columns(usable, numbers), _lacking(usable, numbers)], axis=1)
    patients = features.groupby(usable["patient_id"]).mean()
    truth = usable.groupby("patient_id")["stage"].first().reindex(patients.index).to_numpy() >= cutoff
    counts = usable.groupby("patient_id").size().reindex(patients.index)
    patients["number of videos"] = counts.astype(float)
    available = {name: values.notna().to_numpy() for name, values in patients.items()}
    comparable = {
        name: rows
        for name, rows in available.items()
        if len(patients.loc[rows, name].unique()) > 1 and 0 < truth[rows].sum() < rows.sum()
    }
    level = 1 - (1 - _LEVEL) / max(1, len(comparable))
    return {
        name: auc_ci(truth[rows], patients.loc[rows, name], confidence_level=level) for name, rows in comparable.items()
    }


def _of_files(table: pd.DataFrame, surveys: Surveys) -> pd.DataFrame:
    rows = [_of_survey(surveys[name]) if name in surveys else {} for name in table["video"]]
    features = pd.DataFrame(rows, index=table.index, columns=[*_SURVEYED, "container"])
    containers = features.pop("container")
    return pd.DataFrame({**features, **_indicators(containers, "the file type")}, index=table.index, dtype=float)


def _of_survey(survey: VideoSurvey) -> dict[str, float | str]:
    numbers = {name: float(getattr(survey, attribute)) for name, attribute in _SURVEYED.items()}
    return {**numbers, "container": survey.container}


def _of_columns(table: pd.DataFrame, numbers: Collection[str]) -> pd.DataFrame:
    """Scanner, centre, dates ... and whatever the table has beyond what the study reads."""
    features: dict[str, pd.Series] = {}
    for column in table.columns.difference([name for name in (*REQUIRED, *OPTIONAL, *numbers) if name not in FURTHER]):
        values = table[column]
        parsed = _numbers(values)
        if parsed is not None:
            features[f"the column '{column}'"] = parsed
        elif 1 < values.nunique() <= _MAX_LEVELS:
            quoted = values.map(lambda value: f"'{value}'", na_action="ignore")
            features |= _indicators(quoted, f"the column '{column}'")
    return pd.DataFrame(features, index=table.index, dtype=float)


def _numbers(values: pd.Series) -> pd.Series | None:
    """Numbers, or dates as days, where all values that are there are; else None."""
    texts = values.dropna().astype(str)
    for parsed in (
        pd.to_numeric(texts, errors="coerce"),
        pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True),
    ):
        if len(texts) and parsed.notna().all():
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
    columns = dict.fromkeys([*OPTIONAL, *numbers])
    partly = [name for name in columns if name != "split" and 0 < table[name].isna().mean() < 1]
    return table[partly].isna().astype(float).rename(columns="whether '{}' is empty".format)
