"""How a net was tuned and trained, and what its input looks like."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fibrolib.plots.style import _GUIDE, _hide_ticks, _model_colour, _new_figure, _new_plot, _styled, setting_names

_MOST_FRAMES = 3
"""Frames of a clip that are drawn."""
_CURVES = {"train_loss": "Training loss", "valid_loss": "Validation loss", "valid_auc": "Validation AUC"}


@_styled
def plot_search(search: pd.DataFrame, name: str) -> Figure:
    """AUC of each fold at each setting tried, the chosen one first and in the colour of the model `name`.

    `search` has a row per setting: its parameters (missing where the setting leaves the model's own), ``auc_fold1``
    ..., ``auc_mean``. The first is the chosen one, as in `fibrolib.learning.evaluate`.
    """
    folds = [column for column in search if column.startswith("auc_fold")]
    rows = search.reset_index(drop=True)
    tried = rows[[column for column in rows if not column.startswith("auc_") and column != "rank"]]
    labels = [_broken(name) for name in setting_names([row.dropna().to_dict() for _, row in tried.iterrows()])]
    n_lines = max(label.count("\n") + 1 for label in labels)
    figure, plot = _new_plot(6.0, 1.3 + (0.25 + 0.2 * n_lines) * len(search))
    for place, row in rows.iterrows():
        colour = _model_colour(name) if place == 0 else "0.55"
        plot.scatter(row[folds].astype(float), np.full(len(folds), place), s=28, color=colour, alpha=0.75, linewidth=0)
        plot.plot([row["auc_mean"]] * 2, [place - 0.28, place + 0.28], color=colour, linewidth=2.2)
    plot.plot(rows[folds].astype(float), range(len(rows)), color="0.8", linewidth=0.7, zorder=0)
    plot.set_yticks(range(len(rows)), labels)
    plot.axvline(0.5, **_GUIDE)
    lowest = min(0.4, float(search[folds].min(axis=None)) - 0.03)
    label = f"AUC of a held-out fold\n({len(folds)} folds, joined by lines; bar: mean; dotted: chance)"
    plot.set(xlabel=label, xlim=(lowest, 1.02), ylim=(len(rows) - 0.5, -0.5))
    sns.despine(ax=plot)
    return figure


def _broken(name: str) -> str:
    """Name of a setting in lines that break between its parameters."""
    words = name.replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")
    return textwrap.fill(words, 44).replace("\N{NO-BREAK SPACE}", " ")


@_styled
def plot_schedule(factors: Mapping[str, NDArray[np.floating]], name: str) -> Figure:
    """Share of the full learning rate at each step, by setting; the first line has the colour of the model `name`."""
    figure, plot = _new_plot(6.0, 2.6 + 0.2 * len(factors))
    for number, (label, values) in enumerate(factors.items()):
        colour, dashes = (_model_colour(name), "solid") if number == 0 else (str(0.3 + 0.4 / number), (0, (4, 1.5)))
        plot.plot(np.arange(1, len(values) + 1), values, marker=".", color=colour, linestyle=dashes, label=label)
    plot.set(xlabel="Training step (batch)", ylabel="Factor of the learning rate", ylim=(-0.03, 1.05))
    plot.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10], min_n_ticks=1))
    plot.set_xlim(left=0.5)
    figure.legend(loc="outside lower center", ncols=1)
    sns.despine(ax=plot)
    return figure


@_styled
def plot_curves(histories: pd.DataFrame, name: str) -> Figure:
    """Training curves: folds as thin lines inside the band they span, the final fit as a thick line.

    `histories`: ``epoch, fold`` (missing for the final fit), ``train_loss``, where available ``valid_loss, valid_auc``.
    """
    curves = {column: title for column, title in _CURVES.items() if column in histories}
    figure, axes = _new_figure(1, len(curves), width=2.7 * len(curves), height=2.8)
    for plot, (column, title) in zip(axes[0], curves.items(), strict=True):
        _draw_curve(plot, histories, column, _model_colour(name))
        plot.set_title(title)
        plot.set(xlabel="Epoch", xlim=(0.5, histories["epoch"].max() + 0.5))
        plot.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        sns.despine(ax=plot)
    losses = [plot for plot, column in zip(axes[0], curves, strict=True) if column.endswith("loss")]
    limits = [edge for plot in losses for edge in plot.get_ylim()]
    for plot in losses:
        margin = 0.04 * (max(limits) - min(limits))
        plot.set_ylim(min(limits) - margin, max(limits) + margin)
    if "valid_auc" in curves:
        low, high = (float(histories["valid_auc"].agg(end)) for end in ("min", "max"))
        axes[0, -1].set_ylim(low - 0.05, min(1.02, high + 0.05))
        if low < 0.6:
            axes[0, -1].axhline(0.5, **_GUIDE, zorder=0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_curve(plot: Axes, histories: pd.DataFrame, column: str, colour: str) -> None:
    by_fold = histories.dropna(subset=["fold"]).pivot(index="epoch", columns="fold", values=column)  # noqa: PD010
    final = histories[histories["fold"].isna()]
    stopped = f"band and thin lines: {by_fold.shape[1]} folds"
    plot.fill_between(by_fold.index, by_fold.min(axis=1), by_fold.max(axis=1), color="0.85", linewidth=0, label=stopped)
    plot.plot(by_fold.index, by_fold, color="0.6", linewidth=0.7, marker=".", markersize=4)
    plot.plot(final["epoch"], final[column], color=colour, linewidth=2, marker=".", label="final fit")
    if "valid_loss" in final and final["valid_loss"].notna().any():
        best = final.loc[final["valid_loss"].idxmin()]
        mark = {"marker": "o", "markersize": 7, "markerfacecolor": "white", "markeredgecolor": colour, "clip_on": False}
        plot.plot(best["epoch"], best[column], linestyle="", label="epoch kept", **mark)


@_styled
def plot_model_view(views: Mapping[str, Mapping[str, NDArray[np.floating]]]) -> Figure:
    """Input of a net: a row for each patient and channel, a column for each of a few frames.

    `views` holds, by title of the patient (a stage, never a name), channels ``(frames, height, width)`` by name. ``grey
    value`` is drawn in grey, a channel with negative values around zero, any other from black upwards; a bar gives the
    values of colours.
    """
    rows = [(title, name, channel) for title, channels in views.items() for name, channel in channels.items()]
    if all(len(channel) == 1 for *_, channel in rows):
        return _stills(rows)
    least = min(len(channel) for *_, channel in rows)  # one frame has no difference to a next
    frames = np.linspace(0, least - 1, min(_MOST_FRAMES, least)).round().astype(int)
    size = {"width": 1.1 + 1.8 * len(frames), "height": 0.2 + 2.0 * len(rows)}
    figure, axes = _new_figure(len(rows), len(frames), **size)
    limits = _limits(rows)
    for line, (title, name, channel) in zip(axes, rows, strict=True):
        for plot, frame in zip(line, frames, strict=True):
            plot.imshow(channel[frame], **limits[name])
            place = f"frames {frame + 1} to {frame + 2}" if "difference" in name else f"frame {frame + 1}"
            plot.set_xlabel(place, fontsize="x-small", labelpad=1)
            _hide_ticks(plot)
        line[0].set_ylabel(f"{title}\n{name}", fontsize="small")
        if name != "grey value":
            bar = line[-1].inset_axes([1.04, 0.08, 0.04, 0.84])
            figure.colorbar(line[-1].images[0], cax=bar).ax.tick_params(labelsize="x-small")
    return figure


def _stills(rows: list[tuple[str, str, NDArray[np.floating]]]) -> Figure:
    figure, axes = _new_figure(1, len(rows), width=2.0 * len(rows), height=2.3)
    limits = _limits(rows)
    for plot, (title, name, channel) in zip(axes[0], rows, strict=True):
        plot.imshow(channel[0], **limits[name])
        plot.set_title(title)
        _hide_ticks(plot)
    return figure


def _limits(rows: list[tuple[str, str, NDArray[np.floating]]]) -> dict[str, dict]:
    """Colour map and limits of each channel, shared by all patients so that they can be compared."""
    limits = {}
    for name in dict.fromkeys(name for _, name, _ in rows):
        values = np.concatenate([channel.ravel() for _, other, channel in rows if other == name])
        # A few extreme pixels would leave the rest black.
        top = float(np.quantile(np.abs(values), 0.995)) or 1.0
        if name == "grey value":
            limits[name] = {"cmap": "gray", "vmin": 0.0, "vmax": 1.0}
        elif values.min() < 0:
            limits[name] = {"cmap": "PuOr", "vmin": -top, "vmax": top}
        else:
            limits[name] = {"cmap": "magma", "vmin": 0.0, "vmax": top}
    return limits
