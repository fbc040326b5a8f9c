"""Prepare the files of all patients: once, in parallel, kept by content."""

from __future__ import annotations

from pathlib import Path

import joblib
import pandas as pd

from fibrolib.study.profiles import Profile
from fibrolib.video import prepare_cached

__all__ = ["n_workers", "prepare_files"]


def prepare_files(patients: pd.DataFrame, folder: Path, profile: Profile, kind: str) -> pd.Series:
    """Prepare clips or still images.

    Parameters
    ----------
    patients : DataFrame
        `Cohort.patients()`.
    folder : Path
        Where prepared files are kept.
    profile : Profile
        Their size and rate.
    kind : {'clip', 'image'}
        Moving clips, or stills.

    Returns
    -------
    Series of tuple of Path
        Prepared files by patient.

    Raises
    ------
    VideoError
        Naming the first file that cannot be read.
    """
    form = {"kind": kind, "fps": profile.clips.fps, "max_frames": profile.clips.max_frames}
    form["size"] = profile.clips.size if kind == "clip" else profile.still_size
    sources = [_sources(row, kind) for row in patients.itertuples()]
    jobs = [joblib.delayed(prepare_cached)(path, folder, roi=roi, **form) for files in sources for path, roi in files]
    # Threads: decoding and scaling release Python's lock, and starting processes would take longer than a second look.
    prepared = iter(joblib.Parallel(n_jobs=n_workers(), prefer="threads")(jobs))
    return pd.Series([tuple(next(prepared) for _ in files) for files in sources], index=patients.index)


def _sources(patient, kind: str) -> list[tuple[Path, Path | None]]:
    """Files to prepare for a patient, each with its mask; a video without an image gives its middle frame."""
    if kind == "clip":
        return list(zip(patient.videos, patient.rois, strict=True))
    rows = zip(patient.images, patient.videos, patient.rois, strict=True)
    # One image may stand beside several videos. A mask drawn as a picture belongs to the video, not to the image.
    return list(
        dict.fromkeys(
            (image or video, roi if image is None or (roi and roi.suffix == ".npz") else None)
            for image, video, roi in rows
        )
    )


def n_workers() -> int:
    """Processes for parallel work: one per core."""
    return joblib.cpu_count()
