"""Which diagnostics a cohort allows, and how their evaluations are kept and resumed."""

import shutil
from dataclasses import replace
from threading import current_thread, main_thread

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import make_patients

from fibrolib.diagnostics import FIB4, SWE, ColumnSpec, Diagnostic
from fibrolib.errors import FibrolibError
from fibrolib.inference import auc
from fibrolib.learning import NetClassifier, evaluate
from fibrolib.study import NetEvaluations, evaluation
from fibrolib.study.evaluation import _evaluate_index, _missing_requirements
from fibrolib.study.profiles import Profile, _ClipSettings, _ModelSettings
from fibrolib.study.runfolder import RunFolder

FITS = 2 * 2 + 1
"""Two settings, two folds, and the final fit."""

PARTS = np.repeat(["train", "validation", "test"], [24, 8, 8])


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Forty patients whose stiffness rises with the stage."""
    prepared = make_patients(tmp_path_factory.mktemp("clips"), 40, n_stages=2)
    noise = np.random.default_rng(1).normal(0, 1.5, len(prepared))
    swe = 6 + 3 * prepared["stage"] + noise
    return prepared.assign(swe_kpa=swe, age=50, ast=40.0, alt=40.0, platelets=np.nan, split=PARTS)


@pytest.fixture
def nets(patients, tmp_path):
    """One small net."""
    small = {"architecture": "motion_resnet3d", "options": {"width": 2}, "clip_length": 4, "epochs": 1, "batch_size": 8}
    net = _ModelSettings("net", {**small, "view": "clips"}, [{"learning_rate": [1e-3, 2e-3]}])
    profile = Profile("tiny", 40, 10, _ClipSettings(24, 20.0, 10), 24, 2, (net,))
    return NetEvaluations(patients, profile, RunFolder(tmp_path / "run"), cutoff=1, seed=0, virtual=True)


@pytest.fixture
def again(nets):
    """The same evaluations in a later session."""
    return lambda: replace(nets, _finished={})


def test_an_index_needs_its_columns(patients):
    assert _missing_requirements(SWE, patients, 1, 2) == ""
    assert _missing_requirements(FIB4, patients, 1, 2) == "FIB-4 needs platelets, which this cohort does not have."


def test_an_index_of_the_users_own_needs_its_columns_too(patients):
    marker = Diagnostic("mine", "My marker", columns={"ha": ColumnSpec("ng/mL", 1, 99)}, formula=lambda ha: ha)
    virtual = patients.assign(ha=np.nan)
    assert _missing_requirements(marker, virtual, 1, 2).endswith(" needs ha, which this cohort does not have.")
    measured = patients.assign(ha=10 + 5 * patients["stage"] + np.arange(40) % 3)
    assert _missing_requirements(marker, measured, 1, 2) == ""
    test = _evaluate_index(marker, measured, 1, 2, seed=0).predictions.query("split == 'test'")
    assert auc(test["y_true"], test["y_score"]) == 1


def test_an_index_needs_patients_on_both_sides_of_the_cutoff(patients):
    fewer = patients.copy()
    fewer.loc[(patients["split"] == "test") & (patients["stage"] == 0), "swe_kpa"] = np.nan
    assert "needs swe_kpa of at least 1 test patient with and 1 without" in _missing_requirements(SWE, fewer, 1, 2)
    few_train = patients.copy()
    few_train.loc[patients["split"] == "train", "swe_kpa"] = np.nan
    assert "of at least 2 train patients" in _missing_requirements(SWE, few_train, 1, 2)


def test_an_index_is_evaluated_in_those_of_whom_it_is_known(patients):
    gap = patients.copy()
    gap.iloc[[0, -1], gap.columns.get_loc("swe_kpa")] = np.nan
    predictions = _evaluate_index(SWE, gap, 1, 2, seed=0).predictions
    assert not set(gap.index[[0, -1]]) & set(predictions["patient_id"])
    test = predictions.query("split == 'test'").set_index("patient_id")
    # Stiffness is a score as it is: the test scores order patients as their stiffness does.
    assert test["y_score"].corr(gap.loc[test.index, "swe_kpa"], method="spearman") == pytest.approx(1)


def test_a_net_is_evaluated_once(nets, again, monkeypatch):
    assert nets.fits_finished("net") == (0, FITS)
    first = nets["net"]
    assert nets.fits_finished("net") == (FITS, FITS)
    assert nets["net"] is first
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(again()["net"].predictions, first.predictions)
    assert {path.name for path in (nets.folder.path / "models").iterdir()} == {"net.json", "net.safetensors"}


def test_threads_score_a_kept_net_and_do_not_build_it(nets, again, patients, monkeypatch):
    """Building seeds torch's random state, which threads share."""
    expected, builders = nets.cumulative_probs("net", patients.iloc[:4]), []
    later, build = again(), NetClassifier._build
    monkeypatch.setattr(NetClassifier, "_build", lambda net: builders.append(current_thread()) or build(net))
    wanted = [("net", patients.iloc[[row]], perturbed) for row in range(3) for perturbed in (False, True)]
    assert len(list(later.score_all(wanted, 2))) == 6
    assert builders == [main_thread()]
    pd.testing.assert_frame_equal(later.cumulative_probs("net", patients.iloc[:4]), expected)


def test_an_evaluation_whose_key_has_changed_trains_nothing_again_that_is_the_same(nets, again, monkeypatch):
    first = nets["net"]
    shutil.rmtree(nets.folder.cache.folder)  # as if no key were the same
    assert nets.fits_finished("net") == (FITS, FITS)
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(again()["net"].predictions, first.predictions)


def test_an_evaluation_that_was_stopped_goes_on_where_it_was(nets, tmp_path, monkeypatch):
    trained, train = [], NetClassifier._train

    def stop_at_fourth(self, *given):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(self)
        train(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(NetClassifier, "_train", stop_at_fourth)
        with pytest.raises(KeyboardInterrupt):
            _ = nets["net"]
    assert nets.fits_finished("net") == (3, FITS)
    monkeypatch.setattr(NetClassifier, "_train", lambda self, *given: trained.append(self) or train(self, *given))
    resumed = nets["net"]
    assert len(trained) == FITS, "what was finished was not trained again"

    undisturbed = replace(nets, folder=RunFolder(tmp_path / "undisturbed"), _finished={})
    pd.testing.assert_frame_equal(undisturbed["net"].predictions, resumed.predictions)


def test_fits_of_repeated_divisions_are_kept_and_counted(nets, monkeypatch):
    trained, train = [], NetClassifier._train
    monkeypatch.setattr(NetClassifier, "_train", lambda self, *given: trained.append(self) or train(self, *given))
    repeated = replace(nets, profile=replace(nets.profile, n_repeats=2), _finished={})
    total = 2 * 2 * 2 + 1
    assert repeated.fits_finished("net") == (0, total)
    assert len(repeated["net"].search.filter(like="auc_fold").columns) == 4
    assert len(trained) == total, "the folds of the first division are not fitted again for their scores"
    assert repeated.fits_finished("net") == (total, total)


@pytest.mark.parametrize(("epochs", "n_jobs"), [(1, 1), (100, 3)])
def test_processes_are_started_for_long_work_only(nets, monkeypatch, epochs, n_jobs):
    seen = []
    monkeypatch.setattr(evaluation, "net_workers", lambda device: 3)
    monkeypatch.setattr(evaluation, "evaluate", lambda *given, n_jobs, **options: seen.append(n_jobs) or 1 / 0)
    nets.profile.model("net").arguments["epochs"] = epochs
    with pytest.raises(ZeroDivisionError):
        _ = nets["net"]
    assert seen == [n_jobs]


def test_a_call_of_evaluate_in_a_notebook_shares_the_kept_result(nets, again, monkeypatch):
    """As notebook 03 does it: estimator, grid and folds stand in the cell."""
    settings = nets.profile.model("net")
    estimator = NetClassifier(**settings.arguments, cutoff=1, n_stages=2, seed=0)
    shown = nets.cached(evaluate)("net", estimator, nets.patients, grid=settings.grid, n_folds=2, n_repeats=1, seed=0)
    assert nets["net"] is shown
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(again()["net"].predictions, shown.predictions)
    assert estimator.memory is None, "the caller's estimator is left as it was"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (lambda given: given | {"seed": 1}, "seed"),
        (lambda given: given | {"n_folds": 3}, "n_folds"),
        (lambda given: given | {"grid": []}, "grid"),
        (lambda given: given | {"cutoff": 1}, "cutoff"),
        (lambda given: given | {"patients": given["patients"].assign(stage=0)}, "patients"),
        (lambda given: given | {"patients": given["patients"].replace({"split": {"test": "train"}})}, "patients"),
    ],
)
def test_the_kept_result_is_of_no_other_arguments(nets, changed, named):
    with pytest.raises(FibrolibError, match=rf"differ from it: {named}\. To try other values, call evaluate"):
        nets.cached(evaluate)(**changed(nets.arguments("net")))


def test_the_kept_result_is_of_no_other_estimator(nets):
    given = nets.arguments("net")
    given["diagnostic"].set_params(weight_decay=0.5, n_threads=3)
    with pytest.raises(FibrolibError, match=r"differ from it: NetClassifier\.weight_decay\."):
        nets.cached(evaluate)(**given)


def test_a_gpu_is_not_shared(monkeypatch):
    monkeypatch.setattr(evaluation, "pick_device", lambda device: device)
    assert evaluation.net_workers("cuda") == 1
    assert evaluation.net_workers("cpu") == joblib.cpu_count()


def test_an_index_in_another_unit_is_left_out_in_a_sentence(patients):
    pascals = patients.assign(swe_kpa=1000 * patients["swe_kpa"])
    assert "plainly Pa" in _missing_requirements(SWE, pascals, 1, 2)
