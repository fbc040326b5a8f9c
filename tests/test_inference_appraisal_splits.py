"""Luck of the split: redraws by hand and by known truth, the corrected interval of repeated cross-validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fibrolib.inference import InferenceError, auc, choose_threshold, confusion
from fibrolib.inference.appraisal import compare_redraws, optimism, redraw_splits, summarise_folds, summarise_redraws
from fibrolib.inference.appraisal.forensics import _hanley_mcneil_error
from fibrolib.inference.appraisal.splits import _auc_by_fold, _held_out_scores

SIDES = np.repeat(["train", "validation", "test"], (77, 16, 17))


def table(n: int = 110, shifts: dict[str, float] | None = None, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    sides = rng.permutation(SIDES[:n])
    rows = [
        pd.DataFrame(
            {
                "patient_id": [f"p{i}" for i in range(n)],
                "model": model,
                "split": sides,
                "fold": np.where(sides == "train", 1, np.nan),
                "repeat": 0,
                "y_true": y,
                "y_score": y * shift + rng.normal(size=n),
            }
        )
        for model, shift in (shifts or {"good": 1.5, "fair": 0.8}).items()
    ]
    return pd.concat(rows, ignore_index=True)


def draws(n: int, seed: int = 1) -> list[pd.Series]:
    rng = np.random.default_rng(seed)
    return [pd.Series(rng.permutation(SIDES), index=[f"p{i}" for i in range(110)]) for _ in range(n)]


def test_one_redraw_can_be_followed_by_hand():
    predictions, (split,) = table(), draws(1)
    found = redraw_splits(predictions, [split]).set_index("model")
    wide = _held_out_scores(predictions)
    validation, test = (wide.loc[split.index[split == side]] for side in ("validation", "test"))
    threshold = choose_threshold(validation["y_true"], validation["fair"])
    tp, _, _, tn = confusion(test["y_true"], test["fair"], threshold)
    row = found.loc["fair"]
    assert (row["n"], row["n_positive"]) == (17, test["y_true"].sum())
    assert row["auc"] == auc(test["y_true"], test["fair"])
    assert row["accuracy"] == (tp + tn) / 17
    own = choose_threshold(test["y_true"], test["fair"])
    assert row["accuracy_own"] == np.mean((test["fair"] >= own) == test["y_true"])


def test_the_split_of_the_study_gives_the_result_of_the_study():
    predictions = table()
    own = predictions.drop_duplicates("patient_id").set_index("patient_id")["split"]
    found = redraw_splits(predictions, [own]).set_index("model")
    test = predictions[(predictions["split"] == "test") & (predictions["model"] == "good")]
    assert found.loc["good", "auc"] == auc(test["y_true"], test["y_score"])


def test_luck_of_the_split_has_the_size_of_the_standard_error():
    found = summarise_redraws(redraw_splits(table(shifts={"good": 1.5, "fair": 0.8}), draws(300))).set_index("model")
    everyone = _held_out_scores(table())
    for model in ("good", "fair"):
        whole = auc(everyone["y_true"], everyone[model])
        assert found.loc[model, "mean"] == pytest.approx(whole, abs=0.02)
        # Seventeen drawn out of 110 without return: a little less than seventeen from a population.
        expected = _hanley_mcneil_error(whole, 8, 9) * np.sqrt(1 - 17 / 110)
        assert found.loc[model, "sd"] == pytest.approx(expected, rel=0.25)
    assert found["first"].sum() == pytest.approx(1)
    assert found.loc["good", "first"] > 0.5
    assert (found["least"] <= found["low"]).all()
    assert (found["high"] <= found["most"]).all()
    assert (found["redraws"] == 300).all()


def test_pairs_are_counted():
    redraws = redraw_splits(table(), draws(60))
    (row,) = compare_redraws(redraws).itertuples()
    wide = redraws.pivot_table(index="redraw", columns="model", values="auc")
    gap = wide["good"] - wide["fair"]
    assert (row.a, row.b) == ("good", "fair")
    assert row.difference == pytest.approx(gap.mean())
    assert row.a_ahead == np.mean(gap > 0)
    assert row.a_ahead + row.equal + row.b_ahead == pytest.approx(1)


def test_habits_flatter_and_choosing_among_equals_is_pure_optimism():
    twins = table(shifts=dict.fromkeys("abcdef", 1.0))
    found = optimism(redraw_splits(twins, draws(80))).set_index("habit")["optimism"]
    assert (found > 0).all()
    single = optimism(redraw_splits(table(shifts={"a": 1.0}), draws(80))).set_index("habit")["optimism"]
    assert single["only the best model by test AUC reported"] == pytest.approx(0, abs=1e-12)
    assert found["only the best model by test AUC reported"] > 0.05


def test_a_missing_score_costs_one_model_one_patient():
    predictions, split = table(), draws(1)[0]
    lost = predictions["patient_id"].eq(split.index[split == "test"][0]) & predictions["model"].eq("fair")
    found = redraw_splits(predictions.assign(y_score=predictions["y_score"].mask(lost)), [split])
    assert found.set_index("model")["n"].to_dict() == {"good": 17, "fair": 16}


def test_draws_without_both_classes_have_no_result():
    predictions = table()
    truth = predictions.drop_duplicates("patient_id").set_index("patient_id")["y_true"]
    cases = truth.index[truth == 1]
    one_class = pd.Series("train", index=truth.index)
    one_class[cases[:17]] = "test"
    found = redraw_splits(predictions, [one_class])
    assert found["auc"].isna().all()
    with pytest.raises(InferenceError, match="too small"):
        summarise_redraws(found)


def test_what_does_not_fit_is_refused():
    predictions = table()
    with pytest.raises(InferenceError, match="lacks the patients"):
        redraw_splits(predictions, [draws(1)[0].iloc[:50]])
    with pytest.raises(InferenceError, match="holdout"):
        redraw_splits(predictions, [draws(1)[0].replace("test", "holdout")])
    for splits, words in ((None, "a NoneType"), ([], "empty"), (draws(1)[0], "a Series")):
        with pytest.raises(ValueError, match=f"splits must .* it is {words}"):
            redraw_splits(predictions, splits)
    with pytest.raises(InferenceError, match="repeat 4"):
        _held_out_scores(predictions, repeat=4)
    elsewhere = "train" if predictions.loc[0, "split"] == "test" else "test"
    twice = pd.concat([predictions, predictions.iloc[[0]].assign(split=elsewhere)])
    with pytest.raises(InferenceError, match="two splits"):
        _held_out_scores(twice)


def repeated_folds(repeats: int = 3, n: int = 60, shift: float = 1.0, seed: int = 0) -> pd.DataFrame:
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
    predictions = repeated_folds()
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
    found = summarise_folds(repeated_folds(repeats=1), confidence_level=0.5)
    assert found["sd_repeats"].isna().all()
    assert (found["low"] > summarise_folds(repeated_folds(repeats=1))["low"]).all()


def test_folds_of_one_class_are_left_out_and_said():
    predictions = repeated_folds(repeats=1)
    short = predictions[~((predictions["fold"] == 2) & (predictions["y_true"] == 1))]
    found = summarise_folds(short).iloc[0]
    assert found["folds"] == 4
    assert "one class only in 1 of 5 folds" in found["note"]
    assert 0 <= found["low"] <= found["mean"] <= found["high"] <= 1


def test_a_fold_without_scores_counts_among_those_that_were_made():
    predictions = repeated_folds(repeats=1)
    silent = predictions.assign(y_score=predictions["y_score"].where(predictions["fold"] > 1))
    found = summarise_folds(silent).iloc[0]
    areas = _auc_by_fold(silent).query("model == 'one'")["auc"]
    # Trained on four of five parts, also where the fifth has no scores.
    reach = stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 4) * areas.var(ddof=1))
    assert found["low"] == pytest.approx(areas.mean() - reach)
    assert "no scores in 1 of 5 folds" in found["note"]
    predictions = repeated_folds()
    silent = predictions.assign(y_score=predictions["y_score"].where(predictions["repeat"] > 0))
    assert "no scores in 5 of 15 folds" in summarise_folds(silent).iloc[0]["note"]


def test_calls_may_be_true_and_false():
    predictions = repeated_folds(repeats=1)
    calls = predictions["y_score"] > 0
    pd.testing.assert_frame_equal(
        summarise_folds(predictions.assign(y_score=calls)), summarise_folds(predictions.assign(y_score=calls * 1.0))
    )


def test_a_single_usable_fold_has_no_interval():
    predictions = repeated_folds(repeats=1)
    only = predictions[(predictions["fold"] == 1) | (predictions["y_true"] == 0)]
    found = summarise_folds(only).iloc[0]
    assert found["folds"] == 1
    assert np.isnan(found["low"])
    assert found["note"].startswith("one fold: no interval")


def test_optimism_does_not_hang_on_the_order_of_models_that_tie():
    redraws = pd.DataFrame({"redraw": [0, 0, 1, 1], "model": ["a", "b"] * 2, "auc": [0.8, 0.8, 0.6, 0.7]})
    redraws = redraws.assign(accuracy=0.7, accuracy_own=0.8)
    expected = ((0.8 - (0.7 + 0.75) / 2) + (0.7 - 0.75)) / 2  # of two that tie, the mean of their means
    for table in (redraws, redraws[::-1]):
        assert optimism(table).loc[1, "optimism"] == pytest.approx(expected)


def test_repeats_that_differ_say_so_whatever_their_numbers():
    once = repeated_folds(repeats=1)
    other = once.assign(repeat=1, fold=once["fold"] % 2)
    found = summarise_folds(pd.concat([once, other])).iloc[0]
    turned = summarise_folds(pd.concat([once.assign(repeat=1), other.assign(repeat=0)])).iloc[0]
    assert "the repeats differ in patients or folds" in found["note"]
    assert (found["low"], found["high"], found["n"]) == (turned["low"], turned["high"], turned["n"])


def test_copies_of_a_repeat_are_no_repeats():
    once = repeated_folds(repeats=1)
    found = summarise_folds(pd.concat([once, once.assign(repeat=1)])).iloc[0]
    assert found["sd_repeats"] == 0
    assert "some repeats are copies: the interval is too narrow" in found["note"]
    thrice = repeated_folds(repeats=3)
    assert "copies" not in summarise_folds(thrice).iloc[0]["note"]
    first = thrice[thrice["repeat"] == 0].sample(frac=1, random_state=0).assign(repeat=2)
    two_of_three = summarise_folds(pd.concat([thrice[thrice["repeat"] < 2], first])).iloc[0]
    assert "some repeats are copies" in two_of_three["note"]


def test_folds_that_do_not_differ_have_no_interval():
    same = pd.concat([pd.DataFrame({"patient_id": [f"{i}{j}" for j in range(4)], "fold": i}) for i in range(3)])
    same = same.assign(model="a", split="train", repeat=0, y_true=[0, 1, 0, 1] * 3, y_score=[1.0, 2, 3, 4] * 3)
    (row,) = summarise_folds(same).itertuples()
    assert row.mean == 0.75
    assert np.isnan([row.low, row.high]).all()
    assert row.note == "the folds do not differ: no interval"


def test_what_is_no_table_of_redraws_is_refused():
    with pytest.raises(InferenceError, match="table of redraw_splits; it lacks redraw, model, auc"):
        summarise_redraws(pd.DataFrame())
    with pytest.raises(ValueError, match="a split must be a Series indexed by patient; it is a list"):
        redraw_splits(table(), [["test"] * 110])
    with pytest.raises(ValueError, match="it is one with patients twice"):
        redraw_splits(table(), [pd.concat([draws(1)[0], draws(1)[0]])])


def test_every_training_patient_has_a_fold_and_every_model_a_row():
    predictions = repeated_folds()
    with pytest.raises(InferenceError, match="column 'fold' has 1 empty row of split 'train'"):
        summarise_folds(predictions.assign(fold=predictions["fold"].where(predictions.index > 0)))
    none = predictions[predictions["model"] == "one"].assign(model="without scores", y_score=np.nan)
    found = summarise_folds(pd.concat([predictions, none], ignore_index=True)).set_index("model")
    assert found.loc["without scores", ["n", "folds", "note"]].tolist() == [0, 0, "no out-of-fold scores"]


def test_each_redraw_of_a_model_stands_once():
    found = redraw_splits(table(), draws(3))
    for call in (summarise_redraws, compare_redraws, optimism):
        with pytest.raises(InferenceError, match="a redraw of a model twice"):
            call(pd.concat([found, found]))
        with pytest.raises(InferenceError, match="redraws must be the table of redraw_splits; it is a list"):
            call([])


@pytest.mark.parametrize("change", [lambda x: x.round(6), lambda x: x.astype("float32"), lambda x: 2 * x + 1])
def test_copies_of_a_repeat_are_seen_also_when_they_are_rounded_or_scaled(change):
    once = repeated_folds(repeats=1)
    copy = once.assign(repeat=1, y_score=change(once["y_score"]).astype(float))
    assert "some repeats are copies" in summarise_folds(pd.concat([once, copy])).iloc[0]["note"]


def test_without_a_fold_of_both_classes_there_is_no_interval():
    alone = repeated_folds(repeats=1, n=20).assign(fold=lambda table: table.groupby("model").cumcount())
    found = summarise_folds(alone).iloc[0]
    assert found["folds"] == 0
    assert found["note"].startswith("no fold holds both classes: no interval")


def test_a_split_names_patients_as_everything_does():
    predictions = table()
    numbers = predictions.assign(patient_id=predictions["patient_id"].factorize()[0] + 1)
    (split,) = draws(1)
    as_float = split.set_axis(np.arange(1.0, len(split) + 1))
    as_number = split.set_axis(range(1, len(split) + 1))
    pd.testing.assert_frame_equal(redraw_splits(numbers, [as_float]), redraw_splits(numbers, [as_number]))
    twice = pd.concat([as_number, as_number.iloc[:1].set_axis(["1"])])
    with pytest.raises(ValueError, match="it has one as a number and as a text"):
        redraw_splits(numbers, [twice])
    with pytest.raises(ValueError, match="repeat must be"):
        redraw_splits(predictions, [split], repeat=[0])
    for metric in ("n_positive", "model"):
        with pytest.raises(ValueError, match="metric must be one of auc, accuracy"):
            summarise_redraws(redraw_splits(predictions, draws(2)), metric)
