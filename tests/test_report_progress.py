import io
import threading

import pytest
from rich.console import Console

from fibrolib.report import progress
from fibrolib.report.progress import _Progress, _Tally


@pytest.fixture
def told(monkeypatch):
    """Progress on a console that is no terminal, and what it has written."""
    monkeypatch.setattr(progress, "_POLL", 0.01)
    written = io.StringIO()
    return _Progress(Console(file=written, width=200)), written


def test_a_step_is_told_with_its_place_and_its_time(told):
    shown, written = told
    tally, seen = _Tally("files"), threading.Event()

    def slowly():
        for number in range(4):
            yield number
            if number == 1:
                seen.wait(10)

    def write(text, write=written.write):
        if "2 of 4 quarters" in text:
            seen.set()
        return write(text)

    written.write = write
    with shown.step("[1/2] reading", tally):
        assert list(tally.follow(slowly(), 4)) == [0, 1, 2, 3]
    lines = written.getvalue().splitlines()
    assert any(line.startswith("        [1/2] reading: 2 of 4 quarters of 4 files") for line in lines)
    assert lines[-1] == "  done  [1/2] reading  0:00"
    assert set(shown.seconds) == set(shown.processor_seconds) == {"[1/2] reading"}


def test_steps_that_overlap_are_told_of_together(told):
    shown, written = told
    known = threading.Event()

    def where():
        if len(shown._under_way) == 2:
            known.set()
            return ": fold 1", ""
        return "", ""

    with shown.step("one", where), shown.step("two", where):
        assert known.wait(10)
        while "fold" not in written.getvalue():
            threading.Event().wait(0.01)
    lines = written.getvalue().splitlines()
    assert lines == ["        one, two: fold 1", "  done  two  0:00", "  done  one  0:00"]
    with shown.step("three"):
        pass
    assert written.getvalue().splitlines()[-1] == "  done  three  0:00"


def test_a_step_that_raises_is_not_told_as_done(told):
    shown, written = told
    with pytest.raises(ValueError, match="no"), shown.step("one"):
        raise ValueError("no")
    assert written.getvalue() == ""
    assert shown.seconds == {}
