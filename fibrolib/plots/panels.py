"""The figure beside the sliders: one virtual patient, from picture to ceiling. Drawn often, so made to be quick."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fibrolib.plots.style import styled
from fibrolib.plots.truth import CARRIERS
from fibrolib.plots.virtual import TRUTH_COLOUR, draw_arrows, draw_mmode, draw_picture
from fibrolib.stages import cutoff_name

__all__ = ["plot_patient", "png_bytes"]

_BELOW, _ABOVE = "#4C566A", "#D08770"
_MARGINS = {"left": 0.02, "right": 0.985, "bottom": 0.1, "top": 0.94, "hspace": 0.45, "wspace": 0.22}


def png_bytes(figure: Figure, dpi: int = 96) -> bytes:
    """Return a figure as PNG; without the second drawing that cutting its margins would cost."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


@styled
def plot_patient(
    picture: NDArray[np.uint8],
    strip: NDArray[np.uint8],
    path: NDArray,
    *,
    field: tuple[NDArray[np.intp], NDArray],
    seconds: float,
    scale: float,
    patient: Any,
    others: pd.DataFrame,
    cutoff: int,
    ceilings: Mapping[str, float],
) -> Figure:
    """One virtual patient: picture at systole, motion mode, its carriers among everybody's, and the ceilings.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width)
        The frame at systole.
    strip : ndarray of uint8, shape (depth, frames)
        Motion mode.
    path : ndarray, shape (frames,)
        True depth of the tissue in the strip's middle, mm.
    field : ndarray of shape (2, rows, columns), ndarray of shape (rows, columns, 2)
        Nodes on the picture, and their displacement in mm.
    seconds : float
        Length of the strip.
    scale : float
        Millimetres per pixel.
    patient : row of `draw_patients`
        The patient.
    others : DataFrame
        Many patients with the same dials: ``stage, texture, capsule, strain``.
    cutoff : int
        Lowest stage that counts as diseased.
    ceilings : mapping of str to float
        AUC of the oracle on `others`, by the name of what it sees.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(9.4, 5.4))  # of no window and no layout engine: this one is drawn at every move
    axes = figure.subplots(2, 3, gridspec_kw=_MARGINS)
    draw_picture(axes[0, 0], picture)
    draw_arrows(axes[0, 0], *field, scale)
    axes[0, 0].set_title("Systole (arrows: movement, 5 x)")
    draw_mmode(axes[0, 1], strip, seconds, scale, path)
    axes[0, 1].set_title(f"M-mode: {np.ptp(path):.1f} mm (dashed: truth)")
    axes[0, 1].set_ylabel("Depth (mm)", labelpad=0)
    _ceilings(axes[0, 2], ceilings, cutoff, len(others))
    diseased = others["stage"].to_numpy() >= cutoff
    for plot, (column, (title, unit)) in zip(axes[1], CARRIERS.items(), strict=True):
        factor = 100 if column == "strain" else 1
        _crowd(plot, factor * others[column].to_numpy(), factor * getattr(patient, column), diseased)
        plot.set_title(title)
        plot.set(xlabel=unit, yticks=[])
    labels = [f"below {cutoff_name(cutoff).removeprefix('≥ ')}", cutoff_name(cutoff), "this patient"]
    axes[1, 2].legend(labels, loc="upper right", handlelength=1.2, borderaxespad=0.1)
    return figure


def _crowd(plot: Axes, values: NDArray, own: float, diseased: NDArray[np.bool_]) -> None:
    """Draw two histograms of a carrier, and the patient among them."""
    edges = np.linspace(*np.quantile(values, [0.001, 0.999]), 41)
    for side, colour in ((~diseased, _BELOW), (diseased, _ABOVE)):
        # One outline instead of forty bars: matplotlib's time goes by the number of its parts.
        plot.stairs(*np.histogram(values[side], edges, density=True), color=colour, alpha=0.6, fill=True)
    plot.axvline(own, color="black", linewidth=1.6)
    plot.spines[["left", "top", "right"]].set_visible(False)


def _ceilings(plot: Axes, ceilings: Mapping[str, float], cutoff: int, n: int) -> None:
    """Draw a bar for each thing an oracle may see."""
    bars = plot.barh(range(len(ceilings)), list(ceilings.values()), 0.55, color=["0.8", TRUTH_COLOUR], edgecolor="0.3")
    plot.bar_label(bars, fmt="%.2f", padding=3)
    for row, name in enumerate(ceilings):
        plot.text(0.51, row, name, va="center")
    plot.set_yticks([])
    plot.set(xlim=(0.5, 1.06), xticks=[0.5, 0.75, 1.0], ylim=(len(ceilings) - 0.3, -0.7))
    plot.set_title(f"Highest AUC possible at {cutoff_name(cutoff)}")
    plot.set_xlabel(f"AUC in {n:,} virtual patients")
    plot.spines[["top", "right"]].set_visible(False)
