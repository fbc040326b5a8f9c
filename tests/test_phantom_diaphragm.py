"""The diaphragm: smooth, uneven, and a mirror where it is seen."""

import numpy as np
import pytest

from fibrolib.phantom.diaphragm import Dome, behind_dome, draw_dome
from fibrolib.phantom.geometry import HALF_ANGLE, PolarGrid

GRID = PolarGrid(140.0)
THETA = np.linspace(-HALF_ANGLE, HALF_ANGLE, 2001)


def test_its_course_is_smooth_and_no_parabola():
    for seed in range(30):
        depth = draw_dome(140.0, 0.0, np.random.default_rng(seed)).depth(THETA)
        slope = np.gradient(depth, THETA)
        assert np.abs(np.diff(slope)).max() < 3.0  # mm per radian: no corner, also where the two bows meet
        assert depth.min() > 60
        assert depth.max() < 125
        assert np.ptp(depth - np.polyval(np.polyfit(THETA, depth, 2), THETA)) > 0.3


def test_it_ends_at_the_sides_but_not_under_the_heart():
    ends = []
    for seed in range(40):
        dome = draw_dome(140.0, 0.0, np.random.default_rng(seed))
        assert dome.visible(np.linspace(-0.16, 0.16, 9)).min() > 0.85
        ends.append(dome.visible([-HALF_ANGLE, HALF_ANGLE]))
    assert 0.2 < np.mean(np.array(ends) < 0.5) < 0.8


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_it_is_not_seen_under_the_kidney(side):
    for seed in range(10):
        dome = draw_dome(140.0, side, np.random.default_rng(seed))
        assert dome.visible(0.35 * side) < 0.05
        assert dome.visible(-0.1 * side) > 0.9


def test_the_lung_shows_the_liver_mirrored():
    dome = Dome(100.0, 0.0, (0.0, 0.0), np.zeros((0, 3)), (-9.0, 9.0), 0.05)
    beyond = GRID.r[:, None] - dome.depth(GRID.theta) + 0 * GRID.theta
    plain = np.zeros(GRID.shape)
    spot = np.where(np.abs(beyond + 15) < 3, -25.0, plain)
    with_spot, without = (behind_dome(level, beyond, dome, GRID, np.random.default_rng(1)) for level in (spot, plain))
    change = (with_spot - without)[beyond > 0]
    assert np.ptp(change) == pytest.approx(0.8 * 25, abs=1e-3)
    where = beyond[beyond > 0][change < -10]
    assert where.min() == pytest.approx(12, abs=0.6)
    assert where.max() == pytest.approx(18, abs=0.6)
    assert (without[beyond > 0] < 3).all()
