"""How certain a result is: calibration, net benefit, variation across splits, coverage, power, forensics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fibrolib.diagnostics import model_label
from fibrolib.plots.style import (
    _GUIDE,
    _LINES,
    _across,
    _model_colour,
    _model_dashes,
    _name_rows,
    _new_figure,
    _new_plot,
    _panels,
    _styled,
)

_PLAUSIBLE = (0.3, 0.8)  # correlations of two areas in the same patients
_METHOD_LABELS = {
    "delong": "DeLong, normal",
    "logit": "DeLong, logit",
    "newcombe": "Newcombe",
    "auto": "logit and Newcombe",
    "bootstrap": "BCa bootstrap",
    "jeffreys": "Jeffreys posteriors",
    "normal": "Wald (textbook)",
    "wilson": "Wilson",
    "hanley-mcneil": "Hanley and McNeil",
}


def interval_label(method: str) -> str:
    """Name of an interval's method for a reader."""
    return _METHOD_LABELS.get(method, method)


def _draw_band(plot: Axes, curve: pd.DataFrame, x: str, y: str, name: str) -> None:
    """Draw the curve of a diagnostic over its band."""
    colour = _model_colour(name)
    plot.fill_between(curve[x], curve["low"], curve["high"], color=colour, alpha=0.2, linewidth=0)
    plot.plot(curve[x], curve[y], color=colour, linestyle=_model_dashes(name), linewidth=1.7)
    plot.set_title(model_label(name))


def _explain(figure: Figure, handles: Sequence[Artist]) -> None:
    """Say what the lines mean that all panels have."""
    band = Patch(facecolor="0.5", alpha=0.3, label="95 % band")
    curve = Line2D([], [], color="0.2", linewidth=1.7, label="diagnostic")
    figure.legend(handles=[curve, band, *handles], loc="outside upper center", ncols=_across(38, 4))


def _count(plot: Axes, n: int, height: float) -> None:
    side = "bottom" if height < 0.5 else "top"
    plot.text(0.98, height, f"n = {n}", ha="right", va=side, fontsize="small", transform=plot.transAxes)


@_styled
def plot_calibration(curves: pd.DataFrame, predictions: pd.DataFrame, *, split: str = "test") -> Figure:
    """Smooth calibration curve of each diagnostic with its band, and every patient as a tick.

    `curves` comes from `fibrolib.inference.calibration_curves` of the same `predictions` and `split`.
    """
    curves = curves.dropna(subset=["observed"])
    figure, panels = _panels(curves["model"].unique(), 1.75, "Predicted probability", "Proportion with the condition")
    for name, plot in panels.items():
        rows = predictions[(predictions["model"] == name) & (predictions["split"] == split)]
        plot.plot([0, 1], [0, 1], **_GUIDE)
        _draw_band(plot, curves[curves["model"] == name], "predicted", "observed", name)
        for truth, level in ((1, 1.04), (0, -0.04)):
            scores = rows.loc[rows["y_true"] == truth, "y_score"].dropna()
            plot.plot(scores, np.full(len(scores), level), "|", color="0.35", markersize=5, markeredgewidth=0.8)
        _count(plot, int(rows["y_score"].notna().sum()), 0.12)
        plot.set(xlim=(-0.02, 1.02), ylim=(-0.09, 1.09), aspect="equal")
    tick = {"marker": "|", "linestyle": "", "color": "0.35"}
    handles = [
        Line2D([], [], **_GUIDE, label="perfect calibration"),
        Line2D([], [], **tick, label="patient (top: with the condition)"),
    ]
    _explain(figure, handles)
    return figure


@_styled
def plot_decision(curves: pd.DataFrame, *, most: float = 0.9) -> Figure:
    """Net benefit (from `decision_curves`) up to the threshold `most`, beside treating everybody (grey) and nobody."""
    curves = curves[curves["net_benefit"].notna() & (curves["threshold"] <= most)]
    label = "Threshold probability (risk from which patients are treated)"
    figure, panels = _panels(curves["model"].unique(), 1.6, label, "Net benefit")
    top = float(max(curves["high"].max(), curves["treat_all"].max())) + 0.03
    for name, plot in panels.items():
        curve = curves[curves["model"] == name]
        plot.axhline(0, **_GUIDE)
        plot.plot(curve["threshold"], curve["treat_all"], color="0.5", linewidth=1)
        _draw_band(plot, curve, "threshold", "net_benefit", name)
        _count(plot, int(curve["n"].iloc[0]), 0.97)
        plot.set(xlim=(0, most), xticks=np.linspace(0, most, 4), ylim=(-0.1 * top, top))
    policies = [
        Line2D([], [], color="0.5", linewidth=1, label="treat all"),
        Line2D([], [], **_GUIDE, label="treat none"),
    ]
    _explain(figure, policies)
    return figure


@_styled
def plot_split_luck(redraws: pd.DataFrame, own: Mapping[str, float], label: str = "split of the study") -> Figure:
    """AUC of each diagnostic over many random splits (`redraw_splits`), and in one of them (`own`)."""
    names = list(dict.fromkeys(redraws["model"]))
    figure, plot = _new_plot(6.5, 0.9 + 0.55 * len(names))
    for place, name in enumerate(names):
        areas = redraws.loc[redraws["model"] == name, "auc"].dropna()
        levels, counts = np.unique(areas.round(2), return_counts=True)
        # Every redraw as a bar of a two-sided histogram: areas of few patients come in steps.
        half = 0.42 * counts / counts.max()
        plot.vlines(levels, place - half, place + half, color=_model_colour(name))
        low, middle, high = areas.quantile([0.025, 0.5, 0.975])
        plot.text(1.03, place, f"{low:.2f} to {high:.2f}", va="center", transform=plot.get_yaxis_transform())
        plot.plot(middle, place, "o", color="white", markeredgecolor="black", markersize=5)
        plot.plot(own.get(name, np.nan), place, "D", color="black", markersize=5)
    plot.plot([], [], "D", color="black", label=label)
    plot.plot([], [], "o", color="white", markeredgecolor="black", label="median of the random splits")
    plot.axvline(0.5, **_GUIDE)
    note = {"transform": plot.transAxes, "va": "bottom", "fontsize": "small", "color": "0.3"}
    plot.text(1.03, 1.0, "95 % of the random splits", **note)
    plot.set(xlabel="AUC on the test patients of a random split", xlim=(min(0.4, redraws["auc"].min() - 0.02), 1.01))
    plot.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    _name_rows(plot, [model_label(name) for name in names])
    plot.set_ylim(len(names) - 0.4, -0.6)
    return figure


@_styled
def plot_coverage(coverage: pd.DataFrame, x: str, label: str) -> Figure:
    """Coverage of several methods of 95 % intervals over the true value.

    `coverage` has the columns `x` (the true value; `label` says of what), ``method, coverage``, and ``error`` where the
    coverage was simulated.
    """
    figure, plot = _new_plot(6.5, 3.2)
    plot.axhline(0.95, **_GUIDE)
    groups = list(coverage.groupby("method", sort=False))
    for place, (colour, (method, rows)) in enumerate(zip(_LINES, groups, strict=False)):
        name = interval_label(method)
        if "error" not in rows:
            plot.plot(rows[x], rows["coverage"], color=colour, linewidth=1.3, label=name)
            continue
        # Side by side, or the bars of one method would hide those of the next.
        beside = rows[x] + 0.006 * (place - (len(groups) - 1) / 2)
        plot.errorbar(beside, rows["coverage"], yerr=2 * rows["error"], color=colour, fmt="o", capsize=2, label=name)
        plot.set_xticks(rows[x])
    plot.set(xlabel=label, ylabel="Coverage (share of intervals\nthat include the true value)", ylim=(None, 1.01))
    plot.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="dotted: nominal 0.95")
    sns.despine(ax=plot)
    return figure


@_styled
def plot_power(curves: Mapping[str, pd.DataFrame], *, marks: Mapping[str, int] | None = None) -> Figure:
    """Power over the number of patients: tables of ``n`` and ``power`` by label; `marks` are numbers of patients."""
    figure, plot = _new_plot(6.5, 3.4)
    plot.axhline(0.8, **_GUIDE)
    for colour, (label, curve) in zip(_LINES, curves.items(), strict=False):
        plot.plot(curve["n"], curve["power"], color=colour, label=label, linewidth=1.7)
    for label, n in (marks or {}).items():
        plot.axvline(n, color="0.3", linewidth=0.8)
        plot.text(n, 1.02, label, ha="center", va="bottom", fontsize="small", color="0.3")
    plot.set(xscale="log", xlabel="Test patients (half with the condition)", ylabel="Power", ylim=(0, 1.0))
    plot.xaxis.set_major_formatter("{x:g}")
    plot.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="dotted: 80 %")
    sns.despine(ax=plot)
    return figure


@_styled
def plot_attainable(printed: Mapping[str, float], grids: Mapping[str, Sequence[float]], *, decimals: int = 3) -> Figure:
    """Printed areas, by model, between those that can occur at all; stripe: what rounds to it at so many `decimals`."""
    figure, axes = _new_figure(1, len(printed), width=6.8, height=0.9 + 0.4 * len(grids), sharey=True)
    half, reach = 0.5 * 10.0**-decimals, 8.5 * 10.0**-decimals
    for plot, (model, value) in zip(axes[0], printed.items(), strict=True):
        plot.axvspan(value - half, value + half, color=_LINES[-1], alpha=0.7, linewidth=0)
        for place, grid in enumerate(grids.values()):
            near = np.array([area for area in grid if abs(area - value) <= reach])
            fits = np.abs(near - value) <= half + 1e-12
            plot.plot(near[~fits], np.full((~fits).sum(), place), "|", color="0.6", markersize=12)
            plot.plot(near[fits], np.full(fits.sum(), place), "|", color="black", markersize=15, markeredgewidth=2.2)
        plot.set(xlim=(value - reach, value + reach), xticks=[value])
        plot.set_title(model_label(model))
        plot.xaxis.set_major_formatter(f"{{x:.{decimals}f}}")
        _name_rows(plot, list(grids))
    figure.supxlabel("Published AUC (stripe: values that round to it; ticks: possible values)", fontsize="medium")
    return figure


@_styled
def plot_pvalue_range(ranges: Mapping[str, pd.DataFrame]) -> Figure:
    """p-value of each comparison over the correlation of its two areas (tables of `comparison_range`)."""
    figure, plot = _new_plot(6.5, 3.2)
    plot.axvspan(*_PLAUSIBLE, color="0.92", linewidth=0)
    plot.text(np.mean(_PLAUSIBLE), 1.02, "plausible range (assumption)", ha="center", fontsize="small", color="0.3")
    plot.axhline(0.05, **_GUIDE)
    for colour, (label, table) in zip(_LINES, ranges.items(), strict=False):
        plot.plot(table["correlation"], table["p"], color=colour, linewidth=1.7, label=label)
    plot.set(xlabel="Correlation of the two AUCs", ylabel="p (two-sided)", ylim=(0, 1), xlim=(0, 1))
    plot.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="dotted: 0.05")
    sns.despine(ax=plot)
    return figure
