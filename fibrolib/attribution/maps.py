"""A saliency map with its origin, and where and when its relevance lies: on a region, by depth, in the heartbeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch.nn import functional

from fibrolib.attribution.methods import Target, _enlarged

_NAN = float("nan")


@dataclass(frozen=True)
class _MaskScores:
    relevance: float
    area: float
    rank: float
    pointing: float


@dataclass(frozen=True)
class _Window:
    """The frames of a clip that a net sees at once."""

    frames: NDArray[np.uint8]  # input of the net, (frames, height, width)
    roi: NDArray[np.bool_] | None  # the marked region in the same frames
    sector: NDArray[np.bool_]  # the ultrasound sector, (height, width)
    times: NDArray[np.float64]  # seconds since the clip's first frame; a short clip is played back and forth


@dataclass(frozen=True, kw_only=True)
class Explanation(_Window):
    """A map of relevance, the window it explains (``frames, roi, sector, times``), and its origin."""

    relevance: NDArray[np.float32]  # (frames, height, width); maximum 1, or all 0 without evidence for the target
    score: float  # probability of the target in this window
    method: str
    layer: str  # empty for methods without layer
    target: Target

    @property
    def fps(self) -> float:
        """Frames per second; 1 for a still."""
        return 1.0 if len(self.times) == 1 else float(1 / np.abs(np.diff(self.times)).mean())

    @property
    def movement(self) -> NDArray[np.float64]:
        """Mean absolute change of grey in the sector per frame, over the steps before and after it; 0 for a still."""
        if len(self.frames) == 1:
            return np.zeros(1)
        steps = np.abs(np.diff(self.frames[:, self.sector].astype(np.float64), axis=0)).mean(axis=1)
        return (np.append(steps, steps[-1]) + np.append(steps[0], steps)) / 2

    def mask_scores(self, region: NDArray[np.bool_] | None = None) -> _MaskScores:
        """Agreement with a region ``(frames, height, width)``; None takes `roi`. NaN for a map without relevance.

        ``relevance`` and ``rank`` are mass and rank accuracy (Arras et al. 2022), ``pointing`` the pointing game (Zhang
        et al. 2018), with ties counted by their mean; ``area``, the region's share of the sector, is chance for all.
        """
        region = self.roi if region is None else region
        if region is None:
            raise ValueError("this clip has no marked region")
        sector = np.broadcast_to(self.sector, region.shape)
        values, marked = self.relevance[sector].astype(np.float64), region[sector]
        area = float(marked.mean())
        if not values.sum() > 0:
            return _MaskScores(_NAN, area, _NAN, _NAN)
        mass = float(values[marked].sum() / values.sum())
        rank, pointing = (_share_of_highest(values, marked, count) for count in (int(marked.sum()), 1))
        return _MaskScores(mass, area, rank, pointing)

    def by_depth(self, n_bands: int = 8) -> pd.DataFrame:
        """Shares of ``relevance`` and ``area`` in bands of the sector by ``depth`` (middle, 0 at the probe to 1)."""
        rows = np.nonzero(self.sector)[0]
        band = (rows - rows.min()) * n_bands // (np.ptp(rows) + 1)
        mass = self.relevance.sum(axis=0, dtype=np.float64)[self.sector]
        share = np.bincount(band, mass, n_bands) / (mass.sum() if mass.sum() > 0 else np.nan)
        area = np.bincount(band, minlength=n_bands) / len(band)
        return pd.DataFrame({"depth": (np.arange(n_bands) + 0.5) / n_bands, "relevance": share, "area": area})

    def over_time(self) -> pd.DataFrame:
        """Per frame: ``time`` (s), ``relevance`` (share of the clip's; NaN for an empty map), ``movement`` (grey)."""
        mass = self.relevance.sum(axis=(1, 2), dtype=np.float64)
        share = mass / (mass.sum() if mass.sum() > 0 else np.nan)
        return pd.DataFrame({"time": self.times, "relevance": share, "movement": self.movement})

    def heartbeat_lag(self, heart_rate: float) -> float:
        """Lag of relevance behind movement in heartbeats (-0.5 to 0.5), by their first harmonics; NaN without any."""
        curve = self.over_time()
        beats = curve["time"].to_numpy() * heart_rate / 60
        if np.ptp(beats) < 1:
            return _NAN
        relevance, movement = (_phase(beats, curve[name].to_numpy()) for name in ("relevance", "movement"))
        return float((relevance - movement + 0.5) % 1 - 0.5)

    def movement_correlation(self) -> float:
        """Rank correlation between relevance and movement over the frames; NaN where either is constant."""
        curve = self.over_time()
        if curve[["relevance", "movement"]].nunique().min() < 2:
            return _NAN
        return float(stats.spearmanr(curve["relevance"], curve["movement"]).statistic)


def _share_of_highest(values: NDArray, marked: NDArray[np.bool_], count: int) -> float:
    """Share of the `count` highest values that are marked; ties at the border count by their mean."""
    if count == 0:
        return _NAN
    border = np.partition(values, len(values) - count)[len(values) - count]
    above, level = values > border, values == border
    places = count - np.count_nonzero(above)
    return float((np.count_nonzero(marked[above]) + places * marked[level].mean()) / count)


def _phase(beats: NDArray, values: NDArray) -> float:
    """Phase in the beat (0 to 1) at which the first harmonic peaks."""
    if not np.isfinite(values).all() or np.ptp(values) <= 1e-9 * np.abs(values).max():
        return _NAN
    waves = np.column_stack([np.ones_like(beats), np.cos(2 * np.pi * beats), np.sin(2 * np.pi * beats)])
    _, cosine, sine = np.linalg.lstsq(waves, values, rcond=None)[0]
    return float(np.arctan2(sine, cosine) / (2 * np.pi))


def mask_scores_by_patient(
    maps: Mapping[str, Sequence[Explanation]], model: str, stages: Mapping[str, int]
) -> pd.DataFrame:
    """`Explanation.mask_scores` of a net's maps with a marked region, averaged over the videos of each patient.

    Columns: ``patient_id, model, stage, score`` (of the net), and those of the map. `maps` and `stages` are by patient.
    """
    rows = [
        {"patient_id": patient, "model": model, "score": cam.score, **vars(cam.mask_scores())}
        for patient, cams in maps.items()
        for cam in cams
        if cam.roi is not None
    ]
    columns = ["patient_id", "model", "score", *(field.name for field in fields(_MaskScores))]
    table = pd.DataFrame(rows, columns=columns).groupby(["patient_id", "model"], as_index=False).mean()
    table.insert(2, "stage", table["patient_id"].map(stages))
    return table


def attainable_share(region: NDArray[np.bool_], sector: NDArray[np.bool_], grid: tuple[int, int, int]) -> float:
    """Share of relevance on a region for the best map of a coarse grid (times, height, width of `list_layers`)."""
    marked = torch.from_numpy(region & sector).float()
    best = _enlarged(functional.adaptive_avg_pool3d(marked[None], grid), region.shape)[0].double().numpy() * sector
    return float(best[region].sum() / best.sum()) if best.any() else _NAN


def summarise_shares(table: pd.DataFrame, *, seed: int = 0, n_resamples: int = 4000) -> pd.DataFrame:
    """Ratio of a region's share of relevance to its share of the area, from `Explanation.mask_scores` of patients.

    Columns: any of ``region, signal, model, method, layer`` (the groups), ``n`` (patients with any relevance),
    ``empty`` (those without), means of the four scores, and ``ratio`` with ``ratio_low, ratio_high`` (95 %, percentiles
    of resampled patients; NaN below three patients).
    """
    keys = [name for name in ("region", "signal", "model", "method", "layer") if name in table]
    groups = table.groupby(keys, sort=False) if keys else [((), table)]
    rows = [dict(zip(keys, names, strict=True)) | _share_row(rows, seed, n_resamples) for names, rows in groups]
    return pd.DataFrame(rows)


def _share_row(table: pd.DataFrame, seed: int, n_resamples: int) -> dict[str, float]:
    complete = table.dropna(subset=["relevance"])
    means = {name: float(complete[name].mean()) for name in ("relevance", "area", "rank", "pointing")}
    row = {"n": len(complete), "empty": len(table) - len(complete), **means}
    row["ratio"], low, high = _NAN, _NAN, _NAN
    if len(complete) and row["area"] > 0:
        row["ratio"] = row["relevance"] / row["area"]
        samples = complete["relevance"].to_numpy(), complete["area"].to_numpy()
        low, high = _bootstrap_interval(
            samples, lambda top, below, axis: top.mean(axis=axis) / below.mean(axis=axis), seed, n_resamples
        )
    return row | {"ratio_low": low, "ratio_high": high}


def _bootstrap_interval(
    samples: tuple[NDArray, ...], statistic: Callable, seed: int, n_resamples: int = 4000
) -> tuple[float, float]:
    """95 % percentile interval over resampled patients; NaN below three patients. Several samples are paired."""
    if len(samples[0]) < 3:
        return _NAN, _NAN
    options = {"paired": len(samples) > 1, "n_resamples": n_resamples, "method": "percentile"}
    limits = stats.bootstrap(samples, statistic, **options, rng=np.random.default_rng(seed)).confidence_interval
    return float(limits.low), float(limits.high)


@dataclass(frozen=True)
class _PhaseLock:
    n: int
    strength: float  # 0 for lags all around the beat, 1 for equal lags
    lag: float  # mean, heartbeats
    p: float


def phase_locking(lags: Sequence[float]) -> _PhaseLock:
    """Rayleigh test of lags, one per patient; NaN are left out (Zar, *Biostatistical Analysis*, eq. 27.4)."""
    finite = np.asarray([lag for lag in lags if np.isfinite(lag)], dtype=np.float64)
    n = len(finite)
    if n == 0:
        return _PhaseLock(0, _NAN, _NAN, _NAN)
    mean = np.exp(2j * np.pi * finite).mean()
    p = np.exp(np.sqrt(1 + 4 * n + 4 * (n**2 - (n * abs(mean)) ** 2)) - (1 + 2 * n))
    return _PhaseLock(n, float(abs(mean)), float(np.angle(mean) / (2 * np.pi)), float(min(p, 1.0)))
