"""Frozen models: read without executing anything, and applied they give the scores of the run."""

import builtins
import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from fibrolib.errors import FibrolibError
from fibrolib.inference import choose_thresholds
from fibrolib.study import Profile, Request, Study
from fibrolib.study.cache import ResultCache
from fibrolib.validation.development import _read_development
from fibrolib.validation.frozen import (
    _find_run,
    _prepare_views,
    _read_models,
    _refuse_other_scale,
    _stage_probabilities,
    _thresholds_table,
    _unavailable,
)

NAMES = ["cnn3d", "cnn2d_lstm", "cnn2d", "swe", "fib4", "apri"]


def profile_of(run):
    return Profile.from_dict(_read_development(run).about["profile"])


def read(run, names=None):
    path, found = _find_run(run)
    return _read_models(path, names or found, profile_of(path))


@pytest.fixture(scope="module")
def models(finished_run):
    return read(finished_run)[0]


@pytest.fixture
def copy(finished_run, tmp_path):
    """The run somewhere else, without its cache."""
    return shutil.copytree(finished_run, tmp_path / "run", ignore=shutil.ignore_patterns("cache"))


def test_all_models_are_read_in_the_order_of_tables_with_their_thresholds(models, finished_run):
    assert [model.name for model in models] == NAMES
    predictions = pd.read_csv(finished_run / "predictions.csv")
    expected = choose_thresholds(predictions, split="validation")
    assert {model.name: model.threshold for model in models} == pytest.approx(expected, rel=1e-9)
    assert {model.cutoff for model in models} == {2}
    assert _thresholds_table(models)["threshold_source"].unique() == ["the validation patients of the training cohort"]


def test_their_scores_of_the_runs_patients_are_those_of_the_run(models, finished_run, tmp_path):
    home = finished_run.parent
    study = Study(Request(str(home / "home" / "cohort.csv"), str(home / "tiny.toml"), out=str(finished_run)))
    patients = study.cohort.patients()
    prepared = _prepare_views(patients, models, tmp_path, profile_of(finished_run))
    run = pd.read_csv(finished_run / "predictions.csv").query("split == 'test'")
    for model in models:
        found = _stage_probabilities(model, prepared, ResultCache(tmp_path / "kept"))[2]
        expected = run[run["model"] == model.name].set_index("patient_id")["y_score"]
        assert found[expected.index].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6), model.name


def test_one_file_is_one_model(finished_run):
    for suffix in ("safetensors", "json"):
        path, names = _find_run(finished_run / "models" / f"cnn3d.{suffix}")
        assert (path, names) == (finished_run, ["cnn3d"])


def test_nothing_is_executed(copy, monkeypatch):
    (copy / "profile").mkdir(exist_ok=True)
    (copy / "profile" / "evil.py").write_text("raise SystemExit('executed')")
    (copy / "models" / "cnn3d.pkl").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")

    def refuse(*_, **__):
        raise AssertionError("something was executed")

    for place, name in ((pickle, "load"), (pickle, "loads"), (torch, "load"), (builtins, "exec"), (builtins, "eval")):
        monkeypatch.setattr(place, name, refuse)
    models, _ = read(copy)
    assert [model.name for model in models] == NAMES


def test_a_diagnostic_of_the_users_own_needs_its_profile(copy):
    settings = json.loads((copy / "models" / "swe.json").read_text())
    (copy / "models" / "elf.json").write_text(json.dumps(settings))
    models, reasons = read(copy)
    assert "--profile" in reasons["elf"]
    assert len(models) == len(NAMES)


def test_a_fit_that_is_no_few_numbers_is_left_out(copy):
    settings = json.loads((copy / "models" / "swe.json").read_text())
    (copy / "models" / "swe.json").write_text(json.dumps(settings | {"fit": None}))
    models, reasons = read(copy)
    assert "swe" not in [model.name for model in models]
    assert "executed" in reasons["swe"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": ...}, "threshold is not noted there: an earlier version"),
        ({"cutoff": 3}, "does not belong to cnn3d.json"),
    ],
)
def test_settings_that_do_not_fit_a_net_are_refused(copy, change, words):
    path = copy / "models" / "cnn3d.json"
    settings = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({name: value for name, value in settings.items() if value is not ...}))
    with pytest.raises(FibrolibError, match=words):
        read(copy)


def test_numbers_of_another_diagnostic_are_refused(copy):
    path = copy / "models" / "swe.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"fit": {"steps": []}}))
    with pytest.raises(FibrolibError, match="these numbers are not of SWE"):
        read(copy)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(FibrolibError, match="there are no models"):
        _find_run(tmp_path)
    with pytest.raises(FibrolibError, match="no such run or model"):
        _find_run(tmp_path / "cnn3d.pkl")


def test_patients_without_the_numbers_of_an_index_are_said(models):
    swe = next(model for model in models if model.name == "swe")
    nobody = pd.DataFrame({"swe_kpa": [np.nan, np.nan]})
    assert "needs swe_kpa" in _unavailable(swe, nobody)
    assert _unavailable(swe, pd.DataFrame({"swe_kpa": [np.nan, 6.0]})) == ""


@pytest.mark.parametrize(("stages", "metavir"), [([0, 1, 0], False), ([0, 4, 2], True), ([0, 2, 3], False)])
def test_stages_of_another_scale_are_refused(models, stages, metavir):
    about = {"metavir": True, "stages": 4}
    with pytest.raises(FibrolibError, match="on the same scale"):
        _refuse_other_scale(models, about, pd.DataFrame({"stage": stages}), metavir)


def test_the_profile_is_read_back(finished_run):
    profile = profile_of(finished_run)
    assert isinstance(profile, Profile)
    assert json.loads(json.dumps(profile.as_dict())) == _read_development(finished_run).about["profile"]
