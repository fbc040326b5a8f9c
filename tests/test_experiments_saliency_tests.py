"""The tests of a study's explanations, on nets trained for seconds."""

import contextlib
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import make_patients
from joblib import delayed

from fibrolib.attribution.faithfulness import CURVES, ORDERS
from fibrolib.attribution.sanity import TESTS
from fibrolib.errors import Interrupted
from fibrolib.experiments import saliency_tests
from fibrolib.experiments.planted_signal import SIGNALS
from fibrolib.experiments.saliency_tests import (
    SaliencyTests,
    _nets_of_folds,
    _nets_of_shuffled_stages,
    _plant,
    _side_by_side,
)
from fibrolib.learning import Evaluation, NetClassifier
from fibrolib.study import NetEvaluations, evaluation, load_profile
from fibrolib.study.profiles import Profile, _ClipSettings, _ModelSettings
from fibrolib.study.runfolder import RunFolder
from fibrolib.video import load_clip

METHODS = ["gradcam", "layercam"]


SMALL = {"architecture": "motion_resnet3d", "options": {"width": 2}, "clip_length": 4, "epochs": 2, "batch_size": 2}


@pytest.fixture(scope="module", autouse=True)
def one_worker():
    """Starting processes would take longer than the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "n_workers", lambda *_, **__: 1)
        yield


def evaluations(folder, net, patients, parts, n_folds, **finished) -> NetEvaluations:
    """Evaluations of one net."""
    profile = Profile("tiny", 18, 12, _ClipSettings(24, 20.0, 10), 24, n_folds, (net,))
    split = np.repeat(["train", "validation", "test"], parts)
    return NetEvaluations(patients.assign(split=split), profile, RunFolder(folder), 1, 0, virtual=True, **finished)


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """One small net that was trained for a second."""
    folder = tmp_path_factory.mktemp("explaining")
    patients = make_patients(folder, 18)
    net = NetClassifier("motion_resnet3d", {"width": 4}, cutoff=1, n_stages=3, clip_length=8, epochs=1, n_threads=1)
    net.fit(patients.head(9), patients["stage"].head(9))
    finished = Evaluation("net", net, pd.DataFrame(), np.array([]), pd.DataFrame(), {}, pd.DataFrame())
    settings = _ModelSettings("net", {"architecture": "motion_resnet3d", "options": {"width": 4}, "clip_length": 8})
    return evaluations(folder / "run", settings, patients, [9, 3, 6], 3, _finished={"net": finished})


@pytest.fixture(scope="module")
def heart_rates(nets):
    return dict.fromkeys(nets.patients.index, 140.0)


@pytest.fixture(scope="module")
def tests(nets, heart_rates):
    return SaliencyTests(nets, METHODS, explained=3, trainings=1, heart_rates=heart_rates)


def test_the_few_run_from_the_lowest_stage_to_the_highest(tests, nets):
    stages = nets.patients.loc[tests.few, "stage"].tolist()
    assert stages == [0, 1, 2]
    assert (nets.patients.loc[tests.few, "split"] == "test").all()


def test_shares_are_those_of_the_maps(tests):
    table = tests.shares()
    assert table.groupby(["model", "method"]).size().tolist() == [6, 6]
    row = table[table["method"] == "layercam"].iloc[2]
    assert row["relevance"] == tests.maps("net", "layercam")[row["patient_id"]].mask_scores().relevance


def test_every_sanity_test_is_made_and_kept(tests, nets, monkeypatch):
    values = tests.sanity()
    assert set(values["test"]) == set(TESTS)
    assert set(values["method"]) == set(METHODS)
    assert (values["clip"].nunique(), values["model"].unique().tolist()) == (3, ["net"])
    monkeypatch.setattr(saliency_tests, "in_parallel", lambda *_: pytest.fail("made again"))
    pd.testing.assert_frame_equal(SaliencyTests(nets, METHODS, explained=3, trainings=1).sanity(), values)


def test_without_trainings_on_shuffled_stages_their_test_is_left_out(nets):
    values = SaliencyTests(nets, ["gradcam"], explained=2, trainings=0).sanity()
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
    np.testing.assert_equal(row["correlation"], cam.movement_correlation())
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


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A finished evaluation whose fits are in the run folder."""
    folder = tmp_path_factory.mktemp("trainings")
    settings = _ModelSettings("net", SMALL, [{"learning_rate": [1e-3, 2e-3]}])
    nets = evaluations(folder / "run", settings, make_patients(folder, 16, n_stages=2), [10, 2, 4], 2)
    _ = nets["net"]
    return nets


def weights(net):
    return net.module_.pathway.stem[0].weight.detach().numpy()


def test_the_nets_of_the_folds_are_those_of_the_cross_validation(evaluated, monkeypatch):
    def train(*_):
        raise AssertionError("trained again")

    with monkeypatch.context() as patch:
        patch.setattr(NetClassifier, "_train", train)
        folds = _nets_of_folds(evaluated, "net")
    assert len(folds) == 2
    assert not np.allclose(weights(folds[0]), weights(folds[1]))
    # Scores of the patients left out, which the predictions table holds, are theirs.
    table = evaluated["net"].predictions.query("fold == 1")
    scores = folds[0].predict_proba(evaluated.patients.loc[table["patient_id"]])[:, 1]
    np.testing.assert_allclose(scores, table["y_score"], rtol=1e-5)
    shutil.rmtree(evaluated.folder.fits)  # by a user who needs the space: trained again
    np.testing.assert_array_equal(weights(_nets_of_folds(evaluated, "net")[1]), weights(folds[1]))


def test_shuffled_stages_are_learned_and_kept(evaluated, monkeypatch):
    first = evaluated["net"].final
    (nets,) = _nets_of_shuffled_stages(evaluated, 2).values()
    assert [net.get_params()["seed"] for net in nets] == [1, 2]
    assert not np.allclose(weights(nets[0]), weights(first))
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    (again,) = _nets_of_shuffled_stages(evaluated, 2).values()
    np.testing.assert_array_equal(weights(again[1]), weights(nets[1]))


def test_an_interrupted_training_on_shuffled_stages_resumes(evaluated, monkeypatch):
    train, begun = NetClassifier._train, []

    def interrupted(self, *data):
        begun.append(self.seed)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return train(self, *data)

    shutil.rmtree(evaluated.folder.cache.folder)
    monkeypatch.setattr(NetClassifier, "_train", interrupted)
    with pytest.raises(Interrupted, match=r"kept in .*: 1 of 3 nets\. Run the cell again to continue"):
        _nets_of_shuffled_stages(evaluated, 3)
    _nets_of_shuffled_stages(evaluated, 3)
    assert begun == [1, 2, 2, 3]


def test_an_interrupted_test_of_maps_resumes(tests, monkeypatch):
    made, entries = [], {name: (f"interrupted-{name}", {"name": name}) for name in ("first", "second")}

    def make(name):
        made.append(name)
        if made == ["first", "second"]:
            raise KeyboardInterrupt
        return pd.DataFrame({"name": [name]})

    for outcome in (pytest.raises(Interrupted, match="1 of 2 nets"), contextlib.nullcontext()):
        with outcome:
            kept = tests._kept(entries, delayed(make), "Testing", "nets", (_side_by_side,))
    assert made == ["first", "second", "second"]
    assert [table["name"].tolist() for table in kept.values()] == [["first"], ["second"]]


def test_no_trainings_are_no_nets(evaluated):
    assert _nets_of_shuffled_stages(evaluated, 0) == {"net": []}


def made(nets, jobs) -> dict:
    """Results of jobs that the cache does not know."""
    kept, entries = {}, {name: (f"job-{name}", {}) for name in jobs}
    return _side_by_side(nets, entries, jobs.get, kept.setdefault, (_side_by_side,), "Working", "jobs")


def test_results_come_with_their_names(nets):
    jobs = {number: delayed(divmod)(number, 3) for number in range(5)}
    assert made(nets, jobs) == {number: divmod(number, 3) for number in range(5)}


def test_work_is_done_in_other_processes(nets, monkeypatch):
    monkeypatch.setattr(evaluation, "n_workers", lambda *_, **__: 2)
    jobs = dict.fromkeys("ab", delayed(os.getpid)())
    assert os.getpid() not in made(nets, jobs).values()


def test_without_jobs_no_process_is_started(nets, monkeypatch):
    monkeypatch.setattr(saliency_tests, "in_parallel", lambda *_: pytest.fail("started"))
    assert made(nets, {}) == {}


def test_worlds_share_bodies_and_differ_in_their_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(saliency_tests, "n_workers", lambda *_, **__: 1)
    scenarios = _plant(tmp_path / "cohorts", tmp_path / "cache", load_profile("smoke"), "cnn3d", patients=3, seed=2)
    assert list(scenarios) == list(SIGNALS)
    stages = [pd.concat([scenario.train, scenario.held_out])["stage"].to_dict() for scenario in scenarios.values()]
    assert stages[0] == stages[1] == stages[2]
    truth = [pd.read_csv(path) for path in sorted((tmp_path / "cohorts").glob("*/truth/patients.csv"))]
    assert all(table["bmi"].equals(truth[0]["bmi"]) for table in truth)
    assert not any(truth[0]["capsule"].equals(table["capsule"]) for table in truth[1:])
    files = [set(scenario.cache_key["files"]) for scenario in scenarios.values()]
    assert not files[0] & files[1]
    # A video holds just the frames that the net sees.
    clip = load_clip(scenarios["motion"].train["clips"].iloc[0][0])
    assert (len(clip.frames), clip.fps) == (9, 10.0)
    marked = scenarios["motion"]._marked(next(scenarios["motion"].explained.itertuples()), "liver")
    clip = load_clip(marked)
    assert clip.roi.shape == clip.frames.shape
    assert clip.roi.any()
