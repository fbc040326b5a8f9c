"""Prepare the files of all patients (once, in parallel, kept by content), or one video to be scored by a saved net."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from joblib import delayed

from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.progress import track
from fibrolib.study.profiles import Profile
from fibrolib.video import is_still, open_arrays, prepare_cached, prepare_clip, prepare_image, save_clip
from fibrolib.workers import in_parallel, n_workers


def prepare_files(patients: pd.DataFrame, folder: Path, profile: Profile, kind: str) -> pd.Series:
    """Prepare moving clips (``kind`` "clip") or still images ("image") of patients, with the profile's size and rate.

    A video without a still image is prepared whole also where images are asked for: all of its frames are stills.
    Returns a tuple of prepared files by patient; raises `VideoError` naming the first file that cannot be read.
    """
    files_of = [sources(row, kind) for row in patients.itertuples()]
    jobs = [
        delayed(prepare_cached)(path, folder, roi=roi, **_form_of_file(profile, kind, path))
        for files in files_of
        for path, roi in files
    ]
    # Threads: decoding and scaling release Python's lock, and starting processes would take longer than a second look.
    files = in_parallel(jobs, n_workers(), threads=True)
    prepared = iter(list(track(files, f"Preparing {kind}s", len(jobs), "files", kept=folder)))
    return pd.Series([tuple(next(prepared) for _ in files) for files in files_of], index=patients.index)


def form_of(profile: Profile, kind: str) -> dict:
    """What `prepare_cached` is told of a clip or an image of a profile."""
    size = profile.clips.size if kind == "clip" else profile.still_size
    return {"kind": kind, "size": size, "fps": profile.clips.fps, "max_frames": profile.clips.max_frames}


def _form_of_file(profile: Profile, kind: str, path: Path) -> dict:
    """The same for a file: a video where an image is asked for is prepared as a clip."""
    form = form_of(profile, kind)
    return form | {"kind": "image" if kind == "image" and is_still(path) else "clip"}


def sources(patient, kind: str) -> list[tuple[Path, Path | None]]:
    """Files to prepare for a patient, each once and with its mask; a video without an image stands for one."""
    if kind == "clip":
        return list(zip(patient.videos, patient.rois, strict=True))
    # One image may stand beside several videos, of which one has the mask that marks it.
    masks: dict[Path, Path | None] = {}
    for image, video, roi in zip(patient.images, patient.videos, patient.rois, strict=True):
        mask = roi if image is None or _marks_image(roi) else None
        masks[image or video] = masks.get(image or video) or mask
    return list(masks.items())


def _marks_image(roi: Path | None) -> bool:
    """Whether a mask also marks the still image: one drawn as a picture belongs to the video."""
    if roi is None or roi.suffix != ".npz":
        return False
    with open_arrays(roi, "the mask file") as arrays:
        return "image_capsule" in arrays


def _preprocessing_settings(profile: Profile, view: str, virtual: bool) -> dict:
    """What has to be known beside a net's weights to show it a new video: written next to every saved model."""
    size = profile.still_size if view == "stills" else profile.clips.size
    form = {"size": size, "fps": profile.clips.fps, "max_frames": profile.clips.max_frames}
    return {"view": view, **form, "trained_on_virtual_patients": virtual}


def score_video(model: Path, video: Path, scratch: Path) -> tuple[pd.Series, dict]:
    """Probability of each stage for one video or image."""
    net = NetClassifier.load(model)
    beside = model.with_suffix(".json")
    try:
        settings = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FibrolibError(f"{beside}: the settings of the model are missing or damaged. Copy both files.") from error
    prepared = scratch / "prepared.npz"
    if settings["view"] == "stills" and is_still(video):
        save_clip(prepared, prepare_image(video, size=settings["size"]))
    else:
        form = {key: settings[key] for key in ("size", "fps", "max_frames")}
        save_clip(prepared, prepare_clip(video, **form))
    probabilities = net.predict_stage_proba(pd.DataFrame({settings["view"]: [(prepared,)]}))[0]
    return pd.Series(probabilities, index=range(len(probabilities)), name="probability"), settings
