"""Files of arrays that are damaged: an error that names the file, whatever numpy and zipfile raise."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fibrolib.errors import VideoError
from fibrolib.video import open_arrays

MASK = np.random.default_rng(0).integers(0, 2, (4, 24, 32)).astype(bool)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mask.npz"
    np.savez_compressed(path, capsule=MASK)
    return path


def read(path):
    with open_arrays(path, "the mask file", "Draw it again.") as arrays:
        return arrays["capsule"]


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
