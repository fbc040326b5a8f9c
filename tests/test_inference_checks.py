"""Arguments that cannot be meant are refused by name, wherever they are given."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from fibrolib.clinical import (
    attainable_auc,
    clustered_auc,
    clustered_auc_test,
    compare_pathways,
    corrected_auc,
    interaction_tests,
    leave_one_centre_out,
    pathway_table,
    repeatability,
    subgroup_table,
)
from fibrolib.diagnostics import FIB4, tabulate_zones
from fibrolib.errors import FibrolibError
from fibrolib.inference import (
    InferenceError,
    adjust_pvalues,
    auc,
    auc_ci,
    calibration_curve,
    calibration_metrics,
    choose_threshold,
    classification_metrics,
    compare_staging,
    compare_trainings,
    confusion,
    coords,
    delong_joint_test,
    delong_test,
    estimates_table,
    fit_recalibration,
    log_odds,
    mcnemar_test,
    obuchowski,
    partial_auc,
    partial_auc_test,
    permutation_test,
    quadratic_kappa,
    recalibrated,
    roc_points,
    sensitivity_at_specificity,
    share_of_ceiling,
    wilson,
)
from fibrolib.inference.appraisal import (
    area_bounds,
    attainable_areas,
    auc_coverage,
    auc_power,
    auc_sample_size,
    comparison_power,
    comparison_range,
    implied_intervals,
    matching_confusions,
    metric_coverage,
    needed_correlation,
    pilot_power,
    pilot_sample_size,
    proportion_coverage,
)
from fibrolib.stages import at_least, is_metavir

Y = [0, 0, 0, 1, 1, 1]
A, B = [1.0, 2, 4, 3, 5, 6], [2.0, 1, 5, 3, 4, 6]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson(5, 3), "count must be at most n: 5 of 3 patients"),
        (lambda: wilson(-1, 3), "count must be a whole number from 0 on"),
        (lambda: wilson(1.5, 3), "count must be a whole number"),
        (lambda: auc_ci(Y, A, confidence_level=95), r"95 % is 0\.95, divide by 100"),
        (lambda: auc_ci(Y, A, "bootstrap", n_resamples=1), "n_resamples must be a whole number from 100 on"),
        (lambda: calibration_metrics(Y, np.array(A) / 7, n_resamples=1), "n_resamples must"),
        (lambda: classification_metrics(Y, A, 3, method="bootstrap", n_resamples=1), "n_resamples must"),
        (lambda: classification_metrics(Y, A, 3, prevalence=30), r"30 % is 0\.3, divide by 100"),
        (lambda: choose_threshold(Y, A, "sensitivity", target=90), r"90 % is 0\.9, divide by 100"),
        (lambda: attainable_areas(76, 8, 9), r"76 % is 0\.76, divide by 100"),
        (lambda: attainable_areas(0.8, 0, 9), "n_positive must be a whole number from 1 on"),
        (lambda: comparison_range(0.8, 1.9, 8, 9), "printed area must be a share between 0 and 1"),
        (lambda: comparison_range(0.8, 0.9, 8, 9, [0.5, 3]), "correlations must be a correlation between -1 and 1"),
        (lambda: needed_correlation(0.8, 0.7, 8, 9, confidence_level=5), "confidence_level must be"),
        (lambda: implied_intervals(8, 9, auc=84.7), r"84\.7 % is 0\.847"),
        (lambda: implied_intervals(8, 9, confusion=(8, 0, -1, 10)), "fp must be a whole number from 0 on"),
        (lambda: area_bounds(5, 0, 0, 0), "n_negative must be"),
        (lambda: matching_confusions(17, {"accuracy": 0.8}, n_positive=20), "n_positive must be below n"),
        (lambda: proportion_coverage(17, [80]), r"80 % is 0\.8"),
        (lambda: adjust_pvalues([0.2, 5]), r"5 % is 0\.05, divide by 100"),
        (lambda: obuchowski(Y, A, prevalence={0: 40, 1: 60}), r"prevalence of stage 0 must .* 40 % is 0\.4"),
        (lambda: auc_ci(Y, A, confidence_level="0.95"), r"confidence_level must be .* the text '0\.95'"),
        (lambda: auc_ci(Y, A, "bootstrap", n_resamples="500"), "n_resamples must be .* the text '500'"),
        (lambda: wilson("5", 10), "count must be .* the text '5'"),
        (lambda: auc_power(0.7, 10, 10, draws=10), "draws must be a whole number from 100 on; it is 10"),
        (lambda: auc_coverage(0.8, 8, 9, draws=1), "draws must be a whole number from 100 on; it is 1"),
        (lambda: auc_power(0.7, 10, 10, draws="9"), "draws must be .* the text '9'"),
        (lambda: comparison_power(0.8, 0.7, 50, 50, correlation=[0.1, 0.2]), "correlation must be one number"),
        (lambda: comparison_power(0.8, 0.7, 50, 50, correlation=2), "correlation .* it is 2$"),
        (lambda: auc_sample_size(0.7, ratio=1e-9), "ratio must be between 0.01 and 100: controls for each case"),
        (
            lambda: auc_coverage(0.8, 8, 9, spread=0),
            "spread must be between 0.01 and 100: the cases' standard deviation",
        ),
        (lambda: delong_test(Y, A, B, paired="no"), "paired must be True or False; it is 'no'"),
        (lambda: partial_auc(Y, A, standardise="no"), "standardise must be True or False"),
        (lambda: obuchowski(Y, A, penalise="no"), "penalise must be True or False"),
        (lambda: attainable_areas(0.8, 8, 9, ties="no"), "ties must be True or False"),
        (lambda: attainable_areas(0.8, [], []), "as many folds, at least one"),
        (lambda: attainable_areas(0.8, [8, 8], [9, 9], folds=3), "folds is for single class sizes"),
        (lambda: obuchowski(Y, A, prevalence=[0.4, 0.6]), "prevalence must map each stage to its share"),
        (lambda: auc(Y, A, pos_label=[1]), r"pos_label must be one label, .* it is \[1\]"),
        (lambda: confusion(Y, A, "3"), "threshold must be one number, not NaN; it is the text '3'"),
        (lambda: confusion(Y, A, None), "threshold must be one number, not NaN; it is nan"),
        (lambda: confusion(Y, A, [3, 4]), "threshold must be one number; its shape"),
        (lambda: coords(Y, A, threshold=[]), r"threshold must be one number or a list of numbers; its shape is \(0,\)"),
        (lambda: coords(Y, A, threshold=[[1, 2], [3, 4]]), "threshold must be one number or a list"),
        (lambda: adjust_pvalues(0.05), "pvalues must be a list"),
        (lambda: adjust_pvalues([[0.1, 0.2]]), "pvalues must be a list"),
        (lambda: auc_ci(Y, A, confidence_level=[0.9, 0.95]), "confidence_level must be one number"),
        (lambda: adjust_pvalues([0.01], "BH"), "for example .* 'fdr_bh'; it is 'BH'"),
        (lambda: estimates_table([auc_ci(Y, A)]), "estimates must map names to estimates"),
        (lambda: delong_test(Y, A, B, margin=None), "margin must be a difference of two areas .* it is nan"),
        (lambda: fit_recalibration(Y, np.array(A) / 7, slope="no"), "slope must be True or False"),
        (lambda: auc(Y, A, pos_label=pd.NA), "pos_label must be one label"),
        (
            lambda: attainable_areas(0.823, [15, 16, 17], [30, 29, 28]),
            "the mean area of these folds can have almost",
        ),
        (lambda: attainable_areas(0.9, 4000, 6000), "the area of 10000 patients can have almost any value"),
        (lambda: partial_auc(Y, A, ("0.5", "1")), r"bounds must be .* it holds texts: \('0\.5', '1'\)"),
        (lambda: auc_ci(Y, A, confidence_level=Decimal("0.8")), r"a plain number, such as 0\.8; it is a Decimal"),
        (lambda: proportion_coverage(17, [[0.5]]), r"truths must be a list of shares; its shape is \(1, 1\)"),
        (lambda: matching_confusions(17, None), "reported must map metrics to their values"),
        (lambda: recalibrated([0.2], np.nan, 1), "intercept must be a finite number; it is nan"),
        (lambda: estimates_table({"auc": 0.5}), "estimates must map names to estimates"),
        (lambda: obuchowski(Y, A, prevalence={0: 0.4, 1: 0.5, 5: 0.1}, scale=range(5)), "outside the scale .*: 5"),
        (
            lambda: metric_coverage("f1", 5, 5, 0.8, 0.8, confidence_level=0.999, n_resamples=100),
            "n_resamples at a confidence level of 0.999 must be a whole number from 2000 on",
        ),
        (lambda: metric_coverage("lr_positive", 8, 9, 0, 1), "lr_positive is 0/0 at a sensitivity of 0 and"),
        (lambda: recalibrated([0.2], 0, "a"), "slope must be a finite number; it is the text 'a'"),
    ],
)
def test_settings_that_nobody_can_mean(call, message):
    with pytest.raises(ValueError, match=message) as refused:
        call()
    # Tables turn refusals of data into notes: a wrong setting must not become one.
    assert not isinstance(refused.value, InferenceError)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, np.random.default_rng(0)])
def test_a_seed_is_a_whole_number(seed):
    for call in (
        lambda: auc_ci(Y, A, "bootstrap", seed=seed),
        lambda: classification_metrics(Y, A, 3, method="bootstrap", seed=seed),
        lambda: calibration_metrics(Y, np.array(A) / 7, seed=seed),
        lambda: auc_coverage(0.8, 8, 9, seed=seed),
        lambda: auc_power(0.8, 8, 9, seed=seed),
        lambda: corrected_auc(Y, A, np.eye(2), 1, seed=seed),
    ):
        with pytest.raises(ValueError, match="seed must"):
            call()


@pytest.mark.parametrize(
    "stages", [[0, 3, np.nan, np.nan], [0, 3.7, 1, 2], [0, -5, 1, 2], np.ma.array([0, 1, 2, 3], mask=[1, 0, 0, 0])]
)
def test_what_is_no_stage(stages):
    X = pd.DataFrame({"age": 50.0, "ast": 40.0, "alt": [30.0, 35, 40, 45], "platelets": 200.0})
    for call in (
        lambda: at_least(stages, 2),
        lambda: FIB4.classifier().fit(X, stages),
        lambda: obuchowski(stages, [1, 2, 3, 4]),
        lambda: quadratic_kappa(stages, [0, 1, 2, 3]),
    ):
        with pytest.raises(FibrolibError, match=r"stage\w* (is missing|must hold whole numbers)"):
            call()


@pytest.mark.parametrize("truth", [[3, 0, 1], [0, 1, np.nan], [0, 1, -9e18]])
def test_zones_are_counted_with_0_and_1_only(truth):
    with pytest.raises(FibrolibError, match=r"y_true (must hold|is missing)"):
        tabulate_zones(["low", "high", "high"], truth)


@pytest.mark.parametrize("kind", ["Int64", "boolean", object])
def test_missing_values_of_pandas_are_missing(kind):
    truth = pd.Series([pd.NA, 0, 0, 1, 1, 1], dtype=kind)
    for call in (lambda: auc(truth, A), lambda: auc(truth, A, pos_label=1), lambda: mcnemar_test(Y, Y, truth)):
        with pytest.raises(InferenceError, match="found nan: leave these patients out"):
            call()
    with pytest.raises(InferenceError, match=r"1 of 6 scores is missing \(NaN\)"):
        auc(Y, truth.astype(object))


def test_masked_labels_are_missing():
    masked = np.ma.array(["ill", "ill", "well", "well", "well", "well"], mask=[0, 0, 0, 0, 0, 1])
    for labels in (masked, np.ma.array(Y, mask=masked.mask)):
        with pytest.raises(InferenceError, match="found nan"):
            auc(labels, A, pos_label=labels[0])


@pytest.mark.parametrize("truth", [np.array(Y)[:, None], pd.DataFrame({"y": Y}), {0, 1}])
def test_labels_are_one_for_each_patient(truth):
    with pytest.raises(InferenceError, match="y_true must be a list with one entry for each patient"):
        auc(truth, A, pos_label=1)


def test_masked_values_are_missing():
    masked = np.ma.array(A, mask=[0, 0, 1, 0, 0, 0])
    for call in (
        lambda: auc(Y, masked),
        lambda: auc(np.ma.array(Y, mask=masked.mask), A),
        lambda: delong_test(Y, masked, B),
        lambda: delong_joint_test(Y, [masked, B]),
        lambda: delong_joint_test(Y, np.ma.column_stack((masked, B))),
    ):
        with pytest.raises(InferenceError, match=r"missing|nan"):
            call()
    assert auc(Y, np.ma.array(A)) == auc(Y, A)


@pytest.mark.parametrize(
    "scores",
    [
        np.array(A) + 1j,
        [1j] * 6,
        np.array(["2020-01-01"] * 6, dtype="datetime64[D]"),
        [np.datetime64("2020-01-01")] * 6,
        pd.Series(pd.to_timedelta(A, "D")),
    ],
)
def test_what_is_no_real_number(scores):
    with pytest.raises(
        InferenceError, match=r"y_score must hold numbers only: it is of type (complex|datetime|timedelta)"
    ):
        auc(Y, scores)


def test_tensors_are_lists_of_numbers():
    torch = pytest.importorskip("torch")
    assert confusion(Y, A, torch.tensor(3.0)) == confusion(Y, A, 3.0)
    with pytest.raises(InferenceError, match=r"y_score must hold numbers only: .*requires grad"):
        auc(Y, torch.tensor(A, dtype=torch.float32, requires_grad=True))


def test_numbers_beyond_floats_and_ragged_lists():
    with pytest.raises(InferenceError, match="y_score must hold numbers only: int too large"):
        auc([0, 1], [10**400, 2])
    for call in (lambda: compare_trainings(Y, [A, [[1], [1, 2]]], [A, B]), lambda: delong_joint_test(Y, [A, [B, 1]])):
        with pytest.raises(InferenceError, match="scores must hold numbers only"):
            call()


def test_calls_have_the_labels_of_the_truth():
    truth, calls = np.where(Y, "F4", "below"), np.where(Y, "F4", "F3")
    with pytest.raises(InferenceError, match="call_b holds 'F3'; y_true holds"):
        mcnemar_test(truth, truth, calls, pos_label="F4")


def test_patients_in_another_order_are_refused():
    """Rows are taken as they come: the same patients in another order would each get another one's score."""
    truth, score = (pd.Series(values, index=list("abcdef")) for values in (Y, A))
    chance = score / 7
    for call in (
        lambda: auc(truth, score[::-1]),
        lambda: delong_test(truth, score, score[::-1]),
        lambda: permutation_test(truth, score, score[::-1]),
        lambda: delong_joint_test(truth, score[::-1].to_frame().assign(b=B)),
        lambda: delong_joint_test(truth, [score, score[::-1]]),
        lambda: fit_recalibration(truth, chance[::-1]),
        lambda: compare_trainings(truth, *[pd.DataFrame({"a": A, "b": B}, index=list("fedcba"))] * 2),
        lambda: confusion(truth, score[::-1], 3),
        lambda: classification_metrics(truth, score[::-1], 3),
        lambda: calibration_metrics(truth, chance[::-1]),
        lambda: calibration_curve(truth, chance[::-1]),
        lambda: mcnemar_test(truth, truth, truth[::-1]),
        lambda: obuchowski(truth, score[::-1]),
        lambda: quadratic_kappa(truth, truth[::-1]),
        lambda: compare_staging(truth, pd.DataFrame({"a": score, "b": B})[::-1]),
    ):
        with pytest.raises(InferenceError, match="same patients in another order"):
            call()
    with pytest.raises(InferenceError, match="hold different patients, 'g' for example is not in both"):
        auc(truth, score.rename({"a": "g"}))
    numbered = truth.set_axis(range(3, 9))
    assert auc(numbered, score.reset_index(drop=True)) == auc(numbered, list(score))
    # Other labels (a score's own numbering) say nothing about the order.
    assert auc(truth, score) == auc(truth, score.reset_index(drop=True)) == auc(truth, score[::-1][truth.index])


def test_patients_without_a_name_in_common_are_refused():
    truth, score = (pd.Series(values, index=range(101, 107)) for values in (Y, A))
    as_text = score.set_axis(score.index.astype(str))
    assert auc(truth, as_text) == auc(truth, score) == auc(truth, score.set_axis(score.index.astype(float)))
    as_float = truth.set_axis(truth.index.astype(float))  # as a column of ids with a gap is read
    assert auc(as_float, as_text) == auc(truth, score)
    with pytest.raises(InferenceError, match="same patients in another order"):
        auc(truth, as_text[::-1])
    levels = pd.MultiIndex.from_product([["a"], truth.index])
    for other in (score.set_axis([f"p{each}" for each in score.index]), score.set_axis(levels)):
        with pytest.raises(InferenceError, match=r"name no patient alike, 101 and .* for example: give both the same"):
            auc(truth, other)


def test_a_score_that_is_numbered_hides_no_other():
    truth, other = (pd.Series(values, index=range(101, 107)) for values in (Y, B))
    for call in (
        lambda: delong_test(truth, pd.Series(A), other[::-1]),
        lambda: delong_joint_test(truth, [pd.Series(A), other[::-1]]),
    ):
        with pytest.raises(InferenceError, match="same patients in another order"):
            call()


@pytest.mark.parametrize("level", [0.99, 0.999, 0.9999])
def test_a_high_level_takes_more_resamples(level):
    """At least one beyond either limit."""
    least = round(2 / (1 - level))
    for call in (
        lambda n: auc_ci(Y, A, "bootstrap", confidence_level=level, n_resamples=n),
        lambda n: classification_metrics(Y, A, 3.5, method="bootstrap", confidence_level=level, n_resamples=n),
        lambda n: calibration_metrics(Y, np.array(A) / 7, confidence_level=level, n_resamples=n),
        lambda n: corrected_auc([0, 0, 0, 1, 1, 1], A, np.eye(2), 1, confidence_level=level, n_resamples=n),
    ):
        with pytest.raises(ValueError, match=f"n_resamples at a confidence level of {level} .* from {least} on"):
            call(least - 1)
        call(least)


def test_a_significance_level_is_no_confidence_level():
    for call in (
        lambda: auc_ci(Y, A, confidence_level=0.05),
        lambda: auc_power(0.65, 15, 15, confidence_level=0.05),
        lambda: wilson(3, 5, confidence_level=0.1),
    ):
        with pytest.raises(ValueError, match="confidence_level must be at least"):
            call()
    assert auc_ci(Y, A, confidence_level=0.5).low > auc_ci(Y, A).low


def test_a_target_belongs_to_a_rule():
    with pytest.raises(ValueError, match="a target is for rule='sensitivity' or 'specificity'"):
        choose_threshold(Y, A, target=0.95)
    assert choose_threshold(Y, A, "sensitivity") == choose_threshold(Y, A, "sensitivity", target=0.9)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([0.25, 1.5, 0.5, 2.0], "patient must hold ids: texts or whole numbers. Were scores given here"),
        ([-1, 0, -1, 1], "patient holds blanks, 'nan' or -1, which stand for a missing id"),
        (["a", "nan", "b", "c"], "every video needs the patient"),
        (["a", "<NA>", "b", "c"], "every video needs the patient"),
    ],
)
def test_what_is_no_id_of_a_patient(ids, said):
    with pytest.raises(InferenceError, match=said):
        clustered_auc([0, 1] * 10, np.arange(20), ids * 5)


def test_log_odds_and_moved_probabilities_keep_their_patients():
    scores = pd.Series(np.array(A) / 7, index=list("abcdef"), name="p")
    for moved in (log_odds(scores), recalibrated(scores, 0.1, 1.2)):
        assert moved.index.equals(scores.index)
        with pytest.raises(InferenceError, match="order"):
            auc(pd.Series(Y, index=scores.index), moved.sort_index(ascending=False))


def test_the_truth_is_no_score_and_equal_trainings_are_one():
    table = pd.DataFrame({"y_true": Y, "a": A, "b": B})
    for call in (lambda: delong_joint_test(Y, table), lambda: compare_trainings(Y, table, table)):
        with pytest.raises(InferenceError, match="scores has the column 'y_true', which is no score"):
            call()
    assert "all trainings are equal" in compare_trainings(Y, [A] * 3, [B] * 3).note
    assert "equal" not in compare_trainings(Y, [A, A], [B, A]).note


def test_whole_numbers_may_be_written_with_a_point():
    reported = {"accuracy": 0.7647}
    for call in (
        lambda one: auc_ci(Y, A, "bootstrap", seed=one, n_resamples=1000 * one),
        lambda one: classification_metrics(Y, A, 3, method="bootstrap", seed=one)["f1"],
        lambda one: calibration_metrics(Y, np.array(A) / 7, seed=one)["brier"],
        lambda one: auc_power(0.8, 8 * one, 9 * one, draws=100 * one, seed=one),
        lambda one: comparison_power(0.8, 0.9, 8, 9, draws=100 * one, seed=one),
        lambda one: corrected_auc([0, 0, 1, 1] * 5, np.arange(20), np.eye(2), one, seed=one),
        lambda one: auc_coverage(0.8, 8, 9, draws=100 * one, seed=one).to_dict(),
        lambda one: metric_coverage("f1", 3, 3, 0.8, 0.8, methods=["bootstrap"], n_resamples=1000 * one).to_dict(),
        lambda one: attainable_areas(0.85, 8, 9, decimals=2 * one, folds=2 * one).to_dict(),
        lambda one: matching_confusions(17 * one, reported, n_positive=8, decimals=4 * one).to_dict(),
    ):
        assert repr(call(1.0)) == repr(call(1))


def test_scores_of_a_joint_test_may_be_a_list():
    table = delong_joint_test(Y, np.column_stack((A, B)), reference="chi2")
    assert delong_joint_test(Y, [A, B], reference="chi2") == table
    assert table.pvalue == pytest.approx(delong_test(Y, A, B, method="proc").pvalue)
    with pytest.raises(InferenceError, match="as many entries"):
        delong_joint_test(Y, [A, B[:3]])


@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_p_values_of_any_kind_are_adjusted(kind):
    values = [0.01, np.nan, 0.04, 0.03]
    expected = multipletests([0.01, 0.04, 0.03], method="holm")[1]
    assert adjust_pvalues(kind(values)).dropna().tolist() == pytest.approx(expected.tolist())


def test_a_target_met_exactly_is_met():
    # 93 of 100 diseased above all others: 1 - 7/100 is less than 0.93 in binary numbers.
    y, score = np.repeat([1, 0], 100), np.concatenate((np.repeat([3.0, 1.0], [93, 7]), np.full(100, 2.0)))
    assert choose_threshold(y, score, "sensitivity", target=0.93) == 2.5
    assert choose_threshold(1 - y, -score, "specificity", target=0.93) == -2.5


def four_times(y):
    return np.tile(np.asarray(y, dtype=object), 4)


P = np.tile(A, 4) / 7 + np.arange(24) / 200
GROUPS = pd.DataFrame({"sex": np.repeat(["m", "w"], 12)})
ZONES = pd.DataFrame({"FIB-4": ["low", "high", "low", "high", "low", "low"]})

LABELLED = {
    "auc": lambda y, **o: auc(y, A, **o),
    "auc_ci": lambda y, **o: auc_ci(y, A, **o).confidence_interval,
    "roc_points": lambda y, **o: roc_points(y, A, **o).to_numpy().tolist(),
    "choose_threshold": lambda y, **o: choose_threshold(y, A, **o),
    "coords": lambda y, **o: coords(y, A, **o).to_numpy().tolist(),
    "sensitivity_at_specificity": lambda y, **o: sensitivity_at_specificity(y, A, 0.5, **o).confidence_interval,
    "partial_auc": lambda y, **o: partial_auc(y, A, (0.5, 1), **o).confidence_interval,
    "partial_auc_test": lambda y, **o: partial_auc_test(y, A, B, (0.5, 1), **o).pvalue,
    "delong_test": lambda y, **o: delong_test(y, A, B, **o).pvalue,
    "delong_test, unpaired": lambda y, **o: delong_test((y, y), A, B, paired=False, **o).pvalue,
    "delong_joint_test": lambda y, **o: delong_joint_test(y, [A, B], **o).pvalue,
    "permutation_test": lambda y, **o: permutation_test(y, A, B, **o).pvalue,
    "compare_trainings": lambda y, **o: compare_trainings(y, [A, B], [B, A], **o).pvalue,
    "share_of_ceiling": lambda y, **o: share_of_ceiling(y, A, B, **o).value,
    "mcnemar_test": lambda y, **o: mcnemar_test(y, y, y, **o).value_a,
    "confusion": lambda y, **o: confusion(y, A, 3.5, **o),
    "classification_metrics": lambda y, **o: classification_metrics(y, A, 3.5, **o)["ppv"].high,
    "calibration_metrics": lambda y, **o: calibration_metrics(y, np.array(A) / 7, n_resamples=100, **o)["slope"].value,
    "calibration_curve": lambda y, **o: calibration_curve(y, np.array(A) / 7, **o)["observed"].tolist(),
    "pilot_power": lambda y, **o: pilot_power(y, A, B, 50, 50, **o).power,
    "pilot_sample_size": lambda y, **o: pilot_sample_size(y, A, B, **o).n_positive,
    "fit_recalibration": lambda y, **o: fit_recalibration(four_times(y), P, **o),
    "clustered_auc": lambda y, **o: clustered_auc(y, A, range(6), **o).high,
    "clustered_auc_test": lambda y, **o: clustered_auc_test(y, A, B, range(6), **o).pvalue,
    "pathway_table": lambda y, **o: pathway_table(ZONES, y, **o)["missed_high"].tolist()[:1],
    "compare_pathways": lambda y, **o: compare_pathways({"a": ZONES}, y, **o)["missed_high"].tolist(),
    "subgroup_table": lambda y, **o: subgroup_table(four_times(y), P, GROUPS, 0.5, **o)["auc_low"].tolist(),
    "interaction_tests": lambda y, **o: interaction_tests(four_times(y), P, GROUPS, **o)["p"].tolist(),
    "leave_one_centre_out": lambda y, **o: leave_one_centre_out(four_times(y), P, GROUPS["sex"], **o)["auc"].tolist(),
}


@pytest.mark.parametrize("name", LABELLED)
def test_truth_may_be_labels(name):
    expected = LABELLED[name](Y)
    for labels in (
        np.where(Y, "F4", "below"),
        pd.Series(Y).map({1: "F4", 0: "below"}),
        ["F4" if y else "-" for y in Y],
    ):
        assert LABELLED[name](labels, pos_label="F4") == expected
    assert LABELLED[name](np.array(Y) + 1, pos_label=2) == expected
    with pytest.raises(InferenceError, match=r"pos_label='F5'; it holds 'below', 'F4'"):
        LABELLED[name](np.where(Y, "F4", "below"), pos_label="F5")
    with pytest.raises(InferenceError, match="must hold two labels"):
        LABELLED[name](["F4", "F3", "F2", "F4", "F3", "F2"], pos_label="F4")


def test_scores_in_one_column_are_to_be_unravelled():
    with pytest.raises(InferenceError, match=r"its shape is \(6, 1\): give \.ravel\(\) of it"):
        auc(Y, np.reshape(A, (6, 1)))
    with pytest.raises(InferenceError, match="of predict_proba take the second column"):
        auc(Y, np.column_stack([A, B]))


def test_labels_without_a_name_and_missing_ones():
    with pytest.raises(InferenceError, match="name the label of the condition by pos_label"):
        auc(["ill", "well"] * 3, A)
    with pytest.raises(InferenceError, match="found nan"):
        auc(["ill", "well", None, "ill", "well", "ill"], A, pos_label="ill")


@pytest.mark.parametrize("cutoff", [np.nan, np.inf, 2.5, "2", None, -1, 0, True, 101])
def test_a_cutoff_is_a_stage(cutoff):
    with pytest.raises(FibrolibError, match="the cut-off must be a stage, such as 2, from 1 to 100"):
        at_least([0, 2, 4], cutoff)


def test_a_list_of_scores_is_one_also_with_as_many_scores_as_patients():
    rng = np.random.default_rng(0)
    a, b = (Y + rng.normal(size=(6, 6)) for _ in range(2))  # rows are scores
    assert compare_trainings(Y, list(a), list(b)) == compare_trainings(Y, a.T, b.T)
    assert delong_joint_test(Y, list(a)) == delong_joint_test(Y, a.T)


def test_a_level_is_no_name():
    with pytest.raises(ValueError, match=r"name must be a text; it is 0\.9: give the level by confidence_level="):
        wilson(5, 20, 0.9)


def test_each_patient_has_one_row():
    truth, score = (pd.Series(np.tile(values, 2), index=list("abcdef") * 2) for values in (Y, A))
    for call in (auc_ci, auc, lambda y, s: delong_test(y, s, s), lambda y, s: calibration_metrics(y, s / 7)):
        with pytest.raises(InferenceError, match="12 rows of 6 patients: 'a', for example, has several"):
            call(truth, score)
    assert auc(truth.to_numpy(), score.to_numpy()) == auc(Y, A)
    # Two tables that were put together are numbered twice, and a part of a table is not numbered from 0 on.
    for index in ([*range(6), *range(6)], range(3, 15)):
        assert auc(truth.set_axis(index), score.set_axis(index)) == auc(Y, A)


def test_advice_on_ids_can_be_followed():
    truth, score = (pd.Series(values, index=range(101, 107)) for values in (Y, A))
    as_text = score.set_axis(score.index.astype(str))
    with pytest.raises(InferenceError, match=r"another order: write the ids alike .* then give scores.reindex"):
        auc(truth, as_text[::-1])
    with pytest.raises(InferenceError, match=r"different patients, '106' .*: write the ids alike"):
        auc(truth.rename({106: 200}), as_text)


def test_ids_that_differ_in_a_blank_are_refused():
    patients = ["a", "a ", "b", "b", "c", "c", "d", "d"]
    with pytest.raises(InferenceError, match="patient holds 'a' and 'a ', which would be two"):
        clustered_auc([0, 0, 1, 1, 0, 0, 1, 1], range(8), patients)
    with pytest.raises(InferenceError, match="patient holds 'a' and 'a '"):
        repeatability(np.arange(8.0), patients, 0.5)


def test_a_patient_is_the_same_with_a_blank_behind_the_id():
    ids = [f"p{n}" for n in range(6)]
    one, other = pd.Series(Y, ids), pd.Series(Y, [f"{each} " for each in ids])
    with pytest.raises(InferenceError, match="both cohorts hold p0"):
        delong_test((one, other), pd.Series(A, ids), pd.Series(B, other.index), paired=False)
    with pytest.raises(InferenceError, match="6 rows of 5 patients"):
        auc(pd.Series(Y, ["p1", "p1 ", *ids[2:]]), A)


@pytest.mark.parametrize("empty", ["", " ", "nan", "<NA>", "NaT"])
def test_a_text_that_stands_for_a_missing_label_is_no_label(empty):
    with pytest.raises(InferenceError, match="found nan: leave these patients out"):
        auc(["F4", empty, "F4", empty], [1, 2, 3, 4], pos_label="F4")
    assert auc(pd.Series(["F4", "F0"] * 2, dtype="category"), [2, 1, 4, 3], pos_label="F4") == 0.75


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: comparison_range(0.8, 0.7, 8, 9, [[0.1]]), "correlations must be a list of numbers"),
        (lambda: coords(Y, A, threshold=[[0.5], [0.1, 0.2]]), "threshold must hold numbers only"),
        (lambda: coords(Y, A, threshold=[[0.5, 0.1]]), "threshold must be one number or a list"),
        (lambda: repeatability(np.linspace(0.1, 0.9, 12), [1, 2, 3, 4] * 3, 50), "threshold is 50, and scores lie"),
        (lambda: repeatability(np.linspace(0.1, 0.9, 12), [1, 2, 3, 4] * 3, True), "threshold must be one number"),
        (lambda: adjust_pvalues([0.1], ["holm"]), "method must be one of multipletests'"),
        (lambda: attainable_auc([np.inf, 1], np.eye(2), 1), "finite shares from 0 on"),
        (lambda: is_metavir([0, 1, 2, np.nan]), "stages must be whole numbers, and none may be missing"),
        (lambda: is_metavir([0, 1.5, 2.7]), "stages must be whole numbers"),
    ],
)
def test_arguments_of_another_shape_or_kind_are_named(call, said):
    with pytest.raises((ValueError, FibrolibError), match=said):
        call()
