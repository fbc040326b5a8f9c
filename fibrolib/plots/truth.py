"""Figures of what is known of virtual patients and of nobody else: masks, carriers, true stiffness, ceilings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fibrolib.plots.patients import readable_log, stage_boxes
from fibrolib.plots.style import new_figure, stage_colours, styled
from fibrolib.plots.virtual import draw_picture
from fibrolib.stages import cutoff_name, stage_name

__all__ = ["CARRIERS", "CUTOFF_COLOURS", "REGIONS", "plot_agreement", "plot_carriers", "plot_ceilings", "plot_masks"]

CARRIERS = {
    "texture": ("Texture: clustering", "SD between patients"),
    "capsule": ("Capsule: nodularity", "SD between patients"),
    "strain": ("Motion: peak strain", "per cent"),
}
"""What fibrosis shows through: title and unit by column of the truth."""

REGIONS = {
    "liver": "#009E73",
    "capsule": "#56B4E9",
    "vessels": "#E69F00",
    "gallbladder": "#CC79A7",
    "kidney": "#F0E442",
}
"""Regions that the true masks may mark, and their colours; the capsule as in every other figure."""

CUTOFF_COLOURS = {1: "#999999", 2: "#0072B2", 3: "#CC79A7", 4: "#D55E00"}
"""Colour of a cut-off where several stand in one panel."""


@styled
def plot_masks(pictures: Mapping[str, tuple[NDArray[np.uint8], Mapping[str, NDArray[np.bool_]]]]) -> Figure:
    """Frames with their true regions outlined.

    Parameters
    ----------
    pictures : mapping of str to (ndarray of uint8, mapping of str to ndarray of bool)
        By title, a frame and masks of its size, named as in `REGIONS`.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(1, len(pictures), width=3.3 * len(pictures), height=3.1)
    for plot, (title, (picture, masks)) in zip(axes[0], pictures.items(), strict=True):
        draw_picture(plot, picture)
        for region, mask in masks.items():
            if mask.any():
                plot.contour(mask.astype(float), levels=[0.5], colors=REGIONS[region], linewidths=1.0)
        plot.set_title(title)
    drawn = {region for _, masks in pictures.values() for region, mask in masks.items() if mask.any()}
    handles = [Line2D([], [], color=REGIONS[region], label=region) for region in REGIONS if region in drawn]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@styled
def plot_carriers(truth: pd.DataFrame) -> Figure:
    """The three carriers of fibrosis by stage: every virtual patient a dot, with median and quartiles.

    Parameters
    ----------
    truth : DataFrame
        ``stage, texture, capsule, strain`` (as a fraction), one row per patient.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(1, 3, width=7.5, height=2.7)
    levels = np.arange(truth["stage"].min(), truth["stage"].max() + 1)
    colours = dict(zip(levels, stage_colours(len(levels)), strict=True))
    shown = truth.assign(strain=100 * truth["strain"])
    for plot, (column, (title, unit)) in zip(axes[0], CARRIERS.items(), strict=True):
        stage_boxes(plot, shown, column, colours)
        if column == "strain":
            readable_log(plot)
        plot.set_title(title)
        plot.set(xlabel="", ylabel=unit)
        plot.set_xticks(range(len(levels)), [stage_name(level) for level in levels])
        sns.despine(ax=plot)
    return figure


@styled
def plot_agreement(truth: pd.DataFrame) -> Figure:
    """Measured against true stiffness, a dot per virtual patient.

    Parameters
    ----------
    truth : DataFrame
        ``stage, stiffness_kpa, swe_kpa``, one row per patient.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(width=4.2, height=3.4)
    plot = axes[0, 0]
    levels = np.arange(truth["stage"].min(), truth["stage"].max() + 1)
    for level, colour in zip(levels, stage_colours(len(levels)), strict=True):
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


@styled
def plot_ceilings(ceilings: pd.DataFrame) -> Figure:
    """Oracle's AUC against each dial: dashed what a still image carries, solid with motion.

    Parameters
    ----------
    ceilings : DataFrame
        ``dial`` (str), ``value``, ``cutoff``, ``still``, ``moving``: AUCs, one row per dial, value and cut-off; and
        ``n``, the simulated patients that all of them were computed on.

    Returns
    -------
    Figure
    """
    strengths = list(dict.fromkeys(ceilings["dial"]))
    figure, axes = new_figure(1, len(strengths), width=2.5 * len(strengths) + 1.5, height=3.0, sharey=True)
    for plot, dial in zip(axes[0], strengths, strict=True):
        for cutoff, rows in ceilings[ceilings["dial"] == dial].groupby("cutoff"):
            colour = CUTOFF_COLOURS[cutoff]
            plot.plot(rows["value"], rows["moving"], color=colour, marker="o", markersize=3.5)
            plot.plot(
                rows["value"], rows["still"], color=colour, marker="o", markersize=3.5, linestyle="--", mfc="white"
            )
            plot.fill_between(rows["value"], rows["still"], rows["moving"], color=colour, alpha=0.15, linewidth=0)
        plot.axvline(1, color="0.6", linewidth=0.8, linestyle=":")
        plot.set_title(f"Dial: {dial}")
        plot.set(xlabel="Setting (dotted: published effect)", ylim=(0.65, 1.0))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel(f"Highest AUC possible\nin {ceilings['n'].iloc[0]:,} virtual patients")
    cutoffs = sorted(ceilings["cutoff"].unique(), reverse=True)
    handles = [Line2D([], [], color=CUTOFF_COLOURS[cutoff], label=cutoff_name(cutoff)) for cutoff in cutoffs]
    handles += [Line2D([], [], color="0.2", label="video"), Line2D([], [], color="0.2", ls="--", label="still image")]
    axes[0, -1].legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
