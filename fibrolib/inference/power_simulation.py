"""Power by simulation: what the tests of this room do with binormal scores, right at any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fibrolib.inference.delong import delong_test
from fibrolib.inference.intervals import auc_ci
from fibrolib.inference.power import binormal_separation

__all__ = ["simulated_auc_power", "simulated_power", "simulated_power_curve"]


def simulated_power(
    auc_a: float,
    auc_b: float,
    n_positive: int,
    n_negative: int,
    *,
    correlation: float = 0.5,
    significance: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> float:
    """Power of DeLong's paired test itself, on binormal scores.

    Parameters
    ----------
    auc_a, auc_b, n_positive, n_negative, correlation, significance
        As in :func:`comparison_power`.
    draws, seed : int
        Of the simulation; its standard error is at most ``0.5 / sqrt(draws)``.

    Returns
    -------
    float
        Share of draws with ``p < significance``.
    """
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], (n_positive, n_negative))
    shifts = binormal_separation(auc_a), binormal_separation(auc_b)
    rejected = 0
    for _ in range(draws):
        shared = np.sqrt(correlation) * rng.normal(size=len(y))
        a, b = (y * s + shared + np.sqrt(1 - correlation) * rng.normal(size=len(y)) for s in shifts)
        rejected += delong_test(y, a, b).pvalue < significance
    return rejected / draws


def simulated_auc_power(
    auc: float,
    n_positive: int,
    n_negative: int,
    *,
    significance: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> float:
    """Power to show that one area is not 0.5, on binormal scores.

    Parameters
    ----------
    auc, n_positive, n_negative, significance
        As in :func:`auc_power`.
    draws, seed : int
        Of the simulation.

    Returns
    -------
    float
        Share of draws in which the default interval of :func:`auc_ci` leaves 0.5 out.
    """
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], (n_positive, n_negative))
    shift = binormal_separation(auc)
    shown = 0
    for _ in range(draws):
        found = auc_ci(y, y * shift + rng.normal(size=len(y)), confidence_level=1 - significance)
        shown += not found.low <= 0.5 <= found.high
    return shown / draws


def simulated_power_curve(
    auc_a: float,
    auc_b: float,
    sizes: Sequence[int],
    *,
    correlation: float = 0.5,
    ratio: float = 1.0,
    significance: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Power of DeLong's paired test over the number of patients, by simulation.

    Parameters
    ----------
    auc_a, auc_b, correlation, significance, draws, seed
        As in :func:`simulated_power`.
    sizes : sequence of int
        Patients in all.
    ratio : float
        Controls for each case.

    Returns
    -------
    DataFrame
        ``n, power, draws``.
    """
    options = {"correlation": correlation, "significance": significance, "draws": draws, "seed": seed}
    cases = [round(n / (1 + ratio)) for n in sizes]
    powers = [simulated_power(auc_a, auc_b, m, n - m, **options) for m, n in zip(cases, sizes, strict=True)]
    return pd.DataFrame({"n": list(sizes), "power": powers, "draws": draws})
