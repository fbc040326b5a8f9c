"""Virtual patients beside the published figures (formulae and figures written out again here)."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm, spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from fibrolib.cohort.columns import VIRTUAL_PREFIX
from fibrolib.phantom import (
    MOVING,
    QUANTITIES,
    STILL,
    SignalStrengths,
    draw_patients,
    draw_unstaged_patients,
    oracle_auc,
    oracle_score,
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


def test_the_values_are_those_of_the_first_cohorts():
    """Recorded before centre, steatosis, dates and biopsies were added: no number may change with what is added."""
    expected = {
        "stage": [1, 0, 0, 1],
        "severity": [0.8873317527, 0.4808624610, -0.2591242412, 1.4748998938],
        "age": [71, 48, 34, 34],
        "sex": ["male", "female", "female", "male"],
        "bmi": [25.1, 25.9, 23.6, 25.1],
        "aetiology": ["MASLD", "hepatitis C", "MASLD", "hepatitis B"],
        "fat": [0.243, 0.053, 0.108, 0.258],
        "ast": [56.0, 40.0, 67.0, 108.0],
        "alt": [77.0, 27.0, 40.0, 101.0],
        "platelets": [233.0, 253.0, 257.0, 159.0],
        "swe_kpa": [4.9, 4.6, 9.6, 7.8],
        "stiffness_kpa": [5.1498558701, 4.9353395462, 8.4618326607, 8.4143921789],
        "texture": [1.9946326980, 0.0400894409, -0.3243081499, 2.4366635829],
        "capsule": [0.5398721706, -1.4294441153, 0.1996768188, -0.7162889846],
        "strain": [0.2248944488, 0.2340776421, 0.0663586023, 0.0834452264],
        "scanner": [2, 1, 2, 0],
        "heart_rate": [57.6, 90.6, 83.1, 56.6],
        "depth_mm": [138.0, 141.0, 129.0, 128.0],
    }
    drawn = draw_patients(4, 3)[list(expected)]
    pd.testing.assert_frame_equal(drawn, pd.DataFrame(expected), check_exact=False, rtol=1e-8, check_dtype=False)


def test_two_centres_share_a_scanner_and_know_nothing_of_the_stage(patients):
    pairs = set(zip(patients["centre"], patients["scanner"], strict=True))
    assert pairs == {("centre A", 0), ("centre A", 1), ("centre B", 1), ("centre B", 2)}
    sick = patients["stage"] >= 2
    for column in ("centre", "operator", "steatosis", "aetiology"):
        for _, share in sick.groupby(patients[column]):
            assert share.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(share))), column
    assert patients.groupby("operator")["centre"].nunique().eq(1).all()
    assert patients.groupby("steatosis")["fat"].mean().is_monotonic_increasing
    assert sorted(patients["steatosis"].unique()) == [0, 1, 2, 3]
    days = pd.to_datetime(patients["biopsy_date"]) - pd.to_datetime(patients["video_date"])
    assert days.dt.days.between(0, 30).all()
    assert pd.to_datetime(patients["video_date"]).between("2022-01-01", "2023-12-31").all()


def test_a_dial_ties_centre_and_aetiology_to_the_stage():
    patients = draw_patients(4000, seed=0, strengths=SignalStrengths(tied=1.0))
    sick = patients["stage"] >= 2
    assert set(patients.loc[sick, "centre"]) == {"centre B"}
    assert set(patients.loc[~sick, "centre"]) == {"centre A"}
    assert set(patients.loc[patients["stage"] == 4, "aetiology"]) <= {"MASLD", "alcohol"}
    half = draw_patients(4000, seed=0, strengths=SignalStrengths(tied=0.5))
    assert np.mean(half.loc[half["stage"] >= 2, "centre"] == "centre B") == pytest.approx(0.73, abs=0.04)


def test_a_share_of_the_biopsies_is_wrong_by_one_stage(patients):
    assert patients["biopsy_stage"].equals(patients["stage"])
    wrong = draw_patients(20_000, seed=11, strengths=SignalStrengths(reference_error=0.2))
    assert wrong["stage"].equals(patients["stage"])
    step = wrong["biopsy_stage"] - wrong["stage"]
    assert set(step) == {-1, 0, 1}
    assert np.mean(step != 0) == pytest.approx(0.2, abs=0.01)
    assert wrong["biopsy_stage"].between(0, 4).all()
    inner = step[wrong["stage"].between(1, 3)]
    assert np.mean(inner == 1) == pytest.approx(np.mean(inner == -1), abs=0.015)


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
    shares = ({name: 1.5} for name in ("shortcut", "tied", "reference_error", "bad_clips"))
    for strengths in ({"texture": -1.0}, {"motion": np.nan}, {"missing_labs": 1.0}, *shares):
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
    staged = {"stage", "biopsy_stage", "severity", "stiffness_kpa", "swe_kpa", "ast", "alt", "platelets"}
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


N = 30_000


def test_without_motion_the_video_says_no_more_than_the_image():
    for cutoff in (2, 3, 4):
        strengths = SignalStrengths(motion=0.0)
        assert oracle_auc(strengths, cutoff, MOVING, n=N) == pytest.approx(
            oracle_auc(strengths, cutoff, STILL, n=N), abs=0.005
        )


@pytest.mark.parametrize("cutoff", [1, 2, 3, 4])
def test_without_any_signal_there_is_only_chance(cutoff):
    strengths = SignalStrengths(texture=0.0, capsule=0.0, motion=0.0)
    assert oracle_auc(strengths, cutoff, MOVING, n=N) == pytest.approx(0.5, abs=0.02)


def test_texture_alone_has_the_published_auc():
    assert oracle_auc(SignalStrengths(), 2, ("texture",), n=N) == pytest.approx(0.72, abs=0.015)


def test_capsule_alone_has_the_published_sensitivity_and_specificity_for_cirrhosis():
    patients = draw_patients(N, seed=1)
    cirrhosis = patients["stage"] == 4
    threshold = patients.loc[~cirrhosis, "capsule"].quantile(0.94)
    assert np.mean(patients.loc[cirrhosis, "capsule"] > threshold) == pytest.approx(0.91, abs=0.02)


def test_one_carrier_alone_ranks_as_the_carrier_itself():
    # Texture's likelihood ratio is monotone: the AUC of the carrier is the oracle's.
    patients = draw_patients(N, seed=2)
    score = oracle_score(patients, 2, ("texture",))
    expected = roc_auc_score(patients["stage"] >= 2, patients["texture"])
    assert roc_auc_score(patients["stage"] >= 2, score) == pytest.approx(expected, abs=1e-6)


def test_no_fitted_classifier_beats_the_oracle_and_a_good_one_comes_close():
    train, test = draw_patients(40_000, seed=3), draw_patients(N, seed=4)
    columns = ["texture", "capsule", "strain"]
    model = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.1, max_leaf_nodes=8, random_state=0)
    model.fit(train[columns], train["stage"] >= 2)
    fitted = roc_auc_score(test["stage"] >= 2, model.predict_proba(test[columns])[:, 1])
    best = roc_auc_score(test["stage"] >= 2, oracle_score(test, 2, MOVING))
    assert best - 0.01 < fitted < best + 0.002


def test_score_is_the_log_likelihood_ratio():
    # With every signal strength 0 the carriers say nothing: the score is the prior odds.
    patients = draw_patients(50, seed=5, strengths=SignalStrengths(0.0, 0.0, 0.0))
    score = oracle_score(patients, 4, MOVING, SignalStrengths(0.0, 0.0, 0.0))
    assert score == pytest.approx(np.log(0.16 / 0.84))


def test_strengths_raise_the_ceiling():
    base = oracle_auc(SignalStrengths(), 2, MOVING, n=N)
    for name in ("texture", "capsule", "motion"):
        assert oracle_auc(SignalStrengths(**{name: 3.0}), 2, MOVING, n=N) > base + 0.02


def test_the_shortcut_is_a_signal_too():
    assert oracle_auc(SignalStrengths(shortcut=1.0), 2, ("shortcut",), n=2000) == 1.0
    assert oracle_auc(SignalStrengths(shortcut=0.0), 2, ("shortcut",), n=2000) == 0.5


def test_motion_alone_is_as_strong_as_its_effect_size():
    # Between two normal groups AUC = Phi(d / sqrt 2); the strain's groups are nearly lognormal.
    assert oracle_auc(SignalStrengths(), 2, ("motion",), n=N) == pytest.approx(norm.cdf(1.07 / np.sqrt(2)), abs=0.015)


def test_impossible_requests_of_an_oracle_are_refused():
    with pytest.raises(ValueError, match="signals"):
        oracle_auc(signals=("colour",), n=10)
    with pytest.raises(ValueError, match="cutoff"):
        oracle_auc(cutoff=5, n=10)
