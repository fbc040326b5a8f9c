"""How well a map agrees with a marked region: by its peak, its mass, its highest ranks, and by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch.nn import functional

from fibrolib.attribution.cams import enlarged
from fibrolib.attribution.explain import Explanation

__all__ = [
    "MaskScores",
    "attainable_share",
    "mask_scores",
    "mask_scores_by_patient",
    "relevance_by_depth",
    "summarise_shares",
]


@dataclass(frozen=True)
class MaskScores:
    """Agreement of a map with a region, beside what a map without preference would score.

    Attributes
    ----------
    relevance : float
        Share of all relevance in the sector that lies on the region (relevance mass accuracy, Arras et al. 2022).
    area : float
        Share of the sector that the region covers: the chance level of all three scores.
    rank : float
        Share of the most relevant places that lie on the region, as many places as the region has (relevance rank
        accuracy, Arras et al. 2022); among equals, the share expected of a random choice.
    pointing : float
        1 where the most relevant place lies on the region (pointing game, Zhang et al. 2018); among equals, their share
        on it.

    Notes
    -----
    All but ``area`` are NaN for a map without any relevance.
    """

    relevance: float
    area: float
    rank: float
    pointing: float


def mask_scores(explanation: Explanation, region: NDArray[np.bool_] | None = None) -> MaskScores:
    """Score a map against a region.

    Parameters
    ----------
    explanation : Explanation
        The map.
    region : ndarray of bool, shape (frames, height, width), or None
        The region in the same frames; None takes the explanation's own ``roi``.

    Raises
    ------
    ValueError
        If there is no region.
    """
    region = explanation.roi if region is None else region
    if region is None:
        raise ValueError("this clip has no marked region")
    sector = np.broadcast_to(explanation.sector, region.shape)
    values, marked = explanation.relevance[sector].astype(np.float64), region[sector]
    area = float(marked.mean())
    if not values.sum() > 0:
        return MaskScores(float("nan"), area, float("nan"), float("nan"))
    mass = float(values[marked].sum() / values.sum())
    return MaskScores(
        mass, area, _share_of_highest(values, marked, int(marked.sum())), _share_of_highest(values, marked, 1)
    )


def _share_of_highest(values: NDArray, marked: NDArray[np.bool_], count: int) -> float:
    """Share of the ``count`` highest values that are marked; ties at the border count by their mean."""
    if count == 0:
        return float("nan")
    border = np.partition(values, len(values) - count)[len(values) - count]
    above, level = values > border, values == border
    places = count - np.count_nonzero(above)
    return float((np.count_nonzero(marked[above]) + places * marked[level].mean()) / count)


def mask_scores_by_patient(
    maps: Mapping[str, Sequence[Explanation]], model: str, stages: Mapping[str, int]
) -> pd.DataFrame:
    """Scores of a net's maps against the marked region, averaged over the videos of each patient.

    Parameters
    ----------
    maps : mapping of str to sequence of Explanation
        By patient; maps without a marked region are left out.
    model : str
        Name of the net.
    stages : mapping of str to int
        Stage by patient.

    Returns
    -------
    DataFrame
        ``patient_id, model, stage, score`` and the fields of `MaskScores`; no rows where no map has a marked region.
    """
    rows = [
        {"patient_id": patient, "model": model, "score": cam.score, **vars(mask_scores(cam))}
        for patient, cams in maps.items()
        for cam in cams
        if cam.roi is not None
    ]
    if not rows:
        scores = [field.name for field in fields(MaskScores)]
        return pd.DataFrame(columns=["patient_id", "model", "stage", "score", *scores])
    table = pd.DataFrame(rows).groupby(["patient_id", "model"], as_index=False).mean()
    table.insert(2, "stage", table["patient_id"].map(stages))
    return table


def attainable_share(region: NDArray[np.bool_], sector: NDArray[np.bool_], grid: tuple[int, int, int]) -> float:
    """Share of its relevance that a map of few places puts on a region where it marks this region and nothing else.

    The region is averaged over the places of a layer's maps, and enlarged as such maps are. What is lost on the way is
    no fault of a method: a band thinner than a place cannot hold all of it.

    Parameters
    ----------
    region : ndarray of bool, shape (frames, height, width)
        The region.
    sector : ndarray of bool, shape (height, width)
        The ultrasound picture.
    grid : tuple of int
        Times, height and width of the layer's maps (`list_layers`).
    """
    marked = torch.from_numpy(region & sector).float()
    seen = enlarged(functional.adaptive_avg_pool3d(marked[None], grid), region.shape)[0].double().numpy() * sector
    return float(seen[region].sum() / seen.sum()) if seen.any() else float("nan")


def relevance_by_depth(explanation: Explanation, n_bands: int = 8) -> pd.DataFrame:
    """Share of relevance in bands of depth, beside their share of the sector.

    Parameters
    ----------
    explanation : Explanation
        The map.
    n_bands : int
        Bands of equal height, from the top of the sector to its bottom.

    Returns
    -------
    DataFrame
        ``depth`` (middle of the band, 0 at the probe and 1 at the bottom), ``relevance``, ``area``.
    """
    rows = np.nonzero(explanation.sector)[0]
    top, height = rows.min(), np.ptp(rows) + 1
    band = (rows - top) * n_bands // height
    mass = explanation.relevance.sum(axis=0, dtype=np.float64)[explanation.sector]
    total = mass.sum()
    share = np.bincount(band, mass, n_bands) / (total if total > 0 else np.nan)
    area = np.bincount(band, minlength=n_bands) / len(band)
    return pd.DataFrame({"depth": (np.arange(n_bands) + 0.5) / n_bands, "relevance": share, "area": area})


def summarise_shares(table: pd.DataFrame, *, seed: int = 0, n_resamples: int = 4000) -> pd.DataFrame:
    """How many times its chance share a region gets, with a bootstrap interval over patients.

    Parameters
    ----------
    table : DataFrame
        ``relevance, area, rank, pointing``, one row per patient, and any of ``region, signal, model, method, layer`` to
        group by.
    seed, n_resamples : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        A row per group: its names, ``n`` (patients with any relevance), ``empty`` (those without), means of the four
        scores, and ``ratio`` (mean relevance / mean area) with ``ratio_low, ratio_high`` (95 %, percentiles of
        resampled patients; NaN below three patients).
    """
    keys = [name for name in ("region", "signal", "model", "method", "layer") if name in table]
    groups = table.groupby(keys, sort=False) if keys else [((), table)]
    rows = [dict(zip(keys, names, strict=True)) | _share_row(rows, seed, n_resamples) for names, rows in groups]
    return pd.DataFrame(rows)


def _share_row(table: pd.DataFrame, seed: int, n_resamples: int) -> dict[str, float]:
    known = table.dropna(subset=["relevance"])
    relevance, area = known["relevance"].to_numpy(), known["area"].to_numpy()
    means = {name: float(known[name].mean()) for name in ("relevance", "area", "rank", "pointing")}
    row = {"n": len(known), "empty": len(table) - len(known), **means}
    row["ratio"] = row["relevance"] / row["area"] if len(known) and row["area"] > 0 else float("nan")
    low, high = float("nan"), float("nan")
    if len(known) >= 3 and row["area"] > 0:
        found = stats.bootstrap(
            (relevance, area),
            _ratio_of_means,
            paired=True,
            n_resamples=n_resamples,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
        low, high = (float(limit) for limit in found.confidence_interval)
    return row | {"ratio_low": low, "ratio_high": high}


def _ratio_of_means(relevance: NDArray, area: NDArray, axis: int) -> NDArray:
    return relevance.mean(axis=axis) / area.mean(axis=axis)
