"""ROC corners against scikit-learn; the band for plots."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from fibrolib.inference import InferenceError, roc_band, roc_points


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


def test_roc_band_is_a_seeded_table_that_can_be_drawn():
    rng = np.random.default_rng(0)
    y = np.repeat([1, 0], (8, 9))
    score = y + rng.normal(size=17)
    band = roc_band(y, score, n_points=21, n_resamples=200)
    assert band["fpr"].tolist() == pytest.approx(np.linspace(0, 1, 21))
    assert ((band["low"] >= 0) & (band["low"] <= band["tpr"]) & (band["tpr"] <= band["high"])).all()
    assert (band["high"] <= 1).all()
    assert (band["tpr"].diff().dropna() >= 0).all()
    assert band.equals(roc_band(y, score, n_points=21, n_resamples=200))
    assert band["tpr"].iloc[-1] == 1


def test_roc_band_of_a_flawless_score_has_width():
    y = np.repeat([1, 0], (8, 9))
    band = roc_band(y, y.astype(float), n_points=5, n_resamples=50)
    assert (band["tpr"] == 1).all()
    # Wilson's lower limit of 8 of 8; at a false positive rate of 0 there is none.
    assert band["low"].tolist() == pytest.approx([0.0] + [0.6756] * 4, abs=1e-4)


def test_one_class_is_refused():
    with pytest.raises(InferenceError, match="both classes"):
        roc_points([0, 0], [0.1, 0.2])
    with pytest.raises(InferenceError, match="both classes"):
        roc_band([1, 1], [0.1, 0.2])
