"""Pictures of simulated patients without a stage, prepared as any cohort's are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from fibrolib.phantom import draw_unstaged_patients, physical_quantities, render_clip, render_image
from fibrolib.phantom.quantities import QUANTITIES
from fibrolib.video import prepare_clip, prepare_image, save_clip
from fibrolib.video.writing import write_image, write_video

__all__ = ["unstaged_pictures"]


def unstaged_pictures(
    folder: Path | str,
    *,
    patients: int,
    seed: int,
    clip_size: int = 112,
    still_size: int = 128,
    fps: float = 20.0,
    max_frames: int = 48,
    n_jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulate patients without a stage and prepare a clip and a still image of each.

    The pictures pass through the video encoder, the search for the sector and the crop, like those of a cohort.

    Parameters
    ----------
    folder : Path or str
        Where prepared pictures are kept, named after the seed and the settings; what is there is not made again.
    patients, seed : int
        Number and seed.
    clip_size, still_size : int
        Sides in pixels.
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
        One row per patient: ``clips, stills`` (tuples of one path each) and the logarithms of `QUANTITIES`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = draw_unstaged_patients(patients, seed)
    name = f"s{seed}-{{number:05d}}-{{kind}}"
    clips, stills = (
        [folder / f"{name.format(number=number, kind=kind)}.npz" for number in range(patients)]
        for kind in (f"clip-{clip_size}-{fps:g}-{max_frames}", f"still-{still_size}")
    )
    rows = zip(table.itertuples(index=False), clips, stills, strict=True)
    jobs = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_write)(row, (seed, number), clip, still, fps, max_frames, clip_size, still_size)
        for number, (row, clip, still) in enumerate(rows)
        if not (clip.exists() and still.exists())
    )
    for done, _ in enumerate(jobs, start=1):
        if progress is not None:
            progress(done, patients)
    measured = pd.DataFrame(physical_quantities(table), columns=list(QUANTITIES))
    return measured.assign(clips=[(path,) for path in clips], stills=[(path,) for path in stills])


def _write(
    row: object,
    seed: tuple[int, int],
    clip: Path,
    still: Path,
    fps: float,
    max_frames: int,
    clip_size: int,
    still_size: int,
) -> None:
    """Render, encode, read back and prepare one patient."""
    with tempfile.TemporaryDirectory() as name:
        video, image = Path(name) / "clip.mp4", Path(name) / "still.png"
        rendering = render_clip(row, seed)
        write_video(video, rendering.frames, rendering.fps)
        write_image(image, render_image(row, seed).frames[0])
        save_clip(clip, prepare_clip(video, size=clip_size, fps=fps, max_frames=max_frames))
        save_clip(still, prepare_image(image, size=still_size))
