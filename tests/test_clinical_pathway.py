"""The pathway: patients counted by hand."""

import numpy as np
import pandas as pd
import pytest

from fibrolib.clinical import compare_pathways, pathway_table
from fibrolib.diagnostics import FIB4, zones
from fibrolib.inference import InferenceError, wilson

ZONES = pd.DataFrame(
    {
        "fib4": ["low", "low", "high", "indeterminate", None, "age < 35", "indeterminate", "high"],
        "video": ["high", "low", "low", "low", "high", "indeterminate", "low", "high"],
    }
)
TRUTH = [1, 0, 1, 1, 1, 0, 0, 0]


def test_every_patient_is_followed_to_the_end():
    table = pathway_table(ZONES, TRUTH).set_index("step")
    # By hand: FIB-4 releases 2 of 8 (one diseased), sends 2 to biopsy, passes 4 on; the video releases 2 (one
    # diseased), sends 1, and passes on the one without an answer.
    events = table[["entered", "released", "missed", "to_biopsy", "passed_on"]]
    assert events.loc["fib4"].tolist() == [1000, 250, 125, 250, 500]
    assert events.loc["video"].tolist() == [500, 250, 125, 125, 125]
    assert table.loc["biopsy", "entered"] == 500
    assert table.loc["fib4", ["entered_low", "entered_high"]].tolist() == [1000, 1000]


def test_numbers_add_up_at_any_prevalence():
    table = pathway_table(ZONES, TRUTH, prevalence=0.1).set_index("step")
    out = table[["released", "to_biopsy", "passed_on"]].sum(axis=1)
    np.testing.assert_allclose(out[["fib4", "video"]], table.loc[["fib4", "video"], "entered"])
    # One of four diseased is missed by FIB-4: 1,000 x 0.1 x 1/4.
    assert table.loc["fib4", "missed"] == pytest.approx(25)
    assert table.loc["fib4", "missed_low"] > 0


def test_a_pathway_that_missed_nobody_has_an_upper_limit():
    found = compare_pathways({"video": ZONES[["video"]].replace("low", "high")}, TRUTH).iloc[0]
    assert (found["missed"], found["avoided"]) == (0, 0)
    assert found["missed_share_high"] > 0.3


def test_pathways_are_compared_in_the_same_patients():
    table = compare_pathways({"biopsy": ZONES[[]], "fib4": ZONES[["fib4"]], "both": ZONES}, TRUTH).set_index("pathway")
    assert table["biopsies"].tolist() == [1000, 750, 500]
    assert table["missed"].tolist() == [0, 125, 250]
    assert table["missed_share"].tolist() == [0, 0.25, 0.5]
    # Without a step nothing is left to chance.
    certain = ["biopsies_low", "biopsies_high", "avoided_high", "missed_high", "missed_share_high"]
    assert table.loc["biopsy", certain].tolist() == [1000, 1000, 0, 0, 0]
    assert table["biopsies_change"].iloc[1:].tolist() == [-250, -250]
    assert table.loc["both", "missed_change"] == pytest.approx(125)
    # A step more can only release: two of eight, one of either class, so no limit lies above 0.
    one = wilson(1, 4)
    reach = 500 * np.sqrt(2) * (one.value - one.low)
    assert table.loc["both", "biopsies_change_high"] == pytest.approx(-250 + reach)
    assert table.loc["both", "biopsies_change_low"] < -250 < table.loc["both", "biopsies_change_high"] < 0
    # Other steps may send others: paired, with limits on both sides.
    other = compare_pathways({"fib4": ZONES[["fib4"]], "video": ZONES[["video"]]}, TRUTH).iloc[1]
    assert other["biopsies_change"] == 0 - 250
    assert other["biopsies_change_low"] < -250 < 0 < other["biopsies_change_high"]


def test_the_same_pathway_changes_nothing():
    zone = pd.DataFrame({"FIB-4": ["low", "high", "low", "indeterminate"]})
    row = compare_pathways({"a": zone, "b": zone}, [0, 1, 1, 0]).iloc[1]
    assert row[["missed_change", "missed_change_low", "missed_change_high"]].tolist() == [0, 0, 0]


def test_no_step_is_called_as_the_end():
    with pytest.raises(InferenceError, match="a step is called 'biopsy'"):
        pathway_table(pd.DataFrame({"biopsy": ["low", "high"]}), [0, 1])


def test_a_step_that_is_only_dropped_cannot_miss_more():
    """The limits of the change are those of the step that is added, turned round; names do not matter."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 40)
    both = pd.DataFrame(rng.choice(["low", "indeterminate", "high"], (40, 2)), columns=["FIB-4", "SWE"])
    one = both[["FIB-4"]]
    adds = compare_pathways({"one": one, "both": both}, truth).iloc[1]
    for first in (both, both.rename(columns={"FIB-4": "index"})):
        drops = compare_pathways({"both": first, "one": one}, truth).iloc[1]
        for event in ("biopsies_change", "missed_change"):
            expected = -adds[event], -adds[f"{event}_high"], -adds[f"{event}_low"]
            assert (drops[event], drops[f"{event}_low"], drops[f"{event}_high"]) == pytest.approx(expected)
    assert drops["missed_change_high"] <= 0


def test_published_zones_fit_in():
    # FIB-4 in fatty liver: 1.3 / 2.67, 2.0 from 65 years on, not below 35 (McPherson 2017).
    zone = zones([1.5, 1.5, 1.0, 3.0, 1.0], FIB4, stage=3, population="fatty", age=[70, 50, 50, 50, 30])
    table = pathway_table(pd.DataFrame({"fib4": zone}), [0, 1, 0, 1, 0]).set_index("step")
    assert table.loc["fib4", ["released", "to_biopsy", "passed_on"]].tolist() == pytest.approx([400, 200, 400])


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ([1] * 8, "both classes are needed"),
        ([1, 0], "each of the 8"),
        ([2] + [0] * 7, "0 and 1 only, found 2"),
        (np.ma.array(TRUTH, mask=[1] + [0] * 7), "found nan"),
        (pd.Series([pd.NA, *TRUTH[1:]], dtype="boolean"), "found nan"),
        (np.array(TRUTH)[:, None], "one entry for each patient"),
        (pd.Series(TRUTH)[::-1], "same patients in another order"),
    ],
)
def test_truth_must_fit(truth, message):
    with pytest.raises(InferenceError, match=message):
        pathway_table(ZONES, truth)


@pytest.mark.parametrize(
    ("prevalence", "message"), [(10, r"10 % is 0\.1"), ("0.1", "the text '0.1'"), ([0.1], "one number")]
)
def test_a_prevalence_is_a_share(prevalence, message):
    with pytest.raises(ValueError, match=message):
        pathway_table(ZONES, TRUTH, prevalence=prevalence)


def test_zones_are_read_in_any_case_and_missing_ones_pass_on():
    expected = pathway_table(ZONES, TRUTH)
    for zones_ in (ZONES.apply(lambda step: step.str.title()), ZONES + " ", ZONES.astype("string")):
        pd.testing.assert_frame_equal(pathway_table(zones_, TRUTH), expected)


@pytest.mark.parametrize("steps", [ZONES["fib4"], [["low"]] * 8, ZONES[["fib4", "fib4"]]])
def test_steps_are_columns(steps):
    with pytest.raises(InferenceError, match="zones must be a DataFrame with one column for each step"):
        pathway_table(steps, TRUTH)


def test_an_index_is_no_zone():
    with pytest.raises(InferenceError, match="step 'fib4' holds numbers"):
        pathway_table(ZONES.assign(fib4=np.arange(8.0)), TRUTH)
    assert pathway_table(ZONES.assign(fib4=np.nan), TRUTH)["released"].iloc[0] == 0


def test_pathways_have_names_and_the_same_patients():
    for pathways in ([ZONES], ZONES, {}):
        with pytest.raises(ValueError, match="pathways must map names to the zones"):
            compare_pathways(pathways, TRUTH)
    with pytest.raises(InferenceError, match="same patients in another order"):
        compare_pathways({"a": ZONES, "b": ZONES[::-1]}, TRUTH)


def test_zones_of_other_names_are_refused():
    """Else nobody would be released, without a word."""
    steps = pd.DataFrame({"fib4": ["rule-out", "high", "indeterminate", "age < 35", None, "Low"]})
    with pytest.raises(InferenceError, match=r"zones must be low, .* or missing; they hold 'rule-out'"):
        pathway_table(steps, [0, 1, 0, 1, 0, 1])
    assert len(pathway_table(steps.replace("rule-out", "low"), [0, 1, 0, 1, 0, 1])) == 2


def test_all_enter_a_pathway_without_steps():
    (row,) = pathway_table(pd.DataFrame(index=range(8)), [0, 0, 0, 1, 1, 1, 0, 1]).to_dict("records")
    assert (row["step"], row["entered"], row["entered_low"], row["entered_high"]) == ("biopsy", 1000, 1000, 1000)


def test_a_pathway_without_anything_sends_everybody_to_biopsy():
    y = pd.Series([0, 0, 1, 0, 1, 0], index=list("abcdef"))
    one = pd.DataFrame({"FIB-4": ["low", "high", "high", "low", "low", "low"]}, index=y.index)
    for nothing in (pd.DataFrame(), pd.DataFrame(index=y.index)):
        found = compare_pathways({"biopsy": nothing, "FIB-4": one}, y)
        assert found["biopsies"].tolist() == pytest.approx([1000, 1000 / 3])
