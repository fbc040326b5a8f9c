"""Show where a run is: which notebook, model, setting and fold, and how long it may still take.

It is read from what is finished on disk, so it also holds for work in other processes and after a restart.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

from fibrolib.study import NetEvaluations

_T = TypeVar("_T")
_Detail = Callable[[], tuple[str, str]]

_POLL = 1.0  # seconds between two looks at the run folder


def _count_files(folder: Path, pattern: str, total: int, noun: str) -> _Detail:
    """Detail of a step that fills a folder with `total` files of a `pattern`."""
    started, before = time.monotonic(), len(list(folder.glob(pattern)))
    return lambda: _quarters(len(list(folder.glob(pattern))), total, noun, started, before)


class _Tally:
    """Detail of a step whose results pass by one at a time."""

    def __init__(self, noun: str) -> None:
        self._noun, self._done, self._total, self._started = noun, 0, 0, time.monotonic()

    def follow(self, results: Iterable[_T], total: int) -> Iterator[_T]:
        """Pass results on, and count them."""
        self._total = total
        for result in results:
            self._done += 1
            yield result

    def __call__(self) -> tuple[str, str]:
        """Where the step is, and how long it may still take."""
        return _quarters(self._done, self._total, self._noun, self._started)


def _quarters(done: int, total: int, noun: str, started: float, before: int = 0) -> tuple[str, str]:
    """How far a step is, in quarters, and how long it may still take."""
    quarter, new = 4 * done // max(total, 1), done - before
    place = f": {quarter} of 4 quarters of {total} {noun}" if 0 < quarter < 4 else ""
    seconds = (time.monotonic() - started) / new * (total - done) if new > 0 else 0.0
    return place, f", about {_clock(seconds)} left" if seconds >= 1 else ""


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class _Progress:
    """Progress of a run on a console: a live line on a terminal, a line per step elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._started = time.monotonic()
        self.seconds: dict[str, float] = {}
        self.processor_seconds: dict[str, float] = {}
        self._under_way: dict[str, _Detail | None] = {}
        self._changing = threading.Lock()
        self._idle = threading.Event()
        self._watcher: threading.Thread | None = None

    @contextmanager
    def step(self, label: str, detail: _Detail | None = None) -> Iterator[None]:
        """Show a step while it is under way and record how long it took; steps may overlap, in several threads.

        Processor seconds are those of this process and of processes that it waited for: a step that is worked on
        elsewhere replaces them.
        `detail` returns where the step is and the time left; steps that share one are shown together.
        """
        begun, spent = time.monotonic(), sum(os.times()[:4])
        self._begin(label, detail)
        try:
            yield
        finally:
            self._end(label)
        self.seconds[label] = time.monotonic() - begun
        self.processor_seconds[label] = sum(os.times()[:4]) - spent
        self.console.print(f"  done  {escape(label)}  [dim]{_clock(self.seconds[label])}[/dim]", highlight=False)

    def _begin(self, label: str, detail: _Detail | None) -> None:
        with self._changing:
            self._under_way[label] = detail
            if self._watcher is None:
                self._idle.clear()
                self._watcher = threading.Thread(target=self._watch, daemon=True)
                self._watcher.start()

    def _end(self, label: str) -> None:
        with self._changing:
            del self._under_way[label]
            if not self._under_way:
                self._idle.set()
                self._watcher.join()
                self._watcher = None

    def _watch(self) -> None:
        seen = ""
        with self.console.status(self._line("")) as status:
            while not self._idle.wait(_POLL):
                details = [detail() for detail in dict.fromkeys(self._under_way.copy().values()) if detail]
                place, left = ("".join(parts) for parts in zip(*details, strict=True)) if details else ("", "")
                elapsed = _clock(time.monotonic() - self._started)
                status.update(f"{self._line(place + left)}  [dim]{elapsed} so far[/dim]")
                if place and place != seen and not self.console.is_terminal:
                    line = f"        {self._line(place + left)}"
                    self.console.print(line, highlight=False, soft_wrap=True)
                seen = place or seen

    def _line(self, detail: str) -> str:
        return escape(", ".join(self._under_way) + detail)


class _Fits:
    """Detail of a step in which nets are fitted; their fits are counted on disk."""

    def __init__(self, nets: NetEvaluations) -> None:
        self._nets = nets
        self._fits_before: int | None = None
        self._first_fit = 0.0

    def __call__(self) -> tuple[str, str]:
        """Which fit is under way, and the time left for those that remain."""
        counts = {name: self._nets.fits_finished(name) for name in self._nets.names}
        return self._fit(counts), self._time_left(counts)

    def _fit(self, counts: dict[str, tuple[int, int]]) -> str:
        """Which fit is under way; empty where none is."""
        current = next((name for name, (done, total) in counts.items() if 0 < done < total), None)
        if current is None:
            return ""
        done, total = counts[current]
        if done == total - 1:
            return f": {current}, final fit"
        setting, fold = divmod(done, self._nets.profile.n_folds * self._nets.profile.n_repeats)
        n_settings = self._nets.profile.model(current).n_settings
        return f": {current}, setting {setting + 1} of {n_settings}, fold {fold + 1}"

    def _time_left(self, counts: dict[str, tuple[int, int]]) -> str:
        """Fits still to do times the mean time of those done since the first look; empty before one is done."""
        done, total = map(sum, zip(*counts.values(), strict=True)) if counts else (0, 0)
        now = time.monotonic()
        if self._fits_before is None:
            self._fits_before, self._first_fit = done, now
        new = done - self._fits_before
        if new <= 0 or done == total:
            return ""
        minutes = (now - self._first_fit) / new * (total - done) / 60
        return f", {f'about {minutes:.0f} min' if minutes >= 1 else 'less than a minute'} of training left"
