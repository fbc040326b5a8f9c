"""Whether there are enough patients, of every stage, with enough known about them, to answer the question."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fibrolib.checking.findings import Finding
from fibrolib.cohort.columns import numbers_of
from fibrolib.cohort.schema import stage_number, whole_number
from fibrolib.cohort.split import FRACTIONS, part_sizes
from fibrolib.diagnostics import INDICES, Diagnostic
from fibrolib.errors import counted
from fibrolib.inference import auc_power, auc_sample_size, comparison_power, comparison_sample_size
from fibrolib.stages import METAVIR, at_least, cutoff_name, is_metavir, stage_name

__all__ = [
    "absent_summary",
    "held_out_sizes",
    "missing_findings",
    "power_findings",
    "power_summary",
    "stage_findings",
    "worded_stage_findings",
]

_SPELLINGS_TOLD = 10

_FOLDS = 5

_POWER = 0.8
"""The usual convention."""

_AREAS = (0.85, 0.75)
"""The best and the least net of the published study (0.847, 0.753; doi 10.12464/j.issn.0253-9802.2026-0255)."""


def missing_findings(table: pd.DataFrame, diagnostics: Sequence[Diagnostic] = INDICES) -> list[Finding]:
    """Values that patients lack, in whom, and how a run treats it; results that will be missing for want of values.

    Parameters
    ----------
    table : DataFrame
        Typed, indexed by line.
    diagnostics : sequence of Diagnostic
        Indices.
    """
    impossible = _impossible(table, diagnostics)
    findings = []
    if impossible:
        message = f"the report will be without {'; '.join(impossible.values())}."
        findings.append(Finding("warning", "results-missing", message))
    for column in numbers_of(diagnostics):
        known = table.groupby("patient_id")[column].first()
        lacking = known.index[known.isna()]
        if 0 < len(lacking) < len(known):
            reading = [index for index in diagnostics if column in index.columns]
            needing = [index.label for index in reading if index.name not in impossible]
            effect = (
                f"{' and '.join(needing)} will be computed for the others only; nets use these patients all the same."
                if needing
                else "nothing is computed from it."
            )
            message = f"no value in {len(lacking)} of {counted(len(known), 'patient')}: {effect}"
            lines = tuple(int(line) for line in table.index[table["patient_id"].isin(lacking)])
            findings.append(Finding("warning", "missing", message, lines, column))
    images = table["image"].isna()
    if images.any() and not images.all():
        message = f"no image of {images.sum()} of {counted(len(table), 'video')}: the middle frame is taken."
        findings.append(
            Finding("warning", "missing", message, tuple(int(line) for line in table.index[images]), "image")
        )
    return findings


def _impossible(table: pd.DataFrame, diagnostics: Sequence[Diagnostic]) -> dict[str, str]:
    """Indices that can be computed for no patient, and why."""
    patients = table.groupby("patient_id")[list(numbers_of(diagnostics))].first()
    reasons = {}
    for index in diagnostics:
        absent = [column for column in index.columns if patients[column].isna().all()]
        if absent or patients[list(index.columns)].dropna().empty:
            lacked = _listed(absent, "or") if absent else "all of them"
            needed = _listed(list(index.columns), "and")
            reasons[index.name] = f"{index.label}, which needs {needed} (no patient has {lacked})"
    return reasons


def _listed(names: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def absent_summary(table: pd.DataFrame) -> list[str]:
    """Sentences about files that the table names for no video, and what a run does without."""
    without = {
        "image": "No video has an image: the middle frame of each is taken.",
        "roi": "No video has a mask (roi): maps of relevance can be looked at, but not be counted.",
    }
    return [sentence for column, sentence in without.items() if table[column].isna().all()]


def worded_stage_findings(stages: pd.Series) -> list[Finding]:
    """Stages with words that were read as numbers, each spelling once.

    Parameters
    ----------
    stages : Series
        Text or None, indexed by line.
    """
    worded = stages.dropna()
    worded = worded[[whole_number(text) is None and stage_number(text) is not None for text in worded]]
    if worded.empty:
        return []
    spellings = [f"'{text}' as {stage_number(text)}" for text in sorted(worded.unique())]
    told = ", ".join(spellings[:_SPELLINGS_TOLD]) + ", ..." * (len(spellings) > _SPELLINGS_TOLD)
    count = f"{len(worded)} stages were read as numbers" if len(worded) > 1 else "1 stage was read as a number"
    return [Finding("warning", "stage-in-words", f"{count}: {told}.", tuple(map(int, worded.index)), "stage")]


def stage_findings(patients: pd.DataFrame) -> list[Finding]:
    """Stages that nobody or hardly anybody has.

    Parameters
    ----------
    patients : DataFrame
        One row per patient with ``stage``.
    """
    counts = patients["stage"].astype(int).value_counts()
    if not is_metavir(counts.index):
        return []
    findings = []
    for stage in METAVIR:
        count = int(counts.get(stage, 0))
        if count == 0:
            message = f"no patient has stage {stage_name(stage)}: results say nothing about it."
            findings.append(Finding("warning", "stage-absent", message, (), "stage"))
        elif count < _FOLDS:
            lines = tuple(int(line) for line in patients.index[patients["stage"] == stage])
            message = (
                f"stage {stage_name(stage)} has {counted(count, 'patient')}: fewer than {_FOLDS} folds, which are then "
                "balanced by the cut-off alone."
            )
            findings.append(Finding("warning", "stage-rare", message, lines, "stage"))
    return findings


def held_out_sizes(patients: pd.DataFrame, cutoff: int) -> tuple[int, int]:
    """Diseased and other patients of the test part: as split, or as the split to come will have it."""
    diseased = at_least(patients["stage"], cutoff)
    if patients["split"].notna().all():
        diseased = diseased[(patients["split"] == "test").to_numpy()]
        return int(diseased.sum()), int(len(diseased) - diseased.sum())
    size = part_sizes(len(diseased), FRACTIONS)[-1]
    positive = round(size * float(diseased.mean()))
    return positive, size - positive


def power_findings(positive: int, negative: int) -> list[Finding]:
    """Whether the test patients can tell a good model from chance."""
    power = auc_power(_AREAS[0], positive, negative) if min(positive, negative) else 0.0
    if power >= _POWER:
        return []
    message = (
        f"{positive} + {negative} test patients would tell a true AUC of {_AREAS[0]} from chance with a probability of "
        f"{power:.2f} only; {' + '.join(map(str, auc_sample_size(_AREAS[0], power=_POWER)))} would with {_POWER}. "
        "Read single results with their intervals, or collect more patients."
    )
    return [Finding("warning", "power", message)]


def power_summary(positive: int, negative: int, cutoff: int, metavir: bool) -> str:
    """What the test patients can tell about two models, as a sentence."""
    name = cutoff_name(cutoff, metavir)
    power = comparison_power(*_AREAS, positive, negative) if min(positive, negative) else 0.0
    needed = comparison_sample_size(*_AREAS, power=_POWER)
    return (
        f"Test patients (of the split, or expected): {positive} {name}, {negative} below. Two models with true AUCs of "
        f"{_AREAS[0]} and {_AREAS[1]} would be told apart with a probability of {power:.2f}; {needed[0]} + {needed[1]} "
        f"patients give {_POWER}."
    )
