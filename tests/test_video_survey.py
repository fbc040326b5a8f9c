"""What is drawn on a picture, and fingerprints."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from fibrolib.checking.copies import _likeness
from fibrolib.video import Surveys, find_sector, survey_video, write_video
from fibrolib.video.survey import _NO_MARGINS, _coloured_pixels, _miniature, _still_marks, _well_inside, fingerprints

# What is drawn on a picture is told from tissue, and a tint from colour


SIDE = 120
EVERYWHERE = np.ones((SIDE, SIDE), dtype=bool)


def tissue(sway: float = 4.0, count: int = 24) -> np.ndarray:
    """Frames of a smooth texture that sways to and fro."""
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(SIDE, SIDE + 32)), 3, mode="wrap")
    texture = 90 + 30 * texture / texture.std()
    shifts = sway * np.sin(2 * np.pi * np.arange(count) / 12)
    moved = [ndimage.shift(texture, (0, shift), order=1, mode="wrap")[:, 16:-16] for shift in shifts]
    return np.clip(moved, 0, 255).astype(np.uint8)


def written_on(frames: np.ndarray) -> np.ndarray:
    pictures = [Image.fromarray(frame) for frame in frames]
    for picture in pictures:
        ImageDraw.Draw(picture).text((40, 60), "RIGHT LOBE", fill=255)
    return np.stack([np.array(picture) for picture in pictures])


def marks(frames: np.ndarray, inside: np.ndarray = EVERYWHERE) -> int:
    return _still_marks(frames.mean(axis=0, dtype=np.float32), frames.std(axis=0, dtype=np.float32), inside)


def test_letters_are_told_from_tissue():
    assert marks(tissue()) == 0
    assert marks(written_on(tissue())) > 40


def test_letters_outside_do_not_count():
    below = EVERYWHERE.copy()
    below[:80] = False
    assert marks(written_on(tissue()), below) == 0


def test_what_moves_along_with_the_tissue_is_no_mark():
    frames = tissue()
    spots = np.zeros((SIDE, SIDE + 32))
    spots[20::20, 20::20] = 1
    for number, frame in enumerate(frames):
        shift = 4 * np.sin(2 * np.pi * number / 12)
        lit = ndimage.shift(ndimage.maximum_filter(spots, 3), (0, shift), order=0, mode="wrap")[:, 16:-16] > 0
        frame[lit] = 255
    assert marks(frames) == 0


def test_where_nothing_moves_nothing_is_said():
    assert marks(written_on(tissue(sway=0))) == 0


def test_colour_is_counted_and_a_tint_is_not():
    grey = np.repeat(tissue(count=4)[..., None], 3, axis=3)
    sepia = (grey * [1.0, 0.8, 0.5]).astype(np.uint8)
    for frames in (grey, sepia):
        assert _coloured_pixels(frames, EVERYWHERE) == 0
        frames[:2, 30:40, 30:40] = (220, 30, 20)
        assert _coloured_pixels(frames, EVERYWHERE) == pytest.approx(50, abs=5)  # 100 pixels in half of the frames


def test_the_border_is_left_out():
    inside = _well_inside(EVERYWHERE)
    assert inside.sum() == (SIDE - 4) ** 2
    frames = np.repeat(tissue(count=2)[..., None], 3, axis=3)
    frames[:, :, -1] = (0, 135, 0)  # the seam of a codec
    assert _coloured_pixels(frames, inside) == 0


# The same pictures have the same fingerprints; a margin that was cut off is found again


LARGE = 200


def picture(seed: int) -> np.ndarray:
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(LARGE, LARGE)), 8)
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
    assert _likeness(prints(picture(0)), prints(change(picture(0))))[0, 0] > 0.95


def test_other_pictures_are_not_alike():
    assert _likeness(prints(picture(0)), prints(picture(1)))[0, 0] < 0.5


@pytest.mark.parametrize("sides", [(1, 0, 0, 0), (0, 1, 0, 1), (1, 1, 1, 1)])
def test_a_margin_that_was_cut_off_is_found_again(sides):
    above, below, before, behind = (round(0.05 * LARGE) * side for side in sides)
    copy = picture(0)[above : LARGE - below, before : LARGE - behind]
    plain = _likeness(prints(picture(0)), prints(copy))[0, 0]
    found = _likeness(prints(picture(0), tuple(0.05 * side for side in sides)), prints(copy))[0, 0]
    assert found > 0.95 > plain


def test_surveys_are_kept_outside_of_memory(tmp_path):
    write_video(tmp_path / "a.mp4", tissue(), 20.0)
    survey, surveys = survey_video(tmp_path / "a.mp4"), Surveys()
    for name in ("b", "a"):
        surveys.add(name, survey)
    assert list(surveys) == ["b", "a"]
    assert "c" not in surveys
    again = surveys["b"]
    assert again is not survey
    assert (again.path, again.brightness, again.notes) == (survey.path, survey.brightness, survey.notes)
    assert np.array_equal(again.small.frames, survey.small.frames)
    assert np.array_equal(again.whole, survey.whole)
