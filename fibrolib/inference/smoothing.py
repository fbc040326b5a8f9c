"""A smooth calibration curve with a band that is honest about how few patients stand behind each of its points.

The curve is Cleveland's lowess (J Am Stat Assoc 1979;74:829) without robustness steps: at each point a weighted mean of
the patients around it. So it has, at each point, an effective number of patients, and carries Wilson's interval of a
proportion among as many: a band without resampling, inside [0, 1], that does not vanish where all neighbours are alike.
It does not know the bias of smoothing: on average over its points it holds the truth in 0.95 to 0.96 of samples, but in
0.89 where 77 predictions are two and a half times too extreme (``benchmarks/interval_coverage.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.stats.proportion import proportion_confint

from fibrolib.errors import counted
from fibrolib.inference.checks import check_classes, check_labels, check_level, check_patients, check_probabilities
from fibrolib.inference.predictions import judge_models

__all__ = ["FLEXIBLE_CLASS", "calibration_curve", "calibration_curves", "smoothed_truth"]

SHARE = 2 / 3
"""Share of patients that each point of the curve looks at: R's default."""

COLUMNS = ("predicted", "observed", "low", "high", "n_effective", "note")

FLEXIBLE_CLASS = 200
"""Patients wanted in each class for a flexible curve (Van Calster et al., J Clin Epidemiol 2016;74:167)."""


def calibration_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    n_points: int = 51,
    confidence_level: float = 0.95,
    patient_id: ArrayLike | None = None,
) -> pd.DataFrame:
    """Share of patients with the condition along the predicted probability.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_prob : array_like, shape (n,)
        Predicted probability of the condition.
    n_points : int
        Points, evenly spread between the least and the greatest prediction: beyond them nothing was observed.
    confidence_level : float
        Of the band at each point (not of the whole curve at once).
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    DataFrame
        ``predicted, observed, low, high, n_effective, note``. One point where all predictions are alike. The note says
        when there are fewer patients than such a curve is trusted with.

    Raises
    ------
    InferenceError
        One class only, scores that are no probabilities, repeated patients, wrong shapes.
    ValueError
        A level outside (0, 1), or fewer than two points.
    """
    check_level(confidence_level)
    if n_points < 2:
        raise ValueError(f"n_points must be at least 2, it is {n_points}")
    positive = check_labels(y_true)
    least = min(check_classes(positive))
    check_patients(patient_id, len(positive))
    probability = check_probabilities(y_prob, len(positive))
    grid = np.unique(np.linspace(probability.min(), probability.max(), n_points))
    weights = np.stack([_weights(point, probability) for point in grid])
    observed = np.clip(weights @ positive, 0, 1)
    effective = 1 / np.sum(weights**2, axis=1)
    low, high = proportion_confint(observed * effective, effective, alpha=1 - confidence_level, method="wilson")
    # Rounding must not put the limits of 0 and of 1 beyond the curve.
    low, high = np.clip(np.minimum(low, observed), 0, 1), np.clip(np.maximum(high, observed), 0, 1)
    note = (
        f"{counted(least, 'patient')} in the smaller class: a flexible curve wants about {FLEXIBLE_CLASS}, "
        "this one is a sketch"
        if least < FLEXIBLE_CLASS
        else ""
    )
    columns = {"predicted": grid, "observed": observed, "low": low, "high": high}
    return pd.DataFrame(columns | {"n_effective": effective, "note": note})


def smoothed_truth(positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lowess curve at each patient's own prediction, quickly, with R's defaults (as in ``rms::val.prob``).

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Truth.
    probability : ndarray of float64, shape (n,)
        Predictions.

    Returns
    -------
    ndarray of float64, shape (n,)
        Not cut at 0 and 1.
    """
    # Between points closer than a hundredth of the range R interpolates.
    with np.errstate(divide="ignore", invalid="ignore"):
        delta = 0.01 * np.ptp(probability)
        smooth = lowess(positive.astype(float), probability, frac=SHARE, it=0, delta=delta, return_sorted=False)
    # Where all neighbours have the same prediction statsmodels divides by a width of zero; R takes their mean.
    _, level, count = np.unique(probability, return_inverse=True, return_counts=True)
    mean = np.bincount(level, positive) / count
    return np.where(count[level] >= _neighbours(len(probability)), mean[level], smooth)


def _neighbours(n: int) -> int:
    return min(n, max(2, int(SHARE * n + 1e-10)))


def _weights(point: float, probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each patient weighs in the local straight line's value at a point; the sum is 1."""
    distance = np.abs(probability - point)
    width = np.partition(distance, _neighbours(len(distance)) - 1)[_neighbours(len(distance)) - 1]
    # Cleveland's own bounds: patients this close count fully, patients at the rim not at all.
    weight = np.where(distance <= 0.001 * width, 1.0, (1 - np.minimum(distance / max(width, 1e-300), 1) ** 3) ** 3)
    weight[distance > 0.999 * width] = 0.0
    if width == 0:
        weight = (distance == 0).astype(float)
    weight /= weight.sum()
    centre = float(weight @ probability)
    spread = float(weight @ (probability - centre) ** 2)
    if width > 0 and np.sqrt(spread) > 0.001 * np.ptp(probability):
        weight = weight * (1 + (point - centre) * (probability - centre) / spread)
    return weight


def calibration_curves(
    predictions: pd.DataFrame,
    *,
    split: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    n_points: int = 51,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Smooth calibration curve of every model.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table; scores are probabilities.
    split, repeat, models
        As in :func:`compare_models`.
    n_points, confidence_level
        As in :func:`calibration_curve`.

    Returns
    -------
    DataFrame
        ``model`` and the columns of :func:`calibration_curve`. Models that cannot be judged have one row with a note
        and no numbers.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    judge = partial(calibration_curve, n_points=n_points, confidence_level=confidence_level)
    return judge_models(predictions, judge, COLUMNS, split, repeat=repeat, models=models)
