"""The oracle against closed forms, against a fitted classifier, and in the controls."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from fibrolib.phantom import MOVING, STILL, SignalStrengths, draw_patients, oracle_auc, oracle_score

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


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="signals"):
        oracle_auc(signals=("colour",), n=10)
    with pytest.raises(ValueError, match="cutoff"):
        oracle_auc(cutoff=5, n=10)
