"""Virtual patients: frames, M-mode, true motion, masks, ceilings, and the figure of the explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fibrolib.plots.patients import _CARRIERS
from fibrolib.plots.style import _GUIDE, _draw_picture, _new_figure, _outline, _stage_colours, _styled
from fibrolib.stages import cutoff_name

_TRUTH_COLOUR = "#F0E442"
"""What was simulated and not seen: yellow in every figure, readable on black and on grey (Okabe & Ito)."""
_STRAIN_MAP = "magma"
_MAGNIFIED = 8.0
"""Arrows are drawn so many times as long as the way they stand for: one to three millimetres would not be seen."""
REGIONS = {
    "liver": "#009E73",
    "capsule": "#56B4E9",
    "vessels": "#E69F00",
    "gallbladder": "#CC79A7",
    "kidney": "#F0E442",
}
"""Regions that the true masks may mark, and their colours; the capsule as in every other figure."""
_BELOW, _ABOVE = "#4C566A", "#D08770"
_MARGINS = {"left": 0.02, "right": 0.985, "bottom": 0.1, "top": 0.94, "hspace": 0.45, "wspace": 0.22}


@_styled
def plot_plate(
    rows: Mapping[str, Sequence[NDArray[np.uint8]]],
    titles: Sequence[str],
    *,
    scale: float | None = None,
    width: float = 9.0,
) -> Figure:
    """Frames in rows and columns (`titles`), with a bar of two centimetres in each row where the scale is given.

    `rows` holds frames ``(height, width)`` by the title of their row, those of one row of one size; `scale` is in
    millimetres per pixel, `width` in inches.
    """
    shapes = [pictures[0].shape for pictures in rows.values()]
    heights = [width / len(titles) * high / wide for high, wide in shapes]
    size = {"width": width, "height": sum(heights) + 0.3, "height_ratios": heights}
    figure, axes = _new_figure(len(rows), len(titles), **size)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for plot, picture in zip(line, pictures, strict=True):
            _draw_picture(plot, picture, "lanczos")
        line[0].set_ylabel(label)
        if scale is not None:
            _scale_bar(line[0], scale)
    for plot, title in zip(axes[0], titles, strict=True):
        plot.set_title(title)
    return figure


def _scale_bar(plot: Axes, scale: float) -> None:
    """Draw twenty millimetres in the lower left corner."""
    high, wide = plot.images[0].get_array().shape
    left, low = 0.025 * wide, 0.97 * high
    plot.plot([left, left + 20 / scale], [low, low], color="white", linewidth=2)
    plot.text(left, 0.955 * high, "2 cm", color="white", fontsize="x-small", va="bottom")


def _draw_mmode(plot: Axes, strip: NDArray[np.uint8], seconds: float, scale: float, path: NDArray) -> None:
    """Draw one M-mode strip (`seconds` long), and over it the true depth of the tissue in its middle (`path`, mm)."""
    half = len(strip) * scale / 2
    extent = (0, seconds, half, -half)
    plot.imshow(strip, cmap="gray", vmin=0, vmax=255, aspect="auto", extent=extent, interpolation="bilinear")
    middle = (np.arange(len(path)) + 0.5) * seconds / len(path)
    plot.plot(middle, path, color=_TRUTH_COLOUR, linewidth=1.2, linestyle=(0, (4, 2)))
    plot.set(xlabel="Time (s)", xlim=(0, seconds), ylim=(half, -half))


@_styled
def plot_mmode(
    strips: Mapping[str, NDArray[np.uint8]], paths: Mapping[str, NDArray], *, seconds: float, scale: float
) -> Figure:
    """M-mode strips under each other, with the true path of the tissue in the middle.

    By title: strips ``(depth, frames)`` of `seconds` at `scale` millimetres per pixel; paths ``(frames,)``, in mm.
    """
    figure, axes = _new_figure(len(strips), width=7.0, height=0.4 + 1.9 * len(strips), sharex=True)
    for plot, (title, strip) in zip(axes[:, 0], strips.items(), strict=True):
        _draw_mmode(plot, strip, seconds, scale, paths[title])
        plot.set_title(f"{title}: the tissue in the middle moves by {np.ptp(paths[title]):.1f} mm")
        plot.set_ylabel("Depth from the\nmiddle (mm)")
    for plot in axes[:-1, 0]:
        plot.set_xlabel("")
    label = ["true path of the tissue in the middle"]
    figure.legend(axes[0, 0].get_lines(), label, loc="outside lower center", labelcolor="0.2")
    return figure


def _draw_arrows(plot: Axes, nodes: NDArray[np.intp], displacement: NDArray, scale: float) -> None:
    """Draw the displacement (mm, magnified) at every other node; parameters as for `plot_movement`."""
    every = (slice(None, None, 2), slice(None, None, 2))
    (rows, columns), (right, down) = (part[..., *every] for part in (nodes, np.moveaxis(displacement, -1, 0)))
    valid = np.isfinite(right)
    length = _MAGNIFIED / scale
    arrows = {"color": _TRUTH_COLOUR, "width": 0.009, "headwidth": 3, "headlength": 3.5, "minlength": 0.5}
    vectors = (part[valid] for part in (columns, rows, right * length, down * length))
    plot.quiver(*vectors, angles="xy", scale_units="xy", scale=1, **arrows)


@_styled
def plot_movement(
    pictures: Mapping[str, NDArray[np.uint8]],
    nodes: NDArray[np.intp],
    displacements: Mapping[str, NDArray],
    strains: Mapping[str, NDArray],
    *,
    scale: float,
) -> Figure:
    """True displacement towards systole: arrows on the frame, and the strain as colour below it.

    By title: frames ``(height, width)`` of uint8; displacements ``(grid rows, grid columns, 2)`` to the right and down
    in mm, NaN where nothing is drawn; largest principal strains ``(grid rows, grid columns)``. `nodes`, ``(2, grid
    rows, grid columns)``, are rows and columns on the frames; `scale` is in millimetres per pixel.
    """
    width = 2.9 * len(pictures) + 0.8
    figure, axes = _new_figure(2, len(pictures), width=width, height=5.0)
    most = 100 * max(np.nanmax(strain) for strain in strains.values())
    step = (nodes[0, 1, 0] - nodes[0, 0, 0]) / 2
    extent = (nodes[1].min() - step, nodes[1].max() + step, nodes[0].max() + step, nodes[0].min() - step)
    for (above, below), (title, picture) in zip(axes.T, pictures.items(), strict=True):
        _draw_picture(above, picture, "lanczos")
        _draw_arrows(above, nodes, displacements[title], scale)
        _draw_picture(below, picture, "lanczos")
        strain = 100 * strains[title]
        shade = {"cmap": _STRAIN_MAP, "vmin": 0, "vmax": most, "alpha": 0.8, "interpolation": "bilinear"}
        below.imshow(np.ma.masked_invalid(strain), extent=extent, **shade)
        below.set(xlim=above.get_xlim(), ylim=above.get_ylim())
        farthest = np.nanmax(np.hypot(*np.moveaxis(displacements[title], -1, 0)))
        above.set_title(f"{title}: up to {farthest:.1f} mm", fontsize="small")
        below.set_title(f"{title}: up to {np.nanmax(strain):.2g} %", fontsize="small")
    axes[0, 0].set_ylabel(f"Displacement\n(× {_MAGNIFIED:.0f})")
    axes[1, 0].set_ylabel("Strain")
    figure.colorbar(ScalarMappable(Normalize(0, most), _STRAIN_MAP), ax=axes[1], label="Principal strain (%)")
    return figure


@_styled
def plot_masks(pictures: Mapping[str, tuple[NDArray[np.uint8], Mapping[str, NDArray[np.bool_]]]]) -> Figure:
    """Frames with their true regions outlined; by title, a frame and masks of its size, named as in `REGIONS`."""
    figure, axes = _new_figure(1, len(pictures), width=3.3 * len(pictures), height=3.1)
    for plot, (title, (picture, masks)) in zip(axes[0], pictures.items(), strict=True):
        _draw_picture(plot, picture, "lanczos")
        for region, mask in masks.items():
            _outline(plot, mask, REGIONS[region], 1.0)
        plot.set_title(title)
    drawn = {region for _, masks in pictures.values() for region, mask in masks.items() if mask.any()}
    handles = [Line2D([], [], color=REGIONS[region], label=region) for region in REGIONS if region in drawn]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@_styled
def plot_ceilings(ceilings: pd.DataFrame) -> Figure:
    """AUC of the oracle against each dial: dashed for a still image, solid for video.

    `ceilings` has a row per ``dial``, ``value`` and ``cutoff``: AUCs ``still`` and ``moving``, on ``n`` patients.
    """
    strengths, colours = list(dict.fromkeys(ceilings["dial"])), _stage_colours(5)  # of the lowest stage above
    figure, axes = _new_figure(1, len(strengths), width=2.5 * len(strengths) + 1.5, height=3.0, sharey=True)
    for plot, dial in zip(axes[0], strengths, strict=True):
        for cutoff, rows in ceilings[ceilings["dial"] == dial].groupby("cutoff"):
            colour = colours[cutoff]
            look = {"color": colour, "marker": "o", "markersize": 3.5}
            plot.plot(rows["value"], rows["moving"], **look)
            plot.plot(rows["value"], rows["still"], linestyle="--", mfc="white", **look)
            plot.fill_between(rows["value"], rows["still"], rows["moving"], color=colour, alpha=0.15, linewidth=0)
        plot.axvline(1, **_GUIDE)
        plot.set_title(f"Dial: {dial}")
        plot.set_ylim(0.65, 1.0)
        sns.despine(ax=plot)
    figure.supxlabel("Setting of the dial (dotted: published effect)", fontsize="medium")
    axes[0, 0].set_ylabel(f"Highest AUC possible\nin {ceilings['n'].iloc[0]:,} virtual patients")
    cutoffs = sorted(ceilings["cutoff"].unique(), reverse=True)
    handles = [Line2D([], [], color=colours[cutoff], label=cutoff_name(cutoff)) for cutoff in cutoffs]
    handles += [Line2D([], [], color="0.2", label="video"), Line2D([], [], color="0.2", ls="--", label="still image")]
    axes[0, -1].legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
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
    """One virtual patient: frame at systole, M-mode, its carriers among all patients, and the ceilings.

    `picture`, `strip` (`seconds` long) and `path` are as for `plot_mmode` and `plot_movement`, `field` holds the
    latter's nodes and displacement; `patient` is a row of `draw_patients`; `others` are many patients at the same
    dials, with ``stage, texture, capsule, strain``; `ceilings` are AUCs of the oracle on them, by the name of what it
    sees.
    """
    figure = Figure(figsize=(9.4, 5.4))  # of no window and no layout engine: this one is drawn at every move
    axes = figure.subplots(2, 3, gridspec_kw=_MARGINS)
    _draw_picture(axes[0, 0], picture, "lanczos")
    _draw_arrows(axes[0, 0], *field, scale)
    axes[0, 0].set_title(f"Systole (arrows: displacement × {_MAGNIFIED:.0f})")
    _draw_mmode(axes[0, 1], strip, seconds, scale, path)
    axes[0, 1].set_title(f"M-mode (dashed: true path, {np.ptp(path):.1f} mm)")
    axes[0, 1].set_ylabel("Depth (mm)", labelpad=0)
    _ceilings(axes[0, 2], ceilings, cutoff, len(others))
    diseased = others["stage"].to_numpy() >= cutoff
    for plot, (column, (title, unit)) in zip(axes[1], _CARRIERS.items(), strict=True):
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
    bars = plot.barh(range(len(ceilings)), list(ceilings.values()), 0.55, color=["0.8", _TRUTH_COLOUR], edgecolor="0.3")
    plot.bar_label(bars, fmt="%.2f", padding=3)
    for row, name in enumerate(ceilings):
        plot.text(0.51, row, name, va="center")
    plot.set_yticks([])
    plot.set(xlim=(0.5, 1.06), xticks=[0.5, 0.75, 1.0], ylim=(len(ceilings) - 0.3, -0.7))
    plot.set_title(f"Highest AUC possible at {cutoff_name(cutoff)}")
    plot.set_xlabel(f"AUC in {n:,} virtual patients")
    plot.spines[["top", "right"]].set_visible(False)
