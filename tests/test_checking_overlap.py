"""Pictures that are among known ones, of which only fingerprints are left."""

import numpy as np
import pytest
from scipy import ndimage

from fibrolib.checking import alike_pictures
from fibrolib.video import fingerprints, survey_video, write_video

SIDE = 160


def tissue(seed: int) -> np.ndarray:
    """Twelve frames of coarse texture that sways."""
    random = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(random.normal(size=(SIDE, SIDE + 16)), 5.0, mode="wrap")
    sway = 3 * np.sin(np.arange(12) / 2)
    moved = np.stack([ndimage.shift(texture, (0, step), order=1, mode="wrap")[:, 8:-8] for step in sway])
    return np.clip(110 + 40 * moved / texture.std(), 5, 250).astype(np.uint8)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")

    def make(name: str, frames: np.ndarray):
        path = folder / f"{name}.mp4"
        write_video(path, frames, 20.0)
        return survey_video(path)

    return make


@pytest.fixture(scope="module")
def known(survey):
    return [survey(f"known{seed}", tissue(seed)) for seed in range(3)]


@pytest.mark.parametrize(
    "copy",
    [
        lambda frames: frames,
        lambda frames: frames[3:],
        lambda frames: np.clip(frames * 0.8 + 15, 0, 255).astype(np.uint8),
        lambda frames: frames[:, ::2, ::2],
        lambda frames: frames[:, :, ::-1],
        lambda frames: frames[:, 8:, :-8],
        lambda frames: frames[:, 8:-8, 8:-8],
    ],
    ids=["same", "later", "gain", "half the size", "mirrored", "two sides cut", "four sides cut"],
)
def test_copies_are_found(survey, known, copy):
    prints = [fingerprints(each.small) for each in known]
    new = [survey("other", tissue(9)), survey("copy", copy(tissue(1)))]
    assert alike_pictures(new, prints) == [(1, 1)]


def test_what_a_known_file_was_cut_from_is_found(survey):
    cut = survey("cut", tissue(1)[:, 8:, :-8])
    assert alike_pictures([survey("whole", tissue(1))], [fingerprints(cut.small)]) == [(0, 0)]


def test_other_patients_are_not(survey, known):
    new = [survey(f"new{seed}", tissue(seed)) for seed in (20, 21, 22)]
    assert alike_pictures(new, [fingerprints(each.small) for each in known]) == []
