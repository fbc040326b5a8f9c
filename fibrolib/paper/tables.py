"""Tables of a finished run as a journal prints them: few columns, rounded; footnotes name test, n and interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.paper.figures import JUDGED, _group_title
from fibrolib.paper.record import Record
from fibrolib.plots import with_interval
from fibrolib.report import readable, readable_comparisons

MEASURES = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
}
"""Measures of the main table, and their titles."""
_FURTHER = {
    "threshold": "Threshold",
    "lr_positive": "LR+",
    "lr_negative": "LR−",
    "precision_macro": "Precision (macro)",
    "recall_macro": "Recall (macro)",
    "f1_macro": "F1 (macro)",
}
_INTERVALS = "Numbers in brackets are 95 % confidence intervals"


@dataclass(frozen=True)
class PaperTable:
    """A table of text, its name, number, title and footnotes; the last one says what data these are, where it must."""

    number: int
    name: str
    title: str
    rows: pd.DataFrame
    notes: tuple[str, ...]


_Made = tuple[str, pd.DataFrame, list[str]] | None
"""Title, rows and notes; None where the run has no such table."""


def _notes_of(table: pd.DataFrame) -> list[str]:
    """Notes of the run on single numbers, each once."""
    notes = {part.strip() for note in table["note"].dropna() for part in note.split(";")}
    return [f"Caveats: {'; '.join(sorted(notes))}."] if notes else []


def _patients(record: Record) -> _Made:
    table = record.characteristics
    if table is None:
        return None
    notes = [
        f"All {counted(record.found['cohort']['patients'], 'patient')}. Values are number (%), mean (SD) or median "
        "[lower quartile, upper quartile]. The groups are defined by the stage, so no tests were made."
    ]
    return "Characteristics of the patients", table, notes


def _estimates(record: Record, columns: dict[str, str]) -> pd.DataFrame:
    metrics = record.metrics
    rows = {"Diagnostic": metrics["model"].map(model_label), "n": metrics["n"].astype(str)}
    for name, title in columns.items():
        parts = metrics[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
        rows[title] = [with_interval(*part) for part in parts]
    return pd.DataFrame(rows)


def _metrics(record: Record) -> _Made:
    test = record.sides.loc["test"]
    methods = ", ".join(record.metrics["auc_method"].dropna().unique())
    notes = [
        f"{counted(test['n'], 'test patient')}, {test['diseased']} with {record.run['condition']}; n: patients with a "
        f"result. {_INTERVALS} (AUC: {methods}; shares: Wilson). Thresholds were chosen on "
        f"{record.metrics['threshold_source'].iloc[0]} by Youden's index. PPV and NPV hold for the prevalence of these "
        "patients. PPV: positive predictive value; NPV: negative predictive value.",
        *_notes_of(record.metrics),
    ]
    return f"Accuracy for {record.run['condition']} in the test patients", _estimates(record, MEASURES), notes


def _metrics_further(record: Record) -> _Made:
    notes = [
        f"{_INTERVALS}; that of the threshold is the range of 95 % of resamples of the patients on whom it was chosen. "
        "Macro: mean over both classes. LR: likelihood ratio."
    ]
    return "Further measures in the test patients", _estimates(record, _FURTHER), notes


def _compared(record: Record, name: str, of: str, title: str, further: str) -> _Made:
    pairs = record.table(name)
    if pairs is None or pairs.empty:
        return None
    tested, (test, *_) = int(pairs["p"].notna().sum()), pairs["test"].unique()
    rows = readable_comparisons(pairs, of).drop(columns="Test")
    notes = [f"Two-sided p: {test}. Holm's correction is over {counted(tested, 'test')}. {_INTERVALS}{further}."]
    return title, rows, notes + _notes_of(pairs)


def _comparisons(record: Record) -> _Made:
    title = "Differences in AUC in the test patients"
    return _compared(record, "comparisons", "AUC", title, " (Zou and Donner, from the limits of both AUCs)")


def _accuracy_comparisons(record: Record) -> _Made:
    title = "Differences in accuracy in the test patients"
    made = _compared(record, "accuracy_comparisons", "accuracy", title, " (Bonett and Price)")
    return made and (made[0], made[1], made[2][:1])  # the notes count discordant pairs, others in each row


def _readable(record: Record, name: str, title: str, note: str, **options: object) -> _Made:
    table = record.table(name)
    return None if table is None else (title, readable(name, table, **options), [note, *_notes_of(table)])


def _calibration(record: Record) -> _Made:
    note = (
        "Intercept (calibration in the large; ideal 0) and slope (ideal 1) by logistic recalibration, intervals by "
        f"profile likelihood; ICI: integrated calibration index (ideal 0). {_INTERVALS}."
    )
    made = _readable(record, "calibration", "Calibration in the test patients", note)
    return made and (made[0], made[1], [note])


def _staging(record: Record) -> _Made:
    note = (
        f"Correct stage: proportion, Wilson's interval; kappa: quadratic weights; Obuchowski measure: "
        f"{_INTERVALS.lower()} on the logit scale."
    )
    return _readable(record, "staging", "Staging", note)


def _staging_comparisons(record: Record) -> _Made:
    note = f"Two-sided tests of the Obuchowski measure, corrected by Holm within each group of patients. {_INTERVALS}."
    made = _readable(record, "staging_comparisons", "Differences in staging between networks", note)
    return made and (made[0], made[1].drop(columns="Test"), made[2])


def _auc_by_cutoff(record: Record) -> _Made:
    note = f"{_INTERVALS}. One network gives the score of every cut-off."
    title = "AUC at every cut-off of the stage"
    return _readable(record, "auc_by_cutoff", title, note, metavir=record.metavir)


def _subgroups(record: Record) -> _Made:
    table = record.groups
    if table is None:
        return None
    names = [
        row.level if row.column == "all" else f"{_group_title(row.column)}: {row.level}" for row in table.itertuples()
    ]
    rows = {"Group": names, "n": table["n"].astype(str), "With": table["n_positive"].astype(str)}
    for name in ("auc", "sensitivity", "specificity"):
        parts = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
        rows[MEASURES[name]] = [with_interval(*part) for part in parts]
    note = f"{model_label(record.video)}, {JUDGED}; with: patients with {record.run['condition']}. {_INTERVALS}."
    return "Accuracy in groups of patients", pd.DataFrame(rows), [note, *_notes_of(table)]


def _pathways(record: Record) -> _Made:
    table = record.table("pathways")
    if table is None:
        return None
    note = f"{JUDGED[0].upper()}{JUDGED[1:]}; per 1,000 patients. {_INTERVALS}, the prevalence taken as known."
    return "Pathways to biopsy", readable("pathways", table), [note]


_TABLES: dict[str, Callable[[Record], _Made]] = {
    "patients": _patients,
    "metrics": _metrics,
    "metrics_further": _metrics_further,
    "comparisons": _comparisons,
    "accuracy_comparisons": _accuracy_comparisons,
    "staging": _staging,
    "staging_comparisons": _staging_comparisons,
    "auc_by_cutoff": _auc_by_cutoff,
    "calibration": _calibration,
    "subgroups": _subgroups,
    "pathways": _pathways,
}


_OF_STAGES = ("staging", "staging_comparisons", "auc_by_cutoff")
"""Tables that say no more than the AUC does where there are two stages."""


def _make_tables(record: Record) -> list[PaperTable]:
    """Make every table that the run allows, in the order in which the text refers to them."""
    tables: list[PaperTable] = []
    for name, make in _TABLES.items():
        if (record.found["staging"] or name not in _OF_STAGES) and (made := make(record)):
            title, rows, notes = made
            notes = tuple(notes + ([record.warning] if record.warning else []))
            tables.append(PaperTable(len(tables) + 1, name, title, rows.astype(str), notes))
    return tables
