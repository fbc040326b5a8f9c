"""Kernels for the notebooks of a run. None outlives it, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import joblib
import psutil
from jupyter_client import AsyncKernelManager

_MAX_WORKERS = min(2, joblib.cpu_count())
"""Notebooks that run at a time: each keeps mostly one core busy; more than two would need more memory."""


_GUARDIAN = """
import os, signal, sys
running = set()
for line in sys.stdin:
    sign, pid = line[0], int(line[1:])
    (running.add if sign == "+" else running.discard)(pid)
for pid in running:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass
"""
"""A small process that is told of every kernel. Its standard input ends with the run, however that ended: then it kills
the kernels that are left and all their workers, which would not notice by themselves."""


class _Kernels:
    """The kernels that are running, by process id, and whether more may start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: set[int] = set()
        self._closed = False
        self._guardian: subprocess.Popen | None = None

    def open(self) -> None:
        with self._lock:
            self._closed = False
            if os.name == "posix" and self._guardian is None:
                # A session of its own: what kills the run by its group must not reach it.
                self._guardian = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _GUARDIAN], stdin=subprocess.PIPE, start_new_session=True
                )

    def add(self, pid: int) -> None:
        with self._lock:
            self._pids.add(pid)
            self._notify("+", pid)
            closed = self._closed
        if closed:  # it was starting when all were ended
            self.end(pid)

    def end(self, pid: int) -> None:
        with self._lock:
            if pid not in self._pids:  # ended already: another process may have its number by now
                return
            self._pids.remove(pid)
        _kill(pid)
        with self._lock:
            self._notify("-", pid)

    def end_all(self) -> None:
        """End all that run; no further one starts."""
        with self._lock:
            self._closed = True
            pids = list(self._pids)
        for pid in pids:
            self.end(pid)

    def close(self) -> None:
        """End the guardian."""
        with self._lock:
            guardian, self._guardian = self._guardian, None
        if guardian is not None:
            guardian.communicate()

    def _notify(self, sign: str, pid: int) -> None:
        if self._guardian is not None:
            with contextlib.suppress(BrokenPipeError):  # somebody ended it; the run goes on without
                self._guardian.stdin.write(f"{sign}{pid}\n".encode())
                self._guardian.stdin.flush()


_running = _Kernels()


@contextmanager
def _kernels() -> Iterator[int]:
    """Let kernels run inside the block, so many at a time; an exception, or Ctrl-C, ends those that still do."""
    _running.open()
    try:
        yield _MAX_WORKERS
    except BaseException:
        _running.end_all()
        raise
    finally:
        _running.close()


class _KernelManager(AsyncKernelManager):
    """jupyter_client's manager, for kernels that share the cores and end with the run."""

    async def start_kernel(self, **kwargs) -> None:
        """Start a kernel that takes its share of the cores."""
        # Threads that wait for each other's core are slower than one alone. The run itself shows progress.
        shared = {"OMP_NUM_THREADS": str(max(joblib.cpu_count() // _MAX_WORKERS, 1)), **os.environ}
        kwargs["env"] = {**shared, **(kwargs.get("env") or {}), "FIBROLIB_PROGRESS": "0"}
        await super().start_kernel(**kwargs)
        self._pid = self.provisioner.process.pid
        _running.add(self._pid)

    def cleanup_resources(self, *args, **kwargs):
        """Workers that a kernel left behind end as well."""
        if (pid := getattr(self, "_pid", None)) is not None:
            _running.end(pid)
        return super().cleanup_resources(*args, **kwargs)


def _kill(pid: int) -> None:
    """Kill a kernel and all that it started. It may be dead already, its workers not."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # jupyter_client starts a kernel in a group of its own, which has its id
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        kernel = psutil.Process(pid)
        for process in [*kernel.children(recursive=True), kernel]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
