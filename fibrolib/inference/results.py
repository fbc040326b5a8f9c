"""What every function of this room returns: a number that does not travel without its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fibrolib.errors import counted

__all__ = [
    "DeLongCovariance",
    "DeLongResult",
    "Estimate",
    "Interval",
    "JointResult",
    "estimates_table",
    "small_sample_note",
]

SMALL_CLASS = 10
"""Below this many patients in a class results carry a warning (assumption: a round figure; at 8 against 9 patients
plain DeLong intervals hold areas of .75 and .85 in 0.88 to 0.90 of samples in place of 0.95, even though flawless
samples are handed to another method, ``benchmarks/interval_coverage.py``)."""


class Interval(NamedTuple):
    """Confidence limits.

    Parameters
    ----------
    low, high : float
        Lower and upper limit; NaN where there is none.
    """

    low: float
    high: float


@dataclass(frozen=True, repr=False)
class Estimate:
    """A number with its confidence interval.

    Parameters
    ----------
    name : str
        What is estimated, for example ``"AUC"``.
    value : float
        Point estimate; NaN where it is not defined.
    low, high : float
        Confidence limits; NaN where there are none.
    n : int
        Number of patients (or, for a proportion, of patients in the denominator).
    confidence_level : float
        For example 0.95.
    method : str
        How the interval was made.
    standard_error : float
        NaN where the method has none.
    note : str
        What a reader must know before quoting the number; empty when there is nothing.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    confidence_level: float
    method: str
    standard_error: float = float("nan")
    note: str = ""

    @property
    def confidence_interval(self) -> Interval:
        """Both limits."""
        return Interval(self.low, self.high)

    def __repr__(self) -> str:
        tail = f"; {self.note}" if self.note else ""
        return (
            f"{self.name} {self.value:.3f} ({100 * self.confidence_level:g} % CI {self.low:.3f} to {self.high:.3f}; "
            f"n = {self.n}, {self.method}{tail})"
        )


@dataclass(frozen=True, repr=False)
class DeLongResult:
    """Result of :func:`fibrolib.inference.delong_test`.

    Parameters
    ----------
    statistic : float
        z (paired) or Welch's t (unpaired).
    pvalue : float
        NaN where the data do not support a test; `note` then says why.
    auc_a, auc_b, difference : float
        Both areas and ``auc_a - auc_b``.
    standard_error : float
        Of the difference.
    confidence_interval : Interval
        Two-sided interval of the difference, cut at -1 and 1.
    confidence_level : float
        Of that interval.
    alternative : str
        The alternative hypothesis about ``auc_a - auc_b``.
    paired : bool
        Same patients or two cohorts.
    n : tuple of int
        Patients with and without the condition: ``(n_positive, n_negative)``, summed over both cohorts if unpaired.
    df : float
        Degrees of freedom of t; infinite when paired.
    note : str
        What a reader must know; empty when there is nothing.
    """

    statistic: float
    pvalue: float
    auc_a: float
    auc_b: float
    difference: float
    standard_error: float
    confidence_interval: Interval
    confidence_level: float
    alternative: str
    paired: bool
    n: tuple[int, int]
    df: float = float("inf")
    note: str = ""

    def __repr__(self) -> str:
        kind = "paired" if self.paired else "unpaired"
        letter = "z" if self.paired else f"t({self.df:.1f})"
        low, high = self.confidence_interval
        tail = f"; {self.note}" if self.note else ""
        return (
            f"DeLongResult({kind}, n = {sum(self.n)} ({self.n[0]} + {self.n[1]}): "
            f"AUC {self.auc_a:.3f} vs {self.auc_b:.3f}, difference {self.difference:+.3f}, "
            f"{100 * self.confidence_level:g} % CI {low:.3f} to {high:.3f}, "
            f"{letter} = {self.statistic:.3f}, p = {self.pvalue:.3g} ({self.alternative}){tail})"
        )


class DeLongCovariance(NamedTuple):
    """Areas of several scores on the same patients, and their covariance.

    Parameters
    ----------
    auc : ndarray of float64, shape (k,)
        Areas.
    covariance : ndarray of float64, shape (k, k)
        DeLong's covariance matrix of the areas.
    """

    auc: NDArray[np.float64]
    covariance: NDArray[np.float64]


@dataclass(frozen=True)
class JointResult:
    """Result of :func:`fibrolib.inference.delong_joint_test`.

    Parameters
    ----------
    statistic : float
        Chi-square of DeLong 1988, eq. 5.
    df : int
        Its degrees of freedom: the rank of the contrasts' covariance.
    df_error : float
        Degrees of freedom of the covariance that are left, where p comes from the F distribution; infinite where it
        comes from chi-square.
    pvalue : float
        NaN where the data do not support a test.
    auc : tuple of float
        The k areas.
    n : tuple of int
        Patients with and without the condition.
    note : str
        What a reader must know; empty when there is nothing.
    """

    statistic: float
    df: int
    df_error: float
    pvalue: float
    auc: tuple[float, ...]
    n: tuple[int, int]
    note: str = ""


def estimates_table(estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    """One row for each estimate.

    Parameters
    ----------
    estimates : mapping of str to Estimate
        As :func:`fibrolib.inference.classification_metrics` returns it.

    Returns
    -------
    DataFrame
        Columns ``metric, name, value, low, high, n, confidence_level, method, standard_error, note``.
    """
    return pd.DataFrame([{"metric": key} | asdict(estimate) for key, estimate in estimates.items()])


def small_sample_note(n_positive: int, n_negative: int) -> str:
    """Warning for samples where large-sample formulae are rough; empty otherwise.

    Parameters
    ----------
    n_positive, n_negative : int
        Patients with and without the condition.

    Returns
    -------
    str
    """
    least = min(n_positive, n_negative)
    return f"only {counted(least, 'patient')} in the smaller class: approximate" if least < SMALL_CLASS else ""
