"""One look for every figure: colours and labels that mean the same everywhere, sizes, and how a figure is written."""

from __future__ import annotations

import functools
import io
import tomllib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from fibrolib.diagnostics import BUILT_IN, find_diagnostic

_SPLIT_COLOURS = {"train": "#4C566A", "validation": "#9AA5B8", "test": "#D08770"}
"""Colour of a side of the split."""
_SPLIT_LABELS = {"train": "training", "validation": "validation", "test": "test"}
_OUTLINE = "#56B4E9"
"""Of a marked region: sky blue (Okabe & Ito), which inferno does not hold."""
_GUIDE = {"color": "0.6", "linewidth": 0.8, "linestyle": ":"}
"""Line of chance, of equality, or of a limit."""
_DASHES = {
    "net": ("solid", (0, (7, 1)), (0, (7, 1, 1.2, 1))),
    "index": ((0, (3, 1.5)), (0, (3, 1.2, 1, 1.2)), (0, (1.2, 1.2))),
}
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
    "legend.title_fontsize": "small",
    "image.interpolation": "nearest",
}
_TERMS = {"backbone_lr_scale": "backbone's share of the learning rate", "tuned_share": "share of layers tuned"}
"""Words for parameters whose names say too little."""
_METHOD_LABELS = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "layercam": "Layer-CAM"}
_LAYER_LABELS = {"own": "", "fine": ", fine layer", "pixels": ""}


_LINES = ("#332288", "#AA4499", "#44AA99", "#999933", "#882255", "#DDCC77")
"""Of what is no model (methods, comparisons): Tol's muted scheme, which shares no colour with the diagnostics."""
_WIDEST = 6.9
"""Inches: with the margin that a file adds, no figure is wider than a journal's page (181 mm)."""
_MM = 25.4  # in an inch
_SMALLEST_TEXT, _THINNEST_LINE = 6.0, 0.5  # points: less is not read, or not printed
_PANEL = 1.62  # inches across, on a screen
_SCREEN = 165.0
"""Width in millimetres of a drawing that is made for no page."""


@dataclass(frozen=True)
class Page:
    """A journal's page, from ``journals.toml``: widths of figures in mm, letters in points, dots per inch.

    ``style`` is a file of matplotlib settings of the user's own, whose settings come last.
    """

    widths: tuple[float, float, float]
    font_size: float
    drawing_dpi: int
    picture_dpi: int
    style: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """Matplotlib's settings: ``journal.mplstyle``, then the journal's letters, then the user's file."""
        read = functools.partial(mpl.rc_params_from_file, use_default_template=False)
        settings = dict(read(Path(__file__).with_name("journal.mplstyle")))
        settings |= dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), self.font_size)
        return settings | (dict(read(self.style)) if self.style else {})


def journals() -> dict[str, dict[str, Any]]:
    """Arguments of `Page` by journal."""
    return tomllib.loads((resources.files("fibrolib.plots") / "journals.toml").read_text("utf-8"))


_printing: ContextVar[tuple[Page, float] | None] = ContextVar("page and width in mm of what is drawn", default=None)


@contextmanager
def for_print(page: Page, width: float) -> Iterator[None]:
    """Figures that are drawn within are exactly ``width`` mm wide and in the style of the page; so they are saved."""
    token = _printing.set((page, width))
    try:
        with mpl.rc_context(page.settings):
            yield
    finally:
        _printing.reset(token)


def _width() -> float:
    """Width in millimetres of what is drawn."""
    return _printing.get()[1] if _printing.get() else _SCREEN


def _across(least: float, otherwise: int) -> int:
    """How many panels of at least so many mm fit beside each other in print; on a screen, `otherwise`."""
    return max(1, int(_width() // least)) if _printing.get() else otherwise


def _letter(panels: Sequence[Axes]) -> None:
    """Give panels their letters in print."""
    if _printing.get() is None or len(panels) < 2:
        return
    for letter, panel in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", panels, strict=False):
        place = {"xycoords": "axes fraction", "textcoords": "offset points", "xytext": (-3, 3)}
        panel.annotate(letter, (0, 1), ha="right", va="bottom", fontweight="bold", fontsize=8, **place)


def _fit_for_print(figure: Figure) -> None:
    """Let no letter and no line be smaller than what print shows."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if any(label.get_fontsize() < _SMALLEST_TEXT for label in axis.get_ticklabels()):
                axis.set_tick_params(labelsize=_SMALLEST_TEXT)
    for text in figure.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), _SMALLEST_TEXT))
    for part in figure.findobj(lambda each: isinstance(each, Line2D | Patch)):
        if 0 < part.get_linewidth() < _THINNEST_LINE:
            part.set_linewidth(_THINNEST_LINE)
    for part in figure.findobj(Collection):
        part.set_linewidth([width and max(width, _THINNEST_LINE) for width in np.atleast_1d(part.get_linewidth())])


def _model_colour(name: str) -> str:
    """Colour of a diagnostic; one that has none gets a spare colour, always the same for the same name."""
    record = find_diagnostic(name)
    return (record and record.colour) or _FURTHER_COLOURS[zlib.crc32(name.encode()) % len(_FURTHER_COLOURS)]


def _model_dashes(name: str) -> str | tuple:
    """Line style of a diagnostic: long for nets, short for indices, no two of the package alike, for grey print."""
    record = find_diagnostic(name)
    kind = record.kind if record else "net"
    beside = [each.name for each in BUILT_IN if each.kind == kind]
    return _DASHES[kind][beside.index(name) % 3 if name in beside else 0]


def _stage_colours(n_stages: int) -> list[tuple[float, float, float]]:
    """Colours of stages, light to dark with severity."""
    return sns.color_palette("YlOrBr", n_stages + 1)[1:]


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorate a function that draws: paper context, ticks, nothing left behind in matplotlib's settings."""

    @functools.wraps(draw)
    def wrapper(*args: Any, **kwargs: Any) -> Figure:
        printing = _printing.get()
        rc = _RC | printing[0].settings if printing else _RC
        with sns.axes_style("ticks"), sns.plotting_context("paper", font_scale=0.94), mpl.rc_context(rc):
            figure = draw(*args, **kwargs)
            if printing:
                _fit_for_print(figure)
            if engine := figure.get_layout_engine():
                # Laid out once: that takes longer than drawing, and each file would do it again.
                engine.execute(figure)
                figure.set_layout_engine(None)
            return figure

    return wrapper


def _new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 6.5, height: float = 4.0, **options: Any
) -> tuple[Figure, Any]:
    """Figure (width and height in inches) and array of axes, shape (rows, columns), laid out without overlap.

    In print the page gives the width, and the height follows, as it does where a screen's figure would be too wide.
    """
    across = _width() / _MM if _printing.get() else min(width, _WIDEST)
    width, height = across, height * across / width
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained", **options)
    # pyplot makes Jupyter ready to show figures; closed at once, it shows each only where a cell returns it.
    plt.close(figure)
    return figure, axes


def _new_plot(width: float, height: float) -> tuple[Figure, Axes]:
    """Figure of a single panel, and that panel."""
    figure, axes = _new_figure(width=width, height=height)
    return figure, axes[0, 0]


def _panels(names: Sequence[str], height: float, x: str, y: str) -> tuple[Figure, dict[str, Axes]]:
    """Up to four panels in a row (in print, as many as fit), one for each diagnostic, and the labels of their axes."""
    columns = max(1, min(_across(37, 4), len(names)))
    rows = max(1, -(-len(names) // columns))
    zoom = 1.6 if len(names) == 1 else 1  # a legend is wider than a lone panel
    size = {"width": 0.4 + _PANEL * columns * zoom, "height": 0.4 + height * rows * zoom}
    figure, axes = _new_figure(rows, columns, sharex=True, sharey=True, **size)
    for spare in axes.flat[len(names) :]:
        spare.remove()
    panels = list(axes.flat[: len(names)])
    for lowest in panels[-columns:]:
        lowest.tick_params(labelbottom=True)
    figure.supxlabel(x, fontsize="medium")
    figure.supylabel(y, fontsize="medium")
    sns.despine(figure)
    _letter(panels)
    return figure, dict(zip(names, panels, strict=True))


def _name_rows(plot: Axes, names: Sequence[str]) -> None:
    """Name the rows of a panel from the top downwards, with neither ticks nor frame at their side."""
    plot.set_yticks(range(len(names)), names)
    plot.set_ylim(len(names) - 0.5, -0.5)
    plot.tick_params(axis="y", length=0)
    sns.despine(ax=plot, left=True)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, by the suffix of `path`; the same figure gives the same bytes."""
    # matplotlib names the parts of an SVG by random numbers and writes the date into it, unless told otherwise.
    with mpl.rc_context({"svg.hashsalt": "fibrolib", "svg.fonttype": "none"}):
        metadata = {"Date": None} if path.suffix == ".svg" else None
        # The part to be saved is given, as "tight" would draw the figure once more to find it.
        part = figure.get_tightbbox().padded(mpl.rcParams["savefig.pad_inches"])
        figure.savefig(path, bbox_inches=part, dpi=_DPI, metadata=metadata)


@dataclass(frozen=True)
class Picture:
    """A PNG file that `save_figure` wrote: a notebook's cell shows it, in the figure's size, without drawing again."""

    path: Path

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        with Image.open(self.path) as picture:
            width = picture.width
        return self.path.read_bytes(), {"width": round(width * _RC["figure.dpi"] / _DPI)}

    def __repr__(self) -> str:
        return f"<{self.path.name}>"


def save_print(figure: Figure, stem: Path, dpi: int) -> tuple[Path, ...]:
    """Write a figure at its own size (within `for_print`) as PDF, SVG, PNG and TIFF; returns their paths."""
    pdf, svg, png, tif = (stem.with_suffix(f".{suffix}") for suffix in ("pdf", "svg", "png", "tif"))
    with mpl.rc_context({"svg.hashsalt": "fibrolib"}):
        figure.savefig(pdf, dpi=dpi, metadata={"CreationDate": None})
        figure.savefig(svg, dpi=dpi, metadata={"Date": None})
        figure.savefig(png, dpi=dpi, facecolor="white")
    with Image.open(png) as picture:  # without the fourth channel, which printers refuse
        picture.convert("RGB").save(tif, compression="tiff_lzw", dpi=(dpi, dpi))
    return pdf, svg, png, tif


def _hide_ticks(axes: Axes) -> None:
    """Turn a panel into a picture: no ticks, no frame."""
    axes.set(xticks=[], yticks=[])
    sns.despine(ax=axes, left=True, bottom=True)


def _draw_picture(plot: Axes, picture: NDArray, interpolation: str = "nearest") -> None:
    """Show a grey picture of uint8 without ticks."""
    plot.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation=interpolation)
    _hide_ticks(plot)


def _outline(plot: Axes, mask: NDArray[np.bool_] | None, colour: str = _OUTLINE, width: float = 0.8) -> None:
    """Draw the outline of a region of a picture, where there is one."""
    if mask is not None and mask.any():
        plot.contour(mask.astype(float), levels=[0.5], colors=colour, linewidths=width)


def with_interval(value: float, low: float, high: float) -> str:
    """``0.85 (0.62–0.95)``; limits of what may be negative as ``-0.10 to 0.70``; a dash where there is no number."""
    if np.isnan(value):
        return "–"
    if np.isnan(low):
        return f"{_number(value)} (no interval)"
    # A dash between limits of which one has a minus would be misread.
    between = " to " if low < 0 else "–"
    return f"{_number(value)} ({_number(low)}{between}{_number(high)})"


def _number(value: float) -> str:
    # Beyond a hundred (likelihood ratios, slopes of nearly constant predictions) no decimals mean anything.
    text = f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}".replace("inf", "∞")
    return text.replace("-0.00", "0.00").replace("-", "−")


def signed(value: float) -> str:
    """``+0.12`` or ``−0.12``."""
    return f"{value:+.2f}".replace("-", "−")


def p_value(p: float) -> str:
    """``0.032``, ``< 0.001`` or ``> 0.99``; a dash where there is none."""
    if np.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else "> 0.99" if p > 0.99 else f"{p:.3f}"


def p_text(p: float) -> str:
    """``p = 0.032``, ``p < 0.001`` or ``p > 0.99``."""
    value = p_value(p)
    return f"p {value}" if value[0] in "<>" else f"p = {value}"


def setting_label(setting: Mapping[str, object]) -> str:
    """Parameters of a model in words, such as "learning rate 0.1, weights simulation"; empty where none is set.

    Options of a net are a mapping of their own, or named ``options.<name>``.
    """
    named: dict[str, object] = {}
    for name, value in setting.items():
        named |= value if isinstance(value, Mapping) else {name.rpartition(".")[2]: value}
    return ", ".join(f"{_TERMS.get(name, name.replace('_', ' '))} {_short(value)}" for name, value in named.items())


def setting_names(settings: Sequence[Mapping[str, object]]) -> list[str]:
    """Short names of the settings of a grid: the initial weights where these tell them apart, else all parameters."""
    weights = [str(setting.get("weights", "")) for setting in settings]
    if all(weights) and len(set(weights)) == len(weights):
        return [f"{each} weights" for each in weights]
    unset = "the model's own settings" if len(settings) > 1 else "the only setting"
    return [setting_label(setting) or unset for setting in settings]


def _short(value: object) -> str:
    # 0.00001 and not 1e-05, which no journal prints.
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)


def method_label(method: str, layer: str = "own") -> str:
    """Name of a saliency method, and of its layer where that is not the net's own, for a reader."""
    return _METHOD_LABELS.get(method, method.capitalize()) + _LAYER_LABELS[layer]


def png_bytes(figure: Figure, dpi: int = 96) -> bytes:
    """A figure as PNG, without the second drawing that cropping its margins would cost."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    return buffer.getvalue()
