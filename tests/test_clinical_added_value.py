"""Added value: frozen models, paired tests, a noise score that adds nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from fibrolib.clinical import added_value
from fibrolib.inference import InferenceError, auc, decision_curves, delong_test

N = 240


def table(strength, seed=0, n=N):
    """Predictions of a video score of some strength, FIB-4 and SWE: half training, half test patients."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    rows = {"patient_id": [f"p{i}" for i in range(n)], "repeat": 0, "y_true": y}
    rows["split"] = np.where(np.arange(n) < n // 2, "train", "test")
    scores = {"cnn3d": strength * y, "fib4": 0.7 * y, "swe": 1.2 * y}
    parts = [
        pd.DataFrame(rows).assign(model=name, y_score=special.expit(part + rng.normal(size=n)))
        for name, part in scores.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_good_score_adds_and_all_numbers_are_of_the_frozen_models():
    found = added_value(table(1.6), "cnn3d")
    assert found.pvalue < 0.001
    scores = found.probabilities
    areas = [auc(scores["y_true"], scores[name]) for name in ("with", "without")]
    assert found.auc.difference == pytest.approx(areas[0] - areas[1])
    assert found.auc == delong_test(scores["y_true"], scores["with"], scores["without"])
    assert found.optimism == pytest.approx(found.gain_training - found.auc.difference)
    assert (found.n_training, found.n_test, found.left_out) == (N // 2, N // 2, 0)


def test_net_benefit_is_the_difference_of_two_decision_curves():
    # `decision_curves` agrees with R's dcurves.
    found = added_value(table(1.6), "cnn3d", thresholds=[0.2, 0.5, 0.8])
    long = found.probabilities.reset_index().melt(["patient_id", "y_true"], var_name="model", value_name="y_score")
    curves = decision_curves(long.assign(split="test", repeat=0), thresholds=[0.2, 0.5, 0.8])
    benefit = curves.pivot_table(index="threshold", columns="model", values="net_benefit")
    np.testing.assert_allclose(found.net_benefit["difference"], benefit["with"] - benefit["without"], atol=1e-12)
    assert (found.net_benefit["low"] <= found.net_benefit["difference"]).all()
    assert (found.net_benefit["difference"] <= found.net_benefit["high"]).all()


def test_nothing_is_fitted_to_test_patients():
    predictions = table(1.0)
    test = predictions["split"] == "test"
    turned = predictions.assign(y_true=predictions["y_true"].where(~test, 1 - predictions["y_true"]))
    columns = ["with", "without"]
    pd.testing.assert_frame_equal(
        added_value(predictions, "cnn3d").probabilities[columns], added_value(turned, "cnn3d").probabilities[columns]
    )


def test_a_noise_score_adds_nothing():
    # The interval of the gain holds 0 in at least 93 of 100 cohorts (benchmarks/clinical.py: 0.98 of 1000).
    found = [added_value(table(0.0, seed, 120), "cnn3d").auc for seed in range(60)]
    assert np.mean([each.low <= 0 <= each.high for each in found]) >= 0.93


def test_patients_without_a_score_are_left_out_and_counted():
    predictions = table(1.0)
    predictions.loc[[0, 1, N - 1], "y_score"] = np.nan
    found = added_value(predictions, "cnn3d")
    assert (found.n_training, found.n_test, found.left_out) == (N // 2 - 2, N // 2 - 1, 3)


def test_too_few_training_patients_are_refused():
    with pytest.raises(InferenceError, match=r"needs 15 training patients with and as many without .* has 10"):
        added_value(table(1.0, n=40), "cnn3d")


def test_test_patients_without_a_score_in_common_are_told():
    lacking = table(1.6)
    test = (lacking["split"] == "test") & (lacking["model"] == "swe")
    with pytest.raises(InferenceError, match="no test patient has all scores of fib4, swe, cnn3d"):
        added_value(lacking.assign(y_score=lacking["y_score"].mask(test)), "cnn3d")


def test_certain_probabilities_have_a_note():
    right = table(1.6)
    certain = right.assign(y_score=right["y_score"].where(right.index != 3, 1.0))
    assert "1 probability nearer to 0 or 1 than one in a billion" in added_value(certain, "cnn3d").note
    assert "billion" not in added_value(right, "cnn3d").note


def test_a_score_that_speaks_against_the_condition_says_so():
    right = table(1.6)
    turned = right.assign(y_score=right["y_score"].where(right["model"] != "cnn3d", 1 - right["y_score"]))
    assert "speaks against the condition" not in added_value(right, "cnn3d").note
    assert "high cnn3d speaks against the condition" in added_value(turned, "cnn3d").note


def test_scores_that_separate_the_classes_give_finite_models():
    predictions = table(40.0)
    found = added_value(predictions, "cnn3d")
    assert np.isfinite(found.probabilities["with"]).all()
    assert found.auc.value_a == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": [10, 20]}, r"10 % is 0\.1"),
        ({"thresholds": [0.5, 1]}, "both excluded; it is 1"),
        ({"prevalence": 30}, r"30 % is 0\.3"),
        ({"prevalence": "0.3"}, "the text '0.3'"),
    ],
)
def test_thresholds_and_prevalence_are_probabilities(options, message):
    with pytest.raises(ValueError, match=message):
        added_value(table(1.0), "cnn3d", **options)


def test_scores_are_probabilities_and_one_name_is_a_base():
    predictions = table(1.0)
    raw = predictions.assign(y_score=predictions["y_score"].where(predictions["model"] != "fib4", 3.2))
    with pytest.raises(InferenceError, match=r"probabilities between 0 and 1, found 3\.2"):
        added_value(raw, "cnn3d")
    assert added_value(predictions, "cnn3d", "fib4").pvalue == added_value(predictions, "cnn3d", ["fib4"]).pvalue


def test_test_patients_are_no_training_patients():
    predictions = table(1.0)
    tested, trained = (
        predictions.loc[predictions["split"] == side, "patient_id"].iloc[0] for side in ("test", "train")
    )
    leaked = predictions.replace({"patient_id": tested}, trained)
    with pytest.raises(InferenceError, match=r"in two splits of repeat 0"):
        added_value(leaked, "cnn3d")


def test_one_extreme_probability_changes_what_a_score_adds_no_more_than_a_certain_one():
    """In training patients, and in test patients, whose result hangs on nobody else."""
    right = table(1.6)
    rows = {part: right.index[(right["split"] == part) & (right["model"] == "cnn3d") & (right["y_true"] == 0)][0]
            for part in ("train", "test")}  # fmt: skip
    for part, row in rows.items():
        found = [added_value(right.assign(y_score=right["y_score"].where(right.index != row, value)), "cnn3d")
                 for value in (0.0, 1e-300, 1e-40, 1e-9)]  # fmt: skip
        assert len({each.statistic for each in found}) == 1, part
        assert all(each.probabilities.equals(found[0].probabilities) for each in found), part
