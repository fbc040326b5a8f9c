import pytest

from fibrolib.study.keeping import Keeper, digest, package_digest, write_atomically


@pytest.fixture
def calls():
    return []


def keep(keeper, calls, asked, value="x"):
    def compute():
        calls.append(value)
        return value

    return keeper.keep(
        "result",
        asked,
        compute,
        lambda result, folder: (folder / "file").write_text(result),
        lambda folder: (folder / "file").read_text(),
    )


def test_computed_once(tmp_path, calls):
    keeper = Keeper(tmp_path / "kept")
    assert not keeper.has("result", {"a": 1})
    assert keep(keeper, calls, {"a": 1}, "x") == keep(keeper, calls, {"a": 1}, "y") == "x"
    assert calls == ["x"]
    assert keeper.has("result", {"a": 1})


def test_another_question_is_another_result(tmp_path, calls):
    keeper = Keeper(tmp_path)
    keep(keeper, calls, {"a": 1}, "x")
    assert keep(keeper, calls, {"a": 2}, "y") == "y"


def test_what_fails_leaves_nothing(tmp_path):
    keeper = Keeper(tmp_path)

    def save(result, folder):
        (folder / "half").write_text("h")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        keeper.keep("result", {}, lambda: 1, save, lambda folder: 1)
    assert list(tmp_path.iterdir()) == []


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "sub" / "file.txt"
    write_atomically(path, lambda unfinished: unfinished.write_text("old"))

    def fail(unfinished):
        unfinished.write_text("ne")
        raise OSError

    with pytest.raises(OSError):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_digest_knows_content_and_not_order():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert package_digest() != package_digest(with_presentation=True)
