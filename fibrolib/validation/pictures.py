"""What the videos and images of a cohort are like, and which of them another cohort has, too."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import delayed
from numpy.typing import NDArray

from fibrolib.checking import alike_pictures
from fibrolib.video import Surveys, VideoSurvey, file_digest, fingerprints, survey_video
from fibrolib.workers import in_parallel, n_workers

if TYPE_CHECKING:
    from fibrolib.study.cache import ResultCache

FEATURES = {
    "brightness": "Mean grey level",
    "contrast": "Contrast (standard deviation of grey levels)",
    "saturation": "Share of white pixels",
    "motion": "Movement (grey levels)",
    "fps": "Frames per second",
    "duration": "Duration, s",
    "width": "Width, pixels",
    "height": "Height, pixels",
    "sector_share": "Sector's share of the frame",
}
"""Picture statistics of a video (`VideoSurvey`), by what they are called for readers."""

Track = Callable[[Iterable, int], Iterable]


def _look_at_pictures(
    patients: pd.DataFrame,
    cache: ResultCache,
    track: Track,
    known: pd.DataFrame | None = None,
    survey: Callable[[Path], VideoSurvey] = survey_video,
) -> dict[str, pd.DataFrame]:
    """Look at every video and image of patients by `survey`; kept.

    Returns ``features`` (`FEATURES`, a row per patient: means over videos), ``prints`` (a row per frame: ``digest`` of
    its file, ``print``), and ``shared``: ``file`` and ``patient_id`` of pictures that are among the `known` prints.
    """
    owners = {path: patient for patient, paths in _files_of(patients).items() for path in paths}
    digests = dict(zip(owners, _in_threads(file_digest, owners, track), strict=True))
    known = pd.DataFrame({"digest": [], "print": []}, dtype=str) if known is None else known

    def look() -> dict[str, pd.DataFrame]:
        surveys = Surveys()
        for path, one in zip(owners, _in_threads(survey, owners, track), strict=True):
            surveys.add(path, one)
        return {
            "features": _features(patients, surveys),
            "prints": _prints(surveys, digests),
            "shared": _shared(surveys, digests, owners, known),
        }

    key = {"files": list(digests.values()), "patients": list(owners.values()), "known": known}
    made_by = (survey_video, fingerprints, alike_pictures, _features)
    return cache.get_or_compute_tables("pictures", key, look, made_by=made_by)


def _files_of(patients: pd.DataFrame) -> dict[str, list[Path]]:
    """Videos and images of each patient."""
    return {row.Index: [path for path in (*row.videos, *row.images) if path] for row in patients.itertuples()}


def _in_threads(work: Callable[[Path], object], paths: Iterable[Path], track: Track) -> Iterable:
    jobs = [delayed(work)(path) for path in paths]
    return track(in_parallel(jobs, n_workers(), threads=True), len(jobs))


def _features(patients: pd.DataFrame, surveys: Mapping[Path, VideoSurvey]) -> pd.DataFrame:
    rows = []
    for videos in patients["videos"]:
        numbers = [[getattr(survey, name) for name in FEATURES] for survey in map(surveys.__getitem__, videos)]
        rows.append([np.mean(column) for column in zip(*numbers, strict=True)])
    return pd.DataFrame(rows, index=patients.index, columns=list(FEATURES), dtype=float)


def _prints(surveys: Mapping[Path, VideoSurvey], digests: Mapping[Path, str]) -> pd.DataFrame:
    rows = [(digests[path], _packed(frame)) for path, each in surveys.items() for frame in fingerprints(each.small)]
    return pd.DataFrame(rows, columns=["digest", "print"])


def _packed(frame: NDArray[np.int8]) -> str:
    """A fingerprint as text: the places of 1 and of -1, as bits."""
    return base64.b64encode(np.packbits(np.stack([frame > 0, frame < 0]))).decode()


def _unpacked(text: str) -> NDArray[np.int8]:
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8)).astype(np.int8)
    rising, falling = bits.reshape(2, -1)
    return rising - falling


def _shared(
    surveys: Mapping[Path, VideoSurvey],
    digests: Mapping[Path, str],
    owners: Mapping[Path, str],
    known: pd.DataFrame,
) -> pd.DataFrame:
    """Files that show what known ones show: by their content, else by their fingerprints."""
    contents = set(known["digest"])
    shared = {path for path in surveys if digests[path] in contents}
    others = [path for path in surveys if path not in shared]
    if not known.empty:
        prints = (np.stack([_unpacked(text) for text in texts]) for _, texts in known.groupby("digest")["print"])
        shared |= {others[place] for place, _ in alike_pictures(map(surveys.__getitem__, others), prints)}
    rows = [(str(path), owners[path]) for path in surveys if path in shared]
    return pd.DataFrame(rows, columns=["file", "patient_id"], dtype=str)
