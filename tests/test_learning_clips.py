import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fibrolib.learning.augment import Augment
from fibrolib.learning.clips import ClipDataset, average_by_patient, spread_windows, take_window

FRAMES = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), dtype=np.uint8)


def numbers(window):
    return window[:, 0, 0].tolist()


def test_window_of_a_long_clip():
    assert numbers(take_window(FRAMES, 1, 2, 2)) == [1, 3]


def test_short_clip_is_played_back_and_forth():
    assert numbers(take_window(FRAMES, 0, 10, 1)) == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1]


def test_still_is_repeated():
    assert numbers(take_window(FRAMES[3:4], 0, 3, 2)) == [3, 3, 3]


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4), st.integers(1, 5))
def test_windows_lie_inside_where_they_fit(n_frames, length, step, n_clips):
    starts = spread_windows(n_frames, length, step, n_clips)
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

    def test_a_table_without_prepared_files_is_refused(self, flicker_patients):
        with pytest.raises(ValueError, match="no column 'clips'"):
            self.make(flicker_patients.drop(columns="clips"))

    def test_unknown_view_is_refused(self, flicker_patients):
        with pytest.raises(ValueError, match="view must be one of"):
            self.make(flicker_patients, view="videos")
