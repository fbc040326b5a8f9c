import pytest

from fibrolib.study.keeping import Keeper, digest, package_digest


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


def test_a_result_that_another_process_finished_first_is_taken(tmp_path, calls):
    keeper, other = Keeper(tmp_path), Keeper(tmp_path)

    def compute():
        keep(other, calls, {"a": 1}, "x")
        return "y"

    save = lambda result, folder: (folder / "file").write_text(result)  # noqa: E731
    load = lambda folder: (folder / "file").read_text()  # noqa: E731
    assert keeper.keep("result", {"a": 1}, compute, save, load) == "x"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_digest_knows_content_and_not_order():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert package_digest() != package_digest(with_presentation=True)
