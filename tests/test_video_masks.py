"""Marked regions: polygons of LabelMe, and files of arrays."""

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fibrolib.errors import VideoError
from fibrolib.provenance import PARSING
from fibrolib.video import masks_of_frames, open_arrays
from fibrolib.video.masks import _read_polygons

# Polygons of LabelMe as masks


HEIGHT, WIDTH = 60, 80


def shape(points, label="capsule", kind="polygon"):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}}


@pytest.fixture
def write(tmp_path):
    """Write a file as LabelMe does."""

    def to_file(*shapes, **changed):
        content = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": "a.png", "imageData": None}
        content |= {"imageHeight": HEIGHT, "imageWidth": WIDTH, **changed}
        path = tmp_path / "roi.json"
        path.write_text(json.dumps(content), "utf-8")
        return path

    return to_file


def shoelace(points):
    x, y = np.asarray(points, float).T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


def test_a_polygon_has_its_area_and_its_place(write):
    points = [[10.0, 5.0], [70.5, 12.0], [60.0, 50.0], [30.0, 55.5]]
    mask = _read_polygons(write(shape(points)), "capsule")
    assert (mask.shape, mask.dtype) == ((HEIGHT, WIDTH), bool)
    around = np.hypot(*(np.asarray(points) - np.roll(points, 1, axis=0)).T).sum()
    assert shoelace(points) <= mask.sum() <= shoelace(points) + around
    down, right = np.nonzero(mask)
    # Centroid of a polygon, by the trapezoid formula.
    x, y = np.asarray(points).T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    centre = [((part + np.roll(part, -1)) * cross).sum() / (3 * cross.sum()) for part in (x, y)]
    assert [right.mean(), down.mean()] == pytest.approx(centre, abs=0.5)


def test_a_rectangle_by_any_two_corners_and_all_shapes_of_the_label(write):
    box, other = shape([[30, 20], [10, 4]], kind="rectangle"), shape([[50, 30], [59, 39]], kind="rectangle")
    mask = _read_polygons(write(box, other), "capsule")
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[4:21, 10:31] = expected[30:40, 50:60] = True
    np.testing.assert_array_equal(mask, expected)


def test_the_label_chooses_where_there_are_several(write):
    file = write(shape([[0, 0], [9, 9]], "liver", "rectangle"), shape([[20, 20], [29, 29]], "capsule", "rectangle"))
    assert not _read_polygons(file, "capsule")[:10].any()
    assert _read_polygons(file, "liver")[:10, :10].all()
    with pytest.raises(VideoError, match=r"'vessels', only capsule, liver\. Label"):
        _read_polygons(file, "vessels")
    assert _read_polygons(write(shape([[0, 0], [9, 9]], "lesion", "rectangle")), "capsule")[5, 5]


def test_a_file_without_shapes_marks_nothing(write):
    assert not _read_polygons(write(), "capsule").any()


def test_one_drawing_is_the_mask_of_every_frame(write):
    file = write(shape([[0, 0], [9, 9]], kind="rectangle"))
    masks = masks_of_frames(file, "capsule", np.array([3, 7]), (HEIGHT, WIDTH))
    assert masks.shape == (2, HEIGHT, WIDTH)
    assert masks.sum() == 200
    with pytest.raises(VideoError, match="80 x 60 pixels, its video 40 x 30"):
        masks_of_frames(file, "capsule", np.array([0]), (30, 40))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (shape([[1, 1], [5, 5]], kind="linestrip"), "shape 1 is a linestrip; polygons and rectangles"),
        (shape([[1, 1], [5, 5]]), r"at least 3 points \[x, y\]"),
        (shape([[1, 1], [5, float("nan")], [3, 3]]), "at least 3 points"),
        (shape("none"), "at least 3 points"),
        (shape([[1, 1], [5]]), "at least 3 points"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(write, made, said):
    with pytest.raises(VideoError, match=f"roi.json: .*{said}"):
        _read_polygons(write(made), "capsule")


@pytest.mark.parametrize(
    "text", ["", "no", "[]", '{"shapes": []}', '{"shapes": [1], "imageWidth": 3, "imageHeight": 3}']
)
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "roi.json").write_text(text, "utf-8")
    with pytest.raises(VideoError, match=r"roi.json: (the mask file cannot be read as JSON|not a LabelMe file)"):
        _read_polygons(tmp_path / "roi.json", "capsule")


def test_an_absurd_size_is_refused_before_it_is_made(write):
    with pytest.raises(VideoError, match="not a LabelMe file"):
        _read_polygons(write(imageWidth=10**9), "capsule")


# Files of arrays that are damaged: an error that names the file, whatever numpy and zipfile raise


MASK = np.random.default_rng(0).integers(0, 2, (4, 24, 32)).astype(bool)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mask.npz"
    np.savez_compressed(path, capsule=MASK)
    return path


def read(path):
    with open_arrays(path, "the mask file", "Draw it again.") as arrays:
        return arrays["capsule"]


def test_arrays_are_read_by_one_thread_at_a_time(file):
    """In Python 3.11 two threads that parse headers or code can end in a SystemError (python/cpython#106905)."""
    with ThreadPoolExecutor(1) as other, open_arrays(file, "the mask file"):
        assert not other.submit(PARSING.acquire, blocking=False).result()


def test_arrays_are_read(file):
    np.testing.assert_array_equal(read(file), MASK)


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def bare_array():
    buffer = io.BytesIO()
    np.save(buffer, MASK)
    return buffer.getvalue()


HEADER = b"\x93NUMPY\x01\x00\x16\x00"
OBJECTS = HEADER.replace(b"\x16", b"\x3a") + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".ljust(57) + b"\n"
CONTENTS = {
    "nothing": b"",
    "no archive": b"a letter",
    "one array, no archive": bare_array(),
    "another array": zipped("liver.npy", bare_array()),
    "no array": zipped("capsule.npy", HEADER[:4]),
    "a header that does not end": zipped("capsule.npy", HEADER + b"{'descr': '<f8', \n    ("),
    "objects, which would be executed": zipped("capsule.npy", OBJECTS),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_what_is_no_archive_of_arrays_is_named(file, content):
    file.write_bytes(content)
    with pytest.raises(VideoError, match=r"mask\.npz: the mask file cannot be read \(.*\)\. Draw it again\.$"):
        read(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VideoError, match=r"none\.npz: the mask file cannot be read"):
        read(tmp_path / "none.npz")


def test_our_own_errors_pass(file):
    with pytest.raises(VideoError, match=r"^as it was$"), open_arrays(file, "the mask file"):
        raise VideoError("as it was")


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=12))
def test_flipped_bits(tmp_path_factory, flips):
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, capsule=MASK)
    content = bytearray(buffer.getvalue())
    for share, bit in flips:
        content[int(share * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        read(path)
    except VideoError as error:
        assert "flipped.npz" in str(error)
