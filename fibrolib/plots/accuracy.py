"""How well diagnostics separate patients: ROC, AUC with intervals, DeLong matrix, zones, confusion matrices."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fibrolib.diagnostics import ZONES, model_label
from fibrolib.errors import counted
from fibrolib.inference import roc_points, select_predictions
from fibrolib.plots.style import (
    _GUIDE,
    _across,
    _letter,
    _model_colour,
    _model_dashes,
    _name_rows,
    _new_figure,
    _new_plot,
    _panels,
    _styled,
    p_text,
    signed,
    with_interval,
)
from fibrolib.stages import cutoff_name, stage_name

_ZONE_COLOURS = {"low": "#2C6A94", "indeterminate": "#D9D9D9", "high": "#B0402A", "missing": "white"}
GROUPS = {"test": "test patient", "fresh": "independent simulated patient", "external": "external patient"}
"""What a patient of each group is called."""
ORACLES = {"oracle_still": "Oracle, still image", "oracle_moving": "Oracle, video"}
_CEILINGS = {"moving": ("solid", "oracle, video"), "still": ((0, (4, 2)), "oracle, still image")}
"""Line and name of a ceiling, as in `plot_ceilings`."""
_REFERENCE = {"marker": "s", "markersize": 5}
_DIFFERS = {"marker": "o", "markersize": 5.5}
_OPEN = _DIFFERS | {"markerfacecolor": "white"}
"""Marks of a clip as filmed, of one that differs from it, and of one that was not shown to."""
_CLEAR = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5}
"""Behind numbers that a line may cross."""
_SPREAD = 0.25
"""Distance between two nets in one row."""


def _best_first(metrics: pd.DataFrame) -> pd.DataFrame:
    return metrics.dropna(subset=["auc"]).sort_values("auc", ascending=False, kind="stable")


@_styled
def plot_roc(predictions: pd.DataFrame, metrics: pd.DataFrame, *, split: str = "test", group: str = "") -> Figure:
    """ROC curve of each diagnostic in a panel of its own over the others in grey, the best first.

    A cross shows the operating point with both 95 % intervals. `metrics` comes from
    `fibrolib.inference.summarise_models` on the same predictions and split; `group` is what the patients are called, if
    not by their split.
    """
    scores, rows = select_predictions(predictions, split), list(_best_first(metrics).itertuples())
    curves = {row.model: _curve(scores, row.model) for row in rows}
    figure, panels = _panels([row.model for row in rows], 1.9, "1 − specificity", "Sensitivity")
    for plot, row in zip(panels.values(), rows, strict=True):
        for curve in curves.values():
            plot.plot(curve["fpr"], curve["tpr"], color="0.8", linewidth=0.6)
        plot.plot([0, 1], [0, 1], **_GUIDE)
        own = curves[row.model]
        plot.plot(own["fpr"], own["tpr"], color=_model_colour(row.model), linestyle=_model_dashes(row.model))
        _cross(plot, row)
        text = f"{with_interval(row.auc, row.auc_low, row.auc_high)}\nn = {row.n}"
        plot.text(0.98, 0.03, text, ha="right", va="bottom", fontsize="small", linespacing=1.2, bbox=_CLEAR)
        plot.set_title(model_label(row.model))
        plot.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    point = Line2D([], [], marker="o", color="black", markersize=3, linewidth=0.7, label="operating point (95 % CI)")
    others = [Line2D([], [], color="0.8", linewidth=0.8, label="other diagnostics")][: len(rows) - 1]
    handles = [point, *others, Line2D([], [], **_GUIDE, label="chance")]
    diseased = int(scores["y_true"].sum())
    title = f"AUC (95 % CI) in {group or split} patients: {diseased} with, {len(scores) - diseased} without"
    figure.legend(handles=handles, loc="outside upper center", ncols=_across(48, 3), title=title)
    return figure


def _curve(scores: pd.DataFrame, model: str) -> pd.DataFrame:
    complete = scores[["y_true", model]].dropna()
    return roc_points(complete["y_true"], complete[model])


def _cross(plot: Axes, row: tuple) -> None:
    """Draw the operating point between the limits of sensitivity and of specificity."""
    if np.isnan(row.sensitivity):
        return
    look = {"color": "black", "linewidth": 0.7}
    plot.plot([1 - row.specificity] * 2, [row.sensitivity_low, row.sensitivity_high], **look)
    plot.plot([1 - row.specificity_low, 1 - row.specificity_high], [row.sensitivity] * 2, **look)
    plot.plot(1 - row.specificity, row.sensitivity, "o", color="black", markersize=3)


@_styled
def plot_forest(metrics: pd.DataFrame) -> Figure:
    """AUC of each diagnostic with its 95 % interval (`metrics` from `fibrolib.inference.summarise_models`)."""
    rows = _best_first(metrics)
    figure, plot = _new_plot(6.5, 1.0 + 0.42 * len(rows))
    for place, row in enumerate(rows.itertuples()):
        colour = _model_colour(row.model)
        plot.plot([row.auc_low, row.auc_high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        plot.plot(row.auc, place, "s", color=colour, markersize=7, clip_on=False)
        text = f"{with_interval(row.auc, row.auc_low, row.auc_high)}   n = {row.n}"
        plot.text(1.04, place, text, va="center", transform=plot.get_yaxis_transform())
    plot.axvline(0.5, **_GUIDE)
    lowest = min(0.4, rows["auc_low"].min() - 0.02)
    plot.set(xlabel="AUC with 95 % confidence interval (dotted: chance)", xlim=(lowest, 1))
    _name_rows(plot, [model_label(name) for name in rows["model"]])
    return figure


@_styled
def plot_delong_matrix(comparisons: pd.DataFrame) -> Figure:
    """Every pair of diagnostics: difference in AUC (row minus column), its interval, and Holm's p-value.

    `comparisons` comes from `fibrolib.inference.compare_models`.
    """
    names = list(dict.fromkeys([*comparisons["a"], *comparisons["b"]]))
    size = len(names) - 1
    figure, plot = _new_plot(1.6 + 1.15 * size, 0.8 + 0.66 * size)
    shades = np.full((size, size), np.nan)
    for row in comparisons.itertuples():
        # A pair (a, b) stands in a's row; the diagonal would hold nothing.
        y, x = names.index(row.a), names.index(row.b) - 1
        shades[y, x] = row.difference
        _write_pair(plot, x, y, row)
    # Fixed limits: the same colour is the same difference in every run.
    image = plot.imshow(shades, cmap="PuOr", vmin=-0.5, vmax=0.5, aspect="auto")
    figure.colorbar(image, ax=plot, shrink=0.9, label="AUC, row − column")
    plot.set_xticks(range(size), [textwrap.fill(model_label(name), 10) for name in names[1:]])
    plot.set_yticks(range(size), [model_label(name) for name in names[:-1]])
    plot.tick_params(length=0, labeltop=True, labelbottom=False)
    if size > 2:
        key = "In each cell:\ndifference in AUC,\n95 % interval,\np after Holm"
        plot.text(-0.4, size - 0.55, key, va="bottom", fontsize="small", color="0.3")
    sns.despine(ax=plot, left=True, bottom=True)
    return figure


def _write_pair(plot: Axes, x: int, y: int, row: tuple) -> None:
    if np.isnan(row.difference):
        plot.text(x, y, "not tested", ha="center", va="center", color="0.4", fontsize="small")
        return
    colour = "white" if abs(row.difference) > 0.3 else "black"
    plot.text(x, y - 0.22, signed(row.difference), ha="center", va="center", fontweight="bold", color=colour)
    below = "no interval, no p"
    if not np.isnan(row.p_holm):
        known = not np.isnan(row.ci_low)
        limits = f"{signed(row.ci_low)} to {signed(row.ci_high)}" if known else "no interval"
        below = f"{limits}\n{p_text(row.p_holm)}"
    plot.text(x, y + 0.12, below, ha="center", va="center", fontsize="x-small", color=colour)


@_styled
def plot_zones(zones: pd.DataFrame, cutoff: int, *, metavir: bool = True) -> Figure:
    """Patients that published cut-offs call low, indeterminate or high, split by the truth.

    `zones` has the columns of `fibrolib.diagnostics.tabulate_zones` and ``index`` (which index).
    """
    names = list(dict.fromkeys(zones["index"]))
    figure, plot = _new_plot(6.5, 1.0 + 0.8 * len(names))
    bars = [(name, side) for name in names for side in ("diseased", "healthy")]
    for place, (name, side) in enumerate(bars):
        _stack(plot, place, zones[zones["index"] == name].set_index("zone")[side])
    words = {"diseased": cutoff_name(cutoff, metavir), "healthy": f"below {stage_name(cutoff, metavir)}"}
    plot.set_xlabel("Patients")
    present = [zone for zone in _zones(zones["zone"]) if zones.loc[zones["zone"] == zone, "n"].sum() or zone in ZONES]
    handles = [plot.barh([0], [0], **_zone_look(zone), label=zone) for zone in present]
    plot.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles))
    _name_rows(plot, [f"{model_label(name)}: {words[side]}" for name, side in bars])
    return figure


def _zones(names: Iterable[str]) -> list[str]:
    """Zones in the order of the bars: patients too young for a cut-off come before those without a value."""
    return [*ZONES, *sorted(set(names).difference(_ZONE_COLOURS)), "missing"]


def _zone_look(zone: str) -> dict[str, str]:
    return {"color": _ZONE_COLOURS.get(zone, "#EFE3B0"), "edgecolor": "0.3"}


def _stack(plot: Axes, place: int, counts: pd.Series) -> None:
    left = 0
    for zone in _zones(counts.index):
        n = int(counts.get(zone, 0))
        if n:
            plot.barh(place, n, left=left, height=0.72, linewidth=0.6, **_zone_look(zone))
            shade = "white" if zone in ("low", "high") else "black"
            plot.text(left + n / 2, place, str(n), ha="center", va="center", fontsize="small", color=shade)
        left += n


def _draw_counts(plot: Axes, counts: pd.DataFrame, metavir: bool):
    shares = 100 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    image = plot.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for y, row in enumerate(counts.to_numpy()):
        for x, count in enumerate(row):
            colour = "white" if shares.iloc[y, x] > 55 else "0.75" if count == 0 else "black"
            plot.text(x, y, str(count), ha="center", va="center", color=colour, fontsize="small")
    for axis, stages in ((plot.xaxis, counts.columns), (plot.yaxis, counts.index)):
        axis.set_ticks(range(len(stages)), [stage_name(stage) if metavir else str(stage) for stage in stages])
    plot.tick_params(length=0)
    sns.despine(ax=plot, left=True, bottom=True)
    return image


@_styled
def plot_confusion(confusions: Mapping[str, Mapping[str, pd.DataFrame]], *, metavir: bool = True) -> Figure:
    """Predicted against true stages, a row of panels per group of patients and a panel per net.

    `confusions` holds counts by group (a key of `GROUPS`) and net: true stages in rows, predicted ones in columns.
    Shade: share of the true stage.
    """
    down, across = len(confusions), max(len(nets) for nets in confusions.values())
    figure, axes = _new_figure(down, across, width=2.3 * across + 0.9, height=2.35 * down + 0.3)
    for line, (group, nets) in zip(axes, confusions.items(), strict=True):
        for plot, (name, counts) in zip(line, nets.items(), strict=True):
            image = _draw_counts(plot, counts, metavir)
            plot.set_title(model_label(name), color=_model_colour(name))
        n = int(next(iter(nets.values())).to_numpy().sum())
        line[0].set_ylabel(f"{textwrap.fill(counted(n, GROUPS[group]), 24)}\nTrue stage", fontsize="small")
    for plot in axes[-1]:
        plot.set_xlabel("Predicted stage")
    _letter(axes.flat)
    figure.colorbar(image, ax=axes, shrink=0.6, label="Share of the\ntrue stage (%)")
    return figure


@_styled
def plot_answers(few: pd.DataFrame, many: pd.DataFrame, cutoff: int) -> Figure:
    """AUC of each diagnostic on the study's test patients and on the simulated test set, with both oracles.

    `few` (test patients) and `many` (simulated ones, with the rows ``oracle_still`` and ``oracle_moving``) have
    ``model, n, auc, auc_low, auc_high``.
    """
    few, many = few.set_index("model"), many.set_index("model")
    names = [name for name in many.index if name not in ORACLES]
    figure, plot = _new_plot(6.5, 1.5 + 0.5 * len(names))
    for place, name in enumerate(names):
        for table, away, marker, face in ((few, -0.14, "s", "white"), (many, 0.14, "o", _model_colour(name))):
            if name in table.index:
                row, colour = table.loc[name], _model_colour(name)
                width = 1.2 if table is few else 2.4
                plot.plot([row["auc_low"], row["auc_high"]], [place + away] * 2, color=colour, linewidth=width)
                plot.plot(row["auc"], place + away, marker, color=colour, markersize=6, markerfacecolor=face)
    for oracle, (style, _) in _CEILINGS.items():
        plot.axvline(many.loc[f"oracle_{oracle}", "auc"], color="0.25", linewidth=1.0, linestyle=style, zorder=0)
    plot.axvline(0.5, **_GUIDE)
    plot.set(xlabel=_area_label(cutoff), xlim=(min(0.4, few["auc_low"].min() - 0.02), 1.01))
    _name_rows(plot, [model_label(name) for name in names])
    mark = {"color": "0.3", "markersize": 6}
    handles = [
        Line2D([], [], marker="s", markerfacecolor="white", linewidth=1.2, **mark, label=_count(few, "test")),
        Line2D([], [], marker="o", linewidth=2.4, **mark, label=_count(many, "fresh")),
        *(
            Line2D([], [], color="0.25", linewidth=1, linestyle=style, label=ORACLES[f"oracle_{oracle}"])
            for oracle, (style, _) in _CEILINGS.items()
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _area_label(cutoff: int) -> str:
    return f"AUC at {cutoff_name(cutoff)} with 95 % interval (dotted: chance)"


def _count(table: pd.DataFrame, group: str) -> str:
    return counted(int(table["n"].max()), GROUPS[group])


@_styled
def plot_motion_use(table: pd.DataFrame, ceilings: pd.DataFrame, cutoff: int) -> Figure:
    """AUC per net and perturbation of the clip, a panel per scenario, the oracles of its patients as lines.

    Squares: clips as filmed, the first perturbation of the table. A filled dot differs from them (p < 0.05, Holm).
    `table`: ``scenario, model, perturbation, n, auc, auc_low, auc_high, p_holm`` (missing for clips as filmed);
    `ceilings`, AUC of the oracles: ``scenario, still, moving``.
    """
    scenarios, perturbations, nets = (
        table[column].unique().tolist() for column in ("scenario", "perturbation", "model")
    )
    size = {"width": 2.9 * len(scenarios) + 0.6, "height": 1.5 + 0.2 * len(nets) * len(perturbations)}
    figure, axes = _new_figure(1, len(scenarios), sharex=True, sharey=True, **size)
    for plot, scenario in zip(axes[0], scenarios, strict=True):
        rows = table[table["scenario"] == scenario]
        for place, perturbation in enumerate(perturbations):
            beside = rows[rows["perturbation"] == perturbation]
            for number, row in enumerate(beside.itertuples()):
                height = place + (number - (len(beside) - 1) / 2) * _SPREAD
                _draw_area(plot, row, height, is_reference=place == 0)
        lines = ceilings.set_index("scenario").loc[scenario]
        for column, (style, _) in _CEILINGS.items():
            plot.axvline(lines[column], color="0.25", linewidth=1.0, linestyle=style, zorder=0)
        plot.axvline(0.5, **_GUIDE, zorder=0)
        plot.axhline(0.5, color="0.85", linewidth=0.8, zorder=0)
        plot.set_title(f"{scenario}\n(n = {rows['n'].iloc[0]})", fontsize="small")
        _name_rows(plot, perturbations)
    lowest = max(0.0, min(0.3, table["auc_low"].min() - 0.02))
    axes[0, 0].set(xlim=(lowest, 1.01), xticks=[tick for tick in (0, 0.25, 0.5, 0.75, 1) if tick >= lowest])
    axes[0, (len(scenarios) - 1) // 2].set_xlabel(_area_label(cutoff))
    figure.legend(handles=_legend(nets), loc="outside lower center", ncols=4)
    return figure


def _draw_area(plot: Axes, row: tuple, height: float, *, is_reference: bool) -> None:
    colour = _model_colour(row.model)
    look = {"color": colour, "linestyle": _model_dashes(row.model), "linewidth": 1.6, "solid_capstyle": "butt"}
    plot.plot([row.auc_low, row.auc_high], [height, height], **look)
    # A comparison with NaN is false: a test that could not be done leaves the mark open.
    kind = _REFERENCE if is_reference else _DIFFERS if row.p_holm < 0.05 else _OPEN
    plot.plot(row.auc, height, color=colour, **kind)


def _legend(nets: list[str]) -> list[Line2D]:
    marks = {"as filmed": _REFERENCE, "differs from as filmed (p < 0.05, Holm)": _DIFFERS, "no difference shown": _OPEN}
    return [
        *(
            Line2D([], [], color=_model_colour(net), linestyle=_model_dashes(net), linewidth=2, label=model_label(net))
            for net in nets
        ),
        *(Line2D([], [], color="0.25", linewidth=1, linestyle=style, label=name) for style, name in _CEILINGS.values()),
        *(Line2D([], [], linestyle="none", color="0.3", label=label, **kind) for label, kind in marks.items()),
    ]
