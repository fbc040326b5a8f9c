"""Kappa against scikit-learn, McNemar by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from fibrolib.inference import InferenceError, mcnemar_test, quadratic_kappa


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
    same = quadratic_kappa([0, 1, 2], [0, 1, 2])
    assert same.value == 1
    assert np.isnan(same.low)
    assert same.note
    with pytest.raises(InferenceError, match="not defined"):
        quadratic_kappa([1, 1], [1, 1])
    with pytest.raises(InferenceError, match="whole numbers"):
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


def test_mcnemar_is_exact():
    y = np.ones(17, dtype=int)
    a, b = np.repeat([1, 1, 0, 0], (9, 5, 1, 2)), np.repeat([1, 0, 1, 0], (9, 5, 1, 2))
    found = mcnemar_test(y, a, b)
    assert (found.note, found.n) == ("5 and 1 right alone", 17)
    # 2 * P(X <= 1) of a binomial (6, 1/2) = 14 / 64.
    assert found.pvalue == pytest.approx(14 / 64)
    assert found.difference == pytest.approx(found.value_a - found.value_b)
    # Bonett & Price by hand: p = 6/19, q = 2/19.
    half = stats.norm.ppf(0.975) * np.sqrt((8 / 19 - (4 / 19) ** 2) / 19)
    assert found.confidence_interval == pytest.approx((4 / 19 - half, 4 / 19 + half))
    assert mcnemar_test(y, a, a).pvalue == 1
    with pytest.raises(InferenceError, match="17 patients but 17 and 3 calls"):
        mcnemar_test(y, a, [1, 0, 1])
