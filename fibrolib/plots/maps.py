"""Saliency maps over the frames they explain: one overlay for plates, clips and the viewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from fibrolib.attribution import Explanation
from fibrolib.plots.style import _draw_picture, _hide_ticks, _new_figure, _outline, _styled

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
    size = {"width": 1.35 * columns + 0.9, "height": 1.42 * len(plates) + 0.5}
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
    note = f" (maximum of the clip = 1){_outline_note(plates.values(), region)}" if len(plates) > 1 else ""
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
        line[0].set_ylabel(title, fontsize="small")
    for plot, column in zip(axes[0], ["frame", *columns], strict=True):
        plot.set_title(column, fontsize="small", fontweight="normal")
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), _COLOURS), ax=axes, shrink=0.6)
    note = _outline_note((cam for maps in rows.values() for cam in maps.values()), region)
    bar.set_label(f"Relevance (maximum of a clip = 1){note}", fontsize="small")
    return figure


def _finish(plot: Axes, cam: Explanation, frame: int) -> None:
    _outline(plot, cam.roi if cam.roi is None else cam.roi[frame], width=0.7)
    _hide_ticks(plot)
