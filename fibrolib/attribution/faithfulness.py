"""Does the score follow the map? Deletion, insertion and ROAD in space-time, beside orders that ignore the map."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fibrolib.attribution.explain import _window_scores
from fibrolib.attribution.maps import Explanation, _bootstrap_interval
from fibrolib.learning import NetClassifier

# Replace the most relevant first by mean grey; insert it first into mean grey (Petsiuk et al. 2018); remove it first
# and impute from neighbours (Rong et al. 2022).
CURVES = ("deletion", "insertion", "ROAD")
# Most relevant first; at random; from the middle of the sector outwards, where an operator puts what matters.
ORDERS = ("relevance", "random", "centre")
_FRACTIONS = (0.0, 0.1, 0.25, 0.5, 0.75)  # of the sector that are changed; below 1, because ROAD imputes from the rest
# Blocks in time, height and width that are removed whole: removing single pixels would measure sensitivity to noise
# (assumption: as fine as the finest default layer of the study's nets).
_GRID = (4, 14, 14)
_COARSEST = 16  # side in pixels below which imputation does not halve an image again
_NOISE = 0.01  # standard deviation of ROAD's noise on imputed values, full scale 1 (Rong et al. 2022)


def _first_scores(estimator: NetClassifier, explanation: Explanation) -> dict[str, float]:
    """Score of a window before anything is removed or inserted, by curve: the same in every order."""
    nothing = np.zeros(explanation.relevance.shape, bool)
    windows = np.stack([_changed(explanation, curve, nothing, 0) for curve in CURVES[:2]])
    whole, empty = _window_scores(estimator, windows, explanation.target)
    return dict(zip(CURVES, (whole, empty, whole), strict=True))


def _faithfulness_curves(
    estimator: NetClassifier,
    explanation: Explanation,
    first: Mapping[str, float],
    orders: Sequence[str] = ORDERS,
    seed: int = 0,
) -> pd.DataFrame:
    """Score of a window while parts of its sector are removed or inserted: ``curve, order, fraction, score``."""
    tables = []
    for curve, order in itertools.product(CURVES, orders):
        ranks = _removal_ranks(explanation, order, seed)
        # One curve at a time: windows of all curves would take hundreds of megabytes.
        windows = np.stack([_changed(explanation, curve, ranks < fraction, seed) for fraction in _FRACTIONS[1:]])
        scores = [first[curve], *_window_scores(estimator, windows, explanation.target)]
        tables.append(pd.DataFrame({"curve": curve, "order": order, "fraction": _FRACTIONS, "score": scores}))
    return pd.concat(tables, ignore_index=True)


def _changed(explanation: Explanation, curve: str, chosen: NDArray[np.bool_], seed: int) -> NDArray[np.float32]:
    frames = explanation.frames.astype(np.float32) / 255.0
    if curve == "ROAD":
        return _impute(frames, explanation.sector, chosen, seed)
    grey = _neutral_grey(frames, explanation.sector)
    return np.where(chosen, grey, frames) if curve == "deletion" else np.where(chosen, frames, grey)


def faithfulness_by_method(
    estimator: NetClassifier, maps: Mapping[tuple[str, str], Explanation], *, seed: int = 0
) -> pd.DataFrame:
    """Scores while parts of the sector are removed or inserted, for maps by patient and method.

    Columns: ``patient_id, method, curve, order, fraction, score``; orders that ignore the map stand in every method.
    """
    tables, uninformed, first = [], {}, {}
    for (patient, method), cam in maps.items():
        if patient not in uninformed:
            first[patient] = _first_scores(estimator, cam)
            uninformed[patient] = _faithfulness_curves(estimator, cam, first[patient], ORDERS[1:], seed)
        informed = _faithfulness_curves(estimator, cam, first[patient], ORDERS[:1], seed)
        tables += [table.assign(patient_id=patient, method=method) for table in (informed, uninformed[patient])]
    return pd.concat(tables, ignore_index=True)


def faithfulness_areas(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean height (``area``) of each curve of `faithfulness_by_method`, over its range of fractions."""
    keys = [name for name in curves.columns if name not in ("fraction", "score")]
    rows = [
        dict(zip(keys, names, strict=True))
        | {"area": float(np.trapezoid(part["score"], part["fraction"]) / np.ptp(part["fraction"]))}
        for names, part in curves.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows)


def summarise_faithfulness(areas: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Advantage of the map's order over orders that ignore it, by model, method and curve of `faithfulness_areas`.

    Columns: the groups, ``rival`` (``random`` or ``centre``), ``n``, ``gain`` (above 0 where the map is the more
    faithful) with ``gain_low, gain_high`` (95 %, percentiles of resampled patients).
    """
    keys = [name for name in ("model", "method", "curve") if name in areas]
    rows = []
    for names, part in areas.groupby(keys, sort=False):
        wide = part.pivot_table(index="patient_id", columns="order", values="area")
        sign = 1 if names[-1] == "insertion" else -1
        for rival in [order for order in wide if order != "relevance"]:
            gain = sign * (wide["relevance"] - wide[rival]).dropna().to_numpy()
            low, high = _bootstrap_interval((gain,), np.mean, seed)
            mean = float(gain.mean()) if len(gain) else float("nan")
            group = dict(zip(keys, names, strict=True))
            rows.append(group | {"rival": rival, "n": len(gain), "gain": mean, "gain_low": low, "gain_high": high})
    return pd.DataFrame(rows)


def _removal_ranks(explanation: Explanation, order: str = "relevance", seed: int = 0) -> NDArray[np.float64]:
    """Share of the sector that is removed before each place's block, ties in random order; 1 outside the sector."""
    shape = explanation.relevance.shape
    cells = [np.arange(side) * min(parts, side) // side for side, parts in zip(shape, _GRID, strict=True)]
    parts = [axis[-1] + 1 for axis in cells]
    block = (cells[0][:, None, None] * parts[1] + cells[1][:, None]) * parts[2] + cells[2]
    sector = np.broadcast_to(explanation.sector, shape)
    size = np.bincount(block[sector], minlength=np.prod(parts))
    value = np.bincount(block[sector], _priority(explanation, order)[sector], len(size)) / np.maximum(size, 1)
    tie = np.random.default_rng(seed).random(len(size))
    first = np.lexsort((tie, -value if order != "random" else tie))
    before = np.empty(len(size))
    before[first] = np.cumsum(size[first]) - size[first]
    return np.where(sector, before[block] / sector.sum(), 1.0)


def _priority(explanation: Explanation, order: str) -> NDArray[np.float64]:
    """Priority of removal per place: higher values are removed first."""
    if order == "relevance":
        return explanation.relevance.astype(np.float64)
    if order == "random":
        return np.zeros(explanation.relevance.shape)
    rows, columns = np.nonzero(explanation.sector)
    down, right = (np.arange(side) for side in explanation.sector.shape)
    distance = np.hypot(down[:, None] - rows.mean(), right - columns.mean())
    return np.broadcast_to(-distance, explanation.relevance.shape)


def _neutral_grey(frames: NDArray[np.float32], sector: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A window without content: its mean grey all over the sector, black outside."""
    return np.broadcast_to(frames[:, sector].mean() * sector, frames.shape).astype(np.float32)


def _impute(
    frames: NDArray[np.float32], sector: NDArray[np.bool_], removed: NDArray[np.bool_], seed: int = 0
) -> NDArray[np.float32]:
    """Impute removed places from their neighbours in space and time, plus a little noise (ROAD, Rong et al. 2022).

    Each becomes the weighted mean of its neighbours in the sector, those across faces counting four times and those
    across edges twice (in an image the weights of ROAD, 2 and 1): a linear system, because neighbours may be removed,
    too. It leaves no outline that a net could read the mask from.
    """
    inside = np.broadcast_to(sector, frames.shape)
    removed, remaining = removed & inside, inside & ~removed
    if not removed.any():
        return frames.copy()
    # All in the same order in memory, which that of a sector repeated for every frame is not by itself.
    parts = (torch.from_numpy(part.astype(np.float32, order="C")) for part in (frames * remaining, remaining, inside))
    noise = _NOISE * np.random.default_rng(seed).standard_normal(frames.shape)
    return np.where(removed, np.clip(_fill(*parts).numpy() + noise, 0, 1), frames).astype(np.float32)


def _fill(values: Tensor, remaining: Tensor, inside: Tensor) -> Tensor:
    """Values of removed places; `remaining` and `inside` (the sector) are 1 or 0, `values` 0 where removed."""
    removed = inside - remaining
    right, start = removed * _sum_of_neighbours(values), removed * _coarse_fill(values, remaining, inside)
    return _conjugate_gradients(_sum_of_neighbours(inside), removed, right, start)


def _coarse_fill(values: Tensor, remaining: Tensor, inside: Tensor) -> Tensor:
    """Initial values from an image of half the side: conjugate gradients converge slowly on coarse structures."""
    height, width = values.shape[-2:]
    if min(height, width) < _COARSEST:
        return (values.sum() / remaining.sum()).expand_as(values)
    halved = [functional.avg_pool2d(part, 2, ceil_mode=True) for part in (values, remaining, inside)]
    half_remaining, half_inside = ((part > 0).float() for part in halved[1:])
    half_values = half_remaining * halved[0] / halved[1].clamp_min(1e-6)
    coarse = half_values + _fill(half_values, half_remaining, half_inside)
    return functional.interpolate(coarse[None], size=(height, width), mode="bilinear")[0]


def _sum_of_neighbours(values: Tensor) -> Tensor:
    """Weighted sum of the neighbours of each place: the weights 1, 2, 1 along all three sides, without the place."""
    # Sums of pairs, twice along each side: ten times faster than a convolution.
    total = functional.pad(values, (1, 1, 1, 1, 1, 1))
    for side in (0, 0, 1, 1, 2, 2):
        length = total.shape[side] - 1
        total = total.narrow(side, 0, length) + total.narrow(side, 1, length)
    return total.sub_(values, alpha=8)


def _conjugate_gradients(weight: Tensor, removed: Tensor, right: Tensor, start: Tensor) -> Tensor:
    """Solve (weight - neighbours) x = right on removed places, preconditioned by the diagonal."""
    inverse = torch.where(removed > 0, 1 / weight.clamp_min(1.0), 1.0)

    def apply(x: Tensor) -> Tensor:
        return (weight * x).sub_(_sum_of_neighbours(x)).mul_(removed)

    def scalar(first: Tensor, second: Tensor) -> float:
        return float(first.ravel() @ second.ravel())

    x = start.clone()
    residual = right - apply(x)
    scaled = residual * inverse
    direction = scaled.clone()
    product, goal = scalar(residual, scaled), 1e-3**2 * scalar(right * inverse, right)
    for _ in range(500):
        if product <= goal:
            break
        image = apply(direction)
        step = product / scalar(direction, image)
        x.add_(direction, alpha=step)
        residual.sub_(image, alpha=step)
        torch.mul(residual, inverse, out=scaled)
        previous, product = product, scalar(residual, scaled)
        direction.mul_(product / previous).add_(scaled)
    return x
