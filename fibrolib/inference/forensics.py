"""What a paper's few printed numbers already tell: which tables, areas and p-values they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import special

from fibrolib.inference.metrics import COMPOSITES

__all__ = ["area_is_attainable", "comparison_range", "hanley_mcneil_error", "matching_confusions"]

REPORTABLE = ("accuracy", "precision", "recall", "f1")


def matching_confusions(
    n: int,
    reported: Mapping[str, float],
    *,
    decimals: int = 4,
    average: str = "macro",
    n_positive: int | None = None,
) -> pd.DataFrame:
    """All confusion matrices that round to the metrics of a paper.

    Parameters
    ----------
    n : int
        Patients tested.
    reported : mapping of str to float
        Any of "accuracy", "precision", "recall", "f1", as fractions.
    decimals : int
        Decimals of the fractions as printed: 76.47 % is 0.7647, four.
    average : {"macro", "positive"}
        Whether precision, recall and F1 are means over both classes or of the diseased class.
    n_positive : int, optional
        Diseased patients, where the paper tells.

    Returns
    -------
    DataFrame
        ``tp, fn, fp, tn``; one row for each matrix that fits. Macro averages do not tell the classes apart, so matrices
        come in mirrored pairs.

    Raises
    ------
    ValueError
        A metric or average that is not known, or a value outside [0, 1].
    """
    unknown = set(reported) - set(REPORTABLE)
    if unknown or not reported:
        raise ValueError(f"reported must name some of {REPORTABLE}, not {sorted(unknown)}")
    if average not in ("macro", "positive"):
        raise ValueError(f"average must be 'macro' or 'positive', not {average!r}")
    if not all(0 <= value <= 1 for value in reported.values()):
        raise ValueError("reported metrics are fractions between 0 and 1: 76.47 % is 0.7647")
    sizes = range(1, n) if n_positive is None else [n_positive]
    tables = [_all_tables(m, n - m) for m in sizes]
    tp, fn, fp, tn = np.concatenate(tables, axis=1)
    fits = np.ones(len(tp), dtype=bool)
    for name, value in reported.items():
        # Half a unit of the last decimal, and a hair for binary rounding.
        fits &= np.abs(_metric(name, average, tp, fn, fp, tn) - value) <= 0.5 * 10.0**-decimals + 1e-12
    return pd.DataFrame({"tp": tp[fits], "fn": fn[fits], "fp": fp[fits], "tn": tn[fits]})


def _all_tables(m: int, n: int) -> np.ndarray:
    tp, tn = (part.ravel() for part in np.meshgrid(np.arange(m + 1), np.arange(n + 1), indexing="ij"))
    return np.stack((tp, m - tp, n - tn, tn))


def _metric(name: str, average: str, tp, fn, fp, tn) -> np.ndarray:
    if name == "accuracy":
        return (tp + tn) / (tp + fn + fp + tn)
    if average == "macro":
        return COMPOSITES[f"{name}_macro"][1](tp, fn, fp, tn)
    if name == "f1":
        return COMPOSITES["f1"][1](tp, fn, fp, tn)
    below = tp + (fp if name == "precision" else fn)
    return np.divide(tp, below, out=np.zeros(len(tp)), where=below > 0)


def area_is_attainable(
    auc: float, n_positive: int, n_negative: int, *, decimals: int = 3, folds: int = 1, ties: bool = True
) -> bool:
    """Whether any scores at all give an area that rounds to the printed one.

    Parameters
    ----------
    auc : float
        As printed.
    n_positive, n_negative : int
        Patients tested.
    decimals : int
        Decimals printed.
    folds : int
        Number of models whose areas on the same patients were averaged.
    ties : bool
        Whether two patients may share a score (half steps).

    Returns
    -------
    bool
        The area is a count of patient pairs over all pairs, so it lies on a grid.
    """
    steps = n_positive * n_negative * folds * (2 if ties else 1)
    nearest = round(auc * steps) / steps
    return abs(nearest - auc) <= 0.5 * 10.0**-decimals + 1e-12


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
