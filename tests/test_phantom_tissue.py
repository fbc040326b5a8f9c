"""Tissue in motion: following it forwards and back again is no movement."""

from types import SimpleNamespace

import numpy as np
import pytest

from fibrolib.phantom.anatomy import draw_anatomy
from fibrolib.phantom.geometry import HALF_ANGLE, PolarGrid
from fibrolib.phantom.motion import draw_motion
from fibrolib.phantom.tissue import Origins, Tissue

GRID = PolarGrid(140.0)
PATIENT = SimpleNamespace(
    bmi=25.0, fat=0.1, texture=0.0, capsule=0.0, fps=25.0, heart_rate=75.0, strain=0.12, breath_mm=4.0, tremor_mm=0.1
)


@pytest.fixture(scope="module", params=[0, 1, 2])
def view(request):
    rng = np.random.default_rng(request.param)
    anatomy = draw_anatomy(PATIENT, GRID, rng)
    return anatomy, draw_motion(PATIENT, anatomy.push, 40, rng)


def test_origins_undo_the_movement(view):
    anatomy, motion = view
    rng = np.random.default_rng(9)
    r, theta = rng.uniform(45, 130, 4000).astype("f4"), rng.uniform(-0.4, 0.4, 4000).astype("f4")
    away = np.abs(GRID.nearest(anatomy.vessels.hepatic, r, theta)) > 3  # in a vein the field changes within a sample
    tissue = Tissue(anatomy, motion, r, theta, np.ones(r.size, bool))
    for frame in (0, 12, 39):
        index = Origins(anatomy, motion, *tissue.at(frame)).at(frame)
        row, column = np.unravel_index(index, GRID.shape)
        at_row, at_column = GRID.index(r, theta)
        assert np.abs(row - at_row)[away].max() < 1.1
        assert np.abs(column - at_column)[away].max() < 1.1


def test_the_wall_does_not_follow_breath_or_heart(view):
    anatomy, motion = view
    theta = np.linspace(-HALF_ANGLE, HALF_ANGLE, 50)
    tissue = Tissue(anatomy, motion, np.full(50, 8.0), theta, np.zeros(50, bool))
    for frame in (5, 30):
        r, turned = tissue.at(frame)
        assert turned - theta == pytest.approx(motion.swing[frame])
        assert r - 8.0 == pytest.approx(motion.press[frame] * 8 / 25)


def test_breathing_lifts_the_depth_and_leaves_the_surface(view):
    anatomy, motion = view
    theta = np.zeros(2)
    r = anatomy.surface.course(0.0) + np.array([0.1, 70.0])
    rising, flat = (
        Tissue(anatomy, part, r, theta, np.ones(2, bool)).at(30)[0]
        for part in (
            motion,
            SimpleNamespace(**{**vars(motion), "rise": 0 * motion.rise, "heart_field": motion.heart_field}),
        )
    )
    assert (rising - flat)[0] == pytest.approx(0, abs=0.01 * abs(motion.rise[30]))
    assert (rising - flat)[1] == pytest.approx(motion.rise[30], rel=0.15)
