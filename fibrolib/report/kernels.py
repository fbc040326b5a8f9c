"""Kernels for the notebooks of a run: on Linux, forks of one process that has imported everything. None outlives it.

Imports take eight processor seconds a notebook, more than the work itself in a run of ``smoke``.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

import joblib
import psutil
from jupyter_client import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from fibrolib.nets import import_torchvision
from fibrolib.provenance import package_digest
from fibrolib.system import Fork, kill_group, may_fork, own_group
from fibrolib.workers import on_cluster

_MAX_WORKERS = min(2, joblib.cpu_count())
"""Notebooks that run at a time: each keeps mostly one core busy; more than two would need more memory."""


class _Starter:
    """The process that starts kernels (`_serve`). It ends with this one, whatever ends it, and kills what is left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._closed = False

    def open(self) -> None:
        with self._lock:
            self._closed = False
            if self._process is None:
                # A session of its own: what kills the run by its group, or Ctrl-C, must not reach it.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", f"from fibrolib.report.kernels import _serve; _serve({may_fork()})"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    # As every kernel says to its matplotlib, which reads it on import.
                    env={"MPLBACKEND": "module://matplotlib_inline.backend_inline", **_environment()},
                    **own_group(),
                )

    def ask(self, **request: object) -> int | None:
        """Its answer to a request; RuntimeError where it has ended."""
        if self._closed:
            raise RuntimeError("the run is ending")
        if self._process is None:
            self.open()
        with self._lock:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that starts kernels has ended")
        return json.loads(answer)

    def close(self) -> None:
        """End it and all kernels; none starts until it is opened again."""
        with self._lock:
            process, self._process, self._closed = self._process, None, True
        if process is not None:
            process.communicate()


_starter = _Starter()
atexit.register(_starter.close)


@contextmanager
def _kernels() -> Iterator[int]:
    """Let kernels run inside the block, so many at a time; an exception, or Ctrl-C, ends those that still do."""
    _starter.open()
    try:
        yield _MAX_WORKERS
    except BaseException:
        _starter.close()
        raise


def _environment() -> dict[str, str]:
    """Threads and joblib's processes for a kernel's share of the cores: a process takes as long to start as some work.

    Threads that wait for each other's core are slower than one alone. The run itself shows progress.
    """
    share = str(max(joblib.cpu_count() // _MAX_WORKERS, 1))
    return {
        "OMP_NUM_THREADS": share,
        "LOKY_MAX_CPU_COUNT": share,
        **os.environ,
        "FIBROLIB_PROGRESS": "0",
    }


class _Kernel:
    """A kernel, with what jupyter_client asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            try:
                self._status = _starter.ask(poll=self.pid)
            except RuntimeError:
                self._status = -1
        return self._status

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.1)
        return self._status

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        kill_group(self.pid)


class _Provisioner(LocalProvisioner):
    """Lets the starter make a kernel where jupyter_client would start an interpreter."""

    async def launch_kernel(self, cmd: list[str], **kwargs) -> dict:
        self.cwd = kwargs.get("cwd") or Path.cwd()
        self.pid = self.pgid = _starter.ask(command=cmd, folder=str(self.cwd), environment=kwargs["env"])
        self.process = _Kernel(self.pid)
        return self.connection_info


def _processor_seconds(pid: int) -> float:
    """Processor seconds of a process and those that it has waited for; 0 where it left no trace."""
    try:
        return sum(psutil.Process(pid).cpu_times()[:4])
    except psutil.Error:
        return 0.0


class _KernelManager(AsyncKernelManager):
    """jupyter_client's manager, for kernels that share the cores and end with the run."""

    spent: ClassVar[dict[int, float]]  # processor seconds by process id, in the class that is made for a notebook

    @classmethod
    def counting(cls) -> type[_KernelManager]:
        """A class of its own, whose `spent` is that of its kernels."""
        return type(cls.__name__, (cls,), {"spent": {}})

    async def start_kernel(self, **kwargs) -> None:
        """Start a kernel that takes its share of the cores."""
        kwargs["env"] = {**(kwargs.get("env") or {}), **_environment()}
        self.provisioner = _Provisioner(parent=self, kernel_spec=self.kernel_spec)
        await super().start_kernel(**kwargs)
        self._pid = self.provisioner.pid

    def cleanup_resources(self, *args, **kwargs):
        """Workers that a kernel left behind end as well."""
        if (pid := getattr(self, "_pid", None)) is not None:
            self.spent[pid] = _processor_seconds(pid)  # it has ended, and leaves them until the starter waits for it
            kill_group(pid)
        return super().cleanup_resources(*args, **kwargs)


def _serve(forks: bool) -> None:
    """Start kernels on request, one JSON object a line, until the input ends; then kill what is left.

    ``{"command", "folder", "environment"}`` starts one, the answer is its process id; ``{"poll": pid}`` is answered by
    its exit status, null while it runs.
    """
    if forks:
        _preload()
    kernels: dict[int, subprocess.Popen | Fork] = {}
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        if "poll" in request:
            answer = kernels[request["poll"]].poll()
        else:
            kernel = Fork(partial(_become_kernel, **request)) if forks else _start(**request)
            answer, kernels[kernel.pid] = kernel.pid, kernel
        print(json.dumps(answer), flush=True)
    for pid, kernel in kernels.items():
        kill_group(pid)
        kernel.wait()


def _preload() -> None:
    """Import what notebooks come to import, also what is put off until it is needed, and parse the package's code.

    No module leaves a thread.
    """
    import_torchvision()
    importlib.import_module("captum.attr")
    importlib.import_module("ipykernel.kernelapp")
    importlib.import_module("pandera.backends.pandas.register")
    importlib.import_module("timm")
    if on_cluster():
        importlib.import_module("distributed")
    package_digest()  # keys of what is kept need the parsed code
    gc.freeze()  # objects that the collector leaves alone stay shared with the forks


def _become_kernel(command: list[str], folder: str, environment: dict[str, str]) -> None:
    """Run a kernel in this process, as the command, ``python -m ipykernel_launcher ...``, would."""
    from ipykernel.kernelapp import IPKernelApp

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # standard output carries the answers
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command[command.index("ipykernel_launcher") :]
    IPKernelApp.launch_instance(sys.argv[1:])


def _start(command: list[str], folder: str, environment: dict[str, str]) -> subprocess.Popen:
    """An interpreter of its own."""
    nothing = {"stdin": subprocess.DEVNULL, "stdout": sys.stderr}
    return subprocess.Popen(command, cwd=folder, env=environment, **own_group(), **nothing)
