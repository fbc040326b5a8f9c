"""Score one video with a saved net."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.study.profiles import Profile
from fibrolib.video import prepare_clip, prepare_image, save_clip

__all__ = ["preparation", "score_video"]


def preparation(profile: Profile, view: str, virtual: bool) -> dict:
    """What has to be known beside a net's weights to show it a new video: written next to every saved model."""
    if view == "stills":
        return {"view": view, "size": profile.still_size, "trained_on_virtual_patients": virtual}
    clips = profile.clips
    return {
        "view": view,
        "size": clips.size,
        "fps": clips.fps,
        "max_frames": clips.max_frames,
        "trained_on_virtual_patients": virtual,
    }


def score_video(model: Path, video: Path, scratch: Path) -> tuple[pd.Series, dict]:
    """Probability of each stage for one video or image.

    Parameters
    ----------
    model : Path
        ``models/<name>.safetensors`` of a run; its settings lie beside it as ``<name>.json``.
    video : Path
        A video, DICOM cine or image.
    scratch : Path
        Folder for the prepared clip.

    Returns
    -------
    probabilities : Series
        By stage.
    settings : dict
        How the video was prepared, and whether the net was trained on virtual patients.

    Raises
    ------
    FibrolibError
        If the model or its settings cannot be read.
    VideoError
        If the video cannot be read.
    """
    net = NetClassifier.load(model)
    beside = model.with_suffix(".json")
    try:
        settings = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FibrolibError(f"{beside}: the settings of the model are missing or damaged. Copy both files.") from error
    prepared = scratch / "prepared.npz"
    if settings["view"] == "stills":
        save_clip(prepared, prepare_image(video, size=settings["size"]))
    else:
        form = {key: settings[key] for key in ("size", "fps", "max_frames")}
        save_clip(prepared, prepare_clip(video, **form))
    probabilities = net.predict_stage_proba(pd.DataFrame({settings["view"]: [(prepared,)]}))[0]
    return pd.Series(probabilities, index=range(len(probabilities)), name="probability"), settings
