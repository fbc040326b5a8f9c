"""ROC corners against scikit-learn."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from fibrolib.inference import InferenceError, roc_points


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
