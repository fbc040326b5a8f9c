"""Scatterers and attenuation: carriers show in a view, and what covers it follows the breath."""

from types import SimpleNamespace

import numpy as np
import pytest

from fibrolib.phantom.anatomy import _Anatomy
from fibrolib.phantom.imaging import _PolarGrid
from fibrolib.phantom.scatterers import _Attenuation, _Cover, _Scatterers

GRID = _PolarGrid(140.0)


def patient(**changes):
    return SimpleNamespace(**{"bmi": 25.0, "fat": 0.1, "texture": 0.0, "capsule": 0.0, **changes})


def view(seed=0, **changes):
    rng = np.random.default_rng(seed)
    anatomy = _Anatomy.draw(patient(**changes), GRID, rng)
    return anatomy, _Scatterers.draw(patient(**changes), anatomy, rng)


def of_parenchyma(anatomy, points):
    parenchyma = anatomy.grid.nearest(anatomy.parenchyma, points.r, points.theta)
    deep = anatomy.grid.nearest(anatomy.liver_depth, points.r, points.theta) > 5
    return np.abs(points.amplitude[parenchyma & deep])


def test_fibrosis_clusters_scatterers_without_brightening_the_liver():
    smooth, coarse = (of_parenchyma(*view(texture=carrier)) for carrier in (-2.0, 3.0))
    kurtosis = [np.mean(amplitude**4) / np.mean(amplitude**2) ** 2 for amplitude in (smooth, coarse)]
    assert kurtosis[1] > 1.5 * kurtosis[0]
    # Vessel walls are the same in both; the mean power of the rest is kept.
    assert 20 * np.log10(np.median(coarse) / np.median(smooth)) < 0.5
    assert 10 * np.log10(np.mean(coarse**2) / np.mean(smooth**2)) == pytest.approx(0, abs=0.5)


def test_wall_stays_and_liver_slides():
    anatomy, points = view()
    depth = anatomy.grid.nearest(anatomy.liver_depth, points.r, points.theta)
    assert points.inside[depth > 2].mean() > 0.99
    assert points.inside[depth < -2].mean() < 0.01


@pytest.fixture(scope="module")
def anatomy():
    return _Anatomy.draw(patient(fat=0.1), GRID, np.random.default_rng(0))


def test_fat_dims_the_depth(anatomy):
    rows = [
        np.median(_Attenuation.draw(patient(fat=fat), anatomy, np.random.default_rng(1)).factor[-20])
        for fat in (0.0, 0.8)
    ]
    assert rows[1] < 0.6 * rows[0]


def test_some_views_are_covered_at_one_side(anatomy):
    attenuations = [_Attenuation.draw(patient(fat=0.1), anatomy, np.random.default_rng(seed)) for seed in range(60)]
    covers = [attenuation.cover for attenuation in attenuations if attenuation.cover is not None]
    assert 0.25 < len(covers) / len(attenuations) < 0.6
    assert {cover.side for cover in covers} == {-1.0, 1.0}
    for cover in covers:
        coverage = cover.coverage(GRID.theta, 0.0)
        assert coverage.max() > 0.9
        assert coverage[np.abs(GRID.theta) < 0.25].max() < 0.2  # the heart's neighbourhood stays in sight


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_cover_moves_with_the_liver_and_hides_what_is_behind_it(side):
    loss = np.full(GRID.shape, 3.0, "f4")
    cover = _Cover(side, 0.3, 0.01, 0.8, loss, np.ones(GRID.shape, "c8"))
    attenuation = _Attenuation(GRID.theta, np.ones(GRID.shape, "f4"), cover)
    for slide in (0.0, 0.05, -0.05):
        factor, echo = attenuation.at(slide)
        edge = np.interp(0.5, np.sort(np.abs(echo[0])), GRID.theta[np.argsort(np.abs(echo[0]))])
        assert edge == pytest.approx(side * 0.3 + 0.8 * slide, abs=2 * GRID.steps[1])
        assert factor.min() == pytest.approx(np.exp(-3.0), rel=1e-3)
        assert factor.max() == pytest.approx(1.0, rel=1e-3)


def test_without_a_cover_nothing_is_added():
    attenuation = _Attenuation(GRID.theta, np.full(GRID.shape, 0.5, "f4"), None)
    factor, echo = attenuation.at(0.02)
    assert factor is attenuation.factor
    assert echo == 0
