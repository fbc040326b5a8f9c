"""The same pictures have the same fingerprints; a margin that was cut off is found again."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from fibrolib.checking.copies import likeness
from fibrolib.video import find_sector
from fibrolib.video.survey import _NO_MARGINS, _miniature, fingerprints

SIDE = 200


def picture(seed: int) -> np.ndarray:
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), 8)
    return np.clip(120 + 40 * texture / texture.std(), 5, 250).astype(np.uint8)


def prints(frame: np.ndarray, margins=_NO_MARGINS) -> np.ndarray:
    return fingerprints(_miniature(frame[np.newaxis], find_sector(frame[np.newaxis])), margins)


def test_form_and_values():
    found = prints(picture(0))
    assert found.shape == (1, 1024)
    assert set(np.unique(found)) <= {-1, 0, 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: np.clip(frame * 0.8 + 20, 0, 255).astype(np.uint8),
        lambda frame: np.array(Image.fromarray(frame).resize((150, 150))),
        lambda frame: np.pad(frame, ((30, 10), (60, 20))),
    ],
    ids=["gain", "size", "around"],
)
def test_size_gain_and_what_is_around_do_not_matter(change):
    assert likeness(prints(picture(0)), prints(change(picture(0))))[0, 0] > 0.95


def test_other_pictures_are_not_alike():
    assert likeness(prints(picture(0)), prints(picture(1)))[0, 0] < 0.5


@pytest.mark.parametrize("sides", [(1, 0, 0, 0), (0, 1, 0, 1), (1, 1, 1, 1)])
def test_a_margin_that_was_cut_off_is_found_again(sides):
    above, below, before, behind = (round(0.05 * SIDE) * side for side in sides)
    copy = picture(0)[above : SIDE - below, before : SIDE - behind]
    plain = likeness(prints(picture(0)), prints(copy))[0, 0]
    found = likeness(prints(picture(0), tuple(0.05 * side for side in sides)), prints(copy))[0, 0]
    assert found > 0.95 > plain
