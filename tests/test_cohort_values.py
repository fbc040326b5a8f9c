"""What cells of further columns mean, in the spellings of hospitals; dates that leave no doubt, and others."""

import pandas as pd
import pytest
import test_cohort_table
from test_cohort_table import clean, problems, save

from fibrolib.cohort import read_cohort
from fibrolib.cohort.values import aetiology, day_first, one_spelling, possible_dates, steatosis, visit
from fibrolib.diagnostics import ColumnSpec, Diagnostic
from fibrolib.errors import CohortError

folder = test_cohort_table.folder


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("2021-03-04", ["2021-03-04"]),
        ("2021-03-04 10:20:30", ["2021-03-04"]),
        ("20210304", ["2021-03-04"]),
        ("2021年3月4日", ["2021-03-04"]),
        ("4.3.2021", ["2021-03-04"]),
        ("4 Mar 2021", ["2021-03-04"]),
        ("04-März-2021", ["2021-03-04"]),
        ("juillet 4, 2021", ["2021-07-04"]),
        ("13/04/2021", ["2021-04-13"]),
        ("04/13/2021", ["2021-04-13"]),
        ("04/04/2021", ["2021-04-04"]),
        ("03/04/2021", ["2021-04-03", "2021-03-04"]),
        ("2021", ["2021"]),
        ("2021-03", ["2021"]),
        ("2021-02-30", []),
        ("3/4/21", []),
        ("44259", []),
        ("before Easter", []),
    ],
)
def test_dates(text, dates):
    assert possible_dates(text) == dates


def test_other_cells_tell_in_what_order_a_column_is_written():
    doubtful = "03/04/2021"
    assert day_first(pd.Series([doubtful, "13/04/2021", None])) is True
    assert day_first(pd.Series([doubtful, "04/13/2021"])) is False
    assert day_first(pd.Series([doubtful, "04/04/2021"])) is None
    assert day_first(pd.Series(["13/04/2021", "04/13/2021"])) is None
    assert possible_dates(doubtful, True) == ["2021-04-03"]
    assert possible_dates(doubtful, False) == ["2021-03-04"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HBV", "hepatitis B"), ("Hepatitis-B", "hepatitis B"), ("乙肝", "hepatitis B"), ("CHC (new)", "hepatitis C"),
        ("NASH", "MASLD"), ("Fettleber", "MASLD"), ("ALD", "alcohol"), ("AIH", "autoimmune hepatitis"),
        ("unknown", "cryptogenic"), ("HBV, HCV", "other"), ("lues", "other"), ("other", "other"),
    ],
)  # fmt: skip
def test_aetiologies(text, name):
    assert aetiology(text) == name


def test_grades_and_visits():
    assert [steatosis(text) for text in ("S0", "1", "grade 2", "3.0", "mild", "轻度")] == [0, 1, 2, 3, 1, 1]
    assert [steatosis(text) for text in ("S4", "1.5", "30 %", "66")] == [None] * 4
    assert [visit(text) for text in ("1", "V2", "visit 3", "T0", "第4次")] == [1, 2, 3, 0, 4]
    assert [visit(text) for text in ("baseline", "2.5", "-1", "123")] == [None] * 4


def test_names_that_differ_in_typography_are_one():
    names = pd.Series(["B", "AIX plorer", "Aixplorer", "Ａixplorer", "Aixplorer", None])
    assert one_spelling(names).tolist() == ["B", *["Aixplorer"] * 4, None]


def test_columns_of_patients_and_of_videos(folder):
    table = clean().assign(centre="A", scanner="X", video_date="2021-04-01", biopsy_date="2021-03-02", elf="9.5")
    table.loc[1, ["patient_id", "stage", "scanner"]] = ["P0", 0, "Y"]
    table.loc[2, "video_date"] = "2020"
    cohort = read_cohort(save(table, folder))
    patients = cohort.patients()
    assert set(patients["centre"]) == {"A"}
    assert patients["scanner"].tolist()[:2] == [None, "X"]  # the first patient has videos of two
    assert patients["days_from_biopsy"].fillna(-1).tolist()[:3] == [30, -1, 30]
    assert patients["elf"].tolist() == [9.5] * len(patients)
    assert "elf" in cohort.numbers
    table.loc[1, "centre"] = "B"
    assert "more than one value here" in problems(save(table, folder))[0][2]


def test_a_table_without_further_columns_has_them_empty(folder):
    cohort = read_cohort(save(clean(), folder))
    further = ["centre", "scanner", "operator", "visit", "biopsy_date", "video_date", "aetiology", "steatosis", "elf"]
    assert cohort.patients()[further].isna().all(axis=None)
    assert "elf" not in cohort.numbers


def test_a_distance_that_the_table_gives_is_kept_where_no_dates_are(folder):
    cohort = read_cohort(save(clean().assign(days_from_biopsy=-12, video_date="2021", biopsy_date="2021"), folder))
    assert set(cohort.patients()["days_from_biopsy"]) == {-12.0}


def test_a_covariate_may_be_zero_or_negative_and_must_be_there(folder):
    covariate = Diagnostic("z", "z", "covariate", columns={"z": ColumnSpec("", float("-inf"), float("inf"))})
    cohort = read_cohort(save(clean().assign(z="-1.5"), folder), diagnostics=[covariate])
    assert set(cohort.patients()["z"]) == {-1.5}
    assert "z" in cohort.numbers
    with pytest.raises(CohortError, match="the covariate z of the profile reads"):
        read_cohort(save(clean(), folder), diagnostics=[covariate])


def test_a_diagnostic_of_the_user_s_own_may_say_what_elf_is(folder):
    marker = Diagnostic("mine", "Mine", columns={"elf": ColumnSpec("points", 1, 20)}, formula=abs)
    cohort = read_cohort(save(clean().assign(elf=9.5), folder), diagnostics=[marker])
    assert cohort.numbers["elf"].unit == "points"
