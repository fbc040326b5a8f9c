"""Partial areas under the ROC curve: where the specificity, or the sensitivity, is high enough to be of use."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.proportion import proportion_confint

from fibrolib.inference.checks import (
    _ALTERNATIVES,
    _Booleans,
    _check_choice,
    _check_flag,
    _check_level,
    _check_real,
    _check_scored,
    _class_sizes,
    _Floats,
)
from fibrolib.inference.comparisons import Comparison, _compare
from fibrolib.inference.intervals import Estimate, _join_notes, _logit_limits, _satterthwaite, _small_sample_note
from fibrolib.inference.roc import _variances

_FEW = 15
"""Up to so many patients in the range (or the other class) limits reach out to Wilson's (``docs/statistics.md``)."""

_ROUNDING = 1e-12  # below what two patients that change places move an area by


def partial_auc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    bounds: tuple[float, float] = (0.9, 1.0),
    *,
    focus: str = "specificity",
    standardise: bool = False,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Estimate:
    """Area under the ROC curve over a range of specificity or sensitivity, with a confidence interval.

    Parameters
    ----------
    y_true, y_score, pos_label
        As in :func:`auc`.
    bounds : pair of float
        The range, within [0, 1].
    focus : {"specificity", "sensitivity"}
        What `bounds` are of. The area over sensitivities lies to the right of the curve, as in R's pROC.
    standardise : bool
        Rescale (McClish, Med Decis Making 1989;9:190): 1 without error, 0.5 by chance.
    confidence_level : float

    Returns
    -------
    Estimate
        Between 0 and the width of the range, or standardised (below chance a number without a meaning). The variance is
        DeLong's with placements cut at the range (He & Escobar, Stat Med 2008;27:5291), the limits Student's t on the
        logit scale of the share of the greatest possible area; where at most 15 patients of a class lie in the range,
        widened to Wilson's; Wilson's alone, with a note, where the variance is zero. A note where few patients lie in
        the range.

    Examples
    --------
    >>> partial_auc([0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6], (0.5, 1)).value
    0.2777...
    """
    level, (width, least) = _check_level(confidence_level), _check_bounds(bounds, focus)
    _check_flag(standardise, "standardise")
    positive, score = _check_scored(y_true, y_score, least=2, pos_label=pos_label)
    area, placed = _placed(positive, score, bounds, focus)
    variances, sizes = _variances(positive, placed), _range_sizes(positive, bounds, focus)
    error, note, share = _error(variances), _range_note(sizes), area / width
    regular, few = error > 0 and _ROUNDING < share < 1 - _ROUNDING, min(sizes)
    limits = _logit_limits(share, error / width, level, _satterthwaite(variances, sizes)) if regular else (share, share)
    if not error:
        note = _join_notes("the variance is zero: limits after Wilson", note)
    if not regular or few <= _FEW:
        wilson = proportion_confint(share * few, few, alpha=1 - level, method="wilson")
        limits = min(limits[0], wilson[0]), max(limits[1], wilson[1])
    limits = [width * float(np.clip(limit, 0, 1)) for limit in limits]
    name = f"partial AUC ({focus} {min(bounds):g} to {max(bounds):g})"
    if standardise:
        area, *limits = ((1 + (value - least) / (width - least)) / 2 for value in (area, *limits))
        error, name = error / (width - least) / 2, f"{name}, standardised"
        note = _join_notes("below chance, where rescaling has no meaning" * (area < 0.5), note)
    return Estimate(name, area, *limits, len(positive), level, "DeLong, cut", error, note)


def partial_auc_test(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    bounds: tuple[float, float] = (0.9, 1.0),
    *,
    focus: str = "specificity",
    alternative: str = "two-sided",
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Paired test of two partial areas: Student's t as in :func:`delong_test`, options as in :func:`partial_auc`.

    (R's pROC takes a bootstrap here.) Values and limits are not standardised.
    """
    level, (width, _) = _check_level(confidence_level), _check_bounds(bounds, focus)
    _check_choice(alternative, "alternative", _ALTERNATIVES)
    positive, *scores = _check_scored(y_true, score_a, score_b, least=2, pos_label=pos_label)
    (a, placed_a), (b, placed_b) = (_placed(positive, score, bounds, focus) for score in scores)
    variances, sizes = _variances(positive, placed_a - placed_b), _range_sizes(positive, bounds, focus)
    error, df, note = _error(variances), _satterthwaite(variances, sizes), _range_note(sizes)
    b = a if abs(a - b) < _ROUNDING else b
    return _compare("partial AUC, paired", (a, b), error, len(positive), level, note, df, alternative, most=width)


def _error(variances: tuple[float, float]) -> float:
    """Standard error; of placements cut at a range that are all alike, rounding leaves a little."""
    error = float(np.sqrt(sum(variances)))
    return error if error > _ROUNDING else 0.0


def _check_bounds(bounds: tuple[float, float], focus: str) -> tuple[float, float]:
    """The greatest possible area over the range, and that of chance."""
    _check_choice(focus, "focus", ("specificity", "sensitivity"))
    ends = _check_real(bounds, "bounds", "between 0 and 1", low=0, high=1)
    if ends.shape != (2,) or ends[0] == ends[1]:
        raise ValueError(f"bounds must be two different shares, for example (0.9, 1); they are {bounds}")
    width = float(np.ptp(ends))
    return width, width * (1 - float(ends.mean()))


def _placed(positive: _Booleans, score: _Floats, bounds: tuple[float, float], focus: str) -> tuple[float, _Floats]:
    """Partial area, and placements cut at the range."""
    if focus == "sensitivity":  # the same curve, seen from its other corner
        positive, score = ~positive, -score
    low, high = 1 - max(bounds), 1 - min(bounds)
    cases, controls = np.sort(score[positive]), np.sort(score[~positive])
    # Controls above a case: among ties from `first` to `last`, and the curve is straight.
    first, last = (_above(controls, score[positive], side) for side in ("right", "left"))

    def beyond(share: _Floats) -> _Floats:
        """Integral of `left` from a share of false positives to 1."""
        return left(share) ** 2 / 2 + (high - low) * np.maximum(low - share, 0)

    def left(share: _Floats) -> _Floats:
        return np.clip(high - share, 0, high - low)

    of_cases = np.divide(beyond(first) - beyond(last), last - first, out=left(first), where=last > first)
    levels = np.append(np.inf, np.unique(score)[::-1])
    ends = np.interp([low, high], _above(controls, levels, "left"), _above(cases, levels, "left"))
    of_controls = sum(_above(cases, score[~positive], side) for side in ("right", "left")) / 2
    placed = np.empty(len(score))
    placed[positive], placed[~positive] = len(controls) * of_cases, len(cases) * np.clip(of_controls, *ends)
    return float(of_cases.mean()), placed


def _above(ordered: _Floats, values: _Floats, side: str) -> _Floats:
    """Share above each value; side "left" counts equal ones."""
    return 1 - np.searchsorted(ordered, values, side) / len(ordered)


def _range_sizes(positive: _Booleans, bounds: tuple[float, float], focus: str) -> tuple[int, int]:
    """How many cases and controls the range rests on: those of the class that it is cut from count in part."""
    m, n = _class_sizes(positive)
    share = max(bounds) - min(bounds)
    inside = max(2, round(share * (n if focus == "specificity" else m)))
    return (m, inside) if focus == "specificity" else (inside, n)


def _range_note(sizes: tuple[int, int]) -> str:
    return _small_sample_note(*sizes).replace("in the smaller class", "in the range")
