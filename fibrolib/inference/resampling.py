"""Stratified bootstrap: patients are drawn anew within each class, so the class sizes stay what they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fibrolib.inference.results import Interval

__all__ = ["bca_limits", "bootstrap_aucs", "jackknife_acceleration"]

BLOCK = 4_000_000
"""Numbers held at once while resampling: keeps memory flat for any sample size (assumption: about 100 MB)."""


def bootstrap_aucs(
    cases: NDArray[np.float64], controls: NDArray[np.float64], n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Areas under the ROC curve of resampled patients.

    Parameters
    ----------
    cases, controls : ndarray of float64, shapes (m,) and (n,)
        Finite scores of either class.
    n_resamples : int
        Number of resamples.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of float64, shape (n_resamples,)
    """
    levels, level = np.unique(np.concatenate((cases, controls)), return_inverse=True)
    groups = level[: len(cases)], level[len(cases) :]
    rows = max(1, BLOCK // len(level))
    blocks = [min(rows, n_resamples - start) for start in range(0, n_resamples, rows)]
    return np.concatenate([_auc_block(*groups, len(levels), b, rng) for b in blocks])


def _auc_block(
    cases: NDArray[np.int64], controls: NDArray[np.int64], n_levels: int, rows: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    case_counts, control_counts = (_resampled_counts(group, n_levels, rows, rng) for group in (cases, controls))
    through = np.cumsum(control_counts, axis=1)
    doubled = np.einsum("ij,ij->i", case_counts, 2 * through - control_counts)
    return doubled / (2 * len(cases) * len(controls))


def _resampled_counts(
    group: NDArray[np.int64], n_levels: int, rows: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    drawn = group[rng.integers(0, len(group), size=(rows, len(group)))]
    drawn += n_levels * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * n_levels).reshape(rows, n_levels)


def jackknife_acceleration(*influences: NDArray[np.float64]) -> float:
    """The acceleration constant of the BCa interval for independently resampled groups.

    Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), eq. 14.15, over several samples.

    Parameters
    ----------
    *influences : ndarray of float64, shape (n_group,)
        For each group ``(n_group - 1) * (mean of the leave-one-out values - leave-one-out value)``.

    Returns
    -------
    float
        Zero where nothing varies.
    """
    cubes = sum(float(np.sum(u**3)) / len(u) ** 3 for u in influences)
    squares = sum(float(np.sum(u**2)) / len(u) ** 2 for u in influences)
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def bca_limits(value: float, draws: NDArray[np.float64], acceleration: float, confidence_level: float) -> Interval:
    """Bias-corrected and accelerated bootstrap limits (Efron 1987).

    Parameters
    ----------
    value : float
        The estimate from the sample itself.
    draws : ndarray of float64, shape (n_resamples,)
        Estimates from resamples, computed by the same arithmetic, so that equal means equal.
    acceleration : float
        From :func:`jackknife_acceleration`.
    confidence_level : float
        For example 0.95.

    Returns
    -------
    Interval
    """
    below = (np.count_nonzero(draws < value) + np.count_nonzero(draws <= value)) / (2 * len(draws))
    # A value outside all resamples would give an infinite bias: half a resample is as far as they can tell.
    bias = stats.norm.ppf(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    tails = bias + stats.norm.ppf([(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    shares = stats.norm.cdf(bias + tails / (1 - acceleration * tails))
    # No interpolation: a ratio's resamples may be infinite.
    low, high = np.quantile(draws, shares, method="inverted_cdf")
    return Interval(float(low), float(high))
