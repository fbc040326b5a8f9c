"""Tables of the study against the single tests they are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from fibrolib.inference import (
    compare_models,
    compare_staging,
    delong_joint_test,
    joint_test,
    mcnemar_test,
    obuchowski_test,
    permutation_test,
    select_predictions,
)

MODELS = ("one", "two", "three")


@pytest.fixture
def predictions() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    stage = np.arange(40) % 5
    rows = [
        pd.DataFrame(
            {
                "patient_id": [f"p{i}" for i in range(40)],
                "model": model,
                "split": "test",
                "repeat": 0,
                "stage": stage,
                "y_true": (stage >= 2).astype(int),
                "y_score": slope * stage + rng.normal(size=40),
            }
        )
        for model, slope in zip(MODELS, (0.9, 0.6, 0.3), strict=True)
    ]
    table = pd.concat(rows, ignore_index=True)
    table.loc[(table["model"] == "three") & (table["patient_id"] == "p7"), "y_score"] = np.nan
    return table


def test_joint_test_uses_the_patients_of_all(predictions):
    (row,) = joint_test(predictions).itertuples()
    wide = select_predictions(predictions).dropna()
    expected = delong_joint_test(wide["y_true"], wide[list(MODELS)])
    assert (row.models, row.n, row.df, row.df_error) == (3, 39, 2, 36)
    assert (row.statistic, row.p) == (expected.statistic, expected.pvalue)
    assert row.test == "DeLong, joint (F)"
    assert joint_test(predictions, models=["one", "two"])["n"].item() == 40


def test_what_cannot_be_tested_jointly_has_a_note(predictions):
    assert "two scores" in joint_test(predictions, models=["one"])["note"].item()
    nobody = predictions.assign(y_score=predictions["y_score"].mask(predictions["model"] == "two"))
    (row,) = joint_test(nobody).itertuples()
    assert row.n == 0
    assert np.isnan(row.p)
    assert row.note


def test_pairs_are_exchanged_on_the_patients_of_both(predictions):
    table = compare_models(predictions, "permutation")
    wide = select_predictions(predictions)
    assert table["n"].tolist() == [40, 39, 39]
    for row in table.itertuples():
        both = wide[["y_true", row.a, row.b]].dropna()
        expected = permutation_test(both["y_true"], both[row.a], both[row.b])
        assert (row.difference, row.p, row.test) == (expected.difference, expected.pvalue, "permutation, paired")
    assert table["p_holm"].tolist() == pytest.approx(multipletests(table["p"], method="holm")[1])


def test_accuracy_is_compared_at_the_operating_points_with_holm(predictions):
    thresholds = {"one": 1.0, "two": 0.9, "three": 0.5}
    table = compare_models(predictions, "mcnemar", thresholds=thresholds)
    assert list(zip(table["a"], table["b"], strict=True)) == [("one", "two"), ("one", "three"), ("two", "three")]
    assert table["n"].tolist() == [40, 39, 39]
    wide = select_predictions(predictions)
    for row in table.itertuples():
        both = wide[["y_true", row.a, row.b]].dropna()
        expected = mcnemar_test(both["y_true"], both[row.a] >= thresholds[row.a], both[row.b] >= thresholds[row.b])
        assert (row.difference, row.p) == (expected.difference, expected.pvalue)
        assert (row.ci_low, row.ci_high) == expected.confidence_interval
        assert row.test == "McNemar, exact"
        assert row.note == expected.note
    assert table["p_holm"].tolist() == pytest.approx(multipletests(table["p"], method="holm")[1])
    assert compare_models(predictions, "mcnemar", thresholds={"one": 1.0, "two": np.nan}).empty
    apart = predictions[~((predictions["model"] == "one") ^ (predictions["patient_id"] < "p2"))]
    assert "no patient is scored by both" in compare_models(apart, "mcnemar", thresholds=thresholds)["note"].tolist()


def test_staging_is_compared_on_the_patients_of_both(predictions):
    wide = select_predictions(predictions)[list(MODELS)]
    stage = predictions.drop_duplicates("patient_id").set_index("patient_id")["stage"].reindex(wide.index)
    pairs = compare_staging(stage, wide)
    both = wide[["one", "three"]].dropna()
    expected = obuchowski_test(stage[both.index], both["one"], both["three"])
    row = pairs[(pairs["a"] == "one") & (pairs["b"] == "three")].iloc[0]
    assert (row["n"], row["difference"], row["p"]) == (39, expected.difference, expected.pvalue)
    assert (row["ci_low"], row["ci_high"]) == expected.confidence_interval
    assert "smaller stage" in row["note"]
    assert row["test"] == "Obuchowski, paired"
    assert pairs["p_holm"].tolist() == pytest.approx(multipletests(pairs["p"], method="holm")[1])
    lonely = stage.isin([0, 1]) | (stage.index == "p4")
    refused = compare_staging(stage[lonely], wide[lonely])
    assert refused["p"].isna().all()
    assert "one patient only" in refused["note"].iloc[0]
