"""Staging on numbers small enough to be worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from fibrolib.inference import auc, auc_ci, obuchowski, obuchowski_test, quadratic_kappa
from fibrolib.stages import at_least
from fibrolib.study.tables import Staging, _expected_stages, _predicted_stages, _quality_tables, staging_tables
from fibrolib.video import QUALITY_LIMITS, Clip, save_clip

IDS = list("abcdefghij")
STAGES = pd.Series([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], index=IDS)


def reached_of(severity):
    """P(stage >= k) of a logistic severity with thresholds at one half, three halves, ..."""
    gaps = np.asarray(severity, dtype=float)[:, None] - (np.arange(1, 5) - 0.5)
    return pd.DataFrame(1 / (1 + np.exp(-8 * gaps)), index=IDS, columns=range(1, 5))


@pytest.fixture
def right():
    return reached_of(STAGES)


def test_the_called_stage_is_the_median_and_the_expected_one_the_mean():
    cumulative_probs = pd.DataFrame([[0.9, 0.5, 0.2], [0.4, 0.3, 0.1]], index=["a", "b"], columns=[1, 2, 3])
    assert _predicted_stages(cumulative_probs).to_dict() == {"a": 2, "b": 0}
    assert _expected_stages(cumulative_probs).to_dict() == pytest.approx({"a": 1.6, "b": 0.8})
    # By hand: P(0..3) of a are .1, .4, .3, .2, whose mean is .4 + .6 + .6.


def test_flawless_calls(right):
    staging = Staging(STAGES, {"cnn3d": right})
    assert (staging.confusion("cnn3d").to_numpy() == 2 * np.eye(5)).all()
    row = staging.summary.iloc[0]
    assert (row["exact"], row["kappa"]) == (1, 1)
    assert row["obuchowski"] == 1
    assert np.isnan(row["obuchowski_low"])
    assert "no interval" in row["note"]


def test_truth_stands_in_rows(right):
    one_up = reached_of((STAGES + 1).clip(upper=4))
    table = Staging(STAGES, {"cnn3d": one_up}).confusion("cnn3d")
    assert table.loc[0, 1] == 2
    assert table.loc[1, 0] == 0
    assert table.loc[4, 4] == 2
    assert table.sum(axis=1).tolist() == [2] * 5


def test_patients_are_matched_by_name_and_not_by_place(right):
    shuffled = right.iloc[::-1]
    assert Staging(STAGES, {"cnn3d": shuffled}).summary.loc[0, "kappa"] == 1


def test_measures_are_those_of_inference():
    cumulative_probs = reached_of([0, 2, 1, 1, 1, 3, 2, 4, 3, 4])
    row = Staging(STAGES, {"cnn3d": cumulative_probs}).summary.iloc[0]
    called = _predicted_stages(cumulative_probs)
    assert called.tolist() == [0, 2, 1, 1, 1, 3, 2, 4, 3, 4]
    assert row["exact"] == pytest.approx(0.4)
    # Quadratic kappa: squared distances 4, 1, 1, 1, 1, 1 sum to 9; by chance to sum over all pairs / n.
    by_chance = np.mean([(a - b) ** 2 for a in STAGES for b in called]) * len(STAGES)
    assert row["kappa"] == pytest.approx(1 - 9 / by_chance)
    assert row["kappa_low"] == pytest.approx(quadratic_kappa(STAGES, called).low)


def test_chance_of_the_obuchowski_measure(right):
    # Five stages of two: all pairs weigh alike; distances are 1 (4 pairs), 2 (3), 3 (2), 4 (1), of 4 at most.
    lost = (4 * 1 + 3 * 2 + 2 * 3 + 1 * 4) / 10 / 4 * 0.5
    assert Staging(STAGES, {"cnn3d": right}).summary.loc[0, "obuchowski_chance"] == pytest.approx(1 - lost)


def test_one_call_for_all_is_chance_and_raises_no_warning():
    row = Staging(STAGES, {"cnn3d": reached_of([2] * 10)}).summary.iloc[0]
    assert row["kappa"] == 0
    assert np.isnan(row["kappa_low"])
    assert "stage 2 is called for all" in row["note"]
    assert row["obuchowski"] == pytest.approx(row["obuchowski_chance"])


def test_what_the_patients_do_not_allow_is_said(right):
    alone = Staging(STAGES.iloc[:3], {"cnn3d": right.iloc[:3]})
    row = alone.summary.iloc[0]
    assert np.isnan(row["obuchowski"])
    assert "stage 1 has one patient" in row["note"]
    areas = alone.aucs([1, 2]).set_index("cutoff")
    assert areas.loc[1, "auc"] == 1
    assert np.isnan(areas.loc[2, "auc"])
    assert areas.loc[2, "note"]


def test_areas_at_every_cutoff_from_the_one_model_and_the_oracle():
    random = np.random.default_rng(0)
    cumulative_probs, oracle = reached_of(STAGES + random.normal(0, 1, 10)), reached_of(STAGES)
    areas = Staging(STAGES, {"cnn3d": cumulative_probs}, {"oracle_moving": oracle}).aucs([2, 4])
    assert areas[["model", "cutoff"]].to_numpy().tolist() == [
        ["cnn3d", 2],
        ["cnn3d", 4],
        ["oracle_moving", 2],
        ["oracle_moving", 4],
    ]
    for row in areas.itertuples():
        score = {"cnn3d": cumulative_probs, "oracle_moving": oracle}[row.model][row.cutoff]
        assert row.auc == pytest.approx(auc(at_least(STAGES, row.cutoff), score))
    assert areas["n_positive"].tolist() == [6, 2, 6, 2]


def test_tables_name_the_group(right):
    groups = {"test": Staging(STAGES.iloc[:4], {"cnn3d": right.iloc[:4]}), "fresh": Staging(STAGES, {"cnn3d": right})}
    tables = staging_tables(groups, [1])
    staging, areas = tables["staging"], tables["auc_by_cutoff"]
    assert staging[["patients", "n"]].to_numpy().tolist() == [["test", 4], ["fresh", 10]]
    assert areas["patients"].tolist() == ["test", "fresh"]


def test_nets_are_compared_by_the_expected_stage():
    random = np.random.default_rng(1)
    cumulative_probs = {name: reached_of(STAGES + random.normal(0, 1, 10)) for name in ("cnn3d", "cnn2d")}
    (row,) = Staging(
        STAGES, cumulative_probs | {"cnn2d": cumulative_probs["cnn2d"].iloc[::-1]}
    ).comparisons.itertuples()
    expected = obuchowski_test(STAGES, *(_expected_stages(each) for each in cumulative_probs.values()))
    assert (row.n, row.p, row.difference) == pytest.approx((10, expected.pvalue, expected.difference))


def test_the_scale_is_that_of_the_net_and_not_of_the_patients():
    """Without F4 the greatest distance is still four stages: penalties are three quarters of those of F0 to F3."""
    cumulative_probs = reached_of([0, 2, 1, 1, 1, 3, 2, 3, 3, 4])
    staging = Staging(STAGES[:8], {"cnn3d": cumulative_probs, "cnn2d": reached_of(STAGES)})
    row = staging.summary.iloc[0]
    short = obuchowski(STAGES[:8], _expected_stages(cumulative_probs)[:8])
    assert 1 - row["obuchowski"] == pytest.approx(0.75 * (1 - short.value))
    assert staging.comparisons["difference"].iloc[0] == pytest.approx(0.75 * (short.value - 1))


def test_results_with_and_without_patients_whose_clips_are_flagged(tmp_path):
    rng, sector = np.random.default_rng(0), np.ones((32, 32), dtype=bool)
    clips = {}
    for number in range(12):
        frames = np.repeat(rng.integers(60, 200, (1, 32, 32)), 8, axis=0)
        if number not in (3, 10):  # which stand still
            frames = frames + rng.integers(-9, 10, frames.shape)
        path = tmp_path / f"{number}.npz"
        save_clip(path, Clip(frames.astype(np.uint8), 20.0, sector))
        clips[f"p{number}"] = (path,)
    patients = pd.DataFrame({"clips": pd.Series(clips), "split": np.repeat(["train", "test"], [2, 10])})
    scores = pd.DataFrame(
        {
            "patient_id": patients.index[2:],
            "model": "cnn3d",
            "split": "test",
            "y_true": [0, 1] * 5,
            "y_score": rng.random(10),
        }
    )
    tables = _quality_tables(patients, scores, QUALITY_LIMITS)
    quality = tables["quality"].set_index("patient_id")
    assert quality.index[quality["faults"] != ""].tolist() == ["p3", "p10"]
    assert set(quality["split"]) == {"train", "test"}
    kept = scores[~scores["patient_id"].isin(["p3", "p10"])]
    everybody, without = tables["quality_results"].to_dict("records")
    assert (everybody["n"], without["n"], without["n_positive"]) == (10, 8, kept["y_true"].sum())
    assert without["auc"] == auc(kept["y_true"], kept["y_score"])
    assert everybody["auc_low"] == auc_ci(scores["y_true"], scores["y_score"]).low
