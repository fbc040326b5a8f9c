"""Sets of stages: contiguous, covering, and honest about too few calibration patients."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from fibrolib.clinical import selective_accuracy, set_coverage, stage_sets
from fibrolib.clinical.stage_sets import _mass_until
from fibrolib.inference import InferenceError, wilson


def patients(n, seed, noise=1.0):
    rng = np.random.default_rng(seed)
    stage = rng.integers(0, 5, n)
    logits = -((np.arange(5) - (stage + noise * rng.normal(size=n))[:, None]) ** 2)
    return stage, special.softmax(logits, axis=1)


def test_a_set_grows_from_the_mode_to_the_likelier_neighbour():
    # By hand: 2 (0.4), then 3 (0.25 > 0.2), then 1 (0.2 > 0.1), then 4 (0.1 > 0.05), then 0.
    until = _mass_until(np.array([[0.05, 0.2, 0.4, 0.25, 0.1]]))
    np.testing.assert_allclose(until, [[1.0, 0.85, 0.4, 0.65, 0.95]])
    np.testing.assert_allclose(_mass_until(np.array([[0.7, 0.0, 0.3]])), [[0.7, 0.7, 1.0]])


def test_coverage_is_at_least_the_promise_and_as_computed():
    # 500 draws of 19 calibration patients; the exact mean for scores without ties is 18 / 20.
    found = []
    for seed in range(500):
        stage, probabilities = patients(19 + 40, seed)
        sets = stage_sets(pd.DataFrame(probabilities[19:]), probabilities[:19], stage[:19], confidence_level=0.9)
        found.append(np.mean((sets["low"] <= stage[19:]) & (stage[19:] <= sets["high"])))
    exact = set_coverage([19], confidence_level=0.9)["coverage"].iloc[0]
    assert exact == pytest.approx(0.9)
    assert np.mean(found) == pytest.approx(exact, abs=2 * np.std(found) / np.sqrt(500) + 0.005)


def test_sixteen_patients_cannot_promise_95_per_cent():
    stage, probabilities = patients(40, 0)
    new = pd.DataFrame(probabilities[19:], index=[f"p{i}" for i in range(21)])
    sixteen = stage_sets(new, probabilities[:16], stage[:16], confidence_level=0.95)
    assert ((sixteen["low"] == 0) & (sixteen["high"] == 4)).all()
    assert sixteen["note"].str.contains("16 calibration patients: too few").all()
    nineteen = stage_sets(new, probabilities[:19], stage[:19], confidence_level=0.95)
    assert (nineteen["size"] < 5).any()
    assert list(nineteen.index) == list(new.index)
    assert (nineteen["note"] == "").all()


def test_least_numbers_of_calibration_patients():
    # ceil((n + 1) level) <= n: 9 for 0.9, 19 for 0.95, 99 for 0.99.
    for level, least in ((0.9, 9), (0.95, 19), (0.99, 99)):
        assert set_coverage([least - 1, least], confidence_level=level)["attainable"].tolist() == [False, True]


def test_spread_of_the_coverage_is_a_beta_distribution():
    # n = 19, level 0.95: Beta(19, 1), whose quantile q is q^(1/19).
    row = set_coverage([19], confidence_level=0.95).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((0.025 ** (1 / 19), 0.975 ** (1 / 19)))


def test_sets_are_contiguous_and_hold_the_mode():
    stage, probabilities = patients(60, 3, noise=2.0)
    sets = stage_sets(pd.DataFrame(probabilities[30:]), probabilities[:30], stage[:30], confidence_level=0.5)
    assert (sets["size"] == sets["high"] - sets["low"] + 1).all()
    mode = probabilities[30:].argmax(axis=1)
    assert ((sets["low"] <= mode) & (mode <= sets["high"])).all()


def test_accuracy_against_share_answered():
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
    table = selective_accuracy([0, 1, 0, 1], probabilities)
    assert table["n"].tolist() == [1, 2, 4]  # tied patients answer together
    assert table["exact"].tolist() == [1, 1, 0.5]
    assert table["within_one"].tolist() == [1, 1, 0.75]
    assert table["exact_low"].iloc[-1] == wilson(2, 4).low


def test_what_is_no_distribution_is_refused():
    stage, probabilities = patients(20, 0)
    with pytest.raises(InferenceError, match="each row with the sum 1"):
        stage_sets(pd.DataFrame(probabilities), probabilities * 2, stage)
    with pytest.raises(InferenceError, match="do not fit"):
        stage_sets(pd.DataFrame(probabilities), probabilities[:10], stage)
    with pytest.raises(ValueError, match="between 0 and 1"):
        stage_sets(pd.DataFrame(probabilities), probabilities, stage, confidence_level=95)
    with pytest.raises(InferenceError, match="do not fit"):
        selective_accuracy(stage + 5, probabilities)
    for hidden in (np.ma.array(probabilities, mask=np.eye(20, 5)), pd.DataFrame(probabilities).astype(str) + "x"):
        with pytest.raises(InferenceError, match=r"each row with the sum 1|numbers only"):
            stage_sets(probabilities, hidden, stage)


@pytest.mark.parametrize("sizes", [[-3], [2.5], ["a"], [None]])
def test_sizes_are_whole_numbers(sizes):
    with pytest.raises(ValueError, match="calibration_sizes must be a whole number"):
        set_coverage(sizes)


@pytest.mark.parametrize(
    "columns",
    [
        ["F1", "F2", "F3"],
        [1, 2, 3],
        [2.0, 1.0, 0.0],
        [("p", 2), ("p", 1), ("p", 0)],
        ["F2 (bad)", "F1 (mild)", "F0"],
    ],
)
def test_columns_are_the_stages_from_0_on(columns):
    values = pd.DataFrame(np.full((6, 3), 1 / 3), columns=pd.Index(columns))
    for call in (lambda: selective_accuracy([0, 1, 2] * 2, values), lambda: stage_sets(values, values, [0, 1, 2] * 2)):
        with pytest.raises(InferenceError, match="the columns of the probabilities must be of the stages from 0 on"):
            call()


def test_calibration_patients_are_no_new_ones():
    stage, probabilities = patients(40, 0)
    with pytest.raises(InferenceError, match="new patients are among the calibration patients: the promise"):
        stage_sets(probabilities, probabilities, stage)
    table = pd.DataFrame(probabilities, index=[f"p{i}" for i in range(40)])
    with pytest.raises(InferenceError, match=r"among the calibration patients \(p18, p19\)"):
        stage_sets(table[18:], table[:20], stage[:20])
    assert len(stage_sets(table[20:], table[:20], stage[:20])) == 20


def test_ids_tell_calibration_patients_however_they_are_numbered_or_written():
    stage, probabilities = patients(60, 0)
    table = pd.DataFrame(probabilities)
    named = table.set_axis([f"p{i}" for i in range(60)])
    numbered = table.set_axis(range(100, 160))
    for new, known, truth in (
        (table[10:40], table[:30], stage[:30]),  # told by their rows
        (table.loc[[3, 5, 9]], table, stage),
        (table[::-1][:5].reset_index(drop=True), probabilities, stage),
        (numbered.loc[[103, 105]], numbered.set_axis(numbered.index.astype(str)), stage),
        (named[:10] ** 2 / (named[:10] ** 2).sum(axis=1).to_numpy()[:, None], probabilities[:40],
         pd.Series(stage[:40], index=named.index[:40])),
    ):  # fmt: skip
        with pytest.raises(InferenceError, match="new patients are among the calibration patients"):
            stage_sets(new, known, truth)
    # Two rows of one file that are alike: rows tell nobody.
    coarse = np.eye(5)[probabilities.argmax(axis=1)]
    assert len(stage_sets(coarse[:20], coarse[20:], stage[20:])) == 20


def test_patients_and_stages_keep_their_places():
    stage, probabilities = patients(40, 0)
    table = pd.DataFrame(probabilities, columns=[f"F{k}" for k in range(5)])
    truth = pd.Series(stage)
    for call in (lambda: stage_sets(table, table[::-1], truth), lambda: selective_accuracy(truth, table[::-1])):
        with pytest.raises(InferenceError, match="same patients in another order"):
            call()
    for call in (
        lambda: stage_sets(table, table[table.columns[::-1]], truth),
        lambda: stage_sets(*[table[table.columns[::-1]]] * 2, truth),
        lambda: selective_accuracy(truth, table.set_axis([4, 3, 2, 1, 0], axis=1)),
    ):
        with pytest.raises(InferenceError, match="columns of the probabilities must be of the stages from 0 on"):
            call()
    words = table.set_axis(["none", "mild", "significant", "advanced", "cirrhosis"], axis=1)
    with pytest.raises(InferenceError, match="columns of both probabilities are in another order"):
        stage_sets(words, words[words.columns[::-1]], truth)
    rounded, known, first = words.astype("float32"), truth[:20], slice(0, 20)
    pd.testing.assert_frame_equal(
        stage_sets(rounded[20:], rounded[first], known), stage_sets(words[20:], words[first], known)
    )
    # An array serves as well as a table, and so does one size.
    pd.testing.assert_frame_equal(
        stage_sets(probabilities[20:], table[first], known),
        stage_sets(table[20:].reset_index(drop=True), probabilities[first], stage[first]),
    )
    pd.testing.assert_frame_equal(set_coverage(20), set_coverage([20]))


def test_a_significance_level_is_no_confidence_level():
    stage, probabilities = patients(40, 0)
    for call in (
        lambda: stage_sets(pd.DataFrame(probabilities[19:]), probabilities[:19], stage[:19], confidence_level=0.1),
        lambda: set_coverage([100], confidence_level=0.1),
    ):
        with pytest.raises(ValueError, match=r"confidence_level must be at least 0\.5; it is 0\.1\. .* give 0\.9"):
            call()


def test_probabilities_of_three_decimals_are_those_of_rows_with_the_sum_one():
    stage, probabilities = patients(60, 0)
    rounded = probabilities.round(3)
    assert not np.allclose(rounded.sum(axis=1), 1, atol=1e-4)
    sets = [stage_sets(each[30:], each[:30], stage[:30]) for each in (rounded, rounded / rounded.sum(1, keepdims=True))]
    pd.testing.assert_frame_equal(*sets)
    for row in ([0.274, 0.725], [0.334, 0.667]):
        assert selective_accuracy([0, 1], [row, [0.3, 0.7]])["n"].tolist() == [1, 2]
    with pytest.raises(InferenceError, match=r"each row with the sum 1; found 1\.01\. If they are rounded"):
        selective_accuracy(stage[:2], [[0.34, 0.34, 0.33], [0.3, 0.3, 0.4]])


def test_probabilities_that_are_written_alike_are_tied():
    """Their order must not be that of the rounding of the other stages."""
    found = selective_accuracy(
        [0, 1, 1, 0], [[0.9, 0.05, 0.05], [0.9, 0.05, 0.049], [0.9, 0.05, 0.051], [0.7, 0.2, 0.1]]
    )
    assert found["n"].tolist() == [3, 4]
