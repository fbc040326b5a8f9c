"""Polygons of LabelMe as masks."""

import json

import numpy as np
import pytest

from fibrolib.errors import VideoError
from fibrolib.video import masks_of_frames
from fibrolib.video.masks import _read_polygons

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
