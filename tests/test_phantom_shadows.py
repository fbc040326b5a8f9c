"""What is lost on the way: fat, and covers at the fan's edge that follow the breath."""

from types import SimpleNamespace

import numpy as np
import pytest

from fibrolib.phantom.anatomy import draw_anatomy
from fibrolib.phantom.geometry import PolarGrid
from fibrolib.phantom.shadows import Cover, Way, draw_way

GRID = PolarGrid(140.0)


def patient(fat):
    return SimpleNamespace(bmi=25.0, fat=fat, texture=0.0, capsule=0.0)


@pytest.fixture(scope="module")
def anatomy():
    return draw_anatomy(patient(0.1), GRID, np.random.default_rng(0))


def test_fat_dims_the_depth(anatomy):
    rows = [np.median(draw_way(patient(fat), anatomy, np.random.default_rng(1)).factor[-20]) for fat in (0.0, 0.8)]
    assert rows[1] < 0.6 * rows[0]


def test_some_views_are_covered_at_one_side(anatomy):
    ways = [draw_way(patient(0.1), anatomy, np.random.default_rng(seed)) for seed in range(60)]
    covers = [way.cover for way in ways if way.cover is not None]
    assert 0.25 < len(covers) / len(ways) < 0.6
    assert {cover.side for cover in covers} == {-1.0, 1.0}
    for cover in covers:
        over = cover.over(GRID.theta, 0.0)
        assert over.max() > 0.9
        assert over[np.abs(GRID.theta) < 0.25].max() < 0.2  # the heart's neighbourhood stays in sight


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_cover_moves_with_the_liver_and_hides_what_is_behind_it(side):
    loss = np.full(GRID.shape, 3.0, "f4")
    cover = Cover(side, 0.3, 0.01, 0.8, loss, np.ones(GRID.shape, "c8"))
    way = Way(GRID.theta, np.ones(GRID.shape, "f4"), cover)
    for slide in (0.0, 0.05, -0.05):
        factor, echo = way.at(slide)
        edge = np.interp(0.5, np.sort(np.abs(echo[0])), GRID.theta[np.argsort(np.abs(echo[0]))])
        assert edge == pytest.approx(side * 0.3 + 0.8 * slide, abs=2 * GRID.steps[1])
        assert factor.min() == pytest.approx(np.exp(-3.0), rel=1e-3)
        assert factor.max() == pytest.approx(1.0, rel=1e-3)


def test_without_a_cover_nothing_is_added():
    way = Way(GRID.theta, np.full(GRID.shape, 0.5, "f4"), None)
    factor, echo = way.at(0.02)
    assert factor is way.factor
    assert echo == 0
