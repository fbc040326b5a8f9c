"""What a paper's few printed numbers already tell: which two-by-two tables and which ROC areas they allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fibrolib.inference.metrics import COMPOSITES
from fibrolib.inference.results import Interval

__all__ = ["area_bounds", "area_is_attainable", "attainable_areas", "matching_confusions"]

REPORTABLE = ("accuracy", "precision", "recall", "f1", "sensitivity", "specificity")
ROUNDINGS = ("nearest", "down")


def matching_confusions(
    n: int,
    reported: Mapping[str, float],
    *,
    decimals: int = 4,
    rounding: str = "nearest",
    average: str = "macro",
    n_positive: int | None = None,
) -> pd.DataFrame:
    """All confusion matrices that round to the metrics of a paper.

    Parameters
    ----------
    n : int
        Patients tested.
    reported : mapping of str to float
        Any of "accuracy", "precision", "recall", "f1", "sensitivity", "specificity", as fractions.
    decimals : int
        Decimals of the fractions as printed: 76.47 % is 0.7647, four.
    rounding : {"nearest", "down"}
        How the paper came to its last decimal; "down" is cutting off.
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
        A metric, rounding or average that is not known, or a value outside [0, 1].
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
        fits &= _prints_as(_metric(name, average, tp, fn, fp, tn), value, decimals, rounding)
    return pd.DataFrame({"tp": tp[fits], "fn": fn[fits], "fp": fp[fits], "tn": tn[fits]})


def _prints_as(values: NDArray[np.float64], printed: float, decimals: int, rounding: str) -> NDArray[np.bool_]:
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding must be one of {ROUNDINGS}, not {rounding!r}")
    unit, hair = 10.0**-decimals, 1e-12  # a hair for binary rounding
    if rounding == "down":
        return (values > printed - hair) & (values < printed + unit - hair)
    return np.abs(values - printed) <= unit / 2 + hair


def _all_tables(m: int, n: int) -> np.ndarray:
    tp, tn = (part.ravel() for part in np.meshgrid(np.arange(m + 1), np.arange(n + 1), indexing="ij"))
    return np.stack((tp, m - tp, n - tn, tn))


def _metric(name: str, average: str, tp, fn, fp, tn) -> np.ndarray:
    if name == "accuracy":
        return (tp + tn) / (tp + fn + fp + tn)
    if name in ("sensitivity", "specificity"):
        return tp / (tp + fn) if name == "sensitivity" else tn / (tn + fp)
    if average == "macro":
        return COMPOSITES[f"{name}_macro"][1](tp, fn, fp, tn)
    if name == "f1":
        return COMPOSITES["f1"][1](tp, fn, fp, tn)
    below = tp + (fp if name == "precision" else fn)
    return np.divide(tp, below, out=np.zeros(len(tp)), where=below > 0)


def attainable_areas(
    auc: float,
    n_positive: int | Sequence[int],
    n_negative: int | Sequence[int],
    *,
    decimals: int = 3,
    rounding: str = "nearest",
    folds: int = 1,
    ties: bool = True,
) -> pd.DataFrame:
    """All areas that any scores at all can give and that round to the printed one.

    An area is a count of patient pairs over all pairs, so it lies on a grid; a mean of areas lies on a finer one.

    Parameters
    ----------
    auc : float
        As printed.
    n_positive, n_negative : int or sequence of int
        Patients tested. Sequences: class sizes of each of several folds whose areas were averaged.
    decimals : int
        Decimals printed.
    rounding : {"nearest", "down"}
        As in :func:`matching_confusions`.
    folds : int
        Number of models whose areas on the same patients were averaged, where class sizes are single numbers.
    ties : bool
        Whether two patients may share a score (half steps).

    Returns
    -------
    DataFrame
        ``area, steps, of``: the area is ``steps / of``. No row: the printed area cannot come from these patients.

    Raises
    ------
    ValueError
        No patient in a class, sequences of different lengths, or an unknown rounding.
    """
    cases, controls = (
        list(np.atleast_1d(sizes)) * (folds if np.ndim(sizes) == 0 else 1) for sizes in (n_positive, n_negative)
    )
    if len(cases) != len(controls) or min(*cases, *controls) < 1:
        raise ValueError("class sizes must be positive, and as many for cases as for controls")
    pairs = [int(m) * int(n) * (2 if ties else 1) for m, n in zip(cases, controls, strict=True)]
    common = lcm(*pairs)
    reachable = _sums({common // each: each * pairs.count(each) for each in pairs})
    of = common * len(pairs)
    fits = reachable[_prints_as(reachable / of, auc, decimals, rounding)]
    return pd.DataFrame({"area": fits / of, "steps": fits, "of": of})


def _sums(most: dict[int, int]) -> NDArray[np.int64]:
    """All sums of multiples of some steps, each step taken between 0 and so many times."""
    reached = np.array([0], dtype=np.int64)
    for step, count in most.items():
        reached = np.unique(reached[:, None] + step * np.arange(count + 1)[None, :])
    return reached


def area_is_attainable(auc: float, n_positive: int | Sequence[int], n_negative: int | Sequence[int], **options) -> bool:
    """Whether any scores at all give an area that rounds to the printed one.

    Parameters
    ----------
    auc, n_positive, n_negative, **options
        As in :func:`attainable_areas`.

    Returns
    -------
    bool
    """
    return not attainable_areas(auc, n_positive, n_negative, **options).empty


def area_bounds(tp: int, fn: int, fp: int, tn: int) -> Interval:
    """Between what an ROC area must lie if one point of the curve is known.

    The curve only rises. So it encloses at least the rectangle below and right of the known point, and at most all but
    the rectangle above and left of it.

    Parameters
    ----------
    tp, fn, fp, tn : int
        Confusion matrix at the known point.

    Returns
    -------
    Interval
    """
    sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
    return Interval(sensitivity * specificity, 1 - (1 - sensitivity) * (1 - specificity))
