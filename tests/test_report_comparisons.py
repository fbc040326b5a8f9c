"""Comparisons in words and in readable tables."""

import numpy as np
import pandas as pd

from fibrolib import report


def pairs(p_holm, note="", test="DeLong, paired"):
    n = len(p_holm)
    rows = {"a": ["cnn3d"] * n, "b": ["swe", "fib4", "apri"][:n], "n": 17, "difference": 0.1, "ci_low": -0.1}
    p = np.where(np.isnan(p_holm), np.nan, 0.001)
    return pd.DataFrame(rows).assign(ci_high=0.3, p=p, p_holm=p_holm, test=test, note=note)


def test_only_corrected_p_values_count():
    text = report.describe_comparisons(pairs([0.06, 0.5, np.nan]))
    assert "**2 pairs** were tested (DeLong, paired; 17 patients)" in text
    assert "**none** has p < 0.05 (smallest corrected p: 0.060)" in text
    assert "typically 0.40 wide" in text
    assert "**1** has p < 0.05: 3D-CNN above SWE" in report.describe_comparisons(pairs([0.01, 0.5]))
    behind = pairs([0.01]).assign(difference=-0.1)
    assert "p < 0.05: SWE above 3D-CNN" in report.describe_comparisons(behind)
    assert "No pair" in report.describe_comparisons(pairs([np.nan]))
    assert "few patients" in report.describe_comparisons(pairs([0.2, 0.3], note="few patients"))
    some = pairs([0.2, 0.3], note=["few patients; ties", "few patients"]).assign(n=[14, 17])
    assert "14 to 17 patients" in report.describe_comparisons(some)
    assert report.describe_comparisons(some).endswith("Caveats: few patients.")


def test_every_row_names_its_test_its_patients_and_its_correction():
    table = report.readable_comparisons(pairs([0.0004, np.nan]).assign(ci_low=[-0.1, np.nan]))
    assert table["Difference in AUC (95 % CI)"].tolist() == ["+0.10 (−0.10 to +0.30)", "+0.10 (no interval)"]
    assert table["p (Holm, 1 test)"].tolist() == ["< 0.001", "–"]
    assert table["Test"].tolist() == ["DeLong, paired"] * 2
    assert table["Patients"].tolist() == [17, 17]
    told = report.readable_comparisons(pairs([0.2], note="2 by the first alone"), of="accuracy", notes=True)
    assert told.loc[0, ["Note"]].item() == "2 by the first alone"
    assert "Difference in accuracy (95 % CI)" in told


def test_the_same_pairs_by_two_tests_stand_side_by_side():
    table = report.readable_tests(pairs([0.2, 0.3]), pairs([0.1, np.nan], test="exchange, paired"))
    assert table["Comparison"].tolist() == ["3D-CNN − SWE", "3D-CNN − FIB-4"]
    assert table["DeLong, paired: p (Holm, 2 tests)"].tolist() == ["0.200", "0.300"]
    assert table["exchange, paired: p (Holm, 1 test)"].tolist() == ["0.100", "–"]


def test_where_two_tests_disagree_it_is_said():
    found = pairs([0.006, 0.5])
    text = report.describe_comparisons(found, pairs([1.0, 0.4], test="exchange, paired"))
    assert (
        "**The conclusion depends on the test** (DeLong, paired; exchange, paired) for 3D-CNN and SWE (p 0.006; 1.000)"
        in text
    )
    text = report.describe_comparisons(found, pairs([0.01, 0.4], test="exchange, paired"))
    assert "A second test (exchange, paired) agrees for every pair." in text


def test_the_joint_test_in_a_sentence():
    row = {"models": 6, "n": 17, "statistic": 8.25, "df": 5, "df_error": 11.0, "p": 0.4, "test": "DeLong, joint (F)"}
    text = report.describe_joint(pd.DataFrame([row | {"note": "only 8 patients"}]))
    assert "all 6 areas are equal (DeLong, joint (F), 17 patients scored by all)" in text
    assert "T² = 8.25 on 5 and 11 degrees of freedom, **p = 0.400**" in text
    assert text.endswith("; only 8 patients.")
    refused = report.describe_joint(pd.DataFrame([row | {"p": np.nan, "note": "one class"}]))
    assert "cannot be tested" in refused
    assert "one class" in refused
