"""Ways to start a net that benchmarks set side by side: those of its grid in `quick`, and ImageNet alone."""

from __future__ import annotations

from fibrolib.study import load_profile

__all__ = ["STARTS", "settings_from"]

STARTS = ("simulation", "halfway", "imagenet")

_ALONE = {"start": "imagenet", "learning_rate": 3e-5, "backbone_rate": 1.0}
"""What `quick` had in its grids before it knew the way between. In `paper` it is still there."""


def settings_from(start: str, name: str) -> dict:
    """Settings of a net of `quick` that begins so; the first of each list of the grid."""
    grid = [*load_profile("quick").model(name).grid, {key: [value] for key, value in _ALONE.items()}]
    return next({key: values[0] for key, values in entry.items()} for entry in grid if entry["start"] == [start])
