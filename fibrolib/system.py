"""What operating systems do differently, each with a way that works on all: no other module asks which one it is."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psutil

POSIX = os.name == "posix"
"""Linux and macOS: files have permissions and links, processes groups. False takes the way of all others."""

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
"""Signals that ask a process to end: by name, by closing its terminal (Windows: Ctrl-Break)."""


def flush(path: Path) -> None:
    """Bring a file's bytes to the disk."""
    with contextlib.suppress(OSError):  # disks of some servers and sticks (SMB, exFAT) know no such call
        handle = os.open(path, os.O_RDONLY if POSIX else os.O_RDWR)  # Windows flushes only what may be written
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def claim_name(file: Path, path: Path) -> None:
    """Give a file its name, unless another process has been there first: then what is there stays."""
    try:
        if POSIX:
            return path.hardlink_to(file)  # unlike a rename, it replaces nothing
    except FileExistsError:
        return None
    except OSError:  # a disk that knows no hard links
        pass
    with contextlib.suppress(FileExistsError):
        if not path.exists():
            file.rename(path)  # which replaces nothing on Windows


def link(target: Path, path: Path) -> None:
    """Make a second name for a file: a symbolic link; on Windows, where few users may make one, a hard link."""
    if POSIX:
        path.symlink_to(target)
    else:
        path.hardlink_to(target.resolve())


def others_may_read(path: Path) -> bool:
    """Whether group or others have any permission; on Windows the user's folder is the user's alone."""
    return POSIX and bool(path.stat().st_mode & 0o077)


@cache
def reuse_memory() -> None:
    """Keep freed memory in this process (glibc only): mapping memory anew for every large array takes long."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        libc = ctypes.CDLL(None)
        for setting in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            # Before glibc 2.35, more than 32 MiB is refused for the first, and its default is then no longer adapted.
            _ = libc.mallopt(setting, 2**30) or libc.mallopt(setting, 2**25)


def give_back_memory() -> None:
    """Return the free memory that `reuse_memory` keeps to the system, for example at the end of a fit."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def own_group() -> dict[str, object]:
    """Options of `subprocess.Popen` for a process that Ctrl-C and signals to the group of this one do not reach."""
    if POSIX:
        return {"start_new_session": True}
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def kill_group(pid: int) -> None:
    """Kill a process of its own group and all that it started. It may be dead already, its children not."""
    if POSIX:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        for process in [*leader.children(recursive=True), leader]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Let an interrupt wait until the end of the block. Processes started in it leave Ctrl-C to this one."""
    if not POSIX:  # on Windows interrupts reach no workers
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which would end the block where it is started by the first worker
    # The mask is for what is started here. Another thread may take a signal, and Python then interrupts the main one.
    met: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: met.append(number)) if in_main else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if in_main:
            signal.signal(signal.SIGINT, handler or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if met:
            signal.raise_signal(signal.SIGINT)


def may_fork() -> bool:
    """Whether `Fork` works: only Linux copies a process safely that has loaded so much."""
    return POSIX and sys.platform == "linux"


class Fork:
    """A copy of this process that leads a group of its own and runs a function."""

    def __init__(self, run: Callable[[], object]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()  # a signal to it reaches its workers, and none for this process reaches it
            run()
            sys.exit()

    def poll(self) -> int | None:
        """Exit status, which stays to be read: until `wait` no other process gets the number."""
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended and ended.si_status

    def wait(self) -> None:
        """Wait for its end."""
        os.waitpid(self.pid, 0)
