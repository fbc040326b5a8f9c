"""Colours, and that drawing leaves nothing behind."""

import itertools

import matplotlib as mpl
import pytest
from conftest import make_predictions
from matplotlib import pyplot as plt
from PIL import Image

from fibrolib import plots
from fibrolib.diagnostics import BUILT_IN, model_label
from fibrolib.inference import summarise_models
from fibrolib.plots.style import _LINES, _model_colour, _model_dashes, _new_figure, _styled


@pytest.fixture(scope="module")
def metrics():
    return summarise_models(make_predictions())


def test_models_differ_in_colour_and_groups_in_line():
    assert len({record.colour for record in BUILT_IN}) == len({record.label for record in BUILT_IN}) == len(BUILT_IN)
    assert _model_dashes("cnn3d") != _model_dashes("fib4")
    assert model_label("mine") == "mine"
    assert _model_colour("mine") == _model_colour("mine") not in [record.colour for record in BUILT_IN]


def luminance(colour):
    """What grey print shows of a colour, 0 (black) to 100 (CIE 1976 L*, from sRGB)."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in mpl.colors.to_rgb(colour)
    ]
    y = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_luminance_is_that_of_the_standard():
    # 1976 L* of the sRGB primaries, as in Lindbloom's table.
    for colour, expected in {"white": 100, "black": 0, "#FF0000": 53.24, "#00FF00": 87.73, "#0000FF": 32.30}.items():
        assert luminance(colour) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations([record.name for record in BUILT_IN], 2)))
def test_models_are_told_apart_in_grey_print(a, b):
    greys = [luminance(_model_colour(name)) for name in (a, b)]
    assert _model_dashes(a) != _model_dashes(b) or abs(greys[0] - greys[1]) > 25


def test_what_is_no_model_has_no_model_s_colour():
    assert not set(_LINES) & {record.colour for record in BUILT_IN}


@pytest.mark.parametrize("width", [3.0, 12.0])
def test_no_figure_is_wider_than_a_page(tmp_path, width):
    @_styled
    def draw():
        return _new_figure(1, 3, width=width, height=width / 2)[0]

    plots.save_figure(draw(), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width / picture.info["dpi"][0] * 25.4 <= 181


def test_text_of_an_svg_can_be_edited(tmp_path, metrics):
    plots.save_figure(plots.plot_forest(metrics), tmp_path / "forest.svg")
    assert "3D-CNN</text>" in (tmp_path / "forest.svg").read_text("utf-8")


def test_drawing_leaves_matplotlib_as_it_was(metrics):
    before = dict(mpl.rcParams)
    plots.plot_forest(metrics)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, metrics, suffix):
    files = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for path in files:
        plots.save_figure(plots.plot_forest(metrics), path)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_styled_keeps_the_docstring():
    @_styled
    def draw():
        """Draw nothing."""
        return _new_figure()[0]

    assert draw.__doc__ == "Draw nothing."
    assert draw().get_dpi() == 110
