"""Indices of blood and stiffness: formulae, zones of published cut-offs, and a scikit-learn classifier of an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fibrolib.errors import FibrolibError, counted
from fibrolib.stages import at_least, check_stages

_AST_UPPER_LIMIT = 40.0  # U/L; the customary value; laboratories differ (*assumption* where none is given)

ZONES = ("low", "indeterminate", "high")
"""What a pair of cut-offs says: disease ruled out, nothing, disease ruled in."""

_MIN_SLOPE = 0.01
"""Log odds for each standard deviation of the log index, at least: keeps the curve rising, and so the AUC the index's
own, when a small sample happens to point the other way (*assumption*: any small positive number would do)."""


class IndexInputError(FibrolibError, ValueError):
    """Values that an index cannot be computed from; the message names the column."""


def fib4(age: ArrayLike, ast: ArrayLike, alt: ArrayLike, platelets: ArrayLike) -> NDArray[np.float64]:
    """FIB-4 (Sterling 2006): ``age * AST / (platelets * sqrt(ALT))``.

    Parameters
    ----------
    age, ast, alt, platelets : array_like
        Years, U/L, U/L and 10^9/L; NaN where missing, and so is the result. They broadcast. A value that is zero,
        negative or infinite is an `IndexInputError`.

    Examples
    --------
    >>> float(fib4(age=60, ast=80, alt=64, platelets=150))
    4.0
    """
    names = ("age", "ast", "alt", "platelets")
    age, ast, alt, platelets = map(_positive_values, names, (age, ast, alt, platelets))
    return age * ast / (platelets * np.sqrt(alt))


def apri(ast: ArrayLike, platelets: ArrayLike, *, upper_limit: float = _AST_UPPER_LIMIT) -> NDArray[np.float64]:
    """AST to platelet ratio index (Wai 2003): ``100 * (AST / upper_limit) / platelets``.

    Units, missing values and errors are those of `fib4`; `upper_limit` is the laboratory's upper limit of normal of AST
    in U/L.
    """
    ast, platelets = _positive_values("ast", ast), _positive_values("platelets", platelets)
    return 100 * (ast / _positive_values("upper_limit", upper_limit)) / platelets


def _positive_values(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Floats of the same shape, NaN where missing; `name` is for the message."""
    try:
        numbers = pd.to_numeric(pd.Series(np.ravel(values)))
    except (TypeError, ValueError) as error:
        raise IndexInputError(f"{name} must hold numbers: {error}") from error
    array = numbers.to_numpy(dtype=float, na_value=np.nan).reshape(np.shape(values))
    wrong = ~(np.isnan(array) | ((array > 0) & np.isfinite(array)))
    if wrong.any():
        raise IndexInputError(f"{name} must be positive and finite (or missing), found {array[wrong].flat[0]:g}")
    return array


@dataclass(frozen=True)
class PublishedCutoff:
    """A published pair of cut-offs (or a single one, where `low` equals `high`).

    Parameters
    ----------
    stage : int
        METAVIR stage from which on disease is meant.
    low, high : float
        Below `low` disease is unlikely, from `high` on likely; the other way round where low values of the index go
        with high stages.
    population, source : str
        Where the values come from, and the citation.
    low_from_65 : float or None
        Lower cut-off from the age of 65 on, where one was published.
    from_age : float or None
        Age in years from which on it was validated; patients below get a zone of their own.
    """

    stage: int
    low: float
    high: float
    population: str
    source: str
    low_from_65: float | None = None
    from_age: float | None = None


def zones(
    index: ArrayLike, published: PublishedCutoff, *, direction: int = 1, age: ArrayLike | None = None
) -> pd.Series:
    """What a published cut-off says of each patient.

    Parameters
    ----------
    index, published
        Values of the index, NaN where missing, and a cut-off from `Diagnostic.published_cutoff`.
    direction : {1, -1}
        As of `Diagnostic`.
    age : array_like, shape (n,), optional
        Years; the limits of age of the cut-off are then used: a lower cut-off from 65 on, and no result below
        `from_age`.

    Returns
    -------
    Series of ordered categories, shape (n,)
        Risk of disease, one of `ZONES`, indexed like `index`: "low" below the lower cut-off, "high" from the upper one
        on; missing where the index is. A single cut-off leaves nobody indeterminate. Patients too young for the
        cut-off are in a further category, such as "age < 35".
    """
    values = pd.Series(index, dtype=float)
    low = np.full(len(values), published.low)
    if age is not None and published.low_from_65 is not None:
        low[np.asarray(age, dtype=float) >= 65] = published.low_from_65
    codes = np.where(values >= published.high, 2, np.where(values < low, 0, 1))
    codes = codes if direction > 0 else 2 - codes
    categories = list(ZONES)
    if age is not None and published.from_age is not None:
        categories.append(f"age < {published.from_age:g}")
        codes[np.asarray(age, dtype=float) < published.from_age] = len(ZONES)
    codes[values.isna()] = -1
    return pd.Series(pd.Categorical.from_codes(codes, categories, ordered=True), index=values.index, name="zone")


def tabulate_zones(zone: Sequence[str] | pd.Series, y_true: ArrayLike) -> pd.DataFrame:
    """Count patients by zone and truth.

    `zone` is that of `zones`, `y_true` 0 or 1. Rows are "low", "indeterminate", "high", patients too young for the
    cut-off if there are any, and "missing"; columns ``zone, n, diseased, healthy, share`` (of all patients) and
    ``prevalence`` (of disease in the zone; NaN in an empty one).
    """
    truth = check_stages(y_true, "y_true")
    if truth.max() > 1:
        raise IndexInputError(f"y_true must hold 0 and 1 only, found {truth.max()}: apply the stage cut-off first")
    names = pd.Series(zone).astype(object).fillna("missing").to_numpy()
    if len(names) != len(truth):
        raise ValueError(f"{counted(len(names), 'zone')} for {counted(len(truth), 'patient')}")
    listed = [*ZONES, *sorted(set(names).difference([*ZONES, "missing"])), "missing"]
    rows = [(name, int(np.sum(names == name)), int(np.sum(truth[names == name]))) for name in listed]
    table = pd.DataFrame(rows, columns=["zone", "n", "diseased"])
    table["healthy"] = table["n"] - table["diseased"]
    table["share"] = table["n"] / len(truth)
    table["prevalence"] = table["diseased"] / table["n"].where(table["n"] > 0)
    return table


class IndexClassifier(ClassifierMixin, BaseEstimator):
    """Classify by one index: fitting learns how the index maps to a probability, never its order.

    A logistic curve over the log of the index gives the probability of ``stage >= cutoff``. Its slope has the sign of
    `direction` (ridge penalty 1 on the standardised slope, as scikit-learn's default), so the ROC curve is that of the
    index.

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

    Raises
    ------
    IndexInputError
        A column is missing or empty, a value is zero, negative or infinite, or the patients to be fitted are all of
        one class.
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
        """The index of each row, shape (n,); NaN where an input is missing."""
        if not isinstance(X, pd.DataFrame):
            raise TypeError(f"{self.name} needs a DataFrame with the columns {', '.join(self.columns)}")
        absent = [column for column in self.columns if column not in X]
        if absent:
            raise IndexInputError(f"{self.name} needs the column '{absent[0]}', which the cohort does not have")
        inputs = [_positive_values(column, X[column]) for column in self.columns]
        return _positive_values(self.name, self.formula(*inputs))

    def fit(self, X: pd.DataFrame, y: ArrayLike, validation: tuple[pd.DataFrame, ArrayLike] | None = None) -> Self:
        """Fit the curve to patients `X` with stages `y`; `validation` is not needed, as nothing is stopped early."""
        values = self.index(X)
        empty = [column for column in self.columns if X[column].isna().all()]
        if empty:
            raise IndexInputError(f"{self.name} needs the column '{empty[0]}', which holds no value in this cohort")
        available = ~np.isnan(values)
        truth = at_least(y, self.cutoff)
        if len(truth) != len(values):
            raise ValueError(f"{counted(len(values), 'patient')} but {counted(len(truth), 'stage')}")
        if len(np.unique(truth[available])) < 2:
            raise IndexInputError(
                f"{self.name}: {counted(available.sum(), 'patient')} with all of {', '.join(self.columns)}, all on one "
                f"side of the cut-off (stage >= {self.cutoff})"
            )
        self.intercept_, rising = _rising_logistic(self.direction * np.log(values[available]), truth[available])
        self.slope_ = self.direction * rising
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def probability_at(self, index: ArrayLike) -> NDArray[np.float64]:
        """Probability of ``stage >= cutoff`` at values of the index, such as a published cut-off; same shape."""
        check_is_fitted(self)
        return special.expit(self.intercept_ + self.slope_ * np.log(np.asarray(index, dtype=float)))

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities of ``stage < cutoff`` and ``stage >= cutoff``, shape (n, 2); NaN where an input is missing."""
        diseased = self.probability_at(self.index(X))
        return np.column_stack((1 - diseased, diseased))

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:
        """Class with the higher probability, 0 or 1, shape (n,); an error where an input is missing."""
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
    bounds = [(None, None), (_MIN_SLOPE, None)]
    fit = optimize.minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-12)
    intercept, slope = fit.x / (1, scale)
    return float(intercept - slope * centre), float(slope)
