"""Subgroups: each row is the statistic of its patients; interactions; centres left out."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from fibrolib.clinical import centre_splits, interaction_tests, leave_one_centre_out, subgroup_table
from fibrolib.inference import InferenceError, auc_ci, calibration_metrics, choose_threshold, wilson

RNG = np.random.default_rng(5)
N = 150
Y = np.arange(N) % 2
PROB = special.expit(RNG.normal(size=N) + 1.5 * (Y - 0.5))
GROUPS = pd.DataFrame(
    {
        "centre": np.repeat(["A", "B", "C"], (70, 72, 8)),
        "sex": [None if i % 11 == 0 else ("female", "male")[i % 3 == 0] for i in range(N)],
    },
    index=[f"p{i}" for i in range(N)],
)


def test_each_row_is_the_statistic_of_its_patients():
    table = subgroup_table(Y, PROB, GROUPS, 0.5).set_index(["column", "level"])
    assert list(table.index[:4]) == [("all", "all patients"), ("centre", "A"), ("centre", "B"), ("centre", "C")]
    assert {level for column, level in table.index if column == "sex"} == {"female", "male", "missing"}
    here = (GROUPS["centre"] == "B").to_numpy()
    row, area = table.loc[("centre", "B")], auc_ci(Y[here], PROB[here])
    assert (row["auc"], row["auc_low"], row["auc_high"]) == (area.value, area.low, area.high)
    called = wilson(int((PROB[here & (Y == 1)] >= 0.5).sum()), int(Y[here].sum()))
    assert (row["sensitivity"], row["sensitivity_low"]) == (called.value, called.low)
    assert row["intercept"] == pytest.approx(calibration_metrics(Y[here], PROB[here])["intercept"].value)


def test_without_an_operating_point_the_areas_stay():
    row = subgroup_table(Y, PROB, GROUPS[["centre"]], np.nan).iloc[0]
    assert row["auc"] == auc_ci(Y, PROB).value
    assert np.isnan(row["sensitivity"])
    assert "no operating point" in row["note"]


def test_groups_stay_in_the_order_of_their_categories():
    age = pd.Categorical.from_codes(np.arange(N) % 3, ["young", "middle", "old"], ordered=True)
    table = subgroup_table(Y, PROB, pd.DataFrame({"age": age}), 0.5)
    assert table["level"].tolist() == ["all patients", "young", "middle", "old"]


def test_a_small_group_has_no_numbers_and_says_so():
    row = subgroup_table(Y, PROB, GROUPS, 0.5).query("level == 'C'").iloc[0]
    assert (row["n"], row["n_positive"]) == (8, 4)
    assert np.isnan(row["auc"])
    assert "fewer than 5" in row["note"]


def test_an_interaction_is_found_where_there_is_one():
    rng, group = np.random.default_rng(1), np.arange(N) % 2
    score = special.expit(rng.normal(size=N) + np.where(group == 1, 2.5, 0.0) * Y[::-1])
    groups = pd.DataFrame({"scanner": group, "noise": rng.integers(0, 3, N)})
    table = interaction_tests(Y[::-1], score, groups.assign(scanner=group)).set_index("column")
    assert len(table) == 2
    truth = rng.integers(0, 2, N)
    score = special.expit(rng.normal(size=N) + np.where(group == 1, 2.5, 0.0) * truth)
    table = interaction_tests(truth, score, groups).set_index("column")
    assert table.loc["scanner", "p_holm"] < 0.01
    assert table.loc["scanner", "df"] == 1
    assert table.loc["noise", "p"] > 0.01
    assert (table["p_holm"] >= table["p"]).all()


def test_an_irrelevant_aetiology_shows_no_interaction():
    # 200 draws: 50 ways of grouping each of four cohorts at random.
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        truth, aetiology = rng.integers(0, 2, 100), pd.DataFrame(rng.integers(0, 3, (100, 50)))
        score = special.expit(rng.normal(size=100) + 1.2 * truth)
        found += interaction_tests(truth, score, aetiology)["p"].tolist()
    assert np.mean(np.array(found) < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_small_groups_and_missing_values_are_left_out_of_the_test():
    table = interaction_tests(Y, PROB, GROUPS).set_index("column")
    assert (table.loc["centre", "levels"], table.loc["centre", "n"]) == (2, 142)
    assert "8 in small groups" in table.loc["centre", "note"]
    alone = interaction_tests(Y, PROB, pd.DataFrame({"centre": ["A"] * N}))
    assert alone["p"].isna().all()
    assert "fewer than two groups" in alone["note"].iloc[0]


def test_certain_probabilities_are_left_out_of_the_test():
    groups, certain = GROUPS[["centre"]], np.where(np.arange(N) < 3, [1.0, 0.0, 1.0] * (N // 3), PROB)
    table = interaction_tests(Y, certain, groups)
    expected = interaction_tests(Y[3:], PROB[3:], groups[3:].reset_index(drop=True))
    assert table["p"].item() == expected["p"].item()
    assert table["note"].item().endswith("3 with a probability of 0 or 1, without log odds")


def test_the_intercept_says_how_many_it_rests_on():
    certain = np.where(np.arange(N) < 40, Y, PROB)
    row = subgroup_table(Y, certain, GROUPS[["centre"]], 0.5).iloc[0]
    assert row["intercept"] == calibration_metrics(Y, certain, n_resamples=100)["intercept"].value
    assert "intercept: 40 probabilities of exactly 0 or 1, without log odds: left out" in row["note"]


def test_patients_without_a_centre_have_a_row():
    centre = np.where(np.arange(N) % 3 == 0, None, np.where(np.arange(N) % 2, "A", "B"))
    table = leave_one_centre_out(Y, PROB, centre).set_index("level")
    assert table.loc["missing", ["n", "n_positive"]].tolist() == [50, Y[::3].sum()]
    assert table.loc["missing", "note"] == "no centre is known: in no fit, and not tested"
    blank = leave_one_centre_out(Y, PROB, np.where(centre == None, " ", centre))  # noqa: E711 (elementwise)
    pd.testing.assert_frame_equal(blank.set_index("level"), table)


@pytest.mark.parametrize("kind", ["Int64", "string", object])
def test_patients_without_a_centre_are_tested_nowhere(kind):
    centres = pd.Series([1] * 3 + [2] * 3 + [None, None]).astype("Int64").astype(kind)
    patients = pd.DataFrame({"centre": centres, "split": ["train", "test", "validation"] * 2 + ["train", "validation"]})
    splits = centre_splits(patients)
    assert [split.tolist()[-2:] for split in splits.values()] == [["train", "validation"]] * 2
    assert [(split == "test").sum() for split in splits.values()] == [3, 3]
    assert centre_splits(patients.astype({"split": "category"}).query("split != 'test'")).keys() == splits.keys()
    blank = patients.assign(centre=centres.astype(object).where(centres.notna(), " "))
    assert centre_splits(blank).keys() == splits.keys()
    with pytest.raises(InferenceError, match="column 'split' holds val: expected train, validation, test"):
        centre_splits(patients.replace({"split": {"validation": "val"}}))


def test_certain_probabilities_have_a_note():
    certain = np.where(np.arange(N) < 3, Y, PROB)
    notes = leave_one_centre_out(Y, certain, np.where(np.arange(N) // 2 % 2, "A", "B"))["note"]
    assert notes.str.contains("3 probabilities nearer to 0 or 1 than one in a billion").all()


def test_each_centre_is_left_out_once():
    patients = GROUPS.assign(split=np.repeat(["train", "validation", "test"], 50))
    splits = centre_splits(patients)
    assert list(splits) == ["A", "B", "C"]
    left_out = splits["B"] == "test"
    assert (left_out == (GROUPS["centre"] == "B")).all()
    assert (splits["B"][~left_out & (patients["split"] == "validation")] == "validation").all()
    assert (splits["B"][~left_out & (patients["split"] != "validation")] == "train").all()
    with pytest.raises(InferenceError, match="names 0 centres"):
        centre_splits(patients.drop(columns="centre"))


def test_threshold_and_calibration_come_from_the_other_centres():
    table = leave_one_centre_out(Y, PROB, GROUPS["centre"]).set_index("level")
    here = (GROUPS["centre"] == "A").to_numpy()
    # A monotone curve carries no rank over: the AUC is that of the scores, the calls those of the others' threshold.
    assert table.loc["A", "auc"] == pytest.approx(auc_ci(Y[here], PROB[here]).value)
    cut = choose_threshold(Y[~here], PROB[~here])
    sensitivity = np.mean(PROB[here & (Y == 1)] >= cut)
    assert table.loc["A", "sensitivity"] == pytest.approx(sensitivity, abs=0.03)
    assert np.isnan(table.loc["C", "auc"])


def test_a_centre_whose_patients_are_sicker_is_seen_by_its_intercept():
    rng, centre = np.random.default_rng(2), np.repeat(["near", "far"], 200)
    score = rng.normal(size=400)
    truth = rng.random(400) < special.expit(1.5 * score + np.where(centre == "far", 1.5, 0.0))
    table = leave_one_centre_out(truth.astype(int), special.expit(score), centre).set_index("level")
    assert table.loc["far", "intercept"] == pytest.approx(1.5, abs=0.5)
    assert table.loc["far", "intercept_low"] > 0 > table.loc["near", "intercept_high"]


ALL = {
    "table": lambda y=Y, prob=PROB, groups=GROUPS: subgroup_table(y, prob, groups, 0.5),
    "interactions": lambda y=Y, prob=PROB, groups=GROUPS: interaction_tests(y, prob, groups),
    "centres": lambda y=Y, prob=PROB, groups=GROUPS: leave_one_centre_out(y, prob, groups["centre"]),
}
LABELLED = pd.Series(Y, index=GROUPS.index)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y + 1}, "0 and 1 only, found 2"),
        ({"y": np.where(Y, "ill", "well")}, "must hold numbers only"),
        ({"y": np.where(np.arange(N) == 3, np.nan, Y)}, "found nan"),
        ({"y": np.ma.array(Y, mask=np.arange(N) == 3)}, "found nan"),
        ({"y": Y[:-1]}, "150 entries for 149 patients"),
        ({"y": LABELLED[::-1]}, "same patients in another order"),
        ({"prob": 100 * PROB}, "probabilities between 0 and 1"),
        ({"prob": special.logit(PROB)}, "probabilities between 0 and 1"),
        ({"prob": np.where(PROB > 0.9, np.nan, PROB)}, "missing"),
        ({"prob": np.ma.array(PROB, mask=PROB > 0.9)}, "missing"),
        ({"y": LABELLED, "groups": GROUPS[::-1]}, "same patients in another order"),
        ({"groups": GROUPS[:-1]}, "150 truths and 149 patients"),
    ],
)
def test_patients_must_fit(name, arguments, message):
    with pytest.raises(InferenceError, match=message):
        ALL[name](**arguments)


def test_a_blank_name_is_no_group():
    y, score = np.arange(40) % 2, np.linspace(0.1, 0.9, 40)
    names = pd.DataFrame({"sex": ["f", " "] * 10 + ["m", ""] * 10})
    known = names.replace({" ": None, "": None})
    pd.testing.assert_frame_equal(subgroup_table(y, score, names, 0.5), subgroup_table(y, score, known, 0.5))
    assert list(subgroup_table(y, score, names.astype("string"), 0.5)["level"]) == ["all patients", "f", "m", "missing"]
    pd.testing.assert_frame_equal(interaction_tests(y, score, names), interaction_tests(y, score, known))


def test_blank_categories_are_no_group_and_names_are_written_alike():
    y, score = np.arange(80) % 2, np.linspace(0.1, 0.9, 80)
    names = pd.DataFrame({"sex": ["f", "m", " ", "m"] * 20})
    as_categories = names.astype("category")
    pd.testing.assert_frame_equal(subgroup_table(y, score, names, 0.5), subgroup_table(y, score, as_categories, 0.5))
    pd.testing.assert_frame_equal(interaction_tests(y, score, names), interaction_tests(y, score, as_categories))
    mixed = pd.Series([1, "1", "B", "B"] * 20, dtype=object)
    for call in (
        lambda: subgroup_table(y, score, mixed.to_frame("centre"), 0.5),
        lambda: leave_one_centre_out(y, score, mixed),
        lambda: centre_splits(pd.DataFrame({"centre": mixed, "split": "train"})),
    ):
        with pytest.raises(InferenceError, match="holds 1 and '1', which would be two"):
            call()


def test_names_that_differ_in_a_blank_are_not_two_groups():
    centres = pd.Series(["A", "A ", "B", "B"] * 20, name="centre").to_frame()
    with pytest.raises(InferenceError, match="holds 'A' and 'A ', which would be two"):
        subgroup_table(np.arange(80) % 2, np.linspace(0.1, 0.9, 80), centres, 0.5)


def test_the_name_of_a_group_is_one_text_or_number():
    for kind in (tuple, list):
        pairs = pd.DataFrame({"x": [kind("a1")] * 40 + [kind("b2")] * 40})
        with pytest.raises(InferenceError, match=r"column 'x' holds .'a', '1'.: the name of a group must be one text"):
            subgroup_table(np.arange(80) % 2, np.linspace(0.1, 0.9, 80), pairs, 0.5)
    decimals = pd.DataFrame({"x": [1.0, "1"] * 40})
    with pytest.raises(InferenceError, match=r"holds 1\.0 and '1', which would be two"):
        subgroup_table(np.arange(80) % 2, np.linspace(0.1, 0.9, 80), decimals, 0.5)


def test_a_way_of_grouping_has_one_name():
    groups = GROUPS.set_axis(pd.MultiIndex.from_tuples([("way", name) for name in GROUPS]), axis=1)
    with pytest.raises(InferenceError, match="column of several names"):
        subgroup_table(Y, PROB, groups, 0.5)
    second = pd.concat(
        [GROUPS, GROUPS.iloc[:, :1].set_axis(pd.Index([("way", "c")], tupleize_cols=False), axis=1)], axis=1
    )
    with pytest.raises(InferenceError, match=r"several names \(\('way', 'c'\)\)"):
        subgroup_table(Y, PROB, second, 0.5)


def test_a_way_of_grouping_stands_once():
    twice = pd.concat([GROUPS[["sex"]], GROUPS[["sex"]]], axis=1)
    for call in (lambda: subgroup_table(Y, PROB, twice, 0.5), lambda: interaction_tests(Y, PROB, twice)):
        with pytest.raises(InferenceError, match="several columns 'sex': keep one of each"):
            call()


@pytest.mark.parametrize("name", ["", " "])
def test_a_way_of_grouping_has_a_name(name):
    groups = GROUPS.rename(columns={"sex": name})
    for call in (lambda: subgroup_table(Y, PROB, groups, 0.5), lambda: interaction_tests(Y, PROB, groups)):
        with pytest.raises(InferenceError, match="groups has a column without a name"):
            call()


def test_a_score_that_falls_with_the_condition_is_not_turned_round():
    found = leave_one_centre_out(Y, 1 - PROB, GROUPS["centre"])
    assert found["auc"].isna().all()
    assert found["note"].str.contains("does not rise with the condition").all()


def test_groups_are_columns_and_centres_need_a_split():
    for call in (
        lambda: subgroup_table(Y, PROB, GROUPS["sex"], 0.5),
        lambda: interaction_tests(Y, PROB, GROUPS["sex"]),
    ):
        with pytest.raises(InferenceError, match="groups must be a DataFrame"):
            call()
    for centre in ("centre", GROUPS):
        with pytest.raises(InferenceError, match="centre must name the centre of each patient"):
            leave_one_centre_out(Y, PROB, centre)
    with pytest.raises(InferenceError, match="lack the column 'split'"):
        centre_splits(GROUPS)


def test_numbers_and_texts_may_name_groups():
    groups = pd.DataFrame({"centre": np.resize(np.array(["A", "A", 2, 2], dtype=object), N)})
    assert subgroup_table(Y, PROB, groups, None)["level"].tolist() == ["all patients", "2", "A"]
    assert list(centre_splits(groups.assign(split="train"))) == [2, "A"]


def test_without_columns_there_is_nothing_to_test():
    with pytest.raises(InferenceError, match="groups has no column to test"):
        interaction_tests(Y, PROB, pd.DataFrame(index=GROUPS.index))
    with pytest.raises(InferenceError, match="lack the column 'split'"):
        centre_splits(None)


@pytest.mark.parametrize("threshold", [50, -0.1, [0.5]])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(InferenceError, match="threshold must be one probability"):
        subgroup_table(Y, PROB, GROUPS, threshold)


def test_a_group_that_is_called_missing_beside_missing_values():
    groups = pd.DataFrame({"centre": ["missing", "a", None, "a"]})
    with pytest.raises(InferenceError, match="column 'centre' has a group 'missing', and patients without a value"):
        subgroup_table([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], groups, 0.5)


def test_certain_patients_are_called_as_those_who_are_nearly_certain():
    """Of a centre whose probabilities are 0 and 1, as of one whose are one in a billion from there."""
    rng = np.random.default_rng(0)
    y = np.r_[np.repeat([0, 1], 60), np.repeat([0, 1], 10)]
    p = special.expit(np.r_[rng.normal(-2, 2, 60), rng.normal(2, 2, 60), np.full(20, -np.inf)])
    p[-10:], p[0], centre = 1.0, 1e-40, np.r_[np.tile(["A", "B"], 60), ["C"] * 20]
    found = leave_one_centre_out(y, p, centre)
    pd.testing.assert_frame_equal(
        found, leave_one_centre_out(y, np.clip(p, 1e-9, 1 - 1e-9), centre).assign(note=found["note"])
    )
    assert found.set_index("level").loc["C", ["sensitivity", "specificity"]].tolist() == [1, 1]


def test_a_group_that_is_called_missing_is_a_centre_like_others():
    patients = pd.DataFrame({"split": ["train"] * 6, "centre": ["missing", "a", None, "a", "missing", "b"]})
    assert sorted(centre_splits(patients)) == ["a", "b", "missing"]


def test_interactions_of_very_small_probabilities_are_those_of_r():
    """Expected: R 4.2, ``anova(glm(y ~ qlogis(p) + c), glm(y ~ qlogis(p) * c), test = "Rao")``."""
    rng = np.random.default_rng(1)
    p = special.expit(np.r_[rng.normal(-20, 4, 60), rng.normal(-15, 4, 60)])
    (row,) = interaction_tests(np.repeat([0, 1], 60), p, pd.DataFrame({"c": list("abc") * 40})).to_dict("records")
    assert (row["statistic"], row["p"]) == pytest.approx((1.865, 0.394), abs=1e-3)


def test_an_interaction_without_log_odds_says_so():
    y, called = np.tile([0, 1], 20), np.tile([0.0, 1.0, 1.0, 0.0], 10)
    (note,) = interaction_tests(y, called, pd.DataFrame({"sex": ["m"] * 20 + ["w"] * 20}))["note"]
    assert "40 with a probability of 0 or 1, without log odds" in note
