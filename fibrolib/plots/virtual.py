"""Figures of virtual patients: plates of pictures, motion mode, and the true movement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fibrolib.plots.style import hide_ticks, new_figure, styled

__all__ = ["draw_arrows", "draw_mmode", "draw_picture", "plot_mmode", "plot_movement", "plot_plate"]

TRUTH_COLOUR = "#F0E442"
"""What was simulated and not seen: yellow in every figure, readable on black and on grey (Okabe & Ito)."""

_STRAIN_MAP = "magma"
_MAGNIFIED = 5.0
"""Arrows are drawn so many times as long as the way they stand for: one to three millimetres would not be seen."""


def draw_picture(plot: Axes, picture: NDArray[np.uint8]) -> None:
    """Show a grey picture without ticks."""
    plot.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
    hide_ticks(plot)


@styled
def plot_plate(
    rows: Mapping[str, Sequence[NDArray[np.uint8]]],
    titles: Sequence[str],
    *,
    scale: float | None = None,
    width: float = 9.0,
) -> Figure:
    """Pictures in rows and columns, with a bar of two centimetres in each row where their scale is known.

    Parameters
    ----------
    rows : mapping of str to sequence of ndarray of uint8, shape (height, width)
        Pictures by the title of their row; those of one row are of one size.
    titles : sequence of str
        Of the columns.
    scale : float or None
        Millimetres per pixel, for the bar.
    width : float
        Of the figure, inches.

    Returns
    -------
    Figure
    """
    shapes = [pictures[0].shape for pictures in rows.values()]
    heights = [width / len(titles) * high / wide for high, wide in shapes]
    size = {"width": width, "height": sum(heights) + 0.3, "height_ratios": heights}
    figure, axes = new_figure(len(rows), len(titles), **size)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for plot, picture in zip(line, pictures, strict=True):
            draw_picture(plot, picture)
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


def draw_mmode(plot: Axes, strip: NDArray[np.uint8], seconds: float, scale: float, path: NDArray | None = None) -> None:
    """Draw one motion-mode strip, and over it the way of the tissue in its middle.

    Parameters
    ----------
    plot : Axes
        Where to draw.
    strip : ndarray of uint8, shape (depth, frames)
        Grey values; its middle row is depth 0.
    seconds : float
        Length of the strip.
    scale : float
        Millimetres per pixel of depth.
    path : ndarray, shape (frames,), optional
        True depth of the tissue in the middle, mm.
    """
    half = len(strip) * scale / 2
    extent = (0, seconds, half, -half)
    plot.imshow(strip, cmap="gray", vmin=0, vmax=255, aspect="auto", extent=extent, interpolation="bilinear")
    if path is not None:
        middle = (np.arange(len(path)) + 0.5) * seconds / len(path)
        plot.plot(middle, path, color=TRUTH_COLOUR, linewidth=1.2, linestyle=(0, (4, 2)))
    plot.set(xlabel="Time (s)", xlim=(0, seconds), ylim=(half, -half))


@styled
def plot_mmode(
    strips: Mapping[str, NDArray[np.uint8]], paths: Mapping[str, NDArray], *, seconds: float, scale: float
) -> Figure:
    """Motion-mode strips under each other, with the true path of the tissue in the middle.

    Parameters
    ----------
    strips : mapping of str to ndarray of uint8, shape (depth, frames)
        By title.
    paths : mapping of str to ndarray, shape (frames,)
        True depth of the tissue in the middle of each strip, mm; of the same titles.
    seconds : float
        Length of the strips.
    scale : float
        Millimetres per pixel of depth.

    Returns
    -------
    Figure
    """
    figure, axes = new_figure(len(strips), width=7.0, height=0.4 + 1.9 * len(strips), sharex=True)
    for plot, (title, strip) in zip(axes[:, 0], strips.items(), strict=True):
        path = paths[title]
        draw_mmode(plot, strip, seconds, scale, path)
        plot.set_title(f"{title}: the tissue in the middle moves by {np.ptp(path):.1f} mm")
        plot.set_ylabel("Depth from the\nmiddle (mm)")
    for plot in axes[:-1, 0]:
        plot.set_xlabel("")
    label = ["true path of the tissue in the middle"]
    figure.legend(axes[0, 0].get_lines(), label, loc="outside lower center", labelcolor="0.2")
    return figure


def draw_arrows(plot: Axes, nodes: NDArray[np.intp], displacement: NDArray, scale: float) -> None:
    """Draw a field of displacement, five times as long as it is, at every other node.

    Parameters
    ----------
    plot : Axes
        A panel that shows the picture.
    nodes : ndarray of int, shape (2, grid rows, grid columns)
        Row and column of the nodes on the picture.
    displacement : ndarray, shape (grid rows, grid columns, 2)
        Right and down, mm; not a number where nothing is drawn.
    scale : float
        Millimetres per pixel.
    """
    every = (slice(None, None, 2), slice(None, None, 2))
    (rows, columns), (right, down) = (part[..., *every] for part in (nodes, np.moveaxis(displacement, -1, 0)))
    known = np.isfinite(right)
    length = _MAGNIFIED / scale
    plot.quiver(
        *(part[known] for part in (columns, rows, right * length, down * length)),
        angles="xy",
        scale_units="xy",
        scale=1,
        color=TRUTH_COLOUR,
        width=0.006,
        headwidth=4,
        headlength=5,
        minlength=0.5,
    )


@styled
def plot_movement(
    pictures: Mapping[str, NDArray[np.uint8]],
    nodes: NDArray[np.intp],
    displacements: Mapping[str, NDArray],
    strains: Mapping[str, NDArray],
    *,
    scale: float,
) -> Figure:
    """True movement towards systole: arrows on the picture, and the strain as colour below it.

    Parameters
    ----------
    pictures : mapping of str to ndarray of uint8, shape (height, width)
        Frames by title.
    nodes : ndarray of int, shape (2, grid rows, grid columns)
        Row and column of the nodes on the pictures.
    displacements : mapping of str to ndarray, shape (grid rows, grid columns, 2)
        Right and down, mm; of the same titles.
    strains : mapping of str to ndarray, shape (grid rows, grid columns)
        Largest principal strain; of the same titles.
    scale : float
        Millimetres per pixel.

    Returns
    -------
    Figure
    """
    width = 2.9 * len(pictures) + 0.8
    figure, axes = new_figure(2, len(pictures), width=width, height=5.0)
    most = 100 * max(np.nanmax(strain) for strain in strains.values())
    step = (nodes[0, 1, 0] - nodes[0, 0, 0]) / 2
    extent = (nodes[1].min() - step, nodes[1].max() + step, nodes[0].max() + step, nodes[0].min() - step)
    for (above, below), (title, picture) in zip(axes.T, pictures.items(), strict=True):
        draw_picture(above, picture)
        draw_arrows(above, nodes, displacements[title], scale)
        draw_picture(below, picture)
        strain = 100 * strains[title]
        shade = {"cmap": _STRAIN_MAP, "vmin": 0, "vmax": most, "alpha": 0.8, "interpolation": "bilinear"}
        below.imshow(np.ma.masked_invalid(strain), extent=extent, **shade)
        below.set(xlim=above.get_xlim(), ylim=above.get_ylim())
        farthest = np.nanmax(np.hypot(*np.moveaxis(displacements[title], -1, 0)))
        above.set_title(f"{title}: up to {farthest:.1f} mm")
        below.set_title(f"{title}: up to {np.nanmax(strain):.2g} %")
    axes[0, 0].set_ylabel(f"Displacement, drawn {_MAGNIFIED:.0f} x")
    axes[1, 0].set_ylabel("Strain")
    figure.colorbar(ScalarMappable(Normalize(0, most), _STRAIN_MAP), ax=axes[1], label="Principal strain (%)")
    return figure
