"""Image formation against closed forms: Rayleigh statistics, Gaussian widths, imposed movement."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from fibrolib.phantom.imaging import (
    HALF_ANGLE,
    SCANNERS,
    _plane_from_polar,
    _PointSpread,
    _polar_from_plane,
    _PolarGrid,
    _Receiver,
    _ScanConverter,
)

GRID = _PolarGrid(140.0)
SPREAD = _PointSpread(3.2, 1.1, 0.017, 70.0)


def cloud(seed, count=90_000):
    rng = np.random.default_rng(seed)
    rows, columns = GRID.shape
    r = (rng.random(count) * (rows - 1) - GRID.guard) * GRID.steps[0]
    theta = (rng.random(count) * (columns - 1) - GRID.guard) * GRID.steps[1] - HALF_ANGLE
    return r.astype("f4"), theta.astype("f4"), np.exp(2j * np.pi * rng.random(count)).astype("c8")


@pytest.fixture(scope="module")
def receiver():
    return _Receiver(GRID, SPREAD, 90_000 / np.prod(GRID.shape))


@pytest.fixture(scope="module")
def speckle(receiver):
    return np.stack([receiver.envelope(*cloud(seed))[8:-8, 8:-8] for seed in range(4)])


def test_speckle_is_fully_developed(speckle):
    assert speckle.mean() / speckle.std() == pytest.approx(1.91, abs=0.05)


def test_envelope_is_rayleigh(speckle):
    independent = speckle[:, ::16, ::16].ravel()  # samples several resolution cells apart
    scale = np.sqrt(np.mean(independent**2) / 2)
    assert kstest(independent, "rayleigh", args=(0, scale)).pvalue > 0.01


def test_average_power_is_one_at_every_depth(speckle):
    assert np.mean(speckle**2) == pytest.approx(1.0, abs=0.05)
    for band in np.array_split(speckle, 4, axis=1):
        assert np.mean(band**2) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("depth", [40.0, 70.0, 110.0])
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_point_spread_has_the_given_width(receiver, depth, offset):
    place = (np.array([depth + offset * GRID.steps[0]], "f4"), np.array([offset * GRID.steps[1]], "f4"))
    point = receiver.envelope(*place, np.ones(1, "c8")) / receiver.envelope(*cloud(0)).mean()
    power = point**2
    for axis, step, width in ((1, GRID.steps[0], SPREAD.axial), (0, GRID.steps[1], SPREAD.lateral_at(depth))):
        profile = power.sum(axis=axis)
        index = np.arange(profile.size)
        middle = np.average(index, weights=profile)
        # The power of a Gaussian amplitude has its sigma divided by sqrt(2).
        sigma = np.sqrt(2 * np.average((index - middle) ** 2, weights=profile)) * step
        assert sigma * 2 * np.sqrt(2 * np.log(2)) == pytest.approx(width, rel=0.05)


def shift_between(before, after):
    """Sub-sample shift by the phase of the cross-spectrum, rows and columns."""
    window = np.hanning(before.shape[0])[:, None] * np.hanning(before.shape[1])
    first, second = (np.fft.fft2((image - image.mean()) * window) for image in (before, after))
    cross = first.conj() * second
    shifts = []
    for axis, size in enumerate(before.shape):
        low = np.arange(1, size // 12)
        line = cross.take(low, axis=axis).take(np.arange(-3, 4), axis=1 - axis).sum(axis=1 - axis)
        slope = np.sum(np.abs(line) * low * np.angle(line)) / np.sum(np.abs(line) * low**2)
        shifts.append(-slope * size / (2 * np.pi))
    return shifts


@pytest.mark.parametrize(("down", "turn"), [(0.45, 0.0), (0.8, 0.012), (-0.6, 0.02)])
def test_speckle_follows_an_imposed_displacement(receiver, down, turn):
    r, theta, amplitude = cloud(3)
    before = receiver.envelope(r, theta, amplitude)
    after = receiver.envelope(r + np.float32(down), theta + np.float32(turn), amplitude)
    rows, columns = shift_between(before[60:-60, 30:-30], after[60:-60, 30:-30])
    assert rows * GRID.steps[0] == pytest.approx(down, rel=0.10)
    assert columns * GRID.steps[1] == pytest.approx(turn, rel=0.10, abs=0.1 * GRID.steps[1])


def test_noise_has_the_given_power(receiver):
    rng = np.random.default_rng(0)
    nothing = np.zeros(1, "f4"), np.zeros(1, "f4"), np.zeros(1, "c8")
    noise = rng.standard_normal((*GRID.shape, 2)).view("c16")[..., 0].astype("c8") / np.sqrt(2)
    assert np.mean(receiver.envelope(*nothing, noise=0.1 * noise) ** 2) == pytest.approx(0.01, rel=0.05)


def test_loss_dims_what_lies_behind_it(receiver):
    r, theta, amplitude = cloud(0)
    loss = np.where(GRID.r[:, None] > 70, 0.5, 1.0).astype("f4") * np.ones(GRID.shape, "f4")
    ratio = receiver.envelope(r, theta, amplitude, loss) / receiver.envelope(r, theta, amplitude)
    assert np.median(ratio[GRID.r > 80]) == pytest.approx(0.5, rel=1e-3)
    assert np.median(ratio[GRID.r < 60]) == pytest.approx(1.0, rel=1e-3)


def test_compression_is_logarithmic_and_bounded():
    plain, dark = (replace(SCANNERS[0], gamma=gamma) for gamma in (1.0, 1.3))
    assert plain.compress(np.array([1.0]), 0.0, 60.0) == pytest.approx(255 * 0.45)
    steps = np.diff(plain.compress(10 ** (np.array([-12.0, -6.0, 0.0, 6.0]) / 20), 0.0, 60.0))
    assert steps == pytest.approx(255 * 6 / 60)
    assert dark.compress(np.array([0.0, 1e9]), 0.0, 60.0).tolist() == [0.0, 255.0]


def test_scan_conversion_keeps_places():
    converter = _ScanConverter(GRID)
    r, theta = np.meshgrid(GRID.r, GRID.theta, indexing="ij")
    assert converter(r.astype("f4")) == pytest.approx(converter.r, abs=1e-3)
    assert converter(theta.astype("f4")) == pytest.approx(converter.theta, abs=1e-5)
    rows, columns = np.nonzero(converter.sector)
    assert rows.min() in (34, 35)
    assert rows.max() in (241, 242)
    assert rows.max() - converter.origin[0] == pytest.approx(140 / converter.scale, abs=1)
    assert abs(columns.mean() - 150) < 0.5


def test_polar_and_plane_are_inverse():
    r, theta = np.random.default_rng(0).uniform((0, -0.5), (150, 0.5), (50, 2)).T
    back = _polar_from_plane(*_plane_from_polar(r, theta))
    assert back[0] == pytest.approx(r)
    assert back[1] == pytest.approx(theta)
