"""Operating points: chosen on validation patients, carried to the test patients, never chosen there."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrolib.inference.checks import check_classes, check_labels, check_scores

__all__ = ["THRESHOLD_RULES", "choose_threshold"]

THRESHOLD_RULES = ("youden", "sensitivity", "specificity")


def choose_threshold(y_true: ArrayLike, y_score: ArrayLike, rule: str = "youden", *, target: float = 0.9) -> float:
    """The threshold at which a patient is called positive: ``score >= threshold``.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1; of validation patients, not of those the threshold will be tested on.
    y_score : array_like, shape (n,)
        Higher means more likely diseased.
    rule : {"youden", "sensitivity", "specificity"}
        "youden": greatest sensitivity + specificity (of several, the one with the two closest together).
        "sensitivity": the highest threshold whose sensitivity reaches `target`; "specificity": the lowest threshold
        whose specificity does.
    target : float
        Wanted sensitivity or specificity, in (0, 1]; "youden" does not use it.

    Returns
    -------
    float
        Halfway between the neighbouring scores where there are two, so that it does not hang on one patient.

    Raises
    ------
    InferenceError
        One class only, NaN or infinite scores, wrong shapes.
    ValueError
        Unknown `rule`, or `target` outside (0, 1].
    """
    if rule not in THRESHOLD_RULES:
        raise ValueError(f"rule must be one of {THRESHOLD_RULES}, not {rule!r}")
    if not 0 < target <= 1:
        raise ValueError(f"target must lie in (0, 1], it is {target!r}")
    positive = check_labels(y_true)
    check_classes(positive)
    thresholds, sensitivity, specificity = _curve(positive, check_scores(y_score, len(positive)))
    if rule == "sensitivity":
        return float(thresholds[np.flatnonzero(sensitivity >= target)[-1]])
    if rule == "specificity":
        return float(thresholds[np.flatnonzero(specificity >= target)[0]])
    gain = sensitivity + specificity
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    return float(thresholds[best[np.argmin(np.abs(sensitivity - specificity)[best])]])


def _curve(
    positive: NDArray[np.bool_], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds in rising order (all positive first, none last) with sensitivity and specificity at each."""
    levels, level = np.unique(score, return_inverse=True)
    thresholds = np.concatenate((levels[:1], _halfway(levels[:-1], levels[1:]), [np.nextafter(levels[-1], np.inf)]))
    missed = np.concatenate(([0], np.cumsum(np.bincount(level[positive], minlength=len(levels)))))
    cleared = np.concatenate(([0], np.cumsum(np.bincount(level[~positive], minlength=len(levels)))))
    return thresholds, 1 - missed / missed[-1], cleared / cleared[-1]


def _halfway(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    # Halves first: no overflow. Neighbouring floats have nothing between them: the upper one separates them as well.
    middle = low / 2 + high / 2
    return np.where((middle > low) & (middle <= high), middle, high)
