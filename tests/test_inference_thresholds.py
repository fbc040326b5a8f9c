"""Operating points against brute force, R's definition by hand, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats

from fibrolib.inference import (
    InferenceError,
    choose_threshold,
    classification_metrics,
    confusion,
    coords,
    sensitivity_at_specificity,
    wilson,
)

RULES = ("youden", "sensitivity", "specificity")


@st.composite
def scored(draw):
    n = draw(st.integers(2, 20))
    y = draw(hnp.arrays(bool, n))
    assume(0 < y.sum() < n)
    return y, draw(hnp.arrays(float, n, elements=st.integers(-4, 4).map(float) | st.floats(-1e308, 1e308)))


def rates(y: np.ndarray, score: np.ndarray, threshold: float) -> tuple[float, float]:
    called = score >= threshold
    return called[y].mean(), 1 - called[~y].mean()


@given(scored(), st.sampled_from(RULES), st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_thresholds_are_the_best_there_are(sample, rule, target):
    y, score = sample
    threshold = choose_threshold(y, score, rule, target=None if rule == "youden" else target)
    assert np.isfinite(threshold)
    sensitivity, specificity = rates(y, score, threshold)
    everything = [rates(y, score, t) for t in (*score, np.inf)]
    if rule == "youden":
        assert sensitivity + specificity == pytest.approx(max(map(sum, everything)))
    elif rule == "sensitivity":
        assert sensitivity >= target
        assert specificity == pytest.approx(max(sp for se, sp in everything if se >= target))
    else:
        assert specificity >= target
        assert sensitivity == pytest.approx(max(se for se, sp in everything if sp >= target))


def test_threshold_lies_halfway():
    assert choose_threshold([0, 0, 1, 1], [1.0, 2.0, 4.0, 5.0]) == 3.0
    near = np.nextafter(0.1, 1)
    assert choose_threshold([0, 1], [0.1, near]) == near


def test_threshold_arguments_are_checked():
    with pytest.raises(ValueError, match="rule"):
        choose_threshold([0, 1], [0, 1], "best")
    with pytest.raises(ValueError, match="target"):
        choose_threshold([0, 1], [0, 1], "sensitivity", target=90)


def test_one_class_has_no_threshold():
    with pytest.raises(InferenceError, match="both classes"):
        choose_threshold([0, 0], [0.1, 0.2])


Y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
SCORE = np.array([9.0, 8, 7, 3, 6, 5, 4, 2, 1, 0])


def test_coordinates_by_hand():
    # At 6.5 three of four cases are above and all six controls below.
    best = coords(Y, SCORE).iloc[0]
    assert (best["threshold"], best["sensitivity"], best["specificity"]) == (6.5, 0.75, 1)
    assert (best["ppv"], best["npv"]) == (1, 6 / 7)
    assert (best["npv_low"], best["npv_high"]) == pytest.approx(wilson(6, 7).confidence_interval)
    assert best["note"].startswith("threshold chosen on these patients; only 4 patients")
    given = coords(Y, SCORE, threshold=[2.5, 4.5])
    assert given["sensitivity"].tolist() == [1, 0.75]
    assert given["specificity"].tolist() == [3 / 6, 4 / 6]
    assert coords(Y, SCORE, sensitivity=[0.9, 0.7])["threshold"].tolist() == [2.5, 6.5]
    assert coords(Y, SCORE, specificity=0.5)["threshold"].tolist() == [2.5]
    # Bayes: 0.1 * 1 / (0.1 * 1 + 0.9 * 0.5).
    assert coords(Y, SCORE, threshold=2.5, prevalence=0.1)["ppv"].iloc[0] == pytest.approx(0.1 / 0.55)
    with pytest.raises(ValueError, match="one of threshold, specificity"):
        coords(Y, SCORE, threshold=1, specificity=0.9)
    with pytest.raises(ValueError, match="divide by 100"):
        coords(Y, SCORE, specificity=90)


def test_sensitivity_at_a_specificity_without_chance_of_the_threshold_is_jeffreys():
    # Controls that all lie far below every case: wherever the threshold is, the count is the same.
    y, score = np.repeat([1, 0], (10, 400)), np.concatenate((np.arange(10) + 1000.0, np.arange(400)))
    found = sensitivity_at_specificity(y, score, 0.9)
    assert found.value == found.high == 1
    assert found.low == pytest.approx(stats.beta.ppf(0.025, 10.5, 0.5))
    assert "too few to place the threshold" in sensitivity_at_specificity(y[:20], score[:20], 0.95).note


@pytest.mark.parametrize(("m", "n", "share"), [(10, 50, 0.9), (50, 20, 0.8), (8, 9, 0.8)])
def test_sensitivity_at_a_specificity_covers(m, n, share):
    rng, y = np.random.default_rng(m), np.repeat([1, 0], (m, n))
    truth = special.ndtr(1.2 - special.ndtri(share))
    found = [sensitivity_at_specificity(y, 1.2 * y + rng.normal(size=m + n), share) for _ in range(300)]
    # 300 draws at a true coverage of 0.95 stay above 0.91 with probability 0.998.
    assert np.mean([each.low <= truth <= each.high for each in found]) > 0.91
    assert found[0].low <= found[0].value <= found[0].high


def test_the_best_point_can_be_named_as_in_proc():
    y, score = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert coords(y, score, threshold="best").equals(coords(y, score))
    with pytest.raises(ValueError, match="threshold must be a number; it is the text 'Best'"):
        coords(y, score, threshold="Best")
    with pytest.raises(ValueError, match="give one of threshold, sensitivity"):
        coords(y, score, threshold="best", sensitivity=0.9)


def test_a_threshold_in_per_cent_is_noticed_beside_probabilities():
    y, score = [0, 0, 1, 0, 1, 1], np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    for call in (confusion, classification_metrics):
        with pytest.raises(InferenceError, match=r"threshold is 50, and scores lie between 0\.1 and 0\.6: give"):
            call(y, score, 50)
    with pytest.raises(InferenceError, match="threshold is 50"):
        coords(y, score, threshold=[0.5, 50])
    assert confusion(y, score, np.inf) == (0, 3, 0, 3)
    assert confusion(y, 10 * score, 50) == (0, 3, 0, 3)
    assert confusion(y, [0, 1, 0, 1, 1, 1], 5) == (0, 3, 0, 3)  # criteria that were counted


def test_no_threshold_of_a_falling_score_is_better_than_chance():
    y, score = np.repeat([0, 1], 20), np.r_[np.arange(20) + 15, np.arange(20)]
    assert "where none is better than chance" in coords(y, score)["note"].iloc[0]
    assert "chance" not in coords(y, -score)["note"].iloc[0]
