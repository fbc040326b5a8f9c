"""Results in words and in tables fit to be read: the numbers come from tables, nothing is computed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fibrolib.plots.style import model_label

__all__ = [
    "describe_attribution",
    "describe_comparisons",
    "describe_folds",
    "describe_model",
    "readable_beside",
    "readable_comparisons",
    "readable_metrics",
    "with_interval",
]

_METRICS = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "precision_macro": "Precision (macro)",
    "recall_macro": "Recall (macro)",
    "f1_macro": "F1 (macro)",
}


def with_interval(value: float, low: float, high: float) -> str:
    """``0.85 (0.62–0.95)``; a dash where there is no number."""
    return "–" if np.isnan(value) else f"{value:.2f} ({low:.2f}–{high:.2f})"


def signed(value: float) -> str:
    """``+0.12`` or ``−0.12``."""
    return f"{value:+.2f}".replace("-", "−")


def _difference(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{signed(value)} (no interval)" if np.isnan(low) else f"{signed(value)} ({signed(low)} to {signed(high)})"


def _p_value(p: float) -> str:
    return "–" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


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


def readable_comparisons(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Table of comparisons for a reader.

    Parameters
    ----------
    comparisons : DataFrame
        From `fibrolib.inference.compare_models`.

    Returns
    -------
    DataFrame
        Text, one row per pair.
    """
    rows = [
        {
            "Comparison": f"{model_label(row.a)} − {model_label(row.b)}",
            "Patients": row.n,
            "Difference in AUC (95 % CI)": _difference(row.difference, row.ci_low, row.ci_high),
            "p": _p_value(row.p),
            "p (Holm)": _p_value(row.p_holm),
        }
        for row in comparisons.itertuples()
    ]
    return pd.DataFrame(rows)


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
        f"**{model_label(name)}**, {condition}, {row['n']} test patients of whom {row['n_positive']} have it: "
        f"AUC **{row['auc']:.3f}** (95 % CI {row['auc_low']:.2f} to {row['auc_high']:.2f})."
    )
    if np.isnan(row["threshold"]):
        return f"{text} No operating point: {row['note']}."
    return (
        f"{text} At the operating point taken from the validation patients (score ≥ {row['threshold']:.3g}), "
        f"{round(row['accuracy'] * row['n'])} of {row['n']} are called rightly: accuracy "
        f"{with_interval(row['accuracy'], row['accuracy_low'], row['accuracy_high'])}, sensitivity "
        f"{with_interval(row['sensitivity'], row['sensitivity_low'], row['sensitivity_high'])}, specificity "
        f"{with_interval(row['specificity'], row['specificity_low'], row['specificity_high'])}."
    )


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
    text = f"AUC of the {len(cv_auc)} folds at the chosen setting: {listed}; mean **{np.nanmean(cv_auc):.3f}**"
    if n_settings == 1:
        return f"{text}. Only one setting was tried, so nothing was chosen."
    return f"{text}. It is the best of {n_settings} settings, so this mean is a little too good to be true."


def describe_comparisons(comparisons: pd.DataFrame) -> str:
    """What the paired tests show together, as Markdown.

    Parameters
    ----------
    comparisons : DataFrame
        From `fibrolib.inference.compare_models`.

    Returns
    -------
    str
    """
    tested = comparisons.dropna(subset=["p_holm"])
    if tested.empty:
        return "No pair of diagnostics could be tested on these patients."
    apart = tested[tested["p_holm"] < 0.05]
    width = (tested["ci_high"] - tested["ci_low"]).median()
    text = f"**{len(tested)} pairs** were tested. After Holm's correction "
    if apart.empty:
        text += f"**none** has p < 0.05 (smallest corrected p: {_p_value(tested['p_holm'].min())})"
    else:
        pairs = ", ".join(f"{model_label(row.a)} and {model_label(row.b)}" for row in apart.itertuples())
        text += f"**{len(apart)}** {'has' if len(apart) == 1 else 'have'} p < 0.05: {pairs}"
    text = (
        f"{text}. The 95 % interval of a difference is typically {width:.2f} wide: "
        "where it holds both zero and a large difference, the data do not tell equal from better."
    )
    # A note on one pair stays in the table; one that every pair carries is about the patients.
    notes = [note.split("; ") for note in tested["note"]]
    shared = [note for note in notes[0] if note and all(note in others for others in notes)]
    return f"{text} To be kept in mind: {'; '.join(shared)}." if shared else text


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
        f"(mean of {len(known)} test patients)."
    )
    if empty:
        text += f" {empty} further {'map holds' if empty == 1 else 'maps hold'} no positive evidence."
    return text
