"""Samples of normal scores, and the tests of one or two areas as the package makes them: p-values of many at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from fibrolib.inference.checks import _Floats
from fibrolib.inference.delong import _exchanges
from fibrolib.inference.intervals import _error_at_difference
from fibrolib.inference.permutation import _exchanged, _share_beyond, _signs
from fibrolib.inference.roc import _far_apart

_BLOCK = 1_000_000
"""Scores held at once while simulating."""

_EXCHANGES = 400
"""Random exchanges in each simulated sample; with their opposites twice as many."""

_EXACT = 8, 49
"""Up to so many patients in a class (as in scipy), or in both (as in R), the Mann-Whitney test is exact."""


def _simulated_pvalues(
    areas: tuple[float, ...],
    correlation: float,
    m: int,
    n: int,
    draws: int,
    seed: int,
    alternative: str,
    margin: float = 0.0,
) -> _Floats:
    """P-values of simulated samples; 1 where a sample allows no test."""
    rng, k = np.random.default_rng(seed), len(areas)
    if k == 2 and min(m, n) == 1:  # DeLong's variance needs two patients in a class
        return np.ones(draws)
    # The order of the areas changes the sign only.
    swapped, shifts = areas[0] < areas[-1], np.sqrt(2) * special.ndtri(np.sort(areas)[::-1])[:, None]
    side = {"greater": "less", "less": "greater"}.get(alternative, alternative) if swapped else alternative
    root = np.linalg.cholesky(np.array([[1, correlation], [correlation, 1 + 1e-12]]))[:k, :k]
    test = _simulated_test(k, (m, n), margin)
    shift = {"margin": -margin if swapped else margin} if test is _delong else {}
    rows, parts = max(1, _BLOCK // ((_EXCHANGES if test is _delong_exchanged else k) * (m + n))), []
    for start in range(0, draws, rows):
        scores = root @ rng.normal(size=(min(rows, draws - start), k, m + n))
        scores[..., :m] += shifts
        parts.append(test(_ranks(scores), scores, m, side, **shift))
    return np.concatenate(parts)


def _simulated_test(k: int, sizes: tuple[int, int], margin: float) -> Callable[..., _Floats]:
    """The test of one area, or of two, that is used for classes of these sizes."""
    if k == 1:
        return _mann_whitney
    return _delong_exchanged if _exchanges(sizes) and not margin else _delong


def _ranks(scores: _Floats) -> NDArray[np.int64]:
    return np.argsort(np.argsort(scores, axis=-1), axis=-1)


def _mann_whitney(ranks: NDArray[np.int64], _: _Floats, m: int, alternative: str) -> _Floats:
    fewer, more = sorted((m, ranks.shape[-1] - m))
    method = "exact" if fewer <= _EXACT[0] or more <= _EXACT[1] else "asymptotic"
    options = {"alternative": alternative, "axis": -1, "method": method}
    return stats.mannwhitneyu(ranks[:, 0, :m], ranks[:, 0, m:], **options).pvalue


def _delong(ranks: NDArray[np.int64], scores: _Floats, m: int, alternative: str, margin: float) -> _Floats:
    """Student's t as in :func:`delong_test`."""
    n = ranks.shape[-1] - m
    below = np.moveaxis(ranks[..., :m] - _ranks(scores[..., :m]), 1, 0) / n  # shape (2, draws, m)
    above = np.moveaxis(_ranks(scores[..., m:]) - ranks[..., m:], 1, 0) / m
    cases, controls = np.subtract(*below), np.subtract(*above)
    parts = np.stack([cases.var(axis=-1, ddof=1) / m, controls.var(axis=-1, ddof=1) / n])
    variance, flat = parts.sum(axis=0), parts.sum(axis=0) == 0
    df = variance**2 / np.where(flat, 1, parts[0] ** 2 / (m - 1) + parts[1] ** 2 / (n - 1))
    df = np.minimum(df, 2.0 * (min(m, n) - 1)) if _far_apart((m, n)) else df
    error = np.sqrt(np.where(flat, 1, variance))
    if margin:
        single = below.var(axis=-1, ddof=1) / m + above.var(axis=-1, ddof=1) / n
        error = np.where(flat, 1, _error_at_difference(below.mean(axis=-1), single, variance, (m, n), -margin))
    t = (cases.mean(axis=-1) + margin) / error
    return np.where(flat, 1.0, _tails(t, np.where(flat, 1, df), alternative))


def _delong_exchanged(ranks: NDArray[np.int64], _: _Floats, m: int, alternative: str) -> _Floats:
    """The larger p of the difference and of DeLong's statistic, as in :func:`delong_test`, over fewer exchanges.

    Without the sample itself, which is one of thousands there: with it, p of fewer would be too large on average.
    """
    statistics = _exchanged(*np.moveaxis(ranks, 1, 0), m, _signs(ranks.shape[-1], _EXCHANGES))
    number = _EXCHANGES if alternative == "two-sided" else 2 * _EXCHANGES
    shares = np.maximum(*(_share_beyond(statistic, alternative) for statistic in statistics))
    return (number * shares - 1) / (number - 1)


def _tails(statistic: _Floats, df: _Floats, alternative: str) -> _Floats:
    towards = {"two-sided": -np.abs(statistic), "greater": -statistic, "less": statistic}[alternative]
    share = special.stdtr(df, towards)
    return 2 * share if alternative == "two-sided" else share
