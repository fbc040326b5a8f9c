"""Power and sample size against pROC and simulation; coverage by hand, and as documented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fibrolib.inference import wilson
from fibrolib.inference.appraisal import (
    auc_coverage,
    auc_power,
    auc_sample_size,
    comparison_power,
    comparison_sample_size,
    metric_coverage,
    power_curve,
    proportion_coverage,
)
from fibrolib.inference.appraisal.design import _binormal_covariance, _binormal_variance

REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="module")
def from_r() -> pd.Series:
    """What R found (tests/reference/staging.R)."""
    return pd.read_csv(REFERENCE / "staging_r.csv", index_col="quantity")["value"]


@pytest.mark.parametrize("auc_a", [0.847, 0.65])
@pytest.mark.parametrize("correlation", [0, 0.5, 0.8])
@pytest.mark.parametrize("ratio", [0.5, 1, 2])
def test_power_is_that_of_proc(auc_a, correlation, ratio, from_r):
    label = f"{auc_a:g}_{correlation:g}_{ratio:g}"
    assert _binormal_variance(auc_a, ratio) == pytest.approx(from_r[f"var_{label}"], rel=1e-10)
    assert _binormal_covariance(auc_a, 0.753, correlation, ratio) == pytest.approx(from_r[f"cov_{label}"], rel=1e-10)
    found = comparison_power(auc_a, 0.753, 60, 60 * ratio, correlation=correlation)
    assert found == pytest.approx(from_r[f"power_{label}"], rel=1e-10)
    cases = comparison_sample_size(auc_a, 0.753, correlation=correlation, ratio=ratio)
    assert cases == (np.ceil(from_r[f"cases_{label}"]), np.ceil(ratio * from_r[f"cases_{label}"]))


@pytest.mark.parametrize("area", [0.6, 0.847])
def test_power_of_one_area_is_that_of_proc(area, from_r):
    # pROC rounds two constants of the formula (0.0099 and 1.414): half a per cent.
    assert auc_power(area, 30, 45) == pytest.approx(from_r[f"one_power_{area:g}"], rel=0.005)
    cases, controls = auc_sample_size(area, power=0.9, ratio=1.5)
    assert cases == pytest.approx(from_r[f"one_cases_{area:g}"], abs=1, rel=0.01)
    assert controls == pytest.approx(1.5 * cases, abs=1.5)


def test_simulated_power_agrees_with_the_closed_form():
    closed = comparison_power(0.85, 0.75, 100, 100, correlation=0.5)
    assert comparison_power(0.85, 0.75, 100, 100, correlation=0.5, draws=400) == pytest.approx(closed, abs=0.07)
    assert comparison_power(0.85, 0.75, 20, 20, draws=20, seed=3) == comparison_power(
        0.85, 0.75, 20, 20, draws=20, seed=3
    )


def test_simulated_power_of_one_area_agrees_with_the_closed_form():
    closed = auc_power(0.7, 40, 40)
    assert auc_power(0.7, 40, 40, draws=400) == pytest.approx(closed, abs=0.07)
    # Without any effect the power is the type I error.
    assert auc_power(0.5, 40, 40, draws=400) == pytest.approx(0.05, abs=0.03)


def test_the_source_study_had_hardly_any_power():
    # About 9 % for 0.847 against 0.753 at 8 and 9 patients (evidence); the standard error of 400 draws is 0.015.
    assert comparison_power(0.847, 0.753, 8, 9, draws=400) == pytest.approx(0.09, abs=0.05)


def test_simulated_curve_is_made_of_simulated_powers():
    curve = power_curve(0.9, 0.7, [17, 60], draws=30)
    assert curve["n"].tolist() == [17, 60]
    assert curve["power"].tolist() == [
        comparison_power(0.9, 0.7, 8, 9, draws=30),
        comparison_power(0.9, 0.7, 30, 30, draws=30),
    ]


def test_power_curves_rise():
    curve = power_curve(0.847, 0.753, [17, 50, 200, 400])
    assert (curve["power"].diff().dropna() > 0).all()
    assert curve.loc[2, "power"] == comparison_power(0.847, 0.753, 100, 100)


def test_impossible_plans_are_refused():
    with pytest.raises(ValueError, match="difference of zero"):
        comparison_sample_size(0.8, 0.8)
    with pytest.raises(ValueError, match="true area"):
        auc_power(1.0, 10, 10)


def test_coverage_of_a_proportion_is_counted_exactly():
    truth = 0.8
    found = proportion_coverage(17, [truth], methods=["wilson"])["coverage"].iloc[0]
    expected = sum(stats.binom.pmf(k, 17, truth) for k in range(18) if wilson(k, 17).low <= truth <= wilson(k, 17).high)
    assert found == pytest.approx(expected)


def test_the_textbook_interval_fails_where_accuracy_is_high_and_wilsons_does_not():
    table = proportion_coverage(17, np.linspace(0.7, 0.95, 26)).set_index("method")["coverage"]
    assert table["normal"].min() < 0.7
    assert table["wilson"].min() > 0.9


@pytest.mark.parametrize("auc", [0.75, 0.85])
def test_default_interval_of_the_area_covers_and_the_plain_one_does_not(auc):
    found = auc_coverage(auc, 8, 9, methods=("delong", "logit"), draws=300, seed=int(100 * auc)).set_index("method")
    # 300 draws at a true coverage of 0.95 stay above 0.91 with probability 0.998.
    assert found.loc["logit", "coverage"] > 0.91
    assert found.loc["delong", "coverage"] < found.loc["logit", "coverage"]
    assert found["least"].min() >= 0
    assert found["most"].max() <= 1
    assert found.loc["delong", "at_end"] > found.loc["logit", "at_end"]


def test_unequal_spread_is_drawn_with_the_area_asked_for():
    # Without noise from small samples the mean of the estimates is the truth.
    found = auc_coverage(0.8, 60, 60, methods=("logit",), spread=2.0, draws=150).iloc[0]
    assert found["coverage"] > 0.88


def test_coverage_of_composite_metrics_is_exact():
    found = metric_coverage("recall_macro", 4, 5, 0.8, 0.7, methods=("jeffreys",))
    assert found["truth"].iloc[0] == pytest.approx(0.75)
    assert 0.85 < found["coverage"].iloc[0] <= 1
    both = metric_coverage("f1_macro", 8, 9, 0.9, 0.9, n_resamples=300).set_index("method")["coverage"]
    assert both["jeffreys"] > 0.92 > both["bootstrap"]
