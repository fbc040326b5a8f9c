"""Tables of the study against the single tests they are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from fibrolib.inference import (
    InferenceError,
    compare_accuracy,
    compare_staging,
    delong_joint_test,
    joint_test,
    mcnemar_test,
    obuchowski,
    obuchowski_test,
    select_predictions,
    summarise_staging,
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
                "partition": "test",
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
    found, n = joint_test(predictions)
    wide = select_predictions(predictions).dropna()
    assert n == 39
    assert found == delong_joint_test(wide["y_true"], wide[list(MODELS)])


def test_accuracy_is_compared_at_the_operating_points_with_holm(predictions):
    thresholds = {"one": 1.0, "two": 0.9, "three": 0.5}
    table = compare_accuracy(predictions, thresholds)
    assert list(zip(table["a"], table["b"], strict=True)) == [("one", "two"), ("one", "three"), ("two", "three")]
    assert table["n"].tolist() == [40, 39, 39]
    wide = select_predictions(predictions)
    for row in table.itertuples():
        both = wide[["y_true", row.a, row.b]].dropna()
        expected = mcnemar_test(both["y_true"], both[row.a] >= thresholds[row.a], both[row.b] >= thresholds[row.b])
        assert (row.difference, row.p) == (expected.difference, expected.pvalue)
        assert (row.ci_low, row.ci_high) == expected.confidence_interval
        assert row.test == "McNemar, exact"
    assert table["p_holm"].tolist() == pytest.approx(multipletests(table["p"], method="holm")[1])
    assert compare_accuracy(predictions, {"one": 1.0, "two": np.nan}).empty


def test_staging_tables_are_made_of_the_single_measures(predictions):
    summary = summarise_staging(predictions).set_index("model")
    pairs = compare_staging(predictions)
    wide = select_predictions(predictions)
    stage = predictions.drop_duplicates("patient_id").set_index("patient_id")["stage"]
    for model in MODELS:
        score = wide[model].dropna()
        expected = obuchowski(stage[score.index], score)
        assert summary.loc[model, ["value", "low", "high"]].tolist() == [expected.value, expected.low, expected.high]
        assert "smaller stage" in summary.loc[model, "note"]
    both = wide[["one", "three"]].dropna()
    expected = obuchowski_test(stage[both.index], both["one"], both["three"])
    row = pairs[(pairs["a"] == "one") & (pairs["b"] == "three")].iloc[0]
    assert (row["n"], row["difference"], row["p"]) == (39, expected.difference, expected.pvalue)
    assert pairs["p_holm"].tolist() == pytest.approx(multipletests(pairs["p"], method="holm")[1])


def test_what_cannot_be_staged_has_a_note(predictions):
    lonely = predictions[(predictions["stage"] < 2) | (predictions["patient_id"] == "p4")]
    assert "one patient only" in summarise_staging(lonely)["note"].iloc[0]
    assert compare_staging(lonely)["p"].isna().all()
    with pytest.raises(InferenceError, match="column stage"):
        summarise_staging(predictions.drop(columns="stage"))
