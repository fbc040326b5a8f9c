"""Ways to start a net that benchmarks set side by side: those of its grid in `quick`, and ImageNet alone."""

from __future__ import annotations

from fibrolib.study import load_profile

__all__ = ["WEIGHTS", "settings_from"]

WEIGHTS = ("simulation", "interpolated", "imagenet")


def settings_from(weights: str, name: str) -> dict:
    """Settings of a net of `quick` with these initial weights; the linear probe has no other than its own.

    ImageNet alone, which is not in its grid for virtual patients, has the settings of the interpolated weights.
    """
    settings = load_profile("quick").model(name)
    if settings.is_probe:
        return {}
    grid = settings.grid
    entries = {entry["weights"][0]: {key: values[0] for key, values in entry.items()} for entry in grid}
    return entries[weights] if weights in entries else {**entries["interpolated"], "weights": weights}
