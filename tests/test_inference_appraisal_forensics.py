"""Forensics: what the printed numbers of the source study allow."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from fibrolib.inference import auc, wilson
from fibrolib.inference.appraisal import (
    area_bounds,
    attainable_areas,
    comparison_range,
    implied_intervals,
    matching_confusions,
    needed_correlation,
)
from fibrolib.inference.appraisal.forensics import _hanley_mcneil_error
from fibrolib.inference.intervals import _newcombe_limits


def is_attainable(*args, **options) -> bool:
    return not attainable_areas(*args, **options).empty


SOURCE = {"accuracy": 0.7647, "precision": 0.7803, "recall": 0.7569, "f1": 0.7571}


def test_one_table_only_fits_the_source_study():
    found = matching_confusions(17, SOURCE)
    # Up to naming the classes: 8 of 9 and 5 of 8 right (evidence).
    assert sorted(map(tuple, found.to_numpy().tolist())) == [(5, 3, 1, 8), (8, 1, 3, 5)]
    assert matching_confusions(17, SOURCE, n_positive=9).to_numpy().tolist() == [[8, 1, 3, 5]]
    assert matching_confusions(17, SOURCE | {"f1": 0.8571}).empty
    positive = matching_confusions(17, {"precision": 0.7273, "recall": 0.8889}, average="positive", n_positive=9)
    assert positive.to_numpy().tolist() == [[8, 1, 3, 5]]


def test_tables_of_many_patients_do_not_fill_the_memory():
    # 1.4 million tables of 200 patients: 43 MB at once.
    tracemalloc.start()
    found = matching_confusions(200, {"accuracy": 0.7647, "f1": 0.61})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.empty
    assert peak < 10e6


def test_forensic_arguments_are_checked():
    for reported in ({}, {"auc": 0.8}):
        with pytest.raises(ValueError, match="reported must name"):
            matching_confusions(17, reported)
    with pytest.raises(ValueError, match=r"76\.47 % is 0\.7647, divide by 100"):
        matching_confusions(17, {"accuracy": 76.47})
    with pytest.raises(ValueError, match="average"):
        matching_confusions(17, SOURCE, average="micro")
    for call in (lambda: attainable_areas(0.92, 8, 9, decimals=1), lambda: matching_confusions(17, {"f1": 0.75714})):
        with pytest.raises(ValueError, match=r"must have at most . decimals?, as printed"):
            call()


@pytest.mark.parametrize("average", ["macro", "positive"])
def test_matrices_are_all_those_that_scikit_learn_agrees_with(average):
    """Brute force over every table of nine patients, rounded as a paper would."""
    keep = {"average": "macro"} if average == "macro" else {}
    printed = {"accuracy": 0.67, "recall": 0.68} if average == "macro" else {"accuracy": 0.67, "recall": 0.75}
    expected = []
    for m in range(1, 9):
        for tp, tn in itertools.product(range(m + 1), range(10 - m)):
            y = np.repeat([1, 1, 0, 0], (tp, m - tp, 9 - m - tn, tn))
            called = np.repeat([1, 0, 1, 0], (tp, m - tp, 9 - m - tn, tn))
            values = {"accuracy": sk.accuracy_score(y, called), "recall": sk.recall_score(y, called, **keep)}
            if all(abs(values[name] - printed[name]) <= 0.005 + 1e-12 for name in printed):
                expected.append((tp, m - tp, 9 - m - tn, tn))
    found = matching_confusions(9, printed, decimals=2, average=average)
    assert sorted(map(tuple, found.to_numpy().tolist())) == sorted(expected)
    assert expected


def test_rounding_and_rates_can_be_told():
    # 13/17 = 0.76470...: cut off after three decimals it prints as 0.764, rounded as 0.765.
    assert matching_confusions(17, {"accuracy": 0.764}, decimals=3, rounding="down")["tp"].size > 0
    assert matching_confusions(17, {"accuracy": 0.764}, decimals=3).empty
    found = matching_confusions(17, {"sensitivity": 0.889, "specificity": 0.625}, decimals=3)
    assert [8, 1, 3, 5] in found.to_numpy().tolist()
    with pytest.raises(ValueError, match="rounding"):
        matching_confusions(17, {"accuracy": 0.764}, rounding="up")


@pytest.mark.parametrize(("area", "one", "five"), [(0.847, True, True), (0.761, False, True), (0.753, False, True)])
def test_printed_areas_on_the_grid(area, one, five):
    assert is_attainable(area, 8, 9) == one
    assert is_attainable(area, 8, 9, folds=5, ties=False) == five


def test_what_the_published_comparison_can_have_given():
    # Hanley & McNeil's lower limit of 0.847 at 8 and 9 patients: about 0.65 (evidence).
    assert 0.847 - 1.96 * _hanley_mcneil_error(0.847, 8, 9) == pytest.approx(0.65, abs=0.005)
    table = comparison_range(0.847, 0.753, 8, 9)
    assert table["p"].min() > 0.19
    assert (table["p"].diff().dropna() < 0).all()


def test_attainable_areas_are_those_that_scores_give():
    """Every order of two cases and three controls, ties included."""
    y = np.array([1, 1, 0, 0, 0])
    reached = {auc(y, scores) for scores in itertools.product(range(5), repeat=5)}
    grid = {k / 12 for k in range(13) if is_attainable(round(k / 12, 6), 2, 3, decimals=6)}
    assert (
        grid == pytest.approx(reached) if len(grid) != len(reached) else sorted(grid) == pytest.approx(sorted(reached))
    )
    assert not is_attainable(0.083333, 2, 3, decimals=6, ties=False)
    assert not is_attainable(0.29, 2, 3, decimals=2)


def test_means_over_unequal_folds_lie_on_a_common_grid():
    # Two folds of 2 x 2 and 2 x 3 pairs without ties: means are (a/4 + b/6) / 2.
    possible = {(a / 4 + b / 6) / 2 for a in range(5) for b in range(7)}
    for k in range(0, 1001):
        printed = k / 1000
        expected = any(abs(value - printed) <= 0.0005 + 1e-12 for value in possible)
        assert is_attainable(printed, [2, 2], [2, 3], ties=False) == expected
    (row,) = attainable_areas(0.847, 8, 9, folds=5, ties=False).itertuples()
    assert (row.steps, row.of) == (305, 360)
    with pytest.raises(ValueError, match="as many folds"):
        attainable_areas(0.8, [2, 2], [2])


def test_an_area_must_fit_its_own_operating_point():
    low, high = area_bounds(8, 1, 3, 5)
    assert (low, high) == pytest.approx((8 / 9 * 5 / 8, 1 - 1 / 9 * 3 / 8))
    # The extremes are reached: within each call the patients are ordered as badly, or as well, as can be.
    y = np.repeat([1, 1, 0, 0], (8, 1, 3, 5))
    worst, best = np.repeat([2.0, 0.0, 3.0, 1.0], (8, 1, 3, 5)), np.repeat([3.0, 1.0, 2.0, 0.0], (8, 1, 3, 5))
    assert (auc(y, worst), auc(y, best)) == pytest.approx((low, high))


def test_a_labelled_matrix_is_read_by_its_names():
    table = pd.Series({"tn": 7, "fp": 1, "fn": 2, "tp": 6})
    expected = implied_intervals(8, 8, confusion=(6, 2, 1, 7))
    for row in (table, table.rename(str.upper)):
        pd.testing.assert_frame_equal(implied_intervals(8, 8, confusion=row), expected)
    with pytest.raises(ValueError, match="a row must be labelled tp, fn, fp and tn; its labels are"):
        implied_intervals(8, 8, confusion=table.rename({"tn": "true negatives"}))
    assert expected.set_index("metric").loc["sensitivity", "value"] == 0.75


def test_implied_intervals_are_those_of_the_methods_they_name():
    found = implied_intervals(9, 8, auc=0.847, confusion=(8, 1, 3, 5)).set_index("metric")
    error = _hanley_mcneil_error(0.847, 9, 8)
    assert found.loc["auc_hanley_mcneil", ["low", "high"]].tolist() == pytest.approx([0.847 - 1.959964 * error, 1])
    assert found.loc["auc_newcombe", ["low", "high"]].tolist() == pytest.approx(list(_newcombe_limits(0.847, 9, 8)))
    assert found.loc["accuracy", ["low", "high"]].tolist() == pytest.approx([wilson(13, 17).low, wilson(13, 17).high])
    assert found.loc["f1_macro", "value"] == pytest.approx(0.7571, abs=5e-5)
    assert "only 8 patients" in found.loc["f1_macro", "note"]
    with pytest.raises(ValueError, match="does not have"):
        implied_intervals(8, 9, confusion=(8, 1, 3, 5))
    with pytest.raises(ValueError, match="give the printed area"):
        implied_intervals(8, 9)


def test_hanley_and_mcneils_error_is_the_spread_of_areas_of_exponential_scores():
    # Their formula is exact for scores with exponential distributions, areas being m / (1 + m) at a ratio of means m.
    rng = np.random.default_rng(0)
    y = np.repeat([True, False], (9, 8))
    scores = rng.exponential(size=(3000, 17)) * np.where(y, 4.0, 1.0)
    areas = np.mean(scores[:, y][:, :, None] > scores[:, ~y][:, None, :], axis=(1, 2))
    assert areas.mean() == pytest.approx(0.8, abs=0.01)
    assert areas.std() == pytest.approx(_hanley_mcneil_error(0.8, 9, 8), rel=0.05)


def test_the_needed_correlation_gives_the_level_it_was_asked_for():
    r = needed_correlation(0.847, 0.753, 9, 8)
    assert 0.9 < r < 1
    assert comparison_range(0.847, 0.753, 9, 8, [r])["p"].iloc[0] == pytest.approx(0.05)
    assert needed_correlation(0.9, 0.6, 500, 500) < 0
    with pytest.raises(ValueError, match="different areas"):
        needed_correlation(0.8, 0.8, 9, 8)
    for function in (needed_correlation, comparison_range):
        with pytest.raises(ValueError, match="standard error of an area of 0 or 1 is 0"):
            function(1.0, 0.8, 9, 8)


def test_an_area_of_1_has_no_interval_from_its_standard_error():
    table = implied_intervals(8, 9, auc=1.0).set_index("metric")
    assert np.isnan(table.loc["auc_hanley_mcneil", ["low", "high"]].astype(float)).all()
    assert "no such interval" in table.loc["auc_hanley_mcneil", "note"]
    assert table.loc["auc_newcombe", "low"] < 1
