"""Fitted classifiers of numbers as plain values, so that a run can hand them on and nobody has to unpickle anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special
from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fibrolib.diagnostics.indices import _IndexClassifier
from fibrolib.diagnostics.records import Diagnostic
from fibrolib.errors import counted


def fitted_numbers(classifier: BaseEstimator) -> dict | None:
    """What a classifier has learned, as JSON takes it: of an index with a formula, or of a logistic regression.

    The regression may stand in a pipeline behind `SimpleImputer` and `StandardScaler`. None for anything else.
    """
    if isinstance(classifier, _IndexClassifier):
        return {"intercept": classifier.intercept_, "slope": classifier.slope_}
    steps = [step for _, step in classifier.steps] if isinstance(classifier, Pipeline) else [classifier]
    last = steps.pop()
    if type(last) is not LogisticRegression or last.classes_.tolist() != [0, 1]:
        return None
    numbers = [_numbers_of_step(step) for step in steps]
    if None in numbers:
        return None
    return {"steps": numbers, "intercept": float(last.intercept_[0]), "coefficients": last.coef_[0].tolist()}


def _numbers_of_step(step: object) -> dict | None:
    """Of a step before the regression; None where it does more than fill gaps, or shift and scale."""
    if type(step) is SimpleImputer:
        fills_nan = isinstance(step.missing_values, float) and np.isnan(step.missing_values)
        fill = pd.to_numeric(pd.Series(step.statistics_), errors="coerce")  # of constants: objects
        plain = fills_nan and not step.add_indicator and not fill.isna().any()
        return {"fill": fill.astype(float).tolist()} if plain else None
    if type(step) is StandardScaler:
        n = step.n_features_in_
        centre = step.mean_ if step.with_mean else np.zeros(n)
        return {"centre": centre.tolist(), "scale": (step.scale_ if step.with_std else np.ones(n)).tolist()}
    return None


def restore_classifier(record: Diagnostic, numbers: dict, cutoff: int) -> BaseEstimator:
    """The fitted classifier of a diagnostic from its `fitted_numbers`: gives ``predict_proba``, and is fitted no more.

    A KeyError, TypeError or ValueError where the numbers are not as many as the columns of a regression, or not finite,
    or an index's slope falls where its record rises. That an index's two are of this index cannot be checked.
    """
    if record.formula is None:
        return _LinearClassifier(tuple(record.columns), **numbers)
    classifier, intercept, slope = record.classifier(cutoff), float(numbers["intercept"]), float(numbers["slope"])
    if not np.isfinite([intercept, slope]).all() or not record.direction * slope > 0:
        sign = "above" if record.direction > 0 else "below"
        raise ValueError(
            f"intercept and slope of {record.label} must be finite, and the slope {sign} 0; they are {intercept:g} and "
            f"{slope:g}: give those that fitted_numbers returned"
        )
    classifier.intercept_, classifier.slope_ = intercept, slope
    classifier.classes_, classifier.n_features_in_ = np.array([0, 1]), len(record.columns)
    return classifier


@dataclass(eq=False)
class _LinearClassifier:
    """A logistic regression behind steps that fill gaps, or shift and scale."""

    columns: Sequence[str]
    steps: Sequence[dict]
    intercept: float
    coefficients: Sequence[float]

    def __post_init__(self) -> None:
        for step in self.steps:
            if set(step) not in ({"fill"}, {"centre", "scale"}):
                raise ValueError(f"a step must have fill, or centre and scale; it has {', '.join(step) or 'nothing'}")
        self.steps = [{name: self._per_column(name, step[name]) for name in step} for step in self.steps]
        self.intercept, self.coefficients = float(self.intercept), self._per_column("coefficients", self.coefficients)
        if not np.isfinite(self.intercept) or any(0 in step.get("scale", ()) for step in self.steps):
            raise ValueError("the intercept must be finite, and no scale may be 0")

    def _per_column(self, name: str, values: Sequence[float]) -> NDArray[np.float64]:
        """Numbers of a step, or the coefficients: none must be spread over several columns."""
        numbers = np.asarray(values, dtype=float)
        if numbers.shape != (len(self.columns),) or not np.isfinite(numbers).all():
            expected = f"{counted(len(self.columns), 'number')}, one for each of {', '.join(self.columns)}"
            raise ValueError(f"{name} must be {expected}, not {values!r}")
        return numbers

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities of both classes, shape (n, 2); NaN where a value is missing that no step fills."""
        values = X[list(self.columns)].to_numpy(dtype=float)
        for step in self.steps:
            if "fill" in step:
                values = np.where(np.isnan(values), step["fill"], values)
            else:
                values = (values - step["centre"]) / step["scale"]
        diseased = special.expit(self.intercept + values @ self.coefficients)
        return np.column_stack((1 - diseased, diseased))
