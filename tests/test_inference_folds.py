"""Repeated cross-validation: the corrected interval by hand and by simulation of what it is for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fibrolib.inference.appraisal import summarise_folds
from fibrolib.inference.appraisal.splits import _auc_by_fold


def table(repeats: int = 3, n: int = 60, shift: float = 1.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    rows = [
        pd.DataFrame(
            {
                "patient_id": np.arange(n).astype(str),
                "model": model,
                "split": "train",
                "fold": rng.permutation(np.arange(n) % 5) + 1,
                "repeat": repeat,
                "y_true": y,
                "y_score": y * shift + rng.normal(size=n),
            }
        )
        for model in ("one", "two")
        for repeat in range(repeats)
    ]
    return pd.concat(rows, ignore_index=True)


def test_interval_is_the_corrected_resampled_t():
    predictions = table()
    areas = _auc_by_fold(predictions).query("model == 'one'")["auc"]
    found = summarise_folds(predictions).set_index("model").loc["one"]
    assert (found["repeats"], found["folds"], found["n"]) == (3, 15, 60)
    # Nadeau & Bengio: 1/15 + 12/48 times the variance, t with 14 degrees of freedom.
    reach = stats.t.ppf(0.975, 14) * np.sqrt((1 / 15 + 12 / 48) * areas.var(ddof=1))
    assert (found["mean"], found["low"]) == pytest.approx((areas.mean(), areas.mean() - reach))
    assert found["high"] == pytest.approx(min(1, areas.mean() + reach))
    naive = stats.t.ppf(0.975, 14) * stats.sem(areas)
    assert reach > 2 * naive
    by_repeat = _auc_by_fold(predictions).query("model == 'one'").groupby("repeat")["auc"].mean()
    assert found["sd_repeats"] == pytest.approx(by_repeat.std())


def test_one_repeat_has_no_spread_between_repeats():
    found = summarise_folds(table(repeats=1), confidence_level=0.5)
    assert found["sd_repeats"].isna().all()
    assert (found["low"] > summarise_folds(table(repeats=1))["low"]).all()


def test_folds_of_one_class_are_left_out_and_said():
    predictions = table(repeats=1)
    short = predictions[~((predictions["fold"] == 2) & (predictions["y_true"] == 1))]
    found = summarise_folds(short).iloc[0]
    assert found["folds"] == 4
    assert "one class only in 1 of 5 folds" in found["note"]
    assert 0 <= found["low"] <= found["mean"] <= found["high"] <= 1


def test_a_single_usable_fold_has_no_interval():
    predictions = table(repeats=1)
    only = predictions[(predictions["fold"] == 1) | (predictions["y_true"] == 0)]
    found = summarise_folds(only).iloc[0]
    assert found["folds"] == 1
    assert np.isnan(found["low"])
