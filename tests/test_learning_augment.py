import numpy as np
import pytest

from fibrolib.learning.augment import NO_CHANGE, Augment, _shift

WINDOW = np.random.default_rng(0).uniform(0, 1, (3, 10, 12)).astype(np.float32)


def test_nothing_asked_nothing_changed():
    changed = NO_CHANGE(WINDOW, np.random.default_rng(0))
    np.testing.assert_allclose(changed, WINDOW, rtol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_grey_stays_grey_and_frames_stay_together(seed):
    still = np.repeat(WINDOW[:1], 3, axis=0)
    changed = Augment()(still, np.random.default_rng(seed))
    assert changed.shape == still.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert (changed == changed[:1]).all()  # a still picture does not begin to move


@pytest.mark.parametrize(("down", "right"), [(2, 3), (-2, 3), (2, -3), (-2, -3), (0, 0)])
def test_shift_is_a_roll_with_black_at_the_side(down, right):
    rolled = np.roll(WINDOW, (down, right), axis=(1, 2))
    moved = _shift(WINDOW, down, right)
    rows = slice(max(down, 0), 10 + min(down, 0))
    columns = slice(max(right, 0), 12 + min(right, 0))
    assert (moved[:, rows, columns] == rolled[:, rows, columns]).all()
    assert moved.sum() == pytest.approx(rolled[:, rows, columns].sum(), rel=1e-5)


def test_only_one_edge_is_blanked_and_only_so_far():
    lit = np.ones((2, 10, 40), np.float32)
    blanked = Augment(gain=0, gamma=0, shift=0, edge=0.2)
    for seed in range(40):
        columns = blanked(lit, np.random.default_rng(seed)).any(axis=(0, 1))
        dark = np.flatnonzero(~columns)
        assert len(dark) <= 8
        assert set(dark) in (set(range(len(dark))), set(range(40 - len(dark), 40)))
