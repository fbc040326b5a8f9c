"""Results in words and in tables fit to be read: the numbers come from tables, nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fibrolib.errors import counted
from fibrolib.plots.style import model_label

__all__ = [
    "collect_notes",
    "describe_attribution",
    "describe_choice",
    "describe_evidence",
    "describe_folds",
    "describe_model",
    "describe_notes",
    "describe_setting",
    "describe_training",
    "readable_beside",
    "readable_calibration",
    "readable_metrics",
    "with_interval",
]

_METRICS = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "lr_positive": "Positive likelihood ratio",
    "lr_negative": "Negative likelihood ratio",
    "precision_macro": "Precision (macro)",
    "recall_macro": "Recall (macro)",
    "f1_macro": "F1 (macro)",
    "f1": "F1 (with the condition)",
}

_CALIBRATION = {"intercept": "Intercept", "slope": "Slope", "brier": "Brier score", "ici": "ICI"}


def with_interval(value: float, low: float, high: float) -> str:
    """``0.85 (0.62–0.95)``; limits of what may be negative as ``-0.10 to 0.70``; a dash where there is no number."""
    if np.isnan(value):
        return "–"
    if np.isnan(low):
        return f"{_number(value)} (no interval)"
    # A dash between limits of which one has a minus would be misread.
    between = " to " if low < 0 else "–"
    return f"{_number(value)} ({_number(low)}{between}{_number(high)})"


def _number(value: float) -> str:
    # Beyond a hundred (likelihood ratios, slopes of nearly constant predictions) no decimals mean anything.
    text = f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}".replace("inf", "∞")
    return text.replace("-0.00", "0.00").replace("-", "−")


def signed(value: float) -> str:
    """``+0.12`` or ``−0.12``."""
    return f"{value:+.2f}".replace("-", "−")


def readable_metrics(metrics: pd.DataFrame) -> pd.DataFrame:
    """Table of metrics for a reader: one column per diagnostic, each number with its 95 % interval.

    Parameters
    ----------
    metrics : DataFrame
        From `fibrolib.inference.summarise_models`.

    Returns
    -------
    DataFrame
        Text; one row per metric, the diagnostic with the best AUC first.
    """
    rows = metrics.sort_values("auc", ascending=False, kind="stable", na_position="last")
    table = {"Patients": rows["n"].astype(str).to_list()}
    for name, title in _METRICS.items():
        if name in rows:
            limits = zip(rows[name], rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
            table[title] = [with_interval(*each) for each in limits]
    return pd.DataFrame(table, index=rows["model"].map(model_label).to_list()).T


def readable_calibration(calibration: pd.DataFrame) -> pd.DataFrame:
    """Table of calibration for a reader.

    Parameters
    ----------
    calibration : DataFrame
        From `fibrolib.inference.summarise_calibration`.

    Returns
    -------
    DataFrame
        Text; one row per diagnostic that could be judged, with its number of patients.
    """
    known = calibration.dropna(subset=["value"])
    rows = []
    for name, found in known.groupby("model", sort=False):
        numbers = found.set_index("metric")
        row = {"Diagnostic": model_label(name), "Patients": int(numbers["n"].max())}
        told = {key: numbers.loc[key, ["value", "low", "high"]] for key in _CALIBRATION if key in numbers.index}
        rows.append(row | {_CALIBRATION[key]: with_interval(*each) for key, each in told.items()})
    return pd.DataFrame(rows)


def collect_notes(*tables: pd.DataFrame, said: str = "") -> list[str]:
    """What a reader must know before quoting a number: the notes of tables, each once.

    Parameters
    ----------
    *tables : DataFrame
        With a column ``note``.
    said : str
        Text that stands beside them: what it says already is left out.

    Returns
    -------
    list of str
    """
    notes = [note for table in tables for note in table["note"].dropna()]
    return sorted({part.strip() for note in notes for part in note.split(";") if part.strip() not in said})


def describe_notes(*tables: pd.DataFrame) -> str:
    """`collect_notes` as Markdown; empty where there is nothing to say."""
    notes = collect_notes(*tables)
    return f"To know before quoting a number: {'; '.join(notes)}." if notes else ""


def readable_beside(published: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Published test results beside ours for a reader.

    Parameters
    ----------
    published : DataFrame
        One row per model: ``model`` and some metrics, NaN where the publication gives none.
    metrics : DataFrame
        Table of `inference.summarise_models`; models that are missing there get a dash.

    Returns
    -------
    DataFrame
        Text; one row per model of `published`, for each metric a column of theirs and one of ours with its interval.
    """
    ours = metrics.set_index("model").reindex(published["model"])
    columns: dict[str, list[str]] = {"Model": [model_label(name) for name in published["model"]]}
    for name, title in _METRICS.items():
        if name in published:
            known = ours[[name, f"{name}_low", f"{name}_high"]].astype(float)
            columns[f"{title}, published"] = ["not given" if np.isnan(v) else f"{v:.3f}" for v in published[name]]
            columns[f"{title}, this run"] = [with_interval(*row) for row in known.itertuples(index=False)]
    return pd.DataFrame(columns)


def describe_model(metrics: pd.DataFrame, name: str, condition: str) -> str:
    """Test result of one diagnostic as Markdown.

    Parameters
    ----------
    metrics : DataFrame
        From `fibrolib.inference.summarise_models`.
    name : str
        The diagnostic.
    condition : str
        What is diagnosed, in words.

    Returns
    -------
    str
    """
    row = metrics.set_index("model").loc[name]
    if np.isnan(row["auc"]):
        return f"**{model_label(name)}** cannot be judged on these patients: {row['note']}."
    text = (
        f"**{model_label(name)}**, {condition}, {counted(row['n'], 'test patient')}, {row['n_positive']} with it: "
        f"AUC **{row['auc']:.3f}** (95 % CI {row['auc_low']:.2f} to {row['auc_high']:.2f})."
    )
    if np.isnan(row["threshold"]):
        return f"{text} No operating point: {row['note']}."
    right = round(row["accuracy"] * row["n"])
    return (
        f"{text} At the operating point taken from the validation patients (score ≥ {row['threshold']:.3g}), "
        f"{right} of {row['n']} {'is' if right == 1 else 'are'} called rightly: accuracy "
        f"{with_interval(row['accuracy'], row['accuracy_low'], row['accuracy_high'])}, sensitivity "
        f"{with_interval(row['sensitivity'], row['sensitivity_low'], row['sensitivity_high'])}, specificity "
        f"{with_interval(row['specificity'], row['specificity_low'], row['specificity_high'])}."
    )


def describe_setting(setting: Mapping[str, object]) -> str:
    """Parameters of a model in words, those of a net's options by their own names.

    Parameters
    ----------
    setting : mapping
        Parameters by name; options as a mapping of their own, or as ``options.<name>``.

    Returns
    -------
    str
        Such as "learning rate 0.1, weights simulation"; empty where no parameter is set.
    """
    named: dict[str, object] = {}
    for name, value in setting.items():
        named |= value if isinstance(value, Mapping) else {name.rpartition(".")[2]: value}
    return ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in named.items())


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def describe_folds(cv_auc: np.ndarray, n_settings: int) -> str:
    """Cross-validation of the chosen setting as Markdown.

    Parameters
    ----------
    cv_auc : ndarray, shape (n_folds,)
        AUC of each fold at the chosen setting.
    n_settings : int
        Number of settings that were tried.

    Returns
    -------
    str
    """
    listed = ", ".join(f"{value:.2f}" for value in cv_auc)
    text = (
        f"AUC of the {len(cv_auc)} folds at the chosen setting: {listed}; mean **{np.nanmean(cv_auc):.3f}** "
        "(folds share training patients: the interval that knows this stands in `09_how_sure`)"
    )
    if n_settings == 1:
        return f"{text}. Only one setting was tried, so nothing was chosen."
    return f"{text}. It is the best of {n_settings} settings, so this mean is a little too good to be true."


def describe_evidence(metrics: pd.DataFrame, name: str) -> str:
    """Whether the test patients show that a diagnostic is better than chance, as Markdown.

    Parameters
    ----------
    metrics : DataFrame
        From `fibrolib.inference.summarise_models`.
    name : str
        The diagnostic.

    Returns
    -------
    str
    """
    row = metrics.set_index("model").loc[name]
    if np.isnan(row["auc"]):
        return f"Test patients: the {model_label(name)} cannot be judged on them ({row['note']})."
    found = f"AUC of the {model_label(name)} in {counted(row['n'], 'test patient')}: {row['auc']:.2f}"
    if np.isnan(row["auc_low"]):
        return f"{found}, without an interval ({row['note']}): whether that is better than chance is open."
    interval = f"95 % CI {row['auc_low']:.2f} to {row['auc_high']:.2f}"
    if row["auc_low"] > 0.5:
        return f"{found} ({interval}). The interval lies above 0.5: better than chance."
    if row["auc_high"] < 0.5:
        return f"{found} ({interval}). The interval lies below 0.5: worse than chance."
    return f"{found} ({interval}). The interval includes 0.5: not shown to be better than chance."


def describe_choice(search: pd.DataFrame) -> str:
    """By how much the chosen setting leads in cross-validation, beside the spread between folds, as Markdown.

    Parameters
    ----------
    search : DataFrame
        One row per setting: ``auc_mean``, ``auc_sd`` (over folds).

    Returns
    -------
    str
    """
    rows = search.sort_values("auc_mean", ascending=False, kind="stable")
    mean, spread = rows["auc_mean"].iloc[0], rows["auc_sd"].iloc[0]
    text = f"Cross-validation: mean AUC {mean:.2f}, standard deviation between folds {spread:.2f}."
    if len(rows) == 1:
        return f"{text} Only one setting was tried, so no setting is shown to be better than another."
    lead = mean - rows["auc_mean"].iloc[1]
    beside = "less" if lead < spread else "more"
    return (
        f"{text} The chosen setting leads the next of {len(rows)} by {lead:.2f}, {beside} than that spread. The folds "
        "share their training patients, so this does not establish that it is better."
    )


def describe_training(histories: pd.DataFrame) -> str:
    """Which epoch of the final fit was kept, and its losses, as Markdown.

    Parameters
    ----------
    histories : DataFrame
        Training curves (`fibrolib.learning.Evaluation`); ``fold`` is missing for the final fit.

    Returns
    -------
    str
    """
    final = histories[histories["fold"].isna()]
    if "valid_loss" not in final or final["valid_loss"].isna().all():
        return f"Training: all {counted(len(final), 'epoch')} were used; no validation loss was computed."
    kept = final.loc[final["valid_loss"].idxmin()]
    return (
        f"Training: of {counted(len(final), 'epoch')}, the weights of epoch {int(kept['epoch'])} are kept, with a "
        f"validation loss of {kept['valid_loss']:.2f} and a training loss of {kept['train_loss']:.2f}."
    )


def describe_attribution(table: pd.DataFrame, name: str, region: str = "capsule") -> str:
    """Share of a net's Grad-CAM relevance on a region beside the region's share of area, as Markdown.

    Parameters
    ----------
    table : DataFrame
        Columns ``relevance`` and ``area``, one row per patient; relevance is NaN where a map is empty.
    name : str
        The net.
    region : str
        What the region is.

    Returns
    -------
    str
    """
    known = table.dropna(subset=["relevance"])
    empty = len(table) - len(known)
    if known.empty:
        return f"**{model_label(name)}**: no map holds any positive evidence, so there is no share to give."
    share, area = known["relevance"].mean(), known["area"].mean()
    text = (
        f"**{model_label(name)}**: {share:.1%} of the relevance lies on the {region}, which covers {area:.1%} of the "
        f"picture: {share / area:.1f} times what a map without preference would put there "
        f"(mean of {counted(len(known), 'test patient')})."
    )
    if empty:
        text += f" {empty} further {'map holds' if empty == 1 else 'maps hold'} no positive evidence."
    return text
