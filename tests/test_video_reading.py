"""Reading: the frames that were written come back, whatever the container, and damage is named."""

import struct
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

from fibrolib.errors import VideoError
from fibrolib.video import is_still, read_image, read_video, write_video
from fibrolib.video.clips import _nearest_frames
from fibrolib.video.reading import _frames_per_second, _middle_stretch
from fibrolib.video.streams import _usable_rate

CONTAINERS = {
    "clip.mkv": ("libx264", "yuv420p"),
    "clip.mp4": ("libx264", "yuv420p"),
    "clip.mov": ("libx264", "yuv420p"),
    "clip.avi": ("mpeg4", "yuv420p"),
    "clip.mpeg": ("mpeg2video", "yuv420p"),
}
LEVELS = np.arange(30) * 7 + 20


def steps(count: int = 30, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames of one grey level each, so that every frame can be told from the others; a white corner top left."""
    frames = np.broadcast_to(LEVELS[:count, None, None], (count, height, width)).astype(np.uint8)
    frames[:, : height // 4, : width // 4] = 255
    return frames


def encode(path: Path, frames: np.ndarray, rate: int = 20, options: dict | None = None) -> Path:
    codec, pixels = CONTAINERS[f"clip{path.suffix}"]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *frames.shape[1:], pixels, 8_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return path


def dicom_dataset(pixels: np.ndarray, **tags) -> pydicom.Dataset:
    colour = pixels.ndim == 4
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID, dataset.SOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape[:3]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def write_dicom(path: Path, pixels: np.ndarray, **tags) -> Path:
    dicom_dataset(pixels, **tags).save_as(path, enforce_file_format=True)
    return path


def levels(frames: np.ndarray) -> np.ndarray:
    """Each frame's grey level, read from its lower right quarter."""
    height, width = frames.shape[1:]
    return np.median(frames[:, height // 2 :, width // 2 :], axis=(1, 2))


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_frame_of_every_container_comes_back(tmp_path, name):
    rate = 25 if name.endswith("mpeg") else 20  # MPEG knows a few rates only
    video = read_video(encode(tmp_path / name, steps(), rate))
    assert video.frames.dtype == np.uint8
    assert video.frames.shape == (30, 48, 64)
    np.testing.assert_allclose(levels(video.frames), LEVELS, atol=4)  # 255/219: grey is kept in 220 steps
    assert video.fps == pytest.approx(rate, rel=1e-3)
    np.testing.assert_allclose(video.times, np.arange(30) / rate, atol=1e-3)
    assert video.first == 0
    assert video.overview is None


def test_a_gif_keeps_its_own_time(tmp_path):
    images = [Image.fromarray(frame) for frame in steps(8)]
    images[0].save(tmp_path / "clip.gif", save_all=True, append_images=images[1:], duration=80, loop=0)
    video = read_video(tmp_path / "clip.gif")
    np.testing.assert_allclose(levels(video.frames), LEVELS[:8], atol=1)
    assert video.fps == pytest.approx(12.5)


def test_full_range_video_is_not_stretched_twice(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        stream.codec_context.color_range = 2  # full, as JPEG has it
        for frame in steps():
            picture = av.VideoFrame.from_ndarray(frame, format="gray").reformat(format="yuvj420p", dst_color_range=2)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    np.testing.assert_allclose(levels(read_video(path).frames), LEVELS, atol=2)


@pytest.mark.parametrize(
    ("matrix", "corner"), [((0, 1, -1, 0), (0, -1)), ((0, -1, 1, 0), (-1, 0)), ((-1, 0, 0, -1), (-1, -1))]
)
def test_a_rotated_recording_is_turned_upright(tmp_path, matrix, corner):
    """By ISO/IEC 14496-12 the track header's matrix (a, b, c, d) maps (x, y) to (ax + cy, bx + dy), y downwards."""
    path = encode(tmp_path / "clip.mp4", steps())
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    assert struct.unpack(">i", content[start : start + 4]) == (1 << 16,)
    for place, value in zip((0, 4, 12, 16), matrix, strict=True):
        content[start + place : start + place + 4] = struct.pack(">i", value << 16)
    path.write_bytes(content)
    frames = read_video(path).frames
    assert frames.shape[1:] == ((48, 64) if matrix[0] else (64, 48))
    found = {place for place in ((0, 0), (0, -1), (-1, 0), (-1, -1)) if frames[0][place] > 200}
    assert found == {corner}


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.dcm"])
def test_the_middle_of_a_long_file(tmp_path, name):
    path = tmp_path / name
    if name.endswith("dcm"):
        write_dicom(path, steps(), FrameTime=50)
    else:
        encode(path, steps())
    whole, middle = read_video(path), read_video(path, max_frames=10)
    assert middle.first == 10
    np.testing.assert_array_equal(middle.frames, whole.frames[10:20])
    np.testing.assert_allclose(middle.times, whole.times[10:20] - whole.times[10], atol=1e-9)
    assert levels(middle.overview)[[0, -1]] == pytest.approx(LEVELS[[0, -1]], abs=4)
    half = read_video(path, max_frames=6, fps=10)
    assert (half.first, len(half.frames)) == (8, 14)
    assert read_video(path, max_frames=99).overview is None


def test_pixels_that_are_not_square(tmp_path):
    assert read_video(write_dicom(tmp_path / "a.dcm", steps(3), PixelAspectRatio=[2, 3])).pixel_aspect == 1.5
    assert read_video(write_dicom(tmp_path / "b.dcm", steps(3))).pixel_aspect == 1.0


@pytest.mark.parametrize(
    ("tags", "fps"),
    [
        ({"FrameTime": 40}, 25),
        ({"CineRate": 31}, 31),
        ({"RecommendedDisplayFrameRate": 12}, 12),
        ({"FrameTimeVector": [0, 20, 30, 30]}, 37.5),
        ({}, 25),
    ],
)
def test_dicom_tells_its_frame_rate_in_many_ways(tmp_path, tags, fps):
    video = read_video(write_dicom(tmp_path / "clip.dcm", steps(4), **tags))
    assert video.fps == pytest.approx(fps)
    np.testing.assert_array_equal(video.frames, steps(4))


def test_dicom_in_colour_turned_over_and_of_sixteen_bits(tmp_path):
    colour = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    colour[..., 1] = 200
    np.testing.assert_array_equal(read_video(write_dicom(tmp_path / "a.dcm", colour)).frames, round(0.587 * 200))
    inverse = write_dicom(tmp_path / "b.dcm", steps(2), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_video(inverse).frames, 255 - steps(2))
    deep = write_dicom(tmp_path / "c.dcm", steps(2).astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_video(deep).frames, steps(2))


def test_dicom_without_a_suffix_is_known_by_its_mark(tmp_path):
    assert len(read_video(write_dicom(tmp_path / "IM0001", steps(3))).frames) == 3


def test_a_dicom_example_of_a_real_scanner():
    path = pydicom.data.get_testdata_file("examples_ybr_color.dcm", download=False)
    video = read_video(path)
    assert video.frames.shape == (30, 240, 320)
    assert video.fps == pytest.approx(1000 / 33.333, rel=1e-4)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.avi", "clip.gif", "clip.dcm"])
def test_a_file_cut_short_is_named(tmp_path, name):
    path, frames = tmp_path / name, np.random.default_rng(0).integers(0, 255, (30, 48, 64), dtype=np.uint8)
    if name == "clip.gif":
        images = [Image.fromarray(frame) for frame in frames]
        images[0].save(path, save_all=True, append_images=images[1:])
    elif name == "clip.dcm":
        write_dicom(path, frames)
    else:
        encode(path, frames, 25)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    with pytest.raises(VideoError, match=name):
        read_video(path)


@pytest.mark.parametrize(
    "content", [b"", b"plainly no video" * 100, b"\0" * 200, b"\0" * 128 + b"DICM", b"GIF89a" + b"\xff" * 60]
)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.dcm"])
def test_what_is_no_video_is_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VideoError, match=name):
        read_video(path)


def test_missing_files_are_named(tmp_path):
    for read in (read_video, read_image):
        with pytest.raises(VideoError, match="there is no such file"):
            read(tmp_path / "none.mp4")


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="no video stream"):
        read_video(tmp_path / "sound.mp4")


def test_dicom_without_a_picture(tmp_path):
    dataset = dicom_dataset(steps(2))
    del dataset.PixelData
    dataset.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    with pytest.raises(VideoError, match="holds no picture"):
        read_video(tmp_path / "report.dcm")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.jpg"])
def test_still_images(tmp_path, name):
    grey = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / name)
    assert is_still(tmp_path / name)
    np.testing.assert_allclose(read_image(tmp_path / name), grey, atol=3 if name == "a.jpg" else 0)


def test_sixteen_bit_and_colour_images(tmp_path):
    Image.fromarray(np.full((4, 5), 0x80FF, dtype=np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), np.full((4, 5), 0x80))
    Image.new("RGBA", (5, 4), (0, 200, 0, 255)).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read_image(tmp_path / "colour.png"), np.full((4, 5), round(0.587 * 200)))


def test_of_a_video_read_image_takes_the_middle_frame(tmp_path):
    write_video(tmp_path / "clip.mp4", steps(), fps=20)
    assert not is_still(tmp_path / "clip.mp4")
    assert levels(read_image(tmp_path / "clip.mp4")[np.newaxis]) == pytest.approx(LEVELS[14], abs=3)


def test_a_damaged_image_is_named(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("rate", [None, 0, -3, "fast", 1e6, float("nan"), float("inf")])
def test_absurd_rates_are_not_believed(rate):
    assert _usable_rate(rate) is None
    assert _frames_per_second([None, None], rate) == 25.0


def test_time_stamps_count_for_more_than_the_header():
    assert _frames_per_second([0.0, 0.1, 0.2], 50) == pytest.approx(10)
    assert _frames_per_second([0.0, 0.2, 0.1], 50) == 50  # they run backwards


def test_the_middle_stretch_is_enough_and_not_much_more():
    times = np.arange(100) / 10
    assert _middle_stretch(times, None) == (0, 100)
    assert _middle_stretch(times, 20) == (40, 60)
    assert _middle_stretch(times, 20, fps=10) == (40, 60)
    assert _middle_stretch(times, 20, fps=1000) == (40, 60)
    assert _middle_stretch(times, 9, fps=5) == (40, 60)  # ten intervals of 0.2 s
    assert _middle_stretch(times, 200, fps=5) == (0, 100)
    assert _middle_stretch([], 5, fps=1) == (0, 0)
    assert _middle_stretch([0.0], 5, fps=1) == (0, 1)
    assert _middle_stretch([0.0, 0.1, 99.9, 100.0], 1, fps=0.01) == (0, 4)
    assert _middle_stretch([0.0, 100.0], 1, fps=1) == (1, 2)


def test_nearest_frames_by_their_time():
    np.testing.assert_array_equal(_nearest_frames(np.arange(7) / 30, 10), [0, 3, 6])
    np.testing.assert_array_equal(_nearest_frames([0.0, 0.09, 0.21, 0.5], 10), [0, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(_nearest_frames([0.0], 10), [0])
