"""Changes of a clip that take something away from it: what a net still scores right, it did not need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["PERTURBATIONS", "Change", "frozen", "motion_only", "reversed_in_time", "shuffled"]

Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""A window ``(frames, height, width)`` to another of the same shape."""


def shuffled(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """All frames in a random order, the same for all clips: pictures stay, what follows what is lost."""
    return window[np.random.default_rng(0).permutation(len(window))]


def frozen(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle frame throughout: nothing moves."""
    return np.repeat(window[len(window) // 2][np.newaxis], len(window), axis=0)


def reversed_in_time(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The film run backwards: the same movement, in the wrong direction."""
    return window[::-1]


def motion_only(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What differs from the mean over time, around the mean grey of the picture: nothing of the still image is left."""
    still = window.mean(axis=0)
    lit = still > 0
    level = still[lit].mean() if lit.any() else 0.0
    return (np.clip(window - still + level, 0, 255) * lit).astype(np.uint8)


PERTURBATIONS: dict[str, Change] = {
    "shuffled": shuffled,
    "frozen": frozen,
    "reversed": reversed_in_time,
    "motion only": motion_only,
}
"""All changes by name."""
