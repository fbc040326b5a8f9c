"""Intervals for an area under the ROC curve and for proportions that hold at n = 17 as at n = 1,000,000."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special
from statsmodels.stats.proportion import proportion_confint

from fibrolib.inference.checks import check_classes, check_labels, check_level, check_patients, check_scores
from fibrolib.inference.placements import area_under, component_covariance, doubled_placements
from fibrolib.inference.resampling import bca_limits, bootstrap_aucs, jackknife_acceleration
from fibrolib.inference.results import Estimate, Interval, small_sample_note

__all__ = ["AUC_METHODS", "auc_ci", "newcombe_limits", "wilson"]

AUC_METHODS = ("auto", "delong", "logit", "newcombe", "bootstrap")


def auc_ci(
    y_true: ArrayLike,
    y_score: ArrayLike,
    method: str = "auto",
    *,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
    patient_id: ArrayLike | None = None,
) -> Estimate:
    """Area under the ROC curve with a confidence interval.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score : array_like, shape (n,)
        One finite score for each patient; higher means more likely diseased.
    method : {"auto", "delong", "logit", "newcombe", "bootstrap"}
        "delong": normal interval, cut at 0 and 1 as in pROC. "logit": DeLong's variance on the logit scale.
        "newcombe": method 5 of Newcombe (Stat Med 2006;25:559), which needs no estimated variance. "bootstrap": BCa,
        patients resampled within each class. "auto" is "logit" wherever that is defined.
    confidence_level : float
        For example 0.95.
    n_resamples, seed : int
        Of the bootstrap.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    Estimate
        Limits never leave [0, 1]. Where DeLong's variance is zero (AUC 0 or 1) or cannot be estimated (one patient in
        a class) every method gives way to "newcombe", and `method` and `note` say so.

    Raises
    ------
    InferenceError
        One class only, NaN or infinite scores, repeated patients, wrong shapes.
    ValueError
        Unknown `method`, or a confidence level outside (0, 1).

    Examples
    --------
    >>> auc_ci([0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5]).high
    1.0
    """
    check_level(confidence_level)
    if method not in AUC_METHODS:
        raise ValueError(f"method must be one of {AUC_METHODS}, not {method!r}")
    positive = check_labels(y_true)
    sizes = check_classes(positive)
    check_patients(patient_id, len(positive))
    score = check_scores(y_score, len(positive))
    placed = doubled_placements(positive, score)
    area = area_under(placed, sizes[0])
    error = float(np.sqrt(component_covariance(positive, placed)[0, 0])) if min(sizes) > 1 else float("nan")
    used, note = _choose(method, area, error, sizes)
    if used == "bootstrap":
        draws = bootstrap_aucs(score[positive], score[~positive], n_resamples, np.random.default_rng(seed))
        limits = bca_limits(area, draws, _acceleration(placed[positive], placed[~positive]), confidence_level)
    elif used == "newcombe":
        limits = newcombe_limits(area, *sizes, confidence_level)
    else:
        limits = _normal_limits(area, error, confidence_level, used)
    return Estimate("AUC", area, *limits, len(positive), confidence_level, used, error, note)


def _choose(method: str, area: float, error: float, sizes: tuple[int, int]) -> tuple[str, str]:
    """The method this sample supports, and what to say about it."""
    if min(sizes) < 2:
        return "newcombe", "one patient in a class: DeLong's variance cannot be estimated"
    if error == 0:
        kind = {1.0: "all patients ranked rightly", 0.0: "all patients ranked wrongly"}.get(area, "all scores alike")
        return "newcombe", f"{kind}: DeLong's variance is zero and cannot carry an interval"
    return "logit" if method == "auto" else method, small_sample_note(*sizes)


def _normal_limits(area: float, error: float, confidence_level: float, scale: str) -> Interval:
    reach = special.ndtri((1 + confidence_level) / 2) * error
    if scale == "delong":
        return Interval(max(0.0, area - reach), min(1.0, area + reach))
    centre, reach = special.logit(area), reach / (area * (1 - area))
    return Interval(float(special.expit(centre - reach)), float(special.expit(centre + reach)))


def _acceleration(placed_cases: NDArray[np.integer], placed_controls: NDArray[np.int64]) -> float:
    # The area is a mean over either class, so leaving one patient out moves it by that patient's centred placement.
    groups = (placed_cases / (2.0 * len(placed_controls)), placed_controls / (2.0 * len(placed_cases)))
    return jackknife_acceleration(*(group - group.mean() for group in groups))


def newcombe_limits(area: float, n_positive: int, n_negative: int, confidence_level: float = 0.95) -> Interval:
    """Limits at which the observed area is just as far off as chance allows (Newcombe 2006, method 5).

    The variance is Hanley & McNeil's at the limit itself, with the mean class size in both terms; so there is an
    honest lower limit at an area of 1.

    Parameters
    ----------
    area : float
        Observed area under the ROC curve.
    n_positive, n_negative : int
        Patients with and without the condition.
    confidence_level : float
        For example 0.95.

    Returns
    -------
    Interval
        Inside [0, 1].
    """
    z = special.ndtri((1 + confidence_level) / 2)
    mean_size = (n_positive + n_negative) / 2

    def lower(observed: float) -> float:
        if observed <= 0:
            return 0.0

        def gap(t: float) -> float:
            spread = 1 + (mean_size - 1) * ((1 - t) / (2 - t) + t / (1 + t))
            return observed - t - z * np.sqrt(t * (1 - t) * spread / n_positive / n_negative)

        # t = 1 is always a root when all patients are ranked rightly: look for the other one, below it.
        return float(optimize.brentq(gap, 0.0, min(observed, 1 - 1e-12)))

    # The formula is symmetric: the upper limit of an area is the lower limit of its complement.
    return Interval(lower(area), 1 - lower(1 - area))


def wilson(count: int, n: int, name: str = "proportion", confidence_level: float = 0.95) -> Estimate:
    """A proportion with Wilson's interval.

    Parameters
    ----------
    count, n : int
        Successes among `n` patients.
    name : str
        What is estimated.
    confidence_level : float
        For example 0.95.

    Returns
    -------
    Estimate
        All NaN, with a note, where `n` is 0.
    """
    check_level(confidence_level)
    if n == 0:
        nothing = float("nan")
        return Estimate(name, nothing, nothing, nothing, 0, confidence_level, "wilson", note="no patient to count")
    low, high = proportion_confint(count, n, alpha=1 - confidence_level, method="wilson")
    # Rounding must not put the limits of 0 and of n beyond the estimate.
    return Estimate(
        name, count / n, float(low) * (count > 0), 1.0 if count == n else float(high), n, confidence_level, "wilson"
    )
