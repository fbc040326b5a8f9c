"""The Obuchowski measure against R and DeLong, kappa against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from fibrolib.inference import (
    InferenceError,
    auc,
    auc_ci,
    compare_staging,
    delong_test,
    obuchowski,
    obuchowski_test,
    quadratic_kappa,
)

REFERENCE = Path(__file__).parent / "reference"
SETTINGS = {"sample": {}, "uniform": {"prevalence": dict.fromkeys(range(5), 0.2)}, "plain": {"penalise": False}}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "staging_data.csv")


@pytest.fixture(scope="module")
def from_r() -> pd.Series:
    """What R found (tests/reference/staging.R)."""
    return pd.read_csv(REFERENCE / "staging_r.csv", index_col="quantity")["value"]


def test_perfect_agreement_has_no_interval_and_says_so():
    """Rounding puts the variance of some samples a little below zero."""
    for seed in range(40):
        stages = np.random.default_rng(seed).integers(0, 5, 60)
        found = quadratic_kappa(stages, stages)
        assert (found.value, found.standard_error) == (pytest.approx(1), 0)
        assert "no disagreement" in found.note


@pytest.mark.parametrize("setting", SETTINGS)
def test_obuchowski_measure_is_that_of_r(setting, data, from_r):
    a, b = (obuchowski(data["stage"], data[letter], **SETTINGS[setting]) for letter in "ab")
    assert a.value == pytest.approx(from_r[f"{setting}_a"], rel=1e-10)
    assert b.value == pytest.approx(from_r[f"{setting}_b"], rel=1e-10)
    assert a.standard_error == pytest.approx(from_r[f"{setting}_se_a"], rel=1e-10)
    test = obuchowski_test(data["stage"], data["a"], data["b"], **SETTINGS[setting])
    assert test.statistic == pytest.approx(from_r[f"{setting}_z"], rel=1e-10)
    assert test.pvalue == pytest.approx(2 * stats.norm.sf(abs(from_r[f"{setting}_z"])))
    assert a.low < a.value < a.high


def test_with_two_stages_it_is_delong(data):
    two = data[data["stage"].isin([1, 4])]
    y = two["stage"] == 4
    found = obuchowski(two["stage"], two["a"])
    assert found.value == pytest.approx(auc(y, two["a"]))
    assert found.confidence_interval == pytest.approx(auc_ci(y, two["a"], "logit").confidence_interval)
    test, pair = obuchowski_test(two["stage"], two["a"], two["b"]), delong_test(y, two["a"], two["b"], method="proc")
    assert (test.statistic, test.pvalue) == pytest.approx((pair.statistic, pair.pvalue))
    assert test.confidence_interval == pytest.approx(pair.confidence_interval)


def test_obuchowski_degenerates_in_words(data):
    flawless = obuchowski(data["stage"], data["stage"])
    assert flawless.value == 1
    assert np.isnan(flawless.low)
    assert "no interval" in flawless.note
    assert obuchowski_test(data["stage"], data["a"], 3 * data["a"]).pvalue == 1
    opposite = obuchowski_test(data["stage"], data["stage"], -data["stage"])
    assert np.isnan([opposite.pvalue, *opposite.confidence_interval]).all()
    assert "no test" in opposite.note
    assert "only 9 patients in the smaller stage" in obuchowski(data["stage"], data["a"]).note
    assert "only 9 patients in the smaller stage" in obuchowski_test(data["stage"], data["a"], data["b"]).note
    for stage, message in (
        ([2, 2, 2], "at least two stages"),
        ([0, 0, 1], "stage 1 has one patient"),
        ([0.5], "whole"),
    ):
        with pytest.raises(InferenceError, match=message):
            obuchowski(stage, np.arange(float(len(stage))))
    with pytest.raises(InferenceError, match=r"stage\(s\) \[4\]"):
        obuchowski(data["stage"], data["a"], prevalence={0: 0.25, 1: 0.25, 2: 0.25, 3: 0.25})


def test_kappa_is_that_of_scikit_learn_also_with_an_unused_stage():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 4], size=200)
    called = np.clip(truth + rng.integers(-1, 2, size=200), 0, 4)
    called[called == 3] = 4
    found = quadratic_kappa(truth, called)
    assert found.value == pytest.approx(cohen_kappa_score(truth, called, weights="quadratic", labels=range(5)))
    drawn = [rng.integers(0, 200, 200) for _ in range(400)]
    spread = np.std([cohen_kappa_score(truth[i], called[i], weights="quadratic", labels=range(5)) for i in drawn])
    assert found.standard_error == pytest.approx(spread, rel=0.2)


def test_kappa_degenerates_in_words():
    assert "nothing but disagreement" in quadratic_kappa([1, 2], [2, 1]).note
    same = quadratic_kappa([0, 1, 2], [0, 1, 2])
    assert same.value == 1
    assert np.isnan(same.low)
    assert same.note
    with pytest.raises(InferenceError, match="not defined"):
        quadratic_kappa([1, 1], [1, 1])
    with pytest.raises(InferenceError, match="one entry for each patient"):
        quadratic_kappa([], [])
    with pytest.raises(InferenceError, match="whole numbers"):
        quadratic_kappa([1, 2], [1, 2.5])


@pytest.mark.parametrize(
    ("truth", "called", "word"),
    [
        ([0, 1, 2, 4], [2] * 4, "stage 2 is called for all"),
        ([0, 1, 2, 4], [7] * 4, "stage 7 is called for all"),
        ([3] * 4, [0, 3, 3, 4], "stage 3 is the truth of all"),
    ],
)
def test_one_stage_called_for_all_is_chance_and_no_warning(truth, called, word):
    found = quadratic_kappa(truth, called)
    assert found.value == 0 == cohen_kappa_score(truth, called, weights="quadratic", labels=range(8))
    assert np.isnan([found.low, found.high, found.standard_error]).all()
    assert word in found.note


def test_few_patients_are_named():
    truth = np.arange(60) % 5
    called = np.roll(truth, 20) // 2
    assert "only 17 patients" in quadratic_kappa(truth[:17], called[:17]).note
    assert quadratic_kappa(truth, called).note == ""


def test_the_penalty_may_count_stages_that_the_cohort_lacks(data):
    present = data[data["stage"] < 4]
    stages, score = present["stage"], present["a"]
    own, whole = obuchowski(stages, score), obuchowski(stages, score, scale=range(5))
    # One stage more: every distance is over 4 in place of 3.
    assert 1 - whole.value == pytest.approx((1 - own.value) * 3 / 4)
    assert whole.standard_error == pytest.approx(own.standard_error * 3 / 4)
    assert obuchowski(stages, score, scale=range(4)) == own
    for scale, outside in ((range(3), r"\[3\]"), ([0, 4], r"\[1, 2, 3\]")):
        with pytest.raises(InferenceError, match=f"stages {outside} are not on the scale"):
            obuchowski(stages, score, scale=scale)


def test_prevalences_are_shares_of_all_patients():
    stage = np.repeat(range(3), 4)
    with pytest.raises(ValueError, match=r"prevalence must be shares of all patients; their sum is 1\.4"):
        obuchowski(stage, np.arange(12), prevalence={0: 0.7, 1: 0.4, 2: 0.3})
    part = obuchowski(stage, np.arange(12), prevalence={0: 0.35, 1: 0.2, 2: 0.15})  # another stage has no patient here
    whole = obuchowski(stage, np.arange(12), prevalence={0: 0.5, 1: 2 / 7, 2: 1.5 / 7})
    assert part.value == pytest.approx(whole.value)


def test_a_prevalence_may_be_a_series():
    stage, score = np.arange(20) % 4, np.arange(20) % 7
    shares = pd.Series([0.1, 0.2, 0.3, 0.4], index=[3, 2, 1, 0])
    assert obuchowski(stage, score, prevalence=shares) == obuchowski(stage, score, prevalence=shares.to_dict())


def test_a_measure_below_chance_says_so():
    """Chance by hand: of the pairs (0, 1), (1, 2) half a penalty is lost, of (0, 2) a whole one; half of it all."""
    stage = np.repeat([0, 1, 2], 10)
    rising = stage + np.random.default_rng(0).normal(0, 0.5, 30)
    chance = 1 - 0.5 * (0.5 + 0.5 + 1) / 3
    assert obuchowski(stage, np.zeros(30)).value == pytest.approx(chance)
    assert "chance" not in obuchowski(stage, rising).note + obuchowski(stage, np.zeros(30)).note
    found = obuchowski(stage, -rising)
    assert f"the measure is {found.value:.3f}, below {chance:.3f} by chance" in found.note
    assert "score b is" in obuchowski_test(stage, rising, -rising).note
    assert "score a" not in obuchowski_test(stage, rising, -rising).note
    (note,) = compare_staging(stage, pd.DataFrame({"cnn": rising, "platelets": -rising}))["note"]
    assert "by chance: does it fall with the stage?" in note
