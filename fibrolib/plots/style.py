"""One look for every figure: colours that mean the same everywhere, sizes, and how a figure is written."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fibrolib.diagnostics import find_diagnostic

__all__ = [
    "SPLIT_COLOURS",
    "SPLIT_LABELS",
    "model_colour",
    "model_dashes",
    "model_label",
    "new_figure",
    "save_figure",
    "stage_colours",
    "styled",
]

SPLIT_COLOURS = {"train": "#4C566A", "validation": "#9AA5B8", "test": "#D08770"}
"""Colour of a side of the split."""

SPLIT_LABELS = {"train": "training", "validation": "validation", "test": "test"}

_FURTHER_COLOURS = ("#000000", "#7F6A00", "#5D3A9B", "#994F00", "#6E6E6E")

_DPI = 150
"""Pixels per inch of written PNG files."""

_RC = {
    "figure.dpi": 110,
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": "small",
    "image.interpolation": "nearest",
}


def model_label(name: str) -> str:
    """Name of a diagnostic for a reader; one without a record keeps its name."""
    record = find_diagnostic(name)
    return record.label if record else name


def model_colour(name: str) -> str:
    """Colour of a diagnostic; one that has none gets a spare colour, always the same for the same name."""
    record = find_diagnostic(name)
    spare = _FURTHER_COLOURS[zlib.crc32(name.encode()) % len(_FURTHER_COLOURS)]
    return record.colour or spare if record else spare


def model_dashes(name: str) -> str:
    """Line style of a diagnostic: nets solid, indices dashed, so that the two also differ in grey print."""
    record = find_diagnostic(name)
    return (0, (4, 1.5)) if record and record.kind == "index" else "solid"


def stage_colours(n_stages: int) -> list[tuple[float, float, float]]:
    """Colours of stages, light to dark with severity."""
    return sns.color_palette("YlOrBr", n_stages + 1)[1:]


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorate a function that draws: paper context, ticks, nothing left behind in matplotlib's settings."""

    @functools.wraps(draw)
    def wrapper(*args: Any, **kwargs: Any) -> Figure:
        with sns.axes_style("ticks"), sns.plotting_context("paper", font_scale=1.05), mpl.rc_context(_RC):
            figure = draw(*args, **kwargs)
            # Laid out once: that takes longer than drawing, and each file and each screen would do it again.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return wrapper


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 6.5, height: float = 4.0, **options: Any
) -> tuple[Figure, Any]:
    """Figure and array of axes, laid out without overlap.

    Parameters
    ----------
    rows, columns : int
        Panels.
    width, height : float
        Inches.
    **options
        Passed to `matplotlib.pyplot.subplots`.

    Returns
    -------
    Figure
    ndarray of Axes, shape (rows, columns)
    """
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained", **options)
    # pyplot makes Jupyter ready to show figures; closed at once, it shows each only where a cell returns it.
    plt.close(figure)
    return figure, axes


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as the suffix of ``path`` says; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : Path
        ``.png`` or ``.svg``.
    """
    # matplotlib names the parts of an SVG by random numbers and writes the date into it, unless told otherwise.
    with mpl.rc_context({"svg.hashsalt": "fibrolib"}):
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, bbox_inches="tight", dpi=_DPI, metadata=metadata)


def hide_ticks(axes: Axes) -> None:
    """Turn a panel into a picture: no ticks, no frame."""
    axes.set(xticks=[], yticks=[])
    sns.despine(ax=axes, left=True, bottom=True)
