"""Figures of Grad-CAM: plates, and the share of relevance on a region."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fibrolib.attribution import GradCam
from fibrolib.plots.style import hide_ticks, model_colour, model_label, new_figure, stage_colours, styled
from fibrolib.stages import stage_name

__all__ = ["plot_gradcam", "plot_shares"]

_MOST_TIMES = 3
"""Frames of a clip that are drawn, each plain and with the map over it."""

_OUTLINE = "#56B4E9"


@styled
def plot_gradcam(plates: Mapping[str, GradCam], *, region: str = "capsule") -> Figure:
    """Plates of Grad-CAM: a row for each patient, pairs of a frame and the same frame under its map.

    Parameters
    ----------
    plates : mapping of str to GradCam
        By title of the patient (a stage, never a patient's name).
    region : str
        What the marked region is; outlined where there is one.

    Returns
    -------
    Figure
    """
    times = min(_MOST_TIMES, *(len(cam.frames) for cam in plates.values()))
    figure, axes = new_figure(len(plates), 2 * times, width=1.4 + 2.7 * times, height=0.2 + 1.42 * len(plates))
    for line, (title, cam) in zip(axes, plates.items(), strict=True):
        for column, frame in enumerate(np.linspace(0, len(cam.frames) - 1, times).round().astype(int)):
            plain, covered = line[2 * column : 2 * column + 2]
            plain.imshow(cam.frames[frame], cmap="gray", vmin=0, vmax=255)
            _overlay(covered, cam, frame)
            if times > 1:
                plain.set_xlabel(f"frame {frame + 1}", fontsize="x-small", labelpad=1)
        line[0].set_ylabel(f"{title}\nscore {cam.score:.2f}", fontsize="small")
    for plot in axes.flat:
        hide_ticks(plot)
    outlined = any(cam.roi is not None and cam.roi.any() for cam in plates.values())
    note = f"\n(blue outline: {region})" if outlined else ""
    scale = ScalarMappable(Normalize(0, 1), "inferno")
    figure.colorbar(scale, ax=axes, shrink=0.6, label=f"Relevance, largest of the clip = 1{note}")
    return figure


def _overlay(plot: Axes, cam: GradCam, frame: int) -> None:
    """Draw the map over its frame: the more relevance, the less of the frame shows through."""
    relevance = cam.relevance[frame]
    plot.imshow(cam.frames[frame], cmap="gray", vmin=0, vmax=255)
    plot.imshow(relevance, cmap="inferno", vmin=0, vmax=1, alpha=0.55 * relevance)
    if cam.roi is not None and cam.roi[frame].any():
        plot.contour(cam.roi[frame].astype(float), levels=[0.5], colors=_OUTLINE, linewidths=0.7)


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
                100 * dots["area"], 100 * dots["relevance"], s=26, color=colours[level], edgecolor="0.3", label=label
            )
        plot.set_title(f"{model_label(name)} (n = {len(rows)})", color=model_colour(name))
        plot.set(xlabel=f"Area on the {region} (%)", xlim=(0, 115 * known["area"].max()), ylim=(0, top))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Relevance there (%)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), title="Stage")
    return figure
