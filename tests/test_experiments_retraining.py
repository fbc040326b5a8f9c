"""The same net trained otherwise."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import make_patients

from fibrolib.experiments.retraining import nets_of_folds, nets_of_shuffled_stages
from fibrolib.learning import NetClassifier, evaluate
from fibrolib.study import processes
from fibrolib.study.cache import ResultCache
from fibrolib.study.diagnostics import fits_of


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished evaluation whose fits are in the run folder."""
    folder = tmp_path_factory.mktemp("trainings")
    patients = make_patients(folder, 16, n_stages=2)
    sides = pd.Series(np.repeat(["train", "validation", "test"], [10, 2, 4]), index=patients.index)
    study = SimpleNamespace(
        patients=patients,
        split=sides,
        cutoff=1,
        profile=SimpleNamespace(n_folds=2),
        request=SimpleNamespace(seed=0),
        folder=SimpleNamespace(path=folder, cache=ResultCache(folder / "kept"), fits=folder / "fits"),
        evaluation=lambda name: evaluation,
        cache_key=lambda name: {"model": name},
    )
    net = NetClassifier(
        "motion_resnet3d", {"width": 2}, cutoff=1, n_stages=2, clip_length=4, epochs=2, batch_size=2, n_threads=1
    )
    net.set_params(memory=fits_of(study, "net"))
    evaluation = evaluate("net", net, patients, sides, grid={"learning_rate": [1e-3, 2e-3]}, n_folds=2)
    evaluation.final.set_params(memory=None)  # as one that was read from the cache
    return study


def weights(net):
    return net.module_.pathway.stem[0].weight.detach().numpy()


def test_the_nets_of_the_folds_are_those_of_the_cross_validation(study, monkeypatch):
    def train(*_):
        raise AssertionError("trained again")

    with monkeypatch.context() as patch:
        patch.setattr(NetClassifier, "_train", train)
        folds = nets_of_folds(study, "net")
    assert len(folds) == 2
    assert not np.allclose(weights(folds[0]), weights(folds[1]))
    # Scores of the patients left out, which the predictions table holds, are theirs.
    table = study.evaluation("net").predictions.query("fold == 1")
    scores = folds[0].predict_proba(study.patients.loc[table["patient_id"]])[:, 1]
    np.testing.assert_allclose(scores, table["y_score"], rtol=1e-5)
    shutil.rmtree(study.folder.fits)  # by a user who needs the space: trained again
    np.testing.assert_array_equal(weights(nets_of_folds(study, "net")[1]), weights(folds[1]))


def test_shuffled_stages_are_learned_and_kept(study, monkeypatch):
    monkeypatch.setattr(processes, "n_workers", lambda: 1)
    first = study.evaluation("net").final
    (nets,) = nets_of_shuffled_stages(study, ["net"], 2).values()
    assert [net.get_params()["seed"] for net in nets] == [1, 2]
    assert not np.allclose(weights(nets[0]), weights(first))
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    (again,) = nets_of_shuffled_stages(study, ["net"], 2).values()
    np.testing.assert_array_equal(weights(again[1]), weights(nets[1]))


def test_no_trainings_are_no_nets(study):
    assert nets_of_shuffled_stages(study, ["net"], 0) == {"net": []}
