"""What a score is worth in the clinic: pathways, subgroups, sets of stages, accuracy against share answered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fibrolib.plots.style import (
    _GUIDE,
    _LINES,
    _across,
    _name_rows,
    _new_figure,
    _new_plot,
    _stage_colours,
    _styled,
    with_interval,
)
from fibrolib.stages import stage_name

_PARTS = {
    "missed": ("#08519C", "ends here, condition missed"),
    "released": ("#9ECAE1", "ends here, correctly"),
    "passed_on": ("#D9D9D9", "passed on"),
    "to_biopsy": ("#C8553D", "sent to biopsy"),
}
"""What becomes of patients at a step, from the bottom of a bar to its top."""

_WIDTH = 0.42


@_styled
def plot_pathway(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Flow of 1,000 patients through a pathway, a bar for each step and one for biopsy.

    `table` comes from `fibrolib.clinical.pathway_table`; `names` are those of its steps for readers.
    """
    figure, plot = _new_plot(6.8, 3.9)
    for place, row in enumerate(table.itertuples()):
        if place == len(table) - 1:
            _draw_part(plot, place, 0, row.entered, "to_biopsy")
        else:
            _draw_step(plot, place, row, table["entered"].iloc[place + 1] if place + 2 < len(table) else 0.0)
        plot.text(place, row.entered + 15, f"{row.entered:,.0f}", ha="center", va="bottom", fontweight="bold")
    plot.set_xticks(range(len(table)), [*names, "Biopsy"])
    plot.set(ylabel="Of 1,000 patients", ylim=(0, 1080), xlim=(-0.5, len(table) - 0.4))
    plot.yaxis.set_major_formatter("{x:,.0f}")
    plot.tick_params(axis="x", length=0)
    handles = [Patch(facecolor=colour, edgecolor="0.3", label=label) for colour, label in reversed(_PARTS.values())]
    figure.legend(handles=handles, loc="outside lower center", ncols=_across(40, 4))
    sns.despine(ax=plot, bottom=True)
    return figure


def _draw_step(plot: Axes, place: int, row: tuple, following: float) -> None:
    """A bar in its parts, and the band of those who go on to the next step."""
    heights = {name: getattr(row, name) for name in _PARTS}
    heights["released"] -= heights["missed"]
    if not following:  # whom the last step passes on, it sends to biopsy
        heights["to_biopsy"] += heights.pop("passed_on")
    bottom = 0.0
    for name, height in heights.items():
        _draw_part(plot, place, bottom, height, name)
        if name == "passed_on" and following:
            ends = [place + _WIDTH / 2, place + 1 - _WIDTH / 2]
            band = {"color": _PARTS[name][0], "alpha": 0.4, "linewidth": 0, "zorder": 0}
            plot.fill_between(ends, [bottom, 0], [bottom + height, following], **band)
        bottom += height


def _draw_part(plot: Axes, place: int, bottom: float, height: float, name: str) -> None:
    colour, _ = _PARTS[name]
    plot.bar(place, height, _WIDTH, bottom, color=colour, edgecolor="0.3", linewidth=0.6)
    if height >= 45:
        shade = "white" if name in ("missed", "to_biopsy") else "black"
        plot.text(place, bottom + height / 2, f"{height:.0f}", ha="center", va="center", color=shade, fontsize="small")
    elif height > 0:
        where = {"ha": "left", "va": "center", "fontsize": "x-small", "color": "0.3"}
        plot.text(place + _WIDTH / 2 + 0.02, bottom + height / 2, f"{height:.0f}", **where)


@_styled
def plot_subgroups(table: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """AUC and sensitivity of a score in each group of patients, beside those of all patients (dotted).

    `table` comes from `fibrolib.clinical.subgroup_table`; `titles` are the names of its columns for readers. Groups
    that are too small are named without numbers.
    """
    figure, axes = _new_figure(1, 2, width=7.4, height=0.9 + 0.27 * len(table), sharey=True)
    labels = [f"{_title(titles, row.column)}{row.level}  ({row.n_positive} of {row.n})" for row in table.itertuples()]
    for plot, name, title in zip(axes[0], ("auc", "sensitivity"), ("AUC", "Sensitivity"), strict=True):
        for place, row in enumerate(table.itertuples()):
            _draw_group(plot, place, row, name)
        plot.axvline(table[name].iloc[0], zorder=0, **_GUIDE)
        plot.set(title=title, xlim=(0, 1.0), xticks=[0, 0.25, 0.5, 0.75, 1.0])
        for place in np.flatnonzero(table["column"] != table["column"].shift())[1:]:
            plot.axhline(place - 0.5, color="0.88", linewidth=0.8, zorder=0)
        _name_rows(plot, labels)
    axes[0, 1].tick_params(axis="y", labelleft=False)
    figure.supxlabel("With 95 % intervals (in brackets: with the condition, of all)", fontsize="medium")
    return figure


def _title(titles: dict[str, str], column: str) -> str:
    return f"{titles[column]}: " if titles.get(column) else ""


def _draw_group(plot: Axes, place: int, row: tuple, name: str) -> None:
    value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
    beside = {"transform": plot.get_yaxis_transform(), "va": "center", "fontsize": "small"}
    if np.isnan(value):
        plot.text(0.02, place, "too few patients", color="0.5", **beside)
        return
    colour = "black" if row.column == "all" else "0.45"
    plot.plot([low, high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
    plot.plot(value, place, "s", color=colour, markersize=5, clip_on=False)
    plot.text(1.06, place, with_interval(value, low, high), **beside)


@_styled
def plot_stage_sets(sets: pd.DataFrame, stages: pd.Series, *, metavir: bool = True) -> Figure:
    """Set of stages of each patient (`fibrolib.clinical.stage_sets`) as a bar, and the true stage as a dot.

    Patients are ordered by true stage, then by set; a dot outside its bar (open) is a set that missed.
    """
    order = sets.assign(stage=stages).sort_values(["stage", "low", "high"], kind="stable")
    n_stages = int(max(order["high"].max(), order["stage"].max())) + 1
    figure, plot = _new_plot(min(7.0, 1.8 + 0.17 * len(order)), 2.9)
    colours = _stage_colours(n_stages)
    for place, row in enumerate(order.itertuples()):
        plot.bar(
            place, row.high - row.low + 0.7, 0.75, row.low - 0.35, color="#C6DBEF", edgecolor="#4C8FB8", linewidth=0.6
        )
        inside = row.low <= row.stage <= row.high
        face, edge = (colours[row.stage], "black") if inside else ("white", "#C8553D")
        plot.plot(place, row.stage, "o", markersize=4.5, color=face, markeredgecolor=edge, markeredgewidth=1.0)
    plot.set_yticks(range(n_stages), [stage_name(stage, metavir) for stage in range(n_stages)])
    plot.set(
        xticks=[], xlabel="Patients, by true stage (bar: set of stages; dot: truth, open if outside)", ylabel="Stage"
    )
    plot.set_ylim(-0.5, n_stages - 0.5)
    sns.despine(ax=plot, bottom=True)
    return figure


@_styled
def plot_selective(table: pd.DataFrame) -> Figure:
    """Accuracy of the predicted stage against the share of patients that get an answer, with 95 % limits.

    `table` comes from `fibrolib.clinical.selective_accuracy`.
    """
    figure, plot = _new_plot(6.5, 3.2)
    for name, colour, label in (("within_one", _LINES[0], "within one stage"), ("exact", _LINES[1], "correct stage")):
        band = plot.fill_between(table["answered"], table[f"{name}_low"], table[f"{name}_high"], step="mid")
        band.set(color=colour, alpha=0.18, linewidth=0)
        plot.plot(table["answered"], table[name], color=colour, drawstyle="steps-mid", linewidth=1.7, label=label)
    plot.set(xlabel="Share of the patients that get an answer (the surest first)", ylabel="Share of answers")
    plot.set(xlim=(0, 1.0), ylim=(0, 1.02))
    plot.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="bands: 95 % limits")
    sns.despine(ax=plot)
    return figure
