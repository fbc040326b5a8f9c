import threading
from importlib import resources

import pytest
import torch

from fibrolib.errors import FibrolibError
from fibrolib.report import run_study
from fibrolib.report.pipeline import _run_in_order
from fibrolib.study import Request

AFTER = {"a": [], "b": [], "c": [], "d": ["c"], "e": ["d"], "f": ["d"]}


@pytest.mark.parametrize("max_workers", [1, 2, 3])
def test_everything_once_and_after_what_it_waits_for(max_workers):
    begun, ended, most, busy = [], [], [], set()
    lock = threading.Lock()

    def work(item):
        with lock:
            begun.append(item)
            assert set(AFTER[item]) <= set(ended)
            busy.add(item)
            most.append(len(busy))
        threading.Event().wait(0.01)
        with lock:
            busy.remove(item)
            ended.append(item)

    _run_in_order(work, AFTER, max_workers)
    assert sorted(ended) == sorted(AFTER)
    assert max(most) == max_workers
    # One at a time: as they are told. Several: what others wait for first.
    assert begun[0] == ("a" if max_workers == 1 else "c")


def test_what_others_wait_for_goes_before_all_that_was_ready_earlier():
    begun, both, rest = [], threading.Barrier(2), threading.Event()

    def work(item):
        begun.append(item)
        if len(begun) == len(AFTER):
            rest.set()
        if item in ("b", "c"):  # none ends before the other has begun
            both.wait(10)
        if item == "b":  # one worker is left for the rest
            rest.wait(10)

    _run_in_order(work, AFTER, 2)
    assert set(begun[:2]) == {"c", "b"}, "of what is ready, the last first"
    assert begun[2:] == ["d", "f", "e", "a"]


def test_an_error_is_raised_at_once_and_nothing_is_begun_afterwards():
    begun, ended, go_on = [], [], threading.Event()

    def work(item):
        begun.append(item)
        if item == "c":
            raise ValueError("no")
        go_on.wait(10)
        ended.append(item)

    with pytest.raises(ValueError, match="no"):
        _run_in_order(work, AFTER, 2)
    assert not ended
    assert "d" not in begun
    go_on.set()
    assert len(begun) <= 3


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        _run_in_order(print, {"a": ["b"], "b": ["a"]}, 2)


@pytest.mark.parametrize(
    "device", [pytest.param("cuda", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")), "gpu"]
)
def test_a_device_that_is_not_there_ends_a_run_in_a_sentence_before_any_work(device, tmp_path):
    smoke = (resources.files("fibrolib.study") / "profiles" / "smoke.toml").read_text("utf-8")
    profile = tmp_path / "mine.toml"
    profile.write_text(smoke.replace("[models.cnn3d]\n", f'[models.cnn3d]\ndevice = "{device}"\n'), "utf-8")
    said = rf"Profile 'mine', model 'cnn3d': device = '{device}' cannot be used on this computer \(.*\)\. Set device"
    with pytest.raises(FibrolibError, match=said) as stop:
        run_study(Request(profile=str(profile), out=str(tmp_path / "run")))
    assert "\n" not in str(stop.value)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
