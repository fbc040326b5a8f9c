"""What is kept of a validation depends on the code that makes it, and on nothing that only shows it."""

import re

import pytest

from fibrolib.errors import FibrolibError
from fibrolib.privacy import register
from fibrolib.provenance import _import_closure
from fibrolib.validation import open_validation
from fibrolib.validation.differences import _compare_cohorts
from fibrolib.validation.steps import _first_step, _second_step, _stage_externals


@pytest.mark.parametrize(
    ("made_by", "needed"),
    [
        (_first_step, {"inference.calibration", "inference.metrics", "inference.delong", "study.tables"}),
        (_stage_externals, {"inference.staging", "study.tables"}),
        (_second_step, {"inference.recalibration", "inference.calibration"}),
        (_compare_cohorts, {"inference.roc"}),
    ],
)
def test_results_are_kept_by_the_code_that_makes_them(made_by, needed):
    closure = {name.removeprefix("fibrolib.") for name in _import_closure(made_by)}
    assert needed <= closure
    assert not {name.split(".")[0] for name in closure} & {"plots", "progress", "report", "cli", "privacy"}


@pytest.fixture
def validation(finished_run, other_cohort, tmp_path):
    return open_validation(finished_run, register(other_cohort), out=str(tmp_path / "out"))


def test_opening_writes_nothing(validation, tmp_path):
    assert validation.cutoff == 2
    assert validation.title == "run"
    assert not (tmp_path / "out").exists()


def test_the_run_may_be_given_as_text(validation, finished_run, other_cohort):
    assert open_validation(str(finished_run), register(other_cohort)).models[0].digest == validation.models[0].digest


@pytest.mark.parametrize("share", ["0.5", None, 0, 1, float("nan"), [0.5]])
def test_a_share_is_a_number_between_0_and_1(share, tmp_path):
    with pytest.raises(FibrolibError, match=rf"--share must .* between 0 and 1 .* not {re.escape(repr(share))}"):
        open_validation(tmp_path, "x", share=share)


def test_what_fixes_the_result_is_part_of_the_folders_key(finished_run, other_cohort, validation):
    keys = {validation.folder.key}
    for options in ({"seed": 1}, {"share": 0.3}):
        keys.add(open_validation(finished_run, register(other_cohort), **options).folder.key)
    keys.add(open_validation(finished_run / "models" / "swe.json", register(other_cohort)).folder.key)
    assert len(keys) == 4


def test_scores_are_on_disk_before_any_statistic(validation, monkeypatch):
    monkeypatch.setattr(type(validation), "scores", {"swe": _scores(validation)}, raising=True)
    assert len(validation.predictions) == 25
    assert (validation.folder.path / "predictions.csv").exists()
    assert not (validation.folder.path / "tables").exists()


def _scores(validation):
    swe = next(model for model in validation.models if model.name == "swe")
    probabilities = swe.classifier.predict_proba(validation.patients[["swe_kpa"]])[:, 1]
    return validation.patients.assign(**{"2": probabilities})[["2"]].rename(columns=int)


def test_no_model_that_can_be_applied_is_an_error(validation):
    validation.__dict__["prepared"] = validation.patients.assign(swe_kpa=float("nan"))
    swe_alone = type(validation)(
        **{**_fields(validation), "models": tuple(m for m in validation.models if m.name == "swe")}
    )
    swe_alone.__dict__["prepared"] = validation.prepared
    with pytest.raises(FibrolibError, match="No model can be applied to this cohort"):
        _ = swe_alone.scores


def _fields(validation):
    return {name: getattr(validation, name) for name in validation.__dataclass_fields__}
