"""The tests of the study's explanations: what is slow is computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from fibrolib.attribution import (
    Explanation,
    attribute_clips,
    cascading_randomisation,
    faithfulness_curves,
    mask_scores,
    relevance_by_depth,
    sanity_values,
)
from fibrolib.learning import NetClassifier
from fibrolib.learning.training import pick_device
from fibrolib.study.planting import WAYS, World, plant
from fibrolib.study.preparing import n_workers
from fibrolib.study.trainings import nets_of_folds, nets_of_shuffled_stages
from fibrolib.video import Clip, load_clip

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = ["Explaining"]

_RIVALS = ("random", "centre")

_PLANTED = (12, 120)
"""Virtual patients in each planted world, at least and at most; between, a sixth of the fresh population."""


class Explaining:
    """Explanations of a study's nets on its test patients, and their tests.

    Parameters
    ----------
    study : Study
        The study; its nets are made where they are not there yet.
    methods : sequence of str
        Of `fibrolib.attribution.METHODS`.
    patients : int
        Test patients for the tests that take long, spread evenly over the stages; all others use every test patient.
    trainings : int
        Trainings of each net on shuffled stages; 0 leaves out the test that needs them.
    """

    def __init__(self, study: Study, methods: Sequence[str], patients: int = 6, trainings: int = 1) -> None:
        self.study, self.methods, self.trainings = study, list(methods), trainings
        self._n_patients = patients
        self._maps: dict[tuple[str, str], dict[str, Explanation]] = {}

    @cached_property
    def test(self) -> pd.DataFrame:
        """The test patients, by stage."""
        patients = self.study.patients
        chosen = patients[self.study.partition.reindex(patients.index) == "test"]
        return chosen.sort_values("stage", kind="stable")

    @cached_property
    def few(self) -> list[str]:
        """Test patients for the slow tests, from the lowest stage to the highest."""
        at = np.linspace(0, len(self.test) - 1, min(self._n_patients, len(self.test))).round().astype(int)
        return list(self.test.index[at])

    def net(self, name: str) -> NetClassifier:
        """A net of the study."""
        return self.study.evaluation(name).final

    def clips(self, name: str, few: bool = False) -> dict[str, Clip]:
        """First prepared file of each test patient, as the net takes it."""
        files = self.test[self.net(name).view]
        return {patient: load_clip(files[patient][0]) for patient in (self.few if few else files.index)}

    def maps(self, name: str, method: str = "gradcam") -> dict[str, Explanation]:
        """Maps of a net for all test patients; made once per session."""
        if (name, method) not in self._maps:
            clips = self.clips(name)
            made = attribute_clips(self.net(name), list(clips.values()), method)
            self._maps[name, method] = dict(zip(clips, made, strict=True))
        return self._maps[name, method]

    def every_map(self) -> list[tuple[str, str, str, Explanation]]:
        """Net, method, patient and map: all nets and methods, every test patient."""
        return [
            (name, method, patient, cam)
            for name in self.study.nets
            for method in self.methods
            for patient, cam in self.maps(name, method).items()
        ]

    def shares(self) -> pd.DataFrame:
        """Scores of all maps against the marked region.

        Returns
        -------
        DataFrame
            ``model, method, patient_id, stage`` and the fields of `MaskScores`; no rows where there are no masks.
        """
        rows = [
            {**_key(name, method, patient), "stage": self.test.loc[patient, "stage"], **vars(mask_scores(cam))}
            for name, method, patient, cam in self.every_map()
            if cam.roi is not None
        ]
        return pd.DataFrame(rows)

    def depth(self) -> pd.DataFrame:
        """Relevance by depth (`relevance_by_depth`) with ``model, method, patient_id``."""
        return pd.concat(
            [relevance_by_depth(cam).assign(**_key(*known)) for *known, cam in self.every_map()], ignore_index=True
        )

    def sanity(self) -> pd.DataFrame:
        """Rank correlations of the sanity tests (`sanity_values`) on the few patients, with ``model, method``; kept."""
        return self._tables("sanity", self.methods, self._sanity_job)

    def _sanity_job(self, name: str, method: str):
        return delayed(sanity_values)(
            self.net(name),
            list(self.clips(name, few=True).values()),
            method,
            other_training=nets_of_folds(self.study, name),
            random_labels=self._shuffled[name],
            seed=self.study.request.seed,
        )

    @cached_property
    def _shuffled(self) -> dict[str, list[NetClassifier]]:
        return nets_of_shuffled_stages(self.study, self.study.nets, self.trainings)

    def cascade(self) -> pd.DataFrame:
        """The nets shuffled from the head down (`cascading_randomisation`), few patients, ``model, method``; kept."""
        return self._tables("cascade", self.methods, self._cascade_job)

    def _cascade_job(self, name: str, method: str):
        clips = list(self.clips(name, few=True).values())
        return delayed(cascading_randomisation)(self.net(name), clips, method, seed=self.study.request.seed)

    def faithfulness(self) -> pd.DataFrame:
        """Deletion, insertion and ROAD (`faithfulness_curves`), few patients, ``model, method, patient_id``; kept."""
        rivals = self._tables("faithfulness", [""], self._faithfulness_job).drop(columns="method")
        own = self._tables("faithfulness", self.methods, self._faithfulness_job)
        # What knows nothing of the net is the same for every method.
        return pd.concat([own, *(rivals.assign(method=method) for method in self.methods)], ignore_index=True)

    def _faithfulness_job(self, name: str, method: str):
        maps = self.maps(name, method or self.methods[0])
        chosen = {patient: maps[patient] for patient in self.few}
        orders = ("relevance",) if method else _RIVALS
        return delayed(_curves)(self.net(name), chosen, orders, self.study.request.seed)

    def worlds(self, net: str, patients: int = 0) -> dict[str, World]:
        """Worlds in which one signal alone tells the stage, for one net (`planting.plant`).

        Parameters
        ----------
        net : str
            A net of the study.
        patients : int
            In each world; 0 for a number that suits the profile.
        """
        request, cache, profile = self.study.request, self.study.folder.path / "cache", self.study.profile
        fewest, most = _PLANTED
        patients = patients or min(most, max(fewest, profile.population // 6))
        return plant(request.run_folder.parent / "cohorts", cache, profile, net, patients=patients, seed=request.seed)

    def planted(self, worlds: Mapping[str, World]) -> pd.DataFrame:
        """Maps of the methods in planted worlds, counted on regions (`World.scores`); kept."""
        ways = [way for way in WAYS if way.method in self.methods]
        name = next(iter(worlds.values())).name
        asked = {"ways": ways, "net": self.study.profile.model(name), "seed": self.study.request.seed}
        asked |= {"files": {signal: world.files for signal, world in worlds.items()}}

        def compute() -> pd.DataFrame:
            return pd.concat(self._side_by_side([delayed(world.scores)(ways) for world in worlds.values()]))

        return self.study.folder.keeper.keep(f"planted-{name}", asked, compute, _save, _load)

    def _tables(self, what: str, methods: Sequence[str], job_of: Callable) -> pd.DataFrame:
        """A table for every net and method; those that are not kept are made side by side."""
        keeper, wanted = self.study.folder.keeper, {}
        for name in self.study.nets:
            for method in methods:
                asked = {"method": method, "patients": self.few, "trainings": self.trainings}
                wanted[name, method] = (
                    f"{what}-{name}-{method or 'rivals'}".replace(" ", "-"),
                    {
                        **self.study.asked(name),
                        **asked,
                    },
                )
        missing = [pair for pair, place in wanted.items() if not keeper.has(*place)]
        made = dict(zip(missing, self._side_by_side([job_of(*pair) for pair in missing]), strict=True))
        tables = [
            keeper.keep(*place, lambda pair=pair: made[pair], _save, _load).assign(model=pair[0], method=pair[1])
            for pair, place in wanted.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def _side_by_side(self, jobs: list) -> list:
        if not jobs:
            return []
        on_gpu = pick_device(self.net(self.study.nets[0]).device) != "cpu"
        # Processes, not threads: while a net is explained, hooks sit in it.
        return Parallel(n_jobs=1 if on_gpu else n_workers())(jobs)


def _key(name: str, method: str, patient: str) -> dict[str, str]:
    return {"model": name, "method": method, "patient_id": patient}


def _curves(net: NetClassifier, maps: Mapping[str, Explanation], orders: Sequence[str], seed: int) -> pd.DataFrame:
    curves = [
        faithfulness_curves(net, cam, orders=orders, seed=seed).assign(patient_id=patient)
        for patient, cam in maps.items()
    ]
    return pd.concat(curves, ignore_index=True)


def _save(table: pd.DataFrame, folder: Path) -> None:
    table.to_csv(folder / "table.csv", index=False)


def _load(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "table.csv", dtype={"patient_id": str})
