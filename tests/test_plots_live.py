"""A figure under sliders, used without a browser."""

import base64

import pytest

from fibrolib.plots import LiveFigure
from fibrolib.plots.style import _new_plot, _styled


@_styled
def bar(height: float, colour: str):
    figure, plot = _new_plot(2, 1)
    plot.bar([0], [height], color=colour)
    plot.set_ylim(0, 1)
    return figure


@pytest.fixture
def live():
    def draw(height, colour):
        return bar(height, colour), f"{height} {colour}"

    return LiveFigure(draw, {"height": 0.25}, height=(0.0, 1.0, 0.05), colour=["red", "blue"])


def test_it_begins_where_it_is_told(live):
    assert live.caption == "0.25 red"


@pytest.mark.parametrize(("name", "value", "caption"), [("height", 0.5, "0.5 red"), ("colour", "blue", "0.25 blue")])
def test_moving_a_control_draws_again(live, name, value, caption):
    before = live.picture
    live.controls[name].value = value
    assert live.caption == caption
    assert live.picture != before
    live.controls[name].value = {"height": 0.25, "colour": "red"}[name]
    assert live.picture == before


def test_sliders_answer_where_they_are_let_go_of(live):
    assert live.controls["height"].continuous_update is False


def test_a_control_may_have_any_name():
    live = LiveFigure(lambda draw, values: (bar(draw, "red"), str(values)), draw=(0.0, 1.0), values=[3, 4])
    assert live.caption == "3"


def test_without_a_kernel_the_present_figure_is_a_picture(live):
    live.controls["height"].value = 0.75
    shown = live._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert base64.b64decode(shown["image/png"]) == live.picture
