"""Models in another cohort than their own: areas in both, and how the cohorts differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fibrolib.diagnostics import model_label
from fibrolib.plots.style import _GUIDE, _model_colour, _name_rows, _new_plot, _styled, signed, with_interval

_IMBALANCE = 0.1  # standardised difference that is usually called negligible (Austin 2009)
_FARTHEST = 3.0  # standardised differences beyond are drawn at the edge


@_styled
def plot_transport(table: pd.DataFrame) -> Figure:
    """AUC of each model in the cohort it was made in (open squares) and in another one (dots), with 95 % intervals.

    `table`: ``model``, and ``auc, auc_low, auc_high, n`` of the other cohort and, with ``_development``, of its own.
    """
    table = table.dropna(subset=["auc"])
    figure, plot = _new_plot(6.5, 1.5 + 0.5 * len(table))
    limits = table[["auc_low", "auc_low_development"]]
    for place, row in enumerate(table.to_dict("records")):
        colour = _model_colour(row["model"])
        for end, away, marker, face, width in (
            ("_development", -0.14, "s", "white", 1.2),
            ("", 0.14, "o", colour, 2.4),
        ):
            plot.plot([row[f"auc_low{end}"], row[f"auc_high{end}"]], [place + away] * 2, color=colour, linewidth=width)
            plot.plot(row[f"auc{end}"], place + away, marker, color=colour, markersize=6, markerfacecolor=face)
        text = with_interval(row["auc"], row["auc_low"], row["auc_high"])
        plot.text(1.04, place, text, va="center", transform=plot.get_yaxis_transform())
    plot.axvline(0.5, **_GUIDE)
    mark = {"color": "0.3", "markersize": 6}
    n, n_development = (int(table[name].max()) for name in ("n", "n_development"))
    label = f"test patients of the development cohort (up to {n_development})"
    plot.plot([], [], marker="s", markerfacecolor="white", linewidth=1.2, **mark, label=label)
    plot.plot([], [], marker="o", linewidth=2.4, **mark, label=f"this cohort (up to {n})")
    plot.set(xlabel="AUC with 95 % interval (dotted: chance)", xlim=(min(0.4, np.nanmin(limits) - 0.02), 1.01))
    plot.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1)
    _name_rows(plot, [model_label(name) for name in table["model"]])
    return figure


@_styled
def plot_differences(table: pd.DataFrame) -> Figure:
    """Standardised differences of two cohorts, the largest first; `table`: ``label, smd``; dotted: 0.1 either way."""
    rows = table.dropna(subset=["smd"]).sort_values("smd", key=np.abs, ascending=False, kind="stable")
    figure, plot = _new_plot(6.5, 1.0 + 0.3 * len(rows))
    for place, row in enumerate(rows.itertuples()):
        shown = float(np.clip(row.smd, -_FARTHEST, _FARTHEST))
        plot.plot([0, shown], [place, place], color="0.7", linewidth=1)
        plot.plot(shown, place, "o" if shown == row.smd else ">" if shown > 0 else "<", color="0.3", clip_on=False)
        plot.text(1.03, place, signed(row.smd), va="center", transform=plot.get_yaxis_transform())
    for line in (-_IMBALANCE, 0.0, _IMBALANCE):
        plot.axvline(line, **(_GUIDE if line else {"color": "0.4", "linewidth": 0.8}))
    farthest = min(_FARTHEST, float(rows["smd"].abs().max())) + 0.2 if len(rows) else 1.0
    plot.set(xlabel="Standardised difference (this cohort − development)", xlim=(-farthest, farthest))
    _name_rows(plot, list(rows["label"]))
    sns.despine(ax=plot, left=True)
    return figure
