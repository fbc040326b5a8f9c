"""Results in sentences: the numbers come from tables, nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fibrolib.diagnostics import INDICES, model_label
from fibrolib.errors import counted
from fibrolib.plots import p_text, p_value, with_interval


def _collect_notes(*tables: pd.DataFrame, said: str = "") -> list[str]:
    """Caveats of the numbers in tables: their notes, each once, without those that the text ``said`` holds.

    Those of one or two rows of more begin with the names of these.
    """
    found: dict[str, str] = {}
    for table in tables:
        rows_of: dict[str, list[int]] = {}
        for row, note in enumerate(table["note"].fillna("")):
            for part in filter(None, map(str.strip, note.split(";"))):
                rows_of.setdefault(part, []).append(row)
        for part, rows in rows_of.items():
            named = _names_of(table.iloc[rows]) if len(rows) <= 2 < len(table) else ""
            found[part] = named and found.get(part, named)  # a caveat of all, somewhere, is one of all
    return sorted(f"{names}: {part}" if names else part for part, names in found.items() if part not in said)


def _names_of(rows: pd.DataFrame) -> str:
    """Models, or pairs of them, of rows of a table; empty where it names none."""
    if {"a", "b"} <= set(rows):
        names = [f"{model_label(a)} − {model_label(b)}" for a, b in zip(rows["a"], rows["b"], strict=True)]
    else:
        names = [model_label(name) for column in ("model", "net") if column in rows for name in rows[column]]
    return ", ".join(dict.fromkeys(names))


def describe_notes(*tables: pd.DataFrame) -> str:
    """`_collect_notes` as Markdown; empty where there are none."""
    notes = _collect_notes(*tables)
    return f"Caveats: {'; '.join(notes)}." if notes else ""


def describe_model(metrics: pd.DataFrame, name: str, condition: str) -> str:
    """Test result of one diagnostic as Markdown, from the table of `fibrolib.inference.summarise_models`."""
    row = metrics.set_index("model").loc[name]
    if np.isnan(row["auc"]):
        return f"**{model_label(name)}** cannot be evaluated in these patients: {row['note']}."
    text = (
        f"**{model_label(name)}**, {condition}, {counted(row['n'], 'test patient')}, {row['n_positive']} with it: "
        f"AUC **{row['auc']:.3f}** (95 % CI {row['auc_low']:.2f}–{row['auc_high']:.2f})."
    )
    if np.isnan(row["threshold"]):
        return f"{text} No operating point: {row['note']}."
    right = round(row["accuracy"] * row["n"])
    measures = ", ".join(
        f"{name} {with_interval(row[name], row[f'{name}_low'], row[f'{name}_high'])}"
        for name in ("accuracy", "sensitivity", "specificity")
    )
    return (
        f"{text} At the operating point taken from {row.get('threshold_source', 'the validation patients')} "
        f"(score ≥ {row['threshold']:.3g}{_range(row)}), "
        f"{right} of {row['n']} {'is' if right == 1 else 'are'} classified correctly: {measures}."
    )


def _range(row: pd.Series) -> str:
    if np.isnan(row.get("threshold_low", np.nan)):
        return ""
    return f"; 95 % of resamples: {row['threshold_low']:.2f} to {row['threshold_high']:.2f}"


def describe_evidence(metrics: pd.DataFrame, name: str, cv_mean: float = np.nan) -> str:
    """Whether the test patients show that a diagnostic is better than chance (`metrics` as for `describe_model`).

    The mean AUC of the folds, where given, is compared with the interval.
    """
    row = metrics.set_index("model").loc[name]
    if np.isnan(row["auc"]):
        return f"{model_label(name)} cannot be evaluated in the test patients ({row['note']})."
    area = f"{model_label(name)}, {counted(row['n'], 'test patient')}: AUC {row['auc']:.2f}"
    if np.isnan(row["auc_low"]):
        return f"{area}, without an interval ({row['note']}): it is not known whether this is better than chance."
    verdict = "includes 0.5: not shown to be better than chance"
    if row["auc_low"] > 0.5:
        verdict = "lies above 0.5: better than chance"
    elif row["auc_high"] < 0.5:
        verdict = "lies below 0.5: worse than chance"
    text = f"{area} (95 % CI {row['auc_low']:.2f}–{row['auc_high']:.2f}). The interval {verdict}."
    if np.isnan(cv_mean):
        return text
    gap, inside = row["auc"] - cv_mean, row["auc_low"] <= cv_mean <= row["auc_high"]
    return (
        f"{text} The test AUC is {abs(gap):.2f} {'above' if gap > 0 else 'below'} the cross-validated mean "
        f"({cv_mean:.2f}); its interval {'includes' if inside else 'does not include'} that mean."
    )


def describe_folds(profile: Mapping) -> str:
    """How settings were chosen, from the ``profile`` of a run.json: ``5-fold cross-validation, repeated 3 times``."""
    repeats = profile.get("n_repeats", 1)  # which early runs did not have
    return f"{profile['n_folds']}-fold cross-validation" + (f", repeated {repeats} times" if repeats > 1 else "")


def describe_choice(search: pd.DataFrame) -> str:
    """How the setting of `Evaluation.search` that was chosen, the first, compares with the others, as Markdown."""
    folds = search.filter(regex=r"^auc_fold\d+$")
    low, high = folds.iloc[0].min(), folds.iloc[0].max()
    text = f"Cross-validation: mean AUC {search['auc_mean'].iloc[0]:.2f}, folds from {low:.2f} to {high:.2f}."
    if len(search) == 1:
        return f"{text} Only one setting was tried, so no setting is shown to be better than another."
    leads = (folds.iloc[0] - folds.iloc[1]).dropna()
    if search["auc_mean"].iloc[0] < search["auc_mean"].iloc[1]:
        return (
            f"{text} Another of {len(search)} settings has a higher mean ({search['auc_mean'].iloc[1]:.2f}), by less "
            "than one standard error; the more cautious setting was chosen."
        )
    return (
        f"{text} Of {len(search)} settings, the chosen one has a higher AUC than the next best in "
        f"{(leads > 0).sum()} of {counted(len(leads), 'fold')} (mean difference {leads.mean():.2f})."
    )


def describe_training(histories: pd.DataFrame) -> str:
    """Which epochs were kept, and the losses of the final fit, from `Evaluation.histories`, as Markdown."""
    if histories.empty:
        return "Training: none; the chosen setting is the linear probe alone."
    final = histories[histories["fold"].isna()]
    if "valid_loss" not in final or final["valid_loss"].isna().all():
        return f"Training: all {counted(len(final), 'epoch')} were used; no validation loss was computed."
    best = final.loc[final["valid_loss"].idxmin()]
    lowest = histories.groupby("fold")["valid_loss"].idxmin()
    return (
        f"Training: of {counted(len(final), 'epoch')}, the weights of epoch {int(best['epoch'])} are kept, with a "
        f"validation loss of {best['valid_loss']:.2f} and a training loss of {best['train_loss']:.2f}. "
        f"Epochs kept in the folds: {', '.join(map(str, histories.loc[lowest, 'epoch']))}."
    )


def describe_attribution(table: pd.DataFrame, name: str, region: str = "capsule") -> str:
    """Share of a net's relevance on a region beside the region's share of the area, as Markdown.

    ``table`` has one row per patient: ``relevance`` (NaN where a map is empty) and ``area``.
    """
    complete = table.dropna(subset=["relevance"])
    empty = len(table) - len(complete)
    if complete.empty:
        return f"**{model_label(name)}**: all maps are empty (no positive evidence), so no share can be computed."
    share, area = complete["relevance"].mean(), complete["area"].mean()
    text = (
        f"**{model_label(name)}**: {share:.1%} of the relevance lies on the {region}, which covers {area:.1%} of the "
        f"image: {share / area:.1f} times the share of a map without preference "
        f"(mean of {counted(len(complete), 'test patient')})."
    )
    if empty:
        text += f" {empty} further {'map has' if empty == 1 else 'maps have'} no positive evidence."
    return text


def describe_joint(joint: pd.DataFrame) -> str:
    """Result of `fibrolib.inference.joint_test` as Markdown."""
    (row,) = joint.itertuples()
    if np.isnan(row.p):
        on = f"{row.test}, {counted(row.n, 'patient')}"
        return f"The hypothesis that all {row.models} AUCs are equal cannot be tested ({on}): {row.note}."
    text = (
        f"Test of the hypothesis that all {row.models} AUCs are equal ({row.test}; {counted(row.n, 'patient')} "
        "scored by all): "
        f"F = {row.statistic:.2f} on {row.df:.1f} and {row.df_error:.1f} degrees of freedom, "
        f"**{p_text(row.p)}**. This is one test, so it needs no correction"
    )
    return f"{text}; {row.note}." if row.note else f"{text}."


def describe_comparisons(comparisons: pd.DataFrame, check: pd.DataFrame | None = None) -> str:
    """What the paired tests of `compare_models` or `compare_staging` show together, as Markdown.

    ``check`` holds the same pairs by another test; the text names pairs on which the two disagree.
    """
    tested = comparisons.dropna(subset=["p_holm"])
    if tested.empty:
        return "No pair of diagnostics could be tested on these patients."
    apart = tested[tested["p_holm"] < 0.05]
    width = (tested["ci_high"] - tested["ci_low"]).median()
    least, most = tested["n"].min(), tested["n"].max()
    patients = counted(most, "patient") if least == most else f"{least} to {most} patients"
    pairs = f"**{counted(len(tested), 'pair')}** {'was' if len(tested) == 1 else 'were'}"
    text = f"{pairs} tested ({tested['test'].iloc[0]}; {patients}). After Holm's correction "
    if apart.empty:
        text += f"**none** has p < 0.05 (smallest corrected p: {p_value(tested['p_holm'].min())})"
    else:
        pairs = ", ".join(map(_ahead, apart.itertuples()))
        text += f"**{len(apart)}** {'has' if len(apart) == 1 else 'have'} p < 0.05: {pairs}"
    if check is not None:
        text += f". {_agreement(tested, check)}"
    text += "."
    if not np.isnan(width):  # no pair has an interval where all scores order the patients alike
        text += (
            f" The 95 % interval of a difference is typically {width:.2f} wide: if it includes both zero and a large "
            "difference, the data do not show whether the diagnostics are equal."
        )
    if not {*tested["a"], *tested["b"]} <= {record.name for record in INDICES}:
        text += " The tests hold only for these nets (one training each): another training would give other scores."
    # A note on one pair stays in the table; one that every pair carries is about the patients.
    notes = [note.split("; ") for note in tested["note"]]
    shared = [note for note in notes[0] if note and all(note in others for others in notes)]
    return f"{text} Caveats: {'; '.join(shared)}." if shared else text


def _ahead(pair) -> str:
    """Who is above whom; larger is better in every measure that is compared here."""
    first, second = (pair.a, pair.b) if pair.difference > 0 else (pair.b, pair.a)
    return f"{model_label(first)} above {model_label(second)}"


def _agreement(tested: pd.DataFrame, check: pd.DataFrame) -> str:
    """Where two tests of the same pairs disagree, if anywhere."""
    both = tested.merge(check, on=["a", "b"], suffixes=("", "_check"))
    apart = both[(both["p_holm"] < 0.05) != (both["p_holm_check"] < 0.05)]
    names = f"{both['test'].iloc[0]}; {both['test_check'].iloc[0]}"
    if apart.empty:
        return f"A second test ({both['test_check'].iloc[0]}) agrees for every pair"
    pairs = ", ".join(
        f"{model_label(row.a)} and {model_label(row.b)} (p {p_value(row.p_holm)}; {p_value(row.p_holm_check)})"
        for row in apart.itertuples()
    )
    return f"**The conclusion depends on the test** ({names}) for {pairs}: no difference is established there"
