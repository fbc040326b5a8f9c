"""Relevance through time: is it tied to movement, and to the phase of the heartbeat?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fibrolib.attribution.explain import Explanation

__all__ = ["PhaseLock", "heartbeat_lag", "movement", "movement_correlation", "phase_locking", "relevance_over_time"]


def movement(frames: NDArray[np.uint8], sector: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean absolute change of grey per frame, in the sector: half of that from the frame before, half to the next.

    Parameters
    ----------
    frames : ndarray of uint8, shape (frames, height, width)
        A window.
    sector : ndarray of bool, shape (height, width)
        The ultrasound picture.

    Returns
    -------
    ndarray, shape (frames,)
        The first and the last frame have one neighbour only. 0 for a still.
    """
    if len(frames) == 1:
        return np.zeros(1)
    steps = np.abs(np.diff(frames[:, sector].astype(np.float64), axis=0)).mean(axis=1)
    return (np.append(steps, steps[-1]) + np.append(steps[0], steps)) / 2


def relevance_over_time(explanation: Explanation) -> pd.DataFrame:
    """Relevance and movement of each frame.

    Returns
    -------
    DataFrame
        ``time`` (s), ``relevance`` (share of the clip's; NaN for an empty map), ``movement`` (grey levels).
    """
    mass = explanation.relevance.sum(axis=(1, 2), dtype=np.float64)
    total = mass.sum()
    return pd.DataFrame(
        {
            "time": explanation.times,
            "relevance": mass / (total if total > 0 else np.nan),
            "movement": movement(explanation.frames, explanation.sector),
        }
    )


def heartbeat_lag(explanation: Explanation, heart_rate: float) -> float:
    """By how much of a heartbeat relevance follows movement.

    The first harmonic at the heart rate is fitted to both; the lag is the difference of their phases.

    Parameters
    ----------
    explanation : Explanation
        Of a clip of at least one heartbeat.
    heart_rate : float
        Beats per minute.

    Returns
    -------
    float
        In heartbeats, -0.5 to 0.5; NaN where either does not change, or the clip is shorter than a beat.
    """
    course = relevance_over_time(explanation)
    beats = course["time"].to_numpy() * heart_rate / 60
    if np.ptp(beats) < 1:
        return float("nan")
    phases = [_phase(beats, course[name].to_numpy()) for name in ("relevance", "movement")]
    return float((phases[0] - phases[1] + 0.5) % 1 - 0.5)


def _phase(beats: NDArray, values: NDArray) -> float:
    """When in the beat (0 to 1) the first harmonic of a course has its peak."""
    if not np.isfinite(values).all() or np.ptp(values) <= 1e-9 * np.abs(values).max():
        return float("nan")
    waves = np.column_stack([np.ones_like(beats), np.cos(2 * np.pi * beats), np.sin(2 * np.pi * beats)])
    _, cosine, sine = np.linalg.lstsq(waves, values, rcond=None)[0]
    return float(np.arctan2(sine, cosine) / (2 * np.pi))


@dataclass(frozen=True)
class PhaseLock:
    """Whether the lag is the same from patient to patient.

    Attributes
    ----------
    n : int
        Patients with a lag.
    strength : float
        Length of the mean direction: 0 for lags all around the beat, 1 for equal lags.
    lag : float
        Mean lag, heartbeats.
    p : float
        Of the Rayleigh test: chance of a strength like this where relevance ignores the heart.
    """

    n: int
    strength: float
    lag: float
    p: float


def phase_locking(lags: Sequence[float]) -> PhaseLock:
    """Rayleigh test of lags, one per patient.

    Parameters
    ----------
    lags : sequence of float
        As of `heartbeat_lag`; NaN are left out.

    Returns
    -------
    PhaseLock
        Exact to the third term of the approximation in Zar (*Biostatistical Analysis*, eq. 27.4); NaN without lags.
    """
    known = np.asarray([lag for lag in lags if np.isfinite(lag)], dtype=np.float64)
    n = len(known)
    if n == 0:
        return PhaseLock(0, float("nan"), float("nan"), float("nan"))
    mean = np.exp(2j * np.pi * known).mean()
    resultant = n * abs(mean)
    p = np.exp(np.sqrt(1 + 4 * n + 4 * (n**2 - resultant**2)) - (1 + 2 * n))
    return PhaseLock(n, float(abs(mean)), float(np.angle(mean) / (2 * np.pi)), float(min(p, 1.0)))


def movement_correlation(explanation: Explanation) -> float:
    """Rank correlation over the frames of a clip between relevance and movement; NaN where either is constant."""
    course = relevance_over_time(explanation)
    if course[["relevance", "movement"]].nunique().min() < 2:
        return float("nan")
    return float(stats.spearmanr(course["relevance"], course["movement"]).statistic)
