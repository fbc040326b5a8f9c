"""Write a virtual cohort to disk, in the format of any cohort."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from fibrolib.cohort import write_cohort
from fibrolib.errors import FibrolibError
from fibrolib.phantom.dials import Dials
from fibrolib.phantom.patients import draw_patients, random_stream
from fibrolib.phantom.render import Rendering, clip_length, render_view
from fibrolib.phantom.screen import BANNER
from fibrolib.video.writing import write_image, write_video

__all__ = ["render_clip", "render_image", "simulate_cohort"]

VERSION = 1
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
    seed: int = 0,
    dials: Dials | None = None,
    n_jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate a cohort and write it to a folder.

    Parameters
    ----------
    out : str or Path
        Folder; made if missing. A patient whose files are there already is not simulated again.
    patients : int
        Number of patients; patient i of a seed is the same whatever the number.
    seed : int
        Source of all chance: the same seed gives the same bytes, whatever `n_jobs`.
    dials : Dials, optional
        Strength of the signals; the published effects if left out.
    n_jobs : int
        Number of joblib workers.
    progress : callable, optional
        Called with the number of patients done and the number of patients.

    Returns
    -------
    Path
        The table, ``cohort.csv``; beside it ``videos/``, ``images/``, ``truth/`` and ``cohort.json``.

    Raises
    ------
    FibrolibError
        If the folder holds a cohort of another seed, other dials or another version.
    """
    out, dials = Path(out), dials or Dials()
    table = draw_patients(patients, seed, dials)
    _claim(out, {"version": VERSION, "seed": seed, "dials": asdict(dials)})
    rows = enumerate(table.itertuples(index=False))
    missing = [(number, row) for number, row in rows if not _is_written(out, row.patient_id)]
    if missing:  # starting workers to find that nothing is to do would take seconds
        jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_write_patient)(out, row, (seed, number)) for number, row in missing
        )
        for done, _ in enumerate(jobs, start=patients - len(missing) + 1):
            if progress is not None:
                progress(done, patients)
    _write_text(out / "truth" / "patients.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    files = {"video": "videos/{}.mp4", "image": "images/{}.png", "roi": "truth/{}.npz"}
    for column, pattern in files.items():
        table[column] = [pattern.format(patient) for patient in table["patient_id"]]
    blood = dict.fromkeys(("ast", "alt", "platelets"), "Int64")  # whole numbers, also where some are missing
    write_cohort(table[_TABLE].astype(blood), out / "cohort.csv")
    return out / "cohort.csv"


def render_clip(patient: object, seed: tuple[int, int]) -> Rendering:
    """The clip of a patient (a row of `draw_patients`), as `simulate_cohort` writes it; `seed` is (cohort, number)."""
    return render_view(patient, clip_length(patient), random_stream(seed[0], 1, seed[1], 0))


def render_image(patient: object, seed: tuple[int, int]) -> Rendering:
    """The still image of a patient, from another view than the clip's."""
    return render_view(patient, 1, random_stream(seed[0], 1, seed[1], 1))


def _claim(out: Path, settings: dict) -> None:
    """Make the folder, or refuse one that holds another cohort."""
    for name in ("videos", "images", "truth"):
        (out / name).mkdir(parents=True, exist_ok=True)
    card = out / "cohort.json"
    if card.exists() and json.loads(card.read_text(encoding="utf-8")) != settings:
        raise FibrolibError(
            f"{out}: holds a virtual cohort of another seed, other dials or another version (see {card.name} there). "
            "Choose another folder, or delete this one."
        )
    _write_text(card, json.dumps(settings, indent=2) + "\n")


def _is_written(out: Path, name: str) -> bool:
    """Whether all files of a patient are there."""
    files = (f"videos/{name}.mp4", f"images/{name}.png", f"truth/{name}.npz")
    return all((out / file).exists() for file in files)


def _write_patient(out: Path, patient: object, seed: tuple[int, int]) -> None:
    """Write the files of one patient; the truth comes last, so that its presence means all are there."""
    name = patient.patient_id
    truth = out / "truth" / f"{name}.npz"
    clip, still = render_clip(patient, seed), render_image(patient, seed)
    write_video(out / "videos" / f"{name}.mp4", clip.frames, clip.fps, comment=f"{BANNER} {name}")
    write_image(out / "images" / f"{name}.png", still.frames[0])
    temporary = truth.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez_compressed(
            file,
            **clip.masks,
            **{f"image_{key}": mask[0] for key, mask in still.masks.items()},
            displacement=clip.displacement,
            displacement_rows=clip.nodes[0],
            displacement_columns=clip.nodes[1],
            mm_per_pixel=clip.scale,
        )
    temporary.replace(truth)


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)
