"""Colours, and that drawing leaves nothing behind."""

import matplotlib as mpl
import pytest
from conftest import make_predictions
from matplotlib import pyplot as plt

from fibrolib import plots
from fibrolib.diagnostics import BUILT_IN, model_label
from fibrolib.inference import summarise_models
from fibrolib.plots.style import _model_colour, _model_dashes, _new_figure, _styled


@pytest.fixture(scope="module")
def metrics():
    return summarise_models(make_predictions())


def test_models_differ_in_colour_and_groups_in_line():
    assert len({record.colour for record in BUILT_IN}) == len({record.label for record in BUILT_IN}) == len(BUILT_IN)
    assert _model_dashes("cnn3d") != _model_dashes("fib4")
    assert model_label("mine") == "mine"
    assert _model_colour("mine") == _model_colour("mine") not in [record.colour for record in BUILT_IN]


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
