"""The liver's neighbours: how often they come, where they lie, and what they do to what is behind them."""

from types import SimpleNamespace

import numpy as np
import pytest

from fibrolib.phantom.anatomy import LABELS, draw_anatomy
from fibrolib.phantom.geometry import FACE_RADIUS, PolarGrid, plane_from_polar
from fibrolib.phantom.organs import Organ, draw_organs

GRID = PolarGrid(140.0)
X, Y = (place.astype("f4") for place in plane_from_polar(GRID.r[:, None], GRID.theta))
ROOM = (20.0, 108.0)


def organs(seed, heart=1.0):
    return draw_organs(X, Y, ROOM, heart, 0.1, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def many():
    return [organs(seed) for seed in range(80)]


def test_each_is_there_in_some_views_only(many):
    for name in ("gallbladder", "kidney", "ligament"):
        share = np.mean([getattr(view, name) is not None for view in many])
        assert 0.10 < share < 0.45, name


def test_sizes_are_those_of_a_body(many):
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


def test_they_do_not_overlap(many):
    for view in many:
        together = sum(organ.inside.astype(int) for organ in view.shown)
        if view.gallbladder is not None:
            assert np.max(together[view.gallbladder.inside], initial=0) <= 1


def test_the_liver_excludes_them_and_ends_behind_the_kidney():
    patient = SimpleNamespace(bmi=25.0, fat=0.1, texture=0.0, capsule=0.0)
    seen = set()
    for seed in range(25):
        anatomy = draw_anatomy(patient, GRID, np.random.default_rng(seed))
        liver, vessels = anatomy.labels & LABELS["liver"] != 0, anatomy.labels & LABELS["vessels"] != 0
        assert not (vessels & ~liver).any()
        for organ in anatomy.organs.shown:
            assert not (liver & organ.inside).any()
        for name in ("gallbladder", "kidney"):
            region = anatomy.labels & LABELS[name] != 0
            assert region.any() <= (getattr(anatomy.organs, name) is not None)
            seen |= {name} if region.any() else set()
        if anatomy.organs.kidney is not None:
            last = GRID.shape[0] - 1 - np.argmax(anatomy.organs.kidney.inside[::-1], axis=0)
            columns = anatomy.organs.kidney.inside.any(axis=0)
            assert not any(liver[last[column] :, column].any() for column in np.nonzero(columns)[0])
    assert seen == {"gallbladder", "kidney"}


def test_what_lies_behind_comes_out_brighter_or_darker_by_the_path():
    distance = np.where((Y > 50) & (Y < 60), -1.0, 50.0).astype("f4")
    column = GRID.shape[1] // 2
    for passes, most, expected in ((0.3, 9.0, 3.0), (0.3, 2.0, 2.0), (-2.0, 7.0, -7.0)):
        organ = Organ(distance, np.full(X.shape, -38, "f4"), 0.0, 1.0, passes, most)
        level = organ.painted(np.zeros(X.shape), GRID.steps[0])[:, column]
        assert level[GRID.r < 49] == pytest.approx(0)
        assert level[(GRID.r > 51) & (GRID.r < 59)] == pytest.approx(-38)
        assert level[GRID.r > 61] == pytest.approx(expected, abs=0.3)
