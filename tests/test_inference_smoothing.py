"""The smooth calibration curve against R's and statsmodels' lowess; its band at few patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special
from statsmodels.nonparametric.smoothers_lowess import lowess

from fibrolib.inference import InferenceError, calibration_curve, calibration_curves, wilson

REFERENCE = Path(__file__).parent / "reference"


def at(y, p, points) -> np.ndarray:
    """Curve at any points: two-point curves end there."""
    found = []
    for point in points:
        ends = calibration_curve(y, p, n_points=2001)
        found.append(np.interp(point, ends["predicted"], ends["observed"]))
    return np.array(found)


@pytest.mark.parametrize("name", ["good", "extreme"])
def test_curve_is_that_of_r(name):
    data = pd.read_csv(REFERENCE / "probability_data.csv").query("dataset == @name")
    table = pd.read_csv(REFERENCE / "probability_r.csv").query("dataset == @name").set_index("quantity")["value"]
    points = np.quantile(data["p"], [0.25, 0.5, 0.75], method="inverted_cdf")
    expected = [table[f"lowess_{share:g}"] for share in (0.25, 0.5, 0.75)]
    assert at(data["y"], data["p"], points) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("decimals", [6, 1])
def test_curve_goes_through_the_lowess_of_statsmodels(decimals):
    rng = np.random.default_rng(2)
    p = np.sort(special.expit(rng.normal(size=60)).round(decimals).clip(0.01, 0.99))
    y = (rng.random(60) < p).astype(float)
    ends = calibration_curve(y, p, n_points=2)
    theirs = np.clip(lowess(y, p, frac=2 / 3, it=0, delta=0, return_sorted=False), 0, 1)
    assert ends["observed"].tolist() == pytest.approx(theirs[[0, -1]].tolist(), abs=1e-9)


def test_band_is_wilsons_where_all_neighbours_count_alike():
    y = np.array([0, 1, 1, 0, 1, 1, 1, 0])
    found = calibration_curve(y, np.full(8, 0.4)).iloc[0]
    expected = wilson(5, 8)
    assert (found["observed"], found["low"], found["high"]) == pytest.approx((5 / 8, expected.low, expected.high))
    assert found["n_effective"] == pytest.approx(8)


def test_band_stays_within_zero_and_one_and_has_width_everywhere():
    rng = np.random.default_rng(4)
    for n in (6, 17, 40):
        p = rng.random(n)
        y = p > 0.5
        curve = calibration_curve(y, p)
        assert ((curve["low"] >= 0) & (curve["high"] <= 1)).all()
        assert ((curve["low"] <= curve["observed"]) & (curve["observed"] <= curve["high"])).all()
        assert (curve["high"] - curve["low"] > 0.05).all()
        assert (curve["n_effective"] <= n + 1e-9).all()
        assert "sketch" in curve["note"].iloc[0]
        assert (curve["predicted"].iloc[0], curve["predicted"].iloc[-1]) == (p.min(), p.max())


def test_large_samples_carry_no_warning_and_a_narrow_band():
    rng = np.random.default_rng(0)
    p = rng.random(3000)
    curve = calibration_curve(rng.random(3000) < p, p, n_points=11)
    assert (curve["note"] == "").all()
    assert curve["observed"].tolist() == pytest.approx(curve["predicted"].tolist(), abs=0.05)
    assert (curve["high"] - curve["low"] < 0.12).all()


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="n_points"):
        calibration_curve([0, 1], [0.1, 0.2], n_points=1)
    with pytest.raises(InferenceError, match="probabilities"):
        calibration_curve([0, 1], [0.1, 2])


def test_every_model_gets_its_curve_or_a_note():
    rng = np.random.default_rng(5)
    y = np.arange(30) % 2
    scores = {"one": rng.random(30), "raw": rng.normal(size=30)}
    table = pd.concat(
        pd.DataFrame({"patient_id": np.arange(30), "model": model, "y_true": y, "y_score": score})
        for model, score in scores.items()
    ).assign(split="test", repeat=0)
    found = calibration_curves(table, n_points=5)
    assert found["model"].tolist() == ["one"] * 5 + ["raw"]
    alone = calibration_curve(y, scores["one"], n_points=5)["observed"]
    assert found["observed"].tolist()[:5] == pytest.approx(alone.tolist())
    assert "probabilities" in found["note"].iloc[5]
