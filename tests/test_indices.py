"""FIB-4, APRI and SWE: formulae by hand, published cut-offs, and the manners of a scikit-learn classifier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_validate

from fibrolib.errors import FibrolibError
from fibrolib.indices import (
    APRI,
    FIB4,
    PUBLISHED_CUTOFFS,
    SWE,
    IndexInputError,
    apri,
    fib4,
    published_cutoff,
    tabulate_zones,
    zones,
)

CLASSIFIERS = (FIB4, APRI, SWE)


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
    pairs = {(c.index, c.stage, c.low, c.high) for c in PUBLISHED_CUTOFFS}
    assert {("fib4", 3, 1.45, 3.25), ("fib4", 3, 1.30, 2.67), ("apri", 2, 0.5, 1.5), ("apri", 4, 1.0, 2.0)} <= pairs
    assert [published_cutoff("swe", stage).low for stage in (2, 3, 4)] == [6.85, 7.43, 8.03]
    second = [published_cutoff("swe", stage, population="327").low for stage in (2, 3, 4)]
    assert second == [6.9, 7.9, 9.4]
    assert published_cutoff("fib4", population="fatty").low_from_65 == 2.0
    # The nearest published stage, which the caller can read.
    assert published_cutoff("fib4", 2).stage == 3
    assert published_cutoff("apri", 3).stage == 2
    assert all(c.source and c.population and c.low <= c.high for c in PUBLISHED_CUTOFFS)
    with pytest.raises(ValueError, match="no published cut-off of 'elf'"):
        published_cutoff("elf")


def test_zones_and_their_table():
    index = pd.Series([1.44, 1.45, 3.24, 3.25, np.nan], index=list("abcde"))
    found = zones(index, "fib4")
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
    found = zones([6.84, 6.85, 20], "swe", 2)
    assert found.tolist() == ["low", "high", "high"]
    table = tabulate_zones(found, [0, 1, 1]).set_index("zone")
    assert table.loc["indeterminate", "n"] == 0
    assert np.isnan(table.loc["indeterminate", "prevalence"])


def test_from_sixty_five_the_lower_cutoff_rises():
    found = zones([1.5, 1.5, 2.7], "fib4", 3, population="fatty", age=[64, 65, 80])
    assert found.tolist() == ["indeterminate", "low", "high"]
    assert zones([1.3], "fib4", 3, age=[80]).tolist() == ["low"]


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_fitting_keeps_the_order_of_the_index(kind, patients):
    X, stage = patients
    for cutoff in (1, 2, 3, 4):
        model = clone(kind(cutoff=cutoff)).fit(X, stage)
        proba = model.predict_proba(X)
        assert proba.shape == (77, 2)
        assert proba.sum(axis=1) == pytest.approx(np.ones(77))
        truth = stage >= cutoff
        assert roc_auc_score(truth, proba[:, 1]) == roc_auc_score(truth, model.index(X))
        assert model.classes_.tolist() == [0, 1]
        assert model.predict(X).tolist() == (proba[:, 1] >= 0.5).astype(int).tolist()
        assert model.probability_at(model.index(X)) == pytest.approx(proba[:, 1])


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_the_map_is_scikit_learns_logistic_regression(kind, patients):
    X, stage = patients
    model = kind().fit(X, stage)
    logs = np.log(model.index(X))
    z = ((logs - logs.mean()) / logs.std())[:, None]
    theirs = LogisticRegression(tol=1e-10).fit(z, stage >= 2)
    assert model.predict_proba(X)[:, 1] == pytest.approx(theirs.predict_proba(z)[:, 1], abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_even_a_sample_that_points_the_other_way_is_not_turned_round(seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"swe_kpa": rng.uniform(2, 30, 12)})
    stage = np.where(X["swe_kpa"].rank() > 6, 0, 4)
    model = SWE().fit(X, stage)
    assert model.slope_ > 0
    assert roc_auc_score(stage >= 2, model.predict_proba(X)[:, 1]) == 0


def test_a_constant_index_gives_the_prevalence():
    X = pd.DataFrame({"swe_kpa": [6.0] * 8})
    assert SWE().fit(X, [0, 0, 0, 0, 0, 0, 3, 4]).predict_proba(X)[:, 1] == pytest.approx([0.25] * 8)


def test_patients_without_an_input_are_marked_and_not_learned_from(patients):
    X, stage = patients
    holes = X.astype(object)
    holes.loc["p3", "alt"] = None
    model = FIB4().fit(holes, stage)
    proba = model.predict_proba(holes)
    assert np.isnan(proba[3]).all()
    assert np.isfinite(np.delete(proba, 3, axis=0)).all()
    whole = FIB4().fit(X.drop("p3"), np.delete(stage, 3))
    assert (model.intercept_, model.slope_) == pytest.approx((whole.intercept_, whole.slope_))
    with pytest.raises(IndexInputError, match="FIB-4 cannot be computed for 1 of 77 patients"):
        model.predict(holes)
    empty = X.assign(alt=np.nan)
    assert np.isnan(model.predict_proba(empty)).all()


@pytest.mark.parametrize(
    ("kind", "spoil", "message"),
    [
        (FIB4, lambda X: X.drop(columns="alt"), "FIB-4 needs the column 'alt', which the cohort does not have"),
        (APRI, lambda X: X.assign(platelets=np.nan), "APRI needs the column 'platelets', which holds no value"),
        (SWE, lambda X: X.assign(swe_kpa=None), "SWE needs the column 'swe_kpa', which holds no value"),
        (SWE, lambda X: X.assign(swe_kpa=0.0), "swe_kpa must be positive"),
        (SWE, lambda X: X.assign(swe_kpa=X["swe_kpa"].where(X.index == "p1")), "all on one side"),
    ],
)
def test_a_cohort_without_what_is_needed_is_told_so(kind, spoil, message, patients):
    X, stage = patients
    with pytest.raises(IndexInputError, match=message):
        kind().fit(spoil(X), stage)


def test_programming_errors_are_told_apart(patients):
    X, stage = patients
    with pytest.raises(TypeError, match="DataFrame"):
        FIB4().fit(X.to_numpy(), stage)
    with pytest.raises(ValueError, match="77 patients but 5 stages"):
        FIB4().fit(X, stage[:5])


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_the_manners_of_a_scikit_learn_classifier(kind, patients):
    X, stage = patients
    model = kind(cutoff=3)
    assert model.get_params()["cutoff"] == 3
    assert clone(model.set_params(cutoff=2)).cutoff == 2
    assert repr(kind()) == f"{kind.__name__}()"
    assert model.fit(X, stage, validation=(X, stage)) is model

    def scorer(estimator, X, y):
        return roc_auc_score(y >= estimator.cutoff, estimator.predict_proba(X)[:, 1])

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_validate(kind(), X, stage, cv=folds, scoring=scorer, error_score="raise")["test_score"]
    assert len(scores) == 5
    assert np.isfinite(scores).all()


def test_the_upper_limit_of_ast_is_a_setting(patients):
    X, stage = patients
    low, high = (APRI(upper_limit=limit).fit(X, stage) for limit in (30, 60))
    assert low.index(X) == pytest.approx(2 * high.index(X))
    assert low.predict_proba(X) == pytest.approx(high.predict_proba(X), abs=1e-6)
