"""Planted truth: virtual patients in whom one signal alone tells the stage.

Of a net trained on such patients it is known what it can have learned, and so where a map of it should lie.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from fibrolib.experiments.scenarios import Scenario
from fibrolib.experiments.simulated_test_set import prepared_patients
from fibrolib.learning import NetClassifier
from fibrolib.phantom import SignalStrengths, simulate_cohort
from fibrolib.study.cache import digest
from fibrolib.study.preprocessing import form_of, sources
from fibrolib.study.profiles import Profile
from fibrolib.video import prepare_cached
from fibrolib.workers import n_workers

__all__ = ["SIGNALS", "plant"]

SIGNALS = {
    "capsule": SignalStrengths(texture=0.0, capsule=6.0, motion=0.0),
    "texture": SignalStrengths(texture=4.0, capsule=0.0, motion=0.0),
    "motion": SignalStrengths(texture=0.0, capsule=0.0, motion=4.0),
}
"""Signal strengths of the three scenarios, turned up until a perfect reader has an AUC of .97, .95 and .89 at F2 and
above: a net that fails to learn has nothing to explain."""

_CUTOFF, _STAGES = 2, 5


def plant(cohorts: Path, cache: Path, profile: Profile, net: str, *, patients: int, seed: int) -> dict[str, Scenario]:
    """Simulate the three scenarios for one net; what is there is not made again.

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
        Virtual patients in each scenario.
    seed : int
        Of patients and net. A patient has the same body and stage in all scenarios.

    Returns
    -------
    dict of str to World
        By signal.
    """
    # A video holds the frames that the net sees and no others, which saves most of the simulation: its step is then 1.
    # A net of stills gets the middle one.
    arguments = {**profile.model(net).arguments, "frame_stride": 1, "n_clips": 1}
    estimator = NetClassifier(
        **arguments, cutoff=_CUTOFF, n_stages=_STAGES, seed=seed, n_threads=1, memory=cache / "fits"
    )
    step = profile.model(net).arguments.get("frame_stride", 1)
    video = {"frames": max(estimator.clip_length, 2), "fps": profile.clips.fps / step, "images": False}
    scenarios = {}
    for signal, strengths in SIGNALS.items():
        folder = (
            cohorts / f"virtual-planted-{signal}-seed{seed}-{digest({'strengths': asdict(strengths), **video})[:8]}"
        )
        table = simulate_cohort(folder, patients=patients, seed=seed, strengths=strengths, **video, n_jobs=n_workers())
        people = prepared_patients(table, cache / "clips", profile, _CUTOFF)
        kind = "clip" if estimator.view == "clips" else "image"
        marked = partial(_prepare, folder=cache / "clips", form=form_of(profile, kind))
        scenarios[signal] = Scenario(signal, net, people, estimator, marked)
    return scenarios


def _prepare(patient, region: str, *, folder: Path, form: dict) -> Path:
    """The patient's file as the net takes it, with a region marked."""
    path, roi = sources(patient, form["kind"])[0]
    return prepare_cached(path, folder, roi=roi, region=region, **form)
