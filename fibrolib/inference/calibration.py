"""Calibration: does a predicted probability mean what it says?

Slope and intercept come from logistic recalibration (Cox 1958; Van Calster et al., J Clin Epidemiol 2016;74:167), the
integrated calibration index from a lowess curve (Austin & Steyerberg, Stat Med 2019;38:4051). Numbers agree with R's
``rms::val.prob`` and ``glm`` (``tests/reference``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from fibrolib.errors import counted
from fibrolib.inference.checks import check_classes, check_labels, check_level, check_patients, check_probabilities
from fibrolib.inference.predictions import judge_models
from fibrolib.inference.recalibration import LineFit, calibration_shift, calibration_slope
from fibrolib.inference.resampling import bca_limits, jackknife_acceleration
from fibrolib.inference.results import Estimate, estimates_table, small_sample_note
from fibrolib.inference.smoothing import smoothed_truth

__all__ = ["calibration_metrics", "summarise_calibration"]

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]


def calibration_metrics(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    confidence_level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
    patient_id: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Calibration of predicted probabilities, each number with its interval.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_prob : array_like, shape (n,)
        Predicted probability of the condition.
    confidence_level : float
        For example 0.95.
    n_resamples, seed : int
        Of the bootstrap of Brier score and ICI, which redraws patients, and of the simulation behind the note of the
        ICI.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    dict of str to Estimate
        ``intercept``: calibration in the large, the shift of the log odds that would make the expected number of cases
        the observed one (0 is ideal, above 0: risks are predicted too low). ``slope``: 1 is ideal, below 1
        predictions are too extreme. Both with profile-likelihood limits, the intercept's scaled to the spread that is
        seen, since calibration in the large takes the slope for 1; a slope is infinite where the probabilities separate
        the classes. ``brier``: mean squared error. ``ici``: mean distance of the probabilities from the lowess
        curve; it is never 0 in a finite sample, so its note says what perfectly calibrated probabilities would show
        on as many patients.

    Raises
    ------
    InferenceError
        One class only, scores that are no probabilities, repeated patients, wrong shapes.
    ValueError
        A level outside (0, 1).
    """
    check_level(confidence_level)
    positive = check_labels(y_true)
    sizes = check_classes(positive)
    check_patients(patient_id, len(positive))
    probability = check_probabilities(y_prob, len(positive))
    rng = np.random.default_rng(seed)
    warning = small_sample_note(*sizes)
    found = _recalibration(positive, probability, confidence_level, warning)
    found["brier"] = _brier(positive, probability, confidence_level, n_resamples, rng, warning)
    found["ici"] = _ici(positive, probability, confidence_level, n_resamples, rng, warning)
    return found


def _recalibration(positive: Booleans, probability: Floats, level: float, warning: str) -> dict[str, Estimate]:
    inside = (probability > 0) & (probability < 1)
    truth, log_odds = positive[inside], special.logit(probability[inside])
    left_out = len(positive) - len(truth)
    notes = [
        f"{counted(left_out, 'probability', 'probabilities')} of exactly 0 or 1, without log odds: left out"
        if left_out
        else "",
        warning,
    ]
    nothing = LineFit(*(float("nan"),) * 3)
    if 0 < np.count_nonzero(truth) < len(truth):
        shift, slope = calibration_shift(truth, log_odds, level), calibration_slope(truth, log_odds, level)
    else:
        shift = slope = nothing
        notes.insert(0, "the remaining patients are of one class")
    slope_notes = list(notes)
    if np.isinf(slope.value):
        slope_notes.insert(0, "the probabilities separate the classes: the sample sets the slope no bound on one side")
    elif np.isnan(slope.value) and shift is not nothing:
        slope_notes.insert(0, "all probabilities are alike: there is no slope")
    kinds = (
        ("intercept", "calibration in the large", shift, notes),
        ("slope", "calibration slope", slope, slope_notes),
    )
    return {
        key: Estimate(name, *fit, len(truth), level, "profile likelihood", note="; ".join(filter(None, words)))
        for key, name, fit, words in kinds
    }


def _brier(positive: Booleans, probability: Floats, level: float, n_resamples: int, rng, warning: str) -> Estimate:
    losses = (probability - positive) ** 2
    value, n = float(losses.mean()), len(losses)
    draws = np.array([losses[rng.integers(0, n, n)].mean() for _ in range(n_resamples)])
    limits = bca_limits(value, draws, jackknife_acceleration(losses - value), level)
    error = float(losses.std(ddof=1) / np.sqrt(n))
    return Estimate("Brier score", value, *limits, n, level, "BCa bootstrap", error, warning)


def _ici(positive: Booleans, probability: Floats, level: float, n_resamples: int, rng, warning: str) -> Estimate:
    value, n = _mean_distance(positive, probability), len(positive)
    drawn = [rng.integers(0, n, n) for _ in range(n_resamples)]
    draws = np.array([_mean_distance(positive[rows], probability[rows]) for rows in drawn])
    ideal = [_mean_distance(rng.random(n) < probability, probability) for _ in range(n_resamples)]
    tail = (1 - level) / 2
    # A distance is biased upwards, resampling never reaches 0: below, what perfect calibration could show comes off.
    limits = max(0.0, value - float(np.quantile(ideal, 1 - tail))), max(value, float(np.quantile(draws, 1 - tail)))
    note = (
        f"perfectly calibrated probabilities would show {np.mean(ideal):.3f} on average "
        f"and up to {np.quantile(ideal, 0.95):.3f} in 19 of 20 such samples"
    )
    words = "; ".join(filter(None, (note, warning)))
    return Estimate("integrated calibration index", value, *limits, n, level, "bootstrap with bias bound", note=words)


def _mean_distance(positive: Booleans, probability: Floats) -> float:
    return float(np.mean(np.abs(probability - smoothed_truth(positive, probability))))


def summarise_calibration(
    predictions: pd.DataFrame,
    *,
    split: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Calibration of every model.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table.
    split, repeat, models
        As in :func:`compare_models`.
    confidence_level, n_resamples, seed
        As in :func:`calibration_metrics`.

    Returns
    -------
    DataFrame
        ``model`` and the columns of :func:`estimates_table`, one row for each model and number. Models that cannot be
        judged have one row with a note and no numbers.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    options = {"confidence_level": confidence_level, "n_resamples": n_resamples, "seed": seed}

    def judge(y_true: pd.Series, y_prob: pd.Series) -> pd.DataFrame:
        return estimates_table(calibration_metrics(y_true, y_prob, **options))

    columns = ["metric", *(field.name for field in fields(Estimate))]
    return judge_models(predictions, judge, columns, split, repeat=repeat, models=models)
