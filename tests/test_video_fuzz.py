"""Damaged files: an error that names the file, or frames; never a crash, and never more memory than the frames take."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_video_reading import dicom_dataset, encode, steps

from fibrolib.errors import VideoError
from fibrolib.video import survey_video

KINDS = ("clip.mp4", "clip.avi", "clip.mpeg", "clip.gif", "clip.dcm", "still.png")
MOST_FRAMES = 400  # no file of these holds more than a dozen

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom and Pillow warn about what the tests broke


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """One small good file of each kind, as bytes."""
    folder = tmp_path_factory.mktemp("good")
    frames = steps(12, 16, 16)
    images = [Image.fromarray(frame) for frame in frames]
    for name in ("clip.mp4", "clip.avi", "clip.mpeg"):
        encode(folder / name, frames, 25)
    images[0].save(folder / "clip.gif", save_all=True, append_images=images[1:])
    images[0].save(folder / "still.png")
    buffer = io.BytesIO()
    dicom_dataset(frames, FrameTime=40).save_as(buffer, enforce_file_format=True)
    (folder / "clip.dcm").write_bytes(buffer.getvalue())
    return {name: (folder / name).read_bytes() for name in KINDS}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("bad")


def survive(path, content):
    path.write_bytes(content)
    try:
        survey = survey_video(path)
    except VideoError as error:
        assert path.name in str(error)
    else:
        assert 1 <= survey.n_frames <= MOST_FRAMES
        assert np.isfinite([survey.fps, survey.brightness, survey.motion]).all()


many = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", KINDS)
def test_flipped_bits(good, place, name):
    @many
    @given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=20))
    def flip(flips):
        content = bytearray(good[name])
        for share, bit in flips:
            content[int(share * len(content))] ^= 1 << bit
        survive(place / name, bytes(content))

    flip()


@pytest.mark.parametrize("name", KINDS)
def test_cut_off_anywhere(good, place, name):
    @many
    @given(st.floats(0, 1, exclude_max=True))
    def cut(share):
        survive(place / name, good[name][: int(share * len(good[name]))])

    cut()


@pytest.mark.parametrize("name", KINDS)
def test_a_stretch_of_something_else(good, place, name):
    @many
    @given(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=64))
    def overwrite(share, other):
        start = int(share * len(good[name]))
        survive(place / name, good[name][:start] + other + good[name][start + len(other) :])

    overwrite()
