"""Permutation test of two ROC areas: the ranks of both scores are exchanged within patients.

Bandos, Rockette & Gur, Stat Med 2005;24:2873.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from fibrolib.inference.checks import (
    _ALTERNATIVES,
    _Booleans,
    _check_choice,
    _check_level,
    _check_scored,
    _class_sizes,
    _Floats,
)
from fibrolib.inference.comparisons import Comparison, _alike_note
from fibrolib.inference.intervals import _join_notes, _normal_quantile, _ratio_note
from fibrolib.inference.roc import _area, _placements

_MOST_ENUMERATED = 17
"""Up to so many patients all exchanges are taken (65,536, with the opposite of each)."""

_DRAWS = 5_000
"""Random exchanges of more patients; with the opposite of each they are twice as many."""

_MOST_STEPS = 100_000_000
"""Beyond so many additions (half a second) the permutation sum is taken as normal: so many patients that it is."""


def permutation_test(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    *,
    alternative: str = "two-sided",
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Exact paired permutation test of two ROC areas (Bandos, Rockette & Gur, Stat Med 2005;24:2873).

    Were both scores equivalent, their ranks could be exchanged in each patient. The difference of the areas is a sum
    over patients whose terms change sign with the exchange, so its distribution over all 2^n exchanges is counted; with
    very many patients it is taken as normal, and `note` says so. The interval holds all differences by which that
    distribution could be shifted without a (two-sided) rejection; where the areas differ it is too narrow with few
    patients (0.88 in place of 0.95 at 8 + 9), and :func:`delong_test` has the better one. Where two curves of equal
    area differ in shape the test rejects too often (up to 0.15 at 10 + 200, ``docs/statistics.md``); it keeps its level
    where DeLong's is conservative. `alternative` and `pos_label` as of :func:`delong_test`.
    """
    level = _check_level(confidence_level)
    _check_choice(alternative, "alternative", _ALTERNATIVES)
    positive, *scores = _check_scored(y_true, score_a, score_b, pos_label=pos_label)
    (m, n), ranks = _class_sizes(positive), [stats.rankdata(score) for score in scores]
    terms = _exchange_terms(positive, *ranks)
    pvalue, widest, exact = _difference_pvalue(terms, alternative, level)
    areas = tuple(_area(positive, _placements(positive, rank)) for rank in ranks)
    normal = "" if exact else "many patients: the sum over the exchanges is taken as normal"
    note = _join_notes(normal, _ratio_note(m, n))
    difference, reach = terms.sum() / (4 * m * n), widest / (4 * m * n)
    limits = max(-1.0, difference - reach), min(1.0, difference + reach)
    if not terms.any():
        limits, note = (float("nan"),) * 2, _join_notes(f"{_alike_note()}, no interval", note)
    return Comparison("permutation, paired", *areas, difference, pvalue, m + n, *limits, level, note=note)


def _difference_pvalue(terms: NDArray[np.int64], alternative: str, level: float = 0.95) -> tuple[float, float, bool]:
    """Chance of such a sum of terms, the largest sum that is not yet outside `level`, and whether both are exact."""
    total = int(terms.sum())
    beyond, here, widest, exact = _sign_probability(np.abs(terms[terms != 0]), abs(total), level)
    if alternative == "two-sided":
        return min(1.0, 2 * beyond), widest, exact
    towards = (total >= 0) == (alternative == "greater") or total == 0
    return (beyond if towards else 1 - beyond + here), widest, exact


def _exchange_pvalue(positive: _Booleans, score_a: _Floats, score_b: _Floats, alternative: str) -> float:
    """The larger p of the difference, exact, and of DeLong's statistic, over exchanges and their opposites."""
    a, b = stats.rankdata(score_a), stats.rankdata(score_b)
    # Neither the order of patients nor that of scores may matter: of patients with the same two ranks, in whichever
    # order, a draw says who has the higher one first.
    order = np.lexsort((a * b, a + b, ~positive))
    a, b = a[order], b[order]
    exact, _, _ = _difference_pvalue(_exchange_terms(positive[order], a, b), alternative)
    if len(positive) <= _MOST_ENUMERATED:
        signs = _all_signs(len(positive))
    else:
        signs = _signs(len(positive), _DRAWS) * np.where(a < b, -1.0, 1.0)
        signs[0] = 1
    _, t = _exchanged(a, b, int(np.count_nonzero(positive)), signs)
    return max(exact, float(_share_beyond(t, alternative)))


def _exchanged(a: _Floats, b: _Floats, m: int, signs: _Floats) -> tuple[_Floats, _Floats]:
    """Difference of the areas and DeLong's t for each row of `signs`, from ranks of shape (..., n), m cases first."""
    n = a.shape[-1] - m

    def wins(cases: _Floats, controls: _Floats) -> _Floats:
        return np.sign(cases[..., :m, None] - controls[..., None, m:])

    same, crossed = wins(a, a) - wins(b, b), wins(a, b) - wins(b, a)
    alike, unlike = (same + crossed) / 4, (same - crossed) / 4
    # Differences of placements are linear in the signs of the patients.
    shares, patient = np.zeros((*a.shape, m + n)), np.arange(m + n)
    shares[..., :m, m:], shares[..., m:, :m] = alike / m, np.swapaxes(unlike, -1, -2) / n
    shares[..., patient, patient] = np.concatenate((alike.sum(axis=-1) / n, unlike.sum(axis=-2) / m), axis=-1)
    placed = signs @ shares
    difference = placed[..., :m].mean(axis=-1)
    variance = sum(
        (np.einsum("...i,...i->...", part, part) / part.shape[-1] - difference**2) / (part.shape[-1] - 1)
        for part in (placed[..., :m], placed[..., m:])
    )
    difference[np.abs(difference) < 1e-12] = 0.0
    # Below this a variance is rounding: such a difference is beyond all others.
    return difference, difference / np.sqrt(np.where(variance > 1e-14, variance, 1e-30))


def _share_beyond(statistic: _Floats, alternative: str) -> _Floats:
    """Share of the exchanges, and of their opposites, at least as extreme as the first: p of the last axis."""
    observed = statistic[..., :1]
    if alternative == "two-sided":
        return np.mean(np.abs(statistic) >= np.abs(observed) - 1e-9, axis=-1)
    observed = observed if alternative == "greater" else -observed
    return sum(np.mean(each >= observed - 1e-9, axis=-1) for each in (statistic, -statistic)) / 2


@lru_cache(maxsize=2)
def _all_signs(n: int) -> _Floats:
    """Half of all exchanges, shape (2^(n - 1), n), of which no two are opposites; as observed in the first row."""
    return 1.0 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)


@lru_cache(maxsize=8)
def _signs(n: int, draws: int) -> _Floats:
    """Random exchanges, shape (draws, n): 1 for a patient's ranks as observed (as in the first row), -1 exchanged."""
    signs = 2.0 * np.random.default_rng(0).integers(0, 2, (draws, n)) - 1
    signs[0] = 1
    return signs


def _exchange_terms(positive: _Booleans, a: _Floats, b: _Floats) -> NDArray[np.int64]:
    """What each patient adds to the difference of the areas, times four times the number of pairs.

    Summed over cases i and controls j, with t = 1 where a patient's ranks stand as observed and -1 where exchanged, the
    difference is ``(t_i + t_j) / 2 * (aa - bb) + (t_j - t_i) / 2 * (ba - ab)``, ``ab`` being whether the case's first
    rank beats the control's second: linear in every t.
    """
    cases, controls = (a[positive], b[positive]), (a[~positive], b[~positive])
    wins = {(i, j): _wins(cases[i], controls[j]) for i in (0, 1) for j in (0, 1)}
    same, crossed = (
        [one - two for one, two in zip(wins[first], wins[second], strict=True)]
        for first, second in (((0, 0), (1, 1)), ((1, 0), (0, 1)))
    )
    terms = np.empty(len(positive), dtype=np.int64)
    terms[positive], terms[~positive] = same[0] - crossed[0], same[1] + crossed[1]
    return terms


def _wins(cases: _Floats, controls: _Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Doubled counts: for each case the controls below it, for each control the cases above it, plus one for a tie."""
    below, above = (
        np.searchsorted(others, ranks, side="left") + np.searchsorted(others, ranks, side="right")
        for ranks, others in ((cases, np.sort(controls)), (controls, np.sort(cases)))
    )
    return below, 2 * len(cases) - above


def _sign_probability(sizes: NDArray[np.int64], observed: int, level: float) -> tuple[float, float, float, bool]:
    """Chance that sizes with random signs add up to at least `observed`, and to just that.

    Also the largest sum that is not yet outside `level`, and whether all of it is exact.
    """
    if len(sizes) == 0:
        return 1.0, 1.0, 0.0, True
    unit, whole = int(np.gcd.reduce(sizes)), int(sizes.sum())
    # The sum is that of all sizes less twice those with a minus: chance[i] is that of whole - 2 i unit.
    half = whole // 2 // unit
    if len(sizes) * (half + 1) > _MOST_STEPS:
        spread = float(np.sqrt(np.sum(sizes.astype(np.float64) ** 2)))
        return float(special.ndtr(-observed / spread)), 0.0, _normal_quantile(level) * spread, False
    chance = np.zeros(half + 1)
    chance[0] = 1.0
    for size in sizes // unit:
        chance[size:] += chance[: max(0, len(chance) - size)]
        chance /= 2
    reach, tails = (whole - observed) // 2 // unit, np.cumsum(chance)
    widest = whole - 2 * unit * int(np.argmax(2 * tails > 1 - level + 1e-12))
    return float(tails[reach]), float(chance[reach]), float(widest), True
