"""Kernels for the notebooks of a run: forked from one process that has imported everything, where that is possible.

A kernel of its own takes five seconds of imports and a quarter of a gigabyte for them, eleven times in a run; forks of
one process take neither, because what they do not change they share.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import joblib
from jupyter_client import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from fibrolib.errors import FibrolibError

__all__ = ["KernelManager", "kernels", "prepare_kernels"]

_FORKS = sys.platform == "linux"
"""Elsewhere forking a process that has loaded so much is not safe (macOS) or not there (Windows)."""

_AT_ONCE = min(2, joblib.cpu_count()) if _FORKS else 1
"""Notebooks that run at a time. Much of one keeps a single core busy; more than two would need more memory."""

_SERVER = Path(__file__).with_name("kernel_server.py")


class KernelServer:
    """The process that kernels are forked from (`fibrolib.report.kernel_server`); ends with this one."""

    def __init__(self) -> None:
        # -P: like a kernel, it must not find modules beside its script. A session of its own: Ctrl-C is for the run.
        command = [sys.executable, "-P", str(_SERVER)]
        # Threads that wait for each other's core are slower than one alone.
        environment = {"OMP_NUM_THREADS": str(max(joblib.cpu_count() // _AT_ONCE, 1)), **os.environ}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        self._lock = threading.Lock()

    def ask(self, **request: object) -> dict:
        """Send a request and wait for the answer.

        Raises
        ------
        FibrolibError
            If the process has died.
        """
        with self._lock:
            try:
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                answer = b""
            else:
                answer = self._process.stdout.readline()
        if not answer:
            raise FibrolibError(
                f"The process that starts kernels ended with status {self._process.wait()}, most likely for want of "
                "memory, or for the reason above. Run again: what was finished is kept."
            )
        return json.loads(answer)

    def stop(self) -> None:
        """End the process; kernels that still run notice, and end as well."""
        self._process.terminate()
        self._process.communicate()


@cache
def _server() -> KernelServer:
    """The one server of this process."""
    server = KernelServer()
    atexit.register(server.stop)
    return server


def prepare_kernels() -> None:
    """Let what kernels need be imported meanwhile; returns at once."""
    if _FORKS:
        _server()


@contextmanager
def kernels() -> Iterator[int]:
    """Run notebooks in kernels of this module.

    An exception ends kernels that still run, so that an error, or Ctrl-C, does not wait for what runs beside.

    Yields
    ------
    int
        How many notebooks may run at a time.
    """
    prepare_kernels()
    try:
        yield _AT_ONCE
    except BaseException:
        if _FORKS:
            _server().stop()
            _server.cache_clear()
        raise


class _Kernel:
    """A forked kernel, with what a provisioner asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            self._status = _server().ask(ended=self.pid)["status"]
        return self._status

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.1)
        return self._status

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)


class _Provisioner(LocalProvisioner):
    """Forks a kernel where jupyter_client's own would start an interpreter."""

    async def launch_kernel(self, cmd: list[str], **kwargs) -> dict:
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        self.cwd = kwargs.get("cwd") or Path.cwd()
        self.pid = self.pgid = _server().ask(arguments=arguments, cwd=str(self.cwd), env=kwargs["env"])["pid"]
        self.process = _Kernel(self.pid)
        return self.connection_info


class KernelManager(AsyncKernelManager):
    """Manager of a forked kernel, where kernels can be forked; otherwise as any."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        if _FORKS and self.kernel_spec.argv[1:3] == ["-m", "ipykernel_launcher"]:
            self.provisioner = _Provisioner(parent=self, kernel_spec=self.kernel_spec)
