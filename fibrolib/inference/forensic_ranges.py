"""What the patients behind a paper's printed numbers can have shown: implied intervals, and the range of its p-values.

Standard errors are those of Hanley & McNeil, which need nothing but the area and the class sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from fibrolib.errors import counted
from fibrolib.inference.checks import check_level
from fibrolib.inference.counts import Confusion, JeffreysLimits
from fibrolib.inference.intervals import newcombe_limits, wilson
from fibrolib.inference.metrics import COMPOSITES
from fibrolib.inference.results import Estimate, estimates_table, small_sample_note

__all__ = ["comparison_range", "hanley_mcneil_error", "implied_intervals", "needed_correlation"]


def hanley_mcneil_error(auc: float, n_positive: int, n_negative: int) -> float:
    """Standard error of an area from the area and the class sizes alone (Hanley & McNeil, Radiology 1982;143:29).

    Parameters
    ----------
    auc : float
        Area.
    n_positive, n_negative : int
        Patients tested.

    Returns
    -------
    float
    """
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    within = (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
    return float(np.sqrt((auc * (1 - auc) + within) / (n_positive * n_negative)))


def implied_intervals(
    n_positive: int,
    n_negative: int,
    *,
    auc: float | None = None,
    confusion: Sequence[int] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Intervals that a paper did not print, from what it did print.

    Parameters
    ----------
    n_positive, n_negative : int
        Patients tested.
    auc : float, optional
        Printed area.
    confusion : sequence of four int, optional
        ``tp, fn, fp, tn``, for example a row of :func:`matching_confusions`.
    confidence_level : float
        For example 0.95.

    Returns
    -------
    DataFrame
        As of :func:`estimates_table`. The area once with Hanley & McNeil's normal interval (cut at 0 and 1), which a
        reader can check with a pocket calculator, and once with Newcombe's, which holds at small numbers; proportions
        with Wilson's; macro averages as in :func:`classification_metrics`.

    Raises
    ------
    ValueError
        Neither is given, or the matrix does not have these class sizes.
    """
    check_level(confidence_level)
    if auc is None and confusion is None:
        raise ValueError("give the printed area, a confusion matrix, or both")
    found: dict[str, Estimate] = {}
    note = small_sample_note(n_positive, n_negative)
    if auc is not None:
        found |= _area_intervals(auc, n_positive, n_negative, confidence_level, note)
    if confusion is not None:
        counts = Confusion(*map(int, confusion))
        if (counts.tp + counts.fn, counts.fp + counts.tn) != (n_positive, n_negative):
            raise ValueError(
                f"{counts} does not have {counted(n_positive, 'patient')} with and {n_negative} without the condition"
            )
        found |= _table_intervals(counts, confidence_level, note)
    return estimates_table(found)


def _area_intervals(auc: float, n_positive: int, n_negative: int, level: float, note: str) -> dict[str, Estimate]:
    error = hanley_mcneil_error(auc, n_positive, n_negative)
    reach = float(special.ndtri((1 + level) / 2)) * error
    limits = {"hanley-mcneil": (max(0.0, auc - reach), min(1.0, auc + reach))}
    limits["newcombe"] = tuple(newcombe_limits(auc, n_positive, n_negative, level))
    n = n_positive + n_negative
    return {
        f"auc_{method.replace('-', '_')}": Estimate("AUC", auc, low, high, n, level, method, error, note)
        for method, (low, high) in limits.items()
    }


def _table_intervals(counts: Confusion, level: float, note: str) -> dict[str, Estimate]:
    tp, fn, fp, tn = counts
    found = {
        "accuracy": wilson(tp + tn, sum(counts), "accuracy", level),
        "sensitivity": wilson(tp, tp + fn, "sensitivity", level),
        "specificity": wilson(tn, tn + fp, "specificity", level),
    }
    limits = JeffreysLimits(counts)
    for key in ("precision_macro", "recall_macro", "f1_macro"):
        name, metric = COMPOSITES[key]
        value = float(metric(*counts))
        found[key] = Estimate(name, value, *limits(metric, value, level), sum(counts), level, "jeffreys", note=note)
    return found


def comparison_range(
    auc_a: float,
    auc_b: float,
    n_positive: int,
    n_negative: int,
    correlations: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8),
) -> pd.DataFrame:
    """What a comparison of two printed areas can have given, over how alike the two models may be.

    Parameters
    ----------
    auc_a, auc_b : float
        As printed.
    n_positive, n_negative : int
        Patients tested.
    correlations : sequence of float
        Of the two estimated areas; a paper rarely tells it.

    Returns
    -------
    DataFrame
        ``correlation, standard_error, z, p`` (two-sided; Hanley & McNeil, Radiology 1983;148:839).
    """
    one, two = (hanley_mcneil_error(area, n_positive, n_negative) for area in (auc_a, auc_b))
    r = np.asarray(correlations, dtype=float)
    error = np.sqrt(one**2 + two**2 - 2 * r * one * two)
    z = np.divide(auc_a - auc_b, error, out=np.full(len(r), np.nan), where=error > 0)
    return pd.DataFrame({"correlation": r, "standard_error": error, "z": z, "p": 2 * special.ndtr(-np.abs(z))})


def needed_correlation(
    auc_a: float, auc_b: float, n_positive: int, n_negative: int, *, significance: float = 0.05
) -> float:
    """How correlated two estimated areas must have been for their difference to be called significant.

    Parameters
    ----------
    auc_a, auc_b : float
        As printed.
    n_positive, n_negative : int
        Patients tested.
    significance : float
        Two-sided.

    Returns
    -------
    float
        At least so much; above 1: no correlation is enough. At most 0: independent areas are enough.

    Raises
    ------
    ValueError
        The areas are equal, or one of them is 0 or 1 (no standard error).
    """
    one, two = (hanley_mcneil_error(area, n_positive, n_negative) for area in (auc_a, auc_b))
    if auc_a == auc_b or min(one, two) == 0:
        raise ValueError("two different areas inside (0, 1) are needed")
    widest = abs(auc_a - auc_b) / float(special.ndtri(1 - significance / 2))
    return float((one**2 + two**2 - widest**2) / (2 * one * two))
