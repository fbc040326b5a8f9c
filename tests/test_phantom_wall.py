"""The abdominal wall: layers in order, and different in everyone."""

import numpy as np
import pytest

from fibrolib.phantom.geometry import PolarGrid
from fibrolib.phantom.wall import draw_wall

GRID = PolarGrid(140.0)
COURSE = 24.0 + 6 * GRID.theta**2


def test_layers_follow_each_other_inside_the_wall():
    for seed in range(40):
        wall = draw_wall(25.0, np.random.default_rng(seed))
        fasciae = wall.fasciae(COURSE, GRID.theta)
        assert len(wall.levels) == len(fasciae) + 1
        assert (np.diff(wall.ends) > 0).all()
        assert (fasciae > wall.skin).all()
        assert (fasciae < COURSE).all()


def test_heavier_patients_have_more_fat_under_the_skin():
    shares = [np.mean([draw_wall(bmi, np.random.default_rng(seed)).ends[0] for seed in range(50)]) for bmi in (20, 34)]
    assert shares[1] > shares[0] + 0.1


def test_walls_differ_between_patients():
    walls = [draw_wall(25.0, np.random.default_rng(seed)) for seed in range(40)]
    assert {len(wall.ends) for wall in walls} == {2, 3, 4}
    assert np.std([wall.ends[0] for wall in walls]) > 0.04
    assert np.std([wall.levels[0] for wall in walls]) > 1  # dB


def test_echo_is_bright_at_skin_and_fasciae():
    wall = draw_wall(34.0, np.random.default_rng(3))
    echo = np.mean([wall.echo(GRID.r, GRID.theta, COURSE, np.random.default_rng(seed)) for seed in range(20)], axis=0)
    assert echo.shape == GRID.shape
    assert echo[(GRID.r > 0) & (GRID.r < wall.skin)].mean() == pytest.approx(6.0, abs=1.0)
    first = np.abs(GRID.r[:, None] - wall.fasciae(COURSE, GRID.theta)[0]) < 0.3
    fat = (GRID.r[:, None] > wall.skin + 1) & (GRID.r[:, None] < wall.fasciae(COURSE, GRID.theta)[0] - 2)
    assert echo[first].mean() > echo[fat].mean() + 3
