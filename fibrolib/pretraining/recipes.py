"""How the packaged weights were made, net by net."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fibrolib.pretraining.measuring import Measured, pretrain
from fibrolib.pretraining.pictures import unstaged_pictures

__all__ = ["PICTURES", "RECIPES", "SEED", "make_weights"]

SEED = 5_000_000
"""Seed of the simulated patients: far from those of cohorts and of fresh populations."""

_STILL = ("clustering", "nodules")

_IMAGES = {
    "backbone": "tf_efficientnet_lite0",
    "weights": "imagenet",
    "freeze_to_stride": 4,
    "scales": [16],
    "deviations": True,
}
"""How image features begin. The course measures speckle and outlines: finely, and also where they are uneven."""

PICTURES = {"stills": 3000, "clips": 600}
"""Simulated patients of the course, by what the nets look at."""

RECIPES: dict[str, dict] = {
    "frame_cnn": {
        "options": _IMAGES,
        "view": "stills",
        "clip_length": 1,
        "frame_stride": 1,
        "epochs": 8,
        "quantities": _STILL,  # a still image does not move
        "learning_rate": 1e-3,
    },
    # The other two begin with the backbone of the first: what a still image shows is learned once, for all three.
    "frame_lstm": {
        "options": {**_IMAGES, "direct": False, "hidden": 64},
        "view": "clips",
        "clip_length": 4,
        "frame_stride": 3,
        "epochs": 6,
        "learning_rate": 1e-3,
    },
    "motion_slowfast": {
        "options": {**_IMAGES, "direct": False, "slow_frames": 2, "width": 16},
        "view": "clips",
        "clip_length": 17,
        "frame_stride": 2,
        "epochs": 12,
        "learning_rate": 2e-3,
    },
}
"""Arguments of `pretrain` for each architecture that has packaged weights; the first one is made first."""


def make_weights(
    pictures: Path,
    out: Path,
    *,
    only: str = "",
    patients: Mapping[str, int] = PICTURES,
    say: Callable[[str], None] = print,
    n_jobs: int = 2,
    n_threads: int | None = None,
) -> dict[str, Measured]:
    """Make the weights of all nets, or of one.

    Parameters
    ----------
    pictures : Path
        Folder of the simulated pictures; what is not there yet is made.
    out : Path
        Folder; gets ``<architecture>.safetensors``.
    only : str
        One architecture; empty for all.
    patients : mapping of str to int
        Simulated patients, by view.
    say : callable
        Told what was reached.
    n_jobs : int
        Workers of the simulation.
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
            view = recipe["view"]
            made[architecture] = pretrain(
                unstaged_pictures(pictures, view, patients=patients[view], seed=SEED, n_jobs=n_jobs),
                out / f"{architecture}.safetensors",
                architecture=architecture,
                begin_with=first if architecture != "frame_cnn" and first.exists() else None,
                n_threads=n_threads,
                **recipe,
            )
            reached = ", ".join(f"{name} {value:.2f}" for name, value in made[architecture].correlations.items())
            say(f"{architecture}: rank correlation on patients held out: {reached}")
    return made
