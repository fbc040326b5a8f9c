"""Metrics at an operating point against scikit-learn, closed forms and exact coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from fibrolib.inference import InferenceError, classification_metrics, confusion

KEYS = ["accuracy", "sensitivity", "specificity", "ppv", "npv", "precision_macro", "recall_macro", "f1_macro", "f1"]
KEYS += ["lr_positive", "lr_negative"]


def table_of(tp: int, fn: int, fp: int, tn: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and scores (0 or 1) that give these counts at a threshold of 0.5."""
    return np.repeat([1, 1, 0, 0], (tp, fn, fp, tn)), np.repeat([1.0, 0.0, 1.0, 0.0], (tp, fn, fp, tn))


counts = st.tuples(*[st.integers(0, 12)] * 4).filter(lambda c: c[0] + c[1] > 0 and c[2] + c[3] > 0)


@settings(max_examples=30)
@given(counts)
def test_values_are_those_of_scikit_learn(cells):
    y, score = table_of(*cells)
    found = classification_metrics(y, score, 0.5)
    called = score >= 0.5
    assert list(found) == KEYS
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "accuracy": sk.accuracy_score(y, called),
        "sensitivity": sk.recall_score(y, called),
        "specificity": sk.recall_score(y, called, pos_label=0),
        "precision_macro": sk.precision_score(y, called, **macro),
        "recall_macro": sk.recall_score(y, called, **macro),
        "f1_macro": sk.f1_score(y, called, **macro),
        "f1": sk.f1_score(y, called, zero_division=0),
    }
    assert {key: found[key].value for key in expected} == pytest.approx(expected)


@settings(max_examples=30)
@given(counts, st.sampled_from(["jeffreys", "bootstrap"]))
def test_limits_surround_the_value_and_stay_in_range(cells, method):
    found = classification_metrics(*table_of(*cells), 0.5, method=method, n_resamples=200)
    for key, estimate in found.items():
        if np.isnan(estimate.low):
            assert key in ("lr_positive", "lr_negative", "ppv", "npv")
            continue
        assert 0 <= estimate.low <= estimate.high
        assert estimate.high <= 1 or key.startswith("lr_")
        if method == "jeffreys" and not np.isnan(estimate.value):
            assert estimate.low <= estimate.value <= estimate.high


def test_the_source_study_is_reproduced():
    # 8 of 9 and 5 of 8 right: the only matrix that fits the published figures (evidence).
    found = classification_metrics(*table_of(tp=8, fn=1, fp=3, tn=5), 0.5)
    published = {"accuracy": 0.7647, "precision_macro": 0.7803, "recall_macro": 0.7569, "f1_macro": 0.7571}
    assert {key: found[key].value for key in published} == pytest.approx(published, abs=5e-5)
    assert found["accuracy"].confidence_interval == pytest.approx((0.527, 0.904), abs=5e-4)


def test_balanced_accuracy_limits_follow_the_beta_posteriors():
    tp, fn, fp, tn = 14, 6, 4, 21
    found = classification_metrics(*table_of(tp, fn, fp, tn), 0.5)["recall_macro"]
    rng = np.random.default_rng(0)
    draws = (rng.beta(tp + 0.5, fn + 0.5, 400_000) + rng.beta(tn + 0.5, fp + 0.5, 400_000)) / 2
    assert found.confidence_interval == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=2e-3)


@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.8, 0.8), (0.95, 0.95), (0.6, 0.9)])
def test_jeffreys_limits_of_f1_cover_at_eight_against_nine(sensitivity, specificity):
    """Exact coverage: every possible table of 8 and 9 patients, weighted by its probability."""
    n1, n0 = 8, 9
    cells = (n1 * sensitivity, n1 * (1 - sensitivity), n0 * (1 - specificity), n0 * specificity)
    f1 = [2 * right / (2 * right + cells[1] + cells[2]) for right in (cells[0], cells[3])]
    covered = 0.0
    for tp in range(n1 + 1):
        for tn in range(n0 + 1):
            found = classification_metrics(*table_of(tp, n1 - tp, n0 - tn, tn), 0.5)["f1_macro"]
            weight = stats.binom.pmf(tp, n1, sensitivity) * stats.binom.pmf(tn, n0, specificity)
            covered += weight * (found.low <= np.mean(f1) <= found.high)
    assert covered > 0.92


def test_bootstrap_limits_are_seeded_and_warn_where_they_cannot_know():
    y, score = table_of(14, 6, 4, 21)
    one, two = (classification_metrics(y, score, 0.5, method="bootstrap", seed=3) for _ in range(2))
    assert repr(one) == repr(two)
    assert np.isfinite(one["lr_positive"].low)
    # BCa against scipy on the same resampling scheme.
    theirs = stats.bootstrap(
        (score[y == 1], score[y == 0]),
        lambda a, b, axis=-1: (a.mean(axis) + 1 - b.mean(axis)) / 2,
        method="BCa",
        n_resamples=9999,
        random_state=0,
    ).confidence_interval
    assert one["recall_macro"].confidence_interval == pytest.approx(theirs, abs=0.015)
    flawless = classification_metrics(*table_of(8, 0, 0, 9), 0.5, method="bootstrap", n_resamples=100)["f1_macro"]
    assert "too narrow" in flawless.note


def test_predictive_values_at_another_prevalence_follow_bayes():
    found = classification_metrics(*table_of(45, 5, 10, 40), 0.5, prevalence=0.1)
    assert found["ppv_at_prevalence"].value == pytest.approx(0.1 * 0.9 / (0.1 * 0.9 + 0.9 * 0.2))
    assert found["npv_at_prevalence"].value == pytest.approx(0.9 * 0.8 / (0.9 * 0.8 + 0.1 * 0.1))
    same = classification_metrics(*table_of(45, 5, 10, 40), 0.5, prevalence=0.5)
    assert same["ppv_at_prevalence"].value == pytest.approx(same["ppv"].value)


def test_likelihood_ratios_may_be_infinite():
    found = classification_metrics(*table_of(6, 2, 0, 9), 0.5)["lr_positive"]
    assert np.isinf([found.value, found.high]).all()
    assert np.isfinite(found.low)


def test_threshold_belongs_to_the_positive_side():
    assert confusion([1, 1, 0, 0], [0.5, 0.4, 0.5, 0.6], 0.5) == (1, 1, 2, 0)


@pytest.mark.parametrize(
    ("kwargs", "message"), [({"method": "wald"}, "method"), ({"prevalence": 1.0}, "prevalence"), ({}, "threshold")]
)
def test_wrong_arguments_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(*table_of(3, 3, 3, 3), np.nan if not kwargs else 0.5, **kwargs)


def test_one_class_is_refused():
    with pytest.raises(InferenceError, match="both classes"):
        classification_metrics([1, 1], [0.1, 0.2], 0.5)
