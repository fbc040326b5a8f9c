"""The quality gate on clips whose numbers can be worked out by hand; virtual clips are in benchmarks/quality.py."""

import numpy as np
import pytest
from scipy import ndimage

from fibrolib.video import QUALITY_LIMITS, Clip, clip_quality, quality_faults

SIDE, FRAMES = 96, 24
SECTOR = np.ones((SIDE, SIDE), dtype=bool)


def tissue(seed=0, sway=1.5):
    """Frames of a texture of large structures and speckle that sways with the heart."""
    rng = np.random.default_rng(seed)
    large = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 6, mode="wrap")
    small = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1, mode="wrap")
    still = 100 + 25 * large / large.std() + 20 * small / small.std()
    moved = [ndimage.shift(still, (sway * np.sin(2 * np.pi * n / 12), 0), order=1, mode="wrap") for n in range(FRAMES)]
    return np.clip(moved, 1, 255).astype(np.uint8)


def faults(frames, sector=SECTOR):
    return quality_faults(clip_quality(Clip(frames * sector, 20.0, sector)))


def test_a_clip_of_moving_tissue_has_no_fault():
    assert faults(tissue()) == ()


def test_a_repeated_frame_is_still():
    assert clip_quality(Clip(np.repeat(tissue()[:1], FRAMES, axis=0), 20.0, SECTOR))["motion"] == 0
    assert faults(np.repeat(tissue()[:1], FRAMES, axis=0)) == ("still",)


def test_a_clip_that_turns_into_another_is_a_sweep():
    share = np.linspace(0, 1, FRAMES)[:, None, None]
    swept = (1 - share) * tissue(0) + share * tissue(1)
    assert faults(swept.astype(np.uint8)) == ("sweep",)


def test_shadow_is_the_share_of_the_sector_that_is_dark():
    frames = tissue()
    frames[:, 20:, : SIDE * 3 // 4] //= 5
    quality = clip_quality(Clip(frames, 20.0, SECTOR))
    assert quality["shadow"] == pytest.approx(0.75 * 76 / 96, abs=0.04)
    assert quality["lit"] > 0.9
    assert "shadow" in quality_faults(quality, QUALITY_LIMITS | {"max_shadow": 0.5})


def test_a_black_picture_is_none():
    assert "no picture" in faults(tissue() // 40)
    frames = tissue()
    frames[:, 10:] = 0
    assert clip_quality(Clip(frames, 20.0, SECTOR))["lit"] == pytest.approx(10 / 96, abs=0.02)


def test_what_is_outside_the_sector_does_not_count():
    sector = np.zeros((SIDE, SIDE), dtype=bool)
    sector[16:80, 16:80] = True
    assert faults(tissue(), sector) == ()
    nothing = clip_quality(Clip(tissue(), 20.0, np.zeros((SIDE, SIDE), dtype=bool)))
    assert np.isnan(list(nothing.values())).all()
    assert quality_faults(nothing) == ("no picture",)


def test_a_picture_of_one_frame_does_not_move():
    assert faults(tissue()[:1]) == ("still",)
