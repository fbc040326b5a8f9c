"""Agreement of calls with the truth and with each other: quadratic kappa for stages, McNemar for paired accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats
from statsmodels.stats.inter_rater import cohens_kappa

from fibrolib.inference.checks import InferenceError, check_labels, check_level, check_patients
from fibrolib.inference.results import Estimate, Interval

__all__ = ["McNemarResult", "mcnemar_test", "quadratic_kappa"]


@dataclass(frozen=True)
class McNemarResult:
    """Result of :func:`mcnemar_test`.

    Parameters
    ----------
    pvalue : float
        Two-sided, exact (binomial).
    accuracy_a, accuracy_b, difference : float
        Shares of right calls, and ``accuracy_a - accuracy_b``.
    confidence_interval : Interval
        Of the difference (Bonett & Price 2012).
    confidence_level : float
        Of that interval.
    only_a, only_b : int
        Patients that one score alone calls rightly: all the test looks at.
    n : int
        Patients.
    """

    pvalue: float
    accuracy_a: float
    accuracy_b: float
    difference: float
    confidence_interval: Interval
    confidence_level: float
    only_a: int
    only_b: int
    n: int


def mcnemar_test(
    y_true: ArrayLike,
    call_a: ArrayLike,
    call_b: ArrayLike,
    *,
    confidence_level: float = 0.95,
    patient_id: ArrayLike | None = None,
) -> McNemarResult:
    """Exact McNemar test: are two models equally accurate on the same patients?

    Parameters
    ----------
    y_true, call_a, call_b : array_like, shape (n,)
        0 and 1: truth, and what each model calls at its operating point.
    confidence_level : float
        Of the interval of the difference: adjusted Wald of Bonett & Price (J Educ Behav Stat 2012;37:479).
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    McNemarResult

    Raises
    ------
    InferenceError
        Anything but 0 and 1, lengths that differ, repeated patients.
    """
    check_level(confidence_level)
    truth = check_labels(y_true)
    check_patients(patient_id, len(truth))
    calls = [check_labels(call, name) for call, name in ((call_a, "call_a"), (call_b, "call_b"))]
    if any(len(call) != len(truth) for call in calls):
        raise InferenceError(f"{len(truth)} patients but {len(calls[0])} and {len(calls[1])} calls")
    right_a, right_b = (call == truth for call in calls)
    n, only_a, only_b = len(truth), int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    discordant = only_a + only_b
    pvalue = float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0
    p, q = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    reach = special.ndtri((1 + confidence_level) / 2) * np.sqrt((p + q - (p - q) ** 2) / (n + 2))
    limits = Interval(float(max(-1, p - q - reach)), float(min(1, p - q + reach)))
    shares = float(right_a.mean()), float(right_b.mean())
    difference = (only_a - only_b) / n
    return McNemarResult(pvalue, *shares, difference, limits, confidence_level, only_a, only_b, n)


def quadratic_kappa(
    stage_true: ArrayLike,
    stage_called: ArrayLike,
    *,
    confidence_level: float = 0.95,
    patient_id: ArrayLike | None = None,
) -> Estimate:
    """Cohen's kappa with quadratic weights between true and called stages.

    Parameters
    ----------
    stage_true, stage_called : array_like of int, shape (n,)
        Ordered stages.
    confidence_level : float
        Of the normal interval (statsmodels' large-sample standard error), cut at -1 and 1.
    patient_id : array_like, shape (n,), optional
        Given, repeated patients are refused.

    Returns
    -------
    Estimate
        Weights are squared differences of the stages themselves, also where a stage between was never used.

    Raises
    ------
    InferenceError
        Stages that are no whole numbers, lengths that differ, or only one stage in all.
    """
    check_level(confidence_level)
    pair = [np.asarray(stage, dtype=float) for stage in (stage_true, stage_called)]
    if pair[0].shape != pair[1].shape or pair[0].ndim != 1 or not all(np.all(s == np.round(s)) for s in pair):
        raise InferenceError("true and called stages must be whole numbers, one of each for every patient")
    check_patients(patient_id, len(pair[0]))
    lowest, highest = min(s.min() for s in pair), max(s.max() for s in pair)
    if lowest == highest:
        raise InferenceError(f"all stages, true and called, are {lowest:g}: kappa is not defined")
    size = int(highest - lowest) + 1
    table = np.zeros((size, size), dtype=int)
    np.add.at(table, tuple((s - lowest).astype(int) for s in pair), 1)
    found = cohens_kappa(table, wt="quadratic")
    error = float(found.std_kappa)
    reach = special.ndtri((1 + confidence_level) / 2) * error
    value = float(found.kappa)
    note = "no disagreement: the standard error is zero and carries no interval" if error == 0 else ""
    low, high = (max(-1.0, value - reach), min(1.0, value + reach)) if error > 0 else (float("nan"),) * 2
    return Estimate("quadratic kappa", value, low, high, len(pair[0]), confidence_level, "large sample", error, note)
