"""What a paper's printed numbers allow: two-by-two tables, ROC areas, implied intervals, the range of p-values.

Standard errors are those of Hanley & McNeil, which need nothing but the area and the class sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    _check_choice,
    _check_classes,
    _check_flag,
    _check_level,
    _check_real,
    _check_share,
    _check_size,
)
from fibrolib.inference.intervals import (
    Estimate,
    _composite_limits,
    _Counts,
    _join_notes,
    _newcombe_limits,
    _normal_limits,
    _normal_quantile,
    _small_sample_note,
    estimates_table,
)
from fibrolib.inference.metrics import _COMPOSITES, _proportions, _ratio

_REPORTABLE = ("accuracy", "precision", "recall", "f1", "sensitivity", "specificity")
_ROUNDINGS = ("nearest", "down")
_CELLS = ("tp", "fn", "fp", "tn")
_MOST_SUMS = 2e7
"""Combinations of steps of folds that differ in size: more fill the memory."""


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
        Decimals of the fractions as printed, zeros at the end too: 76.47 % is 0.7647, four. With more than were
        printed, no matrix may fit.
    rounding : {"nearest", "down"}
        How the paper rounded; "down" is truncation.
    average : {"macro", "positive"}
        Whether precision, recall and F1 are means over both classes or of the diseased class.
    n_positive : int, optional
        Diseased patients, where the paper states it.

    Returns
    -------
    DataFrame
        ``tp, fn, fp, tn``; one row for each matrix that fits. Macro averages do not tell the classes apart, so matrices
        come in mirrored pairs.
    """
    if not isinstance(reported, Mapping):
        raise ValueError(f"reported must map metrics to their values, such as {{'accuracy': 0.76}}; it is {reported!r}")
    unknown = set(reported) - set(_REPORTABLE)
    if unknown or not reported:
        raise ValueError(f"reported must name some of {_REPORTABLE}, not {sorted(map(str, unknown))}")
    _check_choice(average, "average", ("macro", "positive")), _check_choice(rounding, "rounding", _ROUNDINGS)
    n, decimals = _check_size(n, "n", least=2), _check_size(decimals, "decimals", least=0)
    for name, value in reported.items():
        _check_printed(value, name, decimals)
    sizes = range(1, n) if n_positive is None else [_check_size(n_positive, "n_positive")]
    if sizes[-1] >= n:
        raise ValueError(f"n_positive must be below n: {n_positive} of {counted(n, 'patient')}")
    fitting = []  # class size by class size: all tables of 1,500 patients would fill 18 GB
    for m in sizes:
        tables = _all_tables(m, n - m)
        for name, value in reported.items():
            tables = tables[:, _prints_as(_metric(name, average, *tables), value, decimals, rounding)]
        fitting.append(tables)
    return pd.DataFrame(np.concatenate(fitting, axis=1).T, columns=list(_CELLS))


def _check_printed(value: float, name: str, decimals: int) -> None:
    """A share with no more decimals than were printed."""
    if abs(_check_share(value, name) - round(value, decimals)) > 1e-9:
        raise ValueError(f"{name} must have at most {counted(decimals, 'decimal')}, as printed; it is {value:g}")


def _prints_as(values: NDArray[np.float64], printed: float, decimals: int, rounding: str) -> NDArray[np.bool_]:
    unit, tolerance = 10.0**-decimals, 1e-12  # for binary rounding
    if rounding == "down":
        return (values > printed - tolerance) & (values < printed + unit - tolerance)
    return np.abs(values - printed) <= unit / 2 + tolerance


def _all_tables(m: int, n: int) -> NDArray[np.int64]:
    tp, tn = (part.ravel() for part in np.meshgrid(np.arange(m + 1), np.arange(n + 1), indexing="ij"))
    return np.stack((tp, m - tp, n - tn, tn))


def _metric(name: str, average: str, tp, fn, fp, tn) -> NDArray[np.float64]:
    if name == "accuracy":
        return (tp + tn) / (tp + fn + fp + tn)
    if name == "specificity":
        return tn / (tn + fp)
    if name == "sensitivity":
        return tp / (tp + fn)
    if average == "macro":
        return _COMPOSITES[f"{name}_macro"][1](tp, fn, fp, tn)
    if name == "f1":
        return _COMPOSITES["f1"][1](tp, fn, fp, tn)
    return _ratio(tp, tp + (fp if name == "precision" else fn))


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
    """All areas that any scores can give and that round to the printed one.

    An area is a count of patient pairs over all pairs, so it lies on a grid; a mean of areas lies on a finer one.

    Parameters
    ----------
    auc : float
        As printed.
    n_positive, n_negative : int or sequence of int
        Patients tested. Sequences: class sizes of each of several folds whose areas were averaged.
    decimals : int
        Decimals printed, zeros at the end too: 0.90 has two. With more than were printed, no area may fit.
    rounding : {"nearest", "down"}
        As in :func:`matching_confusions`.
    folds : int
        Number of models whose areas on the same patients were averaged, where class sizes are single numbers.
    ties : bool
        Whether two patients may share a score (half steps).

    Returns
    -------
    DataFrame
        ``area, steps, of``: the area is ``steps / of``. Empty: the printed area cannot come from these patients.
    """
    _check_flag(ties, "ties"), _check_choice(rounding, "rounding", _ROUNDINGS)
    folds, decimals = _check_size(folds, "folds"), _check_size(decimals, "decimals", least=0)
    _check_printed(auc, "auc", decimals)
    cases, controls = (
        list(np.atleast_1d(sizes)) * (folds if np.ndim(sizes) == 0 else 1) for sizes in (n_positive, n_negative)
    )
    if len(cases) != len(controls) or not cases:
        raise ValueError("n_positive and n_negative must hold as many folds, at least one")
    if (np.ndim(n_positive) or np.ndim(n_negative)) and folds != 1:
        raise ValueError("folds is for single class sizes: sequences hold one for each fold")
    pairs = [int(np.prod(_check_classes(*sizes))) * (2 if ties else 1) for sizes in zip(cases, controls, strict=True)]
    common = lcm(*pairs)
    if np.prod([float(each * pairs.count(each) + 1) for each in set(pairs)]) > _MOST_SUMS:
        areas = "the mean area of these folds" if len(pairs) > 1 else f"the area of {sum(cases + controls)} patients"
        raise ValueError(f"{areas} can have almost any value: a printed one excludes none")
    # All sums of multiples of each fold's step.
    sums = np.array([0], dtype=np.int64)
    for each in dict.fromkeys(pairs):
        multiples = common // each * np.arange(each * pairs.count(each) + 1)
        sums = np.unique(sums[:, None] + multiples[None, :])
    of = common * len(pairs)
    fits = sums[_prints_as(sums / of, auc, decimals, rounding)]
    return pd.DataFrame({"area": fits / of, "steps": fits, "of": of})


def area_bounds(tp: int, fn: int, fp: int, tn: int) -> tuple[float, float]:
    """Least and greatest ROC area of a curve through the point of one confusion matrix.

    The curve only rises: it encloses at least the rectangle below and right of the point, and at most all but the
    rectangle above and left of it.
    """
    tp, fn, fp, tn = _check_table((tp, fn, fp, tn))
    sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
    return sensitivity * specificity, 1 - (1 - sensitivity) * (1 - specificity)


def _check_table(confusion: Sequence[int] | pd.Series) -> _Counts:
    """Four counts with patients in both classes; of a labelled row, by their names."""
    if isinstance(confusion, pd.Series) and not pd.api.types.is_integer_dtype(confusion.index):
        named = confusion.rename(lambda name: str(name).strip().lower())
        if set(named.index) != set(_CELLS):
            raise ValueError(f"a row must be labelled tp, fn, fp and tn; its labels are {list(confusion.index)}")
        confusion = named[list(_CELLS)]
    if np.size(confusion) != 4 or np.ndim(confusion) != 1:
        raise ValueError(f"a confusion matrix is a list of four counts, tp, fn, fp and tn; it is {confusion!r}")
    tp, fn, fp, tn = (_check_size(n, name, least=0) for n, name in zip(confusion, _CELLS, strict=True))
    _check_classes(tp + fn, fp + tn)
    return tp, fn, fp, tn


def _hanley_mcneil_error(auc: float, n_positive: int, n_negative: int) -> float:
    """Standard error of an area from the area and the class sizes (Hanley & McNeil, Radiology 1982;143:29)."""
    _check_share(auc, "a printed area"), _check_classes(n_positive, n_negative)
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
    confusion : sequence of four int, or Series, optional
        ``tp, fn, fp, tn``, for example a row of :func:`matching_confusions`.
    confidence_level : float

    Returns
    -------
    DataFrame
        As of :func:`estimates_table`. The area once with Hanley & McNeil's normal interval (cut at 0 and 1), which a
        reader can check with a pocket calculator, and once with Newcombe's, which holds at small numbers; proportions
        with Wilson's; macro averages as in :func:`classification_metrics`.
    """
    _check_level(confidence_level)
    if auc is None and confusion is None:
        raise ValueError("give the printed area, a confusion matrix, or both")
    estimates: dict[str, Estimate] = {}
    if auc is not None:
        estimates |= _area_intervals(auc, n_positive, n_negative, confidence_level)
    if confusion is not None:
        tp, fn, fp, tn = counts = _check_table(confusion)
        if (tp + fn, fp + tn) != (n_positive, n_negative):
            raise ValueError(
                f"the matrix {counts} does not have {counted(n_positive, 'patient')} with and {n_negative} without the "
                "condition"
            )
        estimates |= _table_intervals(counts, confidence_level)
    return estimates_table(estimates)


def _area_intervals(auc: float, n_positive: int, n_negative: int, level: float) -> dict[str, Estimate]:
    error = _hanley_mcneil_error(auc, n_positive, n_negative)
    limits = {
        "hanley-mcneil": _normal_limits(auc, error, level) if error > 0 else (float("nan"),) * 2,
        "newcombe": _newcombe_limits(auc, n_positive, n_negative, level),
    }
    certain = "Hanley & McNeil's standard error of an area of 0 or 1 is 0: no such interval" * (error == 0)
    n, note = n_positive + n_negative, _join_notes(certain, _small_sample_note(n_positive, n_negative))
    return {
        f"auc_{method.replace('-', '_')}": Estimate("AUC", auc, low, high, n, level, method, error, note)
        for method, (low, high) in limits.items()
    }


def _table_intervals(counts: _Counts, level: float) -> dict[str, Estimate]:
    tp, fn, fp, tn = counts
    proportions, note = _proportions(counts, level), _small_sample_note(tp + fn, fp + tn)
    estimates = {key: proportions[key] for key in ("accuracy", "sensitivity", "specificity")}
    for key in ("precision_macro", "recall_macro", "f1_macro"):
        name, metric = _COMPOSITES[key]
        limits = _composite_limits(metric, counts, level)
        estimates[key] = Estimate(name, float(metric(*counts)), *limits, sum(counts), level, "jeffreys", note=note)
    return estimates


def comparison_range(
    auc_a: float,
    auc_b: float,
    n_positive: int,
    n_negative: int,
    correlations: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8),
) -> pd.DataFrame:
    """Possible results of a comparison of two printed areas, over the correlation of the two models.

    Parameters
    ----------
    auc_a, auc_b : float
        As printed.
    n_positive, n_negative : int
        Patients tested.
    correlations : sequence of float
        Of the two estimated areas; papers rarely state it.

    Returns
    -------
    DataFrame
        ``correlation, standard_error, z, p`` (two-sided; Hanley & McNeil, Radiology 1983;148:839). An area of 0 or 1,
        whose standard error would be 0, raises ValueError.
    """
    error_a, error_b = _two_errors(auc_a, auc_b, n_positive, n_negative)
    r = np.atleast_1d(_check_real(correlations, "correlations", "a correlation between -1 and 1", low=-1, high=1))
    if r.ndim > 1:
        raise ValueError(f"correlations must be a list of numbers; their shape is {r.shape}")
    error = np.sqrt(error_a**2 + error_b**2 - 2 * r * error_a * error_b)
    z = np.divide(auc_a - auc_b, error, out=np.full(len(r), np.nan), where=error > 0)
    return pd.DataFrame({"correlation": r, "standard_error": error, "z": z, "p": 2 * special.ndtr(-np.abs(z))})


def _two_errors(auc_a: float, auc_b: float, n_positive: int, n_negative: int) -> tuple[float, float]:
    errors = tuple(_hanley_mcneil_error(area, n_positive, n_negative) for area in (auc_a, auc_b))
    if min(errors) == 0:
        raise ValueError("Hanley & McNeil's standard error of an area of 0 or 1 is 0: give areas between them")
    return errors


def needed_correlation(
    auc_a: float, auc_b: float, n_positive: int, n_negative: int, *, confidence_level: float = 0.95
) -> float:
    """Least correlation of two estimated areas at which their difference is significant, two-sided.

    Above 1: no correlation is enough. At most 0: independent areas are enough. Arguments as of
    :func:`comparison_range`; equal areas, and areas of 0 or 1, raise ValueError.
    """
    _check_level(confidence_level)
    error_a, error_b = _two_errors(auc_a, auc_b, n_positive, n_negative)
    if auc_a == auc_b:
        raise ValueError(f"two different areas are needed; both are {auc_a:g}")
    widest = abs(auc_a - auc_b) / _normal_quantile(confidence_level)
    return float((error_a**2 + error_b**2 - widest**2) / (2 * error_a * error_b))
