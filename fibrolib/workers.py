"""Processes that joblib starts."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import joblib
from joblib.externals.loky import get_reusable_executor

__all__ = ["n_workers", "renewed_workers_are_no_news", "workers_end_here"]


def n_workers() -> int:
    """Processes for parallel work: one per core."""
    return joblib.cpu_count()


@contextlib.contextmanager
def renewed_workers_are_no_news() -> Iterator[None]:
    """Say nothing of a worker that joblib renews because it has grown: nothing is lost by it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped", UserWarning)
        yield


@contextlib.contextmanager
def workers_end_here(n_jobs: int) -> Iterator[None]:
    """End joblib's processes with the block: idle, they would hold up to a gigabyte each through what follows.

    Parameters
    ----------
    n_jobs : int
        How many the block asks joblib for; with 1 there are none.
    """
    with renewed_workers_are_no_news():
        try:
            yield
        finally:
            if n_jobs != 1:
                get_reusable_executor().shutdown(wait=True)
