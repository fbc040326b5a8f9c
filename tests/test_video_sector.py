"""The sector is found where it was drawn, and letters, rulers and bars around it are not part of it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fibrolib.video import find_sector

HEIGHT, WIDTH = 300, 400


def fan(height: int = HEIGHT, width: int = WIDTH, inner: float = 45, outer: float = 230) -> np.ndarray:
    """A convex fan of 66 degrees."""
    y, x = np.mgrid[:height, :width]
    y, x = y - 10.0, x - width / 2
    radius, angle = np.hypot(x, y), np.arctan2(x, y)
    return (radius > inner) & (radius < outer) & (np.abs(angle) < np.deg2rad(33))


def speckle(mask: np.ndarray, count: int = 20, level: float = 60, seed: int = 0) -> np.ndarray:
    frames = np.random.default_rng(seed).rayleigh(level / 1.25, (count, *mask.shape)) * mask
    return frames.clip(0, 255).astype(np.uint8)


def furniture(frames: np.ndarray, clock: bool = True) -> np.ndarray:
    """Letters, a ruler, a grey bar and a clock that runs, all outside the fan."""
    dressed = []
    for number, frame in enumerate(frames):
        image = Image.fromarray(frame)
        draw = ImageDraw.Draw(image)
        draw.text((5, 5), "CLINIC  C5-1  LIVER", fill=255)
        draw.text((5, 20), "13 cm\n56 %\nDR 60", fill=200)
        draw.text((300, 280), f"00:{number if clock else 0:02d}", fill=230)
        draw.rectangle((8, 90, 18, 200), fill=120)
        for tick in range(20, 280, 12):
            draw.line((380, tick, 388, tick), fill=255)
        draw.line((384, 20, 384, 280), fill=255)
        dressed.append(np.array(image))
    return np.stack(dressed)


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    return (found & true).sum() / (found | true).sum()


def test_a_fan_with_everything_around_it():
    true = fan()
    sector = find_sector(furniture(speckle(true)))
    assert overlap(sector.mask, true) > 0.95
    assert sector.mask[true].mean() > 0.99
    top, bottom, left, right = sector.box
    assert not sector.mask[:top].any()
    assert sector.mask[top].any()
    assert sector.mask[bottom - 1].any()
    assert not sector.mask[bottom:].any()
    assert sector.mask[:, left].any()
    assert sector.mask[:, right - 1].any()
    assert sector.mask[top:bottom, left:right].sum() == sector.mask.sum()


def test_a_still_image_of_a_fan():
    true = fan()
    assert overlap(find_sector(furniture(speckle(true, 1))).mask, true) > 0.95


def test_vessels_and_shadows_belong_to_the_sector():
    true = fan()
    frames = speckle(true)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    frames[:, np.hypot(y - 150, x - 200) < 35] = 0
    frames[:, (np.abs(x - 225) < 10) & (y > 120)] = 0
    assert overlap(find_sector(furniture(frames)).mask, true) > 0.95


def test_a_black_band_does_not_part_near_field_and_depth():
    true = fan()
    frames = speckle(true)
    frames[:, 85:150] = 0
    assert overlap(find_sector(furniture(frames)).mask, true) > 0.9


@pytest.mark.parametrize("grey", [13, 60])
def test_the_screen_may_be_grey(grey):
    true = fan()
    frames = np.where(true, np.maximum(speckle(true, level=110), grey + 5), grey).astype(np.uint8)
    assert overlap(find_sector(furniture(frames)).mask, true) > 0.95


def test_a_linear_rectangle():
    true = np.zeros((HEIGHT, WIDTH), dtype=bool)
    true[40:260, 120:290] = True
    sector = find_sector(furniture(speckle(true)))
    assert overlap(sector.mask, true) > 0.97
    np.testing.assert_allclose(sector.box, (40, 260, 120, 290), atol=2)


def test_a_crop_that_cuts_the_fan():
    frames, true = speckle(fan())[:, 60:230, 130:260], fan()[60:230, 130:260]
    assert overlap(find_sector(frames).mask, true) > 0.97


def test_a_picture_without_a_border():
    assert find_sector(speckle(np.ones((90, 120), dtype=bool))).box == (0, 90, 0, 120)


@pytest.mark.parametrize("scale", [0.4, 1, 3])
def test_the_size_of_the_frame_does_not_matter(scale):
    height, width = round(HEIGHT * scale), round(WIDTH * scale)
    true = np.array(Image.fromarray(fan()).resize((width, height)))
    assert overlap(find_sector(speckle(true)).mask, true) > 0.93


@pytest.mark.parametrize("shape", [(5, 40, 30), (1, 1, 1), (3, 2, 90)])
def test_where_nothing_is_lit_it_is_the_whole_frame(shape):
    sector = find_sector(np.zeros(shape, dtype=np.uint8))
    assert sector.box == (0, shape[1], 0, shape[2])
    assert sector.mask.all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 1, 50), (4, 2, 2), (2, 700, 1)])
def test_tiny_frames_do_no_harm(shape):
    sector = find_sector(np.full(shape, 90, dtype=np.uint8))
    assert sector.mask.shape == shape[1:]
    assert sector.mask.any()


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 4)])
def test_what_are_no_frames_is_refused(shape):
    with pytest.raises(ValueError, match="at least one frame"):
        find_sector(np.zeros(shape, dtype=np.uint8))


def test_letters_alone_are_not_called_a_picture():
    frames = np.zeros((4, 480, 640), np.uint8)
    assert not find_sector(frames).found
    frames[:, 100:112, 50:250:3] = 255  # strokes of one pixel
    assert not find_sector(frames).found
    frames[:, 100:130, 50:250] = 255  # a bar, as wide as a line of text
    assert not find_sector(frames).found
    frames[:, 150:400, 200:500] = np.random.default_rng(0).integers(20, 200, (4, 250, 300))
    assert find_sector(frames).found
    assert find_sector(frames, (150, 400, 200, 500)).found
