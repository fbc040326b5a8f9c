"""Figure of what nets lose when something is taken from their clips, beside what there is to lose."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fibrolib.plots.comparisons import readable_comparisons
from fibrolib.plots.sentences import with_interval
from fibrolib.plots.style import model_colour, model_label, new_figure, styled
from fibrolib.stages import cutoff_name

__all__ = ["plot_motion_use", "readable_motion_use"]

_CEILINGS = {"moving": ("solid", "oracle, video"), "still": ((0, (4, 2)), "oracle, still image")}
"""Line and name of a ceiling, as in `plot_ceilings`."""

_REFERENCE = {"marker": "s", "markersize": 5}
_DIFFERS = {"marker": "o", "markersize": 5.5}
_OPEN = _DIFFERS | {"markerfacecolor": "white"}
"""Marks of a clip as filmed, of one that differs from it, and of one that was not shown to."""

_SPREAD = 0.25
"""Distance between two nets in one row."""


@styled
def plot_motion_use(table: pd.DataFrame, ceilings: pd.DataFrame, cutoff: int) -> Figure:
    """AUC with its interval per net and change of the clip, a panel per scenario, the oracles of its patients as lines.

    Parameters
    ----------
    table : DataFrame
        ``scenario, model, change, n, auc, auc_low, auc_high, p_holm``; ``p_holm`` is missing where nothing was changed.
    ceilings : DataFrame
        ``scenario, still, moving``: AUC of the oracles.
    cutoff : int
        Lowest stage that counts as diseased.

    Returns
    -------
    Figure
        Squares: clips as filmed, the first change of the table. A filled dot differs from them (p < 0.05 after Holm's
        correction).
    """
    scenarios, perturbations, nets = (
        list(dict.fromkeys(table[column])) for column in ("scenario", "perturbation", "model")
    )
    height = 1.5 + 0.2 * len(nets) * len(perturbations)
    figure, axes = new_figure(
        1, len(scenarios), width=2.9 * len(scenarios) + 0.6, height=height, sharex=True, sharey=True
    )
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
    colour = model_colour(row.model)
    plot.plot([row.auc_low, row.auc_high], [height, height], color=colour, linewidth=1.6, solid_capstyle="butt")
    # A comparison with NaN is false: a test that could not be done leaves the mark open.
    kind = _REFERENCE if is_reference else _DIFFERS if row.p_holm < 0.05 else _OPEN
    plot.plot(row.auc, height, color=colour, **kind)


def _legend(nets: list[str]) -> list[Line2D]:
    marks = {"as filmed": _REFERENCE, "differs from as filmed (p < 0.05, Holm)": _DIFFERS, "no difference shown": _OPEN}
    return [
        *(Line2D([], [], color=model_colour(net), linewidth=2, label=model_label(net)) for net in nets),
        *(Line2D([], [], color="0.25", linewidth=1, linestyle=style, label=name) for style, name in _CEILINGS.values()),
        *(Line2D([], [], linestyle="none", color="0.3", label=label, **kind) for label, kind in marks.items()),
    ]


def readable_motion_use(table: pd.DataFrame) -> pd.DataFrame:
    """Table of changed clips for a reader.

    Parameters
    ----------
    table : DataFrame
        As for `plot_motion_use`, with ``loss, loss_low, loss_high``.

    Returns
    -------
    DataFrame
        Text, one row per scenario, net and change.
    """
    tests = {"loss": "difference", "loss_low": "ci_low", "loss_high": "ci_high"}
    pairs = table.rename(columns=tests).assign(a="as filmed", b=table["perturbation"], test="DeLong, paired")
    limits = zip(table["auc"], table["auc_low"], table["auc_high"], strict=True)
    told = pd.DataFrame(
        {
            "Scenario": table["scenario"].to_list(),
            "Patients": table["n"].to_list(),
            "Net": [model_label(name) for name in table["model"]],
            "Clip": table["perturbation"].to_list(),
            "AUC (95 % CI)": [with_interval(*each) for each in limits],
        }
    )
    compared = readable_comparisons(pairs).drop(columns=["Comparison", "Patients", "p"])
    compared.loc[table["p"].isna().to_numpy(), "Test"] = "–"
    return told.join(compared.rename(columns={"Difference in AUC (95 % CI)": "Loss of AUC (95 % CI)"}))
