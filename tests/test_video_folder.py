"""A folder of pictures is a video, in the order of the numbers in their names."""

import numpy as np
import pytest
from PIL import Image
from test_video_reading import LEVELS, levels, steps

from fibrolib.errors import VideoError
from fibrolib.video import is_still, prepare_clip, read_image, read_video, survey_video
from fibrolib.video.clips import _clip_digest


@pytest.fixture
def folder(tmp_path):
    for number, frame in enumerate(steps(12)):
        Image.fromarray(frame).save(tmp_path / f"frame{number + 1}.png")
    (tmp_path / "Thumbs.db").write_bytes(b"no picture")
    (tmp_path / ".hidden.png").write_bytes(b"no picture")
    return tmp_path


def test_frames_come_by_number(folder):
    video = read_video(folder)
    np.testing.assert_array_equal(video.frames, steps(12))
    assert video.fps == 25.0
    assert not is_still(folder)


def test_the_rate_may_be_told(folder):
    (folder / "fps.txt").write_text("10\n")
    video = read_video(folder)
    assert video.fps == pytest.approx(10)
    np.testing.assert_allclose(video.times, np.arange(12) / 10)
    (folder / "fps.txt").write_text("fast")
    with pytest.raises(VideoError, match=r"fps\.txt: expected the frames per second"):
        read_video(folder)


def test_the_middle_and_what_is_made_of_it(folder):
    middle = read_video(folder, max_frames=4)
    assert middle.first == 4
    np.testing.assert_array_equal(middle.frames, steps(12)[4:8])
    assert levels(read_image(folder)[np.newaxis]) == LEVELS[5]
    assert prepare_clip(folder, size=32, fps=None, max_frames=4).frames.shape == (4, 32, 32)
    survey = survey_video(folder)
    assert (survey.n_frames, survey.container) == (12, "folder")


def test_digests_follow_the_pictures_their_order_and_the_rate(folder):
    seen = [_clip_digest(folder, {})]
    (folder / "Thumbs.db").unlink()
    assert _clip_digest(folder, {}) == seen[0]
    (folder / "fps.txt").write_text("10")
    seen.append(_clip_digest(folder, {}))
    (folder / "frame1.png").rename(folder / "frame99.png")
    seen.append(_clip_digest(folder, {}))
    (folder / "frame2.png").write_bytes((folder / "frame3.png").read_bytes())
    seen.append(_clip_digest(folder, {}))
    assert len(set(seen)) == len(seen)


def test_folders_without_pictures_and_with_damaged_ones(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(VideoError, match="holds no pictures"):
        read_video(empty)
    (folder / "frame3.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"frame3\.png"):
        read_video(folder)
    Image.fromarray(steps(1, 20, 20)[0]).save(folder / "frame3.png")
    with pytest.raises(VideoError, match=r"different sizes \(20 x 20 and 64 x 48\)"):
        read_video(folder)
