"""Show where a run is: which notebook, which model, which setting and fold, and how long it may still take.

Nothing reports progress; it is read from what is finished on disk, so it also holds for work in other processes and
after a restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

from fibrolib.study import Study

__all__ = ["Progress"]

_POLL = 1.0
"""Seconds between two looks at the run folder."""


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """Progress of a run on a console: a living line on a terminal, a line per step elsewhere.

    Parameters
    ----------
    study : Study
        The run.
    console : Console
        Where to write.
    """

    def __init__(self, study: Study, console: Console) -> None:
        self.study, self.console = study, console
        self.started = time.monotonic()
        self.seconds: dict[str, float] = {}
        self._fits_before: int | None = None
        self._first_fit = 0.0

    @contextmanager
    def step(self, label: str, *, nets: bool = False) -> Iterator[None]:
        """Show a step while it is under way and write down how long it took.

        Parameters
        ----------
        label : str
            What is being done.
        nets : bool
            Whether nets may be trained in it, so that their fits are counted.
        """
        begun, ended = time.monotonic(), threading.Event()
        with self.console.status(label) as status:
            watcher = threading.Thread(target=self._watch, args=(label, status, ended, nets), daemon=True)
            watcher.start()
            try:
                yield
            finally:
                ended.set()
                watcher.join()
        self.seconds[label] = time.monotonic() - begun
        self.console.print(f"  done  {label}  [dim]{_clock(self.seconds[label])}[/dim]", highlight=False)

    def _watch(self, label: str, status: Status, ended: threading.Event, nets: bool) -> None:
        seen = ""
        while not ended.wait(_POLL):
            elapsed = _clock(time.monotonic() - self.started)
            counts = {name: self.study.progress(name) for name in self.study.nets} if nets else {}
            fit, left = self._fit(counts), self._time_left(counts)
            status.update(f"{label}{fit}{left}  [dim]{elapsed} so far[/dim]")
            if fit and fit != seen and not self.console.is_terminal:
                self.console.print(f"        {label}{fit}{left}", highlight=False, soft_wrap=True)
            seen = fit or seen

    def _fit(self, counts: dict[str, tuple[int, int]]) -> str:
        """Which fit is under way; empty where none is."""
        current = next((name for name, (done, total) in counts.items() if 0 < done < total), None)
        if current is None:
            return ""
        done, total = counts[current]
        if done == total - 1:
            return f": {current}, final fit"
        setting, fold = divmod(done, self.study.profile.n_folds)
        n_settings = self.study.profile.model(current).n_settings
        return f": {current}, setting {setting + 1} of {n_settings}, fold {fold + 1}"

    def _time_left(self, counts: dict[str, tuple[int, int]]) -> str:
        """Fits still to do times the mean time of those done since the first look; empty before one is done."""
        done, total = (sum(count[side] for count in counts.values()) for side in (0, 1))
        now = time.monotonic()
        if self._fits_before is None:
            self._fits_before, self._first_fit = done, now
        new = done - self._fits_before
        if new <= 0 or done == total:
            return ""
        minutes = (now - self._first_fit) / new * (total - done) / 60
        return (
            f", about {minutes:.0f} min of training left" if minutes >= 1 else ", less than a minute of training left"
        )
