"""DeLong's tests against R's pROC, against their definitions, and where they degenerate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats
from sklearn.metrics import roc_auc_score

from fibrolib.inference import (
    InferenceError,
    auc,
    auc_ci,
    compare_trainings,
    delong_joint_test,
    delong_test,
    obuchowski_test,
    partial_auc_test,
    permutation_test,
    share_of_ceiling,
)
from fibrolib.inference.delong import _placed_columns, _training_error
from fibrolib.inference.roc import _placement_covariance, _placements

REFERENCE = Path(__file__).parent / "reference"
DATASETS = ("small", "medium", "ties", "near_ties", "second", "flawless")
PAIRS = ("ab", "ac", "bc")


@pytest.fixture(scope="module")
def proc() -> dict[str, pd.Series]:
    """What pROC 1.18.0 found (tests/reference/delong.R), by data set and quantity."""
    table = pd.read_csv(REFERENCE / "delong_proc.csv")
    return {name: part.set_index("quantity")["value"] for name, part in table.groupby("dataset")}


@pytest.fixture(scope="module")
def data() -> dict[str, pd.DataFrame]:
    table = pd.read_csv(REFERENCE / "delong_data.csv")
    sets = {name: part.reset_index(drop=True) for name, part in table.groupby("dataset")}
    near = sets["near_ties"]
    near[["a", "b", "c"]] = 0.1 + near[["a", "b", "c"]] * 2.0**-53
    return sets


def agree(ours: float, theirs: float) -> None:
    assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name", DATASETS)
def test_areas_and_covariances_are_those_of_proc(name, data, proc):
    part, expected = data[name], proc[name]
    covariance = _placement_covariance(*_placed_columns(part["y"], part["a"], part["b"], part["c"]))
    areas = delong_joint_test(part["y"], part[["a", "b", "c"]]).auc
    for i, letter in enumerate("abc"):
        agree(areas[i], expected[f"auc_{letter}"])
        agree(auc(part["y"], part[letter]), expected[f"auc_{letter}"])
        agree(covariance[i, i], expected[f"var_{letter}"])
    for a, b in PAIRS:
        agree(covariance["abc".index(a), "abc".index(b)], expected[f"cov_{a}{b}"])


@pytest.mark.parametrize("level", [0.95, 0.90])
@pytest.mark.parametrize("name", DATASETS[:-1])
def test_delong_intervals_are_those_of_proc(name, level, data, proc):
    part, expected = data[name], proc[name]
    for letter in "abc":
        found = auc_ci(part["y"], part[letter], "delong", confidence_level=level)
        agree(found.low, expected[f"ci_low_{letter}_{level:g}"])
        agree(found.high, expected[f"ci_high_{letter}_{level:g}"])


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", DATASETS)
def test_paired_test_is_that_of_proc(name, pair, data, proc):
    part, expected = data[name], proc[name]
    scores = part[pair[0]], part[pair[1]]
    for side in ("two-sided", "greater", "less"):
        found = delong_test(part["y"], *scores, method="proc", alternative=side)
        agree(found.statistic, expected[f"z_{pair}"])
        agree(found.pvalue, expected[f"p_{pair}_{side.replace('-', '.')}"])
    for level in (0.95, 0.90):
        low, high = delong_test(part["y"], *scores, method="proc", confidence_level=level).confidence_interval
        agree(low, max(-1, expected[f"diff_low_{pair}_{level:g}"]))
        agree(high, min(1, expected[f"diff_high_{pair}_{level:g}"]))


@pytest.mark.parametrize("name", DATASETS)
def test_joint_test_is_that_of_r(name, data, proc):
    found = delong_joint_test(data[name]["y"], data[name][["a", "b", "c"]], reference="chi2")
    assert (found.df, found.df_error) == (2, np.inf)
    agree(found.statistic, proc[name]["joint_chi2"])
    agree(found.pvalue, proc[name]["joint_p"])


@pytest.mark.parametrize("column", ["a", "b"])
@pytest.mark.parametrize("name", DATASETS[:-1])
def test_unpaired_test_is_that_of_proc(name, column, data, proc):
    other = data["medium" if name == "second" else "second"]
    truths, scores = (data[name]["y"], other["y"]), (data[name][column], other[column])
    for side in ("two-sided", "greater", "less"):
        found = delong_test(truths, *scores, paired=False, method="proc", alternative=side)
        agree(found.statistic, proc[name][f"unpaired_t_{column}"])
        agree(found.df, proc[name][f"unpaired_df_{column}"])
        agree(found.pvalue, proc[name][f"unpaired_p_{column}_{side.replace('-', '.')}"])


def test_two_cohorts_are_two():
    scores = np.array([1.0, 3, 4, 2, 0, 1]), np.arange(8.0)
    found = delong_test((Y, Y_EIGHT), *scores, paired=False)
    assert (found.n, found.test) == (14, "DeLong, unpaired")
    # Zou & Donner: squares of the distances to either area's own limits, added.
    a, b = (auc_ci(y, score) for y, score in zip((Y, Y_EIGHT), scores, strict=True))
    down, up = np.hypot(a.value - a.low, b.high - b.value), np.hypot(a.high - a.value, b.value - b.low)
    assert found.low == pytest.approx(max(-1, found.difference - down))
    assert found.high == pytest.approx(min(1, found.difference + up))
    with pytest.raises(InferenceError, match="truth of either cohort"):
        delong_test(Y, *scores, paired=False)


def test_joint_test_of_two_scores_is_the_square_of_the_paired_one(data):
    part = data["medium"]
    scores = part["a"], part["b"]
    for kind, method in (("chi2", "proc"), ("f", "t")):
        pair = delong_test(part["y"], *scores, method=method)
        joint = delong_joint_test(part["y"], part[["a", "b"]], reference=kind)
        assert joint.df == pytest.approx(1)
        assert joint.df_error == pytest.approx(pair.df)
        assert joint.statistic == pytest.approx(pair.statistic**2)
        assert joint.pvalue == pytest.approx(pair.pvalue)


def test_degrees_of_freedom_are_those_of_welch(data):
    """The variances of the placements' differences are those of two samples: scipy's Welch test has the same."""
    part = data["small"]
    y, score = part["y"].to_numpy() == 1, part[["a", "b"]].to_numpy().T
    gaps = np.subtract(*(by_definition(y, column) for column in score))
    welch = stats.ttest_ind(gaps[y] / (~y).sum(), -gaps[~y] / y.sum(), equal_var=False)
    assert delong_test(y, *score).df == pytest.approx(welch.df)


def test_joint_test_of_many_patients_is_a_weighted_sum_of_chi_squares():
    """By simulation from the covariance itself, as the areas of many patients are normal."""
    rng = np.random.default_rng(1)
    y = rng.random(4000) < 0.3
    scores = y[:, None] + rng.normal(size=(4000, 3)) * [1, 1, 3]
    found = delong_joint_test(y, scores)
    covariance = _placement_covariance(*_placed_columns(y, *scores.T))
    drawn = rng.multivariate_normal(np.zeros(3), covariance, 200_000).var(axis=1)
    observed = np.var(found.auc)
    # At its own 95 % point, where tests are read.
    scaled = found.statistic * np.quantile(drawn, 0.95) / observed
    assert stats.f.sf(scaled, found.df, found.df_error) == pytest.approx(0.05, abs=0.005)


# What was found wrong: z took the few cases' variance for known and p = .10 to .15 of true null hypotheses for .05.
@pytest.mark.parametrize(("m", "n"), [(3, 14), (5, 100), (3, 144)])
def test_few_cases_among_many_keep_the_level(m, n):
    rng = np.random.default_rng(n)
    y = np.repeat([1, 0], (m, n))
    rejected, covered = np.zeros(2), 0
    for _ in range(400):
        shared = np.sqrt(0.3) * rng.normal(size=m + n)
        a, b = (0.36 * y + shared + np.sqrt(0.7) * rng.normal(size=m + n) for _ in range(2))
        found = delong_test(y, a, b)
        covered += found.low <= 0 <= found.high
        rejected += [found.pvalue < 0.05, delong_test(y, a, b, method="proc").pvalue < 0.05]
    # Binomial (400, 0.05) stays below 33 with probability 0.998.
    assert rejected[0] < 33 < rejected[1]
    assert covered / 400 > 0.92


@pytest.mark.parametrize(("m", "n"), [(3, 14), (8, 9), (10, 40)])
def test_joint_test_of_few_patients_keeps_its_level(m, n):
    """Six uncorrelated scores, where Hotelling's F on n - 2 degrees of freedom rejected .06 to .45."""
    rng = np.random.default_rng(m)
    y = np.repeat([1, 0], (m, n))
    rejected = sum(
        delong_joint_test(y, 0.75 * y[:, None] + rng.normal(size=(m + n, 6))).pvalue < 0.05 for _ in range(400)
    )
    assert rejected < 33


def by_definition(y: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Placements from all pairs, as DeLong wrote them down."""
    wins = 1.0 * (score[:, None] > score) + 0.5 * (score[:, None] == score)
    other = y[:, None] != y
    return np.where(y, (wins * other).sum(axis=1), ((1 - wins) * other).sum(axis=1))


@st.composite
def patients(draw, n_scores: int = 1):
    n = draw(st.integers(4, 25))
    y = draw(hnp.arrays(bool, n))
    assume(2 <= y.sum() <= n - 2)
    kind = draw(st.sampled_from(["ties", "floats"]))
    values = st.integers(-3, 3) if kind == "ties" else st.floats(-1e300, 1e300, width=64)
    return y, [draw(hnp.arrays(np.float64, n, elements=values)) for _ in range(n_scores)]


@given(patients())
def test_placements_follow_the_definition(sample):
    y, (score,) = sample
    assert _placements(y, score).tolist() == by_definition(y, score).tolist()
    assert auc(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)


@given(patients(n_scores=2))
def test_covariance_follows_the_definition(sample):
    y, scores = sample
    placed = np.stack([by_definition(y, score) for score in scores], axis=1)
    cases, controls = placed[y] / (~y).sum(), placed[~y] / y.sum()
    expected = np.cov(cases.T) / y.sum() + np.cov(controls.T) / (~y).sum()
    assert _placement_covariance(y, placed.T) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("spread", [1, 50, 1e-12])
def test_placements_follow_the_definition_with_few_and_many_near_ties(spread):
    rng = np.random.default_rng(3)
    y = rng.random(800) < 0.4
    score = rng.integers(-40, 40, size=800) / 8 + spread * rng.normal(size=800)
    zeros = np.where(rng.random(800) < 0.5, 0.0, -0.0)
    for values in (score, np.round(score, 2), zeros):
        assert _placements(y, values).tolist() == by_definition(y, values).tolist()


@given(patients())
def test_a_score_turned_round_has_the_complementary_area(sample):
    y, (score,) = sample
    assert auc(y, -score) == pytest.approx(1 - auc(y, score), abs=1e-12)
    assert auc(~y, score) == pytest.approx(1 - auc(y, score), abs=1e-12)


@settings(max_examples=40)
@given(patients(n_scores=2))
def test_the_test_is_antisymmetric(sample):
    y, (a, b) = sample
    one, two = delong_test(y, a, b), delong_test(y, b, a)
    assert one.difference == -two.difference
    assert one.pvalue == pytest.approx(two.pvalue, nan_ok=True)
    assert one.statistic == pytest.approx(-two.statistic, nan_ok=True)
    assert one.confidence_interval == pytest.approx([-limit for limit in two.confidence_interval[::-1]], nan_ok=True)


@given(patients(n_scores=2))
def test_limits_stay_within_one(sample):
    y, (a, b) = sample
    low, high = delong_test(y, a, b).confidence_interval
    assert np.isnan(low) or -1 <= low <= high <= 1


@given(patients(n_scores=2), st.randoms(use_true_random=False))
def test_order_of_patients_does_not_matter(sample, random):
    y, (a, b) = sample
    order = np.arange(len(y))
    random.shuffle(order)
    one, two = delong_test(y, a, b), delong_test(y[order], a[order], b[order])
    assert (one.value_a, one.value_b) == (two.value_a, two.value_b)
    assert one.standard_error == pytest.approx(two.standard_error, abs=1e-12)


@given(patients(n_scores=2))
def test_monotone_transforms_do_not_matter(sample):
    y, (a, b) = sample
    # Ranks are a monotone transform of any score, exact in floating point.
    ranks = [np.unique(score, return_inverse=True)[1].astype(float) for score in (a, b)]
    one, two = delong_test(y, a, b), delong_test(y, np.exp(ranks[0]), ranks[1] * 1e200)
    assert (one.value_a, one.value_b) == (two.value_a, two.value_b)
    assert one.standard_error == pytest.approx(two.standard_error, rel=1e-12)


@settings(max_examples=40)
@given(patients())
def test_a_score_against_itself_has_p_one(sample):
    y, (score,) = sample
    for other in (score, 2.0 * np.unique(score, return_inverse=True)[1]):
        found = delong_test(y, score, other)
        assert (found.difference, found.statistic, found.pvalue) == (0, 0, 1)
        flawless = found.value_a in (0, 1)
        assert found.low < 0 < found.high if flawless else np.isnan(found.confidence_interval).all()
        assert "p is 1 by definition" in found.note
    joint = delong_joint_test(y, np.column_stack((score, score, score)))
    assert (joint.statistic, joint.df, joint.pvalue) == (0, 0, 1)
    assert "p is 1 by definition" in joint.note


def test_two_cohorts_without_error_may_differ_by_what_their_areas_allow():
    y, score = [0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6]
    found, reach = delong_test((y, y), score, score, paired=False), 1 - auc_ci(y, score).low
    assert (found.difference, found.pvalue) == (0, 1)
    assert found.confidence_interval == pytest.approx((-reach, reach))


def test_flawless_scores_that_order_differently_have_no_interval_and_a_note():
    y, one = np.repeat([0, 1], 30), np.arange(60)
    other = np.concatenate((one[:30][::-1], one[30:]))
    for found in (
        compare_trainings(y, [one, one], [other, other]),
        permutation_test(y, one, other),
        obuchowski_test(y, one, other),
        partial_auc_test(y, one, other, (0.2, 1)),
    ):
        assert np.isnan(found.confidence_interval).all()
        assert "order the patients alike, or without error: p is 1 by definition" in found.note
    noisy = one + 20 * (np.arange(60) % 3 == 0) * (y == 0)
    for found in (
        obuchowski_test(y, one, noisy),
        partial_auc_test(y, one, noisy),
        compare_trainings(y, [one] * 2, [noisy, noisy + y]),
    ):
        assert "score a ranks without error" in found.note


def test_trainings_of_the_same_names_are_paired_by_name():
    rng, y = np.random.default_rng(0), np.repeat([0, 1], 20)
    a, b = (pd.DataFrame(y[:, None] + rng.normal(size=(40, 3)), columns=["s0", "s1", "s2"]) for _ in "ab")
    expected = compare_trainings(y, a, b)
    assert compare_trainings(y, a, b[["s2", "s0", "s1"]]) == expected
    assert compare_trainings(y, a, b.add_prefix("b_")) == expected  # other names: as they come
    plain = [table.set_axis([0, 1, 2], axis=1) for table in (a, b)]
    assert compare_trainings(y, plain[0], plain[1][[2, 0, 1]].rename(columns=str)) == expected
    with pytest.raises(InferenceError, match="in one of both tables alone: 's2', 's3'"):
        compare_trainings(y, a, b.rename(columns={"s2": "s3"}))


Y = np.array([1, 1, 1, 0, 0, 0])
Y_EIGHT = np.array([1, 1, 1, 1, 0, 0, 0, 0])


def test_opposite_flawless_scores_allow_no_test():
    found = delong_test(Y, Y, 1 - Y)
    assert (found.value_a, found.value_b, found.difference) == (1, 0, 1)
    assert np.isnan(found.pvalue)
    assert np.isnan(found.low)
    assert "no test" in found.note
    joint = delong_joint_test(Y, np.column_stack((Y, 1 - Y)))
    assert np.isnan(joint.pvalue)
    assert "no test" in joint.note


def test_two_flawless_scores_cannot_be_told_apart():
    assert delong_test(Y, 2 * Y, Y + np.array([0.1, 0.2, 0.3, 0, 0.1, 0.2])).pvalue == 1


def test_a_flawless_score_is_said_to_be_one():
    assert "score b ranks without error" in delong_test(Y, [1, 3, 4, 2, 0, 1], Y).note


def test_a_score_below_one_half_is_not_turned_round():
    assert delong_test(Y, [0, 1, 5, 2, 3, 4], [3, 4, 5, 0, 1, 4]).value_a < 0.5


def test_neighbouring_floats_are_told_apart():
    low = np.full(6, 0.1)
    high = np.where(Y == 1, np.nextafter(0.1, 1), 0.1)
    assert auc(Y, low) == 0.5
    assert auc(Y, high) == 1


def test_class_sizes_beyond_32_bits_do_not_overflow():
    """120,000 x 120,000 pairs, over 2**33, on scores whose area is known in closed form."""
    m = 120_000
    y = np.repeat([True, False], m)
    # Case i beats the controls 0..i: the area is (m + 1) / (2 m).
    score = np.concatenate((2.0 * np.arange(m) + 1, 2.0 * np.arange(m)))
    assert auc(y, score) == (m + 1) / (2 * m)
    found = delong_test(y, score, -score)
    assert found.difference == pytest.approx(1 / m)
    # Uniform placements: the variance of either component is (m^2 - 1) / (12 m^2) * m / (m - 1).
    assert found.standard_error == pytest.approx(2 * np.sqrt(2 * (m + 1) / (12 * m) / m), rel=1e-9)


@pytest.mark.parametrize(
    ("y", "a", "message"),
    [
        ([1, 1, 1, 1, 1, 1], np.arange(6.0), "6 patients with and 0 without"),
        ([0, 0, 0, 0, 0, 0], np.arange(6.0), "0 patients with and 6 without"),
        ([1, 0, 0, 0, 0, 0], np.arange(6.0), "at least 2 of each"),
        ([0, 1, 2, 0, 1, 2], np.arange(6.0), "0 and 1 only, found 2"),
        ([0, 1, np.nan, 0, 1, 1], np.arange(6.0), "0 and 1 only, found nan"),
        (["a", "b"] * 3, np.arange(6.0), "numbers only"),
        ([], np.arange(6.0), "one entry for each patient"),
        (Y, [0, 1, np.nan, 3, 4, 5], r"score_a: 1 of 6 scores is missing \(NaN\) \(position 2\)"),
        (Y, [0, 1, np.inf, 3, 4, -np.inf], "2 of 6 scores are infinite"),
        (Y, np.arange(5.0), "5 entries for 6 patients"),
        (Y, np.ones((6, 2)), "second column"),
        (Y, ["x"] * 6, "numbers only"),
    ],
)
def test_what_cannot_be_tested_is_refused_with_a_sentence(y, a, message):
    with pytest.raises(InferenceError, match=message):
        delong_test(y, a, np.arange(6.0))


def test_wrong_arguments_are_programming_errors():
    with pytest.raises(ValueError, match="confidence_level"):
        delong_test(Y, Y, Y, confidence_level=95)
    with pytest.raises(ValueError, match="two scores"):
        delong_joint_test(Y, np.arange(6.0))
    with pytest.raises(ValueError, match="reference"):
        delong_joint_test(Y, np.ones((6, 2)), reference="t")


def test_pandas_inputs_of_any_kind_are_taken():
    a = pd.Series([1, 2, 3, 0, 2, 1], dtype="Int64")
    expected = delong_test(Y, a.to_numpy(dtype=float), [3, 2, 1, 0, 0, 1])
    assert delong_test(pd.Series(Y == 1, dtype="boolean"), a, [3, 2, 1, 0, 0, 1]) == expected
    with pytest.raises(InferenceError, match="missing"):
        delong_test(Y, a.where(a > 0), a)


def test_the_result_reads_as_a_sentence():
    found = delong_test(Y, [1, 3, 4, 2, 0, 1], [4, 1, 2, 0, 3, 0])
    text = repr(found)
    assert text.startswith("DeLong, paired (n = 6): 0.833 vs 0.778, difference +0.056, 95 % CI ")
    assert "only 3 patients in the smaller class" in text


@settings(max_examples=20)
@given(patients(n_scores=3))
def test_joint_test_does_not_hang_on_the_order_of_scores(sample):
    y, scores = sample
    one = delong_joint_test(y, np.column_stack(scores))
    two = delong_joint_test(y, np.column_stack(scores[::-1]))
    assert one.df == pytest.approx(two.df)
    assert one.statistic == pytest.approx(two.statistic, rel=1e-6, abs=1e-9, nan_ok=True)


Y_HUNDRED = np.repeat([1, 0], (40, 60))


def correlated_scores(rng: np.random.Generator, areas: tuple[float, float]) -> list[np.ndarray]:
    shared = np.sqrt(0.5) * rng.normal(size=len(Y_HUNDRED))
    shifts = np.sqrt(2) * special.ndtri(areas)
    return [shift * Y_HUNDRED + shared + np.sqrt(0.5) * rng.normal(size=len(Y_HUNDRED)) for shift in shifts]


def test_limits_are_where_those_of_the_difference_hold_zero():
    """Donner & Zou's quadratic equation, solved by another way."""
    score, best = correlated_scores(np.random.default_rng(1), (0.75, 0.9))
    found = share_of_ceiling(Y_HUNDRED, score, best)
    way, whole = auc(Y_HUNDRED, score) - 0.5, auc(Y_HUNDRED, best) - 0.5
    assert found.value == pytest.approx(way / whole)
    assert found.low < found.value < found.high
    covariance = _placement_covariance(*_placed_columns(Y_HUNDRED, score, best))
    r = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    areas = [auc_ci(Y_HUNDRED, each) for each in (score, best)]
    reaches = (
        (areas[0].value - areas[0].low, areas[1].high - areas[1].value),
        (
            areas[0].high - areas[0].value,
            areas[1].value - areas[1].low,
        ),
    )
    for limit, (of_way, of_whole), side in zip(found.confidence_interval, reaches, (-1, 1), strict=True):
        square, twice = whole**2 - of_whole**2, way * whole - r * of_way * of_whole
        root = np.sqrt(twice**2 - square * (way**2 - of_way**2))
        assert limit == pytest.approx((twice + side * root) / square)


def test_limits_cover():
    rng = np.random.default_rng(3)
    found = [share_of_ceiling(Y_HUNDRED, *correlated_scores(rng, (0.7, 0.85))) for _ in range(300)]
    covered = np.mean([each.low <= 0.2 / 0.35 <= each.high for each in found])
    # 300 draws at a true coverage of 0.95 stay above 0.91 with probability 0.998.
    assert covered > 0.91


def test_the_ceiling_covers_all_of_its_own_way():
    (best,) = correlated_scores(np.random.default_rng(2), (0.9,))
    found = share_of_ceiling(Y_HUNDRED, best, best)
    assert found.value == 1
    assert np.isnan(found.confidence_interval).all()
    assert "the share is 1 by definition" in found.note
    flawless = share_of_ceiling(Y_HUNDRED, Y_HUNDRED, Y_HUNDRED + np.arange(100) / 200)  # one of both has ties
    assert flawless.value == 1


@pytest.mark.parametrize("sizes", [(5, 60), (8, 9)])
def test_limits_of_the_share_cover_with_few_patients(sizes):
    """Fieller's, from DeLong's covariance, cover 0.86 and 0.91 (``benchmarks/interval_coverage.py 1000 shares``)."""
    rng, y, shifts = np.random.default_rng(4), np.repeat([1, 0], sizes), np.sqrt(2) * special.ndtri([0.75, 0.9])
    shared = np.sqrt(0.5) * rng.normal(size=(400, len(y), 1))
    scores = shared + np.sqrt(0.5) * rng.normal(size=(400, len(y), 2)) + y[:, None] * shifts
    found = [share_of_ceiling(y, *each.T) for each in scores]
    limits = np.array([each.confidence_interval for each in found if not np.isnan(each.low)])
    # At a true coverage of 0.95, 280 draws or more stay above 0.91 with probability 0.998.
    assert np.mean((limits[:, 0] <= 0.25 / 0.4) & (limits[:, 1] >= 0.25 / 0.4)) > 0.91
    assert "only" in found[0].note


def test_there_is_no_way_to_a_ceiling_of_chance():
    rng = np.random.default_rng(0)
    found = share_of_ceiling(Y_HUNDRED, rng.normal(size=100), rng.normal(size=100))
    assert np.isnan([found.low, found.high]).all()
    assert "not told from chance" in found.note
    assert np.isnan(share_of_ceiling(Y_HUNDRED, rng.normal(size=100), np.zeros(100)).value)


def test_degrees_of_freedom_of_classes_far_apart():
    """At most twice those of the smaller class: three cases that look alike by chance leave all the variance to the
    144 controls, and Satterthwaite's degrees of freedom rise to theirs."""
    rng, y = np.random.default_rng(3), np.repeat([1, 0], (3, 144))
    a, b = rng.normal(size=(2, 147))
    a[:3], b[:3] = (0.5, 0.51, 0.52), (0.2, 0.21, 0.22)
    found, joint = delong_test(y, a, b), delong_joint_test(y, [a, b])
    assert (found.df, joint.df_error) == (4, 4)
    expected = 2 * stats.t.sf(abs(found.statistic), 4)
    assert (found.pvalue, joint.pvalue) == pytest.approx((expected, expected))
    assert delong_test(y[:33], a[:33], b[:33]).df > 4


@pytest.mark.parametrize(("m", "n"), [(5, 100), (8, 9), (10, 40)])
def test_the_interval_holds_zero_where_the_test_does_not_reject(m, n):
    rng, y = np.random.default_rng(m), np.repeat([1, 0], (m, n))
    for _ in range(60):
        shared = rng.normal(size=m + n)
        a, b = (shift * y + shared + rng.normal(size=m + n) for shift in (2.0, 0.8))
        found = delong_test(y, a, b)
        assert found.low <= 0 <= found.high or found.pvalue <= 0.05


def test_the_known_exception_is_noted():
    rng, y = np.random.default_rng(0), np.repeat([1, 0], (10, 101))
    a, b = rng.normal(size=(2, 111))
    for test in (delong_test, permutation_test):
        assert "more than ten times as large" in test(y, a, b).note
        assert "ten times" not in test(y[:-1], a[:-1], b[:-1]).note


def test_numbers_of_a_published_reader_study():
    """Van Dyke's five readers (114 patients) by OR-DBM MRMC 2.51 of Hillis' group: areas and covariances go in."""
    areas = np.array(
        [
            [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
            [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
        ]
    )
    own, others = np.eye(5), 1 - np.eye(5)
    same, crossed = 0.00080229 * own + 0.00034407 * others, 0.00034661 * own + 0.00023903 * others
    error, df = _training_error(areas, np.block([[same, crossed], [crossed, same]]))
    difference = np.subtract(*areas.mean(axis=1))
    assert (error, df) == pytest.approx((0.02075, 15.26), rel=5e-4)
    assert 2 * stats.t.sf(abs(difference) / error, df) == pytest.approx(0.0517, abs=5e-5)
    limits = difference + np.array([-1, 1]) * stats.t.ppf(0.975, df) * error
    assert limits == pytest.approx([-0.08796, 0.00036], abs=1e-5)


def drawn(rng: np.random.Generator, y: np.ndarray, k: int, spread: float):
    """Two kinds of model of one true mean area; trainings differ by `spread`, patients are shared."""
    shared = rng.normal(size=len(y))
    return [
        [(1.5 + spread * rng.normal()) * y + 0.8 * shared + 0.6 * rng.normal(size=len(y)) for _ in range(k)]
        for _ in range(2)
    ]


@pytest.mark.parametrize(("k", "spread"), [(3, 0.3), (5, 0.3), (4, 0.0)])
def test_level_and_coverage(k, spread):
    rng, y, rejected, covered = np.random.default_rng(k), np.repeat([1, 0], (40, 120)), np.zeros(2), 0
    for _ in range(300):
        a, b = drawn(rng, y, k, spread)
        found = compare_trainings(y, a, b)
        covered += found.low <= 0 <= found.high
        rejected += [found.pvalue < 0.05, delong_test(y, a[0], b[0]).pvalue < 0.05]
    # Binomial (300, 0.05) stays below 27 with probability 0.998; a test of one training takes its chance for an effect.
    assert rejected[0] < 27
    assert covered / 300 > 0.91
    assert spread == 0 or rejected[1] > 40


def test_values_are_means_over_trainings():
    rng, y = np.random.default_rng(0), np.repeat([1, 0], (12, 15))
    a, b = drawn(rng, y, 3, 0.3)
    found = compare_trainings(y, np.column_stack(a), b)
    assert found.value_a == pytest.approx(np.mean([auc(y, each) for each in a]))
    assert found == compare_trainings(y, a, np.column_stack(b))
    assert found.pvalue == pytest.approx(
        2 * min(compare_trainings(y, a, b, alternative=side).pvalue for side in ("greater", "less"))
    )
    same = compare_trainings(y, a, a)
    assert (same.difference, same.pvalue) == (0, 1)
    with pytest.raises(InferenceError, match="3 trainings against 2"):
        compare_trainings(y, a, b[:2])
    with pytest.raises(InferenceError, match="1 training against 1"):
        compare_trainings(y, a[0], b[0])


def bamber(area: float, m: int, n: int) -> float:
    """Variance of an area of normal scores, by the bivariate normal distribution in place of Owen's T."""
    both = stats.multivariate_normal.cdf(special.ndtri([area, area]), cov=[[1, 0.5], [0.5, 1]])
    return (area * (1 - area) + (m + n - 2) * (both - area**2)) / (m * n)


@pytest.mark.parametrize("seed", [3, 5])
def test_non_inferiority_takes_the_error_that_the_difference_would_have_at_the_margin(seed):
    rng, y = np.random.default_rng(seed), np.arange(80) % 2
    a, b = rng.normal(size=(2, 80)) + y
    plain = delong_test(y, a, b, method="t")
    found = delong_test(y, a, b, margin=0.1, alternative="greater")
    placed = np.stack([_placements(y == 1, score) for score in (a, b)])
    (va, vab), (_, vb) = _placement_covariance(y == 1, placed)
    middle, r = (plain.value_a + plain.value_b) / 2, vab / np.sqrt(va * vb)

    def moved(variance: float, area: float, to: float) -> float:
        """A smaller variance than the normal one is averaged with it, which counts as 20 patients beside 40."""
        normal = bamber(to, 40, 40)
        variance *= normal / bamber(area, 40, 40)
        return (20 * normal + 40 * variance) / 60 if variance < normal else variance

    va, vb = moved(va, plain.value_a, middle - 0.05), moved(vb, plain.value_b, middle + 0.05)
    t = (plain.difference + 0.1) / np.sqrt(va + vb - 2 * r * np.sqrt(va * vb))
    assert found.statistic == pytest.approx(t)
    assert found.pvalue == pytest.approx(stats.t.sf(t, plain.df))
    # The margin that the lower limit just meets has one-sided p 0.025.
    met = delong_test(y, a, b, margin=-found.low, alternative="greater")
    assert met.pvalue == pytest.approx(0.025)
    assert "non-inferior by 0.1" in found.test
    students = delong_test(y, a, b, method="t", margin=0.1, alternative="greater")
    assert students.pvalue == pytest.approx(stats.t.sf((plain.difference + 0.1) / plain.standard_error, plain.df))
    assert (students.low, students.high) == (plain.low, plain.high)


def test_non_inferiority_of_high_areas_keeps_its_level():
    # Student's t with DeLong's own error is significant in .075 of such samples (``benchmarks/clinical.py``).
    y, p = np.arange(60) < 30, {"auto": [], "t": []}
    for seed in range(400):
        rng = np.random.default_rng(seed)
        scores = np.sqrt(0.8) * rng.normal(size=60) + np.sqrt(0.2) * rng.normal(size=(2, 60))
        a, b = scores + np.sqrt(2) * special.ndtri([0.85, 0.95])[:, None] * y
        for method, found in p.items():
            found.append(delong_test(y, a, b, method=method, margin=0.1, alternative="greater").pvalue)
    shares = {method: np.mean(np.array(found) <= 0.05) for method, found in p.items()}
    assert shares["auto"] < 0.065 < shares["t"]


def test_non_inferiority_of_few_cases_among_many_keeps_its_level():
    # With estimated variances alone, .100 and .070 of these samples were significant.
    y, p = np.arange(100) < 10, []
    for seed in range(500):
        rng = np.random.default_rng(seed)
        scores = (rng.normal(size=100) + rng.normal(size=(2, 100))) / np.sqrt(2)
        a, b = scores + np.sqrt(2) * special.ndtri([0.85, 0.95])[:, None] * y
        p.append(delong_test(y, a, b, margin=0.1, alternative="greater").pvalue)
    assert np.mean(np.array(p) <= 0.05) < 0.08
    assert np.mean(np.array(p) <= 0.025) < 0.045


def test_a_wider_margin_is_never_harder_to_meet_and_the_limit_says_which_is_met():
    rng = np.random.default_rng(0)
    for sizes in ((3, 20), (3, 40), (8, 9)) * 20:
        y = np.repeat([1, 0], sizes)
        a, b = rng.normal(size=(2, len(y))) + rng.normal(size=len(y)) + y[:, None].T * rng.uniform(0, 3, (2, 1))
        found = [delong_test(y, a, b, margin=margin, alternative="greater") for margin in (0.05, 0.1, 0.2, 0.35, 0.5)]
        assert np.diff([each.pvalue for each in found]).max() <= 0
        assert all(
            (each.pvalue < 0.025) == (each.low > -margin)
            for each, margin in zip(found, (0.05, 0.1, 0.2, 0.35, 0.5), strict=True)
        )
        assert len({each.confidence_interval for each in found}) == 1


def test_few_patients_have_the_known_exception_of_non_inferiority_in_the_note():
    rng = np.random.default_rng(0)
    for n, said in ((29, True), (30, False)):
        y = np.arange(n + 60) < n
        found = delong_test(y, *(rng.normal(size=(2, n + 60)) + y), margin=0.1, alternative="greater")
        assert ("p may be too small" in found.note) is said


def test_an_interval_that_holds_0_beside_a_significant_p_is_said():
    y = np.repeat([1, 0], (3, 20))
    a = [22, 23, 21, 11.5, 2, 11.5, 11.5, 5, 8, 8, 18.5, 15.5, 15.5, 15.5, 5, 2, 15.5, 11.5, 8, 5, 20, 2, 18.5]
    b = [14, 14, 14, 14, 6, 14, 14, 3, 14, 22, 14, 1, 14, 6, 6, 6, 20.5, 2, 6, 20.5, 14, 14, 23]
    found = delong_test(y, a, b)
    assert (found.pvalue < 0.001, found.low < 0 < found.high) == (True, True)
    assert "the interval holds 0, although p is significant" in found.note
    other = delong_test(y, a, b, method="t")
    assert other.low > 0
    assert "holds 0" not in other.note
    unpaired = delong_test((y, y), a, b, paired=False)
    assert ("holds 0" in unpaired.note) is (unpaired.pvalue <= 0.05 and unpaired.low <= 0 <= unpaired.high)


def test_a_score_without_error_can_be_as_good():
    y = np.repeat([0, 1], 10)
    a, b = np.arange(20.0), np.r_[np.arange(9), 10, 9, 11:20]
    found = delong_test(y, a, b, margin=0.05, alternative="greater")
    assert (found.value_a, found.difference > 0, found.low < found.difference < found.high) == (1.0, True, True)
    assert 0 < found.pvalue < 0.5
    assert found.pvalue > delong_test(y, a, b, method="t", margin=0.05, alternative="greater").pvalue


def test_a_margin_needs_a_direction_and_one_cohort():
    y, a, b = [0, 0, 1, 1], [1, 2, 3, 4], [1, 3, 2, 4]
    for change in ({}, {"alternative": "less"}):
        with pytest.raises(ValueError, match="belongs to alternative='greater'"):
            delong_test(y, a, b, margin=0.1, **change)
    with pytest.raises(ValueError, match="below 1"):
        delong_test(y, a, b, margin=5, alternative="greater")
    same = delong_test(y, a, a, margin=0.1, alternative="greater")
    assert np.isnan(same.pvalue)
    exactly = delong_test(y, [1, 1, 1, 1], a, margin=0.5, alternative="greater")
    assert np.isnan(exactly.pvalue)
    assert "alike" not in exactly.note
    assert "variance is zero: no test" in same.note


def test_a_ceiling_below_chance_has_no_share():
    """Both areas below one half would give the share of the two scores turned round."""
    rng = np.random.default_rng(1)
    a, b = correlated_scores(rng, (0.7, 0.85))
    found = share_of_ceiling(Y_HUNDRED, -a, -b)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert found.note == "the ceiling's area is not above 0.5: no share"


@pytest.mark.parametrize("n", [16, 24])
def test_numbers_written_as_texts_are_ranked_as_numbers(n):
    rng, y = np.random.default_rng(n), np.arange(n) % 2
    a, b = rng.integers(0, 30, n) + 8 * y, rng.integers(0, 30, n)
    expected = delong_test(y, a, b)
    for text in (list, pd.Series, pd.Categorical):
        assert delong_test(y, text(list(map(str, a))), text(list(map(str, b)))) == expected


def test_an_unpaired_test_is_of_different_patients():
    rng, y = np.random.default_rng(0), np.arange(40) % 2
    ids, other = [f"p{i}" for i in range(40)], [f"q{i}" for i in range(40)]
    a, b = (pd.Series(y + rng.normal(size=40), index=ids) for _ in range(2))
    for truth in (y, pd.Series(y, index=ids)):
        with pytest.raises(InferenceError, match=r"both cohorts hold p0, p1, .* For the same ones, paired=True"):
            delong_test((truth, truth), a, b, paired=False)
    free = delong_test((y, y), a, b.set_axis(other), paired=False)
    assert free.pvalue == delong_test((y, y), a.to_numpy(), b.to_numpy(), paired=False).pvalue
    # A numbering of the rows names nobody.
    assert free.pvalue == delong_test((y, y), *(s.reset_index(drop=True) for s in (a, b)), paired=False).pvalue


@pytest.mark.parametrize("sizes", [(12, 9), (40, 50), (6, 30)])
def test_the_interval_does_not_hang_on_the_alternative(sizes):
    rng, y = np.random.default_rng(5), np.arange(sum(sizes)) < sizes[0]
    near = 0
    for _ in range(40):
        common = rng.normal(size=len(y))
        a, b = (common + rng.normal(size=len(y)) + shift * y for shift in (2.0, 0.8))
        both, *one = (delong_test(y, a, b, alternative=side) for side in ("two-sided", "greater", "less"))
        assert {each.confidence_interval for each in one} == {both.confidence_interval}
        assert both.low <= 0 <= both.high or both.pvalue <= 0.05
        near += both.pvalue > 0.05 > one[0].pvalue
    assert near  # where it did


def test_a_joint_test_says_which_area_it_takes_as_certain():
    random = np.random.default_rng(0)
    y = np.arange(40) % 2
    scores = y[:, None] + random.normal(0, [0.01, 1, 2], (40, 3))
    assert "1 of 3 scores without error (or all wrong), as if certain" in delong_joint_test(y, scores).note
    assert "certain" not in delong_joint_test(y, scores[:, 1:]).note
