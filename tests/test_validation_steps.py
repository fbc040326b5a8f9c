"""The two steps of a validation, on scores whose results other packages give."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from other_hospital import write_predictions
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, recall_score, roc_auc_score

from fibrolib.errors import FibrolibError
from fibrolib.validation.frozen import _thresholds_table
from fibrolib.validation.steps import (
    _RECALIBRATIONS,
    _draw_share,
    _first_step,
    _predictions_table,
    _second_step,
    _stage_externals,
)

THRESHOLDS = (
    _thresholds_table([])
    .astype({"model": str})
    .reindex(range(2))
    .assign(model=["cnn3d", "swe"], threshold=[0.6, 0.4], threshold_source="the validation patients")
)


@pytest.fixture(scope="module")
def predictions():
    return write_predictions()


def write_metrics() -> pd.DataFrame:
    rows = {"model": ["cnn3d", "mine"], "n": 17, "n_positive": 9, "auc": [0.8, 0.7], "auc_low": 0.55, "auc_high": 0.95}
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def first(predictions):
    return _first_step(predictions, THRESHOLDS, write_metrics())


@pytest.fixture(scope="module")
def fitted(predictions):
    return _draw_share(predictions, 0.4, seed=3)


@pytest.fixture(scope="module")
def second(predictions, fitted):
    return _second_step(predictions, THRESHOLDS, fitted)


def test_areas_and_metrics_are_at_the_frozen_threshold(predictions, first):
    rows = predictions[predictions["model"] == "cnn3d"]
    found = first["metrics"].set_index("model").loc["cnn3d"]
    assert found["auc"] == pytest.approx(roc_auc_score(rows["y_true"], rows["y_score"]))
    assert found["sensitivity"] == pytest.approx(recall_score(rows["y_true"], rows["y_score"] >= 0.6))
    assert found["threshold"] == 0.6
    assert found["threshold_source"] == "the validation patients"
    assert len(first["comparisons"]) == 1
    assert set(first["decision"]["model"]) == {"cnn3d", "swe"}
    brier = first["calibration"].query("model == 'cnn3d' and metric == 'brier'")["value"].item()
    assert brier == pytest.approx(brier_score_loss(rows["y_true"], rows["y_score"]))


def test_the_difference_to_development_has_limits_of_independent_areas(first):
    row = first["transport"].set_index("model").loc["cnn3d"]
    assert row["auc_development"] == 0.8
    assert row["change"] == pytest.approx(row["auc"] - 0.8)
    low = row["change"] - np.sqrt((row["auc"] - row["auc_low"]) ** 2 + (0.95 - 0.8) ** 2)
    assert row["change_low"] == pytest.approx(low)
    assert np.isnan(first["transport"].set_index("model").loc["swe", "change"])  # not evaluated there


def test_the_share_is_drawn_within_the_classes_whatever_the_order(predictions, fitted):
    assert fitted.sum() == 24
    truth = predictions.drop_duplicates("patient_id").set_index("patient_id")["y_true"]
    assert truth[fitted[fitted].index].sum() == 12
    assert _draw_share(predictions.sample(frac=1, random_state=0), 0.4, seed=3).equals(fitted)
    assert not _draw_share(predictions, 0.4, seed=4).equals(fitted)
    with pytest.raises(FibrolibError, match=r"--share 0\.01 of 60 patients"):
        _draw_share(predictions, 0.01, seed=0)


def test_recalibration_is_fitted_on_the_share_and_evaluated_on_the_rest(predictions, fitted, second):
    rows = predictions[predictions["model"] == "swe"].set_index("patient_id")
    inside = fitted[rows.index]
    train, rest = rows[inside], rows[~inside]
    model = sm.GLM(train["y_true"], sm.add_constant(logit(train["y_score"])), family=sm.families.Binomial())
    intercept, slope = model.fit(tol=1e-12).params
    found = second["recalibration"].set_index(["model", "recalibration"]).loc[("swe", _RECALIBRATIONS[1])]
    assert (found["intercept"], found["slope"]) == pytest.approx((intercept, slope), abs=1e-5)
    scores = second["recalibrated_predictions"].query("model == 'swe' and recalibration == 'intercept and slope'")
    scores = scores.set_index("patient_id")["y_score"]
    assert set(scores.index) == set(rest.index)
    expected = expit(intercept + slope * logit(rest["y_score"]))
    assert scores[rest.index].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-5)


def test_the_order_of_patients_stays_and_extreme_probabilities_become_better(second):
    metrics = second["recalibrated_metrics"].pivot_table(index="model", columns="recalibration", values="auc")
    assert metrics.max(axis=1).to_numpy() == pytest.approx(metrics.min(axis=1).to_numpy())
    brier = second["recalibrated_calibration"].query("model == 'swe' and metric == 'brier'")
    brier = brier.set_index("recalibration")["value"]
    assert brier["intercept and slope"] < brier["none"]


def test_what_cannot_be_recalibrated_is_said_and_the_others_are(predictions, fitted):
    separated = predictions.assign(
        y_score=predictions["y_score"].where(predictions["model"] != "swe", 0.1 + 0.8 * predictions["y_true"])
    )
    second = _second_step(separated, THRESHOLDS, fitted)
    fits = second["recalibration"].set_index(["model", "recalibration"])
    assert "separate" in fits.loc[("swe", "intercept and slope"), "note"]
    assert fits.loc[("swe", "intercept"), "note"] == ""
    kinds = second["recalibrated_metrics"].groupby("model")["recalibration"].agg(set)
    assert kinds["swe"] == {"none", "intercept"}
    assert kinds["cnn3d"] == {"none", *_RECALIBRATIONS}


def test_stages_are_judged_where_there_are_several_and_nets():
    stages = pd.Series(np.arange(30) % 5, index=[f"E{number:02d}" for number in range(30)], name="stage")
    patients = stages.to_frame()
    reached = pd.DataFrame({k: expit(2.0 * (stages - k + 0.5)) for k in range(1, 5)})
    tables = _stage_externals({"cnn3d": reached, "swe": reached[[2]]}, patients, 2)
    assert tables["staging"]["exact"].tolist() == [1.0]
    assert tables["staging"]["patients"].tolist() == ["external"]
    assert tables["auc_by_cutoff"]["cutoff"].tolist() == [2, 3, 4]
    assert _stage_externals({"swe": reached[[2]]}, patients, 2) == {}


def test_predictions_of_a_patient_without_a_value_are_left_out():
    patients = pd.DataFrame({"stage": [0, 2, 3]}, index=pd.Index(["a", "b", "c"], name="patient_id"))
    table = _predictions_table({"swe": pd.DataFrame({2: [0.1, np.nan, 0.9]}, index=patients.index)}, patients, 2)
    assert table["patient_id"].tolist() == ["a", "c"]
    assert table["y_true"].tolist() == [0, 1]
    assert set(table["split"]) == {"test"}
