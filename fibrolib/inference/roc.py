"""The area under the ROC curve with its interval, its share of a better score's gain, and the curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from fibrolib.inference.checks import (
    _Booleans,
    _check_choice,
    _check_level,
    _check_resamples,
    _check_scored,
    _check_seed,
    _class_sizes,
    _Floats,
)
from fibrolib.inference.intervals import (
    Estimate,
    _bca_limits,
    _join_notes,
    _Limits,
    _logit_limits,
    _mover_limits,
    _newcombe_limits,
    _normal_limits,
    _satterthwaite,
    _small_sample_note,
)

_METHODS = ("auto", "delong", "logit", "newcombe", "bootstrap")

_BLOCK = 4_000_000
"""Numbers held at once while resampling: keeps memory flat for any sample size (assumption: about 100 MB)."""

_AUTO = "logit and Newcombe"

_UNBALANCED = 2
"""Beyond this ratio of the classes the smaller one carries the variance: Student's t (``docs/statistics.md``)."""


def _placements(positive: _Booleans, score: _Floats) -> _Floats:
    """For a case the controls below it, for a control the cases above it; ties count half. Exact in float64."""
    within = np.empty(len(score))
    within[positive], within[~positive] = stats.rankdata(score[positive]), stats.rankdata(score[~positive])
    below = stats.rankdata(score) - within
    return np.where(positive, below, np.count_nonzero(positive) - below)


def _area(positive: _Booleans, placements: _Floats) -> float:
    n_positive, n_negative = _class_sizes(positive)
    return float(placements[positive].sum()) / (n_positive * n_negative)


def _placement_covariance(positive: _Booleans, placements: _Floats) -> _Floats:
    """DeLong's covariance, shape (k, k), of k areas (or differences) from placements of shape (n,) or (k, n)."""
    return sum(_covariance_parts(positive, placements))


def _covariance_parts(positive: _Booleans, placements: _Floats) -> tuple[_Floats, _Floats]:
    """The cases' and the controls' part of DeLong's covariance."""
    m, n = map(float, _class_sizes(positive))
    cases, controls = (np.atleast_2d(np.cov(placements[..., group])) for group in (positive, ~positive))
    return cases / (n**2 * m), controls / (m**2 * n)


def _variances(positive: _Booleans, placements: _Floats) -> tuple[float, float]:
    """The two parts of DeLong's variance of one area (or difference)."""
    return tuple(float(part[0, 0]) for part in _covariance_parts(positive, placements))


_FAR_APART = 10
"""Beyond this ratio Satterthwaite's degrees of freedom of a difference are too many (``docs/statistics.md``)."""


def _far_apart(sizes: tuple[int, int]) -> bool:
    return max(sizes) > _FAR_APART * min(sizes)


def _unbalanced(sizes: tuple[int, int]) -> bool:
    return max(sizes) > _UNBALANCED * min(sizes)


def _auto_limits(area: float, variances: tuple[float, float], sizes: tuple[int, int], level: float) -> _Limits:
    """From the lower to the higher limit of both "logit" and "newcombe"; the latter alone without a variance."""
    newcombe = _newcombe_limits(area, *sizes, level)
    if not sum(variances) > 0:
        return newcombe
    df = _satterthwaite(variances, sizes) if _unbalanced(sizes) else np.inf
    logit = _logit_limits(area, np.sqrt(sum(variances)), level, df)
    return min(newcombe[0], logit[0]), max(newcombe[1], logit[1])


def auc(y_true: ArrayLike, y_score: ArrayLike, *, pos_label: object = None) -> float:
    """Area under the ROC curve, ties counted half.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1, or two labels.
    y_score : array_like, shape (n,)
        Higher means more likely diseased; an area below 0.5 stays below 0.5.
    pos_label : object, optional
        Label of the diseased, for example "cirrhosis"; needed where `y_true` does not hold 0 and 1.
    """
    positive, score = _check_scored(y_true, y_score, pos_label=pos_label)
    return _area(positive, _placements(positive, score))


def auc_ci(
    y_true: ArrayLike,
    y_score: ArrayLike,
    method: str = "auto",
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Area under the ROC curve with a confidence interval.

    Parameters
    ----------
    y_true, y_score, pos_label
        As in :func:`auc`.
    method : {"auto", "delong", "logit", "newcombe", "bootstrap"}
        "delong": normal interval, cut at 0 and 1 as in pROC. "logit": DeLong's variance on the logit scale.
        "newcombe": method 5 of Newcombe (Stat Med 2006;25:559), which needs no estimated variance. "bootstrap": BCa,
        patients resampled within each class. "auto": from the lower to the higher limit of "logit" and "newcombe"; with
        Student's t (Satterthwaite's degrees of freedom) on the logit scale where one class is more than twice as large
        as the other. It covers at least 0.93 over the grid of ``docs/statistics.md``, the others do not.
    confidence_level : float
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Estimate
        Limits never leave [0, 1]. Where DeLong's variance is zero (AUC 0 or 1) or cannot be estimated (one patient in
        a class) every method gives way to "newcombe", and `method` and `note` say so.

    Examples
    --------
    >>> auc_ci([0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5]).high
    1.0
    """
    _check_level(confidence_level)
    _check_choice(method, "method", _METHODS)
    seed = _check_seed(seed)
    n_resamples = _check_resamples(n_resamples, confidence_level if method == "bootstrap" else None)
    positive, score = _check_scored(y_true, y_score, pos_label=pos_label)
    sizes, placed = _class_sizes(positive), _placements(positive, score)
    area = _area(positive, placed)
    variances = _variances(positive, placed) if min(sizes) > 1 else (float("nan"),) * 2
    error = float(np.sqrt(sum(variances)))
    used, note = _usable_method(method, area, error, sizes)
    if used == "bootstrap":
        draws = _bootstrap_areas(score[positive], score[~positive], n_resamples, np.random.default_rng(seed))
        # Leaving one patient out moves the area by that patient's centred placement.
        shares = placed[positive] / sizes[1], placed[~positive] / sizes[0]
        limits = _bca_limits(area, draws, [group - group.mean() for group in shares], confidence_level)
    elif used == _AUTO:
        limits = _auto_limits(area, variances, sizes, confidence_level)
    elif used == "newcombe":
        limits = _newcombe_limits(area, *sizes, confidence_level)
    else:
        limits = (_logit_limits if used == "logit" else _normal_limits)(area, error, confidence_level)
    return Estimate("AUC", area, *limits, len(positive), confidence_level, used, error, note)


def _usable_method(method: str, area: float, error: float, sizes: tuple[int, int]) -> tuple[str, str]:
    """The method that this sample supports, and its caveat."""
    if min(sizes) < 2:
        return "newcombe", "one patient in a class: DeLong's variance cannot be estimated"
    if error == 0:
        kind = {1.0: "all patients ranked rightly", 0.0: "all patients ranked wrongly"}.get(area, "all scores alike")
        return "newcombe", f"{kind}: DeLong's variance is zero and cannot carry an interval"
    return _AUTO if method == "auto" else method, _small_sample_note(*sizes)


def _bootstrap_areas(cases: _Floats, controls: _Floats, n_resamples: int, rng: np.random.Generator) -> _Floats:
    """Areas of patients resampled within each class, in blocks that fit into memory."""
    levels, level = np.unique(np.concatenate((cases, controls)), return_inverse=True)
    groups = level[: len(cases)], level[len(cases) :]
    rows = max(1, _BLOCK // len(level))
    blocks = []
    for start in range(0, n_resamples, rows):
        n_rows = min(rows, n_resamples - start)
        case_counts, control_counts = (_resampled_counts(group, len(levels), n_rows, rng) for group in groups)
        doubled = np.einsum("ij,ij->i", case_counts, 2 * np.cumsum(control_counts, axis=1) - control_counts)
        blocks.append(doubled / (2 * len(cases) * len(controls)))
    return np.concatenate(blocks)


def _resampled_counts(
    group: NDArray[np.int64], n_levels: int, rows: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """How often each level of the score occurs in each resample."""
    drawn = group[rng.integers(0, len(group), size=(rows, len(group)))]
    drawn += n_levels * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * n_levels).reshape(rows, n_levels)


def roc_points(y_true: ArrayLike, y_score: ArrayLike, *, pos_label: object = None) -> pd.DataFrame:
    """Corners ``threshold, fpr, tpr`` of the empirical ROC curve from (0, 0) to (1, 1).

    A patient is called positive where ``score >= threshold``; at the first threshold, which is infinite, nobody is.
    """
    positive, score = _check_scored(y_true, y_score, pos_label=pos_label)
    thresholds = np.concatenate(([np.inf], np.unique(score)[::-1]))
    fpr, tpr = (
        1 - np.searchsorted(np.sort(score[group]), thresholds, side="left") / np.count_nonzero(group)
        for group in (~positive, positive)
    )
    return pd.DataFrame({"threshold": thresholds, "fpr": fpr, "tpr": tpr})


def share_of_ceiling(
    y_true: ArrayLike,
    y_score: ArrayLike,
    ceiling: ArrayLike,
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Estimate:
    """Share of the achievable AUC gain: a score's area less one half, over that of a better score.

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1.
    y_score, ceiling : array_like, shape (n,)
        One finite score for each patient; `ceiling` is the better one, for example an oracle's.
    confidence_level : float

    Returns
    -------
    Estimate
        Limits from those of either area (:func:`auc_ci`) and DeLong's correlation, joined as Fieller's are (Donner &
        Zou, Stat Methods Med Res 2012;21:347): both areas are uncertain, and correlated. Above 1 the score is ahead.
        Without limits, and with a `note`, where the ceiling itself is not told from chance; NaN where its area is 0.5
        or less.
    """
    level = _check_level(confidence_level)
    positive, *scores = _check_scored(y_true, y_score, ceiling, least=2, pos_label=pos_label)
    placed = np.stack([_placements(positive, score) for score in scores])
    sizes, areas = _class_sizes(positive), [_area(positive, column) for column in placed]
    gain, achievable = (area - 0.5 for area in areas)
    value, (low, high), note = float("nan"), (float("nan"),) * 2, "the ceiling's area is not above 0.5: no share"
    if achievable > 0:
        parts, covariance = [_variances(positive, column) for column in placed], _placement_covariance(positive, placed)
        limits = [_auto_limits(area, part, sizes, level) for area, part in zip(areas, parts, strict=True)]
        known = np.sqrt(np.prod(np.diagonal(covariance)))
        correlation = float(covariance[0, 1] / known) if known > 0 else 0.0
        value, (low, high) = gain / achievable, _ratio_limits(gain, achievable, np.array(limits) - 0.5, correlation)
        note = "the ceiling is not told from chance: no limits" if np.isnan(low) else ""
        if np.array_equal(*placed):
            low = high = np.nan
            note = "both scores order the patients alike: the share is 1 by definition, no limits"
    note = _join_notes(note, _small_sample_note(*sizes))
    method = "from the limits of both areas"
    return Estimate("share of the achievable AUC gain", value, low, high, len(positive), level, method, note=note)


def _ratio_limits(a: float, b: float, limits: _Floats, correlation: float) -> _Limits:
    """Limits of ``a / b`` from those of either, shape (2, 2): all ratios r at which those of ``a - r b`` hold 0."""
    value, least = a / b, limits[1, 0]
    if least <= 0:
        return float("nan"), float("nan")

    def limit(ratio: float, end: int) -> float:
        of_b = tuple(np.sort(ratio * limits[1]))
        return _mover_limits(a, ratio * b, tuple(limits[0]), of_b, correlation * np.sign(ratio))[end]

    # Beyond these, 0 is outside whatever the correlation: no area is further than 0.5 from chance.
    low, high = min(value, 0.0) - 1 / least, max(value, 0.0) + 1 / least
    return optimize.brentq(limit, low, value, args=(0,)), optimize.brentq(limit, value, high, args=(1,))
