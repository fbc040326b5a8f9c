"""Virtual patients beside the published figures (formulae and figures written out again here)."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, spearmanr
from sklearn.metrics import roc_auc_score

from fibrolib.cohort.columns import VIRTUAL_PREFIX
from fibrolib.phantom import (
    QUANTITIES,
    SignalStrengths,
    draw_patients,
    draw_unstaged_patients,
    physical_quantities,
)
from fibrolib.phantom.patients import _clustering, _nodule_height, _random_stream

PUBLISHED = {  # >= F2, >= F3, F4
    "swe": (0.878, 0.932, 0.942),
    "fib4": (0.784, 0.817, 0.845),
    "apri": (0.741, 0.735, 0.727),
}


@pytest.fixture(scope="module")
def patients():
    table = draw_patients(20_000, seed=11)
    table["swe"] = table["swe_kpa"]
    table["fib4"] = table["age"] * table["ast"] / (table["platelets"] * np.sqrt(table["alt"]))
    table["apri"] = table["ast"] / 40 / table["platelets"] * 100
    return table


@pytest.mark.parametrize("index", PUBLISHED)
@pytest.mark.parametrize("cutoff", [2, 3, 4])
def test_indices_reach_the_published_aucs(patients, index, cutoff):
    auc = roc_auc_score(patients["stage"] >= cutoff, patients[index])
    assert auc == pytest.approx(PUBLISHED[index][cutoff - 2], abs=0.02)


@pytest.mark.parametrize(
    ("index", "log_mean", "spreads"),
    [
        ("swe", 1.774, (0.22, 0.32)),
        ("fib4", 0.502, (0.33, 0.50)),
        ("apri", -0.601, (0.33, 0.60)),
    ],
)
def test_indices_have_the_published_shape(patients, index, log_mean, spreads):
    logs = np.log(patients[index])
    assert np.median(logs[patients["stage"] < 2]) == pytest.approx(log_mean, abs=0.03)
    for _, stage in logs.groupby(patients["stage"]):
        assert spreads[0] < stage.std() < spreads[1]
    assert logs.groupby(patients["stage"]).median().is_monotonic_increasing


def test_strain_effect_is_in_the_assumed_band(patients):
    low, high = (patients.loc[side, "strain"] for side in (patients["stage"] < 2, patients["stage"] >= 2))
    d = (low.mean() - high.mean()) / np.sqrt((low.var() + high.var()) / 2)
    assert 0.8 < d < 1.1


def test_half_of_the_patients_have_significant_fibrosis(patients):
    assert np.mean(patients["stage"] >= 2) == pytest.approx(0.5, abs=0.02)
    assert patients["severity"].between(patients["stage"] - 0.5, patients["stage"] + 0.5).all()


def test_nuisances_say_nothing_about_stage(patients):
    for name in ("bmi", "fat", "scanner", "fps", "heart_rate", "gain_db", "depth_mm", "dynamic_range_db", "breath_mm"):
        assert roc_auc_score(patients["stage"] >= 2, patients[name]) == pytest.approx(0.5, abs=0.02), name


def test_the_shortcut_ties_the_scanner_to_the_stage():
    patients = draw_patients(4000, seed=0, strengths=SignalStrengths(shortcut=1.0))
    assert roc_auc_score(patients["stage"] >= 2, patients["scanner"]) == 1.0


def test_strengths_move_only_their_own_carrier():
    default = draw_patients(300, seed=2)
    for signal, columns in {"texture": ["texture"], "capsule": ["capsule"], "motion": ["strain"]}.items():
        changed = draw_patients(300, seed=2, strengths=SignalStrengths(**{signal: 0.0}))
        differs = [name for name in default if not default[name].equals(changed[name])]
        assert differs == columns


def test_labs_are_missing_at_the_given_rate():
    table = draw_patients(4000, seed=3, strengths=SignalStrengths(missing_labs=0.1))
    assert table[["ast", "alt", "platelets"]].isna().mean().to_numpy() == pytest.approx(0.1, abs=0.02)
    assert not draw_patients(100, seed=3).isna().any().any()


def test_a_patient_does_not_depend_on_the_size_of_the_cohort():
    assert draw_patients(7, seed=5).equals(draw_patients(50, seed=5).head(7))
    assert not draw_patients(7, seed=5).equals(draw_patients(7, seed=6))


def test_ids_carry_the_reserved_prefix(patients):
    assert patients["patient_id"].str.startswith(VIRTUAL_PREFIX).all()
    assert patients["patient_id"].is_unique


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        draw_patients(0)
    for strengths in ({"texture": -1.0}, {"motion": np.nan}, {"shortcut": 1.5}, {"missing_labs": 1.0}):
        with pytest.raises(ValueError, match="signal strength"):
            SignalStrengths(**strengths)


def test_streams_of_chance_are_independent():
    # numpy pads a list of seeds with zeros, so that [3, 0] and [3, 0, 0] would be one stream.
    keys = [(0, 0), (0, 1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (0,), ()]
    firsts = {_random_stream(3, *key).random() for key in keys}
    assert len(firsts) == len(keys)


def test_signals_grow_with_their_carriers_and_stay_finite():
    carriers = np.linspace(-4, 8, 40)
    assert (np.diff([_nodule_height(value) for value in carriers]) > 0).all()
    spread, septa = np.array([_clustering(value) for value in carriers]).T
    assert (np.diff(spread) > 0).all()
    assert (np.diff(septa) > 0).all()
    assert _nodule_height(1e3) <= 2.5
    assert spread.max() < 8


def test_an_unstaged_patient_does_not_depend_on_the_number():
    few, many = draw_unstaged_patients(5, 3), draw_unstaged_patients(50, 3)
    pd.testing.assert_frame_equal(few, many.head(5))
    assert not few["texture"].equals(draw_unstaged_patients(5, 4)["texture"])


def test_unstaged_patients_have_no_stage_nor_anything_that_tells_it():
    staged = {"stage", "severity", "stiffness_kpa", "swe_kpa", "ast", "alt", "platelets"}
    assert not staged & set(draw_unstaged_patients(2, 0).columns)


def test_quantities_are_even_and_independent():
    patients = draw_unstaged_patients(4000, 1)
    for values, low, high in (
        (patients["texture"], -2.5, 4.0),
        (patients["capsule"], -2.5, 6.5),
        (np.log(patients["strain"]), np.log(0.02), np.log(0.30)),
    ):
        assert kstest(values, "uniform", args=(low, high - low)).pvalue > 0.001
    correlation = spearmanr(patients[["texture", "capsule", "strain"]]).statistic
    assert np.abs(correlation - np.eye(3)).max() < 4 / np.sqrt(4000)


def test_quantities_are_those_the_renderer_uses():
    patients = draw_unstaged_patients(3, 2)
    expected = [
        (_clustering(row.texture)[0], _nodule_height(row.capsule), row.strain)
        for row in patients.itertuples(index=False)
    ]
    np.testing.assert_allclose(np.exp(physical_quantities(patients)), expected)
    assert len(QUANTITIES) == 3
