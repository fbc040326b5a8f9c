"""Two cohorts side by side: standardised differences against tableone, and a classifier that tells cohorts apart."""

import numpy as np
import pandas as pd
import pytest
from tableone import TableOne

from fibrolib.validation.differences import (
    _compare_summaries,
    _summarise_categories,
    _summarise_numbers,
    _tell_apart,
)


@pytest.fixture(scope="module")
def cohorts():
    random = np.random.default_rng(4)
    sizes = {"one": 70, "other": 45}
    return {
        name: pd.DataFrame(
            {
                "age": random.normal(50 + 8 * (name == "other"), 12, n),
                "bmi": np.where(random.random(n) < 0.2, np.nan, random.normal(25, 4, n)),
                "sex": random.choice(["f", "m"], n, p=[0.4, 0.6] if name == "one" else [0.55, 0.45]),
                "stage": random.choice(5, n, p=[0.2] * 5 if name == "one" else [0.4, 0.3, 0.1, 0.1, 0.1]),
            }
        )
        for name, n in sizes.items()
    }


def reference(cohorts) -> dict[str, float]:
    """Standardised differences of the package tableone."""
    both = pd.concat([each.assign(cohort=name) for name, each in cohorts.items()], ignore_index=True)
    columns = {"columns": ["age", "bmi", "sex", "stage"], "categorical": ["sex", "stage"]}
    table = TableOne(both, **columns, groupby="cohort", smd=True, missing=False).smd_table
    return table.iloc[:, 0].astype(float).to_dict()


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # of tableone
def test_standardised_differences_are_those_of_tableone(cohorts):
    one, other = cohorts.values()
    numbers = _compare_summaries(*(_summarise_numbers(each[["age", "bmi"]]) for each in (one, other)), "patients")
    levels = _compare_summaries(*(_summarise_categories(each) for each in (one, other)), "patients")
    found = pd.concat([numbers, levels]).dropna(subset=["smd"]).set_index("name")["smd"]
    expected = reference(cohorts)
    for name in ("age", "bmi", "sex", "stage"):
        assert abs(found[name]) == pytest.approx(abs(expected[name]), abs=5e-4), name
    assert found["age"] > 0  # the other cohort is older


def test_counts_and_quartiles_are_those_of_the_tables(cohorts):
    one, other = cohorts.values()
    table = _compare_summaries(_summarise_categories(one), _summarise_categories(other), "patients")
    males = table[(table["name"] == "sex") & (table["level"] == "m")].iloc[0]
    assert (males["n_development"], males["n"]) == ((one["sex"] == "m").sum(), (other["sex"] == "m").sum())
    assert males["share"] == pytest.approx((other["sex"] == "m").mean())
    row = _compare_summaries(*(_summarise_numbers(each[["bmi"]]) for each in (one, other)), "patients").iloc[0]
    assert row["n"] == other["bmi"].notna().sum()
    assert [row["q1"], row["median"], row["q3"]] == pytest.approx(list(other["bmi"].quantile([0.25, 0.5, 0.75])))


def test_what_one_cohort_lacks_has_no_difference(cohorts):
    one, other = cohorts.values()
    table = _compare_summaries(_summarise_numbers(one[["age", "bmi"]]), _summarise_numbers(other[["age"]]), "patients")
    assert np.isnan(table.set_index("name").loc["bmi", "smd"])
    table = _compare_summaries(_summarise_categories(one), {}, "patients")
    assert table["smd"].isna().all()
    assert table["share"].isna().all()


def test_equal_and_constant_values_differ_by_nothing():
    same = _summarise_numbers(pd.DataFrame({"fps": [20.0] * 12}))
    assert _compare_summaries(same, same, "pictures")["smd"].tolist() == [0.0]


def test_cohorts_that_differ_are_told_apart_and_equal_ones_are_not():
    random = np.random.default_rng(0)
    one, alike = (pd.DataFrame(random.normal(size=(150, 3)), columns=list("abc")) for _ in range(2))
    assert _tell_apart(one, alike, "pictures", 0)["auc"] == pytest.approx(0.5, abs=0.08)
    found = _tell_apart(one, alike.assign(b=alike["b"] + 4), "pictures", 0)
    assert found["auc"] > 0.95
    assert found["first"].startswith("b")


def test_the_same_patients_in_both_show_as_an_area_below_a_half():
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
    assert _tell_apart(values, values.copy(), "patients", 0)["auc_high"] < 0.5


def test_too_few_patients_or_no_shared_column_are_said():
    values = pd.DataFrame({"a": np.arange(30.0)})
    assert "9 patients" in _tell_apart(values, values.head(9), "pictures", 0)["note"]
    assert "0 shared columns" in _tell_apart(values, values.rename(columns={"a": "b"}), "pictures", 0)["note"]
    assert "not tried" in _tell_apart(values.head(0), values, "patients", 0)["note"]
