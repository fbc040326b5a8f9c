"""Figures of the cohort: stages, laboratory values, frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

from fibrolib.cohort.columns import NUMBERS
from fibrolib.diagnostics import ColumnSpec
from fibrolib.plots.style import (
    _SPLIT_COLOURS,
    _SPLIT_LABELS,
    _draw_picture,
    _new_figure,
    _new_plot,
    _outline,
    _stage_colours,
    _styled,
)
from fibrolib.stages import stage_name
from fibrolib.video import Clip

_CARRIERS = {
    "texture": ("Texture: clustering", "SDs above the mean of F0"),
    "capsule": ("Capsule: nodularity", "SDs above the mean of F0"),
    "strain": ("Motion: peak strain", "per cent"),
}
"""What fibrosis shows through: title and unit by column of the truth."""


@_styled
def plot_stages(split: pd.Series, stages: pd.Series, cutoff: int, *, metavir: bool = True) -> Figure:
    """Patients per stage on each side of the split; parameters as for `plot_flow`."""
    figure, plot = _new_plot(5.0, 3.2)
    levels = np.arange(stages.min(), stages.max() + 1)
    counts = pd.crosstab(stages, split.reindex(stages.index))
    counts = counts.reindex(index=levels, columns=list(_SPLIT_LABELS), fill_value=0)
    for shift, (side, label) in zip((-0.27, 0, 0.27), _SPLIT_LABELS.items(), strict=True):
        label = f"{label} (n = {counts[side].sum()})"
        bars = plot.bar(np.arange(len(levels)) + shift, counts[side], 0.25, color=_SPLIT_COLOURS[side], label=label)
        plot.bar_label(bars, fontsize="small", padding=1)
    plot.axvline(cutoff - levels[0] - 0.5, color="black", linestyle=":", linewidth=1)
    plot.set_xticks(range(len(levels)), [stage_name(level, metavir) for level in levels])
    plot.set(xlabel="Stage (dotted: the cut-off)", ylabel="Patients")
    plot.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    plot.margins(y=0.12)
    figure.legend(loc="outside upper center", ncols=3)
    sns.despine(ax=plot)
    return figure


@_styled
def plot_labs(
    patients: pd.DataFrame, columns: Sequence[str], *, numbers: Mapping[str, ColumnSpec] = NUMBERS, metavir: bool = True
) -> Figure:
    """Numbers of the patients by stage, a dot each, with median and quartiles; `columns` are names out of `numbers`."""
    across = min(len(columns), 3)
    down = -(-len(columns) // across)
    figure, axes = _new_figure(down, across, width=2.5 * across, height=2.4 * down)
    for plot, column in zip(axes.flat, columns, strict=False):
        spec = numbers[column]
        _draw_by_stage(plot, patients, column, log=spec.distribution == "log-normal", metavir=metavir)
        plot.set(xlabel="", ylabel=spec.unit)
        plot.set_title(f"{spec.label or column} (n = {patients[column].notna().sum()})")
    for plot in axes.flat[len(columns) :]:
        plot.set_axis_off()
    return figure


def _draw_by_stage(plot: Axes, patients: pd.DataFrame, column: str, *, log: bool, metavir: bool = True) -> None:
    """Median, quartiles and every patient, stage by stage."""
    levels = np.arange(patients["stage"].min(), patients["stage"].max() + 1)
    values = [patients.loc[patients["stage"] == level, column].dropna().to_numpy() for level in levels]
    lines = {f"{part}props": {"color": "0.35", "linewidth": 0.9} for part in ("box", "whisker", "cap", "median")}
    plot.boxplot(values, positions=range(len(values)), widths=0.6, showfliers=False, **lines)
    # Without jitter equal values hide each other; seaborn would draw it from numpy's global generator.
    jitter = np.random.default_rng(0)
    for position, (dots, colour) in enumerate(zip(values, _stage_colours(len(levels)), strict=True)):
        x = position + jitter.uniform(-0.16, 0.16, len(dots))
        plot.scatter(x, dots, s=9, color=colour, edgecolor="0.3", linewidth=0.3, zorder=3)
    if log:  # plain numbers at 1, 2 and 5
        plot.set_yscale("log")
        plot.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plot.yaxis.set_major_formatter(ScalarFormatter())
        plot.minorticks_off()
    plot.set_xticks(range(len(levels)), [stage_name(level, metavir) for level in levels])
    sns.despine(ax=plot)


@_styled
def plot_carriers(truth: pd.DataFrame) -> Figure:
    """The carriers of fibrosis by stage, as `plot_labs`; `truth`: ``stage, texture, capsule, strain`` (a fraction)."""
    figure, axes = _new_figure(1, 3, width=7.5, height=2.7)
    percent = truth.assign(strain=100 * truth["strain"])
    for plot, (column, (title, unit)) in zip(axes[0], _CARRIERS.items(), strict=True):
        _draw_by_stage(plot, percent, column, log=column == "strain")
        plot.set_title(title)
        plot.set(xlabel="", ylabel=unit)
    return figure


@_styled
def plot_agreement(truth: pd.DataFrame) -> Figure:
    """Measured against true stiffness (`truth`: ``stage, stiffness_kpa, swe_kpa``), a dot per virtual patient."""
    figure, plot = _new_plot(4.2, 3.4)
    levels = np.arange(truth["stage"].min(), truth["stage"].max() + 1)
    for level, colour in zip(levels, _stage_colours(len(levels)), strict=True):
        dots = truth[truth["stage"] == level]
        marks = {"s": 20, "color": colour, "edgecolor": "0.3", "linewidth": 0.4}
        plot.scatter(dots["stiffness_kpa"], dots["swe_kpa"], label=stage_name(level), **marks)
    both = truth[["stiffness_kpa", "swe_kpa"]].to_numpy()
    ends = [np.nanmin(both) - 1, np.nanmax(both) + 1]
    plot.plot(ends, ends, color="0.5", linewidth=0.9, linestyle=":", label="equal", zorder=0)
    plot.set(xlim=ends, ylim=ends, aspect="equal", xlabel="True stiffness (kPa)", ylabel="Measured: SWE (kPa)")
    plot.legend(loc="upper left", bbox_to_anchor=(1, 1), title="Stage")
    sns.despine(ax=plot)
    return figure


@_styled
def plot_sample_frames(clips: Mapping[str, Clip]) -> Figure:
    """The middle frame of each preprocessed clip, by title, with the marked region outlined where there is one."""
    figure, axes = _new_figure(1, len(clips), width=2.1 * len(clips), height=2.4)
    for plot, (title, clip) in zip(axes[0], clips.items(), strict=True):
        middle = len(clip.frames) // 2
        _draw_picture(plot, clip.frames[middle])
        _outline(plot, clip.roi if clip.roi is None else clip.roi[middle])
        plot.set_title(title)
    return figure
