"""From the predictions table to the tables of the paper, against the single tests they are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix
from statsmodels.stats.multitest import multipletests

from fibrolib.inference import (
    InferenceError,
    adjust_pvalues,
    auc,
    auc_ci,
    choose_threshold,
    choose_thresholds,
    classification_metrics,
    compare_models,
    compare_staging,
    count_results,
    delong_joint_test,
    delong_test,
    joint_test,
    mcnemar_test,
    obuchowski_test,
    permutation_test,
    select_predictions,
    summarise_models,
    threshold_ranges,
)
from fibrolib.inference.appraisal.splits import _auc_by_fold

MODELS = ("cnn3d", "cnn2d", "swe")
SIZES = {"train": 40, "validation": 16, "test": 17}


@pytest.fixture
def predictions() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    rows = []
    for split, n in SIZES.items():
        for i in range(n):
            y = int(i % 2)
            for model, shift in zip(MODELS, (1.5, 1.0, 0.8), strict=True):
                fold = i % 5 if split == "train" else pd.NA
                row = (f"{split}{i}", model, split, fold, 0, 2 * y, y, shift * y + rng.normal())
                rows.append(row)
    names = ["patient_id", "model", "split", "fold", "repeat", "stage", "y_true", "y_score"]
    table = pd.DataFrame(rows, columns=names).astype({"fold": "Int64"})
    lost = (table["model"] == "swe") & table["patient_id"].isin(["test0", "test1", "test4"])
    return table.assign(y_score=table["y_score"].mask(lost))


def part(predictions: pd.DataFrame, model: str, split: str = "test") -> pd.DataFrame:
    chosen = predictions[(predictions["model"] == model) & (predictions["split"] == split)]
    return chosen.set_index("patient_id").dropna(subset="y_score")


def test_counts_of_results_are_those_of_scikit_learn(predictions):
    thresholds = {"cnn3d": 0.7, "swe": 0.4}
    counts = count_results(predictions, thresholds).set_index("model")
    assert counts["missing"].to_dict() == {"cnn3d": 0, "cnn2d": 0, "swe": 3}
    for model, threshold in thresholds.items():
        rows = part(predictions, model)
        expected = confusion_matrix(rows["y_true"], rows["y_score"] >= threshold).ravel()
        assert counts.loc[model, ["tn", "fp", "fn", "tp"]].tolist() == expected.tolist()
    assert counts.loc["cnn2d", ["tn", "fp", "fn", "tp"]].isna().all(), "no operating point"
    with pytest.raises(ValueError, match="thresholds must map models to operating points"):
        count_results(predictions, [0.7])
    nobody = predictions.assign(y_score=predictions["y_score"].mask(predictions["model"] == "swe"))
    assert count_results(nobody, thresholds).iloc[-1].tolist() == ["swe", 17, 0, 0, 0, 0]


def test_one_split_and_one_column_of_each(predictions):
    with pytest.raises(ValueError, match=r"split must be one of train, validation, test, not \['test'\]"):
        select_predictions(predictions, ["test"])
    with pytest.raises(InferenceError, match="several columns y_score: keep one of each"):
        joint_test(pd.concat([predictions, predictions[["y_score"]]], axis=1))
    with pytest.raises(InferenceError, match="it is the text 0 for patient"):
        joint_test(predictions.assign(y_true=predictions["y_true"].astype(str)))


def test_every_pair_is_tested_on_the_patients_of_both(predictions):
    table = compare_models(predictions)
    assert list(zip(table["a"], table["b"], strict=True)) == [("cnn3d", "cnn2d"), ("cnn3d", "swe"), ("cnn2d", "swe")]
    assert table["n"].tolist() == [17, 14, 14]
    expected_columns = ["a", "b", "n", "difference", "ci_low", "ci_high", "z", "p", "p_holm"]
    assert table.columns[:9].tolist() == expected_columns
    for row in table.itertuples():
        a, b = part(predictions, row.a), part(predictions, row.b)
        both = a.index.intersection(b.index)
        found = delong_test(a.loc[both, "y_true"], a.loc[both, "y_score"], b.loc[both, "y_score"])
        assert (row.difference, row.z, row.p) == pytest.approx((found.difference, found.statistic, found.pvalue))
        assert (row.ci_low, row.ci_high) == pytest.approx(found.confidence_interval)
        assert row.difference == pytest.approx(row.auc_a - row.auc_b)
        assert row.test == "DeLong, paired"
        assert "patients in the smaller class" in row.note
    assert table["p_holm"].tolist() == pytest.approx(multipletests(table["p"], method="holm")[1])


def test_the_order_of_rows_does_not_matter(predictions):
    shuffled = predictions.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(compare_models(predictions), compare_models(shuffled, models=MODELS))


def test_patients_who_chose_the_operating_point_do_not_judge_it_in_silence(predictions):
    chosen_here = "operating point chosen on these patients"
    assert summarise_models(predictions, split="validation")["note"].str.contains(chosen_here).all()
    assert not summarise_models(predictions)["note"].str.contains(chosen_here).any()
    with pytest.raises(InferenceError, match="thresholds of 'CNN3D': the predictions have no such model"):
        summarise_models(predictions, {"CNN3D": 0.5})


def test_models_without_a_patient_in_common_have_no_joint_test(predictions):
    first, second = predictions["model"].unique()[:2]
    even = predictions["patient_id"].str[-1].isin(list("02468"))
    hidden = ((predictions["model"] == first) & even) | ((predictions["model"] == second) & ~even)
    apart = predictions["y_score"].mask(hidden)
    assert joint_test(predictions.assign(y_score=apart))["note"].item() == "no patient is scored by all models"


def test_an_operating_point_is_a_number(predictions):
    model = predictions["model"].iloc[0]
    for value in (np.inf, "0.5"):
        with pytest.raises(ValueError, match=f"thresholds must be numbers, NaN where there is none; that of '{model}'"):
            count_results(predictions, {model: value})


def test_patients_have_one_kind_of_id(predictions):
    ids = predictions["patient_id"].astype(object).where(predictions.index != 0, 7)
    with pytest.raises(InferenceError, match="column 'patient_id' holds numbers and texts"):
        summarise_models(predictions.assign(patient_id=ids))


def test_a_stage_without_scores_leaves_the_penalty_as_it_is():
    rng, stage = np.random.default_rng(0), np.repeat(np.arange(4), 8)
    scores = pd.DataFrame({"a": stage + rng.normal(size=32), "b": stage + rng.normal(size=32)})
    scores.loc[stage == 3, "b"] = np.nan
    known = stage < 3
    expected = obuchowski_test(stage[known], scores["a"][known], scores["b"][known], scale=range(4))
    row = compare_staging(stage, scores).iloc[0]
    assert (row["difference"], row["p"]) == pytest.approx((expected.difference, expected.pvalue))


def test_models_can_be_chosen(predictions):
    assert compare_models(predictions, models=["swe", "cnn2d"])[["a", "b"]].to_numpy().tolist() == [["swe", "cnn2d"]]
    assert compare_models(predictions, models=["swe"]).empty
    with pytest.raises(InferenceError, match="no predictions of \\['apri'\\]"):
        compare_models(predictions, models=["apri", "swe"])


def test_pairs_that_cannot_be_tested_stay_in_the_table_but_not_in_the_correction(predictions):
    cases = predictions["y_true"].eq(1) & predictions["model"].eq("swe")
    table = compare_models(predictions.assign(y_score=predictions["y_score"].mask(cases)))
    assert table["p"].isna().tolist() == [False, True, True]
    assert table.loc[0, "p_holm"] == table.loc[0, "p"]
    assert table["p_holm"].isna().tolist() == [False, True, True]
    assert "0 patients with" in table.loc[1, "note"]
    nothing = compare_models(predictions.assign(y_score=np.nan))
    assert nothing["p_holm"].isna().all()
    assert nothing["n"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("method", ["holm", "bonferroni", "fdr_bh"])
def test_corrections_are_those_of_statsmodels_and_pass_over_what_was_not_tested(method):
    p = pd.Series([0.01, np.nan, 0.04, 0.03], index=list("abcd"))
    found = adjust_pvalues(p, method)
    assert np.isnan(found["b"])
    assert found.dropna().tolist() == pytest.approx(multipletests([0.01, 0.04, 0.03], method=method)[1])


def test_summary_has_every_estimate_with_its_interval(predictions):
    table = summarise_models(predictions).set_index("model")
    assert table.index.tolist() == list(MODELS)
    assert table["n"].tolist() == [17, 17, 14]
    for model in MODELS:
        chosen, validation = part(predictions, model), part(predictions, model, "validation")
        threshold = choose_threshold(validation["y_true"], validation["y_score"])
        expected = classification_metrics(chosen["y_true"], chosen["y_score"], threshold)
        expected["auc"] = auc_ci(chosen["y_true"], chosen["y_score"])
        for key, estimate in expected.items():
            ours = table.loc[model, [key, f"{key}_low", f"{key}_high"]].tolist()
            assert ours == pytest.approx([estimate.value, estimate.low, estimate.high], nan_ok=True)
        assert table.loc[model, "threshold"] == threshold
        assert table.loc[model, "auc_method"] == expected["auc"].method
        assert "patients in the smaller class" in table.loc[model, "note"]


def test_summary_takes_thresholds_and_says_what_is_missing(predictions):
    table = summarise_models(predictions, {"cnn3d": 0.5, "cnn2d": np.nan}).set_index("model")
    assert table["threshold"].isna().tolist() == [False, True, True]
    assert table["accuracy"].isna().tolist() == [False, True, True]
    assert table["auc"].notna().all()
    assert "no operating point: none was given" in table.loc["swe", "note"]
    shares = predictions.assign(y_score=1 / (1 + np.exp(-predictions["y_score"])))
    with pytest.raises(InferenceError, match="the operating point of 'cnn3d' is 50, and scores lie"):
        summarise_models(shares, {"cnn3d": 50})
    with pytest.raises(ValueError, match=r"thresholds must be numbers.*that of 'cnn3d' is \[0.5\]"):
        summarise_models(predictions, {"cnn3d": [0.5]})
    assert "do not hold both classes" in table.loc["cnn2d", "note"]
    empty = predictions.assign(y_score=predictions["y_score"].mask(predictions["model"].eq("swe")))
    row = summarise_models(empty).set_index("model").loc["swe"]
    assert row["n"] == 0
    assert np.isnan(row["auc"])
    assert row["note"]


def test_operating_points_never_come_from_the_test_patients(predictions):
    assert set(choose_thresholds(predictions, "sensitivity", target=0.8)) == set(MODELS)
    with pytest.raises(ValueError, match="flatters"):
        choose_thresholds(predictions, split="test")
    changed = predictions.assign(y_score=predictions["y_score"].where(predictions["split"] != "test", 0.0))
    assert choose_thresholds(changed) == choose_thresholds(predictions)
    one_class = predictions[~((predictions["split"] == "validation") & (predictions["y_true"] == 1))]
    assert np.isnan(list(choose_thresholds(one_class).values())).all()


def test_areas_by_fold(predictions):
    table = _auc_by_fold(predictions)
    assert len(table) == 15
    assert table["n"].tolist() == [8] * 15
    fold = predictions[(predictions["model"] == "cnn2d") & (predictions["fold"] == 3)]
    row = table[(table["model"] == "cnn2d") & (table["fold"] == 3)].iloc[0]
    assert row["auc"] == auc(fold["y_true"], fold["y_score"])
    one_class = predictions[~((predictions["fold"] == 3).fillna(False) & (predictions["y_true"] == 1))]
    assert _auc_by_fold(one_class)["auc"].isna().sum() == 3


def test_wide_table_keeps_missing_scores(predictions):
    wide = select_predictions(predictions)
    assert wide.columns.tolist() == ["y_true", *MODELS]
    assert wide["swe"].isna().sum() == 3
    assert wide.index.name == "patient_id"


def change(predictions: pd.DataFrame, row: int, **values: object) -> pd.DataFrame:
    table = predictions.copy()
    for column, value in values.items():
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        table[column] = table[column].infer_objects()
    return table


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.drop(columns=["y_true", "repeat"]), "lacks the column\\(s\\) repeat, y_true"),
        (lambda p: p.iloc[:0], "no rows"),
        (
            lambda p: pd.concat([p, p.iloc[[5]]]),
            "more than one score in split 'train', repeat 0 \\(1 such case\\)",
        ),
        (lambda p: change(p, 4, split="holdout"), "'split' holds \\['holdout'\\]"),
        (lambda p: change(p, 4, y_true=2), "must hold 0 and 1: it is 2 for patient train1 \\(model cnn2d\\)"),
        (lambda p: change(p, 4, y_true=0), "patient train1 has y_true 0 in one row and 1 in another"),
        (lambda p: change(p, 4, y_score=np.inf), "infinite score for patient train1"),
        (lambda p: p.assign(y_score="high"), "must hold numbers"),
    ],
)
def test_a_bad_table_is_refused_with_a_sentence(predictions, spoil, message):
    for use in (select_predictions, compare_models, summarise_models, _auc_by_fold):
        with pytest.raises(InferenceError, match=message):
            use(spoil(predictions))


def test_what_is_not_there_is_named(predictions):
    with pytest.raises(InferenceError, match="split 'test', repeat 3"):
        compare_models(predictions, repeat=3)
    with pytest.raises(InferenceError, match="no out-of-fold scores"):
        _auc_by_fold(predictions[predictions["split"] == "test"])
    with pytest.raises(InferenceError, match="column fold"):
        _auc_by_fold(predictions.drop(columns="fold"))


def test_a_table_read_back_from_csv_gives_the_same(predictions, tmp_path):
    path = tmp_path / "predictions.csv"
    predictions.to_csv(path, index=False)
    pd.testing.assert_frame_equal(compare_models(pd.read_csv(path)), compare_models(predictions))


STAGED_MODELS = ("one", "two", "three")


@pytest.fixture
def staged_predictions() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    stage = np.arange(40) % 5
    rows = [
        pd.DataFrame(
            {
                "patient_id": [f"p{i}" for i in range(40)],
                "model": model,
                "split": "test",
                "repeat": 0,
                "stage": stage,
                "y_true": (stage >= 2).astype(int),
                "y_score": slope * stage + rng.normal(size=40),
            }
        )
        for model, slope in zip(STAGED_MODELS, (0.9, 0.6, 0.3), strict=True)
    ]
    table = pd.concat(rows, ignore_index=True)
    table.loc[(table["model"] == "three") & (table["patient_id"] == "p7"), "y_score"] = np.nan
    return table


def test_joint_test_uses_the_patients_of_all(staged_predictions):
    (row,) = joint_test(staged_predictions).itertuples()
    wide = select_predictions(staged_predictions).dropna()
    expected = delong_joint_test(wide["y_true"], wide[list(STAGED_MODELS)])
    assert (row.models, row.n, row.df, row.df_error) == (3, 39, expected.df, expected.df_error)
    assert (row.statistic, row.p) == (expected.statistic, expected.pvalue)
    assert row.test == "DeLong, joint (F)"
    assert joint_test(staged_predictions, models=["one", "two"])["n"].item() == 40


def test_what_cannot_be_tested_jointly_has_a_note(staged_predictions):
    assert "two scores" in joint_test(staged_predictions, models=["one"])["note"].item()
    nobody = staged_predictions.assign(y_score=staged_predictions["y_score"].mask(staged_predictions["model"] == "two"))
    (row,) = joint_test(nobody).itertuples()
    assert row.n == 0
    assert np.isnan(row.p)
    assert row.note


def test_pairs_are_exchanged_on_the_patients_of_both(staged_predictions):
    table = compare_models(staged_predictions, "permutation")
    wide = select_predictions(staged_predictions)
    assert table["n"].tolist() == [40, 39, 39]
    for row in table.itertuples():
        both = wide[["y_true", row.a, row.b]].dropna()
        expected = permutation_test(both["y_true"], both[row.a], both[row.b])
        assert (row.difference, row.p, row.test) == (expected.difference, expected.pvalue, "permutation, paired")
    assert table["p_holm"].tolist() == pytest.approx(multipletests(table["p"], method="holm")[1])


def test_accuracy_is_compared_at_the_operating_points_with_holm(staged_predictions):
    thresholds = {"one": 1.0, "two": 0.9, "three": 0.5}
    table = compare_models(staged_predictions, "mcnemar", thresholds=thresholds)
    assert list(zip(table["a"], table["b"], strict=True)) == [("one", "two"), ("one", "three"), ("two", "three")]
    assert table["n"].tolist() == [40, 39, 39]
    wide = select_predictions(staged_predictions)
    for row in table.itertuples():
        both = wide[["y_true", row.a, row.b]].dropna()
        expected = mcnemar_test(both["y_true"], both[row.a] >= thresholds[row.a], both[row.b] >= thresholds[row.b])
        assert (row.difference, row.p) == (expected.difference, expected.pvalue)
        assert (row.ci_low, row.ci_high) == expected.confidence_interval
        assert row.test == "McNemar, exact"
        assert row.note == expected.note
    assert table["p_holm"].tolist() == pytest.approx(multipletests(table["p"], method="holm")[1])
    assert compare_models(staged_predictions, "mcnemar", thresholds={"one": 1.0, "two": np.nan}).empty
    for test, said in {"mcnemar": "give the models' thresholds", "wald": "one of delong, permutation, mcnemar"}.items():
        with pytest.raises(ValueError, match=said):
            compare_models(staged_predictions, test)
    apart = staged_predictions[~((staged_predictions["model"] == "one") ^ (staged_predictions["patient_id"] < "p2"))]
    assert "no patient is scored by both" in compare_models(apart, "mcnemar", thresholds=thresholds)["note"].tolist()


def test_staging_is_compared_on_the_patients_of_both(staged_predictions):
    wide = select_predictions(staged_predictions)[list(STAGED_MODELS)]
    stage = staged_predictions.drop_duplicates("patient_id").set_index("patient_id")["stage"].reindex(wide.index)
    pairs = compare_staging(stage, wide)
    both = wide[["one", "three"]].dropna()
    expected = obuchowski_test(stage[both.index], both["one"], both["three"])
    row = pairs[(pairs["a"] == "one") & (pairs["b"] == "three")].iloc[0]
    assert (row["n"], row["difference"], row["p"]) == (39, expected.difference, expected.pvalue)
    assert (row["ci_low"], row["ci_high"]) == expected.confidence_interval
    assert "smaller stage" in row["note"]
    assert row["test"] == "Obuchowski, paired"
    assert pairs["p_holm"].tolist() == pytest.approx(multipletests(pairs["p"], method="holm")[1])
    lonely = stage.isin([0, 1]) | (stage.index == "p4")
    refused = compare_staging(stage[lonely], wide[lonely])
    assert refused["p"].isna().all()
    assert "one patient only" in refused["note"].iloc[0]


def test_range_of_a_threshold_is_that_of_resampled_patients():
    rng = np.random.default_rng(3)
    y = np.repeat([1, 0], (7, 9))
    score = y + rng.normal(size=16)
    parts = {"validation": score, "test": rng.normal(size=16), "train": -score}
    tables = [
        pd.DataFrame({"patient_id": [f"{split}{i}" for i in range(16)], "y_true": y, "y_score": scores, "split": split})
        for split, scores in parts.items()
    ]
    table = pd.concat(tables).assign(model="cnn3d", repeat=0)
    found = threshold_ranges(table, n_resamples=2000).iloc[0]
    drawn = []
    for _ in range(2000):
        rows = np.concatenate((rng.integers(0, 7, 7), rng.integers(7, 16, 9)))
        drawn.append(choose_threshold(y[rows], score[rows]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    # Quantiles of few possible thresholds: a neighbouring one is another seed's.
    assert (found["threshold_low"], found["threshold_high"]) == pytest.approx((low, high), abs=0.15)
    assert found["threshold_low"] <= found["threshold"] <= found["threshold_high"]
    assert found["threshold"] == choose_threshold(y, score)
    assert found["threshold_source"] == "the validation patients"
    of_folds = threshold_ranges(table, split="train").iloc[0]
    assert of_folds["threshold"] == choose_threshold(y, -score)
    assert "out-of-fold" in of_folds["threshold_source"]
    with pytest.raises(ValueError, match="flatters"):
        threshold_ranges(table, split="test")


def test_models_and_thresholds_that_nobody_can_mean(predictions):
    assert select_predictions(predictions, models="cnn3d").columns.tolist() == ["y_true", "cnn3d"]
    assert select_predictions(predictions, models=["swe", "swe"]).columns.tolist() == ["y_true", "swe"]
    with pytest.raises(ValueError, match=r"models must name at least one of .*'cnn3d'"):
        select_predictions(predictions, models=[])
    for table, message in (
        (predictions.assign(patient_id=None), "column 'patient_id' has 219 empty rows"),
        (predictions.to_dict("list"), "must be a DataFrame; it is a dict"),
    ):
        with pytest.raises(InferenceError, match=message):
            select_predictions(table)
    for call in (
        lambda: compare_models(predictions, "mcnemar", thresholds=0.5),
        lambda: summarise_models(predictions, 0.5),
    ):
        with pytest.raises(ValueError, match="thresholds must map models to operating points"):
            call()
    # None is a model without an operating point.
    pairs = compare_models(predictions, "mcnemar", thresholds={"cnn3d": 0.5, "cnn2d": None, "swe": 0.4})
    assert pairs["a"].tolist() == ["cnn3d"]


def test_stages_without_a_table_of_scores():
    for scores in (np.zeros((6, 2)), pd.DataFrame(np.zeros((5, 2)))):
        with pytest.raises(InferenceError, match="one row for each of 6 patients"):
            compare_staging([0, 0, 1, 1, 2, 2], scores)
    # A mask hides a stage: its value must not be used.
    masked = np.ma.array([0, 0, 1, 1, 2, 2], mask=[0, 0, 0, 0, 0, 1])
    assert "missing" in compare_staging(masked, pd.DataFrame({"a": range(6), "b": range(6)}))["note"][0]


def test_what_a_predictions_table_must_not_hold(predictions):
    for table, message in (
        (predictions.assign(repeat=predictions["repeat"].where(predictions.index > 0)), "column 'repeat' has 1 empty"),
        (predictions.replace({"model": "swe"}, "y_true"), "a model is called 'y_true'"),
        (predictions.replace({"patient_id": "test0"}, "train0"), "patient train0 is in two splits of repeat 0"),
    ):
        with pytest.raises(InferenceError, match=message):
            select_predictions(table)
    named = predictions.set_index("patient_id", drop=False)
    pd.testing.assert_frame_equal(select_predictions(named), select_predictions(predictions))
    for options in ({"repeat": [0]}, {"models": 5}):
        with pytest.raises(ValueError, match=r"repeat must|models must"):
            select_predictions(predictions, **options)


def test_names_must_be_those_of_models(predictions):
    with pytest.raises(InferenceError, match="thresholds of 'cnn': the predictions have no such model"):
        compare_models(predictions, "mcnemar", thresholds={"cnn": 0.5, "swe": 0.5})
    with pytest.raises(InferenceError, match="several columns 'a': keep one of each"):
        compare_staging([0, 1, 2], pd.DataFrame(np.eye(3), columns=["a", "a", "b"]))


def test_a_model_without_scores_says_so(predictions):
    without = predictions.assign(y_score=predictions["y_score"].where(predictions["model"] != "swe"))
    row = summarise_models(without).set_index("model").loc["swe"]
    assert (row["n"], row["note"]) == (0, "no patient has a score of this model")


def test_results_are_counted_of_models_that_there_are(predictions):
    with pytest.raises(InferenceError, match="thresholds of 'sw': the predictions have no such model"):
        count_results(predictions, {"sw": 0.5})


def test_names_of_models_are_names(predictions):
    for call in (
        lambda: select_predictions(predictions, models=[["swe"]]),
        lambda: compare_models(predictions, ["delong"]),
    ):
        with pytest.raises(ValueError, match=r"must be (names|one of)"):
            call()
    with pytest.raises(InferenceError, match=r"no predictions of \['y_true'\]"):
        select_predictions(predictions, models=["y_true"])
    with pytest.raises(InferenceError, match="column 'y_score' must hold numbers, it is of type complex"):
        select_predictions(predictions.assign(y_score=predictions["y_score"] + 1j))


def test_patients_that_differ_in_a_blank_are_refused(predictions):
    twice = pd.concat([predictions, predictions.assign(patient_id=predictions["patient_id"].astype(str) + " ")])
    with pytest.raises(InferenceError, match=r"'patient_id' holds .* which would be two"):
        select_predictions(twice)


def test_numbers_that_are_not_defined_are_named_in_the_note(predictions):
    row = summarise_models(predictions, {"cnn3d": 1e6}).set_index("model").loc["cnn3d"]
    assert np.isnan(row[["ppv", "lr_positive"]].astype(float)).all()
    assert "not defined, as 0/0: ppv, lr_positive" in row["note"]


def test_scores_of_a_table_that_also_held_texts_are_numbers(predictions):
    as_read = predictions.assign(y_score=predictions["y_score"].astype(object))
    pd.testing.assert_frame_equal(compare_models(as_read), compare_models(predictions))
    with pytest.raises(InferenceError, match=r"it is of type object: convert it \(pd.to_numeric\)"):
        compare_models(change(as_read, 0, y_score="0.5"))


def test_an_operating_point_is_judged_by_all_scores_of_its_model(predictions):
    """Not by those of one split, which may all lie below 1 where an index goes up to 7."""
    test = predictions["split"] == "test"
    scores = predictions["y_score"].rank(pct=True).where(test, 7 * predictions["y_score"].rank(pct=True))
    model = predictions["model"].iloc[0]
    found = count_results(predictions.assign(y_score=scores), {model: 5.5}, models=[model])
    assert found[["tp", "fp"]].to_numpy().tolist() == [[0, 0]]
    assert summarise_models(predictions.assign(y_score=scores), {model: 5.5}, models=[model])[
        "sensitivity"
    ].tolist() == [0]
