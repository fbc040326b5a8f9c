"""Work that waits for other work, several pieces at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TypeVar

__all__ = ["run_in_order"]

T = TypeVar("T")


def run_in_order(work: Callable[[T], object], after: Mapping[T, Collection[T]], at_once: int) -> None:
    """Do a piece of work for every item, none before the items that it comes after.

    Parameters
    ----------
    work : callable
        Takes an item. Called in threads, but for one at a time.
    after : mapping
        Items, in an order in which they can be done one by one; of each, the items that must be done before.
    at_once : int
        Pieces of work at a time. What others wait for is begun first, then what comes last: later notebooks test what
        earlier ones made, which takes longer, and the longest must not be left over for the end.

    Raises
    ------
    Exception
        What a piece of work raised, at once; nothing is begun afterwards, and what is under way goes on by itself.
    """
    if at_once == 1:
        for item in after:
            work(item)
        return
    awaited = {item for before in after.values() for item in before}
    rank = {item: (item not in awaited, -place) for place, item in enumerate(after)}
    order = TopologicalSorter(after)
    order.prepare()
    pool = ThreadPoolExecutor(at_once)
    ready: list[T] = []
    running: dict[Future, T] = {}
    try:
        while order.is_active():
            ready = sorted([*ready, *order.get_ready()], key=rank.__getitem__)
            free = at_once - len(running)
            running |= {pool.submit(work, item): item for item in ready[:free]}
            ready = ready[free:]
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                ended.result()
                order.done(running.pop(ended))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
