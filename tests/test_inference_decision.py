"""Decision curves against R's dcurves, by hand, and their limits by exact coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fibrolib.inference import InferenceError, decision_curves
from fibrolib.inference.metrics import _decision_curve

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
