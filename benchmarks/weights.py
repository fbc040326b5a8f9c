"""Ways to start a net that benchmarks set side by side: those of its grid in `quick`, and ImageNet alone."""

from __future__ import annotations

from fibrolib.study import load_profile

__all__ = ["WEIGHTS", "settings_from"]

WEIGHTS = ("simulation", "interpolated", "imagenet")


def settings_from(weights: str, name: str) -> dict:
    """Settings of a net of `quick` that begins so; from ImageNet alone those of half way, which it has in its grid."""
    grid = load_profile("quick").model(name).grid
    entries = {entry["weights"][0]: {key: values[0] for key, values in entry.items()} for entry in grid}
    return entries[weights] if weights in entries else {**entries["interpolated"], "weights": weights}
