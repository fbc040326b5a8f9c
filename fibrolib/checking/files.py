"""Open every file of the table: what cannot be read, what is of no use as a video, image or mask, and copies."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed

from fibrolib.checking.copies import _alike_pairs
from fibrolib.checking.report import _Finding
from fibrolib.errors import VideoError
from fibrolib.video import Clip, Surveys, VideoSurvey, clip_quality, masks_of_frames, quality_faults, survey_video
from fibrolib.workers import in_parallel

# All *assumptions*. The calmest of 71 real videos moves by 4.0 grey levels.
_LEVELS = 26  # of 256: less of the range is used by no real picture, but by one whose grey levels were misread
_STILL = 0.5  # grey levels of movement; coding noise of a repeated picture is below
_FROZEN = 0.2  # of the recording
_BLACK_FRAMES = 0.1  # of the frames looked at
_WIDE = 2.2  # width by height; the picture of a convex probe at a depth of 6 cm is 1.9 times as wide as high
_WHITE = 0.3  # share of the sector that is saturated
_SMALL = 64  # pixels, the shorter side
_SLIVER = 0.05  # share of the frame
_COLOURED = 12  # pixels; 71 real videos without overlays have none
_MARKED = 20  # pixels; see `fibrolib.video.survey`
_USELESS = {
    "no picture": "most of the ultrasound picture is black",
    "shadow": "most of the ultrasound picture lies in shadow",
}
"""Faults of the quality gate that nothing else here finds; a sweep takes more frames than a survey keeps."""
_SECONDS = 60.0  # that reading one file may take
_PATIENCE = 65.0  # seconds until a reader that has not looked at the clock is given up
_SLOW = 5.0  # frames per second: two for each heartbeat at 150 a minute
_SHORT = 1.0  # seconds: one heartbeat at 60 a minute, and the movement is what the video is for


def _file_findings(
    table: pd.DataFrame, root: Path, clip_frames: int, n_jobs: int, track: Callable[[Iterable, int], Iterable]
) -> tuple[Surveys, list[_Finding]]:
    """Decode all videos and images once, one frame at a time, and say what is wrong with them and with the masks."""
    surveys, findings = _survey_files(table, root, n_jobs, track)
    findings += [*_content_findings(table, surveys, clip_frames), *_mask_findings(table, root, surveys)]
    return surveys, findings + _copy_findings(table, root, surveys)


def _survey_files(
    table: pd.DataFrame, root: Path, n_jobs: int, track: Callable[[Iterable, int], Iterable]
) -> tuple[Surveys, list[_Finding]]:
    rows: dict[str, tuple[list[int], str]] = {}
    for column in ("video", "image"):
        for line, name in table[column].dropna().items():
            rows.setdefault(name, ([], column))[0].append(line)
    jobs = [delayed(_survey)(root, name) for name in rows]
    results = track(in_parallel(jobs, n_jobs, threads=True), len(jobs))
    surveys, findings = Surveys(), []
    for (name, (lines, column)), result in zip(rows.items(), results, strict=True):
        if isinstance(result, VideoSurvey):
            surveys.add(name, result)
        else:
            findings.append(_Finding("error", "unreadable", result, lines, column))
    return surveys, findings


def _survey(root: Path, name: str) -> VideoSurvey | str:
    """The survey, or what is wrong in words, with the file's name as the table has it.

    In a thread, which is given up where a decoder hangs within a packet, or a network drive no longer answers.
    """
    future: Future[VideoSurvey] = Future()
    threading.Thread(target=_fulfil, args=(future, root / name), daemon=True).start()
    try:
        return future.result(_PATIENCE)
    except VideoError as error:
        return str(error).replace(str(root / name), name)
    except TimeoutError:
        return f"{name}: this file takes longer than {_SECONDS:g} s to read. Copy or export it again."


def _fulfil(future: Future[VideoSurvey], path: Path) -> None:
    try:
        future.set_result(survey_video(path, _SECONDS))
    except BaseException as error:  # raised again where the result is asked for
        future.set_exception(error)


def _content_findings(table: pd.DataFrame, surveys: Surveys, clip_frames: int) -> list[_Finding]:
    """Videos and images that decode, and are of little or no use."""
    faults_of = {"video": functools.partial(_video_faults, clip_frames=clip_frames), "image": _picture_faults}
    lines: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for column, faults in faults_of.items():
        for line, name in table[column].dropna().items():
            for kind, message in faults(surveys[name]) if name in surveys else ():
                lines[kind, message, column].append(line)
    return [
        _Finding("error" if kind == "no-picture" else "warning", kind, message, rows, column)
        for (kind, message, column), rows in lines.items()
    ]


def _video_faults(survey: VideoSurvey, clip_frames: int) -> Iterable[tuple[str, str]]:
    if survey.n_frames == 1:
        yield (
            "one-frame",
            "the file holds one frame: a picture, and no video. Nets that look at movement see none. If it belongs to "
            "a video, write it into the column 'image' of that row, and delete its own.",
        )
    elif survey.n_frames < clip_frames:
        few = f"{survey.n_frames} frames, fewer than the {clip_frames} of a clip: the nets play it back and forth."
        yield "few-frames", few
    if survey.n_frames > 1 and survey.motion < _STILL:
        yield "still", "nothing moves: a still picture saved as a video. Nets that look at movement see none."
    elif survey.n_frames >= clip_frames and survey.duration < _SHORT:
        yield "short", f"{survey.duration:.2f} s are less than one heartbeat. Check the frame rate the file states."
    if survey.motion >= _STILL and survey.frozen >= _FROZEN and not survey.dark:
        stretch = f"the picture stands still for {survey.frozen:.0%} of the recording"
        yield "frozen", f"{stretch}: it was frozen. Export the part that moves alone; nets look at the middle."
    if survey.n_frames > 1 and survey.fps < _SLOW:
        yield (
            "slow",
            f"{survey.fps:g} frames per second are too few to show a heartbeat. Check the frame rate the file states.",
        )
    yield from _picture_faults(survey)
    small = Clip(survey.small.frames, survey.fps, survey.small.inside >= 128)
    for fault in quality_faults(clip_quality(small)):
        if fault in _USELESS:
            yield (
                "quality",
                f"{_USELESS[fault]}. A run names it in tables/quality.csv, and gives results with and without it.",
            )


def _picture_faults(survey: VideoSurvey) -> Iterable[tuple[str, str]]:
    yield from survey.notes
    low, high = survey.level_range
    if high - low < _LEVELS:
        shade = "black" if high < _LEVELS else "white" if low > 255 - _LEVELS else "of one grey"
        yield (
            "no-picture",
            f"the picture is {shade}, or nearly so: its grey levels lie between {low} and {high} of 255. Nothing can "
            "be learnt from it. Look at the file in the scanner's viewer and export it again.",
        )
    elif survey.dark == 1:
        yield "dark", "the picture is black, or nearly so."
    elif survey.dark >= _BLACK_FRAMES:
        yield (
            "dark",
            f"{survey.dark:.0%} of the frames are black: they were recorded without a picture, or the file was not "
            "copied whole. Copy it again, or export the other frames alone.",
        )
    if survey.saturation > _WHITE:
        yield "white", f"{survey.saturation:.0%} of the ultrasound picture is saturated (white)."
    if min(survey.width, survey.height) < _SMALL:
        yield "small", f"frames of {survey.width} x {survey.height} pixels are too small to show the liver."
    if survey.sector_share < _SLIVER:
        yield "sliver", f"the ultrasound picture was found on {survey.sector_share:.1%} of the frame only. Look at it."
    elif survey.sector_aspect > _WIDE:
        yield (
            "two-pictures",
            f"the ultrasound picture is {survey.sector_aspect:.1f} times as wide as high. If it is two pictures side "
            "by side (dual display), export one alone: nets see both, made small.",
        )
    if survey.coloured >= _COLOURED:
        yield (
            "colour",
            "something coloured lies inside the ultrasound picture: Doppler, elastography, callipers or text. Nets see "
            "it grey, and may learn it. Export without it; fibrolib check --page shows it.",
        )
    if survey.marks >= _MARKED:
        yield (
            "marks",
            "bright marks stand still inside the ultrasound picture while the tissue moves: letters, callipers or a "
            "ruler. A net may learn them. Export without them; fibrolib check --page shows them.",
        )


def _mask_findings(table: pd.DataFrame, root: Path, surveys: Surveys) -> list[_Finding]:
    """Masks that cannot be read, do not fit their video, or mark nothing."""
    findings = []
    for line, name, video in table[["roi", "video"]].dropna().itertuples():
        if video in surveys and (fault := _mask_fault(root / name, surveys[video])):
            severity, message = fault
            findings.append(_Finding(severity, "mask", message.replace(str(root / name), name), (line,), "roi"))
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


def _copy_findings(table: pd.DataFrame, root: Path, surveys: Surveys) -> list[_Finding]:
    """Files with equal content, and files whose pictures are alike though their bytes are not."""
    findings = []
    for column in ("video", "image"):
        rows = table[table[column].isin(surveys.keys())].drop_duplicates(["patient_id", column])
        equal = _equal_pairs(root, rows, column)
        findings += [_copy_finding(rows, column, *pair, "equal") for pair in equal]
        # One picture may be kept in many files: of each such group one is compared with the rest.
        spare = {second for _, second in equal}
        kept = [line for line in rows.index if line not in spare]
        pairs = _alike_pairs([*rows.loc[kept, column]], surveys)
        findings += [_copy_finding(rows, column, kept[one], kept[other], how) for one, other, how in pairs]
    return findings


def _equal_pairs(root: Path, rows: pd.DataFrame, column: str) -> list[tuple[int, int]]:
    """Lines of the first and of each later file with the same bytes."""
    digests = {}
    for line, name in rows[column].items():
        if (root / name).is_file():
            with (root / name).open("rb") as file:
                digests[line] = hashlib.file_digest(file, "sha256").digest()
    first = {digest: line for line, digest in reversed(digests.items())}
    return [(first[digest], line) for line, digest in digests.items() if first[digest] != line]


def _copy_finding(rows: pd.DataFrame, column: str, first: int, second: int, how: str) -> _Finding:
    one, other = rows.loc[first], rows.loc[second]
    what = {
        "equal": "the same file content is",
        "alike": "nearly the same pictures are",
        "mirrored": "nearly the same pictures, mirrored, are",
        "cut": "nearly the same pictures, one with a margin cut off, are",
    }[how]
    same_patient = one["patient_id"] == other["patient_id"]
    kind, harm = _harm(one, other, same_patient)
    severity = "error" if how == "equal" and not same_patient else "warning"
    message = f"{what} on line {first} ('{one[column]}') and line {second} ('{other[column]}'), {harm}"
    return _Finding(severity, kind, message, (first, second), column, quoted=(one[column], other[column]))


def _harm(one: pd.Series, other: pd.Series, same_patient: bool) -> tuple[str, str]:
    if same_patient:
        return "copy-within-patient", "of one patient: it counts double. Keep one."
    if pd.notna(one["split"]) and pd.notna(other["split"]) and one["split"] != other["split"]:
        return "copy-across-split", (
            f"of two patients in '{one['split']}' and '{other['split']}': the test would know what was trained on. "
            "Are they one patient, or is a file name wrong?"
        )
    if pd.notna(one["stage"]) and pd.notna(other["stage"]) and one["stage"] != other["stage"]:
        return "copy-across-stages", (
            f"of two patients with stages {one['stage']:g} and {other['stage']:g}: one label is wrong."
        )
    return "copy-across-patients", "of two patients. Are they one patient, or is a file name wrong?"
