"""Power and sample size in closed form, for one ROC area and for the comparison of two on the same patients.

Closed forms after Obuchowski & McClish (Stat Med 1997;16:1529) for binormal scores of equal spread, as in pROC's
``power.roc.test``. The published variance leaves out a negative term, so these sample sizes are on the safe side;
below about 20 patients in a class the normal approximation fails the other way: there
:func:`fibrolib.inference.simulated_power` says what DeLong's test will do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

__all__ = [
    "auc_power",
    "auc_power_curve",
    "auc_sample_size",
    "binormal_covariance",
    "binormal_separation",
    "binormal_variance",
    "comparison_power",
    "comparison_sample_size",
    "power_curve",
]


def binormal_variance(auc: float, ratio: float = 1.0) -> float:
    """Variance of an estimated area, times the number of cases.

    Parameters
    ----------
    auc : float
        True area, in (0, 1).
    ratio : float
        Controls for each case.

    Returns
    -------
    float
    """
    a2 = binormal_separation(auc) ** 2
    return float(np.exp(-a2 / 2) / (32 * np.pi) * ((5 * a2 + 8) + (a2 + 8) / ratio))


def binormal_covariance(auc_a: float, auc_b: float, correlation: float, ratio: float = 1.0) -> float:
    """Covariance of two areas estimated on the same patients, times the number of cases.

    Parameters
    ----------
    auc_a, auc_b : float
        True areas, in (0, 1).
    correlation : float
        Of the two scores, within either class.
    ratio : float
        Controls for each case.

    Returns
    -------
    float
    """
    a, b, r = binormal_separation(auc_a), binormal_separation(auc_b), correlation
    shared = np.exp(-(a * a + b * b) / 4) / (4 * np.pi)
    return float(shared * (1 + 1 / ratio) * (r + r * r * a * b / 8))


def binormal_separation(auc: float) -> float:
    """Distance of the means of two normal scores of variance 1 that have this area between them.

    Parameters
    ----------
    auc : float
        True area, in (0, 1).

    Returns
    -------
    float

    Raises
    ------
    ValueError
        An area outside (0, 1).
    """
    if not 0 < auc < 1:
        raise ValueError(f"a true area must lie between 0 and 1, it is {auc!r}")
    return float(np.sqrt(2) * special.ndtri(auc))


def auc_power(auc: float, n_positive: float, n_negative: float, *, significance: float = 0.05) -> float:
    """Power to find an area different from 0.5.

    Parameters
    ----------
    auc : float
        True area.
    n_positive, n_negative : float
        Cases and controls.
    significance : float
        Two-sided.

    Returns
    -------
    float
    """
    ratio = n_negative / n_positive
    return _power(auc - 0.5, binormal_variance(0.5, ratio), binormal_variance(auc, ratio), n_positive, significance)


def auc_sample_size(
    auc: float, *, power: float = 0.8, ratio: float = 1.0, significance: float = 0.05
) -> tuple[int, int]:
    """Cases and controls needed to find an area different from 0.5.

    Parameters
    ----------
    auc : float
        True area.
    power : float
        Wanted power.
    ratio : float
        Controls for each case.
    significance : float
        Two-sided.

    Returns
    -------
    tuple of int
        ``(n_positive, n_negative)``, rounded up.
    """
    return _size(auc - 0.5, binormal_variance(0.5, ratio), binormal_variance(auc, ratio), power, ratio, significance)


def comparison_power(
    auc_a: float,
    auc_b: float,
    n_positive: float,
    n_negative: float,
    *,
    correlation: float = 0.5,
    significance: float = 0.05,
) -> float:
    """Power to find two areas on the same patients different.

    Parameters
    ----------
    auc_a, auc_b : float
        True areas.
    n_positive, n_negative : float
        Cases and controls.
    correlation : float
        Of the two scores within either class (assumption unless it is known: 0.5).
    significance : float
        Two-sided.

    Returns
    -------
    float
    """
    null, there = _comparison_variances(auc_a, auc_b, correlation, n_negative / n_positive)
    return _power(auc_a - auc_b, null, there, n_positive, significance)


def comparison_sample_size(
    auc_a: float,
    auc_b: float,
    *,
    power: float = 0.8,
    correlation: float = 0.5,
    ratio: float = 1.0,
    significance: float = 0.05,
) -> tuple[int, int]:
    """Cases and controls needed to find two areas on the same patients different.

    Parameters
    ----------
    auc_a, auc_b : float
        True areas.
    power : float
        Wanted power.
    correlation : float
        Of the two scores within either class.
    ratio : float
        Controls for each case.
    significance : float
        Two-sided.

    Returns
    -------
    tuple of int
        ``(n_positive, n_negative)``, rounded up.

    Raises
    ------
    ValueError
        The areas are equal.
    """
    return _size(auc_a - auc_b, *_comparison_variances(auc_a, auc_b, correlation, ratio), power, ratio, significance)


def _comparison_variances(auc_a: float, auc_b: float, correlation: float, ratio: float) -> tuple[float, float]:
    """Of the difference, times the cases: if the areas are equal (to the first), and as they are."""
    one, two = binormal_variance(auc_a, ratio), binormal_variance(auc_b, ratio)
    covariance = binormal_covariance(auc_a, auc_b, correlation, ratio)
    return 2 * one - 2 * covariance, one + two - 2 * covariance


def _power(difference: float, null: float, there: float, n_positive: float, significance: float) -> float:
    z = special.ndtri(1 - significance / 2)
    return float(special.ndtr((np.sqrt(n_positive) * abs(difference) - z * np.sqrt(null)) / np.sqrt(there)))


def _size(
    difference: float, null: float, there: float, power: float, ratio: float, significance: float
) -> tuple[int, int]:
    if difference == 0:
        raise ValueError("no sample shows a difference of zero: the two areas are equal")
    z = special.ndtri(1 - significance / 2)
    cases = ((z * np.sqrt(null) + special.ndtri(power) * np.sqrt(there)) / difference) ** 2
    return int(np.ceil(cases)), int(np.ceil(ratio * cases))


def power_curve(
    auc_a: float,
    auc_b: float,
    sizes: Sequence[int],
    *,
    correlation: float = 0.5,
    ratio: float = 1.0,
    significance: float = 0.05,
) -> pd.DataFrame:
    """Power of a comparison over the number of patients.

    Parameters
    ----------
    auc_a, auc_b, correlation, ratio, significance
        As in :func:`comparison_sample_size`.
    sizes : sequence of int
        Patients in all.

    Returns
    -------
    DataFrame
        ``n, power``.
    """
    options = {"correlation": correlation, "significance": significance}
    cases = [n / (1 + ratio) for n in sizes]
    powers = [comparison_power(auc_a, auc_b, m, ratio * m, **options) for m in cases]
    return pd.DataFrame({"n": list(sizes), "power": powers})


def auc_power_curve(
    auc: float, sizes: Sequence[int], *, ratio: float = 1.0, significance: float = 0.05
) -> pd.DataFrame:
    """Power to find one area different from 0.5, over the number of patients.

    Parameters
    ----------
    auc, ratio, significance
        As in :func:`auc_sample_size`.
    sizes : sequence of int
        Patients in all.

    Returns
    -------
    DataFrame
        ``n, power``.
    """
    cases = [n / (1 + ratio) for n in sizes]
    powers = [auc_power(auc, m, ratio * m, significance=significance) for m in cases]
    return pd.DataFrame({"n": list(sizes), "power": powers})
