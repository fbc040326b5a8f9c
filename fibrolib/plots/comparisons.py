"""AUC of several diagnostics in several groups of patients, or on several versions of the clips."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.plots.accuracy import GROUPS
from fibrolib.plots.style import _model_colour, _new_figure, _styled
from fibrolib.stages import cutoff_name

ORACLES = {"oracle_still": "Oracle, still image", "oracle_moving": "Oracle, video"}
_CHANCE = {"color": "0.6", "linewidth": 0.8, "linestyle": ":"}
_CEILINGS = {"moving": ("solid", "oracle, video"), "still": ((0, (4, 2)), "oracle, still image")}
"""Line and name of a ceiling, as in `plot_ceilings`."""
_REFERENCE = {"marker": "s", "markersize": 5}
_DIFFERS = {"marker": "o", "markersize": 5.5}
_OPEN = _DIFFERS | {"markerfacecolor": "white"}
"""Marks of a clip as filmed, of one that differs from it, and of one that was not shown to."""
_SPREAD = 0.25
"""Distance between two nets in one row."""


@_styled
def plot_answers(few: pd.DataFrame, many: pd.DataFrame, cutoff: int) -> Figure:
    """AUC of each diagnostic on the study's test patients and on the simulated test set, with both oracles.

    `few` (test patients) and `many` (simulated ones, with the rows ``oracle_still`` and ``oracle_moving``) have
    ``model, n, auc, auc_low, auc_high``.
    """
    few, many = few.set_index("model"), many.set_index("model")
    names = [name for name in many.index if name not in ORACLES]
    figure, axes = _new_figure(width=6.5, height=1.5 + 0.5 * len(names))
    plot = axes[0, 0]
    for place, name in enumerate(names):
        for table, away, marker, face in ((few, -0.14, "s", "white"), (many, 0.14, "o", _model_colour(name))):
            if name in table.index:
                row, colour = table.loc[name], _model_colour(name)
                width = 1.2 if table is few else 2.4
                plot.plot([row["auc_low"], row["auc_high"]], [place + away] * 2, color=colour, linewidth=width)
                plot.plot(row["auc"], place + away, marker, color=colour, markersize=6, markerfacecolor=face)
    styles = {"oracle_moving": "solid", "oracle_still": (0, (4, 2))}
    for name, style in styles.items():
        plot.axvline(many.loc[name, "auc"], color="0.25", linewidth=1.0, linestyle=style, zorder=0)
    plot.axvline(0.5, **_CHANCE)
    plot.set_yticks(range(len(names)), [model_label(name) for name in names])
    label = f"AUC at {cutoff_name(cutoff)} with 95 % interval (dotted: chance)"
    plot.set(xlabel=label, xlim=(min(0.4, few["auc_low"].min() - 0.02), 1.01), ylim=(len(names) - 0.5, -0.5))
    plot.tick_params(axis="y", length=0)
    mark = {"color": "0.3", "markersize": 6}
    handles = [
        Line2D([], [], marker="s", markerfacecolor="white", linewidth=1.2, **mark, label=_count(few, "test")),
        Line2D([], [], marker="o", linewidth=2.4, **mark, label=_count(many, "fresh")),
        *(Line2D([], [], color="0.25", linewidth=1, linestyle=styles[name], label=ORACLES[name]) for name in styles),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    sns.despine(ax=plot, left=True)
    return figure


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
        plot.axvline(0.5, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        plot.axhline(0.5, color="0.85", linewidth=0.8, zorder=0)
        plot.set_title(f"{scenario} (n = {rows['n'].iloc[0]})")
        plot.tick_params(axis="y", length=0)
    lowest = min(0.3, table["auc_low"].min() - 0.02)
    axes[0, 0].set(xlim=(max(0.0, lowest), 1.01), ylim=(len(perturbations) - 0.5, -0.5))
    axes[0, 0].set_yticks(range(len(perturbations)), perturbations)
    label = f"AUC at {cutoff_name(cutoff)} with 95 % interval (dotted: chance)"
    axes[0, (len(scenarios) - 1) // 2].set_xlabel(label)
    figure.legend(handles=_legend(nets), loc="outside lower center", ncols=4)
    sns.despine(figure, left=True)
    return figure


def _draw_area(plot: Axes, row: tuple, height: float, *, is_reference: bool) -> None:
    colour = _model_colour(row.model)
    plot.plot([row.auc_low, row.auc_high], [height, height], color=colour, linewidth=1.6, solid_capstyle="butt")
    # A comparison with NaN is false: a test that could not be done leaves the mark open.
    kind = _REFERENCE if is_reference else _DIFFERS if row.p_holm < 0.05 else _OPEN
    plot.plot(row.auc, height, color=colour, **kind)


def _legend(nets: list[str]) -> list[Line2D]:
    marks = {"as filmed": _REFERENCE, "differs from as filmed (p < 0.05, Holm)": _DIFFERS, "no difference shown": _OPEN}
    return [
        *(Line2D([], [], color=_model_colour(net), linewidth=2, label=model_label(net)) for net in nets),
        *(Line2D([], [], color="0.25", linewidth=1, linestyle=style, label=name) for style, name in _CEILINGS.values()),
        *(Line2D([], [], linestyle="none", color="0.3", label=label, **kind) for label, kind in marks.items()),
    ]
