"""Each difference between operating systems, in the way of POSIX and, switched, in that of all others."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from fibrolib import system

TOP = Path(__file__).resolve().parents[1]


@pytest.fixture(params=[True, False], ids=["posix", "other"], autouse=True)
def posix(request, monkeypatch):
    monkeypatch.setattr(system, "POSIX", request.param)
    return request.param


def test_a_flushed_file_is_one_with_content(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("abc")
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    system.flush(tmp_path / "a")
    assert sizes == [3]


def test_a_disk_that_cannot_flush_is_no_reason_to_stop(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(22, "Invalid argument")

    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "fsync", refuse)
    system.flush(tmp_path / "a")


@pytest.mark.parametrize("hard_links", [True, False])
def test_the_first_to_claim_a_name_keeps_it(hard_links, tmp_path, monkeypatch):
    def refuse(*given, **named):
        raise PermissionError(1, "Operation not permitted")

    if not hard_links:
        monkeypatch.setattr(os, "link", refuse)
    for text in ("first", "second"):
        (tmp_path / text).write_text(text)
        system.claim_name(tmp_path / text, tmp_path / "key")
    assert (tmp_path / "key").read_text() == "first"


def test_a_link_is_the_file_itself(tmp_path, posix):
    (tmp_path / "a video.mp4").write_text("frames")
    system.link(tmp_path / "a video.mp4", tmp_path / "f-é.mp4")
    assert (tmp_path / "f-é.mp4").samefile(tmp_path / "a video.mp4")
    assert (tmp_path / "f-é.mp4").is_symlink() == posix


def test_permissions_count_where_there_are_any(tmp_path, posix):
    (tmp_path / "key").touch(mode=0o600)
    assert not system.others_may_read(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    assert system.others_may_read(tmp_path / "key") == posix


def test_a_group_dies_with_its_children():
    leaves = "import subprocess, time\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True)\ntime.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", leaves], stdout=subprocess.PIPE, text=True, **system.own_group()
    ) as leader:
        child = psutil.Process(int(leader.stdout.readline()))
        system.kill_group(leader.pid)
        assert leader.wait(60)
        assert child.wait(60) is None or not child.is_running()
        system.kill_group(leader.pid)  # a second time there is nobody


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="has no masks")
def test_an_interrupt_waits(posix):
    with system.interrupts_held():
        assert (signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())) == posix
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="has no masks")
def test_an_interrupt_waits_where_another_thread_takes_the_signal(posix):
    """As in a kernel, whose other threads mask nothing."""
    if not posix:
        pytest.skip("interrupts reach no workers")
    ended, begun = [], threading.Event()
    other = threading.Thread(target=begun.wait, args=(20,))
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt), system.interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(20):
                time.sleep(0.01)
            ended.append("to its end")
    finally:
        begun.set()
        other.join()
    assert ended
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_only_linux_forks(posix, monkeypatch):
    assert system.may_fork() == (posix and sys.platform == "linux")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not system.may_fork()


def test_what_systems_differ_in_is_nowhere_else():
    differ = ("os.fork", "os.link", "hardlink_to", "fsync", "fcntl", "import resource\n", "killpg", "SIGKILL", "SIGHUP")
    differ += ("setsid", "waitid", "pthread_sigmask", "os.name", "sys.platform", "start_new_session", '"/proc', '"/dev')
    differ += ("num_workers", "get_context", "set_start_method", "ProcessPoolExecutor")  # loky starts processes anew
    modules = [path for path in (TOP / "fibrolib").rglob("*.py") if path.name != "system.py"]
    assert len(modules) > 100
    assert not [(path.name, word) for path in modules for word in differ if word in path.read_text("utf-8")]


class _Libc:
    """A C library that refuses mapping thresholds above a limit, as glibc before 2.35 does."""

    def __init__(self, limit):
        self.limit, self.set, self.trimmed = limit, {}, 0

    def mallopt(self, setting, value):
        if setting == -3 and value > self.limit:
            return 0
        self.set[setting] = value
        return 1

    def malloc_trim(self, padding):
        self.trimmed += 1


@pytest.mark.parametrize(("limit", "threshold"), [(2**62, 2**30), (2**25, 2**25)])
def test_freed_memory_is_kept_with_the_largest_threshold_that_is_accepted(monkeypatch, limit, threshold):
    libc = _Libc(limit)
    monkeypatch.setattr(system.ctypes, "CDLL", lambda name: libc)
    system.reuse_memory.__wrapped__()
    assert libc.set == {-3: threshold, -1: 2**30}
    system.give_back_memory()
    assert libc.trimmed == 1


@pytest.mark.parametrize("error", [OSError("no library"), TypeError("bad argument type")])
def test_without_glibc_memory_is_left_to_the_system(monkeypatch, error):
    def refuse(name):
        raise error

    for library in (refuse, lambda name: object()):
        monkeypatch.setattr(system.ctypes, "CDLL", library)
        system.reuse_memory.__wrapped__()
        system.give_back_memory()
