"""Calibration against R (rms::val.prob, glm, lowess), and where a small sample leaves nothing to estimate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from statsmodels.nonparametric.smoothers_lowess import lowess

from fibrolib.inference import (
    InferenceError,
    calibration_curve,
    calibration_curves,
    calibration_metrics,
    summarise_calibration,
    wilson,
)
from fibrolib.inference.calibration import _calibration_shift, _ideal_distances, _mean_distance

REFERENCE = Path(__file__).parent / "reference"
DATASETS = ("small", "good", "extreme", "ties")


@pytest.fixture(scope="module")
def data() -> dict[str, pd.DataFrame]:
    return dict(list(pd.read_csv(REFERENCE / "probability_data.csv").groupby("dataset")))


@pytest.fixture(scope="module")
def from_r() -> dict[str, pd.Series]:
    """What R found (tests/reference/probability.R)."""
    table = pd.read_csv(REFERENCE / "probability_r.csv")
    return {name: part.set_index("quantity")["value"] for name, part in table.groupby("dataset")}


@pytest.mark.parametrize("level", [0.95, 0.90])
@pytest.mark.parametrize("name", DATASETS)
def test_slope_and_intercept_are_those_of_r_with_profile_limits(name, level, data, from_r):
    found = calibration_metrics(data[name]["y"], data[name]["p"], confidence_level=level, n_resamples=100)
    expected = from_r[name]
    assert found["intercept"].value == pytest.approx(expected["shift"], rel=1e-8, abs=1e-9)
    assert found["slope"].value == pytest.approx(expected["slope"], rel=1e-8)
    # lrm, inside val.prob, stops iterating earlier than glm was told to.
    assert found["slope"].value == pytest.approx(expected["Slope"], rel=1e-4)
    for ours, theirs in (("intercept", "shift"), ("slope", "slope")):
        limits = expected[f"{theirs}_low_{level:g}"], expected[f"{theirs}_high_{level:g}"]
        assert found[ours].confidence_interval == pytest.approx(limits, rel=1e-6)


@pytest.mark.parametrize("name", DATASETS)
def test_brier_score_and_ici_are_those_of_val_prob(name, data, from_r):
    found = calibration_metrics(data[name]["y"], data[name]["p"], n_resamples=100)
    assert found["brier"].value == pytest.approx(from_r[name]["Brier"], rel=1e-10)
    assert found["ici"].value == pytest.approx(from_r[name]["Eavg"], rel=1e-7)


def test_the_ici_says_what_perfection_would_show():
    rng = np.random.default_rng(0)
    p = special.expit(rng.normal(size=40))
    y = rng.random(40) < p
    found = calibration_metrics(y, p, n_resamples=300)["ici"]
    assert 0 <= found.low <= found.value
    ideal = float(found.note.split("would show ")[1].split(" on average")[0])
    draws = [_mean_distance(rng.random(40) < p, p) for _ in range(200)]
    assert ideal == pytest.approx(np.mean(draws), abs=0.02)


def test_intervals_are_seeded():
    rng = np.random.default_rng(1)
    p = rng.random(30)
    y = rng.random(30) < p
    one, two, other = (calibration_metrics(y, p, n_resamples=100, seed=seed) for seed in (3, 3, 4))
    assert repr(one) == repr(two) != repr(other)


def test_a_slope_that_the_sample_does_not_bound_is_infinite_with_one_honest_limit():
    y, p = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.9])
    found = calibration_metrics(y, p, n_resamples=100)["slope"]
    assert found.value == found.high == np.inf
    assert 0 < found.low < 5
    assert "separate the classes" in found.note
    # At the limit the likelihood, 1 at best, has dropped as far as F with 1 and 6 - 2 degrees of freedom allows.
    x = special.logit(p)

    def deviance(shift: float) -> float:
        return -2 * np.sum(
            np.log(np.where(y == 1, special.expit(found.low * x + shift), special.expit(-found.low * x - shift)))
        )

    least = min(deviance(shift) for shift in np.linspace(-5, 5, 20_001))
    assert least == pytest.approx(stats.f.ppf(0.95, 1, 4), abs=1e-3)
    mirrored = calibration_metrics(1 - y, p, n_resamples=100)["slope"]
    assert (mirrored.value, mirrored.low, mirrored.high) == pytest.approx((-np.inf, -np.inf, -found.low))
    touching = calibration_metrics(y, [0.1, 0.2, 0.6, 0.6, 0.7, 0.9], n_resamples=100)["slope"]
    assert touching.value == np.inf
    assert touching.low < found.low


def test_intercept_covers_where_the_predictions_are_too_extreme():
    """The likelihood believes in a slope of 1; unscaled limits hold the truth in 0.84 of such samples."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        log_odds = rng.normal(0, 1.3, 40)
        # Symmetric about 0, so the true shift is 0.
        y = rng.random(40) < special.expit(log_odds)
        _, low, high = _calibration_shift(y, 2.5 * log_odds, 0.95)
        covered.append(low <= 0 <= high)
    # 300 draws at a true coverage of 0.95 stay above 0.91 with probability 0.998.
    assert np.mean(covered) > 0.91


def test_what_has_no_calibration_says_so():
    y = np.array([0, 1, 0, 1, 1, 0])
    alike = calibration_metrics(y, np.full(6, 0.5), n_resamples=100)
    assert np.isnan(alike["slope"].value)
    assert "all probabilities are alike" in alike["slope"].note
    assert alike["intercept"].value == pytest.approx(0)
    assert alike["ici"].value == pytest.approx(0)
    certain = calibration_metrics(y, [0, 1, 0.2, 0.7, 0.4, 0.6], n_resamples=100)
    assert certain["slope"].n == 4
    assert "2 probabilities of exactly 0 or 1" in certain["slope"].note
    crowded = calibration_metrics([0, 1, 0, 1, 0, 1, 0, 1, 1, 1], [0.2] * 8 + [0.7] * 2, n_resamples=100)["ici"]
    # R: lowess gives 0.5 and 1.
    assert crowded.value == pytest.approx(0.3)
    hard = calibration_metrics(y, y, n_resamples=100)
    assert np.isnan(hard["slope"].value)
    assert hard["brier"].value == 0


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(InferenceError, match="fit a logistic curve"):
        calibration_metrics([0, 1, 1], [0.2, 1.2, -3])
    with pytest.raises(InferenceError, match="both classes"):
        calibration_metrics([1, 1], [0.2, 0.3])


def test_every_model_gets_its_rows():
    rng = np.random.default_rng(5)
    y = np.arange(30) % 2
    rows = [
        pd.DataFrame({"patient_id": np.arange(30), "model": model, "y_true": y, "y_score": score})
        for model, score in (("one", rng.random(30)), ("raw", rng.normal(size=30)))
    ]
    table = pd.concat(rows).assign(split="test", repeat=0)
    found = summarise_calibration(table, n_resamples=100).set_index(["model", "metric"])
    expected = calibration_metrics(y, rows[0]["y_score"], n_resamples=100)
    assert found.loc[("one", "slope"), "value"] == expected["slope"].value
    assert "probabilities" in found.loc["raw", "note"].iloc[0]
    assert found.loc["raw", "value"].isna().all()


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


def test_curve_where_all_neighbours_are_equally_far_is_their_mean():
    # A smoke run had such a grid point: ten equal predictions, all at the rim of the neighbourhood.
    y, p = np.r_[np.repeat([1, 0], [3, 7]), 1, 1], np.r_[np.full(10, 0.25), 0.75, 0.75]
    curve = calibration_curve(y, p, n_points=9).set_index("predicted")
    assert curve.notna().all(axis=None)
    assert curve.loc[0.3125, "observed"] == pytest.approx(0.3)
    assert curve.loc[0.3125, "n_effective"] == pytest.approx(10)


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


def test_large_samples_carry_no_warning_of_their_size_and_a_narrow_band():
    rng = np.random.default_rng(0)
    p = rng.random(3000)
    curve = calibration_curve(rng.random(3000) < p, p, n_points=11)
    assert not curve["note"].str.contains("smaller class").any()
    assert curve["observed"].tolist() == pytest.approx(curve["predicted"].tolist(), abs=0.05)
    assert (curve["high"] - curve["low"] < 0.12).all()


def test_arguments_of_the_curve_are_checked():
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


def test_separated_classes_do_not_make_the_intercept_sure():
    """Cases at .8 and controls at .2, all right: the limits are the likelihood's own."""
    y, p = np.repeat([1, 0], 8), np.repeat([0.8, 0.2], 8)
    found = calibration_metrics(y, p, n_resamples=100)["intercept"]
    # By symmetry the estimate is 0; the drop of the log likelihood at a limit is that of Student's t.
    drop = stats.t.ppf(0.975, 15) ** 2 / 2

    def likelihood(shift):
        return -8 * (np.logaddexp(0, -np.log(4) - shift) + np.logaddexp(0, -np.log(4) + shift))

    assert found.value == pytest.approx(0, abs=1e-9)
    assert likelihood(0) - likelihood(found.high) == pytest.approx(drop)
    assert found.low == pytest.approx(-found.high)


@pytest.mark.parametrize("decimals", [1, 8])
def test_curves_of_single_patients_give_those_of_all_samples(decimals):
    probability = np.round(np.random.default_rng(3).uniform(0.02, 0.98, 30), decimals)
    drawn = np.random.default_rng(4)
    each = [_mean_distance(drawn.random(30) < probability, probability) for _ in range(40)]
    np.testing.assert_allclose(_ideal_distances(probability, 40, np.random.default_rng(4)), each, rtol=0, atol=1e-14)
    few = _ideal_distances(probability, 30, np.random.default_rng(4))
    np.testing.assert_array_equal(few, each[:30])


def test_a_band_of_many_patients_says_what_it_ignores():
    random = np.random.default_rng(0)
    p = random.random(500)
    y = random.random(500) < p
    assert "ignores the bias of smoothing" in calibration_curve(y, p, n_points=3)["note"].iloc[0]
    assert "bias" not in calibration_curve(y[:499], p[:499], n_points=3)["note"].iloc[0]
