"""What each change of a clip takes away, and what it leaves."""

import numpy as np
import pytest

from fibrolib.learning.perturbations import PERTURBATIONS, frozen, motion_only, reversed_in_time, shuffled


@pytest.fixture
def window():
    return np.random.default_rng(0).integers(1, 256, (12, 8, 10)).astype(np.uint8)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_shape_and_type_stay(window, name):
    changed = PERTURBATIONS[name](window)
    assert changed.shape == window.shape
    assert changed.dtype == np.uint8


def test_shuffling_keeps_the_frames_and_loses_the_order(window):
    changed = shuffled(window)
    assert sorted(frame.tobytes() for frame in changed) == sorted(frame.tobytes() for frame in window)
    assert not np.array_equal(changed, window)


def test_nothing_moves_in_a_frozen_clip(window):
    assert not np.diff(frozen(window).astype(int), axis=0).any()
    assert np.array_equal(frozen(window)[0], window[6])


def test_backwards_twice_is_forwards(window):
    assert np.array_equal(reversed_in_time(reversed_in_time(window)), window)


def test_motion_only_of_a_still_clip_is_an_even_grey():
    still = np.repeat(np.arange(60, dtype=np.uint8).reshape(1, 6, 10), 5, axis=0)
    changed = motion_only(still)
    assert not changed[:, still[0] == 0].any()  # black stays black: outside the sector there is no picture
    assert set(np.unique(changed[:, still[0] > 0])) == {30}


def test_motion_only_keeps_the_differences():
    clip = 100 + np.random.default_rng(1).integers(-20, 21, (6, 5, 5))
    differences = np.diff(motion_only(clip.astype(np.uint8)).astype(int), axis=0)
    assert np.abs(differences - np.diff(clip, axis=0)).max() <= 1  # rounding


def test_black_clip():
    assert not motion_only(np.zeros((3, 4, 4), np.uint8)).any()
