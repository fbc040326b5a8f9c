"""Figures and tables of the tests of explanations."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fibrolib.plots.style import model_label, new_figure, styled

__all__ = ["method_label", "plot_cascade", "plot_depth", "plot_faithfulness", "plot_sanity", "readable_sanity"]

# Okabe & Ito; methods are told apart by marker too.
_METHOD_LOOKS = {
    "gradcam": ("#0072B2", "o"),
    "gradcam++": ("#56B4E9", "s"),
    "layercam": ("#009E73", "^"),
    "integrated gradients": ("#D55E00", "D"),
    "occlusion": ("#CC79A7", "v"),
}
_METHOD_LABELS = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "layercam": "Layer-CAM"}
_ORDER_LOOKS = {"relevance": ("#000000", "solid"), "random": ("0.55", (0, (4, 2))), "centre": ("0.55", (0, (1, 1.5)))}
_ORDER_LABELS = {"relevance": "most relevant first", "random": "at random", "centre": "from the centre"}


def method_label(method: str) -> str:
    """Name of a method for a reader."""
    return _METHOD_LABELS.get(method, method.capitalize())


@styled
def plot_sanity(judged: pd.DataFrame) -> Figure:
    """Every test of every method: the mean, its interval, and the line it has to keep to.

    Parameters
    ----------
    judged : DataFrame
        As of `fibrolib.attribution.judge`, with ``method`` and, where there are several nets, ``model``.

    Returns
    -------
    Figure
    """
    judged = judged if "model" in judged else judged.assign(model="")
    tests, models = list(dict.fromkeys(judged["test"])), list(dict.fromkeys(judged["model"]))
    methods = list(dict.fromkeys(judged["method"]))
    size = {"width": 1.75 * len(tests) + 1.6, "height": 0.26 * len(methods) * len(models) + 1.1}
    figure, axes = new_figure(len(models), len(tests), sharey="row", sharex=True, **size)
    for line, model in zip(axes, models, strict=True):
        for plot, test in zip(line, tests, strict=True):
            rows = judged[(judged["model"] == model) & (judged["test"] == test)].set_index("method")
            above, threshold = rows["rule"].iloc[0].startswith(">="), float(rows["rule"].iloc[0].split()[1])
            plot.axvspan(*((threshold, 1.05) if above else (-threshold, threshold)), color="0.92", linewidth=0)
            for at, method in enumerate(methods):
                if method in rows.index:
                    _draw_judgement(plot, at, rows.loc[method], _METHOD_LOOKS[method])
            plot.set(xlim=(-1.05, 1.05), ylim=(len(methods) - 0.5, -0.5), xticks=[-1, 0, 1])
            plot.set_yticks(range(len(methods)), [method_label(method) for method in methods])
            sns.despine(ax=plot, left=True)
            plot.tick_params(axis="y", length=0)
        line[0].set_ylabel(model_label(model).replace(" + ", "\n+ "), fontweight="bold", fontsize="small")
    for plot, test in zip(axes[0], tests, strict=True):
        plot.set_title(test, fontsize="small")
    figure.supxlabel("Rank correlation of maps (grey: where a method passes; filled: passed)", fontsize="small")
    return figure


def _draw_judgement(plot, at: int, row: pd.Series, look: tuple[str, str]) -> None:
    colour, marker = look
    plot.plot([row["value_low"], row["value_high"]], [at, at], color=colour, linewidth=1.2)
    face = colour if row["passed"] else "white"
    plot.plot(row["value"], at, marker, markerfacecolor=face, markeredgecolor=colour, markersize=5)


def readable_sanity(judged: pd.DataFrame) -> pd.DataFrame:
    """The sanity table for a reader: one row per test, one column per method, *pass* or *fail* with the number.

    A question mark follows where the interval crosses the line.

    Parameters
    ----------
    judged : DataFrame
        As of `fibrolib.attribution.judge`.
    """
    lines = judged["rule"].str.split().str[-1].astype(float)
    crossed = (judged["value_low"] < lines) & (lines < judged["value_high"])
    crossed |= judged["rule"].str.startswith("<") & (judged["value_low"] < -lines) & (-lines < judged["value_high"])
    verdict = judged["passed"].map({True: "pass", False: "FAIL"}) + crossed.map({True: "?", False: ""})
    cell = verdict + judged["value"].map(" ({:+.2f})".format).str.replace("-", "−")
    keys = [name for name in ("model",) if name in judged]
    table = judged.assign(
        cell=cell,
        Question=judged["question"],
        Rule=judged["rule"].str.replace(">=", "≥").str.replace("<", "within ±"),
        Patients=judged["n"],
        Method=judged["method"].map(method_label),
        Source=judged["source"],
    )
    if keys:
        table["Net"] = table["model"].map(model_label)
    index = [*(["Net"] if keys else []), "Question", "Patients", "Rule", "Source"]
    wide = table.pivot_table(index=index, columns="Method", values="cell", aggfunc="first", sort=False)
    wide = wide.reset_index().rename_axis(columns=None)
    return wide[[*wide.columns.drop("Source"), "Source"]]  # last: the verdicts must be seen first


@styled
def plot_cascade(cascade: pd.DataFrame, *, line: float = 0.3) -> Figure:
    """How fast maps change while the net's weights are shuffled from its head downwards; a panel per net.

    Parameters
    ----------
    cascade : DataFrame
        As of `fibrolib.attribution.cascading_randomisation`, with ``method`` and ``model``.
    line : float
        Correlation that counts as negligible.

    Returns
    -------
    Figure
    """
    models = list(dict.fromkeys(cascade["model"]))
    figure, axes = new_figure(1, len(models), width=2.5 * len(models) + 1.7, height=2.9, sharey=True, sharex=True)
    for plot, model in zip(axes[0], models, strict=True):
        plot.axhspan(-line, line, color="0.92", linewidth=0)
        for method, rows in cascade[cascade["model"] == model].groupby("method", sort=False):
            colour, marker = _METHOD_LOOKS[method]
            mean = rows.groupby("share")["correlation"].mean()
            plot.plot(100 * mean.index, mean, color=colour, marker=marker, markersize=4, label=method_label(method))
        plot.set_title(model_label(model))
        plot.set(xlabel="Layers shuffled (%)", ylim=(-0.6, 1.05))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Rank correlation\nwith the intact net's map")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@styled
def plot_faithfulness(curves: pd.DataFrame) -> Figure:
    """Score against the share removed or put back: a row per method, a column per curve.

    Parameters
    ----------
    curves : DataFrame
        As of `fibrolib.attribution.faithfulness_curves`, of one net, with ``method`` and ``patient_id``.

    Returns
    -------
    Figure
    """
    methods, kinds = (list(dict.fromkeys(curves[name])) for name in ("method", "curve"))
    size = {"width": 2.1 * len(kinds) + 1.6, "height": 1.45 * len(methods) + 0.5}
    figure, axes = new_figure(len(methods), len(kinds), sharex=True, sharey=True, **size)
    for line, method in zip(axes, methods, strict=True):
        for plot, kind in zip(line, kinds, strict=True):
            rows = curves[(curves["method"] == method) & (curves["curve"] == kind)]
            for order, (colour, dashes) in _ORDER_LOOKS.items():
                mean = rows[rows["order"] == order].groupby("fraction")["score"].mean()
                label = _ORDER_LABELS[order]
                plot.plot(100 * mean.index, mean, color=colour, linestyle=dashes, linewidth=1.3, label=label)
            sns.despine(ax=plot)
        line[0].set_ylabel(f"{method_label(method)}\nmean score", fontsize="small")
    for plot, kind in zip(axes[0], kinds, strict=True):
        plot.set_title(kind)
    for plot, kind in zip(axes[-1], kinds, strict=True):
        plot.set_xlabel("Put back (%)" if kind == "insertion" else "Taken away (%)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@styled
def plot_depth(bands: pd.DataFrame) -> Figure:
    """Relevance by depth beside the area there: a panel per net.

    Parameters
    ----------
    bands : DataFrame
        As of `fibrolib.attribution.relevance_by_depth`, averaged over patients, with ``method`` and ``model``.

    Returns
    -------
    Figure
    """
    models = list(dict.fromkeys(bands["model"]))
    figure, axes = new_figure(1, len(models), width=2.3 * len(models) + 1.7, height=3.0, sharey=True, sharex=True)
    for plot, model in zip(axes[0], models, strict=True):
        rows = bands[bands["model"] == model]
        area = rows.groupby("depth")["area"].mean()
        plot.barh(100 * area.index, 100 * area, height=80 / len(area), color="0.88", label="share of the picture")
        for method, part in rows.groupby("method", sort=False):
            colour, marker = _METHOD_LOOKS[method]
            mean = part.groupby("depth")["relevance"].mean()
            plot.plot(
                100 * mean, 100 * mean.index, color=colour, marker=marker, markersize=4, label=method_label(method)
            )
        plot.set_title(model_label(model))
        plot.set(xlabel="Relevance there (%)", ylim=(100, 0))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Depth (% of the picture)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
