"""Forensics: what the printed numbers of the source study allow."""

from __future__ import annotations

import pytest

from fibrolib.inference import area_is_attainable, comparison_range, hanley_mcneil_error, matching_confusions

SOURCE = {"accuracy": 0.7647, "precision": 0.7803, "recall": 0.7569, "f1": 0.7571}


def test_one_table_only_fits_the_source_study():
    found = matching_confusions(17, SOURCE)
    # Up to naming the classes: 8 of 9 and 5 of 8 right (evidence).
    assert sorted(map(tuple, found.to_numpy().tolist())) == [(5, 3, 1, 8), (8, 1, 3, 5)]
    assert matching_confusions(17, SOURCE, n_positive=9).to_numpy().tolist() == [[8, 1, 3, 5]]
    assert matching_confusions(17, SOURCE | {"f1": 0.8571}).empty
    positive = matching_confusions(17, {"precision": 8 / 11, "recall": 8 / 9}, average="positive", n_positive=9)
    assert positive.to_numpy().tolist() == [[8, 1, 3, 5]]


def test_forensic_arguments_are_checked():
    for reported in ({}, {"auc": 0.8}):
        with pytest.raises(ValueError, match="reported must name"):
            matching_confusions(17, reported)
    with pytest.raises(ValueError, match="fractions"):
        matching_confusions(17, {"accuracy": 76.47})
    with pytest.raises(ValueError, match="average"):
        matching_confusions(17, SOURCE, average="micro")


@pytest.mark.parametrize(("area", "one", "five"), [(0.847, True, True), (0.761, False, True), (0.753, False, True)])
def test_printed_areas_on_the_grid(area, one, five):
    assert area_is_attainable(area, 8, 9) == one
    assert area_is_attainable(area, 8, 9, folds=5, ties=False) == five


def test_what_the_published_comparison_can_have_given():
    # Hanley & McNeil's lower limit of 0.847 at 8 and 9 patients: about 0.65 (evidence).
    assert 0.847 - 1.96 * hanley_mcneil_error(0.847, 8, 9) == pytest.approx(0.65, abs=0.005)
    table = comparison_range(0.847, 0.753, 8, 9)
    assert table["p"].min() > 0.19
    assert (table["p"].diff().dropna() < 0).all()
