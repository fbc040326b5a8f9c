"""Stages that nets call against the truth, and their answers on few and on many patients side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fibrolib.errors import counted
from fibrolib.plots.comparisons import readable_comparisons
from fibrolib.plots.sentences import with_interval
from fibrolib.plots.style import model_colour, model_label, new_figure, styled
from fibrolib.stages import cutoff_name, stage_name

__all__ = [
    "GROUPS",
    "plot_answers",
    "plot_confusion",
    "readable_answers",
    "readable_auc_by_cutoff",
    "readable_staging",
    "readable_staging_comparisons",
]

GROUPS = {"test": "test patient", "fresh": "fresh virtual patient"}
"""What a patient of each group is called."""

_ORACLES = {"oracle_still": "Oracle, still image", "oracle_moving": "Oracle, video"}
_MEASURES = {
    "exact": "Right stage",
    "kappa": "Kappa (quadratic)",
    "obuchowski": "Obuchowski measure",
}
_CHANCE = {"color": "0.6", "linewidth": 0.8, "linestyle": ":"}


def _label(name: str) -> str:
    return _ORACLES.get(name, model_label(name))


@styled
def plot_confusion(confusions: Mapping[str, Mapping[str, pd.DataFrame]], *, metavir: bool = True) -> Figure:
    """Called against true stages, a row of panels per group of patients and a panel per net.

    Parameters
    ----------
    confusions : mapping of str to mapping of str to DataFrame
        By group (a key of `GROUPS`) and net: counts, true stages in rows, called ones in columns.
    metavir : bool
        Whether stages are METAVIR.

    Returns
    -------
    Figure
        Shade: share of the patients of a true stage.
    """
    down, across = len(confusions), max(len(nets) for nets in confusions.values())
    figure, axes = new_figure(down, across, width=2.3 * across + 0.9, height=2.35 * down + 0.3)
    for line, (group, nets) in zip(axes, confusions.items(), strict=True):
        for plot, (name, counts) in zip(line, nets.items(), strict=True):
            image = _draw_counts(plot, counts, metavir)
            plot.set_title(model_label(name), color=model_colour(name))
        n = int(next(iter(nets.values())).to_numpy().sum())
        line[0].set_ylabel(f"{counted(n, GROUPS[group])}\nTrue stage")
    for plot in axes[-1]:
        plot.set_xlabel("Called stage")
    figure.colorbar(image, ax=axes, shrink=0.6, label="Share of the true stage (%)")
    return figure


def _draw_counts(plot: Axes, counts: pd.DataFrame, metavir: bool):
    shares = 100 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    image = plot.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for y, row in enumerate(counts.to_numpy()):
        for x, count in enumerate(row):
            colour = "white" if shares.iloc[y, x] > 55 else "0.75" if count == 0 else "black"
            plot.text(x, y, str(count), ha="center", va="center", color=colour, fontsize="small")
    for axis, stages in ((plot.xaxis, counts.columns), (plot.yaxis, counts.index)):
        axis.set_ticks(range(len(stages)), [stage_name(stage, metavir) for stage in stages])
    plot.tick_params(length=0)
    sns.despine(ax=plot, left=True, bottom=True)
    return image


@styled
def plot_answers(few: pd.DataFrame, many: pd.DataFrame, cutoff: int) -> Figure:
    """AUC of each diagnostic on the study's test patients and on the fresh population, with both oracles.

    Parameters
    ----------
    few : DataFrame
        ``model, n, auc, auc_low, auc_high`` on the test patients.
    many : DataFrame
        The same of the fresh patients, and ``oracle_still``, ``oracle_moving``.
    cutoff : int
        Lowest stage that counts as diseased.

    Returns
    -------
    Figure
    """
    few, many = few.set_index("model"), many.set_index("model")
    names = [name for name in many.index if name not in _ORACLES]
    figure, axes = new_figure(width=6.5, height=1.5 + 0.5 * len(names))
    plot = axes[0, 0]
    for place, name in enumerate(names):
        for table, away, marker, face in ((few, -0.14, "s", "white"), (many, 0.14, "o", model_colour(name))):
            if name in table.index:
                row, colour = table.loc[name], model_colour(name)
                width = 1.2 if table is few else 2.4
                plot.plot([row["auc_low"], row["auc_high"]], [place + away] * 2, color=colour, linewidth=width)
                plot.plot(row["auc"], place + away, marker, color=colour, markersize=6, markerfacecolor=face)
    styles = {"oracle_moving": "solid", "oracle_still": (0, (4, 2))}
    for name, style in styles.items():
        plot.axvline(many.loc[name, "auc"], color="0.25", linewidth=1.0, linestyle=style, zorder=0)
    plot.axvline(0.5, **_CHANCE)
    plot.set_yticks(range(len(names)), [_label(name) for name in names])
    label = f"AUC at {cutoff_name(cutoff)} with 95 % interval (dotted: chance)"
    plot.set(xlabel=label, xlim=(min(0.4, few["auc_low"].min() - 0.02), 1.01), ylim=(len(names) - 0.5, -0.5))
    plot.tick_params(axis="y", length=0)
    mark = {"color": "0.3", "markersize": 6}
    handles = [
        Line2D([], [], marker="s", markerfacecolor="white", linewidth=1.2, **mark, label=_count(few, "test")),
        Line2D([], [], marker="o", linewidth=2.4, **mark, label=_count(many, "fresh")),
        *(Line2D([], [], color="0.25", linewidth=1, linestyle=styles[name], label=_ORACLES[name]) for name in styles),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    sns.despine(ax=plot, left=True)
    return figure


def _count(table: pd.DataFrame, group: str) -> str:
    return counted(int(table["n"].max()), GROUPS[group])


def readable_answers(few: pd.DataFrame, many: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Both answers for a reader: the study's test patients, and many fresh ones.

    Parameters
    ----------
    few, many : DataFrame
        As for `plot_answers`.
    shares : DataFrame
        ``model, still, moving``, the latter with ``_low`` and ``_high``: share of the way from chance to a ceiling, of
        nets.

    Returns
    -------
    DataFrame
        Text, one row per model.
    """
    few, shares = few.set_index("model"), shares.set_index("model")
    columns = ["auc", "auc_low", "auc_high"]
    rows = []
    for row in many.itertuples():
        known = row.model in few.index
        share = shares.loc[row.model] if row.model in shares.index else None
        rows.append(
            {
                "Diagnostic": _label(row.model),
                f"AUC, {_count(few, 'test')}": with_interval(*few.loc[row.model, columns]) if known else "–",
                f"AUC, {counted(row.n, GROUPS['fresh'])}": with_interval(row.auc, row.auc_low, row.auc_high),
                "of the way to the still image's oracle (95 % CI)": _percent(share, "still"),
                "of the way to the video's oracle (95 % CI)": _percent(share, "moving"),
            }
        )
    return pd.DataFrame(rows)


def _percent(share: pd.Series | None, ceiling: str) -> str:
    if share is None or np.isnan(share[ceiling]):
        return "–"
    value, low, high = (
        f"{100 * share[name]:.0f}".replace("-", "−") for name in (ceiling, f"{ceiling}_low", f"{ceiling}_high")
    )
    return f"{value} % (no interval)" if low == "nan" else f"{value} % ({low} to {high} %)"


def readable_staging(staging: pd.DataFrame) -> pd.DataFrame:
    """Table of staging for a reader.

    Parameters
    ----------
    staging : DataFrame
        ``patients`` (a key of `GROUPS`), ``model, n, obuchowski_chance``, and ``exact, kappa, obuchowski`` with their
        limits.

    Returns
    -------
    DataFrame
        Text, one row per group and net.
    """
    table = {"Patients": [counted(row.n, GROUPS[row.patients]) for row in staging.itertuples()]}
    table["Net"] = [model_label(name) for name in staging["model"]]
    for measure, title in _MEASURES.items():
        limits = zip(staging[measure], staging[f"{measure}_low"], staging[f"{measure}_high"], strict=True)
        table[f"{title} (95 % CI)"] = [with_interval(*each) for each in limits]
    chance = staging["obuchowski_chance"]
    table["Obuchowski by chance"] = ["–" if np.isnan(value) else f"{value:.2f}" for value in chance]
    return pd.DataFrame(table)


def readable_staging_comparisons(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Table of comparisons of the Obuchowski measure for a reader.

    Parameters
    ----------
    comparisons : DataFrame
        ``patients`` (a key of `GROUPS`) and the columns of `fibrolib.inference.compare_staging`, which corrects within
        each group.

    Returns
    -------
    DataFrame
        Text, one row per group and pair.
    """
    parts = []
    for group, pairs in comparisons.groupby("patients", sort=False):
        part = readable_comparisons(pairs, "Obuchowski measure")
        corrected = next(column for column in part if column.startswith("p (Holm"))
        part["Patients"] = [counted(n, GROUPS[group]) for n in part["Patients"]]
        parts.append(part.rename(columns={corrected: "p (Holm, within the patients)"}))
    return pd.concat(parts, ignore_index=True)


def readable_auc_by_cutoff(areas: pd.DataFrame, *, metavir: bool = True) -> pd.DataFrame:
    """Table of AUCs at every cut-off for a reader.

    Parameters
    ----------
    areas : DataFrame
        ``patients, model, cutoff, n, auc, auc_low, auc_high``.
    metavir : bool
        Whether stages are METAVIR.

    Returns
    -------
    DataFrame
        Text, one row per group and model, one column per cut-off.
    """
    rows = []
    for (group, model), cells in areas.groupby(["patients", "model"], sort=False):
        row = {"Patients": counted(cells["n"].iloc[0], GROUPS[group]), "Model": _label(model)}
        for cell in cells.itertuples():
            row[f"AUC {cutoff_name(cell.cutoff, metavir)}"] = with_interval(cell.auc, cell.auc_low, cell.auc_high)
        rows.append(row)
    return pd.DataFrame(rows)
