"""Which diagnostics a cohort allows, and how their evaluations are kept and resumed."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import make_patients

from fibrolib.diagnostics import ColumnSpec, Diagnostic
from fibrolib.errors import FibrolibError
from fibrolib.inference import auc
from fibrolib.learning import NetClassifier, evaluate
from fibrolib.own_files import OwnFile
from fibrolib.study import diagnostics
from fibrolib.study.cache import ResultCache
from fibrolib.study.diagnostics import (
    evaluate_index,
    evaluate_net,
    evaluate_once,
    fits_finished,
    missing_requirements,
    net_arguments,
    refuse_other_arguments,
)
from fibrolib.study.profiles import ClipSettings, ModelSettings, Profile

FITS = 2 * 2 + 1
"""Two settings, two folds, and the final fit."""


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Forty patients whose stiffness rises with the stage."""
    made = make_patients(tmp_path_factory.mktemp("clips"), 40, n_stages=2)
    noise = np.random.default_rng(1).normal(0, 1.5, len(made))
    return made.assign(swe_kpa=6 + 3 * made["stage"] + noise, age=50, ast=40.0, alt=40.0, platelets=np.nan)


@pytest.fixture
def study(patients, tmp_path):
    """What the diagnostics ask of a study, with one small net."""
    small = {"architecture": "motion_resnet3d", "options": {"width": 2}, "clip_length": 4, "epochs": 1, "batch_size": 8}
    net = ModelSettings("net", {**small, "view": "clips"}, [{"learning_rate": [1e-3, 2e-3]}])
    kept = tmp_path / "cache"
    folder = SimpleNamespace(path=kept, fits=kept / "fits", cache=ResultCache(kept / "results"), models=[])
    folder.save_model = lambda name, final, shown: folder.models.append(name)
    made = SimpleNamespace(
        profile=Profile("tiny", 40, 10, ClipSettings(24, 20.0, 10), 24, 2, (net,)),
        patients=patients,
        split=pd.Series(np.repeat(["train", "validation", "test"], [24, 8, 8]), index=patients.index),
        cohort=SimpleNamespace(virtual=True, patients=lambda: patients),
        cutoff=1,
        request=SimpleNamespace(seed=0),
        folder=folder,
        evaluation=lambda name: evaluate_net(made, name),
    )
    made.cache_key = lambda name: {"model": made.profile.model(name), "stages": made.patients["stage"].to_dict()}
    return made


def test_an_index_needs_its_columns(study):
    assert missing_requirements(study, "swe") == ""
    assert missing_requirements(study, "net") == ""
    assert missing_requirements(study, "fib4") == "FIB-4 needs platelets, which this cohort does not have."


def test_an_index_of_the_users_own_needs_its_columns_too(study):
    marker = Diagnostic("mine", "My marker", columns={"ha": ColumnSpec("ng/mL", 1, 99)}, formula=lambda ha: ha)
    study.profile = replace(study.profile, own=((marker, OwnFile("mine", Path(), "mine.py:MINE", "0")),))
    virtual = study.patients.assign(ha=np.nan)
    study.cohort.patients = lambda: virtual
    assert missing_requirements(study, "mine") == "mine needs ha, which this cohort does not have."
    measured = study.patients.assign(ha=10 + 5 * study.patients["stage"] + np.arange(40) % 3)
    study.cohort.patients = lambda: measured
    assert missing_requirements(study, "mine") == ""
    test = evaluate_index(study, "mine").predictions.query("split == 'test'")
    assert auc(test["y_true"], test["y_score"]) == 1


def test_an_index_needs_patients_on_both_sides_of_the_cutoff(study):
    healthy_tests = (study.split == "test") & (study.patients["stage"] == 0)
    fewer = study.patients.copy()
    fewer.loc[healthy_tests, "swe_kpa"] = np.nan
    study.cohort.patients = lambda: fewer
    assert "needs swe_kpa of at least 1 test patient with and 1 without" in missing_requirements(study, "swe")
    few_train = study.patients.copy()
    few_train.loc[study.split == "train", "swe_kpa"] = np.nan
    study.cohort.patients = lambda: few_train
    assert "of at least 2 train patients" in missing_requirements(study, "swe")


def test_an_index_is_evaluated_in_those_of_whom_it_is_known(study):
    gap = study.patients.copy()
    gap.iloc[[0, -1], gap.columns.get_loc("swe_kpa")] = np.nan
    study.cohort.patients = lambda: gap
    found = evaluate_index(study, "swe")
    assert not set(gap.index[[0, -1]]) & set(found.predictions["patient_id"])
    test = found.predictions.query("split == 'test'").set_index("patient_id")
    # Stiffness is a score as it is: the test scores order patients as their stiffness does.
    assert test["y_score"].corr(gap.loc[test.index, "swe_kpa"], method="spearman") == pytest.approx(1)
    assert list(study.profile.indices) == ["swe", "fib4", "apri"]


def test_a_net_is_evaluated_once(study, monkeypatch):
    assert fits_finished(study, "net") == (0, FITS)
    first = evaluate_net(study, "net")
    assert fits_finished(study, "net") == (FITS, FITS)
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(evaluate_net(study, "net").predictions, first.predictions)
    assert study.folder.models == ["net", "net"]


def test_an_evaluation_whose_key_has_changed_trains_nothing_again_that_is_the_same(study, monkeypatch):
    first = evaluate_net(study, "net")
    shutil.rmtree(study.folder.cache.folder)  # as if no key were the same
    assert fits_finished(study, "net") == (FITS, FITS)
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(evaluate_net(study, "net").predictions, first.predictions)


def test_an_evaluation_that_was_stopped_goes_on_where_it_was(study, monkeypatch):
    trained, train = [], NetClassifier._train

    def stop_at_fourth(self, *given):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(self)
        train(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(NetClassifier, "_train", stop_at_fourth)
        with pytest.raises(KeyboardInterrupt):
            evaluate_net(study, "net")
    assert fits_finished(study, "net") == (3, FITS)
    monkeypatch.setattr(NetClassifier, "_train", lambda self, *given: trained.append(self) or train(self, *given))
    resumed = evaluate_net(study, "net")
    assert len(trained) == FITS, "what was finished was not trained again"

    elsewhere = ResultCache(study.folder.cache.folder / "undisturbed")
    study.folder.cache, study.folder.fits = elsewhere, elsewhere.folder / "fits"
    pd.testing.assert_frame_equal(evaluate_net(study, "net").predictions, resumed.predictions)


@pytest.mark.parametrize(("epochs", "n_jobs"), [(1, 1), (100, 3)])
def test_processes_are_started_for_long_work_only(study, monkeypatch, epochs, n_jobs):
    seen = []
    monkeypatch.setattr(diagnostics, "net_workers", lambda device: 3)
    monkeypatch.setattr(diagnostics, "evaluate", lambda *given, n_jobs, **options: seen.append(n_jobs) or 1 / 0)
    study.profile.model("net").arguments["epochs"] = epochs
    with pytest.raises(ZeroDivisionError):
        evaluate_net(study, "net")
    assert seen == [n_jobs]


def test_a_call_of_evaluate_in_a_notebook_shares_the_kept_result(study, monkeypatch):
    """As notebook 03 does it: estimator, grid and folds stand in the cell."""
    settings = study.profile.model("net")
    estimator = NetClassifier(**settings.arguments, cutoff=1, n_stages=2, seed=0)
    given = {"name": "net", "diagnostic": estimator, "patients": study.patients, "split": study.split}
    given |= {"grid": settings.grid, "n_folds": 2, "seed": 0}
    refuse_other_arguments(study, given)
    shown = evaluate_once(study, evaluate, given)
    monkeypatch.setattr(NetClassifier, "_train", lambda *_: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(evaluate_net(study, "net").predictions, shown.predictions)
    assert estimator.memory is None, "the caller's estimator is left as it was"


@pytest.mark.parametrize(
    ("perturbation", "named"),
    [
        (lambda given: given | {"seed": 1}, "seed"),
        (lambda given: given | {"n_folds": 3}, "n_folds"),
        (lambda given: given | {"grid": []}, "grid"),
        (lambda given: given | {"cutoff": 1}, "cutoff"),
        (lambda given: given | {"patients": given["patients"].assign(stage=0)}, "patients"),
        (lambda given: given | {"split": given["split"].replace("test", "train")}, "split"),
    ],
)
def test_the_kept_result_is_of_no_other_arguments(study, perturbation, named):
    with pytest.raises(FibrolibError, match=rf"differ from it: {named}\. To try other values, call evaluate"):
        refuse_other_arguments(study, perturbation(net_arguments(study, "net")))


def test_the_kept_result_is_of_no_other_estimator(study):
    given = net_arguments(study, "net")
    given["diagnostic"].set_params(weight_decay=0.5, n_threads=3)
    with pytest.raises(FibrolibError, match=r"differ from it: NetClassifier\.weight_decay\."):
        refuse_other_arguments(study, given)
