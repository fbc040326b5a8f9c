"""ROC corners against scikit-learn, thresholds against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from fibrolib.inference import InferenceError, choose_threshold, roc_points
from fibrolib.inference.roc import THRESHOLD_RULES


@st.composite
def scored(draw):
    n = draw(st.integers(2, 20))
    y = draw(hnp.arrays(bool, n))
    assume(0 < y.sum() < n)
    return y, draw(hnp.arrays(float, n, elements=st.integers(-4, 4).map(float) | st.floats(-1e308, 1e308)))


@given(scored())
def test_roc_corners_are_those_of_scikit_learn(sample):
    y, score = sample
    ours = roc_points(y, score)
    fpr, tpr, thresholds = sk.roc_curve(y, score, drop_intermediate=False)
    assert ours["fpr"].tolist() == pytest.approx(fpr.tolist())
    assert ours["tpr"].tolist() == pytest.approx(tpr.tolist())
    assert ours["threshold"].tolist() == thresholds.tolist()


def test_one_class_is_refused():
    with pytest.raises(InferenceError, match="both classes"):
        roc_points([0, 0], [0.1, 0.2])


def rates(y: np.ndarray, score: np.ndarray, threshold: float) -> tuple[float, float]:
    called = score >= threshold
    return called[y].mean(), 1 - called[~y].mean()


@given(scored(), st.sampled_from(THRESHOLD_RULES), st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_thresholds_are_the_best_there_are(sample, rule, target):
    y, score = sample
    threshold = choose_threshold(y, score, rule, target=target)
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
