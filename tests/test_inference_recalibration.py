"""Logistic recalibration against statsmodels' GLM, which fits the same by another algorithm."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special
from scipy.special import expit, logit

from fibrolib.inference import InferenceError, auc, calibration_metrics, fit_recalibration, log_odds, recalibrated


@pytest.mark.parametrize("probability", [[20, 80], [-0.1], np.ma.array([0.2, 7], mask=[0, 0])])
def test_only_probabilities_have_log_odds(probability):
    for call in (lambda: log_odds(probability), lambda: recalibrated(probability, 0, 1)):
        with pytest.raises(InferenceError, match="must hold probabilities between 0 and 1"):
            call()


def test_a_hidden_probability_is_missing():
    hidden = np.ma.array([0.2, 0.9], mask=[0, 1])
    assert recalibrated(hidden, 0, 1) == pytest.approx([0.2, np.nan], nan_ok=True)


@pytest.fixture(scope="module")
def sample():
    random = np.random.default_rng(1)
    truth = random.random(150) < 0.35
    return truth.astype(int), expit(0.8 + 2.0 * (truth - 0.5) + random.normal(0, 2.0, 150))


def test_intercept_and_slope_are_those_of_a_glm(sample):
    truth, probability = sample
    reference = sm.GLM(truth, sm.add_constant(logit(probability)), family=sm.families.Binomial()).fit(tol=1e-12)
    assert fit_recalibration(truth, probability) == pytest.approx(tuple(reference.params), abs=1e-6)


def test_the_intercept_alone_is_that_of_a_glm_with_an_offset(sample):
    truth, probability = sample
    model = sm.GLM(truth, np.ones(150), family=sm.families.Binomial(), offset=logit(probability))
    assert fit_recalibration(truth, probability, slope=False) == (pytest.approx(model.fit().params[0], abs=1e-6), 1.0)


def test_where_it_was_fitted_the_result_is_calibrated_and_ranks_as_before(sample):
    truth, probability = sample
    moved = recalibrated(probability, *fit_recalibration(truth, probability))
    found = calibration_metrics(truth, moved, n_resamples=100)
    assert found["intercept"].value == pytest.approx(0, abs=1e-6)
    assert found["slope"].value == pytest.approx(1, abs=1e-6)
    assert auc(truth, moved) == auc(truth, probability)


@pytest.mark.parametrize("slope", [True, False])
def test_certain_probabilities_fit_nothing(sample, slope):
    """They have no log odds; `calibration_metrics` leaves them out, too."""
    truth, probability = sample
    certain = np.concatenate((truth, [0, 1, 1])), np.concatenate((probability, [1, 0, 1]))
    assert fit_recalibration(*certain, slope=slope) == fit_recalibration(truth, probability, slope=slope)
    with pytest.raises(InferenceError, match="y_true where the probability is not 0 or 1 holds 2 patients with and 0"):
        fit_recalibration([0, 0, 1, 1], [0.0, 1.0, 0.4, 0.6])


def test_certain_and_missing_probabilities_stay_what_they_are():
    moved = recalibrated([0.0, 1.0, np.nan, 0.5], 0.0, 1.0)
    assert moved[:2] == pytest.approx([0, 1], abs=1e-5)
    assert np.isnan(moved[2])
    assert moved[3] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("truth", "probability", "words"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.7], "separate the classes"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.6, 0.7], "separate the classes"),
        ([0, 1, 0, 1], [0.4, 0.4, 0.4, 0.4], "all probabilities are alike"),
        ([1, 0, 1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.6, 0.7], "the wrong way round"),
        ([1, 1, 1], [0.2, 0.4, 0.6], "class|negative|both"),
        ([0, 0, 1, 1], [0, 1, 0, 1], "y_prob holds nothing but 0 and 1"),
    ],
)
def test_what_cannot_be_recalibrated_is_refused(truth, probability, words):
    with pytest.raises(InferenceError, match=words):
        fit_recalibration(truth, probability)


def test_log_odds_of_very_small_probabilities_are_their_own():
    """Expected: ``glm(y ~ qlogis(p), binomial)`` of R 4.2."""
    rng = np.random.default_rng(1)
    p = special.expit(np.r_[rng.normal(-20, 4, 60), rng.normal(-15, 4, 60)])
    y = np.repeat([0, 1], 60)
    assert fit_recalibration(y, p) == pytest.approx((7.608, 0.4310), abs=1e-3)
    assert auc(y, recalibrated(p, 0, 1)) == auc(y, p)


def test_log_odds_of_a_probability_do_not_hang_on_the_others():
    values = [0, 1e-300, 1e-9, 1e-8, 0.5, 1, np.nan]
    found = log_odds(values)
    np.testing.assert_array_equal(found, [log_odds(value) for value in values])
    assert found[0] == found[1] == found[2] == pytest.approx(np.log(1e-9))
    assert found[3:5].tolist() == pytest.approx([np.log(1e-8), 0])
    assert found[5] == pytest.approx(-np.log(1e-9))


def test_recalibrated_probabilities_of_0_and_1_stay():
    for slope in (2.0, 0.0, -1.0):
        moved = recalibrated([0, 0.5, 1, np.nan], 0.0, slope)
        np.testing.assert_allclose(moved[:3], {2.0: [0, 0.5, 1], 0.0: [0.5] * 3, -1.0: [1, 0.5, 0]}[slope])
        assert np.isnan(moved[3])
