"""Processes that joblib starts."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import LokyBackend, parallel_config, register_parallel_backend

from fibrolib.system import interrupts_held

_IDLE = 15
"""Seconds until a process without work ends: it would hold up to a gigabyte. Cells run one after the other share it."""


def n_workers() -> int:
    """Processes for parallel work: one per core."""
    return joblib.cpu_count()


class _QuietBackend(LokyBackend):
    """joblib's processes, which leave Ctrl-C to the process that started and ends them: none prints a traceback."""

    def configure(self, **options) -> int:
        return super().configure(**{**options, "idle_worker_timeout": _IDLE})

    def submit(self, func, callback=None):
        with interrupts_held():  # workers are started here, and inherit the mask
            return super().submit(func, callback)


register_parallel_backend("fibrolib", _QuietBackend)


@contextlib.contextmanager
def quiet_workers() -> Iterator[None]:
    """Let joblib start processes that are silent when interrupted, or when renewed because they have grown.

    They end when they have been idle for a while, and at an interrupt or error at once.
    """
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
            if n_jobs != 1:
                get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
