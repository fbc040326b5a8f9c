"""Does the score follow the map? Deletion, insertion and ROAD in space-time, beside orders that know nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fibrolib.attribution.explain import Explanation, window_scores
from fibrolib.attribution.removal import ORDERS, impute, neutral_grey, removal_ranks
from fibrolib.learning import NetClassifier

__all__ = [
    "CURVES",
    "FRACTIONS",
    "faithfulness_areas",
    "faithfulness_by_method",
    "faithfulness_curves",
    "summarise_faithfulness",
]

CURVES = ("deletion", "insertion", "ROAD")
"""Take away, most relevant first, and put mean grey there (Petsiuk et al. 2018); start from mean grey and put back;
take away and fill in from the neighbours (Rong et al. 2022)."""

_UNINFORMED = tuple(order for order in ORDERS if order != "relevance")

FRACTIONS = (0.0, 0.1, 0.25, 0.5, 0.75)
"""Shares of the sector that are changed. ROAD needs something to fill in from, so all end before 1."""


def faithfulness_curves(
    estimator: NetClassifier,
    explanation: Explanation,
    *,
    curves: Sequence[str] = CURVES,
    orders: Sequence[str] = ORDERS,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> pd.DataFrame:
    """Score of a window while more and more of it is taken away or put back.

    Parameters
    ----------
    estimator : NetClassifier
        The one that was explained.
    explanation : Explanation
        Its map.
    curves, orders : sequence of str
        Of `CURVES` and `ORDERS`.
    fractions : sequence of float
        Shares of the sector, rising, below 1.
    seed : int
        Of the random order and of the noise.

    Returns
    -------
    DataFrame
        ``curve, order, fraction, score``.
    """
    unknown = set(curves) - set(CURVES)
    if unknown:
        raise ValueError(f"unknown curve {', '.join(sorted(unknown))}, choose of {', '.join(CURVES)}")
    ranks = {order: removal_ranks(explanation, order, seed) for order in orders}
    asked = [(curve, order, fraction) for curve in curves for order in orders for fraction in fractions]
    # One clip after another is made and scored in batches: all at once would be hundreds of megabytes.
    scores = [
        window_scores(
            estimator,
            np.stack([_changed(explanation, curve, ranks[order] < fraction, seed) for fraction in fractions]),
            explanation.target,
        )
        for curve in curves
        for order in orders
    ]
    return pd.DataFrame(asked, columns=["curve", "order", "fraction"]).assign(score=np.concatenate(scores))


def _changed(explanation: Explanation, curve: str, chosen: NDArray[np.bool_], seed: int) -> NDArray[np.float32]:
    frames = explanation.frames.astype(np.float32) / 255.0
    if curve == "ROAD":
        return impute(frames, explanation.sector, chosen, seed)
    grey = neutral_grey(frames, explanation.sector)
    return np.where(chosen, grey, frames) if curve == "deletion" else np.where(chosen, frames, grey)


def faithfulness_by_method(
    estimator: NetClassifier, maps: Mapping[tuple[str, str], Explanation], *, seed: int = 0
) -> pd.DataFrame:
    """`faithfulness_curves` of several patients and methods.

    Orders that know nothing of a map (all but ``relevance``) are computed once for each patient and stand in the table
    for every method.

    Parameters
    ----------
    estimator : NetClassifier
        The one that was explained.
    maps : mapping of tuple of str to Explanation
        Its maps by patient and method.
    seed : int
        Of the random order and of the noise.

    Returns
    -------
    DataFrame
        ``curve, order, fraction, score, patient_id, method``.
    """
    tables, rivals = [], {}
    for (patient, method), cam in maps.items():
        if patient not in rivals:
            rivals[patient] = faithfulness_curves(estimator, cam, orders=_UNINFORMED, seed=seed)
        own = faithfulness_curves(estimator, cam, orders=("relevance",), seed=seed)
        tables += [table.assign(patient_id=patient, method=method) for table in (own, rivals[patient])]
    return pd.concat(tables, ignore_index=True)


def faithfulness_areas(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean height of each curve: the area below it over its range of fractions.

    Parameters
    ----------
    curves : DataFrame
        As of `faithfulness_curves`, and any further columns to group by (``patient_id``, ``model``, ``method``).

    Returns
    -------
    DataFrame
        The groups, ``curve``, ``order``, ``area``.
    """
    keys = [name for name in curves.columns if name not in ("fraction", "score")]
    rows = [
        dict(zip(keys, names, strict=True))
        | {"area": float(np.trapezoid(part["score"], part["fraction"]) / np.ptp(part["fraction"]))}
        for names, part in curves.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows)


def summarise_faithfulness(areas: pd.DataFrame, *, seed: int = 0, n_resamples: int = 4000) -> pd.DataFrame:
    """By how much the map's order beats an order that knows nothing, with an interval over patients.

    Parameters
    ----------
    areas : DataFrame
        As of `faithfulness_areas`, with ``patient_id`` and any of ``model, method``.
    seed, n_resamples : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        The groups, ``curve``, ``rival`` (``random`` or ``centre``), ``n``, ``gain`` with ``gain_low, gain_high`` (95 %,
        percentiles of resampled patients): above 0 where the map is the more faithful, whichever way the curve runs.
    """
    keys = [name for name in ("model", "method", "curve") if name in areas]
    rows = []
    for names, part in areas.groupby(keys, sort=False):
        wide = part.pivot_table(index="patient_id", columns="order", values="area")
        sign = 1 if names[-1] == "insertion" else -1
        for rival in [order for order in wide if order != "relevance"]:
            gain = sign * (wide["relevance"] - wide[rival]).dropna().to_numpy()
            group = dict(zip(keys, names, strict=True))
            rows.append(group | {"rival": rival} | mean_with_interval(gain, "gain", seed, n_resamples))
    return pd.DataFrame(rows)


def mean_with_interval(values: NDArray[np.float64], name: str, seed: int, n_resamples: int) -> dict[str, float]:
    """Mean over patients with percentiles of resampled patients: ``n, <name>, <name>_low, <name>_high``."""
    row = {"n": len(values), name: float(values.mean()) if len(values) else float("nan")}
    low, high = float("nan"), float("nan")
    if len(values) >= 3:
        found = stats.bootstrap(
            (values,), np.mean, n_resamples=n_resamples, method="percentile", rng=np.random.default_rng(seed)
        )
        low, high = (float(limit) for limit in found.confidence_interval)
    return row | {f"{name}_low": low, f"{name}_high": high}
