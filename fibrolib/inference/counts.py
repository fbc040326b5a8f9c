"""The four counts of a two-by-two table, and two ways to put limits on whatever is computed from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fibrolib.inference.resampling import bca_limits, jackknife_acceleration
from fibrolib.inference.results import Interval

__all__ = ["COMPOSITE_METHODS", "BootstrapLimits", "Confusion", "JeffreysLimits", "Metric", "composite_limits"]

COMPOSITE_METHODS = ("jeffreys", "bootstrap")

GRID = 300
"""Points on each axis over the two posteriors: limits are right to about 0.001, without a random number."""


class Confusion(NamedTuple):
    """Counts at one threshold.

    Parameters
    ----------
    tp, fn, fp, tn : int
        True positives, false negatives, false positives, true negatives.
    """

    tp: int
    fn: int
    fp: int
    tn: int


Metric = Callable[[ArrayLike, ArrayLike, ArrayLike, ArrayLike], NDArray[np.float64]]
"""Anything computed from ``tp, fn, fp, tn``, whole or not."""


class JeffreysLimits:
    """Limits from independent Beta(1/2, 1/2) posteriors of sensitivity and specificity at the class sizes seen.

    Parameters
    ----------
    counts : Confusion
        What was counted; both classes hold patients.
    """

    def __init__(self, counts: Confusion) -> None:
        tp, fn, fp, tn = counts
        # Equal-probability points of either posterior, crossed: a deterministic sample.
        points = (np.arange(GRID) + 0.5) / GRID
        found = np.repeat(stats.beta.ppf(points, tp + 0.5, fn + 0.5), GRID)
        cleared = np.tile(stats.beta.ppf(points, tn + 0.5, fp + 0.5), GRID)
        self.cells = ((tp + fn) * found, (tp + fn) * (1 - found), (fp + tn) * (1 - cleared), (fp + tn) * cleared)

    def __call__(self, metric: Metric, value: float, level: float) -> Interval:
        """Limits of a metric whose value on the counts is `value`, at a confidence level."""
        low, high = np.quantile(metric(*self.cells), [(1 - level) / 2, (1 + level) / 2])
        # A flawless sample must not lie outside its own interval.
        return Interval(float(min(low, value)), float(max(high, value)))


class BootstrapLimits:
    """BCa limits; to redraw patients within a class is to draw its number of right calls from a binomial.

    Parameters
    ----------
    counts : Confusion
        What was counted; both classes hold patients.
    n_resamples, seed : int
        Of the bootstrap.
    """

    def __init__(self, counts: Confusion, n_resamples: int, seed: int) -> None:
        self.counts = tp, fn, fp, tn = counts
        rng = np.random.default_rng(seed)
        found = rng.binomial(tp + fn, tp / (tp + fn), n_resamples)
        cleared = rng.binomial(fp + tn, tn / (fp + tn), n_resamples)
        self.cells = (found, tp + fn - found, fp + tn - cleared, cleared)

    def __call__(self, metric: Metric, value: float, level: float) -> Interval:
        """Limits of a metric whose value on the counts is `value`; NaN where a resample has none."""
        draws = metric(*self.cells)
        if not np.isfinite(value) or np.isnan(draws).any():
            return Interval(float("nan"), float("nan"))
        return bca_limits(value, draws, self._acceleration(metric), level)

    def _acceleration(self, metric: Metric) -> float:
        tp, fn, fp, tn = self.counts
        groups = [self._left_out(metric, ((0, tp), (1, fn))), self._left_out(metric, ((2, fp), (3, tn)))]
        if not np.isfinite(np.concatenate(groups)).all():
            # A ratio that one patient makes infinite has no acceleration: bias correction alone.
            return 0.0
        return jackknife_acceleration(*((len(group) - 1) * (group.mean() - group) for group in groups))

    def _left_out(self, metric: Metric, cells: tuple[tuple[int, int], ...]) -> NDArray[np.float64]:
        """The metric without each patient of one class in turn."""
        values = []
        for cell, count in cells:
            without = [n - (i == cell and count > 0) for i, n in enumerate(self.counts)]
            values.append(np.full(count, metric(*without)))
        return np.concatenate(values)


def composite_limits(
    counts: Confusion, method: str, n_resamples: int, seed: int = 0
) -> JeffreysLimits | BootstrapLimits:
    """What puts limits on metrics of these counts.

    Parameters
    ----------
    counts : Confusion
        What was counted.
    method : {"jeffreys", "bootstrap"}
        Which kind.
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    callable
        ``(metric, value, confidence_level) -> Interval``.

    Raises
    ------
    ValueError
        Unknown `method`.
    """
    if method not in COMPOSITE_METHODS:
        raise ValueError(f"method must be one of {COMPOSITE_METHODS}, not {method!r}")
    return JeffreysLimits(counts) if method == "jeffreys" else BootstrapLimits(counts, n_resamples, seed)
