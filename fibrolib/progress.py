"""Progress bars with the time left, and interrupts that say what is kept: for work that takes longer than two seconds.

Nothing is shown where the environment variable ``FIBROLIB_PROGRESS`` is ``0``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tqdm.auto import tqdm
from tqdm.std import tqdm as plain_tqdm

from fibrolib.errors import Interrupted, is_interactive
from fibrolib.workers import variable

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

T = TypeVar("T")

_DELAY = 2.0  # seconds before a bar appears: work that ends sooner shows none
_POLL = 0.5  # seconds between two looks at how far the work is

_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} {unit} [{elapsed} so far{postfix}]"


def track(
    results: Iterable[T], label: str, total: int, unit: str, kept: Path | None = None, before: int = 0
) -> Iterator[T]:
    """Pass results on as they come, under a progress bar that counts ``unit`` (a plural) up to ``total``.

    ``kept`` is the folder that keeps finished parts, if any. An `Interrupted` takes the place of a `KeyboardInterrupt`.
    """
    done = before
    with watch(label, lambda: done, total, unit, kept):
        for result in results:
            yield result
            done += 1


@contextmanager
def hidden() -> Iterator[None]:
    """Show no bars inside the block, in processes that it starts either."""
    with variable("FIBROLIB_PROGRESS", "0"):
        yield


@contextmanager
def watch(label: str, count: Callable[[], int], total: int, unit: str, kept: Path | None = None) -> Iterator[None]:
    """Show a progress bar over work that reports nothing itself; ``count`` says how much is finished.

    ``count`` is called in another thread. What it returns at the beginning is left from an interrupted run, and does
    not count for the time left. Other parameters and errors as of `track`.
    """
    finished = threading.Event()
    shower = threading.Thread(target=_show, args=(finished, label, count, total, unit), daemon=True)
    if is_interactive():
        shower.start()
    try:
        yield
    except Interrupted:  # said by a step of this one
        raise
    except KeyboardInterrupt as interrupt:
        raise Interrupted(_interrupted(count(), total, unit, kept)) from interrupt
    finally:
        finished.set()
        if shower.ident is not None:
            shower.join()


def _interrupted(done: int, total: int, unit: str, kept: Path | None) -> str:
    if kept is None:
        return f"Interrupted after {done} of {total} {unit}. Run the cell again to repeat this step alone."
    return f"Interrupted. What is finished is kept in {kept}: {done} of {total} {unit}. Run the cell again to continue."


def _show(finished: threading.Event, label: str, count: Callable[[], int], total: int, unit: str) -> None:
    """Show how far work is until it is finished; run in a thread of its own."""
    begun, before = time.time(), count()
    if finished.wait(_DELAY):
        return
    # With a delay, a notebook's bar displays itself at its first refresh and not when it is made.
    bar = tqdm(desc=label, total=total, initial=before, unit=unit, bar_format=_FORMAT, leave=False, delay=1e-9)
    bar.start_t = begun
    place = _display(bar) if hasattr(bar, "container") else None
    left = _Left(before, total, begun)
    while True:
        bar.n = min(count(), total)
        bar.set_postfix_str(left.text(bar.n, time.time()), refresh=False)
        bar.refresh()
        if finished.wait(_POLL):
            break
    bar.close()
    if place is not None:
        place.update({"text/plain": ""}, raw=True)


class _Left:
    """Time left, estimated whenever something is finished; in between it runs down."""

    def __init__(self, before: int, total: int, begun: float) -> None:
        self._before, self._total, self._begun = before, total, begun
        self._done, self._end = before, 0.0

    def text(self, done: int, now: float) -> str:
        if done > self._done:
            self._done = done
            self._end = now + (now - self._begun) / (done - self._before) * (self._total - done)
        if self._done == self._before:
            return "no estimate before the first is finished"
        return f"{plain_tqdm.format_interval(max(self._end - now, 0))} left"


def _display(bar: tqdm) -> DisplayHandle:
    """Display a notebook's bar so that it can be taken away: a saved notebook would show a broken widget."""
    from IPython.display import display

    for text in bar.container.children[::2]:
        text.layout.flex = "0 0 auto"  # else a label breaks at its hyphen
    bar.displayed = True
    return display(bar.container, display_id=True)
