"""The sliders, moved without a browser."""

import io

import numpy as np
import pytest
from PIL import Image

from fibrolib.phantom import Dials
from fibrolib.study.explorer import Explorer


@pytest.fixture(scope="module")
def explorer():
    return Explorer(seed=2, frames=6)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize(
    ("control", "value"), [("severity", 0.0), ("texture", 3.0), ("capsule", 0.0), ("motion", 0.0), ("seed", 5)]
)
def test_every_slider_changes_picture_and_panels(explorer, control, value):
    before, panels, picture = explorer.controls[control].value, explorer.panels, explorer.picture
    explorer.controls[control].value = value
    assert explorer.panels != panels
    # A dial of motion changes the picture too, but only where the heart has moved the tissue by this frame.
    assert explorer.picture != picture
    explorer.controls[control].value = before
    assert (explorer.panels, explorer.picture) == (panels, picture)


def test_what_is_shown_is_what_was_simulated(explorer):
    assert np.array_equal(pixels(explorer.picture), explorer.rendering.frames[explorer.frame.value])


def test_the_frame_slider_turns_the_pages_of_one_heartbeat(explorer):
    rendering, panels = explorer.rendering, explorer.panels
    explorer.frame.value = 3
    assert np.array_equal(pixels(explorer.picture), rendering.frames[3])
    assert explorer.rendering is rendering
    assert explorer.panels == panels
    explorer.frame.value = 0


def test_the_dials_are_those_of_the_sliders(explorer):
    explorer.controls["motion"].value = 2.0
    assert explorer.dials == Dials(motion=2.0)
    explorer.controls["motion"].value = 1.0


def test_sliders_answer_when_let_go_of(explorer):
    assert not any(explorer.controls[name].continuous_update for name in ("severity", "texture", "capsule", "motion"))


def test_without_a_kernel_the_first_state_is_a_picture(explorer):
    shown = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert shown["image/png"]
