"""Planted truth: virtual patients in whom one signal alone tells the stage.

Of a net trained on such patients it is known what it can have learned, and so where a map of it should lie.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from fibrolib.learning import NetClassifier
from fibrolib.phantom import Dials, simulate_cohort
from fibrolib.study.cache import digest
from fibrolib.study.population import prepared_patients
from fibrolib.study.preparing import form_of, sources
from fibrolib.study.profiles import Profile
from fibrolib.study.worlds import World
from fibrolib.video import prepare_cached
from fibrolib.workers import n_workers

__all__ = ["SIGNALS", "plant"]

SIGNALS = {
    "capsule": Dials(texture=0.0, capsule=6.0, motion=0.0),
    "texture": Dials(texture=4.0, capsule=0.0, motion=0.0),
    "motion": Dials(texture=0.0, capsule=0.0, motion=4.0),
}
"""Dials of the three worlds. They are turned up until a perfect reader has an AUC of .97, .95 and .89 at F2 and above:
a net that fails to learn has nothing to explain."""

_CUTOFF, _STAGES = 2, 5


def plant(cohorts: Path, cache: Path, profile: Profile, net: str, *, patients: int, seed: int) -> dict[str, World]:
    """Simulate the three worlds for one net; what is there is not made again.

    Parameters
    ----------
    cohorts : Path
        Folder of virtual cohorts.
    cache : Path
        Folder of prepared files and of fits.
    profile : Profile
        Where the net's settings come from.
    net : str
        A net of the profile.
    patients : int
        Virtual patients in each world.
    seed : int
        Of patients and net. A patient has the same body and stage in all worlds.

    Returns
    -------
    dict of str to World
        By signal.
    """
    # A video holds the frames that the net sees and no others, which saves most of the simulation: its step is then 1.
    # A net of stills gets the middle one.
    arguments = {**profile.model(net).arguments, "step": 1, "n_windows": 1}
    estimator = NetClassifier(
        **arguments, cutoff=_CUTOFF, n_stages=_STAGES, seed=seed, n_threads=1, memory=cache / "fits"
    )
    step = profile.model(net).arguments.get("step", 1)
    video = {"frames": max(estimator.length, 2), "fps": profile.clips.fps / step, "images": False}
    worlds = {}
    for signal, dials in SIGNALS.items():
        folder = cohorts / f"virtual-planted-{signal}-seed{seed}-{digest({'dials': asdict(dials), **video})[:8]}"
        table = simulate_cohort(folder, patients=patients, seed=seed, dials=dials, **video, n_jobs=n_workers())
        people = prepared_patients(table, cache / "clips", profile, _CUTOFF)
        kind = "clip" if estimator.view == "clips" else "image"
        marked = partial(_prepare, folder=cache / "clips", form=form_of(profile, kind))
        worlds[signal] = World(signal, net, people, estimator, marked)
    return worlds


def _prepare(patient, region: str, *, folder: Path, form: dict) -> Path:
    """The patient's file as the net takes it, with a region marked."""
    path, roi = sources(patient, form["kind"])[0]
    return prepare_cached(path, folder, roi=roi, region=region, **form)
