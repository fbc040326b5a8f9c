"""The truth on disk: what was rendered comes back, and strangers are refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from fibrolib.errors import FibrolibError
from fibrolib.phantom import draw_patients, read_truth, render_clip, render_image
from fibrolib.phantom.anatomy import LABELS
from fibrolib.phantom.truth import write_truth


@pytest.fixture(scope="module")
def seen():
    patient = next(draw_patients(1, 0).itertuples(index=False))
    patient = SimpleNamespace(**patient._asdict())
    return render_clip(patient, (0, 0)), render_image(patient, (0, 0))


def test_truth_comes_back(seen, tmp_path):
    clip, still = seen
    write_truth(tmp_path / "a.npz", clip, still)
    truth = read_truth(tmp_path / "a.npz")
    assert set(truth.masks) == set(truth.image_masks) == set(LABELS)
    for name in LABELS:
        assert np.array_equal(truth.masks[name], clip.masks[name])
        assert np.array_equal(truth.image_masks[name], still.masks[name][0])
    assert np.array_equal(truth.displacement, clip.displacement, equal_nan=True)
    assert np.array_equal(truth.nodes, clip.nodes)
    assert truth.mm_per_pixel == clip.scale
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_video_without_an_image_has_no_image_masks(seen, tmp_path):
    write_truth(tmp_path / "a.npz", seen[0])
    assert read_truth(tmp_path / "a.npz").image_masks == {}


def test_strangers_are_refused(tmp_path):
    with pytest.raises(FibrolibError, match="no such file"):
        read_truth(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", liver=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "words.npz").write_text("no arrays")
    for name in ("other.npz", "array.npy", "words.npz"):
        with pytest.raises(FibrolibError, match="the truth of a virtual video cannot be read"):
            read_truth(tmp_path / name)
