"""Calibration: does a predicted probability mean what it says?

Slope and intercept come from logistic recalibration (Cox 1958; Van Calster et al., J Clin Epidemiol 2016;74:167), the
integrated calibration index from a lowess curve (Austin & Steyerberg, Stat Med 2019;38:4051). Numbers agree with R's
``rms::val.prob`` and ``glm`` (``tests/reference``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, special
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.stats.proportion import proportion_confint

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    _Booleans,
    _check_labels,
    _check_level,
    _check_order,
    _check_probabilities,
    _check_resamples,
    _check_seed,
    _check_size,
    _class_sizes,
    _Floats,
)
from fibrolib.inference.intervals import Estimate, _bca_limits, _join_notes, _small_sample_note, estimates_table
from fibrolib.inference.predictions import _by_model

_FLEXIBLE_CLASS = 200
"""Patients wanted in each class for a flexible curve (Van Calster et al., J Clin Epidemiol 2016;74:167)."""

_NARROW_BAND = 500
"""Patients from which on the bias of a calibration curve is noticeable beside its band (`calibration_curves`)."""

_SHARE = 2 / 3
"""Share of patients that each point of the lowess curve uses: R's default."""

_FARTHEST = 1e6
"""No limit is sought beyond this many units: a likelihood still flat there stays flat."""

_CURVE_COLUMNS = ("predicted", "observed", "low", "high", "n_effective", "note")

_Fit = tuple[float, float, float]
"""Maximum-likelihood estimate and profile-likelihood limits: infinite without a bound, NaN without an estimate."""

_NO_FIT: _Fit = (float("nan"),) * 3


def calibration_metrics(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Calibration of one model's probabilities; the numbers are described in :func:`summarise_calibration`."""
    _check_level(confidence_level), _check_order(y_true, y_prob)
    n_resamples = _check_resamples(n_resamples, confidence_level)
    seed = _check_seed(seed)
    positive = _check_labels(y_true, least=1, pos_label=pos_label)
    probability = _check_probabilities(y_prob, len(positive))
    rng = np.random.default_rng(seed)
    warning = _small_sample_note(*_class_sizes(positive))
    estimates = _recalibration(positive, probability, confidence_level, warning)
    estimates["brier"] = _brier(positive, probability, confidence_level, n_resamples, rng, warning)
    estimates["ici"] = _ici(positive, probability, confidence_level, n_resamples, rng, warning)
    return estimates


def _has_log_odds(probability: _Floats) -> _Booleans:
    return (probability > 0) & (probability < 1)


def _recalibration(positive: _Booleans, probability: _Floats, level: float, warning: str) -> dict[str, Estimate]:
    """Intercept and slope; probabilities of 0 and 1 have no log odds and are left out."""
    inside = _has_log_odds(probability)
    truth, log_odds = positive[inside], special.logit(probability[inside])
    left_out, note = len(positive) - len(truth), warning
    if left_out:
        number = counted(left_out, "probability", "probabilities")
        note = _join_notes(f"{number} of exactly 0 or 1, without log odds: left out", warning)
    intercept, slope, slope_note = _NO_FIT, _NO_FIT, ""
    if 0 < np.count_nonzero(truth) < len(truth):
        intercept, slope = _calibration_shift(truth, log_odds, level), _calibration_slope(truth, log_odds, level)
        if np.isinf(slope[0]):
            slope_note = "the probabilities separate the classes: the sample sets the slope no bound on one side"
        elif np.isnan(slope[0]):
            slope_note = "all probabilities are alike: there is no slope"
    else:
        note = _join_notes("the remaining patients are of one class", note)
    fits = {
        "intercept": ("calibration in the large", intercept, note),
        "slope": ("calibration slope", slope, _join_notes(slope_note, note)),
    }
    return {
        key: Estimate(name, *fit, len(truth), level, "profile likelihood", note=caveats)
        for key, (name, fit, caveats) in fits.items()
    }


def _brier(positive: _Booleans, probability: _Floats, level: float, n_resamples: int, rng, warning: str) -> Estimate:
    losses = (probability - positive) ** 2
    value, n = float(losses.mean()), len(losses)
    draws = np.array([losses[rng.integers(0, n, n)].mean() for _ in range(n_resamples)])
    limits = _bca_limits(value, draws, [losses - value], level)
    error = float(losses.std(ddof=1) / np.sqrt(n))
    if np.ptp(losses) == 0:
        limits, warning = (np.nan, np.nan), _join_notes("all patients have the same loss: no interval", warning)
    return Estimate("Brier score", value, *limits, n, level, "BCa bootstrap", error, warning)


def _ici(positive: _Booleans, probability: _Floats, level: float, n_resamples: int, rng, warning: str) -> Estimate:
    value, n = _mean_distance(positive, probability), len(positive)
    drawn = [rng.integers(0, n, n) for _ in range(n_resamples)]
    draws = np.array([_mean_distance(positive[rows], probability[rows]) for rows in drawn])
    ideal = _ideal_distances(probability, n_resamples, rng)
    tail = (1 - level) / 2
    # A distance is biased upwards, and resamples never reach 0: subtract what perfect calibration shows.
    limits = max(0.0, value - float(np.quantile(ideal, 1 - tail))), max(value, float(np.quantile(draws, 1 - tail)))
    note = (
        f"perfectly calibrated probabilities would show {np.mean(ideal):.3f} on average "
        f"and at most {np.quantile(ideal, 0.95):.3f} in 95 % of such samples"
    )
    method = "bootstrap with bias bound"
    return Estimate("integrated calibration index", value, *limits, n, level, method, note=_join_notes(note, warning))


def _mean_distance(positive: _Booleans, probability: _Floats) -> float:
    return float(np.mean(np.abs(probability - _lowess_at_patients(positive, probability))))


def _ideal_distances(probability: _Floats, n_resamples: int, rng) -> list[float]:
    """Mean distances of perfectly calibrated samples."""
    n = len(probability)
    samples = (rng.random(n) < probability for _ in range(n_resamples))
    if n >= n_resamples:
        return [_mean_distance(positive, probability) for positive in samples]
    # The curve is linear in the outcomes: of few patients, one curve for each serves all samples.
    curves = np.stack([_lowess_at_patients(patient, probability) for patient in np.eye(n)])
    return [float(np.mean(np.abs(probability - positive @ curves))) for positive in samples]


def _calibration_shift(positive: _Booleans, log_odds: _Floats, confidence_level: float) -> _Fit:
    """Constant to add to the predicted log odds so that the expected number of cases is the observed one.

    The likelihood takes the slope as 1, so it is scaled by the observed dispersion of the residuals (Royall & Tsou, J R
    Stat Soc B 2003;65:391): where predictions are two and a half times too extreme, unscaled limits cover 0.84 and
    scaled ones 0.93 to 0.96.
    """
    shift = _matching_shift(positive, log_odds)
    best = _likelihood(positive, log_odds + shift)
    drop = _dispersion(positive, log_odds + shift) * _allowed_drop(confidence_level, len(positive) - 1)

    def excess_drop(value: float) -> float:
        return best - _likelihood(positive, log_odds + value) - drop

    return shift, _crossing(excess_drop, shift, -1.0), _crossing(excess_drop, shift, 1.0)


def _calibration_slope(positive: _Booleans, log_odds: _Floats, confidence_level: float) -> _Fit:
    """Slope of the logistic regression of the truth on the predicted log odds; infinite where they separate it."""
    if np.ptp(log_odds) == 0:
        return _NO_FIT
    if log_odds[positive].max() <= log_odds[~positive].min():
        value, low, high = _calibration_slope(~positive, log_odds, confidence_level)
        return -value, -high, -low
    centred = log_odds - log_odds.mean()

    def profile(slope: float) -> float:
        return _likelihood(positive, centred * slope + _matching_shift(positive, centred * slope))

    best, value = _supremum(positive, centred), float("inf")
    if best is None:
        value = _root_of_falling(lambda slope: _score(positive, centred, slope))
        best = profile(value)
    drop = _allowed_drop(confidence_level, len(positive) - 2)

    def excess_drop(slope: float) -> float:
        return best - profile(slope) - drop

    if np.isinf(value):
        # From 0 the likelihood only rises towards infinity: the lower limit is where it comes close enough to the top.
        return value, _crossing(excess_drop, _first_within(excess_drop), -1.0), value
    return value, _crossing(excess_drop, value, -1.0), _crossing(excess_drop, value, 1.0)


def _likelihood(positive: _Booleans, log_odds: _Floats) -> float:
    return float(np.sum(log_odds[positive]) - np.sum(np.logaddexp(0, log_odds)))


def _allowed_drop(confidence_level: float, df: int) -> float:
    """Drop of the log likelihood at a limit, from F with 1 and `df` degrees of freedom in place of chi-square.

    With 17 patients the slope's limits then cover 0.94 and not 0.91 (``benchmarks/interval_coverage.py``).
    """
    return float(special.stdtrit(max(df, 1), (1 + confidence_level) / 2)) ** 2 / 2


def _dispersion(positive: _Booleans, log_odds: _Floats) -> float:
    """Variance of the fitted shift by the sandwich (HC1) over that by the likelihood."""
    expected = special.expit(log_odds)
    observed, model = float(np.sum((positive - expected) ** 2)), float(np.sum(expected * (1 - expected)))
    n = len(positive)
    # Small residuals of probabilities that separate the classes are no precision.
    separated = log_odds[positive].min() >= log_odds[~positive].max()
    return observed * n / (n - 1) / model if model > 0 and not separated else 1.0


def _matching_shift(positive: _Booleans, log_odds: _Floats) -> float:
    """The shift at which the expected number of cases is the observed one."""
    centre = special.logit(positive.mean())

    def excess(shift: float) -> float:
        return float(np.sum(special.expit(log_odds + shift)) - np.count_nonzero(positive))

    # At the ends every single probability is below, or above, the observed share.
    low, high = float(centre - log_odds.max()), float(centre - log_odds.min())
    return low if low == high else float(optimize.brentq(excess, low - 1e-9, high + 1e-9, xtol=1e-13))


def _score(positive: _Booleans, centred: _Floats, slope: float) -> float:
    """Derivative of the profile likelihood."""
    expected = special.expit(centred * slope + _matching_shift(positive, centred * slope))
    return float(np.sum(centred * (positive - expected)))


def _supremum(positive: _Booleans, values: _Floats) -> float | None:
    """Greatest log likelihood where the values separate the classes (it is never reached); None where they do not."""
    least, most = values[positive].min(), values[~positive].max()
    if least < most:
        return None
    # Only patients on the border, if there are any, stay uncertain.
    border = positive[values == least] if least == most else positive[:0]
    share = border.mean() if border.size else 1.0
    return float(np.sum(special.xlogy(border, share) + special.xlogy(~border, 1 - share)))


def _root_of_falling(function: Callable[[float], float]) -> float:
    if function(0.0) == 0:
        return 0.0
    side = 1.0 if function(0.0) > 0 else -1.0
    reach = 1.0
    while side * function(side * reach) > 0:
        reach *= 2
    return float(optimize.brentq(function, *sorted((0.0, side * reach)), xtol=1e-13))


def _first_within(excess_drop: Callable[[float], float]) -> float:
    slope = 1e-3
    while excess_drop(slope) > 0:
        slope *= 2
    return slope


def _crossing(excess_drop: Callable[[float], float], start: float, side: float) -> float:
    """Where, from `start` (inside) to one side, the likelihood has dropped too far."""
    step = 1e-2
    while excess_drop(start + side * step) < 0:
        step *= 2
        if step > _FARTHEST:
            return side * float("inf")
    return float(optimize.brentq(excess_drop, *sorted((start, start + side * step)), xtol=1e-12))


def calibration_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    pos_label: object = None,
    n_points: int = 51,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Share of patients with the condition along one model's predicted probability; see :func:`calibration_curves`."""
    _check_level(confidence_level), _check_order(y_true, y_prob)
    n_points = _check_size(n_points, "n_points", least=2)
    positive = _check_labels(y_true, least=1, pos_label=pos_label)
    probability = _check_probabilities(y_prob, len(positive))
    grid = np.unique(np.linspace(probability.min(), probability.max(), n_points))
    weights = np.stack([_lowess_weights(point, probability) for point in grid])
    observed = np.clip(weights @ positive, 0, 1)
    effective = 1 / np.sum(weights**2, axis=1)
    low, high = proportion_confint(observed * effective, effective, alpha=1 - confidence_level, method="wilson")
    # Rounding must not put the limits of 0 and of 1 beyond the curve.
    low, high = np.clip(np.minimum(low, observed), 0, 1), np.clip(np.maximum(high, observed), 0, 1)
    least, note = min(_class_sizes(positive)), ""
    if least < _FLEXIBLE_CLASS:
        note = (
            f"{counted(least, 'patient')} in the smaller class: a flexible curve needs about {_FLEXIBLE_CLASS}, "
            "this one is a sketch"
        )
    if len(positive) >= _NARROW_BAND:
        note = _join_notes(note, "the band ignores the bias of smoothing: it is too narrow, above all at both ends")
    columns = {"predicted": grid, "observed": observed, "low": low, "high": high}
    return pd.DataFrame(columns | {"n_effective": effective, "note": note})


def _lowess_at_patients(positive: _Booleans, probability: _Floats) -> _Floats:
    """The lowess curve at each patient's prediction with R's defaults (as in ``rms::val.prob``), not cut at 0 and 1."""
    # Between points closer than a hundredth of the range R interpolates.
    with np.errstate(divide="ignore", invalid="ignore"):
        delta = 0.01 * np.ptp(probability)
        smooth = lowess(positive.astype(float), probability, frac=_SHARE, it=0, delta=delta, return_sorted=False)
    # Where all neighbours have the same prediction statsmodels divides by a width of zero; R takes their mean.
    _, level, count = np.unique(probability, return_inverse=True, return_counts=True)
    mean = np.bincount(level, positive) / count
    return np.where(count[level] >= _neighbours(len(probability)), mean[level], smooth)


def _neighbours(n: int) -> int:
    return min(n, max(2, int(_SHARE * n + 1e-10)))


def _lowess_weights(point: float, probability: _Floats) -> _Floats:
    """Weight of each patient in the local straight line's value at a point; the sum is 1."""
    distance = np.abs(probability - point)
    width = np.partition(distance, _neighbours(len(distance)) - 1)[_neighbours(len(distance)) - 1]
    # Cleveland's own bounds: patients this close count fully, patients at the rim not at all.
    weight = np.where(distance <= 0.001 * width, 1.0, (1 - np.minimum(distance / max(width, 1e-300), 1) ** 3) ** 3)
    weight[distance > 0.999 * width] = 0.0
    if not weight.any():  # all neighbours are equally far, at the rim
        weight = (distance <= width).astype(float)
    weight /= weight.sum()
    centre = float(weight @ probability)
    spread = float(weight @ (probability - centre) ** 2)
    if width > 0 and np.sqrt(spread) > 0.001 * np.ptp(probability):
        weight = weight * (1 + (point - centre) * (probability - centre) / spread)
    return weight


def summarise_calibration(
    predictions: pd.DataFrame,
    *,
    confidence_level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
    **chosen,
) -> pd.DataFrame:
    """Calibration of every model, each number with its interval.

    Parameters
    ----------
    predictions, **chosen
        As in :func:`select_predictions`; scores are probabilities.
    confidence_level : float
    n_resamples, seed : int
        Of the bootstrap of Brier score and ICI, which resamples patients, and of the simulation in the note of the ICI.

    Returns
    -------
    DataFrame
        ``model`` and the columns of :func:`estimates_table`, one row for each model and number. ``intercept``:
        calibration in the large, the shift of the log odds that would make the expected number of cases the observed
        one (0 is ideal, above 0: predicted risks are too low). ``slope``: 1 is ideal, below 1 predictions are too
        extreme; infinite where the probabilities separate the classes. Both with profile-likelihood limits (by F in
        place of chi-square), the intercept's scaled to the observed dispersion. ``brier``: mean squared error. ``ici``:
        mean distance of the probabilities from the lowess curve, never 0 in a finite sample; its note states its value
        for perfectly calibrated probabilities. A model that is refused has one row with a note and no numbers.
    """
    options = {"confidence_level": confidence_level, "n_resamples": n_resamples, "seed": seed}

    def estimates(y_true: pd.Series, y_prob: pd.Series) -> pd.DataFrame:
        return estimates_table(calibration_metrics(y_true, y_prob, **options))

    columns = ["metric", *(field.name for field in fields(Estimate))]
    return _by_model(predictions, estimates, columns, **chosen)


def calibration_curves(
    predictions: pd.DataFrame,
    *,
    n_points: int = 51,
    confidence_level: float = 0.95,
    **chosen,
) -> pd.DataFrame:
    """Smooth calibration curve of every model.

    Cleveland's lowess (J Am Stat Assoc 1979;74:829) without robustness steps is a weighted mean of neighbouring
    patients, so each point has an effective number of patients and carries Wilson's interval of a proportion among as
    many. The band ignores the bias of smoothing, which stays as the band narrows. On average over its points it covers
    0.94 to 0.96 with 77 and 200 patients, but where predictions are 1.4 times too extreme 0.89 with 600 and 0.83 with
    2,000, and where they are 2.5 times too extreme 0.89 with 77; at both ends of the curve it covers less, with many
    patients far less (``benchmarks/interval_coverage.py``).

    Parameters
    ----------
    predictions, **chosen
        As in :func:`select_predictions`; scores are probabilities.
    n_points : int
        Points, evenly spread between the least and the greatest prediction.
    confidence_level : float
        Of the band at each point (not of the whole curve at once).

    Returns
    -------
    DataFrame
        ``model, predicted, observed, low, high, n_effective, note``; one point where all predictions are alike. The
        note warns where a class has fewer patients than a flexible curve needs. A model that is refused has one row
        with a note and no numbers.
    """
    curve = partial(calibration_curve, n_points=n_points, confidence_level=confidence_level)
    return _by_model(predictions, curve, _CURVE_COLUMNS, **chosen)
