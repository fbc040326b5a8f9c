"""What surrounds the liver: wall, diaphragm and organs have plausible shapes, and their effects on echoes hold."""

import numpy as np
import pytest

from fibrolib.phantom.imaging import FACE_RADIUS, HALF_ANGLE, _plane_from_polar, _PolarGrid
from fibrolib.phantom.neighbours import _Diaphragm, _Organ, _Organs, _Wall

GRID = _PolarGrid(140.0)
LIVER = 24.0 + 6 * GRID.theta**2


def test_layers_of_the_wall_follow_each_other_inside_the_wall():
    for seed in range(40):
        wall = _Wall.draw(25.0, np.random.default_rng(seed))
        fasciae = wall.fasciae(LIVER, GRID.theta)
        assert len(wall.levels) == len(fasciae) + 1
        assert (np.diff(wall.ends) > 0).all()
        assert (fasciae > wall.skin).all()
        assert (fasciae < LIVER).all()


def test_heavier_patients_have_more_fat_under_the_skin():
    shares = [np.mean([_Wall.draw(bmi, np.random.default_rng(seed)).ends[0] for seed in range(50)]) for bmi in (20, 34)]
    assert shares[1] > shares[0] + 0.1


def test_walls_differ_between_patients():
    walls = [_Wall.draw(25.0, np.random.default_rng(seed)) for seed in range(40)]
    assert {len(wall.ends) for wall in walls} == {2, 3, 4}
    assert np.std([wall.ends[0] for wall in walls]) > 0.04
    assert np.std([wall.levels[0] for wall in walls]) > 1  # dB


def test_echo_is_bright_at_skin_and_fasciae():
    wall = _Wall.draw(34.0, np.random.default_rng(3))
    echo = np.mean([wall.echo(GRID.r, GRID.theta, LIVER, np.random.default_rng(seed)) for seed in range(20)], axis=0)
    assert echo.shape == GRID.shape
    assert echo[(GRID.r > 0) & (GRID.r < wall.skin)].mean() == pytest.approx(6.0, abs=1.0)
    first = np.abs(GRID.r[:, None] - wall.fasciae(LIVER, GRID.theta)[0]) < 0.3
    fat = (GRID.r[:, None] > wall.skin + 1) & (GRID.r[:, None] < wall.fasciae(LIVER, GRID.theta)[0] - 2)
    assert echo[first].mean() > echo[fat].mean() + 3


THETA = np.linspace(-HALF_ANGLE, HALF_ANGLE, 2001)


def test_the_diaphragm_is_smooth_and_no_parabola():
    for seed in range(30):
        depth = _Diaphragm.draw(140.0, 0.0, np.random.default_rng(seed)).depth(THETA)
        slope = np.gradient(depth, THETA)
        assert np.abs(np.diff(slope)).max() < 3.0  # mm per radian: no corner, also where the two bows meet
        assert depth.min() > 60
        assert depth.max() < 125
        assert np.ptp(depth - np.polyval(np.polyfit(THETA, depth, 2), THETA)) > 0.3


def test_the_diaphragm_ends_at_the_sides_but_not_under_the_heart():
    ends = []
    for seed in range(40):
        diaphragm = _Diaphragm.draw(140.0, 0.0, np.random.default_rng(seed))
        assert diaphragm.visibility(np.linspace(-0.16, 0.16, 9)).min() > 0.85
        ends.append(diaphragm.visibility([-HALF_ANGLE, HALF_ANGLE]))
    assert 0.2 < np.mean(np.array(ends) < 0.5) < 0.8


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_diaphragm_is_not_visible_under_the_kidney(side):
    for seed in range(10):
        diaphragm = _Diaphragm.draw(140.0, side, np.random.default_rng(seed))
        assert diaphragm.visibility(0.35 * side) < 0.05
        assert diaphragm.visibility(-0.1 * side) > 0.9


def test_the_lung_shows_the_liver_mirrored():
    diaphragm = _Diaphragm(100.0, 0.0, (0.0, 0.0), np.zeros((0, 3)), (-9.0, 9.0), 0.05)
    lung_depth = GRID.r[:, None] - diaphragm.depth(GRID.theta) + 0 * GRID.theta
    plain = np.zeros(GRID.shape)
    spot = np.where(np.abs(lung_depth + 15) < 3, -25.0, plain)
    with_spot, without = (
        diaphragm.echo_behind(level, lung_depth, GRID, np.random.default_rng(1)) for level in (spot, plain)
    )
    change = (with_spot - without)[lung_depth > 0]
    assert np.ptp(change) == pytest.approx(0.8 * 25, abs=1e-3)
    where = lung_depth[lung_depth > 0][change < -10]
    assert where.min() == pytest.approx(12, abs=0.6)
    assert where.max() == pytest.approx(18, abs=0.6)
    assert (without[lung_depth > 0] < 3).all()


X, Y = (place.astype("f4") for place in _plane_from_polar(GRID.r[:, None], GRID.theta))
SPAN = (20.0, 108.0)


def organs(seed, heart=1.0):
    return _Organs.draw(X, Y, SPAN, heart, 0.1, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def many():
    return [organs(seed) for seed in range(80)]


def test_each_organ_is_in_some_views_only(many):
    for name in ("gallbladder", "kidney", "ligament"):
        share = np.mean([getattr(view, name) is not None for view in many])
        assert 0.10 < share < 0.45, name


def test_sizes_of_organs_are_those_of_a_body(many):
    area = (FACE_RADIUS + GRID.r[:, None]) * GRID.steps[0] * GRID.steps[1] + 0 * X
    for name, (least, most) in {"gallbladder": (1.5, 25.0), "ligament": (0.2, 1.5), "kidney": (2.0, 45.0)}.items():
        sizes = [area[getattr(view, name).inside].sum() / 100 for view in many if getattr(view, name) is not None]
        assert least < np.median(sizes) < most, name  # cm2 within the fan


def test_gallbladder_and_kidney_lie_away_from_the_heart():
    for heart in (-1.0, 1.0):
        for seed in range(20):
            view = organs(seed, heart)
            for organ in (view.gallbladder, view.kidney):
                if organ is not None and organ.inside.any():
                    assert np.sign(X[organ.inside].mean()) == -heart


def test_organs_do_not_overlap(many):
    for view in many:
        together = sum(organ.inside.astype(int) for organ in view.visible)
        if view.gallbladder is not None:
            assert np.max(together[view.gallbladder.inside], initial=0) <= 1


def test_what_lies_behind_an_organ_comes_out_brighter_or_darker_by_the_path():
    distance = np.where((Y > 50) & (Y < 60), -1.0, 50.0).astype("f4")
    column = GRID.shape[1] // 2
    for gain, max_gain, expected in ((0.3, 9.0, 3.0), (0.3, 2.0, 2.0), (-2.0, 7.0, -7.0)):
        organ = _Organ(distance, np.full(X.shape, -38, "f4"), 0.0, 1.0, gain, max_gain)
        level = organ.add_to(np.zeros(X.shape), GRID.steps[0])[:, column]
        assert level[GRID.r < 49] == pytest.approx(0)
        assert level[(GRID.r > 51) & (GRID.r < 59)] == pytest.approx(-38)
        assert level[GRID.r > 61] == pytest.approx(expected, abs=0.3)
