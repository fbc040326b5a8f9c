"""Pictures of simulated patients without a stage, prepared as any cohort's are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from fibrolib.phantom import draw_unstaged_patients, physical_quantities, render_clip, render_image
from fibrolib.phantom.quantities import QUANTITIES
from fibrolib.video import Clip, prepare_clip, prepare_image, save_clip
from fibrolib.video.writing import write_image, write_video

__all__ = ["unstaged_pictures"]


def unstaged_pictures(
    folder: Path | str,
    view: str,
    *,
    patients: int,
    seed: int,
    size: int = 224,
    fps: float = 20.0,
    max_frames: int = 48,
    n_jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulate patients without a stage and prepare a clip, or a still image, of each.

    The pictures pass through the video encoder, the search for the sector and the crop, like those of a cohort.

    Parameters
    ----------
    folder : Path or str
        Where prepared pictures are kept, named after the seed and the settings; what is there is not made again.
    view : {'clips', 'stills'}
        Moving clips, or still images: a still takes a fiftieth of a clip's time, so there can be many more.
    patients, seed : int
        Number and seed.
    size : int
        Side in pixels.
    fps : float
        Frames per second of clips.
    max_frames : int
        Most frames of a clip.
    n_jobs : int
        Workers.
    progress : callable or None
        Called with the number of patients done and the number of patients.

    Returns
    -------
    DataFrame
        One row per patient: the column `view` (tuples of one path each) and the logarithms of `QUANTITIES`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = draw_unstaged_patients(patients, seed)
    form = {"size": size, "fps": fps, "max_frames": max_frames} if view == "clips" else {"size": size}
    name = "-".join(f"{value:g}" for value in form.values())
    files = [folder / f"s{seed}-{number:05d}-{view}-{name}.npz" for number in range(patients)]
    prepare = _clip if view == "clips" else _still
    jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_write)(prepare, row, (seed, number), file, form)
        for number, (row, file) in enumerate(zip(table.itertuples(index=False), files, strict=True))
        if not file.exists()
    )
    for done, _ in enumerate(jobs, start=1):
        if progress is not None:
            progress(done, patients)
    measured = pd.DataFrame(physical_quantities(table), columns=list(QUANTITIES))
    return measured.assign(**{view: [(path,) for path in files]})


def _write(prepare: Callable[..., Clip], row: object, seed: tuple[int, int], file: Path, form: dict) -> None:
    """Render, encode, read back and prepare one patient."""
    with tempfile.TemporaryDirectory() as scratch:
        save_clip(file, prepare(row, seed, Path(scratch), form))


def _clip(row: object, seed: tuple[int, int], scratch: Path, form: dict) -> Clip:
    rendering = render_clip(row, seed)
    write_video(scratch / "clip.mp4", rendering.frames, rendering.fps)
    return prepare_clip(scratch / "clip.mp4", **form)


def _still(row: object, seed: tuple[int, int], scratch: Path, form: dict) -> Clip:
    write_image(scratch / "still.png", render_image(row, seed).frames[0])
    return prepare_image(scratch / "still.png", **form)
