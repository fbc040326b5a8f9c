"""FIB-4, APRI and SWE: formulae by hand, published cut-offs, and the manners of a scikit-learn classifier."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_validate

from fibrolib.diagnostics import (
    APRI,
    FIB4,
    SWE,
    ColumnSpec,
    IndexInputError,
    OtherUnit,
    PublishedCutoff,
    apri,
    fib4,
    stiffness,
    tabulate_cutoffs,
    tabulate_zones,
    zones,
)
from fibrolib.diagnostics.indices import _IndexClassifier
from fibrolib.errors import FibrolibError
from fibrolib.stages import at_least

INDICES = (FIB4, APRI, SWE)


@pytest.fixture
def patients() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(5)
    n = 77
    stage = rng.permutation(np.arange(n) % 5)
    table = pd.DataFrame(
        {
            "age": rng.normal(50, 10, n),
            "ast": np.exp(3.6 + 0.15 * stage + 0.4 * rng.normal(size=n)),
            "alt": np.exp(3.7 + 0.4 * rng.normal(size=n)),
            "platelets": 210 - 15 * stage + 30 * rng.normal(size=n),
            "swe_kpa": np.exp(1.7 + 0.15 * stage + 0.25 * rng.normal(size=n)),
        },
        index=pd.Index([f"p{i}" for i in range(n)], name="patient_id"),
    )
    return table, stage


def test_formulae_by_hand():
    assert fib4(age=60, ast=80, alt=64, platelets=150) == 4.0
    assert apri(ast=80, platelets=100) == 2.0
    assert apri(ast=80, platelets=100, upper_limit=32) == 2.5
    assert fib4([60, 30], [80, 80], [64, np.nan], [150, 150]).tolist() == pytest.approx([4.0, np.nan], nan_ok=True)


@pytest.mark.parametrize("wrong", [0, -1, np.inf])
@pytest.mark.parametrize("name", ["age", "ast", "alt", "platelets"])
def test_impossible_values_are_named(name, wrong):
    values = {"age": 60, "ast": 80, "alt": 64, "platelets": 150} | {name: wrong}
    with pytest.raises(IndexInputError, match=f"{name} must be positive"):
        fib4(**values)


def test_words_are_no_numbers():
    with pytest.raises(FibrolibError, match="ast must hold numbers"):
        apri(["high"], [100])


def test_published_cutoffs():
    table = tabulate_cutoffs()
    pairs = set(table[["index", "stage", "low", "high"]].itertuples(index=False, name=None))
    assert {("fib4", 3, 1.45, 3.25), ("fib4", 3, 1.30, 2.67), ("apri", 2, 0.5, 1.5), ("apri", 4, 1.0, 2.0)} <= pairs
    assert [SWE.published_cutoff(stage).low for stage in (2, 3, 4)] == [6.85, 7.43, 8.03]
    second = [SWE.published_cutoff(stage, population="327").low for stage in (2, 3, 4)]
    assert second == [6.9, 7.9, 9.4]
    assert FIB4.published_cutoff(population="fatty").low_from_65 == 2.0
    # The nearest published stage, which the caller can read.
    assert FIB4.published_cutoff(2).stage == 3
    assert APRI.published_cutoff(3).stage == 2
    assert table[["source", "population"]].all(axis=None)
    assert (table["low"] <= table["high"]).all()
    with pytest.raises(ValueError, match="SWE has no published cut-off for 'fatty'; there are: chronic hepatitis B"):
        SWE.published_cutoff(population="fatty")


def test_zones_and_their_table():
    index = pd.Series([1.44, 1.45, 3.24, 3.25, np.nan], index=list("abcde"))
    found = zones(index, FIB4.published_cutoff())
    assert found.astype(object).tolist()[:4] == ["low", "indeterminate", "indeterminate", "high"]
    assert found.isna().tolist() == [False] * 4 + [True]
    assert found.index.tolist() == list("abcde")
    table = tabulate_zones(found, [0, 0, 1, 1, 1]).set_index("zone")
    assert table["n"].to_dict() == {"low": 1, "indeterminate": 2, "high": 1, "missing": 1}
    assert table["diseased"].tolist() == [0, 1, 1, 1]
    assert table["healthy"].tolist() == [1, 1, 0, 0]
    assert table["share"].sum() == pytest.approx(1)
    assert table["prevalence"].tolist() == [0, 0.5, 1, 1]
    with pytest.raises(ValueError, match="5 zones for 2 patients"):
        tabulate_zones(found, [0, 1])


def test_a_single_cutoff_leaves_nobody_between():
    found = zones([6.84, 6.85, 20], SWE.published_cutoff(2))
    assert found.tolist() == ["low", "high", "high"]
    falling = zones([6.84, 6.85, 20], SWE.published_cutoff(2), direction=-1)
    assert falling.tolist() == ["high", "low", "low"]
    table = tabulate_zones(found, [0, 1, 1]).set_index("zone")
    assert table.loc["indeterminate", "n"] == 0
    assert np.isnan(table.loc["indeterminate", "prevalence"])


def test_below_thirty_five_fib4_is_not_validated():
    found = zones([0.4, 0.4, 4, 4, np.nan], FIB4.published_cutoff(3), age=[34, 35, 34, 35, 20])
    assert found.astype(object).tolist()[:4] == ["age < 35", "low", "age < 35", "high"]
    assert found.isna().tolist() == [False] * 4 + [True]
    table = tabulate_zones(found, [0, 0, 1, 1, 0]).set_index("zone")
    assert table["n"].to_dict() == {"low": 1, "indeterminate": 0, "high": 1, "age < 35": 2, "missing": 1}
    assert zones([0.4], FIB4.published_cutoff(3)).tolist() == ["low"]
    assert zones([0.4], APRI.published_cutoff(2), age=[20]).tolist() == ["low"]


def test_from_sixty_five_the_lower_cutoff_rises():
    found = zones([1.5, 1.5, 2.7], FIB4.published_cutoff(3, population="fatty"), age=[64, 65, 80])
    assert found.tolist() == ["indeterminate", "low", "high"]
    assert zones([1.3], FIB4.published_cutoff(3), age=[80]).tolist() == ["low"]


@pytest.mark.parametrize("record", INDICES, ids=lambda record: record.name)
def test_fitting_keeps_the_order_of_the_index(record, patients):
    X, stage = patients
    for cutoff in (1, 2, 3, 4):
        model = clone(record.classifier(cutoff)).fit(X, stage)
        proba = model.predict_proba(X)
        assert proba.shape == (77, 2)
        assert proba.sum(axis=1) == pytest.approx(np.ones(77))
        truth = stage >= cutoff
        assert roc_auc_score(truth, proba[:, 1]) == roc_auc_score(truth, model.index(X))
        assert model.classes_.tolist() == [0, 1]
        assert model.predict(X).tolist() == (proba[:, 1] >= 0.5).astype(int).tolist()
        assert model.probability_at(model.index(X)) == pytest.approx(proba[:, 1])


@pytest.mark.parametrize("record", INDICES, ids=lambda record: record.name)
def test_the_map_is_scikit_learns_logistic_regression(record, patients):
    X, stage = patients
    model = record.classifier().fit(X, stage)
    logs = np.log(model.index(X))
    z = ((logs - logs.mean()) / logs.std())[:, None]
    theirs = LogisticRegression(tol=1e-10).fit(z, stage >= 2)
    assert model.predict_proba(X)[:, 1] == pytest.approx(theirs.predict_proba(z)[:, 1], abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_even_a_sample_that_points_the_other_way_is_not_turned_round(seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"swe_kpa": rng.uniform(2, 30, 12)})
    stage = np.where(X["swe_kpa"].rank() > 6, 0, 4)
    model = SWE.classifier().fit(X, stage)
    assert model.slope_ > 0
    assert roc_auc_score(stage >= 2, model.predict_proba(X)[:, 1]) == 0


def test_a_constant_index_gives_the_prevalence():
    X = pd.DataFrame({"swe_kpa": [6.0] * 8})
    assert SWE.classifier().fit(X, [0, 0, 0, 0, 0, 0, 3, 4]).predict_proba(X)[:, 1] == pytest.approx([0.25] * 8)


def test_patients_without_an_input_are_marked_and_not_learned_from(patients):
    X, stage = patients
    holes = X.astype(object)
    holes.loc["p3", "alt"] = None
    model = FIB4.classifier().fit(holes, stage)
    proba = model.predict_proba(holes)
    assert np.isnan(proba[3]).all()
    assert np.isfinite(np.delete(proba, 3, axis=0)).all()
    whole = FIB4.classifier().fit(X.drop("p3"), np.delete(stage, 3))
    assert (model.intercept_, model.slope_) == pytest.approx((whole.intercept_, whole.slope_))
    with pytest.raises(IndexInputError, match="FIB-4 cannot be computed for 1 of 77 patients"):
        model.predict(holes)
    empty = X.assign(alt=np.nan)
    assert np.isnan(model.predict_proba(empty)).all()


@pytest.mark.parametrize(
    ("record", "spoil", "message"),
    [
        (FIB4, lambda X: X.drop(columns="alt"), "FIB-4 needs the column 'alt', which the cohort does not have"),
        (APRI, lambda X: X.assign(platelets=np.nan), "APRI needs the column 'platelets', which holds no value"),
        (SWE, lambda X: X.assign(swe_kpa=None), "SWE needs the column 'swe_kpa', which holds no value"),
        (SWE, lambda X: X.assign(swe_kpa=0.0), "swe_kpa must be positive"),
        (SWE, lambda X: X.assign(swe_kpa=X["swe_kpa"].where(X.index == "p1")), "all on one side"),
    ],
)
def test_a_cohort_without_what_is_needed_is_told_so(record, spoil, message, patients):
    X, stage = patients
    with pytest.raises(IndexInputError, match=message):
        record.classifier().fit(spoil(X), stage)


def test_programming_errors_are_told_apart(patients):
    X, stage = patients
    with pytest.raises(TypeError, match="DataFrame"):
        FIB4.classifier().fit(X.to_numpy(), stage)
    with pytest.raises(ValueError, match="77 patients but 5 stages"):
        FIB4.classifier().fit(X, stage[:5])


@pytest.mark.parametrize("record", INDICES, ids=lambda record: record.name)
def test_the_manners_of_a_scikit_learn_classifier(record, patients):
    X, stage = patients
    model = record.classifier(3)
    assert model.get_params()["cutoff"] == 3
    assert clone(model.set_params(cutoff=2)).cutoff == 2
    assert record.label in repr(record.classifier())
    assert model.fit(X, stage, validation=(X, stage)) is model

    def scorer(estimator, X, y):
        return roc_auc_score(y >= estimator.cutoff, estimator.predict_proba(X)[:, 1])

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_validate(record.classifier(), X, stage, cv=folds, scoring=scorer, error_score="raise")["test_score"]
    assert len(scores) == 5
    assert np.isfinite(scores).all()


def test_the_upper_limit_of_ast_is_a_setting(patients):
    X, stage = patients
    low, high = (
        _IndexClassifier(partial(apri, upper_limit=limit), ("ast", "platelets")).fit(X, stage) for limit in (30, 60)
    )
    assert low.index(X) == pytest.approx(2 * high.index(X))
    assert low.predict_proba(X) == pytest.approx(high.predict_proba(X), abs=1e-6)


def many(**changed) -> dict:
    """30 patients, by argument of FIB-4."""
    rng = np.random.default_rng(0)
    values = {"age": rng.uniform(40, 70, 30), "ast": rng.uniform(20, 90, 30), "alt": rng.uniform(20, 90, 30)}
    values["platelets"] = rng.uniform(90, 300, 30)
    return values | {name: change(values[name]) for name, change in changed.items()}


@pytest.mark.parametrize(
    ("name", "change", "message", "unit"),
    [
        ("platelets", lambda v: 1000 * v, r"not 10⁹/L but plainly per µL.*30 such values of 30", "per µL"),
        ("platelets", lambda v: 1000 * v, "unit={'platelets': 'per µL'}", "1/mm³"),
        ("platelets", lambda v: v / 10, "half of 30 values.*10⁴/µL", "10^4/uL"),
        ("platelets", lambda v: v, "", "10^3/µL"),
        ("ast", lambda v: v / 60, "plainly µkat/L", {"ast": "ukat/L"}),
        ("age", lambda v: 2026 - v, "age: nobody has .* years.*year of birth", None),
        ("alt", lambda v: 1e6 * v, "alt: nobody has", None),
    ],
)
def test_other_units_are_refused_by_name_and_converted_if_said(name, change, message, unit):
    right, given = fib4(**many()), many(**{name: change})
    if message:
        with pytest.raises(IndexInputError, match=message):
            fib4(**given)
    if unit:
        assert fib4(**given, unit=unit) == pytest.approx(right)


def test_units_of_stiffness_and_unknown_units():
    assert stiffness([1.2, 2.0], unit="m/s") == pytest.approx([4.32, 12.0])
    with pytest.raises(IndexInputError, match="plainly Pa, 6000 Pa = 6 kPa"):
        stiffness([6000, 7000])
    for unit in ("mmol/L", {"platelets": "mmol/L"}, {"plt": "per µL"}):
        with pytest.raises(IndexInputError, match=r"mmol/L|plt"):
            fib4(**many(), unit=unit)
    X = pd.DataFrame({"swe_kpa": [6000.0, 7000, 9000, 12000]})
    with pytest.raises(IndexInputError, match="plainly Pa"):
        SWE.classifier().fit(X, [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: stiffness([4, 5, 6, 8] * 5, unit="m/s"),
            "swe_kpa: the values look like kPa already: .* is 5.5",
        ),
        (lambda: zones([4.4, 5.0, 5.8, 6.3] * 5, SWE, unit="m/s"), "index: the values look like kPa already"),
        (lambda: fib4(55, 40, 35, [180, 220] * 10, unit={"platelets": "10^4/µL"}), "200 10\\^4/µL are 2000 10⁹/L"),
        (lambda: apri(np.full(30, 60), np.full(30, 200), unit="10^4/µL"), "look like 10⁹/L already"),
        (lambda: fib4(**many(), unit="µkat/L"), "ast: the values look like U/L already"),
        (lambda: apri(np.full(30, 20), 200, unit="µkat/L"), "20 µkat/L are 1200 U/L"),
    ],
)
def test_a_unit_is_not_believed_of_values_in_the_own_one(call, message):
    with pytest.raises(IndexInputError, match=message):
        call()


def test_a_unit_is_believed_wherever_its_values_are_usual():
    for speed in np.linspace(0.8, 5, 43):
        assert stiffness(speed, unit="m/s") == pytest.approx(3 * speed**2)
    for count in np.linspace(3, 100, 98):
        assert apri(80, count, unit="10^4/µL") == pytest.approx(apri(80, 10 * count))
        assert apri(80, 1e4 * count, unit="per µL") == pytest.approx(apri(80, 10 * count))
    for enzyme in np.linspace(0.2, 20, 100):
        assert fib4(60, [enzyme, np.nan], 1.1, 150, unit="µkat/L")[0] == pytest.approx(fib4(60, 60 * enzyme, 66, 150))
    assert np.isnan(fib4(60, 80, 64, [np.nan], unit="10^4/µL")).all()


def test_what_a_message_advises_is_taken():
    """3 x density x (speed)² of the shear wave; 0.6 µkat/L are 36 U/L."""
    for unit in ("m/s", {"index": "m/s"}, {"swe_kpa": "m/s"}):
        assert zones([1.4, 2.0], SWE, unit=unit).tolist() == zones([5.88, 12.0], SWE).tolist() == ["low", "high"]
    limit = {"upper_limit": "µkat/L"}
    assert apri(72, 200, upper_limit=0.6, unit=limit) == pytest.approx(1.0)
    assert apri(1.2, 200, upper_limit=0.6, unit=limit | {"ast": "µkat/L"}) == pytest.approx(1.0)


def test_labels_of_the_patients_survive():
    table = pd.DataFrame(many(), index=[f"p{i}" for i in range(30)])
    found = fib4(table["age"], table["ast"], table["alt"], table["platelets"])
    assert found.index.equals(table.index)
    assert zones(found, FIB4).index.equals(table.index)
    assert apri(table["ast"], 200).index.equals(table.index)
    limits = pd.Series([40, 32], index=["a", "b"])
    assert apri([80, 80], 200, upper_limit=limits).to_dict() == {"a": 1.0, "b": 1.25}
    with pytest.raises(IndexInputError, match="indices differ"):
        apri(table["ast"], table["platelets"].iloc[::-1])


def test_a_unit_of_few_patients_is_believed():
    assert stiffness([5.2, 5.5, 4.9], unit="m/s") == pytest.approx([81.12, 90.75, 72.03])
    assert fib4(30, 28.0, 40.0, 200, unit="µkat/L") == pytest.approx(fib4(30, 1680, 2400, 200))
    assert zones([1040.0, 1.0], FIB4).tolist() == ["high", "low"]


def test_values_without_names_are_of_the_patients_as_they_come():
    """As in notebook 02: an array of values, and the truth of a table of patients."""
    stage = pd.Series([0, 1, 2, 3], index=["a", "b", "c", "d"])
    counted = tabulate_zones(zones(np.array([0.5, 1.0, 2.0, 4.0]), FIB4), at_least(stage, 2))
    assert counted["n"].sum() == 4
    named = [pd.Series(values, ["a", "b"]) for values in ([40.0, 50], [30.0, 40], [200.0, 150])]
    assert fib4(pd.Series([50.0, 60]), *named).index.tolist() == ["a", "b"]


def test_a_table_of_one_column_is_no_column():
    table = pd.DataFrame(many())
    for call in (
        lambda: fib4(table["age"], table[["ast"]], table["alt"], table["platelets"]),
        lambda: apri(table[["ast"]], table[["platelets"]]),
    ):
        with pytest.raises(IndexInputError, match=r"ast must be one column, .* give the column, as table\['ast'\]"):
            call()


def test_an_index_is_fitted_to_stages_of_the_same_patients(patients):
    X, stage = patients
    labelled = pd.Series(stage, index=X.index)
    assert FIB4.classifier().fit(X, labelled).slope_ == FIB4.classifier().fit(X, stage).slope_
    with pytest.raises(IndexInputError, match="X, y must be of the same patients: their indices differ"):
        FIB4.classifier().fit(X, labelled.iloc[::-1])


@pytest.mark.parametrize("which", [FIB4, "FIB4", "fib4", "Fib-4", FIB4.published_cutoff()])
def test_zones_take_a_diagnostic_or_its_name_and_name_their_population(which):
    found = zones([1.0, 2.0, 4.0], which, age=[50, 50, 50])
    assert found.tolist() == ["low", "indeterminate", "high"]
    assert "cut-off for stage 3, HIV/HCV co-infection" in found.name
    assert "(ages not given)" in zones([1.0], which).name
    assert "(1 age not given)" in zones([1.0, 2.0], which, age=[50, np.nan]).name


def test_options_of_zones():
    assert "fatty liver" in zones([1.0], "fib-4", population="Fatty").name
    assert zones([8.0], SWE, stage=4).tolist() == ["low"]
    with pytest.raises(IndexInputError, match=r"no index 'fib5'.*FIB-4"):
        zones([1.0], "fib5")
    with pytest.raises(IndexInputError, match="2 values of the index but 1 age"):
        zones([1.0, 2.0], FIB4, age=[50])


def test_zones_of_any_case_are_counted():
    assert tabulate_zones(["LOW", " High"], [0, 1])["n"].sum() == 2
    with pytest.raises(IndexInputError, match="zones are low, indeterminate, high, not 'middle'"):
        tabulate_zones(["middle"], [0])


def test_a_column_that_was_sorted_after_the_rows_were_numbered_is_noticed():
    """As `read_excel` numbers them, and `sort_values` keeps the numbers; a numbering beside ids is that of the rows."""
    table = pd.DataFrame(many())
    other, right = table.sort_values("ast", kind="stable"), fib4(**table)
    assert not other.index.equals(table.index)
    limits = pd.Series(np.linspace(30, 50, 30))
    for call in (
        lambda: fib4(table["age"], other["ast"], table["alt"], table["platelets"]),
        lambda: fib4(other["age"], table["ast"], table["alt"], table["platelets"]),
        lambda: zones(right, FIB4, age=other["age"]),
        lambda: tabulate_zones(zones(right, FIB4), pd.Series(0, other.index)),
        lambda: apri(table["ast"], table["platelets"], upper_limit=limits[::-1]),
        lambda: FIB4.classifier().fit(table, pd.Series(np.arange(30) % 5, other.index)),
    ):
        with pytest.raises(IndexInputError, match="must be of the same patients: their indices differ"):
            call()
    texts = table.set_axis(table.index.astype(str))
    assert fib4(texts["age"], table["ast"], table["alt"], table["platelets"]).to_numpy() == pytest.approx(
        right.to_numpy()
    )
    with pytest.raises(IndexInputError, match=r"give \.to_numpy\(\) of all; if the labels do, \.reindex"):
        fib4(texts["age"].sort_index(), table["ast"], table["alt"], table["platelets"])
    named = table.set_axis([f"p{i}" for i in range(30)])
    found = fib4(named["age"], table["ast"], named["alt"], table["platelets"])
    assert found.to_numpy() == pytest.approx(right.to_numpy())
    assert list(found.index) == list(named.index)
    assert fib4(*(other[name] for name in table)).reindex(table.index).to_numpy() == pytest.approx(right.to_numpy())


def test_rows_of_zones_are_of_the_same_patients():
    index, truth = pd.Series([1.0, 2.0, 4.0], index=list("abc")), pd.Series([0, 1, 1], index=list("abc"))
    age = pd.Series([30, 70, 40], index=list("abc"))
    for call in (lambda: zones(index, FIB4, age=age[::-1]), lambda: tabulate_zones(zones(index, FIB4), truth[::-1])):
        with pytest.raises(IndexInputError, match="must be of the same patients: their indices differ"):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zones([1.0], FIB4, age=[1960]), "is it the year of birth"),
        (lambda: zones([7000.0], "SWE"), "plainly Pa"),
        (lambda: zones([1.2], SWE), "plainly m/s"),
        (lambda: zones([1.0], 1.45), "published must be a PublishedCutoff, a Diagnostic or a name; it is 1.45"),
        (lambda: apri(80, 150, upper_limit=0.66), "upper_limit: 0.66 is not U/L but plainly µkat/L"),
        (lambda: apri(80, 150, upper_limit=None), "upper_limit must be a number of U/L"),
        (lambda: fib4([60, 50], [80, 40, 30], 64, 150), r"the shapes are: age \(2,\), ast \(3,\), alt \(\)"),
        (lambda: fib4([np.datetime64("2020")], 80, 64, 150), r"age must hold numbers: it is of type datetime64"),
        (lambda: PublishedCutoff(3, np.nan, 2, "", ""), "two positive numbers, low <= high; they are nan and 2"),
        (
            lambda: PublishedCutoff(2.5, 1, 2, "", ""),
            "the stage of cut-offs must be a whole number .* it is 2.5",
        ),
        (lambda: fib4([[60], [50]], [80, 40], 64, 150), r"the shapes are: age \(2, 1\), ast \(2,\)"),
        (lambda: fib4(60, 80, 64, True), "platelets must hold numbers: it is of type bool"),
        (lambda: PublishedCutoff(3, 1, 2, "", "", from_age="35"), "from_age must be a number of years.* it is '35'"),
        (lambda: PublishedCutoff(3, 1, 2, "", "", from_age=float("nan")), "from_age must be .* such as 35; it is nan"),
        (lambda: PublishedCutoff(True, 1, 2, "", ""), "must be a whole number from 1 on; it is True"),
        (lambda: PublishedCutoff(3, 5, 2, "", ""), "two positive numbers, low <= high; they are 5 and 2"),
        (lambda: PublishedCutoff(3, 1, 2, "", "", low_from_65=5), r"they are 1 \(from 65 years 5\) and 2"),
        (lambda: PublishedCutoff(3, 1, 2, "", "", low_from_65=0.0), r"positive .* 1 \(from 65 years 0.0\) and 2"),
        (
            lambda: apri(pd.Series([80, 60], list("ab")), 150, upper_limit=pd.Series([35, 40], list("ba"))),
            "ast, platelets, upper_limit must be of the same patients",
        ),
        (lambda: zones([1.0], FIB4, direction=0), "direction must be 1 or -1 .* it is 0"),
        (lambda: zones([1.0], FIB4, direction="x"), "direction must be 1 or -1 .* it is 'x'"),
        (lambda: zones([1.0], FIB4, unit="m/s"), "unit='m/s' is for a diagnostic with a unit, such as SWE"),
        (lambda: zones([1.2], SWE, unit="mmHg"), "index can be given in kPa, m/s, Pa, not in 'mmHg'"),
        (lambda: zones([2.7], SWE, unit={"swe": "m/s"}), "unit must name 'index' alone"),
        (lambda: fib4(60, 80, 64, 150, unit={"ast": 5}), "unit must map arguments to texts"),
        (lambda: apri([80, 90, 70], 150, upper_limit=[40, 35]), r"one for each patient; its shape is \(2,\)"),
        (lambda: apri([80, 90], 150, upper_limit=pd.Series([40], ["a"])), r"each patient; its shape is \(1,\)"),
        (lambda: fib4(60, 80, 64, 150, unit=5), "unit must be a text, .* it is 5"),
        (lambda: apri(80, 150, unit={"limit": "µkat/L"}), "unit names .*limit"),
        (lambda: ColumnSpec("U/L", 20, 1), "go from low to high, .* they are 20 to 1"),
        (lambda: ColumnSpec("kPa", "1.5", 75), r"values numbers, such as ColumnSpec\('kPa', 1.5, 75\); .* '1.5', 75"),
        (lambda: ColumnSpec(None, 1.5, 75), "the unit of a column must be a text, .* they are None and 1.5, 75"),
        (lambda: OtherUnit("g/dL", 10), r"a name and a function .* such as OtherUnit.* they are 'g/dL' and 10"),
        (lambda: PublishedCutoff(2, 1, 2, None, ""), "population and source must be texts, .* they are None and ''"),
        (lambda: zones([0.004] * 3, "FIB-4"), r"nobody has 0.004, and no value lies between .* platelets in"),
        (lambda: zones([9999.0], FIB4), r"nobody has 9999, and no value"),
        (lambda: zones([np.nan, 0.0008], "APRI"), "APRI: nobody has 0.0008, and no value"),
        (lambda: zones([1.0], "APRI", unit="m/s"), "is for a diagnostic with a unit, such as SWE"),
    ],
)
def test_what_would_be_silently_wrong(call, message):
    with pytest.raises(IndexInputError, match=message):
        call()


def test_a_stage_is_a_number():
    with pytest.raises(FibrolibError, match="FIB-4: the stage must be a whole number, for example 2; it is 'F3'"):
        zones([1.0], FIB4, stage="F3")
    with pytest.raises(FibrolibError, match="for example 2; it is None"):
        zones([1.0], FIB4, stage=None)
    for stage in (0, True):
        with pytest.raises(FibrolibError, match=f"for example 2; it is {stage}"):
            zones([1.0], FIB4, stage=stage)


def test_zones_of_a_measured_index_know_its_unit():
    """So does an index of the user's own that is a measured column: its record says so."""
    own = replace(SWE, name="fibroscan", label="FibroScan")
    for record in (SWE, own):
        with pytest.raises(IndexInputError, match="6000 is not kPa but plainly Pa"):
            zones([6000.0, 7000.0], record)
    assert zones([6000.0], replace(SWE, measures=None)).tolist() == ["high"]
    with pytest.raises(IndexInputError, match=r"one value for each patient; its shape is \(1, 2\)"):
        zones(np.array([[1.0, 2.0]]), FIB4)


def test_a_stage_is_a_number_and_one_record_is_enough():
    with pytest.raises(FibrolibError, match="FIB-4: the stage must be a whole number, for example 2; it is 'F2'"):
        FIB4.classifier("F2")
    pd.testing.assert_frame_equal(tabulate_cutoffs(FIB4), tabulate_cutoffs([FIB4]))
    with pytest.raises(FibrolibError, match="diagnostics must be records, such as FIB4 or INDICES; they are 'fib4'"):
        tabulate_cutoffs("fib4")


def test_an_upper_limit_of_normal_is_one_of_a_laboratory():
    for limit, said in (
        (580, r"nobody has 580 U/L \(10 to 200\)"),
        (4000, "nobody has 4000"),
        (0.58, "plainly µkat/L"),
    ):
        with pytest.raises(IndexInputError, match=f"upper_limit.*{said}"):
            apri(80, 150, upper_limit=limit)
    assert apri(80, 150, upper_limit=0.58, unit={"upper_limit": "µkat/L"}) == pytest.approx(100 * 80 / 34.8 / 150)


def test_a_unit_that_no_argument_takes_lists_those_that_they_take():
    with pytest.raises(
        IndexInputError, match=r"unit names 'nkat/L', but the index reads age in years, ast in U/L or µkat"
    ):
        fib4(60, 80, 64, 150, unit="nkat/L")
