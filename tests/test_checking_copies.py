"""Files that show the same: among those of a cohort, and among known ones, of which only fingerprints are left."""

import weakref
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from fibrolib.checking import alike_pictures, copies
from fibrolib.video import fingerprints, survey_video, write_video
from fibrolib.video.survey import _Miniature

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


def miniature(seed: int) -> np.ndarray:
    """Eight small frames of texture; a third of it is that of all seeds, as livers resemble each other."""
    textures = [ndimage.gaussian_filter(np.random.default_rng(n).normal(size=(120, 120)), 4.0) for n in (0, seed)]
    shared, own = (texture / texture.std() for texture in textures)
    moved = [np.roll(shared + own, step, axis=1) for step in range(8)]
    return np.clip(110 + 25 * np.stack(moved), 5, 250).astype(np.uint8)


class OneAtATime(Mapping):
    """Surveys that are made when asked for; the most that were held at once are counted."""

    def __init__(self, frames: dict[str, np.ndarray]) -> None:
        self.frames, self.alive, self.most, self.asked = frames, weakref.WeakSet(), 0, 0

    def __getitem__(self, name: str) -> SimpleNamespace:
        small = [Image.fromarray(frame).resize((96, 96), Image.Resampling.BOX) for frame in self.frames[name]]
        small = _Miniature(np.stack(small), np.full((96, 96), 255, dtype=np.uint8))
        self.alive.add(small)
        self.most, self.asked = max(self.most, len(self.alive)), self.asked + 1
        return SimpleNamespace(small=small)

    def __iter__(self):
        return iter(self.frames)

    def __len__(self) -> int:
        return len(self.frames)


def test_copies_among_the_files_of_a_cohort_are_found_in_blocks_of_bounded_memory(monkeypatch):
    monkeypatch.setattr(copies, "_BLOCK", 4)
    frames = {str(seed): miniature(seed) for seed in range(1, 15)}
    frames["gain"] = np.clip(frames["2"] * 0.8 + 15.0, 0, 255).astype(np.uint8)
    frames["mirrored"] = frames["5"][:, :, ::-1]
    frames["later"] = frames["9"][5:]
    frames["cut"] = frames["7"][:, 6:, :-6]
    surveys = OneAtATime(frames)
    names = list(frames)
    found = [(names[one], names[other], how) for one, other, how in copies._alike_pairs(names, surveys)]
    assert found == [
        ("2", "gain", "alike"),
        ("5", "mirrored", "mirrored"),
        ("7", "cut", "cut"),
        ("9", "later", "alike"),
    ]
    assert surveys.most <= 4 + 2
    assert surveys.asked == 2 * len(names)


def test_few_pairs_are_compared_in_full(monkeypatch):
    """All pairs agree by enough that a margin could explain the rest; comparing each would take hours at 10,000."""
    surveys = OneAtATime({str(seed): miniature(seed) for seed in range(1, 31)})
    compared = []
    in_full = copies._how
    monkeypatch.setattr(copies, "_how", lambda *prints: compared.append(prints) or in_full(*prints))
    assert copies._alike_pairs(list(surveys), surveys) == []
    agreement = copies._likeness(*(fingerprints(surveys[name].small) for name in ("1", "2"))).max()
    assert agreement > copies._WORTH
    assert len(compared) < len(surveys) + 0.05 * len(surveys) ** 2  # each with itself, and some pairs of 900
