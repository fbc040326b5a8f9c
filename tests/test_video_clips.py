"""Prepared clips: one size, one rate, black outside the sector, masks moved along, kept by content."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from fibrolib.errors import VideoError
from fibrolib.video import (
    Clip,
    clips,
    load_clip,
    map_frames,
    prepare_cached,
    prepare_clip,
    prepare_image,
    read_video,
    save_clip,
    write_image,
    write_video,
)
from fibrolib.video.clips import _clip_digest

HEIGHT, WIDTH, COUNT, FPS = 120, 160, 40, 20
BOX = (slice(10, 110), slice(30, 130))  # a square of 100 x 100


def recording(count: int = COUNT) -> np.ndarray:
    """A bright noisy rectangle on black, its level rising from frame to frame, and letters' worth of dirt outside."""
    frames = np.zeros((count, HEIGHT, WIDTH), dtype=np.uint8)
    noise = np.random.default_rng(0).integers(-4, 5, (count, 100, 100))
    frames[:, *BOX] = 60 + 4 * np.arange(count)[:, None, None] + noise
    frames[:, 50:52, 150:158] = 255
    return frames


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "clip.mp4", recording(), FPS)
    return tmp_path / "clip.mp4"


def levels(clip: Clip) -> np.ndarray:
    return np.array([np.median(frame[clip.sector]) for frame in clip.frames])


def test_a_clip_is_the_sector_alone(video):
    clip = prepare_clip(video, size=50, fps=None, max_frames=100)
    assert clip.frames.dtype == np.uint8
    assert clip.frames.shape == (COUNT, 50, 50)
    assert clip.fps == pytest.approx(FPS)
    assert clip.sector.mean() > 0.9
    assert clip.roi is None
    assert not clip.frames[:, ~clip.sector].any()
    np.testing.assert_allclose(levels(clip), 60 + 4 * np.arange(COUNT), atol=3)


def test_proportions_are_kept_and_the_rest_is_black(tmp_path):
    frames = np.random.default_rng(0).integers(86, 95, (4, 60, 120)).astype(np.uint8)
    write_video(tmp_path / "wide.mp4", frames + 20 * np.arange(4, dtype=np.uint8)[:, None, None], FPS)
    clip = prepare_clip(tmp_path / "wide.mp4", size=40, fps=None, max_frames=4)
    assert clip.sector[10:30].all()
    assert not clip.sector[:10].any()
    assert not clip.sector[30:].any()
    assert clip.frames[:, clip.sector].min() > 85


def test_reduction_averages_and_does_not_alias(tmp_path):
    stripes = np.random.default_rng(0).integers(10, 30, (128, 128)).astype(np.uint8)
    stripes[:, ::2] = 200 - stripes[:, 1::2]
    write_image(tmp_path / "stripes.png", stripes)
    clip = prepare_image(tmp_path / "stripes.png", size=32)
    np.testing.assert_allclose(clip.frames[0, 2:-2, 2:-2], 100, atol=2)


def test_letters_on_a_black_screen_are_no_picture(tmp_path):
    """Nothing else being lit, a name must not be taken for the ultrasound."""
    screen = Image.new("L", (640, 480))
    ImageDraw.Draw(screen).text((20, 50), "DOE JANE 1943", fill=255, font=ImageFont.load_default(24))
    frames = np.repeat(np.array(screen)[np.newaxis], 6, axis=0)
    write_image(tmp_path / "name.png", frames[0])
    write_video(tmp_path / "name.mp4", frames, FPS)
    assert not prepare_clip(tmp_path / "name.mp4", size=80, fps=None, max_frames=6).frames.any()
    assert not prepare_image(tmp_path / "name.png", size=80).frames.any()


def test_the_frame_rate_is_reached_by_taking_frames(video):
    clip = prepare_clip(video, size=30, fps=5, max_frames=100)
    assert clip.fps == 5
    np.testing.assert_allclose(levels(clip), 60 + 4 * np.arange(0, COUNT, 4), atol=3)


@pytest.mark.parametrize("fps", [20, 25, 1000])
def test_no_frame_is_invented(video, fps):
    clip = prepare_clip(video, size=30, fps=fps, max_frames=100)
    assert clip.fps == pytest.approx(FPS)
    assert len(clip.frames) == COUNT


@pytest.mark.parametrize("fps", [None, 20, 10, 7])
def test_of_a_long_video_the_middle_is_taken(video, fps):
    clip = prepare_clip(video, size=30, fps=fps, max_frames=6)
    assert len(clip.frames) == 6
    middle = 60 + 4 * (COUNT - 1) / 2
    assert levels(clip).mean() == pytest.approx(middle, abs=4 * FPS / (fps or FPS))
    assert np.diff(levels(clip)).mean() == pytest.approx(4 * FPS / (fps or FPS), rel=0.1)


@pytest.mark.parametrize("fps", [None, 5, 7.5])
def test_a_long_video_read_in_two_passes_gives_the_same_clip(video, tmp_path, monkeypatch, fps):
    np.savez(tmp_path / "truth.npz", capsule=moving_mask())
    settings = {"size": 30, "fps": fps, "max_frames": 15, "roi": tmp_path / "truth.npz"}
    whole = prepare_clip(video, **settings)
    sizes = []
    monkeypatch.setattr(clips, "_AT_ONCE", 3)
    monkeypatch.setattr(clips, "read_video", lambda *a, **k: sizes.append(read_video(*a, **k)) or sizes[-1])
    parts = prepare_clip(video, **settings)
    assert [read.frames.shape[1:] for read in sizes] == [(HEIGHT, WIDTH), (30, 30)], "first in full size, then small"
    assert parts.fps == whole.fps
    for name in ("frames", "sector", "roi"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize("wrong", [{"size": 0}, {"max_frames": 0}, {"fps": 0}])
def test_senseless_settings_are_refused(video, wrong):
    with pytest.raises(ValueError, match="must be positive"):
        prepare_clip(video, **({"size": 8, "fps": 10, "max_frames": 4} | wrong))


def moving_mask() -> np.ndarray:
    masks = np.zeros((COUNT, HEIGHT, WIDTH), dtype=bool)
    for number, mask in enumerate(masks):
        mask[20 + number : 40 + number, 50:70] = True
    return masks


def test_a_mask_moves_with_its_frames(video, tmp_path):
    np.savez(tmp_path / "truth.npz", capsule=moving_mask(), liver=~moving_mask())
    clip = prepare_clip(video, size=100, fps=10, max_frames=8, roi=tmp_path / "truth.npz")
    assert clip.roi.shape == clip.frames.shape
    assert clip.roi.dtype == bool
    # The sector is 100 pixels square, so nothing is scaled; the eight frames are every other one around the middle.
    tops = np.array([np.flatnonzero(mask.any(axis=1))[0] for mask in clip.roi])
    np.testing.assert_allclose(np.diff(tops), 2, atol=1)
    assert tops.mean() == pytest.approx(20 + (COUNT - 1) / 2 - 10, abs=3)
    np.testing.assert_allclose(clip.roi.sum(axis=(1, 2)), 400, rtol=0.1)
    liver = prepare_clip(video, size=100, fps=10, max_frames=8, roi=tmp_path / "truth.npz", region="liver")
    assert not (liver.roi & clip.roi).sum() > 0.2 * clip.roi.sum()
    assert not liver.roi[:, ~liver.sector].any()


def test_a_mask_image_serves_all_frames_and_a_thin_line_survives(video, tmp_path):
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[60:62, 40:120] = 1
    write_image(tmp_path / "mask.png", mask)
    clip = prepare_clip(video, size=25, fps=None, max_frames=5, roi=tmp_path / "mask.png")
    assert clip.roi.any(axis=1)[:, 4:21].all()
    assert (clip.roi == clip.roi[0]).all()


def test_masks_that_do_not_fit_are_named(video, tmp_path):
    np.savez(tmp_path / "short.npz", capsule=moving_mask()[:5])
    np.savez(tmp_path / "small.npz", capsule=moving_mask()[:, :50])
    np.savez(tmp_path / "other.npz", vessels=moving_mask())
    (tmp_path / "broken.npz").write_bytes(b"PK no")
    for name, words in [
        ("short", "has 5 frames"),
        ("small", "160 x 50 .* 160 x 120"),
        ("other", "no array 'capsule' .* only vessels"),
        ("broken", "cannot be read"),
        ("none", "cannot be read"),
    ]:
        with pytest.raises(VideoError, match=rf"{name}\.npz.*{words}"):
            prepare_clip(video, size=20, fps=None, max_frames=40, roi=tmp_path / f"{name}.npz")


@pytest.mark.parametrize("order", ["C", "F"])
def test_frames_are_mapped_from_where_they_lie_in_the_file(tmp_path, order):
    frames = np.asarray(np.random.default_rng(0).integers(0, 256, (7, 20, 20), dtype=np.uint8), order=order)
    clip = Clip(frames, 10.0, np.ones((20, 20), dtype=bool), frames > 200)
    save_clip(tmp_path / "clip.npz", clip)
    mapped = map_frames(tmp_path / "clip.npz")
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, load_clip(tmp_path / "clip.npz").frames)
    np.savez(tmp_path / "none.npz", sector=clip.sector)
    with pytest.raises(VideoError, match=r"none\.npz: this prepared clip cannot be read.*Delete it"):
        map_frames(tmp_path / "none.npz")


def test_an_image_is_a_clip_of_one_frame(tmp_path):
    frame = recording(1)[0]
    write_image(tmp_path / "image.png", frame)
    np.savez(tmp_path / "truth.npz", image_capsule=moving_mask()[0], capsule=moving_mask()[:, :9])
    clip = prepare_image(tmp_path / "image.png", size=50, roi=tmp_path / "truth.npz")
    assert clip.frames.shape == (1, 50, 50)
    assert clip.roi.shape == (1, 50, 50)
    assert clip.roi.sum() == pytest.approx(100, rel=0.15)
    assert not clip.frames[:, ~clip.sector].any()


def test_for_an_image_a_video_gives_its_middle_frame(video, tmp_path):
    np.savez(tmp_path / "truth.npz", capsule=moving_mask())
    clip = prepare_image(video, size=50, roi=tmp_path / "truth.npz")
    assert clip.frames.shape == (1, 50, 50)
    assert levels(clip) == pytest.approx(60 + 4 * 19, abs=4)
    assert clip.roi.any()
    with pytest.raises(ValueError, match="positive"):
        prepare_image(video, size=0)


@pytest.mark.parametrize("with_roi", [False, True])
def test_a_saved_clip_comes_back(tmp_path, with_roi):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 8, 8), dtype=np.uint8)
    clip = Clip(frames, 22.25, frames[0] > 9, frames > 100 if with_roi else None)
    save_clip(tmp_path / "new" / "a.npz", clip)
    back = load_clip(tmp_path / "new" / "a.npz")
    np.testing.assert_array_equal(back.frames, clip.frames)
    np.testing.assert_array_equal(back.sector, clip.sector)
    assert back.fps == 22.25
    assert (back.roi is None) == (not with_roi)
    if with_roi:
        np.testing.assert_array_equal(back.roi, clip.roi)


def test_a_clip_half_written_is_not_there(tmp_path, monkeypatch):
    def full_disk(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full_disk)
    frames = np.zeros((1, 2, 2), dtype=np.uint8)
    with pytest.raises(OSError, match="no space"):
        save_clip(tmp_path / "a.npz", Clip(frames, 1.0, frames[0] > 0))
    assert not list(tmp_path.iterdir())


def test_a_clip_that_is_none_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK")
    np.savez(tmp_path / "b.npz", frames=np.zeros(3))
    for name in ("a.npz", "b.npz", "none.npz"):
        with pytest.raises(VideoError, match=name):
            load_clip(tmp_path / name)


def test_the_digest_is_of_content_and_settings(video, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    digest = _clip_digest(video, {"size": 20, "fps": 10})
    assert len(digest) == 64
    assert digest == _clip_digest(copy, {"fps": 10, "size": 20})
    assert digest != _clip_digest(video, {"size": 21, "fps": 10})
    copy.write_bytes(video.read_bytes() + b"\0")
    assert digest != _clip_digest(copy, {"size": 20, "fps": 10})
    with pytest.raises(VideoError, match=r"none\.mp4"):
        _clip_digest(tmp_path / "none.mp4", {})


def test_a_clip_is_prepared_once(video, tmp_path):
    settings = {"size": 20, "fps": 10, "max_frames": 8}
    kept = prepare_cached(video, tmp_path / "kept", **settings)
    np.testing.assert_array_equal(load_clip(kept).frames, prepare_clip(video, **settings).frames)
    save_clip(kept, Clip(np.zeros((1, 2, 2), np.uint8), 1.0, np.ones((2, 2), bool)))  # a marked one, to be found again
    assert prepare_cached(video, tmp_path / "kept", **settings) == kept
    assert load_clip(kept).frames.shape == (1, 2, 2)


def test_other_settings_other_clips(video, tmp_path):
    np.savez(tmp_path / "truth.npz", capsule=moving_mask())
    np.savez(tmp_path / "other.npz", capsule=moving_mask()[::-1])
    base = {"size": 20, "fps": 10, "max_frames": 8}
    variants = [
        base,
        base | {"size": 21},
        base | {"fps": None},
        base | {"max_frames": 7},
        base | {"kind": "image"},
        base | {"roi": tmp_path / "truth.npz"},
        base | {"roi": tmp_path / "other.npz"},
    ]
    paths = {prepare_cached(video, tmp_path / "kept", **settings) for settings in variants}
    assert len(paths) == len(variants)
    assert len(list((tmp_path / "kept").iterdir())) == len(variants)
    as_image = prepare_cached(video, tmp_path / "kept", kind="image", size=20)
    assert load_clip(as_image).frames.shape == (1, 20, 20)
    with pytest.raises(ValueError, match="kind"):
        prepare_cached(video, tmp_path / "kept", kind="film", size=20)


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    with av.open(str(tmp_path / "wide.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64), 90, dtype=np.uint8), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    sector = prepare_clip(tmp_path / "wide.mp4", size=32, fps=None, max_frames=3).sector
    assert sector[8:24].all()
    assert not sector[:8].any()
    assert not sector[24:].any()
