"""What a view is made of: carriers show in it, and only they differ."""

from types import SimpleNamespace

import numpy as np
import pytest

from fibrolib.phantom.anatomy import draw_anatomy, nodule_height
from fibrolib.phantom.geometry import PolarGrid, plane_from_polar, polar_from_plane
from fibrolib.phantom.scatterers import clustering, draw_scatterers

GRID = PolarGrid(140.0)


def patient(**changes):
    return SimpleNamespace(**{"bmi": 25.0, "fat": 0.1, "texture": 0.0, "capsule": 0.0, **changes})


def view(seed=0, **changes):
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(patient(**changes), GRID, rng)
    return anatomy, draw_scatterers(patient(**changes), anatomy, rng)


def test_polar_and_plane_are_inverse():
    r, theta = np.random.default_rng(0).uniform((0, -0.5), (150, 0.5), (50, 2)).T
    back = polar_from_plane(*plane_from_polar(r, theta))
    assert back[0] == pytest.approx(r)
    assert back[1] == pytest.approx(theta)


@pytest.mark.parametrize("carrier", [-1.0, 1.0, 4.0, 12.0])
def test_nodules_have_the_asked_height(carrier):
    anatomy, _ = view(capsule=carrier)
    assert anatomy.surface.nodules.std() == pytest.approx(nodule_height(carrier))


def test_signals_grow_with_their_carriers_and_stay_finite():
    carriers = np.linspace(-4, 8, 40)
    assert (np.diff([nodule_height(value) for value in carriers]) > 0).all()
    spread, septa = np.array([clustering(value) for value in carriers]).T
    assert (np.diff(spread) > 0).all()
    assert (np.diff(septa) > 0).all()
    assert nodule_height(1e3) <= 2.5
    assert spread.max() < 8


def of_parenchyma(anatomy, points):
    parenchyma = anatomy.grid.nearest(anatomy.parenchyma, points.r, points.theta)
    deep = anatomy.grid.nearest(anatomy.below, points.r, points.theta) > 5
    return np.abs(points.amplitude[parenchyma & deep])


def test_fibrosis_clusters_scatterers_without_brightening_the_liver():
    smooth, coarse = (of_parenchyma(*view(texture=carrier)) for carrier in (-2.0, 3.0))
    kurtosis = [np.mean(amplitude**4) / np.mean(amplitude**2) ** 2 for amplitude in (smooth, coarse)]
    assert kurtosis[1] > 1.5 * kurtosis[0]
    # Vessel walls are the same in both; the mean power of the rest is kept.
    assert 20 * np.log10(np.median(coarse) / np.median(smooth)) < 0.5
    assert 10 * np.log10(np.mean(coarse**2) / np.mean(smooth**2)) == pytest.approx(0, abs=0.5)


def test_carriers_do_not_move_the_anatomy():
    for seed in range(4):
        plain, changed = view(seed=seed)[0], view(seed=seed, texture=3.0)[0]
        assert np.array_equal(plain.labels, changed.labels)
        assert plain.push == changed.push
        assert np.array_equal(plain.dome.waves, changed.dome.waves)


def test_another_seed_is_another_view():
    assert not np.array_equal(view(seed=1)[0].labels, view(seed=2)[0].labels)


def test_wall_stays_and_liver_slides():
    anatomy, points = view()
    depth = anatomy.grid.nearest(anatomy.below, points.r, points.theta)
    assert points.inside[depth > 2].mean() > 0.99
    assert points.inside[depth < -2].mean() < 0.01
