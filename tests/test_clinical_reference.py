"""An imperfect reference: closed forms, and simulation with a known truth."""

import numpy as np
import pandas as pd
import pytest

from fibrolib.clinical import attainable_auc, corrected_auc, staging_error
from fibrolib.inference import InferenceError, auc

SHARES = (0.15, 0.25, 0.2, 0.2, 0.2)


def biopsied(n, rate, seed, strength=1.0):
    """True stages, found stages, scores."""
    rng, matrix = np.random.default_rng(seed), staging_error(5, rate)
    true = rng.choice(5, n, p=SHARES)
    found = (np.cumsum(matrix, axis=1)[true] < rng.random(n)[:, None]).sum(axis=1)
    return true, found, strength * true + rng.normal(size=n)


def test_matrix_by_hand():
    np.testing.assert_allclose(staging_error(3, 0.2, too_low=0.75), [[0.8, 0.2, 0], [0.15, 0.8, 0.05], [0, 0.2, 0.8]])
    np.testing.assert_array_equal(staging_error(5, 0.0), np.eye(5))


def test_two_stages_have_a_closed_form():
    # A reader of the truth: AUC = (PPV + NPV) / 2 of the reference. Prevalence 0.3, error 0.2 either way:
    # PPV = 0.24 / 0.38, NPV = 0.56 / 0.62.
    assert attainable_auc([0.7, 0.3], staging_error(2, 0.2), 1) == pytest.approx((0.24 / 0.38 + 0.56 / 0.62) / 2)


def test_a_perfect_reader_is_as_simulated():
    true, found, _ = biopsied(200_000, 0.25, 0)
    for cutoff in (1, 2, 3, 4):
        exact = attainable_auc(SHARES, staging_error(5, 0.25), cutoff)
        assert auc(found >= cutoff, true) == pytest.approx(exact, abs=0.003)
    assert attainable_auc(SHARES, staging_error(5, 0.0), 2) == 1


def test_correction_finds_the_auc_against_the_truth():
    true, found, score = biopsied(4000, 0.25, 1)
    right, observed = auc(true >= 2, score), auc(found >= 2, score)
    estimate = corrected_auc(found, score, staging_error(5, 0.25), 2, n_resamples=300)
    assert observed < right - 0.02
    assert estimate.value == pytest.approx(right, abs=0.015)
    assert estimate.low < right < estimate.high


def test_without_error_nothing_is_corrected():
    _, found, score = biopsied(200, 0.25, 2)
    estimate = corrected_auc(found, score, np.eye(5), 2, n_resamples=100)
    assert estimate.value == pytest.approx(auc(found >= 2, score))


def test_without_a_variance_there_is_no_interval():
    estimate = corrected_auc([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], np.eye(2), 1)
    assert estimate.value == 1
    assert np.isnan(estimate.confidence_interval).all()
    assert "no interval" in estimate.note


def test_labels_that_do_not_rise_are_refused():
    """`value_counts()` goes from the most frequent stage to the rarest, and labels of rows may be turned round."""
    error, shares = staging_error(3, 0.3), pd.Series([1, 0, 0, 0, 2, 2]).value_counts()
    assert attainable_auc(shares.sort_index(), error, 1) == attainable_auc([3, 1, 2], error, 1)
    for labels in (shares, shares.sort_index().set_axis([1, 2, 3]), shares.sort_index().set_axis([0, 0, 1])):
        with pytest.raises(InferenceError, match="the shares of the distribution must be of the stages from 0 on"):
            attainable_auc(labels, error, 1)
    words = pd.Series([3, 1, 2], index=["none", "mild", "severe"])  # whose order is that in which they are given
    assert attainable_auc(words, error, 1) == attainable_auc([3, 1, 2], error, 1)
    table = pd.DataFrame(error)
    for turned, what in ((table[::-1], "rows"), (table[[2, 1, 0]], "columns")):
        for call in (lambda e: attainable_auc([3, 1, 2], e, 1), lambda e: corrected_auc([0, 1, 2] * 2, range(6), e, 1)):
            with pytest.raises(InferenceError, match=f"the {what} of the error must be of the stages"):
                call(turned)


def test_an_auc_above_one_says_what_does_not_fit():
    stage = np.repeat([0, 1], 30)
    estimate = corrected_auc(stage, stage + np.linspace(0, 0.9, 60), staging_error(2, 0.2), 1, n_resamples=100)
    assert estimate.value > 1
    assert "above 1: the error" in estimate.note
    few = corrected_auc([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], np.eye(2), 1, n_resamples=100)
    assert "only 3 patients in the smaller class" in few.note


def test_an_error_too_large_for_the_patients_is_refused():
    stage = np.repeat([0, 1, 2, 3, 4], [30, 1, 30, 30, 30])
    with pytest.raises(InferenceError, match="stage 1 was found in fewer patients"):
        corrected_auc(stage, stage.astype(float), staging_error(5, 0.25), 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0.1, np.nan], np.eye(2), 1), "1 of 2 scores is missing"),
        (([0, 5], [0.1, 0.2], np.eye(2), 1), "stage 5 was found"),
        (([0, 1], [0.1, 0.2], np.ones((2, 2)), 1), "each row with the sum 1"),
        (([0, 1], [0.1, 0.2], 0.25, 1), "square matrix"),
        (([0, 1], [0.1, 0.2], np.zeros((0, 0)), 1), "square matrix"),
        (([], [], np.eye(2), 1), "one entry for each patient"),
        ((["F0", "F1"], [0.1, 0.2], np.eye(2), 1), "stage must hold numbers only"),
        (([0, 1], np.ma.array([0.1, 0.2], mask=[0, 1]), np.eye(2), 1), "1 of 2 scores is missing"),
        (([0, 1], [0.1, 0.2], staging_error(2, 0.5), 1), "cannot be inverted"),
        (([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], staging_error(2, 0.8), 1), "no more often in those who have it"),
        ((pd.Series([0, 1]), pd.Series([0.1, 0.2])[::-1], np.eye(2), 1), "same patients in another order"),
    ],
)
def test_arguments_must_fit(arguments, message):
    with pytest.raises(InferenceError, match=message):
        corrected_auc(*arguments)
    with pytest.raises(InferenceError, match="one class only"):
        attainable_auc([1, 0], np.eye(2), 1)
    with pytest.raises(InferenceError, match="the error is of 2 stages"):
        attainable_auc([1, 0, 0], np.eye(2), 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: staging_error(5, 25), r"25 % is 0\.25"),
        (lambda: staging_error(5, 0.2, too_low=50), r"too_low must .* 50 % is 0\.5"),
        (lambda: staging_error(2.5, 0.2), "n_stages must be a whole number"),
        (lambda: attainable_auc([0.5, 0.5], np.eye(2), "1"), "cutoff must be .* the text '1'"),
        (lambda: corrected_auc([0, 1], [1, 2], np.eye(2), 1, confidence_level=95), r"95 % is 0\.95"),
        (lambda: corrected_auc([0, 1], [1, 2], np.eye(2), 1, n_resamples=1), "n_resamples must be"),
        (lambda: corrected_auc([0, 1], [1, 2], np.eye(2), 0.5), "cutoff must be a whole number"),
    ],
)
def test_settings_that_nobody_can_mean(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_stages_may_be_counted_in_floats():
    np.testing.assert_array_equal(staging_error(5.0, 0.25), staging_error(5, 0.25))


def test_a_distribution_may_name_its_stages():
    error = staging_error(3, 0.25)
    assert attainable_auc({0: 50, 1: 30, 2: 20}, error, 1) == attainable_auc([0.5, 0.3, 0.2], error, 1)
    with pytest.raises(InferenceError, match="of the stages from 0 on, one after the other; they are of 1, 0, 2"):
        attainable_auc({1: 30, 0: 50, 2: 20}, error, 1)
