"""The result of a test of two scores, what all such tests share, and McNemar's test of accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    InferenceError,
    _check_labels,
    _check_level,
    _check_order,
    _few,
)
from fibrolib.inference.intervals import _join_notes, _Limits, _normal_limits
from fibrolib.stages import _without_mask


@dataclass(frozen=True, repr=False)
class Comparison:
    """Test of two scores `a` and `b`; NaN where the test gives no such number.

    Parameters
    ----------
    test : str
        Name of the test, for example ``"DeLong, paired"``.
    value_a, value_b, difference : float
        Both values (areas, accuracies, Obuchowski measures) and ``value_a - value_b``.
    pvalue : float
        NaN where the data do not allow a test, and `note` says why.
    n : int
        Patients.
    low, high, confidence_level : float
        Limits of the difference, within [-1, 1], and their level.
    statistic, standard_error, df : float
        z or t, standard error of the difference, and degrees of freedom (infinite for z).
    note : str
        Caveats; empty when there are none.
    """

    test: str
    value_a: float
    value_b: float
    difference: float
    pvalue: float
    n: int
    low: float = float("nan")
    high: float = float("nan")
    confidence_level: float = 0.95
    statistic: float = float("nan")
    standard_error: float = float("nan")
    note: str = ""
    df: float = float("inf")

    @property
    def confidence_interval(self) -> _Limits:
        """Both limits of the difference."""
        return self.low, self.high

    def __repr__(self) -> str:
        tail = f"; {self.note}" if self.note else ""
        return (
            f"{self.test} (n = {self.n}): {self.value_a:.3f} vs {self.value_b:.3f}, difference {self.difference:+.3f}, "
            f"{100 * self.confidence_level:g} % CI {self.low:.3f} to {self.high:.3f}, "
            f"p = {self.pvalue:.3g}{tail}"
        )


def _alike_note(which: str = "both") -> str:
    return f"{which} scores order the patients alike, or without error: p is 1 by definition"


def _is_flawless(value: float) -> bool:
    """Whether an area is that of a score without error (or all wrong)."""
    return round(value, 12) in (0, 1)


def _flawless_note(values: tuple[float, float], most: float) -> str:
    """Caveat where one of two values, at most `most`, is that of a score without error (or all wrong)."""
    flawless = [letter for letter, value in zip("ab", values, strict=True) if _is_flawless(value / most)]
    return f"score {' and '.join(flawless)} ranks without error, as if its area were certain" if flawless else ""


def _compare(
    test: str,
    values: tuple[float, float],
    error: float,
    n: int,
    confidence_level: float,
    note: str,
    df: float = np.inf,
    alternative: str = "two-sided",
    margin: float = 0.0,
    most: float = 1.0,
) -> Comparison:
    """Normal or Student's test, and interval, of a difference of two values (plus a margin) with its standard error.

    `most` is the value of a score without error.
    """
    difference = values[0] - values[1]
    tested = difference + margin
    statistic = tested / error if error > 0 else 0.0 if tested == 0 == margin else float("nan")
    limits = _normal_limits(difference, error, confidence_level, least=-1.0, df=df)
    low, high = (float(max(-1.0, limit)) for limit in limits)
    if error > 0:
        note = _join_notes(_flawless_note(values, most), note)
    else:
        low = high = float("nan")
        although = " although the values differ" if difference else ""
        no_test = f"the estimated variance is zero{although}: no test is possible"
        note = _join_notes(no_test if np.isnan(statistic) else f"{_alike_note()}, no interval", note)
    pvalue = _tail(statistic, df, alternative) if error > 0 or np.isnan(statistic) else 1.0
    return Comparison(test, *values, difference, pvalue, n, low, high, confidence_level, statistic, error, note, df)


def _tail(statistic: float, df: float, alternative: str) -> float:
    def below(value: float) -> float:
        return float(special.ndtr(value) if np.isinf(df) else special.stdtr(df, value))

    if alternative == "two-sided":
        return 2 * below(-abs(statistic))
    return below(-statistic if alternative == "greater" else statistic)


def mcnemar_test(
    y_true: ArrayLike,
    call_a: ArrayLike,
    call_b: ArrayLike,
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Exact McNemar test of two models' accuracy; calls are 0 and 1, or labels as `y_true` (`pos_label`: diseased).

    Interval of the difference: adjusted Wald of Bonett & Price (J Educ Behav Stat 2012;37:479). `note` counts the
    patients that one model alone calls correctly, all that the test looks at.
    """
    _check_level(confidence_level), _check_order(y_true, call_a, call_b)
    _check_call_labels(y_true, {"call_a": call_a, "call_b": call_b}, pos_label)
    truth, *calls = (
        _check_labels(labels, name, pos_label=pos_label)
        for labels, name in ((y_true, "y_true"), (call_a, "call_a"), (call_b, "call_b"))
    )
    if any(len(call) != len(truth) for call in calls):
        raise InferenceError(
            f"{counted(len(truth), 'patient')} but {len(calls[0])} and {counted(len(calls[1]), 'call')}"
        )
    right_a, right_b = (call == truth for call in calls)
    n, only_a, only_b = len(truth), int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    discordant = only_a + only_b
    pvalue = float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0
    p, q = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    limits = _normal_limits(p - q, np.sqrt((p + q - (p - q) ** 2) / (n + 2)), confidence_level, least=-1.0)
    accuracies, note = (float(right_a.mean()), float(right_b.mean())), f"{only_a} and {only_b} right alone"
    difference = (only_a - only_b) / n
    return Comparison("McNemar, exact", *accuracies, difference, pvalue, n, *limits, confidence_level, note=note)


def _check_call_labels(y_true: ArrayLike, calls: Mapping[str, ArrayLike], pos_label: object) -> None:
    """Refuse calls with a label that the truth, which holds two, does not know: it would count as healthy."""
    if pos_label is None or np.ndim(y_true) != 1:
        return
    known = set(pd.Series(_without_mask(y_true)).dropna())
    for name, call in calls.items():
        unknown = set(pd.Series(_without_mask(call)).dropna()) - known if np.ndim(call) == 1 else set()
        if unknown and len(known) == 2:
            raise InferenceError(f"{name} holds {_few(map(repr, unknown))}; y_true holds {_few(map(repr, known))}")
