"""The tests of the study's explanations: what is slow is computed once and kept."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import clone

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
from fibrolib.video import Clip, load_clip

if TYPE_CHECKING:
    from fibrolib.study.study import Study

__all__ = ["Explaining"]


class Explaining:
    """Explanations of a study's nets on its test patients, and their tests.

    Parameters
    ----------
    study : Study
        The study; its nets are made where they are not there yet.
    patients : int
        Test patients for the tests that take long, spread evenly over the stages; all others use every test patient.
    trainings : int
        Further trainings of each net with other seeds, and as many on shuffled stages; 0 leaves out the tests that
        need them.
    """

    def __init__(self, study: Study, patients: int = 6, trainings: int = 1) -> None:
        self.study, self.trainings = study, trainings
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

    def clips(self, name: str, few: bool = False) -> dict[str, Clip]:
        """First prepared file of each test patient, as the net takes it."""
        files = self.test[self.study.evaluation(name).final.view]
        return {patient: load_clip(files[patient][0]) for patient in (self.few if few else files.index)}

    def maps(self, name: str, method: str = "gradcam") -> dict[str, Explanation]:
        """Maps of a net for all test patients; made once per session."""
        if (name, method) not in self._maps:
            clips = self.clips(name)
            made = attribute_clips(self.study.evaluation(name).final, list(clips.values()), method)
            self._maps[name, method] = dict(zip(clips, made, strict=True))
        return self._maps[name, method]

    def shares(self, name: str, method: str) -> pd.DataFrame:
        """Scores of a net's maps against the marked region.

        Returns
        -------
        DataFrame
            ``patient_id, model, method, stage`` and the fields of `MaskScores`, one row per test patient with a mask.
        """
        rows = [
            {"patient_id": patient, "stage": self.test.loc[patient, "stage"], **vars(mask_scores(cam))}
            for patient, cam in self.maps(name, method).items()
            if cam.roi is not None
        ]
        return pd.DataFrame(rows).assign(model=name, method=method)

    def depth(self, name: str, method: str) -> pd.DataFrame:
        """Relevance by depth (`relevance_by_depth`), one row per test patient and band."""
        bands = [relevance_by_depth(cam).assign(patient_id=patient) for patient, cam in self.maps(name, method).items()]
        return pd.concat(bands, ignore_index=True).assign(model=name, method=method)

    def sanity(self, name: str, method: str) -> pd.DataFrame:
        """Rank correlations of the sanity tests (`sanity_values`) on the few patients; kept."""
        return self._kept("sanity", name, method, lambda: self._sanity(name, method))

    def _sanity(self, name: str, method: str) -> pd.DataFrame:
        others = [self._trained_again(name, at, shuffled=False) for at in range(1, self.trainings + 1)]
        random = [self._trained_again(name, at, shuffled=True) for at in range(1, self.trainings + 1)]
        return sanity_values(
            self.study.evaluation(name).final,
            list(self.clips(name, few=True).values()),
            method,
            other_training=others,
            random_labels=random,
            seed=self.study.request.seed,
        )

    def cascade(self, name: str, method: str) -> pd.DataFrame:
        """The net shuffled from its head downwards (`cascading_randomisation`), on the few patients; kept."""
        clips = list(self.clips(name, few=True).values())
        return self._kept(
            "cascade",
            name,
            method,
            lambda: cascading_randomisation(
                self.study.evaluation(name).final, clips, method, seed=self.study.request.seed
            ),
        )

    def faithfulness(self, name: str, method: str) -> pd.DataFrame:
        """Deletion, insertion and ROAD (`faithfulness_curves`) on the few patients, with ``patient_id``; kept."""
        return self._kept("faithfulness", name, method, lambda: self._faithfulness(name, method))

    def _faithfulness(self, name: str, method: str) -> pd.DataFrame:
        estimator, seed = self.study.evaluation(name).final, self.study.request.seed
        maps = self.maps(name, method)
        curves = [
            faithfulness_curves(estimator, maps[patient], seed=seed).assign(patient_id=patient) for patient in self.few
        ]
        return pd.concat(curves, ignore_index=True)

    def _trained_again(self, name: str, number: int, *, shuffled: bool) -> NetClassifier:
        """The net of the chosen settings with another seed, and, if wanted, with the stages shuffled; kept."""
        study = self.study
        asked = {**study.asked(name), "settings": study.evaluation(name).best, "number": number, "shuffled": shuffled}

        def train() -> NetClassifier:
            patients, side = study.patients, study.partition.reindex(study.patients.index)
            parts = [patients[side == part] for part in ("train", "validation")]
            seed = study.request.seed + number
            stages = [part["stage"].to_numpy() for part in parts]
            if shuffled:
                stages = [np.random.default_rng(seed).permutation(known) for known in stages]
            again = clone(study.evaluation(name).final).set_params(seed=seed, memory=None)
            return again.fit(parts[0], stages[0], validation=(parts[1], stages[1]))

        return study.folder.keeper.keep(
            f"again-{name}",
            asked,
            train,
            lambda net, folder: net.save(folder / "model.safetensors"),
            lambda folder: NetClassifier.load(folder / "model.safetensors"),
        )

    def _kept(self, what: str, name: str, method: str, compute) -> pd.DataFrame:
        asked = {**self.study.asked(name), "method": method, "patients": self.few, "trainings": self.trainings}
        table = self.study.folder.keeper.keep(f"{what}-{name}-{method.replace(' ', '-')}", asked, compute, _save, _load)
        return table.assign(model=name, method=method)


def _save(table: pd.DataFrame, folder: Path) -> None:
    table.to_csv(folder / "table.csv", index=False)


def _load(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "table.csv", dtype={"patient_id": str})
