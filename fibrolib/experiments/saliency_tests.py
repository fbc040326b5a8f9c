"""The tests of the study's explanations: what is slow is computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import delayed

from fibrolib.attribution import (
    Explanation,
    attribute_methods,
    cascading_randomisation,
    faithfulness_by_method,
    heartbeat_lag,
    mask_scores,
    movement_correlation,
    relevance_by_depth,
    sanity_values,
)
from fibrolib.diagnostics import model_label
from fibrolib.experiments.planted_signal import plant
from fibrolib.experiments.retraining import OTHERWISE_TRAINED, nets_of_folds, nets_of_shuffled_stages
from fibrolib.experiments.scenarios import SALIENCY_CONFIGS, Scenario
from fibrolib.learning import NetClassifier
from fibrolib.progress import track
from fibrolib.study.diagnostics import EVALUATION
from fibrolib.study.processes import side_by_side
from fibrolib.video import Clip, load_clip

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = ["SaliencyTests"]

_PLANTED = (12, 120)
"""Virtual patients in each planted scenario, at least and at most; between, a sixth of the fresh population."""


class SaliencyTests:
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
        self._maps: dict[str, dict[str, dict[str, Explanation]]] = {}

    @cached_property
    def test(self) -> pd.DataFrame:
        """The test patients, by stage."""
        patients = self.study.patients
        chosen = patients[self.study.split.reindex(patients.index) == "test"]
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

    def maps(self, name: str, method: str) -> dict[str, Explanation]:
        """Maps of a net by one of the methods, for all test patients; made once per session."""
        if name not in self._maps:
            clips, net = self.clips(name), self.net(name)
            made = (attribute_methods(net, [clip], self.methods) for clip in clips.values())
            made = list(track(made, f"Maps of the {model_label(name)}", len(clips), "patients"))
            self._maps[name] = {
                method: {patient: maps[method][0] for patient, maps in zip(clips, made, strict=True)}
                for method in self.methods
            }
        return self._maps[name][method]

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

    def timing(self) -> pd.DataFrame:
        """Whether relevance goes with movement, and with the heartbeat where its rate is known (virtual patients).

        Returns
        -------
        DataFrame
            ``model, method, patient_id, correlation`` (`movement_correlation`) and ``lag`` (`heartbeat_lag`).
        """
        rates = self._heart_rates()
        rows = [
            {
                **_key(name, method, patient),
                "correlation": movement_correlation(cam),
                "lag": heartbeat_lag(cam, rates[patient]) if patient in rates else float("nan"),
            }
            for name, method, patient, cam in self.every_map()
        ]
        return pd.DataFrame(rows)

    def _heart_rates(self) -> dict[str, float]:
        if not self.study.cohort.virtual:
            return {}
        truth = pd.read_csv(self.study.cohort.root / "truth" / "patients.csv", index_col="patient_id")
        return truth["heart_rate"].to_dict()

    def sanity(self) -> pd.DataFrame:
        """Rank correlations of the sanity tests (`sanity_values`) on the few patients, with ``model``; kept."""
        return self._tables("sanity", self._sanity_job, (sanity_values, *OTHERWISE_TRAINED))

    def _sanity_job(self, name: str):
        return delayed(sanity_values)(
            self.net(name),
            list(self.clips(name, few=True).values()),
            self.methods,
            other_training=nets_of_folds(self.study, name),
            random_labels=self._shuffled[name],
            seed=self.study.request.seed,
        )

    @cached_property
    def _shuffled(self) -> dict[str, list[NetClassifier]]:
        return nets_of_shuffled_stages(self.study, self.study.nets, self.trainings)

    def cascade(self) -> pd.DataFrame:
        """The nets shuffled from the head down (`cascading_randomisation`), few patients, with ``model``; kept."""
        return self._tables("cascade", self._cascade_job, (cascading_randomisation,))

    def _cascade_job(self, name: str):
        clips, seed = list(self.clips(name, few=True).values()), self.study.request.seed
        return delayed(cascading_randomisation)(self.net(name), clips, self.methods, seed=seed)

    def faithfulness(self) -> pd.DataFrame:
        """Deletion, insertion and ROAD of the few patients (`faithfulness_by_method`), with ``model``; kept."""
        return self._tables("faithfulness", self._faithfulness_job, (faithfulness_by_method, attribute_methods))

    def _faithfulness_job(self, name: str):
        maps = {(patient, method): self.maps(name, method)[patient] for patient in self.few for method in self.methods}
        return delayed(faithfulness_by_method)(self.net(name), maps, seed=self.study.request.seed)

    def scenarios(self, net: str, patients: int = 0) -> dict[str, Scenario]:
        """Scenarios in which one signal alone tells the stage, for one net (`planted_signal.plant`).

        Parameters
        ----------
        net : str
            A net of the study.
        patients : int
            In each scenario; 0 for a number that suits the profile.
        """
        request, cache, profile = self.study.request, self.study.folder.path / "cache", self.study.profile
        fewest, most = _PLANTED
        patients = patients or min(most, max(fewest, profile.population // 6))
        return plant(request.run_folder.parent / "cohorts", cache, profile, net, patients=patients, seed=request.seed)

    def planted(self, scenarios: Mapping[str, Scenario]) -> pd.DataFrame:
        """Maps of the methods in planted scenarios, counted on regions (`Scenario.scores`); kept."""
        configs = [config for config in SALIENCY_CONFIGS if config.method in self.methods]
        name = next(iter(scenarios.values())).name
        cache_key = {"ways": configs, "scenarios": [scenario.cache_key for scenario in scenarios.values()]}

        def compute() -> pd.DataFrame:
            jobs = [delayed(scenario.scores)(configs) for scenario in scenarios.values()]
            counted = self._side_by_side(jobs, "Training and explaining in planted scenarios", "scenarios")
            return pd.concat(counted, ignore_index=True)

        return self.study.folder.cache.get_or_compute_table(f"planted-{name}", cache_key, compute, made_by=(Scenario,))

    def _tables(self, what: str, job_of: Callable, made_by: tuple) -> pd.DataFrame:
        """A table for every net; those that are not kept are made side by side."""
        cache, made_by = self.study.folder.cache, (*EVALUATION, *made_by)
        tested = {"methods": self.methods, "patients": self.few, "trainings": self.trainings}
        entries = {name: (f"{what}-{name}", {**self.study.cache_key(name), **tested}) for name in self.study.nets}
        missing = [name for name, entry in entries.items() if not cache.has(*entry, made_by)]
        found = self._side_by_side([job_of(name) for name in missing], f"Testing maps: {what}", "nets")
        made = dict(zip(missing, found, strict=True))
        tables = [
            cache.get_or_compute_table(*entry, lambda name=name: made[name], made_by=made_by).assign(model=name)
            for name, entry in entries.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def _side_by_side(self, jobs: list, label: str, unit: str) -> list:
        return side_by_side(jobs, self.net(self.study.nets[0]).device, label, unit)


def _key(name: str, method: str, patient: str) -> dict[str, str]:
    return {"model": name, "method": method, "patient_id": patient}
