"""Anatomy of a view: the liver excludes its neighbours, vessels stay apart and widen as a closed form says."""

from types import SimpleNamespace

import numpy as np
import pytest

from fibrolib.phantom.anatomy import LABELS, _Anatomy, _Vessels
from fibrolib.phantom.imaging import FACE_RADIUS, _plane_from_polar, _PolarGrid
from fibrolib.phantom.patients import _nodule_height

GRID = _PolarGrid(140.0)
X, Y = _plane_from_polar(GRID.r[:, None], GRID.theta)


def draw(seed=0, **changes):
    patient = SimpleNamespace(**{"bmi": 25.0, "fat": 0.1, "texture": 0.0, "capsule": 0.0, **changes})
    return _Anatomy.draw(patient, GRID, np.random.default_rng(seed))


@pytest.mark.parametrize("carrier", [-1.0, 1.0, 4.0, 12.0])
def test_nodules_have_the_height_of_the_carrier(carrier):
    anatomy = draw(capsule=carrier)
    assert anatomy.surface.nodules.std() == pytest.approx(_nodule_height(carrier))


def test_carriers_do_not_move_the_anatomy():
    for seed in range(4):
        plain, changed = draw(seed=seed), draw(seed=seed, texture=3.0)
        assert np.array_equal(plain.labels, changed.labels)
        assert plain.push == changed.push
        assert np.array_equal(plain.diaphragm.waves, changed.diaphragm.waves)


def test_another_seed_is_another_view():
    assert not np.array_equal(draw(seed=1).labels, draw(seed=2).labels)


def test_the_liver_excludes_organs_and_ends_behind_the_kidney():
    labelled = set()
    for seed in range(25):
        anatomy = draw(seed)
        liver, vessels = anatomy.labels & LABELS["liver"] != 0, anatomy.labels & LABELS["vessels"] != 0
        assert not (vessels & ~liver).any()
        for organ in anatomy.organs.visible:
            assert not (liver & organ.inside).any()
        for name in ("gallbladder", "kidney"):
            region = anatomy.labels & LABELS[name] != 0
            assert region.any() <= (getattr(anatomy.organs, name) is not None)
            labelled |= {name} if region.any() else set()
        if anatomy.organs.kidney is not None:
            last = GRID.shape[0] - 1 - np.argmax(anatomy.organs.kidney.inside[::-1], axis=0)
            columns = anatomy.organs.kidney.inside.any(axis=0)
            assert not any(liver[last[column] :, column].any() for column in np.nonzero(columns)[0])
    assert labelled == {"gallbladder", "kidney"}


def test_the_two_trees_do_not_touch():
    for seed in range(12):
        vessels = _Vessels.draw(X, Y, 20.0, 108.0, np.random.default_rng(seed))
        assert not ((vessels.portal < 0) & (vessels.hepatic < 0)).any()
        assert (vessels.distance < 0).any()


def test_vessels_end_where_they_may_not_be():
    vessels = _Vessels.draw(X, Y, 20.0, 108.0, np.random.default_rng(0)).end_outside(Y < 70)
    assert not (vessels.distance[Y >= 70] < 0).any()


def test_a_round_vein_widens_evenly():
    radius = np.hypot(X - 10.0, Y - 70.0)
    field = _Vessels(portal=radius, hepatic=radius - 5.0).swelling(GRID)
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
        vessels = _Vessels.draw(X, Y, 20.0, 108.0, np.random.default_rng(seed)).end_outside(Y < 80)
        field = vessels.swelling(GRID)
        assert np.hypot(field.real, field.imag * (FACE_RADIUS + GRID.r[:, None])).max() < 1.01
