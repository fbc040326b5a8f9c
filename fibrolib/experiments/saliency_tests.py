"""The tests of the maps of a study's nets; what is slow is computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.base import clone

from fibrolib.attribution import (
    Explanation,
    attribute_methods,
    cascading_randomisation,
    faithfulness_by_method,
    sanity_values,
)
from fibrolib.diagnostics import model_label
from fibrolib.experiments.planted_signal import SALIENCY_CONFIGS, SIGNALS, _Scenario
from fibrolib.experiments.simulated_test_set import _prepared_patients
from fibrolib.learning import NetClassifier, fit_shuffled, fit_without_fold
from fibrolib.phantom import simulate_cohort
from fibrolib.progress import track
from fibrolib.study import EVALUATION, NetEvaluations, Profile
from fibrolib.study.cache import digest
from fibrolib.study.evaluation import net_workers
from fibrolib.study.preprocessing import form_of, sources
from fibrolib.system import give_back_memory
from fibrolib.video import Clip, load_clip, prepare_cached
from fibrolib.workers import in_parallel, n_workers

_CUTOFF, _STAGES = 2, 5  # of planted scenarios: significant fibrosis on the METAVIR scale
_N_FOLDS_COMPARED = 2  # nets of the cross-validation that are compared: enough to ask whether two trainings agree


def _side_by_side(
    nets: NetEvaluations, entries: Mapping, job_of: Callable, keep: Callable, made_by: Sequence, label: str, unit: str
) -> dict:
    """Results by the names of `entries` in the cache; what is not there is made by joblib's delayed jobs.

    They are kept one by one, by ``keep(name, result)``, so that an interrupted cell resumes; ``keep(name)`` loads one.
    In processes: while a net is explained, hooks sit in it.
    """
    jobs = {name: job_of(name) for name, entry in entries.items() if not nets.folder.cache.has(*entry, made_by)}
    if jobs:
        device = nets[nets.names[0]].final.device
        give_back_memory()
        results = in_parallel(jobs.values(), net_workers(device))
        for name, result in zip(jobs, track(results, label, len(jobs), unit, kept=nets.folder.path), strict=True):
            keep(name, result)
        give_back_memory()
    return {name: keep(name) for name in entries}


def _nets_of_folds(nets: NetEvaluations, name: str) -> list[NetClassifier]:
    """Nets of the chosen settings, each trained without one fold: the fits of the evaluation's cross-validation."""
    net = clone(nets[name].final).set_params(memory=nets.fits(name))
    patients, options = nets.patients, {"n_folds": nets.profile.n_folds, "seed": nets.seed}
    fitted = (fit_without_fold(net, patients, fold, **options) for fold in range(1, _N_FOLDS_COMPARED + 1))
    label = f"Training the {model_label(name)} without a fold"
    return list(track(fitted, label, _N_FOLDS_COMPARED, "nets", kept=nets.folder.path))


def _nets_of_shuffled_stages(nets: NetEvaluations, number: int) -> dict[str, list[NetClassifier]]:
    """Nets of the chosen settings, each trained `number` times on stages shuffled among the patients; kept."""
    made_by, times = (*EVALUATION, fit_shuffled), range(1, number + 1)
    entries = {
        (name, again): (
            f"shuffled-{name}",
            {**nets.cache_key(name), "settings": nets[name].best, "shuffled": again},
        )
        for name in nets.names
        for again in times
    }

    def train(net: tuple[str, int]):
        name, again = net
        return delayed(fit_shuffled)(nets[name].final, nets.patients, nets.seed + again)

    def keep(net: tuple[str, int], trained: NetClassifier | None = None) -> NetClassifier:
        return nets.folder.cache.get_or_compute(
            *entries[net],
            lambda: trained,
            lambda each, folder: each.save(folder / "model.safetensors"),
            lambda folder: NetClassifier.load(folder / "model.safetensors"),
            made_by=made_by,
        )

    found = _side_by_side(nets, entries, train, keep, made_by, "Training on shuffled stages", "nets")
    return {name: [found[name, again] for again in times] for name in nets.names}


def _plant(cohorts: Path, cache: Path, profile: Profile, net: str, *, patients: int, seed: int) -> dict[str, _Scenario]:
    """Simulate the three scenarios for one net, by signal; they share bodies and stages."""
    # A video holds the frames that the net sees and no others, which saves most of the simulation: its step is then 1.
    arguments = {**profile.model(net).arguments, "frame_stride": 1, "n_clips": 1}
    options = {"cutoff": _CUTOFF, "n_stages": _STAGES, "seed": seed, "n_threads": 1, "memory": cache / "fits"}
    estimator = NetClassifier(**arguments, **options)
    step = profile.model(net).arguments.get("frame_stride", 1)
    video = {"frames": max(estimator.clip_length, 2), "fps": profile.clips.fps / step, "images": False}
    form = form_of(profile, "clip" if estimator.view == "clips" else "image") | {"kind": "clip"}

    def marked(patient: object, region: str) -> Path:
        """The patient's file as the net takes it, with a region marked."""
        path, roi = sources(patient, "clip")[0]
        return prepare_cached(path, cache / "clips", roi=roi, region=region, **form)

    scenarios = {}
    for signal, strengths in SIGNALS.items():
        version = digest({"strengths": asdict(strengths), **video})[:8]
        folder = cohorts / f"virtual-planted-{signal}-seed{seed}-{version}"
        table = simulate_cohort(folder, patients=patients, seed=seed, strengths=strengths, **video, n_jobs=n_workers())
        prepared = _prepared_patients(table, cache / "clips", profile, _CUTOFF)
        scenarios[signal] = _Scenario(signal, net, prepared, estimator, marked)
    return scenarios


class SaliencyTests:
    """Maps of a study's nets on its test patients, and their tests.

    Parameters
    ----------
    nets : NetEvaluations
        The nets; evaluated where they are not yet.
    methods : sequence of str
        Of `fibrolib.attribution.METHODS`.
    explained : int
        Test patients in the slow tests, spread evenly over the stages.
    trainings : int
        Trainings of each net on shuffled stages; 0 leaves out the test that needs them.
    heart_rates : mapping of str to float
        Heart rate by patient, 1/min, where it is known.
    """

    def __init__(
        self,
        nets: NetEvaluations,
        methods: Sequence[str],
        explained: int = 6,
        trainings: int = 1,
        heart_rates: Mapping[str, float] | None = None,
    ) -> None:
        self.nets, self.methods, self.trainings = nets, list(methods), trainings
        self._explained, self._heart_rates = explained, heart_rates or {}
        self._maps: dict[str, dict[str, dict[str, Explanation]]] = {}

    @cached_property
    def test(self) -> pd.DataFrame:
        """The test patients, by stage."""
        patients = self.nets.patients
        return patients[patients["split"] == "test"].sort_values("stage", kind="stable")

    @cached_property
    def few(self) -> list[str]:
        """Test patients for the slow tests, from the lowest stage to the highest."""
        at = np.linspace(0, len(self.test) - 1, min(self._explained, len(self.test))).round().astype(int)
        return list(self.test.index[at])

    def net(self, name: str) -> NetClassifier:
        """A fitted net."""
        return self.nets.fitted(name)

    def clips(self, name: str, few: bool = False) -> dict[str, Clip]:
        """First prepared file of each test patient, as the net takes it."""
        files = self.test[self.nets[name].final.view]
        return {patient: load_clip(files[patient][0]) for patient in (self.few if few else files.index)}

    def maps(self, name: str, method: str) -> dict[str, Explanation]:
        """Maps of a net by one of the methods, for all test patients; made once per session."""
        if name not in self._maps:
            clips, net = self.clips(name), self.net(name)
            jobs = [delayed(attribute_methods)(net, [clip], self.methods) for clip in clips.values()]
            computed = list(
                track(in_parallel(jobs, n_workers(here=1)), f"Maps of the {model_label(name)}", len(clips), "patients")
            )
            self._maps[name] = {
                method: {patient: maps[method][0] for patient, maps in zip(clips, computed, strict=True)}
                for method in self.methods
            }
        return self._maps[name][method]

    def every_map(self) -> list[tuple[dict[str, str], Explanation]]:
        """All maps of the test patients, with ``model, method, patient_id``."""
        return [
            ({"model": name, "method": method, "patient_id": patient}, cam)
            for name in self.nets.names
            for method in self.methods
            for patient, cam in self.maps(name, method).items()
        ]

    def shares(self) -> pd.DataFrame:
        """Scores of all maps against the marked region."""
        rows = [
            {**of, "stage": self.test.loc[of["patient_id"], "stage"], **vars(cam.mask_scores())}
            for of, cam in self.every_map()
            if cam.roi is not None
        ]
        return pd.DataFrame(rows)

    def depth(self) -> pd.DataFrame:
        """Relevance by depth (`Explanation.by_depth`) with ``model, method, patient_id``."""
        return pd.concat([cam.by_depth().assign(**of) for of, cam in self.every_map()], ignore_index=True)

    def timing(self) -> pd.DataFrame:
        """Whether relevance goes with movement, and with the heartbeat where its rate is known (virtual patients)."""
        rows = []
        for of, cam in self.every_map():
            rate = self._heart_rates.get(of["patient_id"])
            lag = float("nan") if rate is None else cam.heartbeat_lag(rate)
            rows.append({**of, "correlation": cam.movement_correlation(), "lag": lag})
        return pd.DataFrame(rows)

    def sanity(self) -> pd.DataFrame:
        """`sanity_values` of the nets and the few patients, with ``model``; kept."""

        def job(name: str):
            clips, others = list(self.clips(name, few=True).values()), _nets_of_folds(self.nets, name)
            options = {"other_training": others, "random_labels": self._shuffled[name], "seed": self.nets.seed}
            return delayed(sanity_values)(self.net(name), clips, self.methods, **options)

        return self._tables("sanity", job, (sanity_values, fit_without_fold, fit_shuffled))

    @cached_property
    def _shuffled(self) -> dict[str, list[NetClassifier]]:
        return _nets_of_shuffled_stages(self.nets, self.trainings)

    def cascade(self) -> pd.DataFrame:
        """`cascading_randomisation` of the nets and the few patients, with ``model``; kept."""

        def job(name: str):
            clips, seed = list(self.clips(name, few=True).values()), self.nets.seed
            return delayed(cascading_randomisation)(self.net(name), clips, self.methods, seed=seed)

        return self._tables("cascade", job, (cascading_randomisation,))

    def faithfulness(self) -> pd.DataFrame:
        """`faithfulness_by_method` of the nets and the few patients, with ``model``; kept."""

        def job(name: str):
            maps = {(one, method): self.maps(name, method)[one] for one in self.few for method in self.methods}
            return delayed(faithfulness_by_method)(self.net(name), maps, seed=self.nets.seed)

        return self._tables("faithfulness", job, (faithfulness_by_method, attribute_methods))

    def scenarios(self, net: str, patients: int = 0) -> dict[str, _Scenario]:
        """Scenarios in which one signal alone tells the stage; by default a sixth of the simulated test set, 12-120."""
        profile, folder = self.nets.profile, self.nets.folder
        patients = patients or min(120, max(12, profile.population // 6))
        return _plant(folder.cohorts, folder.path / "cache", profile, net, patients=patients, seed=self.nets.seed)

    def planted(self, scenarios: Mapping[str, _Scenario]) -> pd.DataFrame:
        """Maps of the methods in planted scenarios, counted on regions (`_Scenario.scores`); kept."""
        configs = [config for config in SALIENCY_CONFIGS if config.method in self.methods]
        entries = {
            signal: (f"planted-{scenario.name}-{signal}", {"ways": configs, "scenario": scenario.cache_key})
            for signal, scenario in scenarios.items()
        }
        label, unit = "Training and explaining in planted scenarios", "scenarios"
        kept = self._kept(entries, lambda signal: delayed(scenarios[signal].scores)(configs), label, unit, (_Scenario,))
        return pd.concat(kept.values(), ignore_index=True)

    def _tables(self, what: str, job_of: Callable, made_by: tuple) -> pd.DataFrame:
        """A table for every net."""
        options = {"methods": self.methods, "patients": self.few, "trainings": self.trainings}
        entries = {name: (f"{what}-{name}", {**self.nets.cache_key(name), **options}) for name in self.nets.names}
        kept = self._kept(entries, job_of, f"Testing maps: {what}", "nets", (*EVALUATION, *made_by))
        return pd.concat([table.assign(model=name) for name, table in kept.items()], ignore_index=True)

    def _kept(self, entries: dict, job_of: Callable, label: str, unit: str, made_by: tuple) -> dict[str, pd.DataFrame]:
        """Tables by name and cache key; those that are not kept are made side by side."""

        def keep(name: str, computed: pd.DataFrame | None = None) -> pd.DataFrame:
            return self.nets.folder.cache.get_or_compute_table(*entries[name], lambda: computed, made_by=made_by)

        return _side_by_side(self.nets, entries, job_of, keep, made_by, label, unit)
