"""Planted truth: virtual patients in whom one signal alone tells the stage, a net trained on some, and its maps.

Of such a net it is known what it can have learned, and so where a map of it should lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone

from fibrolib.attribution import (
    Explanation,
    attainable_share,
    attribute_clips,
    fine_layer,
    list_layers,
    mask_scores,
    middle_window,
    movement_correlation,
)
from fibrolib.errors import FibrolibError
from fibrolib.inference import auc
from fibrolib.learning import NetClassifier
from fibrolib.phantom import Dials, simulate_cohort
from fibrolib.stages import at_least
from fibrolib.study.keeping import digest
from fibrolib.study.population import prepared_patients
from fibrolib.study.preparing import form_of, n_workers, sources
from fibrolib.study.profiles import Profile
from fibrolib.video import load_clip, prepare_cached

__all__ = ["REGIONS", "SIGNALS", "WAYS", "Way", "World", "plant"]

SIGNALS = {
    "capsule": Dials(texture=0.0, capsule=6.0, motion=0.0),
    "texture": Dials(texture=4.0, capsule=0.0, motion=0.0),
    "motion": Dials(texture=0.0, capsule=0.0, motion=4.0),
}
"""Dials of the three worlds. They are turned up until a perfect reader has an AUC of .97, .95 and .89 at F2 and above:
a net that fails to learn has nothing to explain."""

REGIONS = ("capsule", "liver")
"""Regions that maps are counted on."""

PLACES = {"capsule": "capsule", "texture": "liver", "motion": "liver"}
"""The region that each signal is in. Texture and motion are everywhere in the liver, with its outermost millimetres,
which belong to the capsule too."""

Marked = Callable[[object, str], Path]

_CUTOFF, _STAGES = 2, 5
_HELD_OUT = 3
"""One patient in three is explained, the others are trained on."""


@dataclass(frozen=True)
class Way:
    """A method and the layer it is given.

    Parameters
    ----------
    method : str
        Of `fibrolib.attribution.METHODS`.
    layer : str
        ``own`` for the net's own, ``fine`` for the deepest one at most four times coarser than the picture
        (`fine_layer`), ``pixels`` for methods that need none.
    """

    method: str
    layer: str = "own"


WAYS = (
    *(Way(method) for method in ("gradcam", "gradcam++", "layercam")),
    *(Way(method, "fine") for method in ("gradcam", "layercam")),
    *(Way(method, "pixels") for method in ("integrated gradients", "occlusion")),
)
"""All that are tried."""


class World:
    """A net in a world where one signal alone tells the stage.

    Parameters
    ----------
    signal : str
        A key of `SIGNALS`.
    net : str
        What the net is called.
    people : DataFrame
        Patients of that world, as `Study.patients`.
    estimator : NetClassifier
        Not fitted; with a ``memory``, its fit is kept.
    marked : callable
        A patient (row of `people`) and a region to the prepared file in which that region is marked.

    Attributes
    ----------
    train, held_out, explained : DataFrame
        Patients to train on; every third one, from the lowest stage to the highest; those of them who have the
        condition, since in the others there is nothing to find.
    """

    def __init__(self, signal: str, net: str, people: pd.DataFrame, estimator: NetClassifier, marked: Marked) -> None:
        self.signal, self.name, self._estimator, self._marked = signal, net, estimator, marked
        ordered = people.sort_values("stage", kind="stable")
        chosen = np.arange(len(people)) % _HELD_OUT == _HELD_OUT // 2
        self.train, self.held_out = ordered[~chosen], ordered[chosen]
        self.explained = self.held_out[at_least(self.held_out["stage"], estimator.cutoff).astype(bool)]

        if self.explained.empty:
            raise FibrolibError(
                f"None of {len(self.held_out)} virtual patients held out has the condition: ask for more."
            )

    @property
    def files(self) -> list[str]:
        """Names of the prepared files, which carry a hash of their content."""
        people = pd.concat([self.train, self.held_out])
        return [path.name for paths in people[self._estimator.view] for path in paths]

    @cached_property
    def net(self) -> NetClassifier:
        """The net, trained for all its epochs."""
        return clone(self._estimator).fit(self.train, self.train["stage"].to_numpy())

    @cached_property
    def area(self) -> float:
        """AUC of the net in the patients held out."""
        truth = at_least(self.held_out["stage"], self.net.cutoff)
        return auc(truth, self.net.predict_proba(self.held_out)[:, 1])

    def maps(self, way: Way, patients: Sequence[str] | None = None) -> dict[str, Explanation]:
        """Maps by patient: of those explained, or of some of them."""
        chosen = list(self.explained.index if patients is None else patients)
        clips = [load_clip(paths[0]) for paths in self.explained.loc[chosen, self.net.view]]
        layer = fine_layer(self.net, clips[0]) if way.layer == "fine" else None
        return dict(zip(chosen, attribute_clips(self.net, clips, way.method, layer=layer), strict=True))

    def scores(self, ways: Sequence[Way] = WAYS) -> pd.DataFrame:
        """Maps counted on regions.

        Returns
        -------
        DataFrame
            A row per way, region and patient explained: ``signal, model, seed, auc`` (`area`), ``method, layer, region,
            patient_id, stage``, the scores of `MaskScores`, ``attainable`` (`attainable_share` of that layer's maps),
            ``even`` (share of a map that is spread evenly over the place of the signal and nowhere else) and
            ``movement`` (`movement_correlation`).
        """
        world = {"signal": self.signal, "model": self.name, "seed": self.net.seed, "auc": self.area}
        marked = {
            (patient.Index, region): middle_window(self.net, load_clip(self._marked(patient, region))).roi
            for patient in self.explained.itertuples()
            for region in REGIONS
        }
        grids = list_layers(self.net, load_clip(self.explained[self.net.view].iloc[0][0])).set_index("layer")
        rows = []
        for way in ways:
            for patient, cam in self.maps(way).items():
                grid = grids.loc[cam.layer, ["times", "height", "width"]] if cam.layer else cam.relevance.shape
                known = {"patient_id": patient, "stage": int(self.explained.loc[patient, "stage"])}
                known |= {**vars(way), "movement": movement_correlation(cam)}
                place = marked[patient, PLACES[self.signal]] & cam.sector
                for region in REGIONS:
                    mask = marked[patient, region]
                    best = attainable_share(mask, cam.sector, tuple(int(side) for side in grid))
                    shares = {"attainable": best, "even": float(mask[place].mean())}
                    rows.append({**world, **known, "region": region, **vars(mask_scores(cam, mask)), **shares})
        return pd.DataFrame(rows)


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
