"""Tests of saliency maps: sanity, faithfulness, depth, planted signal, share on a region."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from fibrolib.attribution import TIMES
from fibrolib.diagnostics import model_label
from fibrolib.plots.style import _GUIDE, _model_colour, _name_rows, _new_figure, _stage_colours, _styled, method_label
from fibrolib.stages import stage_name

# Okabe & Ito; methods are told apart by marker too.
_METHOD_LOOKS = {
    "gradcam": ("#0072B2", "o"),
    "gradcam++": ("#56B4E9", "s"),
    "layercam": ("#009E73", "^"),
    "integrated gradients": ("#D55E00", "D"),
    "occlusion": ("#CC79A7", "v"),
}
_ORDER_LOOKS = {"relevance": ("#000000", "solid"), "random": ("0.55", (0, (4, 2))), "centre": ("0.55", (0, (1, 1.5)))}
_ORDER_LABELS = {"relevance": "most relevant first", "random": "at random", "centre": "from the centre"}
# Okabe & Ito; signals are told apart by marker too.
_SIGNAL_LOOKS = {"capsule": ("#D55E00", "D"), "texture": ("#0072B2", "o"), "motion": ("#009E73", "^")}


@_styled
def plot_sanity(judged: pd.DataFrame) -> Figure:
    """Sanity tests (from `fibrolib.attribution.judge`): a panel per test, a row per net; grey is where they pass."""
    judged = judged if "model" in judged else judged.assign(model="")
    tests, models = list(dict.fromkeys(judged["test"])), list(dict.fromkeys(judged["model"]))
    methods = list(dict.fromkeys(judged["method"]))
    size = {"width": 1.75 * len(tests) + 1.6, "height": 0.26 * len(methods) * len(models) + 1.1}
    figure, axes = _new_figure(len(models), len(tests), sharey="row", sharex=True, **size)
    for line, model in zip(axes, models, strict=True):
        for plot, test in zip(line, tests, strict=True):
            rows = judged[(judged["model"] == model) & (judged["test"] == test)].set_index("method")
            above, threshold = rows["rule"].iloc[0].startswith(">="), float(rows["rule"].iloc[0].split()[1])
            plot.axvspan(*((threshold, 1.05) if above else (-threshold, threshold)), color="0.92", linewidth=0)
            for at, method in enumerate(methods):
                if method in rows.index:
                    _draw_judgement(plot, at, rows.loc[method], _METHOD_LOOKS[method])
            plot.set(xlim=(-1.05, 1.05), xticks=[-1, 0, 1])
            _name_rows(plot, [method_label(method) for method in methods])
        line[0].set_ylabel(model_label(model).replace(" + ", "\n+ "), fontweight="bold", fontsize="small")
    for plot, test in zip(axes[0], tests, strict=True):
        plot.set_title(test, fontsize="small")
    figure.supxlabel("Rank correlation of maps (grey: pass; filled: passed)", fontsize="small")
    return figure


def _look(method: str) -> dict[str, str]:
    colour, marker = _METHOD_LOOKS[method]
    return {"color": colour, "marker": marker, "label": method_label(method)}


def _draw_judgement(plot, at: int, row: pd.Series, look: tuple[str, str]) -> None:
    colour, marker = look
    plot.plot([row["value_low"], row["value_high"]], [at, at], color=colour, linewidth=1.2)
    face = colour if row["passed"] else "white"
    plot.plot(row["value"], at, marker, markerfacecolor=face, markeredgecolor=colour, markersize=5)


@_styled
def plot_cascade(cascade: pd.DataFrame, *, line: float = 0.3) -> Figure:
    """How fast maps change while weights are randomised (`cascading_randomisation`); within `line`: negligible."""
    models = list(dict.fromkeys(cascade["model"]))
    figure, axes = _new_figure(1, len(models), width=2.5 * len(models) + 1.7, height=2.9, sharey=True, sharex=True)
    for plot, model in zip(axes[0], models, strict=True):
        plot.axhspan(-line, line, color="0.92", linewidth=0)
        for method, rows in cascade[cascade["model"] == model].groupby("method", sort=False):
            mean = rows.groupby("share")["correlation"].mean()
            plot.plot(100 * mean.index, mean, markersize=4, **_look(method))
        plot.set_title(model_label(model))
        plot.set(xlabel="Layers shuffled (%)", ylim=(-0.6, 1.05))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Rank correlation with\nthe map of the intact network")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
def plot_faithfulness(curves: pd.DataFrame) -> Figure:
    """Score of a net against the share removed or put back, a row per method (`faithfulness_by_method`)."""
    methods, kinds = (list(dict.fromkeys(curves[name])) for name in ("method", "curve"))
    size = {"width": 2.1 * len(kinds) + 1.6, "height": 1.45 * len(methods) + 0.5}
    figure, axes = _new_figure(len(methods), len(kinds), sharex=True, sharey=True, **size)
    for line, method in zip(axes, methods, strict=True):
        for plot, kind in zip(line, kinds, strict=True):
            rows = curves[(curves["method"] == method) & (curves["curve"] == kind)]
            for order, (colour, dashes) in _ORDER_LOOKS.items():
                mean = rows[rows["order"] == order].groupby("fraction")["score"].mean()
                look = {"color": colour, "linestyle": dashes, "linewidth": 1.3}
                plot.plot(100 * mean.index, mean, label=_ORDER_LABELS[order], **look)
            sns.despine(ax=plot)
        line[0].set_ylabel(f"{method_label(method)}\nmean score", fontsize="small")
    for plot, kind in zip(axes[0], kinds, strict=True):
        plot.set_title(kind)
    for plot, kind in zip(axes[-1], kinds, strict=True):
        plot.set_xlabel("Put back (%)" if kind == "insertion" else "Taken away (%)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
def plot_depth(bands: pd.DataFrame) -> Figure:
    """Relevance by depth beside the area there: a panel per net.

    `bands` comes from `fibrolib.attribution.Explanation.by_depth`, averaged over patients, with ``method, model``.
    """
    models = list(dict.fromkeys(bands["model"]))
    figure, axes = _new_figure(1, len(models), width=2.3 * len(models) + 1.7, height=3.0, sharey=True, sharex=True)
    for plot, model in zip(axes[0], models, strict=True):
        rows = bands[bands["model"] == model]
        area = rows.groupby("depth")["area"].mean()
        plot.barh(100 * area.index, 100 * area, height=80 / len(area), color="0.88", label="share of the image")
        for method, part in rows.groupby("method", sort=False):
            mean = part.groupby("depth")["relevance"].mean()
            plot.plot(100 * mean, 100 * mean.index, markersize=4, **_look(method))
        plot.set_title(model_label(model))
        plot.set(xlabel="Relevance (%)", ylim=(100, 0))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Depth (% of the image)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
def plot_planted(summary: pd.DataFrame, judged: pd.DataFrame) -> Figure:
    """Relevance on each region over its share by chance, by place of the signal; a row per net, a column per region.

    `summary` comes from `fibrolib.attribution.summarise_shares`, `judged` from `judge_planted`: what maps so coarse
    could reach on the capsule at best, and what an even map of the liver puts there.
    """
    models, regions = (list(dict.fromkeys(summary[name])) for name in ("model", "region"))
    configs = list(dict.fromkeys(zip(summary["method"], summary["layer"], strict=True)))
    size = {"width": 3.4 * len(regions) + 2.4, "height": (0.42 * len(configs) + 0.35) * len(models) + 0.8}
    figure, axes = _new_figure(len(models), len(regions), sharey=True, sharex="col", **size)
    for line, model in zip(axes, models, strict=True):
        for plot, region in zip(line, regions, strict=True):
            rows = summary[(summary["model"] == model) & (summary["region"] == region)]
            plot.axvline(1, color="0.5", linewidth=0.8)
            for at, (method, layer) in enumerate(configs):
                _draw_signals(plot, at, rows[(rows["method"] == method) & (rows["layer"] == layer)])
            plot.set_xscale("log")
            _name_rows(plot, [method_label(*config) for config in configs])
        line[0].set_ylabel(model_label(model).replace(" + ", "\n+ "), fontweight="bold", fontsize="small")
        verdicts = judged[judged["model"] == model]
        best = verdicts[verdicts["signal"] == "capsule"].set_index(["method", "layer"])["attainable"]
        line[0].axvline(TIMES, color="0.5", linewidth=0.8, linestyle=(0, (4, 2)))
        line[0].axvline(verdicts["chance"].max(), color="0.5", linewidth=0.8, linestyle=":")
        look = {"color": "0.3", "markersize": 9, "label": "best possible at this resolution"}
        line[0].plot(best[configs], range(len(configs)), "|", **look)
    for plot, region in zip(axes[0], regions, strict=True):
        plot.set_title(f"relevance on the {region}", fontsize="small")
    for plot in axes[-1]:
        plot.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plot.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        plot.xaxis.set_minor_locator(NullLocator())
    label = f"Ratio to the share of the image (line: 1; dotted: even map of the liver; dashed: {TIMES:g})"
    figure.supxlabel(label, fontsize="small")
    handles = dict(zip(*axes[0, 0].get_legend_handles_labels()[::-1], strict=True))  # one for each label
    where = {"loc": "lower left", "bbox_to_anchor": (0, 1.12), "ncols": 2, "fontsize": "x-small"}
    axes[0, 0].legend(handles.values(), handles, **where)
    return figure


def _draw_signals(plot, at: int, rows: pd.DataFrame) -> None:
    for number, (signal, (colour, marker)) in enumerate(_SIGNAL_LOOKS.items()):
        for row in rows[rows["signal"] == signal].itertuples():
            height = at + 0.22 * (number - 1)
            plot.plot([row.ratio_low, row.ratio_high], [height, height], color=colour, linewidth=1.3)
            plot.plot(row.ratio, height, marker, color=colour, markersize=4.5, label=f"signal in the {signal}")


@_styled
def plot_shares(attribution: pd.DataFrame, *, metavir: bool = True, region: str = "capsule") -> Figure:
    """Share of relevance on a region against its share of the area, a panel per net and a dot per patient.

    `attribution` has a row per patient and model: ``model, stage, relevance, area``.
    """
    attribution = attribution.dropna(subset=["relevance"])
    names = list(dict.fromkeys(attribution["model"]))
    levels = np.arange(attribution["stage"].min(), attribution["stage"].max() + 1)
    colours = dict(zip(levels, _stage_colours(len(levels)), strict=True))
    figure, axes = _new_figure(1, len(names), width=2.6 * len(names) + 0.9, height=3.1, sharex=True, sharey=True)
    top = 110 * max(attribution["relevance"].max(), attribution["area"].max())
    for plot, name in zip(axes[0], names, strict=True):
        rows = attribution[attribution["model"] == name]
        plot.plot([0, top], [0, top], **_GUIDE, label="no preference")
        for level in levels:
            dots = 100 * rows.loc[rows["stage"] == level, ["area", "relevance"]]
            look = {"s": 26, "color": colours[level], "edgecolor": "0.3", "clip_on": False}
            plot.scatter(dots["area"], dots["relevance"], label=stage_name(level, metavir), **look)
        plot.set_title(f"{model_label(name)} (n = {len(rows)})", color=_model_colour(name))
        plot.set(xlabel=f"Area on the {region} (%)", xlim=(0, 115 * attribution["area"].max()), ylim=(0, top))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Relevance (%)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), title="Stage")
    return figure
