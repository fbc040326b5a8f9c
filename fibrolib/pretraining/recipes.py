"""How the packaged weights were made, net by net."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from fibrolib.pretraining.measuring import Measured, pretrain

__all__ = ["RECIPES", "SEED", "make_weights"]

SEED = 5_000_000
"""Seed of the simulated patients: far from those of cohorts and of fresh populations."""

_BACKBONE = "tf_efficientnet_lite0"
_STILL = ("clustering", "nodules")

RECIPES: dict[str, dict] = {
    "frame_cnn": {
        "options": {"backbone": _BACKBONE, "start": "imagenet"},
        "view": "stills",
        "length": 1,
        "step": 1,
        "epochs": 16,
        "quantities": _STILL,  # a still image does not move
        "learning_rate": 1e-3,
    },
    # The other two begin with the backbone of the first: what a still image shows is learned once, for all three.
    "frame_lstm": {
        "options": {"backbone": _BACKBONE, "start": "imagenet", "hidden": 64},
        "view": "clips",
        "length": 6,
        "step": 3,
        "epochs": 5,
        "learning_rate": 1e-3,
    },
    "motion_slowfast": {
        "options": {"backbone": _BACKBONE, "start": "imagenet", "slow_frames": 2, "width": 16},
        "view": "clips",
        "length": 17,
        "step": 2,
        "epochs": 9,
        "learning_rate": 2e-3,
    },
}
"""Arguments of `pretrain` for each architecture that has packaged weights; the first one is made first."""


def make_weights(
    pictures: pd.DataFrame,
    out: Path,
    *,
    only: str = "",
    say: Callable[[str], None] = print,
    n_threads: int | None = None,
) -> dict[str, Measured]:
    """Make the weights of all nets, or of one.

    Parameters
    ----------
    pictures : DataFrame
        From `unstaged_pictures`.
    out : Path
        Folder; gets ``<architecture>.safetensors``.
    only : str
        One architecture; empty for all.
    say : callable
        Told what was reached.
    n_threads : int or None
        Torch threads.

    Returns
    -------
    dict of str to Measured

    Raises
    ------
    ValueError
        If there is no recipe of that name.
    """
    if only and only not in RECIPES:
        raise ValueError(f"there is no recipe for '{only}', choose one of {', '.join(RECIPES)}")
    first = out / "frame_cnn.safetensors"
    made = {}
    for architecture, recipe in RECIPES.items():
        if only in ("", architecture):
            begin = first if architecture != "frame_cnn" and first.exists() else None
            made[architecture] = pretrain(
                pictures,
                out / f"{architecture}.safetensors",
                architecture=architecture,
                begin_with=begin,
                n_threads=n_threads,
                **recipe,
            )
            reached = ", ".join(f"{name} {value:.2f}" for name, value in made[architecture].correlations.items())
            say(f"{architecture}: rank correlation on patients held out: {reached}")
    return made
