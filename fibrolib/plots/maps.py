"""Draw saliency maps, and what tests of them found."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import t as student

from fibrolib.attribution import TIMES, Explanation
from fibrolib.diagnostics import model_label
from fibrolib.plots.style import (
    _GUIDE,
    _LINES,
    _draw_picture,
    _hide_ticks,
    _model_colour,
    _name_rows,
    _new_figure,
    _outline,
    _stage_colours,
    _styled,
    method_label,
)
from fibrolib.stages import stage_name

OPACITY = 0.55
"""Of the most relevant place: ultrasound shows through everywhere."""
_COLOURS = "inferno"
"""Colour map of relevance: perceptually uniform (van der Walt & Smith 2015), and no grey of the ultrasound."""


def _overlay_frames(explanation: Explanation, opacity: float = OPACITY) -> NDArray[np.uint8]:
    """Every frame under its map, shape (frames, height, width, 3); `opacity` is that of the most relevant place."""
    colour = mpl.colormaps[_COLOURS](explanation.relevance)[..., :3]
    share = opacity * explanation.relevance[..., None]
    return np.uint8((1 - share) * explanation.frames[..., None] + share * 255 * colour + 0.5)


def beside_overlay(explanation: Explanation, opacity: float = OPACITY) -> NDArray[np.uint8]:
    """Frames, the same under their maps, and the colour scale: ``(frames, height, 2 width + 8, 3)`` of uint8."""
    plain = np.repeat(explanation.frames[..., None], 3, axis=3)
    count, height = plain.shape[:2]
    gap = np.full((count, height, 2, 3), 255, np.uint8)
    colours = np.uint8(255 * mpl.colormaps[_COLOURS](np.linspace(1, 0, height))[:, None, :3] + 0.5)
    scale = np.broadcast_to(colours, (count, height, 4, 3))
    return np.concatenate([plain, gap, _overlay_frames(explanation, opacity), gap, scale], axis=2)


def film(explanation: Explanation, zoom: int = 3) -> NDArray[np.uint8]:
    """`beside_overlay`, enlarged `zoom` times for a screen; height and width are even, as video codecs require."""
    frames = beside_overlay(explanation)
    height, width = (zoom * side for side in frames.shape[1:3])
    large = [Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC) for frame in frames]
    return np.pad(np.stack(large), ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), constant_values=255)


@_styled
def plot_maps(plates: Mapping[str, Explanation], *, region: str = "capsule") -> Figure:
    """A row per patient: frame, map and overlay where least and where most moves, and M-mode (not for stills).

    `plates` holds maps by title of the patient (a stage, never a name); the marked `region` is outlined.
    """
    moving = all(len(cam.frames) > 1 for cam in plates.values())
    columns = 7 if moving else 3
    size = {"width": 1.35 * columns + 1.1, "height": (1.42 if moving else 1.2) * len(plates) + 0.5}
    figure, axes = _new_figure(len(plates), columns, **size)
    for line, (title, cam) in zip(axes, plates.items(), strict=True):
        # Least moves towards diastole, most in systole, where the heart moves the tissue.
        frames = (cam.movement.argmin(), cam.movement.argmax()) if moving else (0,)
        for triple, frame in zip((line[:3], line[3:6]), frames, strict=False):
            _draw_triple(triple, cam, frame)
        if moving:
            _draw_mmode(line[6], line[5], cam)
        line[0].set_ylabel(f"{title}\nscore {cam.score:.2f}", fontsize="small")
    for at, name in enumerate(("frame", "map", "overlay") * (2 if moving else 1)):
        when = ("", "least motion\n")[at == 0] if at < 3 else ("", "most motion\n")[at == 3]
        axes[0, at].set_title(f"{when if moving else ''}{name}", fontsize="small", fontweight="normal")
    if moving:
        axes[0, 6].set_title("motion mode\nof the dashed line", fontsize="small", fontweight="normal")
    whole = "clip" if moving else "image"
    note = f" (maximum of the {whole} = 1){_outline_note(plates.values(), region)}" if len(plates) > 1 else ""
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), _COLOURS), ax=axes, shrink=0.6)
    bar.set_label(f"Relevance{note}", fontsize="small")
    return figure


def _outline_note(maps: Iterable[Explanation], region: str) -> str:
    outlined = any(cam.roi is not None and cam.roi.any() for cam in maps)
    return f"\n(blue outline: {region})" if outlined else ""


def _draw_triple(line: NDArray, cam: Explanation, frame: int) -> None:
    _draw_picture(line[0], cam.frames[frame])
    line[1].imshow(np.ma.masked_where(~cam.sector, cam.relevance[frame]), cmap=_COLOURS, vmin=0, vmax=1)
    line[2].imshow(_overlay_frames(cam)[frame])
    for plot in line:
        _finish(plot, cam, frame)
    if len(cam.frames) > 1:
        line[0].set_xlabel(f"{cam.times[frame]:.2f} s", fontsize="x-small", labelpad=1)


def _draw_mmode(plot: Axes, overlay: Axes, cam: Explanation) -> None:
    """Depth down, time to the right: the column of pixels that holds most relevance, frame beside frame."""
    column = int(cam.relevance.sum(axis=(0, 1)).argmax()) if cam.relevance.any() else cam.frames.shape[2] // 2
    plot.imshow(_overlay_frames(cam)[:, :, column].transpose(1, 0, 2), aspect="auto")
    overlay.axvline(column, color="white", linewidth=0.7, linestyle=(0, (3, 2)))
    _hide_ticks(plot)
    plot.set_box_aspect(1)
    plot.set_xlabel(f"{np.ptp(cam.times):.1f} s", fontsize="x-small", labelpad=1)


@_styled
def plot_overlays(rows: Mapping[str, Mapping[str, Explanation]], *, region: str = "capsule") -> Figure:
    """The middle frame of a clip, then under several maps; `rows`: maps of one clip by title of row and of column."""
    columns = list(next(iter(rows.values())))
    size = {"width": 1.5 * (len(columns) + 1) + 1.3, "height": 1.55 * len(rows) + 0.6}
    figure, axes = _new_figure(len(rows), len(columns) + 1, **size)
    for line, (title, maps) in zip(axes, rows.items(), strict=True):
        for plot, column in zip(line[1:], columns, strict=True):
            cam = maps[column]
            middle = len(cam.frames) // 2
            plot.imshow(_overlay_frames(cam)[middle])
            _finish(plot, cam, middle)
            plot.set_xlabel(f"score {cam.score:.2f}", fontsize="x-small", labelpad=1)
        _draw_picture(line[0], cam.frames[middle])
        _finish(line[0], cam, middle)
        line[0].set_ylabel(textwrap.fill(title, 15), fontsize="small")
    for plot, column in zip(axes[0], ["frame", *columns], strict=True):
        plot.set_title(column.replace(", ", ",\n"), fontsize="small", fontweight="normal")
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), _COLOURS), ax=axes, shrink=0.6)
    note = _outline_note((cam for maps in rows.values() for cam in maps.values()), region)
    bar.set_label(f"Relevance (maximum of a clip = 1){note}", fontsize="small")
    return figure


def _finish(plot: Axes, cam: Explanation, frame: int) -> None:
    _outline(plot, cam.roi if cam.roi is None else cam.roi[frame], width=0.7)
    _hide_ticks(plot)


_METHODS = ("gradcam", "gradcam++", "layercam", "integrated gradients", "occlusion")
_METHOD_LOOKS = dict(zip(_METHODS, zip(_LINES, "os^Dv", strict=False), strict=True))
_ORDER_LOOKS = {"relevance": ("#000000", "solid"), "random": ("0.55", (0, (4, 2))), "centre": ("0.55", (0, (1, 1.5)))}
_BAND = {"color": "0.5", "alpha": 0.25, "linewidth": 0, "label": "95 % interval of its mean"}
_ORDER_LABELS = {"relevance": "most relevant first", "random": "random order", "centre": "from the centre outwards"}
_SIGNAL_LOOKS = dict(zip(("capsule", "texture", "motion"), zip(_LINES, "Do^", strict=False), strict=True))


@_styled
def plot_sanity(judged: pd.DataFrame) -> Figure:
    """Sanity tests (from `fibrolib.attribution.judge`): a panel per test, a row per net; grey is where they pass."""
    judged = judged if "model" in judged else judged.assign(model="")
    tests, models = list(dict.fromkeys(judged["test"])), list(dict.fromkeys(judged["model"]))
    methods = list(dict.fromkeys(judged["method"]))
    size = {"width": 1.75 * len(tests) + 1.6, "height": 0.26 * max(3, len(methods)) * len(models) + 1.1}
    figure, axes = _new_figure(len(models), len(tests), sharey="row", sharex=True, **size)
    for line, model in zip(axes, models, strict=True):
        for plot, test in zip(line, tests, strict=True):
            rows = judged[(judged["model"] == model) & (judged["test"] == test)].set_index("method")
            above, threshold = rows["rule"].iloc[0].startswith(">="), float(rows["rule"].iloc[0].split()[1])
            plot.axvspan(*((threshold, 1.05) if above else (-threshold, threshold)), color="0.92", linewidth=0)
            for at, method in enumerate(methods):
                if method in rows.index:
                    _draw_judgement(plot, at, rows.loc[method], _METHOD_LOOKS[method])
            plot.set(xlim=(-1.05, 1.05), xticks=[-1, 0, 1])
            _name_rows(plot, [method_label(method) for method in methods])
        line[0].set_ylabel(model_label(model).replace(" + ", "\n+ "), fontweight="bold", fontsize="small")
    for plot, test in zip(axes[0], tests, strict=True):
        plot.set_title(test, fontsize="small")
    figure.supxlabel("Rank correlation of maps (grey: range of a pass; filled: passed)", fontsize="small")
    return figure


def _look(method: str) -> dict[str, str]:
    colour, marker = _METHOD_LOOKS[method]
    return {"color": colour, "marker": marker, "label": method_label(method)}


def _draw_judgement(plot, at: int, row: pd.Series, look: tuple[str, str]) -> None:
    colour, marker = look
    plot.plot([row["value_low"], row["value_high"]], [at, at], color=colour, linewidth=1.2)
    face = colour if row["passed"] else "white"
    plot.plot(row["value"], at, marker, markerfacecolor=face, markeredgecolor=colour, markersize=5)


@_styled
def plot_cascade(cascade: pd.DataFrame, *, line: float = 0.3) -> Figure:
    """How fast maps change while weights are randomised (`cascading_randomisation`); within `line`: negligible."""
    models = list(dict.fromkeys(cascade["model"]))
    figure, axes = _new_figure(1, len(models), width=2.5 * len(models) + 1.7, height=2.9, sharey=True, sharex=True)
    for plot, model in zip(axes[0], models, strict=True):
        plot.axhspan(-line, line, color="0.92", linewidth=0, label="negligible")
        for method, rows in cascade[cascade["model"] == model].groupby("method", sort=False):
            mean = rows.groupby("share")["correlation"].mean()
            plot.plot(100 * mean.index, mean, markersize=4, **_look(method))
        plot.set_title(model_label(model))
        plot.set(xlabel="Layers shuffled (%)", ylim=(-0.6, 1.05))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Rank correlation with\nthe map of the intact network")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
def plot_faithfulness(curves: pd.DataFrame) -> Figure:
    """Mean score of a net against the share removed or put back, a row per method (`faithfulness_by_method`).

    The order of the map has a band, Student's interval over the patients.
    """
    methods, kinds = (list(dict.fromkeys(curves[name])) for name in ("method", "curve"))
    size = {"width": 2.1 * len(kinds) + 1.6, "height": 1.45 * len(methods) + 0.5}
    figure, axes = _new_figure(len(methods), len(kinds), sharex=True, sharey=True, **size)
    for line, method in zip(axes, methods, strict=True):
        for plot, kind in zip(line, kinds, strict=True):
            rows = curves[(curves["method"] == method) & (curves["curve"] == kind)]
            for order, (colour, dashes) in _ORDER_LOOKS.items():
                scores = rows[rows["order"] == order].groupby("fraction")["score"]
                mean, half = scores.mean(), scores.sem() * student.ppf(0.975, scores.size() - 1)
                look = {"color": colour, "linestyle": dashes, "linewidth": 1.3}
                plot.plot(100 * mean.index, mean, label=_ORDER_LABELS[order], **look)
                if order == "relevance":
                    plot.fill_between(100 * mean.index, mean - half, mean + half, **_BAND)
            sns.despine(ax=plot)
        line[0].set_ylabel(f"{method_label(method)}\nmean score", fontsize="small")
    for plot, kind in zip(axes[0], kinds, strict=True):
        plot.set_title(kind)
    for plot, kind in zip(axes[-1], kinds, strict=True):
        plot.set_xlabel("Image restored (%)" if kind == "insertion" else "Image removed (%)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
def plot_depth(bands: pd.DataFrame) -> Figure:
    """Relevance by depth beside the area there: a panel per net.

    `bands` comes from `fibrolib.attribution.Explanation.by_depth`, averaged over patients, with ``method, model``.
    """
    models = list(dict.fromkeys(bands["model"]))
    figure, axes = _new_figure(1, len(models), width=2.3 * len(models) + 1.7, height=3.0, sharey=True, sharex=True)
    for plot, model in zip(axes[0], models, strict=True):
        rows = bands[bands["model"] == model]
        area = rows.groupby("depth")["area"].mean()
        plot.barh(100 * area.index, 100 * area, height=80 / len(area), color="0.88", label="share of the image")
        for method, part in rows.groupby("method", sort=False):
            mean = part.groupby("depth")["relevance"].mean()
            plot.plot(100 * mean, 100 * mean.index, markersize=4, **_look(method))
        plot.set_title(model_label(model))
        plot.set(xlabel="Relevance (%)", ylim=(100, 0))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel("Depth (% of the image)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@_styled
def plot_planted(summary: pd.DataFrame, judged: pd.DataFrame) -> Figure:
    """Relevance on each region over its share by chance, by place of the signal; a row per net, a column per region.

    `summary` comes from `fibrolib.attribution.summarise_shares`, `judged` from `judge_planted`: what maps so coarse
    could reach on the capsule at best, and what an even map of the liver puts there.
    """
    models, regions = (list(dict.fromkeys(summary[name])) for name in ("model", "region"))
    configs = list(dict.fromkeys(zip(summary["method"], summary["layer"], strict=True)))
    size = {"width": 3.4 * len(regions) + 2.4, "height": (0.42 * len(configs) + 0.35) * len(models) + 1.2}
    figure, axes = _new_figure(len(models), len(regions), sharey=True, sharex="col", **size)
    for line, model in zip(axes, models, strict=True):
        for plot, region in zip(line, regions, strict=True):
            rows = summary[(summary["model"] == model) & (summary["region"] == region)]
            plot.axvline(1, color="0.5", linewidth=0.8)
            for at, (method, layer) in enumerate(configs):
                _draw_signals(plot, at, rows[(rows["method"] == method) & (rows["layer"] == layer)])
            plot.set_xscale("log")
            _name_rows(plot, [method_label(*config) for config in configs])
        line[0].set_ylabel(model_label(model).replace(" + ", "\n+ "), fontweight="bold", fontsize="small")
        verdicts = judged[judged["model"] == model]
        best = verdicts[verdicts["signal"] == "capsule"].set_index(["method", "layer"])["attainable"]
        line[0].axvline(TIMES, color="0.5", linewidth=0.8, linestyle=(0, (4, 2)))
        line[0].axvline(verdicts["chance"].max(), color="0.5", linewidth=0.8, linestyle=":")
        look = {"color": "0.3", "markersize": 9, "label": "best possible at this resolution"}
        line[0].plot(best[configs], range(len(configs)), "|", **look)
    for plot, region in zip(axes[0], regions, strict=True):
        plot.set_title(f"relevance on the {region}", fontsize="small")
    for plot in axes[-1]:
        low, high = plot.get_xlim()
        plot.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 20 * low else (1,)))
        plot.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        plot.xaxis.set_minor_locator(NullLocator())
    label = f"Share of relevance / share of the image (dotted: map spread evenly over the liver; dashed: {TIMES:g})"
    figure.supxlabel(label, fontsize="small")
    handles = dict(zip(*axes[0, 0].get_legend_handles_labels()[::-1], strict=True))  # one for each label
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=2, fontsize="x-small")
    return figure


def _draw_signals(plot, at: int, rows: pd.DataFrame) -> None:
    for number, (signal, (colour, marker)) in enumerate(_SIGNAL_LOOKS.items()):
        for row in rows[rows["signal"] == signal].itertuples():
            height = at + 0.22 * (number - 1)
            plot.plot([row.ratio_low, row.ratio_high], [height, height], color=colour, linewidth=1.3)
            plot.plot(row.ratio, height, marker, color=colour, markersize=4.5, label=f"signal in the {signal}")


@_styled
def plot_shares(attribution: pd.DataFrame, *, metavir: bool = True, region: str = "capsule") -> Figure:
    """Share of relevance on a region against its share of the area, a panel per net and a dot per patient.

    `attribution` has a row per patient and model: ``model, stage, relevance, area``.
    """
    attribution = attribution.dropna(subset=["relevance"])
    names = list(dict.fromkeys(attribution["model"]))
    levels = np.arange(attribution["stage"].min(), attribution["stage"].max() + 1)
    colours = dict(zip(levels, _stage_colours(len(levels)), strict=True))
    figure, axes = _new_figure(1, len(names), width=2.6 * len(names) + 0.9, height=3.1, sharex=True, sharey=True)
    top = 110 * max(attribution["relevance"].max(), attribution["area"].max())
    for plot, name in zip(axes[0], names, strict=True):
        rows = attribution[attribution["model"] == name]
        plot.plot([0, top], [0, top], **_GUIDE, label="no preference")
        for level in levels:
            dots = 100 * rows.loc[rows["stage"] == level, ["area", "relevance"]]
            look = {"s": 26, "color": colours[level], "edgecolor": "0.3", "clip_on": False}
            plot.scatter(dots["area"], dots["relevance"], label=stage_name(level, metavir), **look)
        plot.set_title(f"{model_label(name)}\n(n = {len(rows)})", color=_model_colour(name))
        plot.set(xlim=(0, 115 * attribution["area"].max()), ylim=(-0.03 * top, top))
        sns.despine(ax=plot)
    axes[0, 0].set_ylabel(f"Relevance on the {region} (%)")
    figure.supxlabel(f"Part of the image that is covered by the {region} (%)", fontsize="medium")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), title="Stage")
    return figure
