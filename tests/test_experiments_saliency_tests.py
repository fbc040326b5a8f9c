"""The tests of a study's explanations, on nets trained for seconds."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import make_patients

from fibrolib.attribution import CURVES, ORDERS, TESTS, mask_scores, movement_correlation
from fibrolib.experiments import saliency_tests
from fibrolib.experiments.saliency_tests import SaliencyTests
from fibrolib.learning import NetClassifier
from fibrolib.study import processes
from fibrolib.study.cache import ResultCache

METHODS = ["gradcam", "layercam"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """What `SaliencyTests` asks of a study, with one small net."""
    folder = tmp_path_factory.mktemp("explaining")
    patients = make_patients(folder, 18)
    sides = pd.Series(np.repeat(["train", "validation", "test"], [9, 3, 6]), index=patients.index)
    (folder / "truth").mkdir()
    patients.assign(heart_rate=140).to_csv(folder / "truth" / "patients.csv")
    train = patients[sides == "train"]
    net = NetClassifier("motion_resnet3d", {"width": 4}, cutoff=1, n_stages=3, clip_length=8, epochs=1, n_threads=1)
    net.fit(train, train["stage"])
    return SimpleNamespace(
        patients=patients,
        split=sides,
        cohort=SimpleNamespace(virtual=True, root=folder),
        cutoff=1,
        nets=["net"],
        profile=SimpleNamespace(n_folds=3),
        request=SimpleNamespace(seed=0),
        folder=SimpleNamespace(path=folder, cache=ResultCache(folder / "kept"), fits=folder / "fits"),
        evaluation=lambda name: SimpleNamespace(final=net, best={}),
        cache_key=lambda name: {"model": name},
    )


@pytest.fixture(scope="module", autouse=True)
def one_worker():
    """Starting processes would take longer than the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "n_workers", lambda: 1)
        yield


@pytest.fixture(scope="module")
def tests(study):
    return SaliencyTests(study, METHODS, patients=3, trainings=1)


def test_the_few_run_from_the_lowest_stage_to_the_highest(tests, study):
    stages = study.patients.loc[tests.few, "stage"].tolist()
    assert stages == [0, 1, 2]
    assert set(tests.few) <= set(study.split.index[study.split == "test"])


def test_shares_are_those_of_the_maps(tests):
    table = tests.shares()
    assert table.groupby(["model", "method"]).size().tolist() == [6, 6]
    row = table[table["method"] == "layercam"].iloc[2]
    assert row["relevance"] == mask_scores(tests.maps("net", "layercam")[row["patient_id"]]).relevance


def test_every_sanity_test_is_made_and_kept(tests, study, monkeypatch):
    values = tests.sanity()
    assert set(values["test"]) == set(TESTS)
    assert set(values["method"]) == set(METHODS)
    assert (values["clip"].nunique(), values["model"].unique().tolist()) == (3, ["net"])
    monkeypatch.setattr(saliency_tests, "side_by_side", lambda jobs, *_: pytest.fail("made again") if jobs else [])
    pd.testing.assert_frame_equal(SaliencyTests(study, METHODS, patients=3, trainings=1).sanity(), values)


def test_without_trainings_on_shuffled_stages_their_test_is_left_out(study):
    values = SaliencyTests(study, ["gradcam"], patients=2, trainings=0).sanity()
    assert set(values["test"]) == set(TESTS) - {"random labels"}


def test_cascade_and_depth(tests):
    cascade = tests.cascade()
    assert (cascade["clip"].nunique(), cascade["share"].iloc[-1]) == (3, 1)
    depth = tests.depth()
    assert depth["patient_id"].nunique() == 6
    np.testing.assert_allclose(depth.groupby(["method", "patient_id"])["area"].sum(), 1)


def test_relevance_is_set_against_movement_and_heartbeat(tests):
    table = tests.timing()
    row = table[table["method"] == "gradcam"].iloc[3]
    cam = tests.maps("net", "gradcam")[row["patient_id"]]
    np.testing.assert_equal(row["correlation"], movement_correlation(cam))
    # Eight frames at 20 per second are not a beat at 140 a minute.
    assert table["lag"].isna().all()
    assert len(table) == 2 * 6


def test_faithfulness_has_every_order_and_the_rivals_are_every_methods(tests):
    curves = tests.faithfulness()
    assert set(curves["patient_id"]) == set(tests.few)
    counts = curves.groupby(["method", "curve", "order"]).size()
    assert len(counts) == len(METHODS) * len(CURVES) * len(ORDERS)
    assert (counts == counts.iloc[0]).all()
    rivals = [curves[(curves["method"] == method) & (curves["order"] == "random")]["score"] for method in METHODS]
    np.testing.assert_array_equal(*rivals)
    intact = curves[(curves["fraction"] == 0) & (curves["curve"] == "deletion")]
    scores = {patient: cam.score for patient, cam in tests.maps("net", "gradcam").items()}
    np.testing.assert_allclose(intact["score"], intact["patient_id"].map(scores), rtol=1e-4)
