"""The oracle: the best that any classifier can do, because it knows the distribution of the carriers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from fibrolib.inference import auc
from fibrolib.phantom.patients import CARRIERS, SHORTCUT_SCANNER, STAGE_MIX, SignalStrengths, draw_patients

STILL = ("texture", "capsule")  # what a still image carries: the ceiling of a 2D net
MOVING = ("texture", "capsule", "motion")  # what a video carries: the ceiling of a 3D net

_NODES = 16  # severities per stage at which the likelihood is averaged
_N_SCANNERS = SHORTCUT_SCANNER.max() + 1
_CHUNK = 20_000  # patients at a time, which bounds the memory


def oracle_score(
    patients: pd.DataFrame, cutoff: int = 2, signals: Sequence[str] = STILL, strengths: SignalStrengths | None = None
) -> NDArray[np.float64]:
    """Log likelihood ratio of stage >= `cutoff` against below, from the latent carriers, of shape (n,).

    By Neyman and Pearson no other score of these carriers has a higher ROC curve at any point.

    Parameters
    ----------
    patients : DataFrame, n rows
        Columns ``texture, capsule, strain, scanner`` of `draw_patients`, or of a cohort's ``truth/patients.csv``.
    cutoff : int
        Lowest stage that counts as diseased, 1 to 4; others are a ValueError.
    signals : sequence of str
        Of ``texture, capsule, motion, shortcut`` (the scanner); others are a ValueError.
    strengths : SignalStrengths, optional
        Those that the patients were drawn with; default: published effects.
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
    return score.round(9)


def oracle_auc(
    strengths: SignalStrengths | None = None, cutoff: int = 2, signals: Sequence[str] = STILL, *, n: int = 100_000
) -> float:
    """AUC of `oracle_score` on `n` newly drawn patients: the ceiling of 2D nets (`STILL`) and of 3D nets (`MOVING`)."""
    patients = draw_patients(n, 0, strengths)
    return auc(patients["stage"] >= cutoff, oracle_score(patients, cutoff, signals, strengths))


def _score(
    patients: pd.DataFrame, cutoff: int, signals: Sequence[str], strengths: SignalStrengths
) -> NDArray[np.float64]:
    stage = np.repeat(np.arange(len(STAGE_MIX)), _NODES)
    severity = stage + (np.tile(np.arange(_NODES), len(STAGE_MIX)) + 0.5) / _NODES - 0.5
    likelihood = np.repeat(np.log(STAGE_MIX), _NODES) - np.log(_NODES) + np.zeros((len(patients), 1))
    for name in signals:
        if name == "shortcut":
            tied = patients["scanner"].to_numpy()[:, None] == SHORTCUT_SCANNER[stage]
            probability = strengths.shortcut * tied + (1 - strengths.shortcut) / _N_SCANNERS
            likelihood = likelihood + np.log(np.maximum(probability, 1e-12))
            continue
        value = np.log(patients["strain"]) if name == "motion" else patients[name]
        distance = (value.to_numpy()[:, None] - strengths.carrier_mean(name, severity)) / strengths.carrier_sd(name)
        likelihood = likelihood - 0.5 * distance**2
    diseased = stage >= cutoff
    return logsumexp(likelihood[:, diseased], axis=1) - logsumexp(likelihood[:, ~diseased], axis=1)
