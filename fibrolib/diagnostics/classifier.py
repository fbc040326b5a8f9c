"""An index as a scikit-learn classifier: fitting learns how it maps to a probability, never its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fibrolib.diagnostics.formulae import IndexInputError, positive_values
from fibrolib.errors import counted
from fibrolib.stages import at_least

__all__ = ["IndexClassifier"]

LEAST_SLOPE = 0.01
"""Log odds for each standard deviation of the log index, at least: keeps the map rising, and so the AUC the index's
own, when a small sample happens to point the other way (assumption: any small positive number would do)."""


class IndexClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that knows one number about each patient.

    The log of the index is mapped to the probability of ``stage >= cutoff`` by a logistic curve whose slope has the
    sign of `direction` (ridge penalty 1 on the standardised slope, as scikit-learn's default), so the ROC curve is
    that of the raw index.

    Parameters
    ----------
    formula : callable
        Gets one array per column, in their order, and returns the index: positive numbers.
    columns : sequence of str
        Columns that it reads.
    name : str
        What the index is called in messages.
    direction : {1, -1}
        1 where high values go with high stages, -1 where low ones do.
    cutoff : int
        Lowest stage that counts as diseased.

    Attributes
    ----------
    classes_ : ndarray
        ``[0, 1]``.
    intercept_, slope_ : float
        Of the logistic curve over the natural log of the index.
    """

    def __init__(
        self,
        formula: Callable[..., ArrayLike],
        columns: Sequence[str],
        *,
        name: str = "the index",
        direction: int = 1,
        cutoff: int = 2,
    ) -> None:
        self.formula = formula
        self.columns = columns
        self.name = name
        self.direction = direction
        self.cutoff = cutoff

    def index(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """The raw index, for :func:`fibrolib.diagnostics.zones`.

        Parameters
        ----------
        X : DataFrame
            One row per patient with the columns named in `columns`.

        Returns
        -------
        ndarray of float64, shape (n,)
            NaN where an input is missing.

        Raises
        ------
        IndexInputError
            A column is missing, or a value is zero, negative or infinite.
        TypeError
            X is not a DataFrame.
        """
        if not isinstance(X, pd.DataFrame):
            raise TypeError(f"{self.name} needs a DataFrame with the columns {', '.join(self.columns)}")
        absent = [column for column in self.columns if column not in X]
        if absent:
            raise IndexInputError(f"{self.name} needs the column '{absent[0]}', which the cohort does not have")
        return positive_values(
            self.name, self.formula(*(positive_values(column, X[column]) for column in self.columns))
        )

    def fit(self, X: pd.DataFrame, y: ArrayLike, validation: tuple[pd.DataFrame, ArrayLike] | None = None) -> Self:
        """Learn the probability that belongs to each value of the index.

        Parameters
        ----------
        X : DataFrame
            One row per patient.
        y : array_like of int, shape (n,)
            Stages.
        validation : tuple or None
            Not needed: there is nothing to stop early.

        Returns
        -------
        IndexClassifier
            Itself.

        Raises
        ------
        IndexInputError
            A column is missing or empty; the patients with an index do not hold both classes.
        """
        values = self.index(X)
        empty = [column for column in self.columns if X[column].isna().all()]
        if empty:
            raise IndexInputError(f"{self.name} needs the column '{empty[0]}', which holds no value in this cohort")
        known = ~np.isnan(values)
        truth = at_least(y, self.cutoff)
        if len(truth) != len(values):
            raise ValueError(f"{counted(len(values), 'patient')} but {counted(len(truth), 'stage')}")
        if len(np.unique(truth[known])) < 2:
            raise IndexInputError(
                f"{self.name}: {counted(known.sum(), 'patient')} with all of {', '.join(self.columns)}, all on one "
                f"side of the cut-off (stage >= {self.cutoff})"
            )
        self.intercept_, rising = _rising_logistic(self.direction * np.log(values[known]), truth[known])
        self.slope_ = self.direction * rising
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def probability_at(self, index: ArrayLike) -> NDArray[np.float64]:
        """Probability of ``stage >= cutoff`` that belongs to values of the index, such as a published cut-off.

        Parameters
        ----------
        index : array_like
            Positive values of the index.

        Returns
        -------
        ndarray of float64
            Same shape.
        """
        check_is_fitted(self)
        return special.expit(self.intercept_ + self.slope_ * np.log(np.asarray(index, dtype=float)))

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities of ``stage < cutoff`` and ``stage >= cutoff``.

        Parameters
        ----------
        X : DataFrame
            One row per patient.

        Returns
        -------
        ndarray of float64, shape (n, 2)
            NaN in both columns where an input is missing.

        Raises
        ------
        IndexInputError
            A column is missing, or a value is zero, negative or infinite.
        """
        diseased = self.probability_at(self.index(X))
        return np.column_stack((1 - diseased, diseased))

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:
        """Class with the higher probability.

        Parameters
        ----------
        X : DataFrame
            One row per patient.

        Returns
        -------
        ndarray of int64, shape (n,)
            0 or 1.

        Raises
        ------
        IndexInputError
            An input is missing for some patient: neither 0 nor 1 would be true.
        """
        diseased = self.predict_proba(X)[:, 1]
        missing = int(np.isnan(diseased).sum())
        if missing:
            raise IndexInputError(
                f"{self.name} cannot be computed for {missing} of {counted(len(X), 'patient')} "
                f"({', '.join(self.columns)}): leave them out, or use predict_proba, which marks them NaN"
            )
        return (diseased >= 0.5).astype(np.int64)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


def _rising_logistic(x: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Intercept and positive slope of the penalised logistic curve."""
    centre, scale = float(x.mean()), float(x.std()) or 1.0
    z = (x - centre) / scale

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        eta = beta[0] + beta[1] * z
        residual = special.expit(eta) - truth
        value = np.sum(np.logaddexp(0, eta) - truth * eta) + beta[1] ** 2 / 2
        return float(value), np.array([residual.sum(), residual @ z + beta[1]])

    start = np.array([special.logit(truth.mean()), 1.0])
    bounds = [(None, None), (LEAST_SLOPE, None)]
    intercept, slope = optimize.minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-12).x / (
        1,
        scale,
    )
    return float(intercept - slope * centre), float(slope)
