"""Frame times and rates: plain arithmetic, no files."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["DEFAULT_FPS", "frames_per_second", "middle_stretch", "nearest_frames", "usable_rate", "zero_based"]

DEFAULT_FPS = 25.0
"""Taken where a file tells no usable rate (*assumption*: PAL video, the commonest output of scanners)."""

_SLOWEST_FPS, _FASTEST_FPS = 0.5, 1000.0
"""Rates outside are taken for header rubbish (*assumption*)."""


def usable_rate(rate: float | Fraction | None) -> float | None:
    """A stated frame rate as a float, or None where it is missing or absurd."""
    try:
        value = float(rate)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return value if _SLOWEST_FPS <= value <= _FASTEST_FPS else None


def frames_per_second(times: Sequence[float | None], stated: float | None) -> float:
    """Mean frame rate: from the frames' own time stamps, else as the file states it, else `DEFAULT_FPS`.

    Parameters
    ----------
    times : sequence of float or None, length n
        Time stamps in seconds.
    stated : float or None
        The rate in the file's header.
    """
    if _increasing(times):
        measured = usable_rate(round((len(times) - 1) / (times[-1] - times[0]), 6))
        if measured is not None:
            return measured
    return usable_rate(stated) or DEFAULT_FPS


def zero_based(times: Sequence[float | None], count: int, fps: float) -> NDArray[np.float64]:
    """Time stamps from 0 on, evenly spaced where the file's own are missing or run backwards; shape (count,)."""
    if _increasing(times):
        return np.asarray(times, dtype=np.float64) - times[0]
    return np.arange(count) / fps


def middle_stretch(times: ArrayLike, max_frames: int | None, fps: float | None = None) -> tuple[int, int]:
    """First, and one past the last, frame of the stretch in the middle that is enough for `max_frames`.

    Parameters
    ----------
    times : array_like, shape (n,)
        Ascending times in seconds.
    max_frames : int or None
        How many frames are wanted at the most; None for all.
    fps : float, optional
        The rate at which they are wanted. Where the file is faster the stretch holds more frames, as many as it takes
        to pick `max_frames` at this rate; where it is slower its own rate counts.
    """
    times = np.asarray(times, dtype=np.float64)
    if max_frames is None or len(times) < 2:
        return 0, len(times)
    if fps is None or fps >= frames_per_second(times, None):
        wanted = min(max_frames, len(times))
        first = (len(times) - wanted) // 2
        return first, first + wanted
    # One interval more than needed: the stretch begins and ends between frames.
    middle, reach = (times[0] + times[-1]) / 2, (max_frames + 1) / fps / 2
    first = int(np.searchsorted(times, middle - reach))
    last = int(np.searchsorted(times, middle + reach, side="right"))
    return first, max(last, first + 1)  # never nothing, even where the recording pauses in its middle


def nearest_frames(times: ArrayLike, fps: float) -> NDArray[np.int64]:
    """Which frame is nearest in time to each tick of a regular clock.

    Parameters
    ----------
    times : array_like, shape (n,)
        Ascending times in seconds, from 0.
    fps : float
        Ticks per second.

    Returns
    -------
    ndarray of int64, shape (ticks,)
        Indices into `times`; a tick in a gap of the recording repeats its neighbour, as a player would.
    """
    times = np.asarray(times, dtype=np.float64)
    # The small allowance keeps a last tick that rounding would push just past the last frame.
    ticks = np.arange(int(times[-1] * fps + 1e-6) + 1) / fps
    after = np.clip(np.searchsorted(times, ticks), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(ticks - times[before] <= times[after] - ticks, before, after)


def _increasing(times: Sequence[float | None]) -> bool:
    if len(times) < 2 or any(time is None for time in times):
        return False
    return bool(np.all(np.diff(np.asarray(times, dtype=np.float64)) > 0))
