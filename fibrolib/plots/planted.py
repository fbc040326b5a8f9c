"""Figures and table of planted truth: does a map move with the signal?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from fibrolib.attribution import TIMES, Explanation
from fibrolib.plots.maps import COLOURS, outline_region, overlay_frames
from fibrolib.plots.sentences import with_interval
from fibrolib.plots.style import hide_ticks, model_label, new_figure, styled
from fibrolib.plots.trust import method_label

__all__ = ["config_label", "plot_overlays", "plot_planted", "readable_planted"]

# Okabe & Ito; signals are told apart by marker too.
_SIGNAL_LOOKS = {"capsule": ("#D55E00", "D"), "texture": ("#0072B2", "o"), "motion": ("#009E73", "^")}
_LAYER_LABELS = {"own": "", "fine": ", fine layer", "pixels": ""}


def config_label(method: str, layer: str) -> str:
    """Name of a method and its layer for a reader."""
    return method_label(method) + _LAYER_LABELS[layer]


@styled
def plot_planted(summary: pd.DataFrame, judged: pd.DataFrame) -> Figure:
    """How many times its chance share each region gets, method by method, with the signal in one place or another.

    Parameters
    ----------
    summary : DataFrame
        As of `fibrolib.attribution.summarise_shares` with ``region, signal, model, method, layer``.
    judged : DataFrame
        As of `fibrolib.attribution.judge_planted`: what maps so coarse could reach on the capsule at best, and what an
        even map of the liver puts there.

    Returns
    -------
    Figure
        A row per net, a column per region.
    """
    models, regions = (list(dict.fromkeys(summary[name])) for name in ("model", "region"))
    ways = list(dict.fromkeys(zip(summary["method"], summary["layer"], strict=True)))
    size = {"width": 3.4 * len(regions) + 2.4, "height": (0.42 * len(ways) + 0.35) * len(models) + 0.8}
    figure, axes = new_figure(len(models), len(regions), sharey=True, sharex="col", **size)
    for line, model in zip(axes, models, strict=True):
        for plot, region in zip(line, regions, strict=True):
            rows = summary[(summary["model"] == model) & (summary["region"] == region)]
            plot.axvline(1, color="0.5", linewidth=0.8)
            for at, way in enumerate(ways):
                _draw_way(plot, at, rows[(rows["method"] == way[0]) & (rows["layer"] == way[1])])
            plot.set(xscale="log", ylim=(len(ways) - 0.5, -0.5))
            plot.set_yticks(range(len(ways)), [config_label(*way) for way in ways])
            sns.despine(ax=plot, left=True)
            plot.tick_params(axis="y", length=0)
        line[0].set_ylabel(model_label(model).replace(" + ", "\n+ "), fontweight="bold", fontsize="small")
        known = judged[judged["model"] == model]
        best = known[known["signal"] == "capsule"].set_index(["method", "layer"])["attainable"]
        line[0].axvline(TIMES, color="0.5", linewidth=0.8, linestyle=(0, (4, 2)))
        line[0].axvline(known["chance"].max(), color="0.5", linewidth=0.8, linestyle=":")
        line[0].plot(
            best[ways], range(len(ways)), "|", color="0.3", markersize=9, label="most a map so coarse can reach"
        )
    for plot, region in zip(axes[0], regions, strict=True):
        plot.set_title(f"relevance on the {region}", fontsize="small")
    for plot in axes[-1]:
        plot.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plot.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        plot.xaxis.set_minor_locator(NullLocator())
    figure.supxlabel(
        f"Times its share of the picture (line: 1; dotted: an even map of the liver; dashed: {TIMES:g})",
        fontsize="small",
    )
    axes[0, 0].legend(*_legend(axes[0, 0]), loc="lower left", bbox_to_anchor=(0, 1.12), ncols=2, fontsize="x-small")
    return figure


def _draw_way(plot, at: int, rows: pd.DataFrame) -> None:
    for number, (signal, (colour, marker)) in enumerate(_SIGNAL_LOOKS.items()):
        for row in rows[rows["signal"] == signal].itertuples():
            height = at + 0.22 * (number - 1)
            plot.plot([row.ratio_low, row.ratio_high], [height, height], color=colour, linewidth=1.3)
            plot.plot(row.ratio, height, marker, color=colour, markersize=4.5, label=f"signal in the {signal}")


def _legend(plot) -> tuple[list, list]:
    handles = dict(zip(*plot.get_legend_handles_labels()[::-1], strict=True))
    return list(handles.values()), list(handles)


def readable_planted(judged: pd.DataFrame) -> pd.DataFrame:
    """The verdicts for a reader: a row per net and method, *pass* or *FAIL* with the ratio for every signal.

    Parameters
    ----------
    judged : DataFrame
        As of `fibrolib.attribution.judge_planted`.
    """
    # What an even map of the liver gives is a matter of masks, and differs between nets by hundredths.
    chance = judged.groupby("signal")["chance"].transform("mean").map(", {:.1f}".format)
    rule = judged["rule"].str.replace(">=", "≥") + chance.where(judged["rule"] == "not above chance", "")
    ratio = [with_interval(*row) for row in judged[["ratio", "ratio_low", "ratio_high"]].to_numpy(float)]
    table = judged.assign(
        Net=judged["model"].map(model_label),
        Method=[config_label(*row) for row in judged[["method", "layer"]].to_numpy()],
        cell=np.where(judged["passed"], "pass ", "FAIL ") + pd.Series(ratio, index=judged.index),
        column="Signal in the " + judged["signal"] + " (" + rule + ")",
    )
    wide = table.pivot_table(index=["Net", "Method"], columns="column", values="cell", aggfunc="first", sort=False)
    planted = table[table["rule"].str.startswith(">=")].set_index(["Net", "Method"])["attainable"]
    wide["Most a map so coarse can reach"] = planted.map("{:.1f}".format)
    return wide.reset_index().rename_axis(columns=None)


@styled
def plot_overlays(rows: Mapping[str, Mapping[str, Explanation]], *, region: str = "capsule") -> Figure:
    """A plate of overlays: in each row the frame in the middle of a clip, then the same frame under several maps.

    Parameters
    ----------
    rows : mapping of str to mapping of str to Explanation
        By title of the row, by title of the column; the maps of a row explain one clip.
    region : str
        What the marked region is; outlined where there is one.

    Returns
    -------
    Figure
    """
    columns: Sequence[str] = list(next(iter(rows.values())))
    size = {"width": 1.5 * (len(columns) + 1) + 1.3, "height": 1.55 * len(rows) + 0.6}
    figure, axes = new_figure(len(rows), len(columns) + 1, **size)
    for line, (title, maps) in zip(axes, rows.items(), strict=True):
        for plot, column in zip(line[1:], columns, strict=True):
            cam = maps[column]
            middle = len(cam.frames) // 2
            plot.imshow(overlay_frames(cam)[middle])
            _finish(plot, cam, middle)
            plot.set_xlabel(f"score {cam.score:.2f}", fontsize="x-small", labelpad=1)
        line[0].imshow(cam.frames[middle], cmap="gray", vmin=0, vmax=255)
        _finish(line[0], cam, middle)
        line[0].set_ylabel(title, fontsize="small")
    for plot, column in zip(axes[0], ["frame", *columns], strict=True):
        plot.set_title(column, fontsize="small", fontweight="normal")
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), COLOURS), ax=axes, shrink=0.6)
    outlined = any(cam.roi is not None and cam.roi.any() for maps in rows.values() for cam in maps.values())
    bar.set_label("Relevance, largest of a clip = 1" + f"\n(blue outline: {region})" * outlined, fontsize="small")
    return figure


def _finish(plot, cam: Explanation, frame: int) -> None:
    outline_region(plot, cam, frame)
    hide_ticks(plot)
