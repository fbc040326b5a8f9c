"""The oracle: the best that any classifier could do, because it knows the law of the carriers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from fibrolib.phantom.carriers import CARRIERS, STAGE_MIX, carrier_mean, carrier_sd, shortcut_scanner
from fibrolib.phantom.patients import draw_patients
from fibrolib.phantom.scanners import SCANNERS
from fibrolib.phantom.strengths import SignalStrengths

__all__ = ["MOVING", "STILL", "oracle_auc", "oracle_score"]

STILL = ("texture", "capsule")
"""What a still image carries: the ceiling of a 2D net."""

MOVING = ("texture", "capsule", "motion")
"""What a video carries: the ceiling of a 3D net."""

_NODES = 16  # severities per stage at which the law is averaged
_DIGITS = 9
_CHUNK = 20_000  # patients at a time, which bounds the memory


def oracle_score(
    patients: pd.DataFrame, cutoff: int = 2, signals: Sequence[str] = STILL, strengths: SignalStrengths | None = None
) -> NDArray[np.float64]:
    """Log likelihood ratio of stage >= `cutoff` against below, from the latent carriers.

    Parameters
    ----------
    patients : DataFrame, n rows
        From `draw_patients` or a cohort's ``truth/patients.csv``: columns ``texture, capsule, strain, scanner``.
    cutoff : int
        The lowest stage that counts as diseased, 1 to 4.
    signals : sequence of str
        Which of ``texture``, ``capsule``, ``motion`` are seen; ``shortcut`` adds the scanner.
    strengths : SignalStrengths, optional
        The dials that the patients were drawn with.

    Returns
    -------
    ndarray, shape (n,)
        By Neyman and Pearson no other score of these carriers has a higher ROC curve at any point.

    Raises
    ------
    ValueError
        If `cutoff` or a signal is not one of those above.
    """
    strengths = strengths or SignalStrengths()
    unknown = set(signals) - {*CARRIERS, "shortcut"}
    if unknown:
        raise ValueError(f"no such signals: {sorted(unknown)}; there are {[*CARRIERS, 'shortcut']}")
    if cutoff not in range(1, len(STAGE_MIX)):
        raise ValueError(f"cutoff must be 1 to {len(STAGE_MIX) - 1}, not {cutoff!r}")
    chunks = range(0, len(patients), _CHUNK)
    score = np.concatenate([_score(patients.iloc[at : at + _CHUNK], cutoff, signals, strengths) for at in chunks])
    # Where the signals say nothing all patients are alike: the last bits of the sums must not rank them.
    return score.round(_DIGITS)


def oracle_auc(
    strengths: SignalStrengths | None = None,
    cutoff: int = 2,
    signals: Sequence[str] = STILL,
    *,
    n: int = 100_000,
    seed: int = 0,
) -> float:
    """AUC of the best classifier of the carriers, in a fresh population.

    Parameters
    ----------
    strengths : SignalStrengths, optional
        Strength of the signals; the published effects if left out.
    cutoff : int
        The lowest stage that counts as diseased, 1 to 4.
    signals : sequence of str
        See `oracle_score`; `STILL` and `MOVING` are the ceilings of the 2D and the 3D nets.
    n : int
        Size of the population. The sampling error is about ``0.5 / sqrt(n)``.
    seed : int
        Seed of the population.

    Returns
    -------
    float
        Area under the ROC curve; 0.5 where the signals say nothing.
    """
    patients = draw_patients(n, seed, strengths)
    score = oracle_score(patients, cutoff, signals, strengths)
    diseased = patients["stage"].to_numpy() >= cutoff
    ranks, cases = pd.Series(score).rank().to_numpy(), int(diseased.sum())
    return float((ranks[diseased].sum() - cases * (cases + 1) / 2) / (cases * (n - cases)))


def _score(
    patients: pd.DataFrame, cutoff: int, signals: Sequence[str], strengths: SignalStrengths
) -> NDArray[np.float64]:
    stage = np.repeat(np.arange(len(STAGE_MIX)), _NODES)
    severity = stage + (np.tile(np.arange(_NODES), len(STAGE_MIX)) + 0.5) / _NODES - 0.5
    likelihood = np.repeat(np.log(STAGE_MIX), _NODES) - np.log(_NODES) + np.zeros((len(patients), 1))
    for name in signals:
        if name == "shortcut":
            likelihood = likelihood + _scanner_law(patients["scanner"].to_numpy(), stage, strengths)
            continue
        value = np.log(patients["strain"]) if name == "motion" else patients[name]
        distance = (value.to_numpy()[:, None] - carrier_mean(name, severity, strengths)) / carrier_sd(name, strengths)
        likelihood = likelihood - 0.5 * distance**2
    diseased = stage >= cutoff
    return logsumexp(likelihood[:, diseased], axis=1) - logsumexp(likelihood[:, ~diseased], axis=1)


def _scanner_law(scanner: NDArray, stage: NDArray, strengths: SignalStrengths) -> NDArray[np.float64]:
    """Log probability of each patient's scanner given each stage."""
    tied = scanner[:, None] == shortcut_scanner(stage)
    return np.log(np.maximum(strengths.shortcut * tied + (1 - strengths.shortcut) / len(SCANNERS), 1e-12))
