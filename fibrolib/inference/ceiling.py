"""How much of the way from chance to the best that is possible a score covers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fibrolib.inference.checks import check_level
from fibrolib.inference.delong import delong_covariance
from fibrolib.inference.results import Estimate

__all__ = ["share_of_ceiling"]


def share_of_ceiling(
    y_true: ArrayLike,
    y_score: ArrayLike,
    ceiling: ArrayLike,
    *,
    confidence_level: float = 0.95,
    patient_id: ArrayLike | None = None,
) -> Estimate:
    """Distance of a score's area from one half over that of a better score on the same patients.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score, ceiling : array_like, shape (n,)
        One finite score for each patient; `ceiling` is the better one, for example an oracle's.
    confidence_level : float
        For example 0.95.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    Estimate
        Limits after Fieller (J R Stat Soc B 1954;16:175) from DeLong's covariance: both areas are uncertain, and on the
        same patients they err together. Above 1 the score is ahead. Where these patients do not tell the ceiling itself
        from chance, the ratio has no limits, and `note` says so.

    Raises
    ------
    InferenceError
        As :func:`delong_covariance`.
    ValueError
        A level outside (0, 1).
    """
    level = check_level(confidence_level)
    scores = np.column_stack((y_score, ceiling))
    areas, covariance = delong_covariance(y_true, scores, patient_id=patient_id)
    way, whole = areas - 0.5
    value = float(way / whole) if whole else float("nan")
    low, high = _fieller(way, whole, covariance, float(special.ndtri((1 + level) / 2)))
    note = "the ceiling is not told from chance: no limits" if np.isnan(low) else ""
    return Estimate("share of the way to the ceiling", value, low, high, len(scores), level, "Fieller", note=note)


def _fieller(a: float, b: float, covariance: np.ndarray, z: float) -> tuple[float, float]:
    """All ratios r at which ``a - r b`` is within z standard errors of 0."""
    square, twice, constant = (
        b**2 - z**2 * covariance[1, 1],
        a * b - z**2 * covariance[0, 1],
        a**2 - z**2 * covariance[0, 0],
    )
    if square <= 0:
        return float("nan"), float("nan")
    # Rounding may leave a tiny negative number where both scores rank alike.
    reach = np.sqrt(max(0.0, twice**2 - square * constant))
    return float((twice - reach) / square), float((twice + reach) / square)
