"""Open every file of the table: what cannot be read, and what is no use as a video, image or mask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from fibrolib.checking.findings import Finding
from fibrolib.errors import VideoError
from fibrolib.video import masks_of_frames
from fibrolib.video.survey import VideoSurvey, survey_video

__all__ = ["Surveys", "content_findings", "mask_findings", "survey_files"]

Surveys = dict[str, VideoSurvey]
"""What each file is like, by its path as the table has it; files that cannot be read are not there."""

# All *assumptions*. The calmest of 71 real videos moves by 4.0 grey levels and the darkest has a mean of 9.5.
_STILL = 0.5  # grey levels of movement; coding noise of a repeated picture is below
_DARK = 2.0  # grey levels
_WHITE = 0.3  # share of the sector that is saturated
_SMALL = 64  # pixels, the shorter side
_SLIVER = 0.05  # share of the frame
_COLOURED = 12  # pixels; 71 real videos without overlays have none
_MARKED = 20  # pixels; see `fibrolib.video.survey`
_SHORT = 1.0  # seconds: one heartbeat at 60 a minute, and the movement is what the video is for


def survey_files(
    table: pd.DataFrame, root: Path, n_jobs: int, track: Callable[[Iterable, int], Iterable]
) -> tuple[Surveys, list[Finding]]:
    """Decode all videos and images once, one frame at a time.

    Parameters
    ----------
    table : DataFrame
        Typed, indexed by line.
    root : Path
        The table's folder.
    n_jobs : int
        Threads; -1 for one per core.
    track : callable
        Gets the results as they come and how many there will be, and passes them on; shows progress.
    """
    rows = _rows_by_file(table)
    jobs = [joblib.delayed(_survey)(root, name) for name in rows]
    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    surveys, findings = {}, []
    for (name, (lines, column)), found in zip(rows.items(), track(parallel(jobs), len(jobs)), strict=True):
        if isinstance(found, VideoSurvey):
            surveys[name] = found
        else:
            findings.append(Finding("error", "unreadable", found, tuple(lines), column))
    return surveys, findings


def _rows_by_file(table: pd.DataFrame) -> dict[str, tuple[list[int], str]]:
    rows: dict[str, tuple[list[int], str]] = {}
    for column in ("video", "image"):
        for line, name in table[column].dropna().items():
            rows.setdefault(name, ([], column))[0].append(int(line))
    return rows


def _survey(root: Path, name: str) -> VideoSurvey | str:
    """The survey, or what is wrong in words."""
    try:
        return survey_video(root / name)
    except VideoError as error:
        # The table says where the file is; the folder above it is not the reader's concern.
        return str(error).replace(str(root / name), name)


def content_findings(table: pd.DataFrame, surveys: Surveys, clip_frames: int) -> list[Finding]:
    """Videos that decode, and are of little or no use.

    Parameters
    ----------
    table, surveys
        As in `survey_files`.
    clip_frames : int
        Frames of the longest clip that a net takes.
    """
    found: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for line, name in table["video"].dropna().items():
        if name in surveys:
            for kind, message in _faults(surveys[name], clip_frames):
                found[kind, message, "video"].append(int(line))
    for line, name in table["image"].dropna().items():
        if name in surveys:
            for kind, message in _picture_faults(surveys[name]):
                found[kind, message, "image"].append(int(line))
    return [Finding("warning", kind, message, tuple(rows), column) for (kind, message, column), rows in found.items()]


def _faults(survey: VideoSurvey, clip_frames: int) -> Iterable[tuple[str, str]]:
    if survey.n_frames == 1:
        yield "one-frame", "the file holds one frame: a picture, and no video. Nets that look at movement see none."
    elif survey.n_frames < clip_frames:
        yield (
            "few-frames",
            f"{survey.n_frames} frames, fewer than the {clip_frames} of a clip: the nets play it back and forth.",
        )
    if survey.n_frames > 1 and survey.motion < _STILL:
        yield "still", "nothing moves: a still picture saved as a video. Nets that look at movement see none."
    elif survey.n_frames >= clip_frames and survey.duration < _SHORT:
        yield "short", f"{survey.duration:.1f} s are less than one heartbeat. Check the frame rate the file states."
    yield from _picture_faults(survey)


def _picture_faults(survey: VideoSurvey) -> Iterable[tuple[str, str]]:
    if survey.brightness < _DARK:
        yield "dark", "the picture is black, or nearly so."
    if survey.saturation > _WHITE:
        yield "white", f"{survey.saturation:.0%} of the ultrasound picture is saturated (white)."
    if min(survey.width, survey.height) < _SMALL:
        yield "small", f"frames of {survey.width} x {survey.height} pixels are too small to show the liver."
    if survey.sector_share < _SLIVER:
        yield "sliver", f"the ultrasound picture was found on {survey.sector_share:.1%} of the frame only. Look at it."
    if survey.coloured >= _COLOURED:
        yield (
            "colour",
            "something coloured lies inside the ultrasound picture: Doppler, callipers or text. Nets see it grey, and "
            "may learn it. Export without it; fibrolib check --page shows it.",
        )
    if survey.marks >= _MARKED:
        yield (
            "marks",
            "bright marks stand still inside the ultrasound picture while the tissue moves: letters, callipers or a "
            "ruler. A net may learn them. Export without them; fibrolib check --page shows them.",
        )


def mask_findings(table: pd.DataFrame, root: Path, surveys: Surveys) -> list[Finding]:
    """Masks that cannot be read, do not fit their video, or mark nothing."""
    findings = []
    for line, name, video in table[["roi", "video"]].dropna().itertuples():
        if video in surveys:
            fault = _mask_fault(root / name, surveys[video])
            if fault:
                severity, message = fault
                findings.append(Finding(severity, "mask", message.replace(str(root / name), name), (int(line),), "roi"))
    return findings


def _mask_fault(path: Path, survey: VideoSurvey) -> tuple[str, str] | None:
    try:
        mask = masks_of_frames(path, "capsule", np.arange(survey.n_frames), (survey.height, survey.width))
    except VideoError as error:
        return "error", str(error)
    if not mask.any():
        return "warning", "the mask marks nothing."
    if mask.mean() > 0.5:  # *assumption*: a marked region is smaller than what is around it
        return "warning", f"the mask marks {mask.mean():.0%} of the frame. Is the region black and the rest white?"
    return None
