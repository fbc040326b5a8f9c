"""The same picture more than once: within a patient, and where it does harm, across patients, stages and the split."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fibrolib.checking.files import Surveys
from fibrolib.checking.findings import Finding
from fibrolib.video.survey import GRID, VideoSurvey, fingerprints

__all__ = ["copy_findings", "likeness"]

_ALIKE = 0.9
"""Agreement of two fingerprints above which they show the same (*assumption*, set on 71 real lung videos: copies
scaled, re-encoded, brightened or cut at the front reach 0.93 to 1; videos of different views at the most 0.85)."""

_LEAST_SHARED = 150
"""Cells, of 1024, that two fingerprints must both hold to be compared (*assumption*)."""

_CUT = 0.05
_MARGINS = [margins for margins in itertools.product((0.0, _CUT), repeat=4) if any(margins)]
"""A twentieth cut off any of the four sides: the grid of a copy is then laid over less of the picture."""

_WORTH = 0.25
"""Agreement above which a margin may explain what is lacking (*assumption*: of 71 real lung videos with a twentieth cut
off, all agree by more). Then 0.9 finds 99 % of them, in place of 1 to 8 %; different views reach 0.87."""

_LEAST_SHARED_CUT = 250
"""As `_LEAST_SHARED`, for the best of many margins."""

_BLOCK = 256  # videos compared at once: bounds the memory


def copy_findings(table: pd.DataFrame, root: Path, surveys: Surveys) -> list[Finding]:
    """Files with equal content, and files whose pictures are alike though their bytes are not.

    Parameters
    ----------
    table : DataFrame
        Typed, indexed by line.
    root : Path
        The table's folder.
    surveys : dict
        From `survey_files`.
    """
    findings = []
    for column in ("video", "image"):
        rows = table[table[column].isin(surveys.keys())].drop_duplicates(["patient_id", column])
        equal = _equal_pairs(root, rows, column)
        findings += [_finding(rows, column, *pair, "equal") for pair in equal]
        # One picture may be kept in many files: of each such group one is compared with the rest.
        spare = {second for _, second in equal}
        kept = [line for line in rows.index if line not in spare]
        findings += [_finding(rows, column, *pair) for pair in _alike_pairs(rows.loc[kept, column], surveys)]
    return findings


def likeness(one: NDArray[np.int8], other: NDArray[np.int8], least_shared: int = _LEAST_SHARED) -> NDArray[np.float32]:
    """Agreement of fingerprints: 1 alike, 0 unrelated, -1 opposite.

    Parameters
    ----------
    one, other : ndarray of int8, shape (n, 1024) and (m, 1024)
        From `fibrolib.video.fingerprints`.
    least_shared : int
        Cells that both must hold to be compared.

    Returns
    -------
    ndarray of float32, shape (n, m)
        0 where too little is in both to be compared.
    """
    a, b = one.astype(np.float32), other.astype(np.float32)
    shared = np.abs(a) @ np.abs(b).T
    return np.where(shared >= least_shared, (a @ b.T) / np.maximum(shared, 1), 0)


def _equal_pairs(root: Path, rows: pd.DataFrame, column: str) -> list[tuple[int, int]]:
    """Lines of the first and of each later file with the same bytes."""
    first: dict[str, int] = {}
    pairs = []
    for line, name in rows[column].items():
        if (root / name).is_dir():
            continue
        with (root / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest in first:
            pairs.append((first[digest], line))
        first.setdefault(digest, line)
    return pairs


def _alike_pairs(names: pd.Series, surveys: Surveys) -> list[tuple[int, int, str]]:
    """Lines of files of which some frames are alike, as they are or mirrored."""
    prints = [fingerprints(surveys[name].small) for name in names]
    cut = functools.cache(lambda place: _cut_prints(surveys[names.iloc[place]]))
    pairs = []
    for start in range(0, len(prints), _BLOCK):
        for later in range(start, len(prints), _BLOCK):
            one, other = prints[start : start + _BLOCK], prints[later : later + _BLOCK]
            plain, turned = _best(one, other, mirrored=False), _best(one, other, mirrored=True)
            for i, j in np.argwhere((plain >= _WORTH) | (turned >= _ALIKE)):
                first, second = start + i, later + j
                if first < second and (how := _how(plain[i, j], turned[i, j], prints, cut, first, second)):
                    pairs.append((names.index[first], names.index[second], how))
    return pairs


def _how(plain: float, turned: float, prints: list[NDArray[np.int8]], cut: Callable, first: int, second: int) -> str:
    """In what way two files are alike; empty where they are not."""
    if plain >= _ALIKE:
        return "alike"
    if turned >= _ALIKE:
        return "mirrored"
    for one, other in ((first, second), (second, first)):
        if likeness(cut(one), prints[other], _LEAST_SHARED_CUT).max() >= _ALIKE:
            return "cut"
    return ""


def _cut_prints(survey: VideoSurvey) -> NDArray[np.int8]:
    """Fingerprints as copies of a video without its margins would have them."""
    return np.concatenate([fingerprints(survey.small, margins) for margins in _MARGINS])


def _best(one: list[NDArray[np.int8]], other: list[NDArray[np.int8]], mirrored: bool) -> NDArray[np.float32]:
    """The best agreement of any frame of a video with any of another; shape (videos, videos)."""
    turned = [_mirrored(prints) for prints in other] if mirrored else other
    agreement = likeness(np.concatenate(one), np.concatenate(turned))
    starts = [np.cumsum([0, *(len(prints) for prints in side[:-1])]) for side in (one, other)]
    return np.maximum.reduceat(np.maximum.reduceat(agreement, starts[0], axis=0), starts[1], axis=1)


def _mirrored(prints: NDArray[np.int8]) -> NDArray[np.int8]:
    """Fingerprints of the frames with left and right exchanged: the cells run back, each step changes its sign."""
    return -prints.reshape(-1, GRID, GRID)[:, :, ::-1].reshape(len(prints), -1)


def _finding(rows: pd.DataFrame, column: str, first: int, second: int, how: str) -> Finding:
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
    quoted = (one[column], other[column])
    return Finding(severity, kind, message, (int(first), int(second)), column, quoted=quoted)


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
