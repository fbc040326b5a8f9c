"""The ROC curve with a band, as a table ready to be drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.proportion import proportion_confint

from fibrolib.inference.checks import check_classes, check_labels, check_level, check_patients, check_scores

__all__ = ["roc_band", "roc_points"]


def roc_points(y_true: ArrayLike, y_score: ArrayLike) -> pd.DataFrame:
    """Corners of the empirical ROC curve.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score : array_like, shape (n,)
        Finite scores.

    Returns
    -------
    DataFrame
        ``threshold, fpr, tpr`` from (0, 0) to (1, 1); a patient is called positive where ``score >= threshold``. The
        first threshold is infinite: nobody is called.

    Raises
    ------
    InferenceError
        One class only, NaN or infinite scores, wrong shapes.
    """
    positive = check_labels(y_true)
    check_classes(positive)
    score = check_scores(y_score, len(positive))
    fpr, tpr, thresholds = _points(score[positive], score[~positive])
    return pd.DataFrame({"threshold": thresholds, "fpr": fpr, "tpr": tpr})


def _points(
    cases: NDArray[np.float64], controls: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    thresholds = np.concatenate(([np.inf], np.unique(np.concatenate((cases, controls)))[::-1]))
    fpr, tpr = (
        1 - np.searchsorted(np.sort(group), thresholds, side="left") / len(group) for group in (controls, cases)
    )
    return fpr, tpr, thresholds


def roc_band(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    confidence_level: float = 0.95,
    n_points: int = 101,
    n_resamples: int = 1000,
    seed: int = 0,
    patient_id: ArrayLike | None = None,
) -> pd.DataFrame:
    """Sensitivity along the false positive rate, with pointwise limits.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score : array_like, shape (n,)
        One finite score for each patient.
    confidence_level : float
        Of the limits at each point (not of the whole curve at once).
    n_points : int
        Points on the false positive axis.
    n_resamples, seed : int
        Of the bootstrap, which redraws patients within each class.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    DataFrame
        ``fpr, tpr, low, high``, one row for each point. The wider of the bootstrap's percentiles and Wilson's interval
        of the sensitivity: the bootstrap alone has no width where every case is found, Wilson's alone takes the
        threshold for known.

    Raises
    ------
    InferenceError
        One class only, NaN or infinite scores, repeated patients, wrong shapes.
    ValueError
        A level outside (0, 1).
    """
    check_level(confidence_level)
    positive = check_labels(y_true)
    n_positive, _ = check_classes(positive)
    check_patients(patient_id, len(positive))
    score = check_scores(y_score, len(positive))
    cases, controls = score[positive], score[~positive]
    grid = np.linspace(0, 1, n_points)
    tpr = _sensitivity_at(grid, cases, controls)
    rng = np.random.default_rng(seed)
    drawn = [
        _sensitivity_at(grid, rng.choice(cases, len(cases)), rng.choice(controls, len(controls)))
        for _ in range(n_resamples)
    ]
    alpha = 1 - confidence_level
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2], axis=0)
    wilson_low, wilson_high = proportion_confint(tpr * n_positive, n_positive, alpha=alpha, method="wilson")
    # Nothing in a sample bounds the sensitivity at a false positive rate of exactly 0.
    low[0] = 0
    band = {"low": np.clip(np.minimum(low, wilson_low), 0, 1), "high": np.clip(np.maximum(high, wilson_high), 0, 1)}
    return pd.DataFrame({"fpr": grid, "tpr": tpr} | band)


def _sensitivity_at(
    grid: NDArray[np.float64], cases: NDArray[np.float64], controls: NDArray[np.float64]
) -> NDArray[np.float64]:
    fpr, tpr, _ = _points(cases, controls)
    # On vertical stretches the upper end counts: keep the last of equal false positive rates.
    last = np.append(fpr[1:] != fpr[:-1], True)
    return np.interp(grid, fpr[last], tpr[last])
