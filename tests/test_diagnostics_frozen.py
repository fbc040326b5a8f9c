"""Fitted classifiers as numbers: what is read back gives the same probabilities, and what cannot be written is said."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fibrolib.diagnostics import APRI, FIB4, INDICES, Diagnostic, fitted_numbers, restore_classifier

RANDOM = np.random.default_rng(0)
STAGES = np.arange(60) % 5
PATIENTS = pd.DataFrame(
    {
        "age": RANDOM.integers(30, 80, 60),
        "ast": RANDOM.integers(20, 90, 60),
        "alt": RANDOM.integers(20, 90, 60),
        "platelets": RANDOM.integers(90, 300, 60),
        "swe_kpa": 5 + STAGES + RANDOM.normal(0, 0.5, 60),
    }
).astype(float)


@pytest.mark.parametrize("record", INDICES, ids=lambda record: record.name)
def test_an_index_is_an_intercept_and_a_slope(record):
    columns = list(record.columns)
    fitted = record.classifier(2).fit(PATIENTS[columns], STAGES)
    numbers = json.loads(json.dumps(fitted_numbers(fitted)))
    assert set(numbers) == {"intercept", "slope"}
    again = restore_classifier(record, numbers, 2)
    assert np.array_equal(again.predict_proba(PATIENTS[columns]), fitted.predict_proba(PATIENTS[columns]))


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (StandardScaler(),),
        (SimpleImputer(strategy="median"), StandardScaler()),
        (StandardScaler(with_mean=False), SimpleImputer()),
        (StandardScaler(with_std=False),),
        (SimpleImputer(strategy="constant"),),
        (SimpleImputer(strategy="constant", fill_value=3),),
    ],
)
def test_a_logistic_regression_is_its_coefficients(steps):
    record = Diagnostic("mine", "Mine", columns=FIB4.columns, estimator=make_pipeline(*steps, LogisticRegression()))
    columns = list(record.columns)
    X = PATIENTS[columns].copy()
    if any(isinstance(step, SimpleImputer) for step in steps):
        X.iloc[::7, 1] = np.nan
    fitted = record.classifier(2).fit(X, STAGES >= 2)
    again = restore_classifier(record, json.loads(json.dumps(fitted_numbers(fitted))), 2)
    assert again.predict_proba(X) == pytest.approx(fitted.predict_proba(X), abs=1e-12)


def test_what_is_more_than_a_few_numbers_is_not_written():
    steps = SimpleImputer(add_indicator=True), SimpleImputer(missing_values=-1), PCA(2)
    for classifier in (RandomForestClassifier(3), *(make_pipeline(step, LogisticRegression()) for step in steps)):
        assert fitted_numbers(classifier.fit(PATIENTS, STAGES >= 2)) is None
    scaled = StandardScaler().fit_transform(PATIENTS)
    assert fitted_numbers(LogisticRegression().fit(scaled, STAGES)) is None  # five classes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coefficients": [1.0]}, "coefficients must be 2 numbers, one for each of ast, platelets"),
        ({"steps": [{"fill": [1.0]}]}, "fill must be 2 numbers"),
        ({"steps": [{"centre": [0.0, 0.0], "scale": 1.0}]}, "scale must be 2 numbers, .*, not 1.0"),
        ({"coefficients": [1.0, np.nan]}, "coefficients must be 2 numbers, .* nan"),
        ({"coefficients": [1.0, "x"]}, "could not convert string to float: 'x'"),
        ({"steps": [{"scale": [1.0, 1.0]}]}, "a step must have fill, or centre and scale; it has scale"),
        ({"steps": [{"centre": [0.0, 0.0], "scale": [1.0, 0.0]}]}, "no scale may be 0"),
        ({"steps": [5]}, "'int' object is not iterable"),
        ({"steps": 5}, "'int' object is not iterable"),
        ({"intercept": None}, "NoneType"),
        ({"intercept": np.inf}, "the intercept must be finite"),
        ({"slope": 1.0}, "slope"),
    ],
)
def test_numbers_of_other_columns_are_refused(change, message):
    record = Diagnostic("mine", "Mine", columns=APRI.columns, estimator=LogisticRegression())
    numbers = {"steps": [], "intercept": 0.0, "coefficients": [1.0, 1.0]}
    restore_classifier(record, numbers, 2)
    with pytest.raises((KeyError, TypeError, ValueError), match=message):
        restore_classifier(record, numbers | change, 2)


@pytest.mark.parametrize(
    ("change", "direction"),
    [({"intercept": np.nan}, 1), ({"slope": np.nan}, 1), ({"slope": np.inf}, 1), ({"slope": -1.0}, 1), ({}, -1)],
)
def test_a_curve_that_cannot_be_of_the_index_is_refused(change, direction):
    record = replace(FIB4, direction=direction)
    restore_classifier(record, {"intercept": 0.0, "slope": float(direction)}, 2)
    with pytest.raises(ValueError, match=r"intercept and slope of FIB-4 must be finite, .* give those that fitted_num"):
        restore_classifier(record, {"intercept": 0.0, "slope": 1.0} | change, 2)
