"""Work with nets, several pieces at a time, in processes of their own."""

from __future__ import annotations

from collections.abc import Sequence

from joblib import Parallel

from fibrolib.learning import pick_device
from fibrolib.nets import give_back_memory
from fibrolib.progress import track
from fibrolib.workers import n_workers, quiet_workers

__all__ = ["net_workers", "side_by_side"]


def net_workers(device: str) -> int:
    """Processes for work with nets on a device: one per core, and one alone for a GPU, which is not shared."""
    return n_workers() if pick_device(device) == "cpu" else 1


def side_by_side(jobs: Sequence, device: str, label: str, unit: str) -> list:
    """Results of joblib's delayed jobs, in their order.

    Processes, not threads: while a net is explained, hooks sit in it.

    Parameters
    ----------
    jobs : sequence
        Made by `joblib.delayed`; with none, no process is started.
    device : str
        Of the nets, as of `NetClassifier`.
    label, unit : str
        What is done and what is counted, as of `track`.
    """
    if not jobs:
        return []
    give_back_memory()
    with quiet_workers():
        results = Parallel(n_jobs=net_workers(device), return_as="generator")(jobs)
        made = list(track(results, label, len(jobs), unit))
    give_back_memory()
    return made
