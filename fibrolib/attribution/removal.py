"""Take a share of a clip away: in which order, and what is put in its place."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fibrolib.attribution.explain import Explanation

__all__ = ["GRID", "ORDERS", "impute", "neutral_grey", "removal_ranks"]

GRID = (4, 14, 14)
"""Blocks in time, height and width that are removed whole. Removing single pixels would measure how a net bears noise
(assumption: as fine as the finest default layer of the study's nets)."""

ORDERS = ("relevance", "random", "centre")
"""Most relevant first; at random; from the middle of the sector outwards, where an operator puts what matters."""

_COARSEST = 16
"""Side in pixels below which a picture is not halved again to begin the filling in."""

_NOISE = 0.01
"""Standard deviation of the noise that ROAD adds to what it fills in, full scale 1 (Rong et al. 2022)."""


def removal_ranks(
    explanation: Explanation, order: str = "relevance", seed: int = 0, grid: tuple[int, int, int] = GRID
) -> NDArray[np.float64]:
    """When each place of a clip is removed.

    Parameters
    ----------
    explanation : Explanation
        The map, and its sector.
    order : str
        One of `ORDERS`.
    seed : int
        Of the random order, and of the order among equals.
    grid : tuple of int
        Blocks in time, height and width.

    Returns
    -------
    ndarray, shape (frames, height, width)
        Share of the sector that is removed before the place's block; 1 outside the sector, which is never removed.
    """
    shape = explanation.relevance.shape
    cells = [np.arange(side) * min(parts, side) // side for side, parts in zip(shape, grid, strict=True)]
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
    """The higher, the sooner removed."""
    if order == "relevance":
        return explanation.relevance.astype(np.float64)
    if order == "random":
        return np.zeros(explanation.relevance.shape)
    if order != "centre":
        raise ValueError(f"unknown order '{order}', choose one of {', '.join(ORDERS)}")
    rows, columns = np.nonzero(explanation.sector)
    down, right = (np.arange(side) for side in explanation.sector.shape)
    away = np.hypot(down[:, None] - rows.mean(), right - columns.mean())
    return np.broadcast_to(-away, explanation.relevance.shape)


def neutral_grey(frames: NDArray[np.float32], sector: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A window that says nothing: its own mean grey all over the sector, black outside; shape as `frames`."""
    return np.broadcast_to(frames[:, sector].mean() * sector, frames.shape).astype(np.float32)


def impute(
    frames: NDArray[np.float32], sector: NDArray[np.bool_], removed: NDArray[np.bool_], seed: int = 0
) -> NDArray[np.float32]:
    """Fill in removed places from their neighbours in space and time, plus a little noise (ROAD, Rong et al. 2022).

    Every removed place becomes the weighted mean of its 18 nearest neighbours in the sector, the six across faces
    counting twice; the neighbours' own values may be unknown, so a linear system is solved (conjugate gradients).
    Unlike a constant, this leaves no outline that a net could read the mask from.

    Parameters
    ----------
    frames : ndarray of float32, shape (frames, height, width)
        In [0, 1].
    sector : ndarray of bool, shape (height, width)
        Places outside are nobody's neighbours.
    removed : ndarray of bool, shape (frames, height, width)
        Places to fill in; some of the sector must remain.
    seed : int
        Of the noise.

    Returns
    -------
    ndarray of float32, shape (frames, height, width)

    Raises
    ------
    ValueError
        If nothing of the sector remains.
    """
    inside = np.broadcast_to(sector, frames.shape)
    removed, kept = removed & inside, inside & ~removed
    if not kept.any():
        raise ValueError("nothing of the sector is left to fill in from")
    if not removed.any():
        return frames.copy()
    filled = _fill(*(torch.from_numpy(part.astype(np.float32)) for part in (frames * kept, kept, inside))).numpy()
    noise = _NOISE * np.random.default_rng(seed).standard_normal(frames.shape)
    return np.where(removed, np.clip(filled + noise, 0, 1), frames).astype(np.float32)


def _fill(known: Tensor, kept: Tensor, inside: Tensor) -> Tensor:
    """Values of unknown places; the other arguments are 1 where a place is kept, or in the sector, else 0."""
    unknown = inside - kept
    right, start = unknown * _sum_of_neighbours(known), unknown * _first_guess(known, kept, inside)
    return _solve(_sum_of_neighbours(inside), unknown, right, start)


def _first_guess(known: Tensor, kept: Tensor, inside: Tensor) -> Tensor:
    """Values to begin with: those of a picture of half the side, filled in likewise; the mean of a small one.

    Conjugate gradients settle the fine grain in a few steps, and what is larger than it slowly.
    """
    height, width = known.shape[-2:]
    if min(height, width) < _COARSEST:
        return (known.sum() / kept.sum()).expand_as(known)
    halved = [functional.avg_pool2d(part, 2, ceil_mode=True) for part in (known, kept, inside)]
    seen = (halved[1] > 0).float()
    values = seen * halved[0] / halved[1].clamp_min(1e-6)
    within = (halved[2] > 0).float()
    coarse = values + _fill(values, seen, within)
    return functional.interpolate(coarse[None], size=(height, width), mode="bilinear")[0]


def _sum_of_neighbours(values: Tensor) -> Tensor:
    """The 18 neighbours of each place, those across faces counted twice.

    They lie in the three planes through the place, those across faces in two of them; the place itself in all three. A
    plane is summed along one side and then the other, which is ten times faster than a convolution.
    """
    along_time, along_rows = _three(values, 0), _three(values, 1)
    return _three(along_time, 1) + _three(along_time, 2) + _three(along_rows, 2) - 3 * values


def _three(values: Tensor, side: int) -> Tensor:
    """Each place and its two neighbours along one side, summed."""
    total, inner = values.clone(), values.shape[side] - 1
    total.narrow(side, 1, inner).add_(values.narrow(side, 0, inner))
    total.narrow(side, 0, inner).add_(values.narrow(side, 1, inner))
    return total


def _solve(weight: Tensor, unknown: Tensor, right: Tensor, start: Tensor, tolerance: float = 1e-3) -> Tensor:
    """Conjugate gradients, preconditioned by the diagonal, of (weight - neighbours) x = right on unknown places."""
    scale = torch.where(unknown > 0, weight.clamp_min(1.0), 1.0)

    def apply(x: Tensor) -> Tensor:
        return unknown * (weight * x - _sum_of_neighbours(x))

    x = start
    residual = right - apply(x)
    direction = residual / scale
    product, goal = (residual * direction).sum(), tolerance**2 * (right / scale * right).sum()
    for _ in range(500):
        if product <= goal:
            break
        image = apply(direction)
        step = product / (direction * image).sum()
        x, residual = x + step * direction, residual - step * image
        previous, product = product, (residual * residual / scale).sum()
        direction = residual / scale + (product / previous) * direction
    return x
