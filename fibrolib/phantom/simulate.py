"""Write a virtual cohort to disk, in the format of any cohort."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from fibrolib.atomic import write_atomically
from fibrolib.cohort import write_cohort
from fibrolib.errors import FibrolibError
from fibrolib.phantom.patients import draw_patients, random_stream
from fibrolib.phantom.render import Rendering, clip_length, render_view
from fibrolib.phantom.screen import BANNER
from fibrolib.phantom.strengths import SignalStrengths
from fibrolib.phantom.truth import write_truth
from fibrolib.progress import track
from fibrolib.video import write_dicom, write_image, write_video
from fibrolib.workers import workers_end_here

__all__ = ["render_clip", "render_image", "simulate_cohort"]

VERSION = 2
"""Raised whenever the same seed gives other pictures."""

_TABLE = [
    "patient_id",
    "video",
    "image",
    "stage",
    "age",
    "sex",
    "bmi",
    "aetiology",
    "ast",
    "alt",
    "platelets",
    "swe_kpa",
    "roi",
]


def simulate_cohort(
    out: str | Path,
    *,
    patients: int = 110,
    videos: int = 1,
    seed: int = 0,
    strengths: SignalStrengths | None = None,
    frames: int | None = None,
    fps: float | None = None,
    images: bool = True,
    truth: bool = True,
    dicom: bool = False,
    n_jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate a cohort and write it to a folder.

    Parameters
    ----------
    out : str or Path
        Folder; made if missing. A video whose files are there already is not simulated again, so a cohort can be
        enlarged.
    patients : int
        Number of patients; patient i of a seed is the same whatever the number.
    videos : int
        Videos per patient, each of another view; the first one and the image are the same whatever the number.
    seed : int
        Source of all chance: the same seed gives the same bytes, whatever `n_jobs`.
    strengths : SignalStrengths, optional
        Strength of the signals; the published effects if left out.
    frames : int, optional
        Of every video; two heartbeats of the patient if left out.
    fps : float, optional
        Frames per second of every video; those of the patient's scanner if left out.
    images : bool
        Also a still image of each patient.
    truth : bool
        Also the masks and the displacement of every video; without them a fifth of the work is saved.
    dicom : bool
        Write videos and images as DICOM, without loss; else as MP4 and PNG.
    n_jobs : int
        Number of joblib workers.
    progress : callable, optional
        Called with the number of patients done and the number of patients.

    Returns
    -------
    Path
        The table, ``cohort.csv``, one row per video; beside it ``videos/``, ``images/``, ``truth/`` (which always
        holds the latent quantities of the patients) and ``cohort.json``.

    Raises
    ------
    ValueError
        If `patients` or `videos` is below 1.
    FibrolibError
        If the folder holds a cohort of another seed, form or version, of other dials or other pictures.
    """
    if videos < 1:
        raise ValueError(f"at least one video per patient is needed, not {videos}")
    out, strengths = Path(out), strengths or SignalStrengths()
    table = draw_patients(patients, seed, strengths)
    if fps is not None:
        table = table.assign(fps=float(fps))
    asked = {name: value for name, value in (("frames", frames), ("fps", fps)) if value is not None}
    asked |= {name: False for name, wanted in (("images", images), ("truth", truth)) if not wanted}
    asked |= {"form": "dicom"} if dicom else {}
    _claim(out, {"version": VERSION, "seed": seed, "dials": asdict(strengths), **asked})
    takes, files_of = range(1, videos + 1), partial(_files, images=images, truth=truth, dicom=dicom)
    missing = [
        (number, row, todo)
        for number, row in enumerate(table.itertuples(index=False))
        if (todo := [take for take in takes if not _is_written(out, files_of(row.patient_id, take))])
    ]
    finished = patients - len(missing)
    if missing:  # starting workers to find that nothing is to do would take seconds
        with workers_end_here(n_jobs):
            jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
                delayed(_write_patient)(
                    out, row, (seed, number), {take: files_of(row.patient_id, take) for take in todo}, frames
                )
                for number, row, todo in missing
            )
            jobs = track(jobs, "Simulating virtual patients", patients, "patients", kept=out, before=finished)
            for done, _ in enumerate(jobs, start=finished + 1):
                if progress is not None:
                    progress(done, patients)
    latent = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_atomically(out / "truth" / "patients.csv", lambda file: file.write_text(latent, "utf-8", newline="\n"))
    files = [files_of(patient, take) for patient in table["patient_id"] for take in takes]
    rows = table.loc[table.index.repeat(videos)].reset_index(drop=True).join(pd.DataFrame(files))
    blood = dict.fromkeys(("ast", "alt", "platelets"), "Int64")  # whole numbers, also where some are missing
    write_cohort(rows.reindex(columns=_TABLE).astype(blood), out / "cohort.csv")
    return out / "cohort.csv"


def render_clip(
    patient: object, seed: tuple[int, int], take: int = 1, frames: int | None = None, *, truth: bool = True
) -> Rendering:
    """A video of a patient, as `simulate_cohort` writes it.

    Parameters
    ----------
    patient : row of `draw_patients`
        The patient, as of ``DataFrame.itertuples``.
    seed : tuple of int
        Seed of the cohort, and the patient's number in it from 0.
    take : int
        Which of the patient's videos, from 1; each is another view.
    frames : int, optional
        How many; two heartbeats if left out.
    truth : bool
        Also masks and displacement, as of `render_view`.

    Returns
    -------
    Rendering
        Frames, masks and displacement.
    """
    if take < 1:
        raise ValueError(f"videos are counted from 1, not {take}")
    view = 0 if take == 1 else take  # view 1 is the image's
    stream = random_stream(seed[0], 1, seed[1], view)
    return render_view(patient, frames or clip_length(patient), stream, truth=truth)


def render_image(patient: object, seed: tuple[int, int], *, truth: bool = True) -> Rendering:
    """The still image of a patient, from another view than the clip's."""
    return render_view(patient, 1, random_stream(seed[0], 1, seed[1], 1), truth=truth)


def _claim(out: Path, settings: dict) -> None:
    """Make the folder, or refuse one that holds another cohort."""
    for name in ("videos", "images", "truth"):
        (out / name).mkdir(parents=True, exist_ok=True)
    card = out / "cohort.json"
    if card.exists() and json.loads(card.read_text(encoding="utf-8")) != settings:
        raise FibrolibError(
            f"{out}: holds a virtual cohort of another seed, form or version, of other dials or other pictures "
            f"(see {card.name} there). Choose another folder, or delete this one."
        )
    write_atomically(card, lambda file: file.write_text(json.dumps(settings, indent=2) + "\n", "utf-8"))


def _files(name: str, take: int, images: bool, truth: bool, dicom: bool) -> dict[str, str]:
    """Paths of a video, its truth and the patient's image, as the table gives them."""
    view = name if take == 1 else f"{name}-{take}"
    video, image = (".dcm", ".dcm") if dicom else (".mp4", ".png")
    still = {"image": f"images/{name}{image}"} if images else {}
    regions = {"roi": f"truth/{view}.npz"} if truth else {}
    return {"video": f"videos/{view}{video}", **still, **regions}


def _is_written(out: Path, files: dict[str, str]) -> bool:
    """Whether all files of a video are there."""
    return all((out / file).exists() for file in files.values())


def _write_patient(
    out: Path, patient: object, seed: tuple[int, int], files: dict[int, dict[str, str]], frames: int | None
) -> None:
    """Write some videos of one patient, and the image with the first."""
    for take, names in files.items():
        paths = {kind: out / name for kind, name in names.items()}
        write = _write_dicom if paths["video"].suffix == ".dcm" else _write_plain
        truth = "roi" in paths
        clip = render_clip(patient, seed, take, frames, truth=truth)
        still = render_image(patient, seed, truth=truth) if "image" in paths and take == 1 else None
        write(paths["video"], clip, patient.patient_id)
        if still is not None:
            write(paths["image"], still, patient.patient_id)
        if truth:
            write_truth(paths["roi"], clip, still)


def _write_plain(path: Path, seen: Rendering, name: str) -> None:
    if path.suffix == ".png":
        write_image(path, seen.frames[0])
    else:
        write_video(path, seen.frames, seen.fps, comment=f"{BANNER} {path.stem}")


def _write_dicom(path: Path, seen: Rendering, name: str) -> None:
    place = {"region": seen.fan, "mm_per_pixel": seen.scale}
    write_dicom(path, seen.frames, seen.fps, patient_id=name, comment=BANNER, **place)
