"""Metrics at an operating point against scikit-learn and R's dcurves, by hand, and by exact coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import metrics as sk

from fibrolib.inference import InferenceError, classification_metrics, confusion, decision_curves
from fibrolib.inference.metrics import _decision_curve

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


@pytest.mark.parametrize(
    ("threshold", "name", "side"), [(2, "lr_positive", "positive"), (-1, "lr_negative", "negative")]
)
def test_a_ratio_without_calls_says_so(threshold, name, side):
    found = classification_metrics([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], threshold)
    assert np.isnan(found[name].value)
    assert f"nobody is called {side}: 0/0" in found[name].note
    assert "nobody" not in found["f1"].note


def test_predictive_values_of_calls_that_nobody_got_are_not_defined():
    found = classification_metrics(*table_of(0, 8, 0, 9), 0.5, prevalence=0.1)
    assert np.isnan([found["ppv_at_prevalence"].value, found["ppv"].value]).all()
    assert found["npv_at_prevalence"].value == pytest.approx(0.9)
    assert found["precision_macro"].value == pytest.approx(9 / 17 / 2)  # scikit-learn's 0


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


REFERENCE = Path(__file__).parent / "reference"


@pytest.mark.parametrize("source", ["probability_r.csv", "decision_dcurves.csv"])
@pytest.mark.parametrize("prevalence", [None, 0.2])
@pytest.mark.parametrize("name", ["small", "good", "extreme", "ties"])
def test_net_benefit_is_that_of_dcurves(name, prevalence, source):
    """dcurves in R, and in Python (tests/reference/README.md)."""
    data = pd.read_csv(REFERENCE / "probability_data.csv").query("dataset == @name")
    table = pd.read_csv(REFERENCE / source).query("dataset == @name").set_index("quantity")["value"]
    label = "sample" if prevalence is None else f"{prevalence:g}"
    # As R's seq() counts: some of these decimals are not the nearest doubles.
    cuts = 0.05 + 0.05 * np.arange(19)
    found = _decision_curve(data["y"], data["p"], thresholds=cuts, prevalence=prevalence)
    for row, cut in zip(found.itertuples(), cuts, strict=True):
        assert row.net_benefit == pytest.approx(table[f"nb_p_{label}_{cut:.2f}"], abs=1e-12)
        assert row.treat_all == pytest.approx(table[f"nb_all_{label}_{cut:.2f}"], abs=1e-12)
        assert row.avoided == pytest.approx(table[f"avoided_{label}_{cut:.2f}"], abs=1e-10)


def test_net_benefit_by_hand():
    # At 0.2 one needed treatment is worth four needless ones: (3 - 2 / 4) / 10.
    y = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    p = [0.9, 0.3, 0.2, 0.1, 0.6, 0.25, 0.1, 0.1, 0.0, 0.19]
    found = _decision_curve(y, p, thresholds=[0.2]).iloc[0]
    assert found["net_benefit"] == pytest.approx((3 - 2 / 4) / 10)
    assert found["treat_all"] == pytest.approx((4 - 6 / 4) / 10)
    assert found["low"] < found["net_benefit"] < found["high"]
    assert found["n"] == 10
    assert "only 4 patients" in found["note"]


def test_a_model_that_treats_all_or_none_is_worth_what_that_is_worth():
    y = np.repeat([1, 0], (6, 10))
    everybody = _decision_curve(y, np.ones(16))
    assert everybody["net_benefit"].tolist() == pytest.approx(everybody["treat_all"].tolist())
    assert _decision_curve(y, np.zeros(16))["net_benefit"].abs().max() == 0


@pytest.mark.parametrize("cut", [0.2, 0.5])
def test_limits_cover_at_eight_against_nine(cut):
    """Exact coverage: every possible table of 8 and 9 patients, weighted by its probability."""
    m, n, sensitivity, specificity = 8, 9, 0.8, 0.75
    truth = m / (m + n) * sensitivity - n / (m + n) * (1 - specificity) * cut / (1 - cut)
    covered = 0.0
    for tp in range(m + 1):
        for tn in range(n + 1):
            p = np.repeat([0.9, 0.1, 0.9, 0.1], (tp, m - tp, n - tn, tn))
            found = _decision_curve(np.repeat([1, 0], (m, n)), p, thresholds=[cut]).iloc[0]
            weight = stats.binom.pmf(tp, m, sensitivity) * stats.binom.pmf(tn, n, specificity)
            covered += weight * (found["low"] <= truth <= found["high"])
    assert covered > 0.92


def test_every_model_gets_its_curve():
    rng = np.random.default_rng(5)
    y = np.arange(30) % 2
    scores = {"one": rng.random(30), "raw": rng.normal(size=30)}
    table = pd.concat(
        pd.DataFrame({"patient_id": np.arange(30), "model": model, "y_true": y, "y_score": score})
        for model, score in scores.items()
    ).assign(split="test", repeat=0)
    found = decision_curves(table, thresholds=[0.3, 0.6])
    assert found["model"].tolist() == ["one", "one", "raw"]
    assert (
        found.loc[:1, "net_benefit"].tolist()
        == _decision_curve(y, scores["one"], thresholds=[0.3, 0.6])["net_benefit"].tolist()
    )
    assert "probabilities" in found.loc[2, "note"]


@pytest.mark.parametrize("thresholds", [[0], [1], [], [np.nan]])
def test_thresholds_are_probabilities(thresholds):
    with pytest.raises(ValueError, match="thresholds"):
        _decision_curve([0, 1], [0.1, 0.9], thresholds=thresholds)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="prevalence"):
        _decision_curve([0, 1], [0.1, 0.9], prevalence=20)
    with pytest.raises(InferenceError, match="probabilities"):
        _decision_curve([0, 1], [1, 9])
    with pytest.raises(InferenceError, match="both classes"):
        _decision_curve([1, 1], [0.1, 0.9])


def test_patients_of_one_class_leave_a_note_and_no_numbers():
    table = pd.DataFrame({"patient_id": ["a", "b"], "model": "one", "y_true": 1, "y_score": [0.2, 0.7]})
    found = decision_curves(table.assign(split="test", repeat=0))
    assert found["net_benefit"].isna().all()
    assert "both classes" in found["note"].iloc[0]


# What was found: with the prevalence taken as known the band covers .19 to .45 at low thresholds.
@pytest.mark.parametrize(("n", "prevalence"), [(17, 0.5), (60, 0.2)])
def test_band_that_includes_prevalence_covers_the_population(n, prevalence):
    rng, cuts, gap = np.random.default_rng(n), np.array([0.1, 0.3, 0.6]), 1.5

    def probability(score: np.ndarray) -> np.ndarray:
        return special.expit(special.logit(prevalence) + gap * score - gap**2 / 2)

    # Scores at each cut, from Bayes' rule, and the true rates above them.
    scores = (special.logit(cuts) - special.logit(prevalence) + gap**2 / 2) / gap
    truth = prevalence * special.ndtr(gap - scores) - (1 - prevalence) * special.ndtr(-scores) * cuts / (1 - cuts)
    covered, draws = np.zeros((2, 3)), 0
    while draws < 300:
        y = rng.random(n) < prevalence
        if not 0 < y.sum() < n:
            continue
        p, draws = probability(rng.normal(size=n) + gap * y), draws + 1
        for row, include in zip(covered, (False, True), strict=True):
            band = _decision_curve(y, p, thresholds=cuts, include_prevalence=include)
            row += (band["low"] <= truth) & (truth <= band["high"])
    # 300 draws at a true coverage of 0.95 stay above 0.91 with probability 0.998.
    assert (covered[1] / 300 > 0.91).all()
    assert covered[0, 0] / 300 < 0.7


def test_a_given_prevalence_is_known():
    with pytest.raises(ValueError, match="include_prevalence"):
        _decision_curve([0, 1], [0.2, 0.8], prevalence=0.3, include_prevalence=True)
