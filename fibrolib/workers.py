"""Where independent tasks are computed: in this process, in processes that joblib starts, or by a Dask cluster."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakSet

import joblib
from joblib import Parallel
from joblib._utils import _retrieve_traceback_capturing_wrapped_call, _TracebackCapturingWrapper
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import (
    FallbackToBackend,
    LokyBackend,
    ParallelBackendBase,
    SequentialBackend,
    parallel_config,
    register_parallel_backend,
)

from fibrolib.errors import FibrolibError
from fibrolib.provenance import environment
from fibrolib.system import interrupts_held

if TYPE_CHECKING:
    from distributed import Client, Future

SCHEDULER = "FIBROLIB_SCHEDULER"
"""Environment variable with the address of a Dask scheduler; without it, work stays on this machine."""

_IDLE = 15
"""Seconds until a process without work ends: it would hold up to a gigabyte. Cells run one after the other share it."""

_PATIENCE = 10  # seconds that a scheduler has to answer
_clients: dict[str, Client] = {}
_connecting = threading.Lock()


def on_cluster() -> bool:
    """Whether tasks go to a Dask cluster."""
    return bool(os.environ.get(SCHEDULER))


def n_workers(here: int | None = None) -> int:
    """Processes for parallel work, as joblib counts: all of a Dask cluster, else `here`, by default one per core."""
    return -1 if on_cluster() else here or joblib.cpu_count()


def in_parallel(jobs: Iterable, n_jobs: int, *, threads: bool = False) -> Iterator:
    """Results of joblib's delayed jobs, in their order, as they come: by a Dask cluster, processes, or `threads` here.

    Threads suit work that releases Python's lock. With one job, all is done in this process.
    """
    here = n_jobs == 1 or (threads and not on_cluster())
    with contextlib.nullcontext() if here else quiet_workers():
        options = {"prefer": "threads"} if threads else {}
        yield from Parallel(n_jobs=n_jobs, return_as="generator", **options)(jobs)


class _QuietBackend(LokyBackend):
    """joblib's processes, which leave Ctrl-C to the process that started and ends them: none prints a traceback."""

    def configure(self, **options) -> int:
        return super().configure(**{**options, "idle_worker_timeout": _IDLE})

    def submit(self, func, callback=None):
        with interrupts_held():  # workers are started here, and inherit the mask
            return super().submit(func, callback)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        # loky throws waiting tasks away, and its thread would still look for those that it has not taken (KeyError).
        with contextlib.suppress(queue.Empty):
            while True:
                self._workers._work_ids.get_nowait()
        super().abort_everything(ensure_ready=ensure_ready)


register_parallel_backend("fibrolib", _QuietBackend)


class _DaskBackend(ParallelBackendBase):
    """Tasks go to Dask's workers one by one; what a worker that died had to do, another one does.

    joblib's own backend for Dask waits for ever where a task ended all workers that were given it.
    """

    supports_retrieve_callback = True
    default_n_jobs = -1

    def effective_n_jobs(self, n_jobs: int) -> int:
        return 1 if n_jobs == 1 else max(len(_client().nthreads()), 2)  # by 1, joblib means this process

    def configure(self, n_jobs: int = 1, parallel: Parallel | None = None, **_) -> int:
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel, self._futures = parallel, WeakSet()
        return self.effective_n_jobs(n_jobs)

    def get_nested_backend(self) -> tuple[SequentialBackend, None]:
        return SequentialBackend(nesting_level=self.nesting_level), None

    def submit(self, func, callback=None) -> Future:
        name = getattr(func.items[0][0], "__name__", "task")
        future = _client().submit(_TracebackCapturingWrapper(func), key=f"{name}-{uuid4().hex}")
        self._futures.add(future)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Future):
        from distributed import KilledWorker

        try:
            return _retrieve_traceback_capturing_wrapped_call(future.result())
        except KilledWorker as error:
            raise FibrolibError(
                "Several workers ended one after the other at the same task, probably because their memory is full. "
                "Start workers with more of it, or fewer on each machine, and run the same command again; it resumes."
            ) from error
        except CancelledError as error:
            raise FibrolibError(
                f"The Dask scheduler at {os.environ.get(SCHEDULER)} has ended. Start it and its workers, and run the "
                "same command again; it resumes."
            ) from error

    def abort_everything(self, ensure_ready: bool = True) -> None:
        with contextlib.suppress(CancelledError, OSError, TimeoutError):
            _client().cancel(list(self._futures))


def _client() -> Client:
    """Connection of this process to the scheduler."""
    address = os.environ[SCHEDULER]
    with _connecting:
        if address not in _clients or _clients[address].status == "closed":
            _clients[address] = _connect(address)
    return _clients[address]


def _dask():
    try:
        import dask
        import distributed
    except ImportError as error:
        raise FibrolibError('Work on a Dask cluster needs more packages: pip install "fibrolib[cluster]"') from error
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"})  # a task may carry a net
    return distributed


def _connect(address: str) -> Client:
    """Connect to a scheduler, whose workers must compute what this process would."""
    try:
        client = _dask().Client(address, timeout=_PATIENCE, set_as_default=False)
    except Exception as error:  # of any kind, where something else than a scheduler answers
        raise FibrolibError(
            f"No Dask scheduler answers at '{address}' ({error}). Expected the address that it printed when it was "
            "started, such as tcp://HOST:8786, or local:4 for four processes of this machine."
        ) from error
    try:
        _refuse_unequal(client, address)
    except BaseException:
        client.close()
        raise
    return client


def _refuse_unequal(client: Client, address: str) -> None:
    """Raise where a scheduler has no workers, or one computes otherwise than this process."""
    threads, own = client.nthreads(), environment()
    if not threads:
        raise FibrolibError(f"The Dask scheduler at {address} has no workers. Start some: dask worker {address}")
    for worker, n_threads in threads.items():
        if n_threads > 1:
            raise FibrolibError(
                f"The Dask worker {worker} has {n_threads} threads, and random numbers of a process are drawn by one "
                "task at a time. Start workers with: dask worker ADDRESS --nworkers N --nthreads 1"
            )
    for worker, its in client.run(environment, on_error="return").items():
        if isinstance(its, Exception):
            raise FibrolibError(f"The Dask worker {worker} has no fibrolib as it is here ({its}). Install the same.")
        for name in own:
            if own[name] != its[name]:
                raise FibrolibError(
                    f"The Dask worker {worker} would compute something else: {name} is {its[name]} there, and "
                    f"{own[name]} here. Install the same everywhere (constraints.txt), and start the workers anew."
                )


def _refuse_other_disks(folder: Path, *files: Path) -> None:
    """Raise where a worker does not see what is written to a folder here, or some files."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder) as probe:
        for file, shown in ((probe.name, folder), *((str(file), file) for file in files)):
            for worker, sees in _client().run(os.path.exists, file).items():
                if not sees:
                    raise FibrolibError(
                        f"The Dask worker {worker} does not see {shown} as it is here. Runs and cohorts must lie in a "
                        "folder that all machines share, under the same path."
                    )


@contextlib.contextmanager
def computing_on(address: str, folder: Path, *files: Path) -> Iterator[None]:
    """Have tasks of this process, and of those that it starts, computed by a Dask cluster; none with an empty address.

    ``local:N`` starts one of N processes of this machine, which ends with the block. All workers must see `folder` and
    `files`; they and the address are tried before the block begins.
    """
    if not address:
        yield
        return
    with contextlib.ExitStack() as stack:
        if local := re.fullmatch(r"local:(\d+)", address):
            address = stack.enter_context(_local_cluster(int(local[1])))
        stack.enter_context(variable(SCHEDULER, address))
        stack.callback(lambda: _clients.pop(address).close() if address in _clients else None)
        _refuse_other_disks(folder, *files)
        yield


@contextlib.contextmanager
def _local_cluster(n_processes: int) -> Iterator[str]:
    """Address of the scheduler of a cluster on this machine."""
    start = partial(_dask().LocalCluster, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0")
    with interrupts_held():  # workers, also those that take the place of others, inherit the mask
        cluster = start(n_workers=n_processes, env={SCHEDULER: ""}, silence_logs="CRITICAL")
    with cluster:
        yield cluster.scheduler_address


@contextlib.contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable inside the block, for processes that it starts, too."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


@contextlib.contextmanager
def quiet_workers() -> Iterator[None]:
    """Let joblib use a Dask cluster, or processes that are silent when interrupted, or renewed as they have grown.

    Processes of this machine end when they have been idle for a while, and at an interrupt or error at once.
    """
    if on_cluster():
        with parallel_config(backend=_DaskBackend()):
            yield
        return
    with warnings.catch_warnings(), parallel_config(backend="fibrolib"):
        warnings.filterwarnings("ignore", "A worker stopped", UserWarning)
        yield


@contextlib.contextmanager
def workers_end_here(n_jobs: int) -> Iterator[None]:
    """End joblib's processes with the block: idle, they would hold up to a gigabyte each through what follows."""
    with quiet_workers():
        try:
            yield
        finally:
            if n_jobs != 1 and not on_cluster():
                get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
