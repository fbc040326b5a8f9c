"""Rates of events in a population: each class of the sample has its own, and the prevalence joins them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fibrolib.inference import mcnemar_test, wilson

_Booleans = NDArray[np.bool_]
_Rate = tuple[float, float, float]
"""Value, lower and upper limit."""


def _rate(positive: _Booleans, event: _Booleans, weights: tuple[float, float], level: float) -> _Rate:
    """Share of cases with an event times the first weight, plus that of controls times the second; Wilson, joined."""
    parts = []
    for group, weight in zip((positive, ~positive), weights, strict=True):
        found = wilson(int(event[group].sum()), int(group.sum()), confidence_level=level)
        parts.append((weight, found.value, found.low, found.high))
    return _joined(parts)


def _rate_difference(
    positive: _Booleans, a: _Booleans, b: _Booleans, weights: tuple[float, float], level: float
) -> _Rate:
    """`_rate` of `a` minus that of `b` in the same patients; limits after Bonett & Price in each class, joined."""
    parts = []
    for group, weight in zip((positive, ~positive), weights, strict=True):
        found = mcnemar_test(np.ones(group.sum()), a[group], b[group], confidence_level=level)
        parts.append((weight, found.difference, found.low, found.high))
    return _joined(parts)


def _joined(parts: Iterable[tuple[float, float, float, float]]) -> _Rate:
    """Weighted sum of independent estimates with limits from theirs (Zou & Donner, Stat Med 2008;27:1693)."""
    total, below, above = 0.0, 0.0, 0.0
    for weight, value, low, high in parts:
        ends = sorted((weight * low, weight * high)) if weight else (0.0, 0.0)
        term = weight * value if weight else 0.0
        total, below, above = total + term, below + (term - ends[0]) ** 2, above + (ends[1] - term) ** 2
    return total, total - below**0.5, total + above**0.5
