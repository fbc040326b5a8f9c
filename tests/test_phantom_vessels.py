"""Vessels: kept apart, kept in the liver, and widening as a closed form says."""

import numpy as np
import pytest

from fibrolib.phantom.geometry import FACE_RADIUS, PolarGrid, plane_from_polar
from fibrolib.phantom.vessels import draw_vessels, swelling

GRID = PolarGrid(140.0)
X, Y = plane_from_polar(GRID.r[:, None], GRID.theta)


def test_the_two_trees_do_not_touch():
    for seed in range(12):
        vessels = draw_vessels(X, Y, 20.0, 108.0, np.random.default_rng(seed))
        assert not ((vessels.portal < 0) & (vessels.hepatic < 0)).any()
        assert (vessels.distance < 0).any()


def test_vessels_end_where_they_may_not_be():
    vessels = draw_vessels(X, Y, 20.0, 108.0, np.random.default_rng(0)).kept_where(Y < 70)
    assert not (vessels.distance[Y >= 70] < 0).any()


def test_a_round_vein_widens_evenly():
    radius = np.hypot(X - 10.0, Y - 70.0)
    field = swelling(radius - 5.0, GRID)
    right, down = (X - 10.0) / radius, (Y - 70.0) / radius
    sine, cosine = np.sin(GRID.theta), np.cos(GRID.theta)
    depthwise, across = field.real, field.imag * (FACE_RADIUS + GRID.r[:, None])
    outward = depthwise * (right * sine + down * cosine) + across * (right * cosine - down * sine)
    for distance in (5.0, 7.0, 9.0, 13.0):  # 1 at the wall, fading over 4 mm
        ring = np.abs(radius - distance) < 0.4
        assert outward[ring].mean() == pytest.approx(np.exp(-(distance - 5) / 4), rel=0.12)
        assert np.hypot(depthwise, across)[ring] == pytest.approx(outward[ring], abs=0.05)


def test_no_tissue_is_pushed_faster_than_the_wall():
    for seed in range(4):
        vessels = draw_vessels(X, Y, 20.0, 108.0, np.random.default_rng(seed)).kept_where(Y < 80)
        field = swelling(vessels.hepatic, GRID)
        assert np.hypot(field.real, field.imag * (FACE_RADIUS + GRID.r[:, None])).max() < 1.01
