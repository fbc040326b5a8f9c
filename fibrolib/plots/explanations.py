"""Explanations beside masks and layers: the share of relevance on a region, and how coarse a map is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fibrolib.plots.style import model_colour, model_label, new_figure, stage_colours, styled
from fibrolib.stages import stage_name

__all__ = ["plot_shares", "readable_layers"]


@styled
def plot_shares(attribution: pd.DataFrame, *, metavir: bool = True, region: str = "capsule") -> Figure:
    """Share of relevance on a region against its share of the picture, a panel per net and a dot per patient.

    Parameters
    ----------
    attribution : DataFrame
        ``model, stage, relevance, area``, one row per patient and model.
    metavir : bool
        Whether stages are METAVIR.
    region : str
        What the region is.

    Returns
    -------
    Figure
    """
    known = attribution.dropna(subset=["relevance"])
    names = list(dict.fromkeys(known["model"]))
    levels = np.arange(known["stage"].min(), known["stage"].max() + 1)
    colours = dict(zip(levels, stage_colours(len(levels)), strict=True))
    figure, axes = new_figure(1, len(names), width=2.6 * len(names) + 0.9, height=3.1, sharex=True, sharey=True)
    top = 110 * max(known["relevance"].max(), known["area"].max())
    for plot, name in zip(axes[0], names, strict=True):
        rows = known[known["model"] == name]
        plot.plot([0, top], [0, top], color="0.6", linewidth=0.8, linestyle=":", label="no preference")
        for level in levels:
            dots = rows[rows["stage"] == level]
            label = stage_name(level, metavir)
            plot.scatter(
                100 * dots["area"],
                100 * dots["relevance"],
                s=26,
                color=colours[level],
                edgecolor="0.3",
                label=label,
                clip_on=False,
            )
        plot.set_title(f"{model_label(name)} (n = {len(rows)})", color=model_colour(name))
        plot.set(xlabel=f"Area on the {region} (%)", xlim=(0, 115 * known["area"].max()), ylim=(0, top))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Relevance there (%)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), title="Stage")
    return figure


def readable_layers(layers: pd.DataFrame) -> pd.DataFrame:
    """How coarse the map of each net is, for a reader.

    Parameters
    ----------
    layers : DataFrame
        ``model, layer, times, height, width`` of its maps, ``frames, pixels`` of what the net is shown.
    """
    sides = layers[["times", "height", "width"]].astype(str).agg(" × ".join, axis=1)
    shown = layers["frames"].astype(str) + " × " + layers["pixels"].astype(str) + " × " + layers["pixels"].astype(str)
    return pd.DataFrame(
        {
            "Net": layers["model"].map(model_label),
            "Layer": layers["layer"],
            "Its map (times × height × width)": sides,
            "What the net is shown (frames × pixels × pixels)": shown,
        }
    )
