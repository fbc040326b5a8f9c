"""The tests of a study's explanations, on nets trained for seconds."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import make_patients

from fibrolib.attribution import TESTS, mask_scores
from fibrolib.learning import NetClassifier
from fibrolib.study.explaining import Explaining
from fibrolib.study.keeping import Keeper


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """What `Explaining` asks of a study, with one small net."""
    folder = tmp_path_factory.mktemp("explaining")
    patients = make_patients(folder, 18)
    sides = pd.Series(np.repeat(["train", "validation", "test"], [9, 3, 6]), index=patients.index)
    train = patients[sides == "train"]
    net = NetClassifier("motion_resnet3d", {"width": 4}, cutoff=1, n_stages=3, length=8, epochs=1, n_threads=1)
    net.fit(train, train["stage"])
    return SimpleNamespace(
        patients=patients,
        partition=sides,
        request=SimpleNamespace(seed=0),
        folder=SimpleNamespace(keeper=Keeper(folder / "kept")),
        evaluation=lambda name: SimpleNamespace(final=net, best={}),
        asked=lambda name: {"model": name},
    )


@pytest.fixture(scope="module")
def tests(study):
    return Explaining(study, patients=3, trainings=1)


def test_the_few_run_from_the_lowest_stage_to_the_highest(tests, study):
    stages = study.patients.loc[tests.few, "stage"].tolist()
    assert stages == [0, 1, 2]
    assert set(tests.few) <= set(study.partition.index[study.partition == "test"])


def test_shares_are_those_of_the_maps(tests):
    table = tests.shares("net", "gradcam")
    assert len(table) == 6
    row = table.iloc[2]
    assert row["relevance"] == mask_scores(tests.maps("net", "gradcam")[row["patient_id"]]).relevance


def test_every_sanity_test_is_made_and_kept(tests, study):
    values = tests.sanity("net", "layercam")
    assert set(values["test"]) == set(TESTS)
    assert (values["clip"].nunique(), values["model"].unique().tolist()) == (3, ["net"])
    again = Explaining(study, patients=3, trainings=1)
    again._sanity = None  # what is kept is not made again
    pd.testing.assert_frame_equal(again.sanity("net", "layercam"), values)


def test_without_trainings_their_tests_are_left_out(study):
    values = Explaining(study, patients=2, trainings=0).sanity("net", "gradcam")
    assert set(values["test"]) == {"shuffled net", "gain", "shift"}


def test_a_further_training_differs_and_shuffled_stages_are_learned(tests):
    again, shuffled = (tests._trained_again("net", 1, shuffled=shuffled) for shuffled in (False, True))
    first = tests.study.evaluation("net").final
    assert again.get_params()["seed"] == shuffled.get_params()["seed"] == 1 + first.seed
    weights = [net.module_.pathway.stem[0].weight.detach().numpy() for net in (first, again, shuffled)]
    assert not np.allclose(weights[0], weights[1])
    assert not np.allclose(weights[1], weights[2])


def test_cascade_depth_and_faithfulness(tests):
    cascade = tests.cascade("net", "gradcam")
    assert (cascade["clip"].nunique(), cascade["share"].iloc[-1]) == (3, 1)
    depth = tests.depth("net", "gradcam").groupby("patient_id")["area"].sum()
    np.testing.assert_allclose(depth, 1)
    curves = tests.faithfulness("net", "gradcam")
    assert set(curves["patient_id"]) == set(tests.few)
    intact = curves[(curves["fraction"] == 0) & (curves["curve"] == "deletion")]
    scores = {patient: cam.score for patient, cam in tests.maps("net", "gradcam").items()}
    np.testing.assert_allclose(intact["score"], intact["patient_id"].map(scores), rtol=1e-4)
