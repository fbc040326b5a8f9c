import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fibrolib.learning.clips import (
    _NO_CHANGE,
    PERTURBATIONS,
    Augment,
    ClipDataset,
    _spread_windows,
    _take_window,
    average_by_patient,
    shifted,
)

WINDOW = np.random.default_rng(0).integers(0, 256, (3, 10, 12)).astype(np.uint8)
FRAMES = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), dtype=np.uint8)


def numbers(window):
    return window[:, 0, 0].tolist()


def test_window_of_a_long_clip():
    assert numbers(_take_window(FRAMES, 1, 2, 2)) == [1, 3]


def test_short_clip_is_played_back_and_forth():
    assert numbers(_take_window(FRAMES, 0, 10, 1)) == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1]


def test_still_is_repeated():
    assert numbers(_take_window(FRAMES[3:4], 0, 3, 2)) == [3, 3, 3]


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4), st.integers(1, 5))
def test_windows_lie_inside_where_they_fit(n_frames, length, step, n_clips):
    starts = _spread_windows(n_frames, length, step, n_clips)
    span = (length - 1) * step + 1
    assert starts == sorted(set(starts))
    assert 1 <= len(starts) <= n_clips
    assert all(start >= 0 and (start + span <= n_frames or starts == [0]) for start in starts)


def test_averages_windows_within_a_patient():
    values = np.array([[0.0], [1.0], [0.4]])
    np.testing.assert_allclose(average_by_patient(values, np.array([0, 0, 1]), 2), [[0.5], [0.4]])


class TestDataset:
    def make(self, patients, **options):
        settings = {"view": "clips", "clip_length": 4, "frame_stride": 1} | options
        return ClipDataset(patients, patients["stage"].to_numpy(), **settings)

    def test_scoring_windows_are_always_the_same(self, flicker_patients):
        dataset = self.make(flicker_patients, n_clips=3)
        assert len(dataset) == 3 * len(flicker_patients)
        assert dataset.owner[:4].tolist() == [0, 0, 0, 1]
        first, again = dataset[1][0], dataset[1][0]
        assert (first == again).all()
        assert first.shape == (1, 4, 24, 24)
        assert 0 <= first.min() <= first.max() <= 1

    def test_training_windows_depend_on_the_seed_only(self, flicker_patients):
        windows = [self.make(flicker_patients, augment=Augment(), seed=seed)[0][0] for seed in (1, 1, 2)]
        assert (windows[0] == windows[1]).all()
        assert (windows[0] != windows[2]).any()

    def test_stage_comes_with_the_window(self, flicker_patients):
        dataset = self.make(flicker_patients)
        assert [dataset[i][1] for i in range(4)] == [0, 1, 2, 0]

    def test_clips_beyond_what_memory_may_hold_are_read_from_disk_and_give_the_same_windows(
        self, flicker_patients, monkeypatch
    ):
        held = self.make(flicker_patients, n_clips=2, augment=Augment(), seed=1)
        expected = [held[k][0] for k in range(len(held))]
        one = held._read(held.items[0][1]).nbytes
        monkeypatch.setattr("fibrolib.learning.clips._IN_MEMORY", 2 * one)
        few = self.make(flicker_patients, n_clips=2, augment=Augment(), seed=1)
        assert all(map(torch.equal, [few[k][0] for k in range(len(few))], expected))
        assert sum(frames.nbytes for frames in few._frames.values()) == 2 * one

    def test_no_frame_is_read_to_list_the_windows(self, flicker_patients, monkeypatch):
        monkeypatch.setattr(ClipDataset, "_read", None)  # cannot be called
        assert len(self.make(flicker_patients, n_clips=3)) == 3 * len(flicker_patients)

    def test_a_table_without_prepared_files_is_refused(self, flicker_patients):
        with pytest.raises(ValueError, match="no column 'clips'"):
            self.make(flicker_patients.drop(columns="clips"))

    def test_unknown_view_is_refused(self, flicker_patients):
        with pytest.raises(ValueError, match="view must be one of"):
            self.make(flicker_patients, view="videos")


def test_nothing_asked_nothing_changed():
    changed = _NO_CHANGE(WINDOW, np.random.default_rng(0))
    np.testing.assert_allclose(changed, WINDOW / 255, rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_grey_values_follow_a_power_and_a_factor(seed):
    changed = Augment(shift=0, edge=0, mirror=False)(WINDOW, np.random.default_rng(seed))
    exponent, factor = 1 + np.random.default_rng(seed).uniform(-0.15, 0.15, 2)
    np.testing.assert_allclose(changed, np.minimum(factor * (WINDOW / 255) ** exponent, 1), rtol=1e-5)


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
    moved = shifted(WINDOW, down, right)
    rows = slice(max(down, 0), 10 + min(down, 0))
    columns = slice(max(right, 0), 12 + min(right, 0))
    assert (moved[:, rows, columns] == rolled[:, rows, columns]).all()
    assert moved.sum() == pytest.approx(rolled[:, rows, columns].sum(), rel=1e-5)


def test_only_one_edge_is_blanked_and_only_so_far():
    lit = np.full((2, 10, 40), 255, np.uint8)
    blanked = Augment(gain=0, gamma=0, shift=0, edge=0.2)
    for seed in range(40):
        columns = blanked(lit, np.random.default_rng(seed)).any(axis=(0, 1))
        dark = np.flatnonzero(~columns)
        assert len(dark) <= 8
        assert set(dark) in (set(range(len(dark))), set(range(40 - len(dark), 40)))


@pytest.fixture
def window():
    return np.random.default_rng(0).integers(1, 256, (12, 8, 10)).astype(np.uint8)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_shape_and_type_stay(window, name):
    changed = PERTURBATIONS[name](window)
    assert changed.shape == window.shape
    assert changed.dtype == np.uint8


def test_shuffling_keeps_the_frames_and_loses_the_order(window):
    changed = PERTURBATIONS["shuffled"](window)
    assert sorted(frame.tobytes() for frame in changed) == sorted(frame.tobytes() for frame in window)
    assert not np.array_equal(changed, window)


def test_nothing_moves_in_a_frozen_clip(window):
    assert not np.diff(PERTURBATIONS["frozen"](window).astype(int), axis=0).any()
    assert np.array_equal(PERTURBATIONS["frozen"](window)[0], window[6])


def test_backwards_twice_is_forwards(window):
    assert np.array_equal(PERTURBATIONS["reversed"](PERTURBATIONS["reversed"](window)), window)


def test_motion_only_of_a_still_clip_is_an_even_grey():
    still = np.repeat(np.arange(60, dtype=np.uint8).reshape(1, 6, 10), 5, axis=0)
    changed = PERTURBATIONS["motion only"](still)
    assert not changed[:, still[0] == 0].any()  # black stays black: outside the sector there is no picture
    assert set(np.unique(changed[:, still[0] > 0])) == {30}


def test_motion_only_keeps_the_differences():
    clip = 100 + np.random.default_rng(1).integers(-20, 21, (6, 5, 5))
    differences = np.diff(PERTURBATIONS["motion only"](clip.astype(np.uint8)).astype(int), axis=0)
    assert np.abs(differences - np.diff(clip, axis=0)).max() <= 1  # rounding


def test_black_clip():
    assert not PERTURBATIONS["motion only"](np.zeros((3, 4, 4), np.uint8)).any()
