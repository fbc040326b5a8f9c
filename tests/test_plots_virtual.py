"""Figures of virtual patients show what they are given."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fibrolib import plots
from fibrolib.plots.patients import _CARRIERS
from fibrolib.plots.style import _stage_colours
from fibrolib.plots.virtual import _TRUTH_COLOUR

SCALE = 0.5
SHAPE = (64, 80)
NODES = np.stack(np.meshgrid(np.arange(4, 64, 8), np.arange(4, 80, 8), indexing="ij"))


def picture(value=100):
    return np.full(SHAPE, value, np.uint8)


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def displacement(length):
    """Everything moves up by `length` mm, but for the first row, which is not liver."""
    field = np.zeros((*NODES.shape[1:], 2))
    field[..., 1] = -length
    field[0] = np.nan
    return field


@pytest.fixture
def truth():
    random = np.random.default_rng(0)
    stage = np.arange(40) % 5
    table = pd.DataFrame({"stage": stage, "stiffness_kpa": 5.0 + 2 * stage, "swe_kpa": 5.5 + 2 * stage})
    return table.assign(texture=random.normal(stage), capsule=random.normal(stage), strain=0.12 / (1 + stage))


def test_a_plate_has_a_picture_per_place_and_a_true_scale():
    rows = {
        "whole": [picture(value) for value in (10, 20, 30)],
        "part": [picture(value)[:40, :40] for value in (1, 2, 3)],
    }
    figure = plots.plot_plate(rows, ["F0", "F1", "F2"], scale=SCALE)
    shown = [axes.images[0].get_array()[0, 0] for axes in figure.axes]
    assert shown == [10, 20, 30, 1, 2, 3]
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == ["F0", "F1", "F2"]
    for axes in (figure.axes[0], figure.axes[3]):
        (bar,) = axes.get_lines()
        assert np.ptp(bar.get_xdata()) * SCALE == pytest.approx(20)


def test_grey_values_are_not_stretched():
    figure = plots.plot_plate({"": [picture()]}, ["F0"], scale=SCALE)
    assert figure.axes[0].images[0].get_clim() == (0, 255)


def test_motion_mode_is_drawn_in_millimetres_and_seconds():
    strip, path = np.zeros((41, 30), np.uint8), np.linspace(-2, 2, 30)
    figure = plots.plot_mmode({"F0": strip, "F4": strip}, {"F0": path, "F4": path / 4}, seconds=1.5, scale=SCALE)
    for axes in figure.axes:
        assert axes.images[0].get_extent() == [0, 1.5, 10.25, -10.25]
        assert axes.get_ylim() == (10.25, -10.25)
    (line,) = figure.axes[0].get_lines()
    assert line.get_ydata().tolist() == path.tolist()
    assert line.get_xdata()[[0, -1]] == pytest.approx([0.025, 1.475])
    assert "F0: the tissue in the middle moves by 4.0 mm" in texts(figure)
    assert "F4: the tissue in the middle moves by 1.0 mm" in texts(figure)


def test_arrows_and_strain_have_the_size_of_the_field():
    strain = np.full(NODES.shape[1:], 0.1)
    strain[0] = np.nan
    fields, strains = {"F0": displacement(2.0), "F4": displacement(1.0)}, {"F0": strain, "F4": strain / 2}
    figure = plots.plot_movement({"F0": picture(), "F4": picture()}, NODES, fields, strains, scale=SCALE)
    soft, stiff = (axes.collections[0] for axes in figure.axes[:2])
    assert isinstance(soft, mpl.quiver.Quiver)
    assert np.unique(soft.V) == pytest.approx([-8 * 2 / SCALE])
    assert np.unique(stiff.V) == pytest.approx([-8 * 1 / SCALE])
    assert soft.N == 3 * 5  # every other node, less the row that is not liver
    assert "F0: up to 2.0 mm" in texts(figure)
    assert "F4: up to 5 %" in texts(figure)
    for axes in figure.axes[2:4]:
        assert axes.images[1].get_clim() == pytest.approx((0, 10))
        assert axes.images[1].get_extent() == pytest.approx([0, 80, 64, 0])


def test_masks_are_outlined_in_colours_of_their_own():
    masks = {name: np.zeros(SHAPE, bool) for name in ("liver", "capsule", "vessels")}
    masks["liver"][10:50, 10:70] = masks["capsule"][10:14, 10:70] = True
    figure = plots.plot_masks({"F0": (picture(), masks)})
    assert len(figure.axes[0].collections) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["liver", "capsule"]


def test_carriers_show_every_patient(truth):
    figure = plots.plot_carriers(truth)
    for axes, column in zip(figure.axes, _CARRIERS, strict=True):
        dots = np.concatenate([dots.get_offsets()[:, 1] for dots in axes.collections])
        assert sorted(dots) == pytest.approx(sorted(truth[column] * (100 if column == "strain" else 1)))


def test_measured_stands_against_true(truth):
    axes = plots.plot_agreement(truth).axes[0]
    dots = np.concatenate([dots.get_offsets() for dots in axes.collections])
    assert sorted(map(tuple, dots)) == sorted(zip(truth["stiffness_kpa"], truth["swe_kpa"], strict=True))
    assert axes.get_aspect() == 1


def test_ceilings_are_dashed_for_stills_and_solid_for_videos():
    points = [(dial, value, cutoff) for dial in ("texture", "motion") for value in (0.0, 1.0) for cutoff in (2, 4)]
    table = pd.DataFrame(points, columns=["dial", "value", "cutoff"]).assign(still=0.7, moving=0.8, n=5000)
    figure = plots.plot_ceilings(table)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Dial: texture", "Dial: motion"]
    assert figure.axes[0].get_ylabel() == "Highest AUC possible\nin 5,000 virtual patients"
    lines = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
    assert {(line.get_color(), line.get_linestyle(), line.get_ydata()[0]) for line in lines} == {
        (_stage_colours(5)[cutoff], style, auc) for cutoff in (2, 4) for style, auc in (("--", 0.7), ("-", 0.8))
    }


@pytest.fixture
def panels(truth):
    patient = truth.iloc[4]
    return plots.plot_patient(
        picture(),
        np.zeros((41, 12), np.uint8),
        np.linspace(-1, 1, 12),
        field=(NODES, displacement(1.0)),
        seconds=1.0,
        scale=SCALE,
        patient=patient,
        others=truth,
        cutoff=2,
        ceilings={"still image": 0.83, "video": 0.87},
    )


def test_panels_place_the_patient_among_the_others(panels, truth):
    for axes, column in zip(panels.axes[3:], _CARRIERS, strict=True):
        (line,) = axes.get_lines()
        assert line.get_xdata()[0] == pytest.approx(truth.iloc[4][column] * (100 if column == "strain" else 1))
    assert "below F2" in texts(panels)


def test_panels_tell_the_ceilings_and_of_how_many_patients(panels, truth):
    assert panels.axes[2].get_xlabel() == f"AUC in {len(truth)} virtual patients"
    bars = panels.axes[2].patches
    assert [bar.get_width() for bar in bars] == [0.83, 0.87]
    assert mpl.colors.same_color(bars[1].get_facecolor(), _TRUTH_COLOUR)
    assert "still image" in texts(panels)
    assert "0.87" in texts(panels)


def test_png_has_the_figures_size(panels):
    assert Image.open(io.BytesIO(plots.png_bytes(panels, dpi=50))).size == (470, 270)
