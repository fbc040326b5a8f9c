"""Indices of blood and stiffness: formulae, published cut-offs, and a scikit-learn classifier of an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fibrolib.diagnostics.units import (
    AGE,
    ALT,
    AST,
    PLATELETS,
    STIFFNESS,
    UPPER_LIMIT,
    ColumnSpec,
    DiagnosticError,
    IndexInputError,
    _in_own_unit,
    _positive_values,
)
from fibrolib.errors import counted
from fibrolib.stages import _is_numbering, at_least

_AST_UPPER_LIMIT = 40.0  # U/L; the customary value; laboratories differ (*assumption* where none is given)

_MIN_SLOPE = 0.01
"""Log odds for each standard deviation of the log index, at least: the curve rises, and the AUC is the index's own, if
a small sample points the other way (*assumption*: any small positive number would do)."""


def fib4(
    age: ArrayLike,
    ast: ArrayLike,
    alt: ArrayLike,
    platelets: ArrayLike,
    *,
    unit: str | Mapping[str, str] | None = None,
) -> pd.Series | NDArray[np.float64]:
    """FIB-4 (Sterling 2006): ``age * AST / (platelets * sqrt(ALT))``.

    Parameters
    ----------
    age, ast, alt, platelets : array_like
        Years, U/L, U/L and 10^9/L; NaN where missing, and so is the result. A Series if one of them is.
    unit : str or mapping of str to str, optional
        Other units: ``"per µL"`` or ``"10^4/µL"`` of platelets, ``"µkat/L"`` of AST and ALT; by argument, as in
        ``{"ast": "µkat/L"}``, where only one of them is meant. It is refused if the median is usual in the formula's
        unit, and unusual when converted.

    Raises
    ------
    IndexInputError
        A value is not positive, plainly in another unit, or one that nobody has; Series have different indices.

    Examples
    --------
    >>> float(fib4(age=60, ast=80, alt=64, platelets=150))
    4.0
    >>> float(fib4(age=60, ast=80, alt=64, platelets=150_000, unit="per µL"))
    4.0
    """
    given = {"age": (age, AGE), "ast": (ast, AST), "alt": (alt, ALT), "platelets": (platelets, PLATELETS)}
    age, ast, alt, platelets = _own_units(given, unit)
    return _labelled(age * ast / (platelets * np.sqrt(alt)), given, "FIB-4")


def apri(
    ast: ArrayLike,
    platelets: ArrayLike,
    *,
    upper_limit: ArrayLike = _AST_UPPER_LIMIT,
    unit: str | Mapping[str, str] | None = None,
) -> pd.Series | NDArray[np.float64]:
    """AST to platelet ratio index (Wai 2003): ``100 * (AST / upper_limit) / platelets``.

    Units, missing values, result and errors are those of `fib4`; `upper_limit` is the laboratory's upper limit of
    normal of AST, one or each patient's, in U/L, or in the unit that a mapping names for it.
    """
    given, of_limit = {"ast": (ast, AST), "platelets": (platelets, PLATELETS)}, None
    if isinstance(unit, Mapping) and "upper_limit" in unit:  # not by a single text: the default is in U/L
        of_limit = {"upper_limit": unit["upper_limit"]}
        unit = {name: text for name, text in unit.items() if name != "upper_limit"}
    ast, platelets = _own_units(given, unit)
    limit = _in_own_unit("upper_limit", upper_limit, UPPER_LIMIT, of_limit)
    if np.isnan(limit).any():
        raise IndexInputError(f"upper_limit must be a number of U/L, for example {_AST_UPPER_LIMIT:g}; it is missing")
    if limit.ndim and limit.shape != np.broadcast_shapes(ast.shape, platelets.shape):
        raise IndexInputError(f"upper_limit must be one number, or one for each patient; its shape is {limit.shape}")
    return _labelled(100 * (ast / limit) / platelets, given | {"upper_limit": (upper_limit, UPPER_LIMIT)}, "APRI")


def stiffness(swe_kpa: ArrayLike, *, unit: str | None = None) -> pd.Series | NDArray[np.float64]:
    """Stiffness as measured, in kPa; `unit` may be "m/s" (of the shear wave) or "Pa". Errors as of `fib4`."""
    given = {"swe_kpa": (swe_kpa, STIFFNESS)}
    return _labelled(_own_units(given, unit)[0], given, "SWE")


def _own_units(
    given: Mapping[str, tuple[ArrayLike, ColumnSpec]], unit: str | Mapping[str, str] | None
) -> list[NDArray[np.float64]]:
    """Arguments in the units of the formula."""
    if not isinstance(unit, str | Mapping | None):
        raise IndexInputError(f"unit must be a text, such as 'per µL', or map arguments to texts; it is {unit!r}")
    unknown = set(unit) - set(given) if isinstance(unit, Mapping) else set()
    if unknown or (isinstance(unit, str) and not any(spec.converter(unit) for _, spec in given.values())):
        read = ", ".join(f"{name} in {' or '.join(spec.units)}" for name, (_, spec) in given.items())
        raise IndexInputError(f"unit names {sorted(unknown) or repr(unit)}, but the index reads {read}")
    arrays = [_in_own_unit(name, values, spec, unit) for name, (values, spec) in given.items()]
    if len({array.shape for array in arrays if array.ndim}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(given, arrays, strict=True))
        raise IndexInputError(f"the index needs one value of each for each patient, the shapes are: {shapes}")
    return arrays


def _labelled(
    index: NDArray[np.float64], given: Mapping[str, tuple[ArrayLike, ColumnSpec]], name: str
) -> pd.Series | NDArray[np.float64]:
    """The index with the patients' labels, if the arguments have them."""
    labels = _same_patients(**{argument: values for argument, (values, _) in given.items()})
    return index if labels is None else pd.Series(index, index=labels, name=name)


def _same_patients(**given: ArrayLike) -> pd.Index | None:
    """The patients' labels of arguments, if they have them; rows, and a numbering of them, are taken as they come.

    Not so where other labels are that numbering in another order: a column was sorted after the rows were numbered.
    """
    indices = [values.index for values in given.values() if isinstance(values, pd.Series | pd.DataFrame)]
    if not indices:
        return None
    named = [each for each in indices if not _is_numbering(each)]
    labels = (named or indices)[0]
    others = [each for each in indices if not each.equals(labels)]
    if any(not named or not _is_numbering(each) or _in_another_order(each, labels) for each in others):
        raise IndexInputError(
            f"{', '.join(given)} must be of the same patients: their indices differ. If the rows do belong together, "
            "give .to_numpy() of all; if the labels do, .reindex(...) by those of one"
        )
    return labels


def _in_another_order(one: pd.Index, other: pd.Index) -> bool:
    """Whether the labels of one are those of the other, as they are or as texts, in another order."""
    pairs = [(list(one), list(other)), (list(map(str, one)), list(map(str, other)))]
    return any(set(these) == set(those) for these, those in pairs) and all(these != those for these, those in pairs)


@dataclass(frozen=True)
class PublishedCutoff:
    """A published pair of cut-offs (or a single one, where `low` equals `high`).

    Parameters
    ----------
    stage, low, high : int, float, float
        METAVIR stage from which on disease is meant; below `low` it is unlikely, from `high` on likely (the other way
        round where low values of the index go with high stages).
    population, source : str
        Where the values come from, and the citation.
    low_from_65, from_age : float or None
        Lower cut-off from the age of 65 on, where published; age below which the cut-offs are not validated.
    """

    stage: int
    low: float
    high: float
    population: str
    source: str
    low_from_65: float | None = None
    from_age: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.population, str) or not isinstance(self.source, str):
            raise IndexInputError(
                f"population and source must be texts, empty where unknown; they are {self.population!r} and "
                f"{self.source!r}"
            )
        if isinstance(self.stage, bool) or self.stage not in range(1, 100):
            raise IndexInputError(f"the stage of cut-offs must be a whole number from 1 on; it is {self.stage!r}")
        age = 0 if self.from_age is None else self.from_age
        if not isinstance(age, Real) or not 0 <= age < np.inf:
            raise IndexInputError(f"from_age must be a number of years, such as 35; it is {self.from_age!r}")
        later = self.low if self.low_from_65 is None else self.low_from_65
        try:
            ordered = 0 < self.low <= later <= self.high < np.inf
        except TypeError:
            ordered = False
        if not ordered:
            since = "" if self.low_from_65 is None else f" (from 65 years {later!r})"
            raise IndexInputError(
                f"cut-offs must be two positive numbers, low <= high; they are {self.low!r}{since} and {self.high!r}"
            )


@dataclass(eq=False, repr=False)  # scikit-learn's own are kept
class _IndexClassifier(ClassifierMixin, BaseEstimator):
    """Classify by one index: a logistic curve over its log gives the probability of ``stage >= cutoff``.

    The slope has the sign of `direction` (ridge penalty 1 on the standardised slope, as scikit-learn's default), so the
    ROC curve is that of the index. `formula` gets one array per column and returns positive numbers.
    """

    formula: Callable[..., ArrayLike]
    columns: Sequence[str]
    _: KW_ONLY
    name: str = "the index"
    direction: int = 1
    cutoff: int = 2

    def index(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """The index of each row, shape (n,); NaN where an input is missing."""
        if not isinstance(X, pd.DataFrame):
            raise TypeError(f"{self.name} needs a DataFrame with the columns {', '.join(self.columns)}")
        absent = [column for column in self.columns if column not in X]
        if absent:
            raise IndexInputError(f"{self.name} needs the column '{absent[0]}', which the cohort does not have")
        inputs = [_positive_values(column, X[column]) for column in self.columns]
        values = self.formula(*inputs)
        if np.shape(values) != (len(X),):
            raise DiagnosticError(
                f"{self.name}: its formula must return one number for each of {counted(len(X), 'patient')}; it "
                f"returned {type(values).__name__} of shape {np.shape(values)}. Return an array like those it gets."
            )
        return _positive_values(self.name, values)

    def fit(self, X: pd.DataFrame, y: ArrayLike, validation: tuple[pd.DataFrame, ArrayLike] | None = None) -> Self:
        """Fit the curve to patients `X` with stages `y`; `validation` is not needed, as nothing is stopped early."""
        values = self.index(X)
        empty = [column for column in self.columns if X[column].isna().all()]
        if empty:
            raise IndexInputError(f"{self.name} needs the column '{empty[0]}', which holds no value in this cohort")
        available = ~np.isnan(values)
        truth = np.asarray(at_least(y, self.cutoff))
        if len(truth) != len(values):
            raise ValueError(f"{counted(len(values), 'patient')} but {counted(len(truth), 'stage')}")
        _same_patients(X=X, y=y)
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
