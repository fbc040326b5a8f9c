"""Several videos of a patient: published agreement, and areas of clusters."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fibrolib.clinical import clustered_auc, clustered_auc_test, repeatability
from fibrolib.inference import InferenceError, auc, delong_test, wilson

# Shrout & Fleiss, Psychol Bull 1979;86:420, table 2: six targets, four judges.
RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


def videos(n, each, seed, alike=1.0):
    rng = np.random.default_rng(seed)
    patient, y = np.repeat(np.arange(n), each), np.repeat(np.arange(n) % 2, each)
    return y, alike * rng.normal(size=n)[patient] + rng.normal(size=n * each) + y, patient


def test_icc_is_that_of_shrout_and_fleiss():
    found = repeatability(RATINGS.ravel(), np.repeat(np.arange(6), 4), 5)["icc"]
    # Table 4: 0.17; pingouin 0.7.0: 0.165742, 95 % -0.13 to 0.72.
    assert found.value == pytest.approx(0.165742, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((-0.13, 0.72), abs=0.005)


def test_icc_of_operators_is_that_of_shrout_and_fleiss():
    judge, target = np.tile(list("abcd"), 6), np.repeat(np.arange(6), 4)
    found = repeatability(RATINGS.ravel(), target, 5, operator=judge)["icc_operators"]
    # ICC(2,1) of their table 4: 0.29; psych 2.3.6 of R, ICC(sf): 0.29, 95 % 0.019 to 0.76.
    assert found.value == pytest.approx(0.29, abs=0.005)
    assert (found.low, found.high) == pytest.approx((0.019, 0.76), abs=0.005)
    assert found.n == 6


def test_operators_must_have_patients_in_common():
    scores, patient = np.arange(8.0), np.repeat(np.arange(4), 2)
    assert "icc_operators" not in repeatability(scores, patient, 3, operator=list("aabbccdd"))
    assert "icc_operators" not in repeatability(scores, patient, 3)
    constant = repeatability([1, 2, 3, 4, 6, 7], [0, 0, 1, 1, 2, 2], 3, operator=list("ababab"))["icc_operators"]
    assert np.isnan(constant.low)
    assert 0 < constant.value < 1


def test_coverage_of_the_icc_of_operators():
    # True ICC 2 / (2 + 0.5 + 1) = 4 / 7: patients, operators, error.
    rng, inside = np.random.default_rng(1), 0
    patient, operator = np.repeat(np.arange(25), 5), np.tile(np.arange(5), 25)
    for _ in range(200):
        noise = rng.normal(size=125) + np.sqrt(0.5) * rng.normal(size=5)[operator]
        score = np.sqrt(2) * rng.normal(size=25)[patient] + noise
        icc = repeatability(score, patient, 0, operator=operator)["icc_operators"]
        inside += icc.low <= 4 / 7 <= icc.high
    assert inside / 200 == pytest.approx(0.95, abs=0.04)


def test_within_patient_spread_bias_and_flips_by_hand():
    first, second = np.array([1.0, 2.0, 4.0, 8.0]), np.array([2.0, 2.0, 6.0, 7.0])
    scores, patient = np.stack((first, second), axis=1).ravel(), np.repeat(list("abcd"), 2)
    found = repeatability([*scores, 3.0], [*patient, "alone"], threshold=2.0)
    apart = second - first
    within = np.sqrt(np.sum(apart**2 / 2) / 4)
    assert found["within_sd"].value == pytest.approx(within)
    low = within * np.sqrt(4 / stats.chi2.ppf(0.975, 4))
    assert found["within_sd"].low == pytest.approx(low)
    assert found["repeatability"].value == pytest.approx(1.959964 * np.sqrt(2) * within)
    paired = stats.ttest_1samp(apart, 0).confidence_interval()
    assert (found["bias"].value, found["bias"].low, found["bias"].high) == pytest.approx((0.5, *paired))
    assert found["flips"].value == 0.25  # patient a alone lies on both sides of 2
    assert found["flips"].high == wilson(1, 4).high


def test_coverage_of_the_icc_with_unequal_numbers_of_videos():
    # True ICC 1 / (1 + 1) = 0.5.
    rng, inside = np.random.default_rng(0), 0
    patient = np.repeat(np.arange(30), rng.integers(2, 5, 30))
    for _ in range(300):
        score = rng.normal(size=30)[patient] + rng.normal(size=len(patient))
        icc = repeatability(score, patient, 0)["icc"]
        inside += icc.low <= 0.5 <= icc.high
    assert inside / 300 == pytest.approx(0.95, abs=0.03)


def test_without_repeats_there_is_no_repeatability():
    with pytest.raises(InferenceError, match="2 patients with more than one video"):
        repeatability([1, 2, 3, 4, 5], [1, 1, 2, 2, 3], 2)
    with pytest.raises(InferenceError, match="no operating point"):
        repeatability([1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3], np.nan)
    same = repeatability([1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3], 2)["icc"]
    assert same.value == 1
    assert "no interval" in same.note


def test_one_video_of_each_patient_is_delong():
    y, a, patient = videos(60, 1, 0)
    b = videos(60, 1, 1)[1]
    wanted, found = delong_test(y, a, b, method="proc"), clustered_auc_test(y, a, b, patient)
    assert (found.difference, found.standard_error) == pytest.approx((wanted.difference, wanted.standard_error))


def test_a_copy_of_every_video_changes_nothing():
    y, a, patient = videos(40, 1, 3)
    once, twice = clustered_auc(y, a, patient), clustered_auc(np.tile(y, 2), np.tile(a, 2), np.tile(patient, 2))
    assert (twice.value, twice.standard_error) == pytest.approx((once.value, once.standard_error))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_standard_error_is_that_of_simulated_clusters():
    found = [clustered_auc(*videos(60, 3, seed)) for seed in range(400)]
    spread = np.std([each.value for each in found])
    assert np.mean([each.standard_error for each in found]) == pytest.approx(spread, rel=0.08)
    # As if all videos were patients it would be too small.
    y, score, _ = videos(60, 3, 0)
    assert clustered_auc(y, score, np.arange(len(y))).standard_error < 0.8 * found[0].standard_error
    truth = auc(*videos(20_000, 1, 1)[:2])
    assert np.mean([each.low <= truth <= each.high for each in found]) == pytest.approx(0.95, abs=0.03)


def test_truth_may_differ_within_a_patient():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(300):
        patient = np.repeat(np.arange(50), 2)
        y = rng.integers(0, 2, 100)
        found.append(clustered_auc(y, rng.normal(size=50)[patient] + 0.5 * rng.normal(size=100) + y, patient))
    spread = np.std([each.value for each in found])
    assert np.mean([each.standard_error for each in found]) == pytest.approx(spread, rel=0.1)


def test_scores_that_rank_alike_and_flawless_ones():
    y, a, patient = videos(20, 2, 0)
    alike = clustered_auc_test(y, a, 2 * a, patient)
    assert (alike.pvalue, alike.note) == (1, "the variance is zero: no interval")
    flawless = clustered_auc(y, y.astype(float), patient)
    assert flawless.value == 1
    assert np.isnan(flawless.low)
    with pytest.raises(InferenceError, match="at least two patients"):
        clustered_auc([0, 0, 1], [1, 2, 3], [1, 2, 3])


Y, A, PATIENT = videos(20, 3, 0)
BY_VIDEO = pd.Series(PATIENT, index=[f"v{i}" for i in range(60)])
ALL = {
    "repeatability": lambda score=A, patient=PATIENT, **options: repeatability(score, patient, 0.5, **options),
    "area": lambda score=A, patient=PATIENT, **options: clustered_auc(Y, score, patient, **options),
    "test": lambda score=A, patient=PATIENT, **options: clustered_auc_test(Y, score, A[::-1], patient, **options),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score": np.where(A > 1, np.nan, A)}, "missing"),
        ({"score": np.ma.array(A, mask=A > 1)}, "missing"),
        ({"score": ["high"] * 60}, "numbers only"),
        ({"patient": np.where(PATIENT == 3, None, PATIENT)}, "leave the others out"),
        ({"patient": np.ma.array(PATIENT, mask=PATIENT == 3)}, "leave the others out"),
        ({"patient": PATIENT[:, None]}, "every video needs the patient"),
        ({"patient": PATIENT[:-1]}, r"for 59 patients|every video needs the patient"),
        ({"score": BY_VIDEO * 0.1, "patient": BY_VIDEO[::-1]}, "same patients in another order"),
    ],
)
def test_videos_must_fit(name, arguments, message):
    with pytest.raises(InferenceError, match=message):
        ALL[name](**arguments)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("level", "message"), [(95, r"95 % is 0\.95"), (None, "it is nan"), ("0.9", "the text '0.9'")])
def test_a_level_is_a_share(name, level, message):
    with pytest.raises(ValueError, match=message):
        ALL[name](confidence_level=level)


def test_truth_of_clusters_may_be_text_numbers_or_nullable():
    wanted = clustered_auc(Y, A, PATIENT)
    for truth in (Y.astype(str), pd.Series(Y == 1, dtype="boolean"), pd.Categorical(Y)):
        assert clustered_auc(truth, A, PATIENT) == wanted
    with pytest.raises(InferenceError, match="same patients in another order"):
        clustered_auc(pd.Series(Y, index=BY_VIDEO.index), A, BY_VIDEO[::-1])


def test_operators_are_one_for_each_video():
    for operator in (["a"] * 59, "a"):
        with pytest.raises(InferenceError, match="operator must say of each of 60 videos"):
            repeatability(A, PATIENT, 0.5, operator=operator)
    with pytest.raises(InferenceError, match="threshold must be one number"):
        repeatability(A, PATIENT, [0.5])
    for threshold in (None, np.nan):
        with pytest.raises(InferenceError, match="no operating point"):
            repeatability(A, PATIENT, threshold)


def test_videos_that_do_not_differ_have_no_interval():
    patient, score = np.repeat(np.arange(4), 2), np.repeat([0.1, 0.4, 0.5, 0.9], 2)
    found = repeatability(score, patient, 0.5)
    for name in ("within_sd", "repeatability", "bias"):
        assert found[name].value == 0
        assert np.isnan(found[name].confidence_interval).all()
        assert "no interval" in found[name].note


def test_videos_of_several_patients_may_lie_among_one_another():
    score, patient = np.array([10, 20, 30, 40, 40.5, 30.4, 20.6, 10.5]), np.array(list("ABCDDCBA"))
    order = np.argsort(patient, kind="stable")
    found, expected = repeatability(score, patient, 25)["bias"], repeatability(score[order], patient[order], 25)["bias"]
    assert (found.value, found.confidence_interval) == (expected.value, pytest.approx(expected.confidence_interval))
    assert found.low > 0.36  # 0.5, 0.6, 0.4 and 0.5
    with pytest.raises(InferenceError, match="patient holds numbers and texts"):
        repeatability(score, np.array([1, 2, 3, 4, "4", 3, 2, 1], dtype=object), 25)


def test_a_hidden_operator_is_none():
    rng, patient = np.random.default_rng(0), np.repeat(np.arange(10), 2)
    score, operator = rng.random(20), np.array(["a", "b"] * 10, dtype=object)
    hidden = np.ma.array(operator, mask=np.arange(20) == 0)
    none = np.where(np.arange(20) == 0, None, operator)
    expected = repeatability(score, patient, 0.5, operator=none)["icc_operators"]
    found = repeatability(score, patient, 0.5, operator=hidden)["icc_operators"]
    assert (found.value, found.confidence_interval, found.n) == (expected.value, expected.confidence_interval, 9)


def test_few_patients_have_a_note():
    y, patient = np.repeat([0, 1], 8), np.repeat(np.arange(8), 2)
    a, b = np.random.default_rng(1).normal(size=(2, 16))
    for found in (clustered_auc(y, a, patient), clustered_auc_test(y, a, b, patient)):
        assert "only 4 patients in the smaller class" in found.note


def test_scores_that_are_all_alike_have_no_icc():
    found = repeatability(np.zeros(60), PATIENT, 0.5)["icc"]
    assert np.isnan(found.value)
    assert found.note == "all videos have the same score: no ICC"


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_patient_is_nobody(blank):
    y, score, patient = videos(12, 2, 0)
    names = [f"p{each}" for each in patient]
    names[3] = blank
    for call in (lambda: clustered_auc(y, score, names), lambda: repeatability(score, names, 0.5)):
        with pytest.raises(InferenceError, match="every video needs the patient whose it is"):
            call()
    operator = ["a", "b"] * 12
    hidden, found = (
        repeatability(score, patient, 0.5, operator=[*operator[:-1], nobody])["icc_operators"]
        for nobody in (None, blank)
    )
    assert (found.value, found.confidence_interval, found.n) == (hidden.value, hidden.confidence_interval, 11)
    with pytest.raises(InferenceError, match="operator holds 1 and '1'"):
        repeatability(score, patient, 0.5, operator=[1, "1"] * 12)


def test_patients_with_the_same_mean_have_no_icc():
    found = repeatability([0, 1, 0, 1, 1, 0], [1, 1, 2, 2, 3, 3], 0.5, operator=[1, 2] * 3)
    for name in ("icc", "icc_operators"):
        assert np.isnan([found[name].value, *found[name].confidence_interval]).all()
        assert found[name].note == "all patients have the same mean: no ICC"
    rounded = repeatability([0.1 + 0.2, 0.3, 0.5, 0.5, 0.7, 0.7], [1, 1, 2, 2, 3, 3], 0.5)["icc"]
    assert (rounded.value, rounded.note) == (1, "the videos of every patient have the same score: no interval")


def test_no_decision_can_flip_beyond_all_scores():
    patient, score = np.repeat(range(20), 2), np.random.default_rng(0).normal(6, 1, 40)
    assert "one side" not in repeatability(score, patient, 6.0)["flips"].note
    for threshold in (1.5, score.min(), 685.0):
        flips = repeatability(score, patient, threshold)["flips"]
        assert flips.value == 0
        assert f"all scores lie on one side of {threshold:g}: no decision could flip" in flips.note


def test_rows_that_a_join_has_doubled_are_noticed():
    patient, score = np.repeat(range(20), 2), np.random.default_rng(0).normal(6, 1, 40)
    for doubled in (
        repeatability(np.tile(score, 2), np.tile(patient, 2), 6),
        repeatability(*np.repeat([score, patient], 2, 1), 6),
    ):
        assert all("are the rows doubled, by a join?" in each.note for each in doubled.values())
    called = (score > 6).astype(float)  # two values, and equal ones in every patient by chance
    for each in (repeatability(score, patient, 6), repeatability(np.repeat(called[:20], 2), patient, 1)):
        assert not any("doubled" in found.note for found in each.values())
