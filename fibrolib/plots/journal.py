"""Figures that are drawn in millimetres: flow of patients, architecture of the nets; and all trainings in one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from fibrolib.diagnostics import model_label
from fibrolib.errors import counted
from fibrolib.plots.style import (
    _MM,
    _SPLIT_COLOURS,
    _SPLIT_LABELS,
    _across,
    _letter,
    _model_colour,
    _new_figure,
    _styled,
    _width,
)
from fibrolib.plots.training import _CURVES, _draw_curve
from fibrolib.stages import at_least, cutoff_name, stage_name

_ARROW = {"arrowstyle": "-|>", "color": "black", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}
_USES = {"train": "cross-validation,\nfinal fit", "validation": "choice of epoch,\nthresholds", "test": "scored once"}
_LINE = 3.2  # mm from one line of text to the next
_LAYERS = {
    "Backbone": "image backbone",
    "StatisticsPool": "pooled statistics",
    "MotionPathway": "motion pathway",
    "LSTM": "LSTM",
    "OrdinalHead": "ordinal head",
}
"""Names of layers for readers; of others the class, in words."""


def _sheet(height: float) -> tuple[Figure, Axes]:
    """An empty drawing of the page's width, with coordinates in millimetres from the lower left corner."""
    width = _width()
    figure = Figure(figsize=(width / _MM, height / _MM))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def _box(plot: Axes, centre: float, top: float, width: float, text: str, colour: str = "black") -> float:
    """Draw a box of text; returns where it ends below."""
    height = _LINE * (text.count("\n") + 1) + 2.4
    low = top - height
    plot.add_patch(Rectangle((centre - width / 2, low), width, height, fill=False, edgecolor=colour, linewidth=0.8))
    plot.text(centre, low + height / 2, text, ha="center", va="center", fontsize="small", linespacing=1.3)
    return low


def _arrow(plot: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    style = _ARROW | ({"connectionstyle": f"arc3,rad={bend}"} if bend else {})
    plot.annotate("", xy=end, xytext=start, arrowprops=style)


@_styled
def plot_flow(
    split: pd.Series,
    stages: pd.Series,
    cutoff: int,
    *,
    metavir: bool = True,
    n_videos: int | None = None,
    excluded: str = "",
    tests: pd.DataFrame | None = None,
) -> Figure:
    """Flow of patients as STARD asks for it: who was excluded, the split, and the results of the index tests.

    `split` (``train, validation, test``) and `stages` are indexed by patient; `excluded` says who was left out before;
    `tests` has a row per diagnostic in the test patients: ``model, missing, tp, fp, fn, tn``.
    """
    width = _width()
    reached, below = cutoff_name(cutoff, metavir), f"below {stage_name(cutoff, metavir)}"
    heads = (reached, below) if metavir else tuple(word.replace(" ", "\n", 1) for word in (reached, below))
    height = 53.5 + (0 if tests is None else 5.0 + _height_of(tests, heads))
    figure, plot = _sheet(height)
    top, middle = height - 0.5, (0.3 if excluded else 0.5) * width
    videos = "" if n_videos is None else f", {counted(n_videos, 'video')}"
    low = _box(plot, middle, top, 0.52 * width, f"Cohort table\n{counted(len(split), 'patient')}{videos}")
    if excluded:
        _box(plot, 0.82 * width, (top + low) / 2 + 4.5, 0.3 * width, excluded)
        _arrow(plot, (0.56 * width, (top + low) / 2), (0.67 * width, (top + low) / 2))
    diseased = pd.Series(at_least(stages, cutoff).astype(bool), index=stages.index).reindex(split.index)
    truth = f"Reference standard in {counted(len(split), 'patient')}\n{_sides(diseased, reached, below, '; ')}"
    _arrow(plot, (middle, low), (middle, low - 5))
    low = _box(plot, middle, low - 5, 0.52 * width, truth)
    fork = low - 4
    plot.plot([middle, middle], [low, fork], color="black", linewidth=0.7)
    centres = dict(zip(_SPLIT_LABELS, (width / 6, width / 2, 5 * width / 6), strict=True))
    plot.plot([width / 6, 5 * width / 6], [fork, fork], color="black", linewidth=0.7)
    for side, centre in centres.items():
        chosen = diseased[split == side]
        counts = _sides(chosen, reached, below, "\n")
        text = f"{_SPLIT_LABELS[side].capitalize()}\n{counted(len(chosen), 'patient')}\n{counts}\n{_USES[side]}"
        _arrow(plot, (centre, fork), (centre, fork - 4))
        low = _box(plot, centre, fork - 4, 0.3 * width, text + "\n" * (side == "test"), _SPLIT_COLOURS[side])
    if tests is not None:
        _arrow(plot, (centres["test"], low), (centres["test"], low - 5))
        _index_tests(plot, low - 5, tests, heads)
    return figure


def _sides(diseased: pd.Series, reached: str, below: str, between: str) -> str:
    return f"{reached}: {diseased.sum()}{between}{below}: {(~diseased).sum()}"


def _height_of(tests: pd.DataFrame, heads: tuple[str, str]) -> float:
    """Height in millimetres of the box of index tests, whose columns have heads of one or two lines."""
    return 3.9 * len(tests) + 9.2 + 2.8 * heads[0].count("\n")


def _index_tests(plot: Axes, top: float, tests: pd.DataFrame, heads: tuple[str, str]) -> None:
    """Draw a box with a row for each index test: who has no result, and whom it calls positive and negative."""
    width = _width()
    places = width * np.array([0.39, 0.52, 0.645, 0.785, 0.91])
    height = _height_of(tests, heads)
    body = top - height + 3.9 * len(tests)
    frame = {"fill": False, "edgecolor": _SPLIT_COLOURS["test"], "linewidth": 0.8}
    plot.add_patch(Rectangle((0.5, top - height), width - 1, height, **frame))
    write = {"va": "center", "fontsize": "small"}
    plot.text(2, top - 2.5, "Index test", **write)
    for place, title in zip(
        (places[0], places[1:3].mean(), places[3:].mean()), ("No result", "Positive", "Negative"), strict=True
    ):
        plot.text(place, top - 2.5, title, ha="center", **write)
    for place, word in zip(places[1:], (*heads, *heads), strict=True):
        plot.text(place, (top - 3.2 + body) / 2, word, ha="center", **write)
    plot.plot([1.5, width - 1.5], [body + 0.8] * 2, color="0.5", linewidth=0.5)
    for line, row in enumerate(tests.itertuples()):
        y = body - 1.4 - 3.9 * line
        plot.text(2, y, model_label(row.model), **write)
        for place, count in zip(places, (row.missing, row.tp, row.fp, row.fn, row.tn), strict=True):
            plot.text(place, y, "–" if pd.isna(count) else f"{count:.0f}", ha="center", **write)


def _depths(sources: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Steps of the longest way from the clip to each layer."""
    depths: dict[str, int] = {}
    for name, before in sources.items():  # in the order of passing, so that sources come first
        depths[name] = 1 + max((depths.get(each, 0) for each in before), default=0)
    return depths


@_styled
def plot_architecture(nets: Mapping[str, tuple[str, Mapping[str, Sequence[str]], pd.DataFrame]]) -> Figure:
    """Nets beside each other, the clip above: layers as boxes, with the shape of their output and their weights.

    `nets` holds, by name, what the net is shown, `fibrolib.nets.layer_sources` and `describe_layers` of it.
    """
    depths = {name: _depths(sources) for name, (_, sources, _) in nets.items()}
    step, tallest = 16.5, max(max(each.values()) for each in depths.values())
    height = 18 + step * tallest - 3.5
    figure, plot = _sheet(height)
    column = _width() / len(nets)
    for number, (name, (clip, sources, layers)) in enumerate(nets.items()):
        left = number * column
        plot.text(left + column / 2, height - 2.5, model_label(name), ha="center", va="center", fontweight="bold",
                  color=_model_colour(name))  # fmt: skip
        lows = {"clip": (left + column / 2, _box(plot, left + column / 2, height - 5.5, 0.86 * column, clip))}
        rows = layers[layers["level"] == 1].set_index("layer")
        for layer, depth in depths[name].items():
            beside = [each for each, other in depths[name].items() if other == depth]
            part = column / len(beside)
            centre, top = left + part * (beside.index(layer) + 0.5), height - 18 - step * (depth - 1)
            low = _box(plot, centre, top, 0.86 * part, _layer_text(rows.loc[layer]), _model_colour(name))
            for source in sources[layer]:
                skips = depth - depths[name].get(source, 0) > 1
                x, y = lows[source]
                aside = 0.4 * part if skips else 0.0
                _arrow(plot, (x + aside, y), (centre + aside, top), bend=-0.35 if skips else 0.0)
            lows[layer] = centre, low
    return figure


def _layer_text(row: pd.Series) -> str:
    """Name, size of the output and weights of a layer, a line each."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", row["kind"]).lower()
    shape = " × ".join(re.findall(r"\d+", str(row["output"])))
    return f"{_LAYERS.get(row['kind'], words)}\n{shape}\n{row['learned']:,} of {row['weights']:,}"


@_styled
def plot_trainings(histories: pd.DataFrame) -> Figure:
    """Training curves of all nets that were trained (`histories` with ``model``), a row each; else as `plot_curves`."""
    names = list(dict.fromkeys(histories["model"]))
    curves = {column: title for column, title in _CURVES.items() if column in histories}
    figure, axes = _new_figure(
        len(names), len(curves), width=6.6, height=0.5 + 1.6 * len(names), sharex="row", sharey="col"
    )
    for line, name in zip(axes, names, strict=True):
        rows = histories[histories["model"] == name]
        for plot, column in zip(line, curves, strict=True):
            _draw_curve(plot, rows, column, _model_colour(name))
            plot.set_xlim(0.5, rows["epoch"].max() + 0.5)
            plot.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        line[0].set_ylabel(model_label(name))
    for plot, title in zip(axes[0], curves.values(), strict=True):
        plot.set_title(title)
    for plot in axes[-1]:
        plot.set_xlabel("Epoch")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=_across(55, 3))
    sns.despine(figure)
    _letter(axes[:, 0])
    return figure
