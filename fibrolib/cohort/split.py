"""Split patients into training, validation and test."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PARTS = ("train", "validation", "test")
"""The parts of the split, as the table's ``split`` column calls them."""

FRACTIONS = (0.70, 0.15, 0.15)
"""Shares of the parts in the study: 7 : 1.5 : 1.5."""


def split_patients(patients: pd.DataFrame, seed: int, fractions: Sequence[float] = FRACTIONS) -> pd.Series:
    """Assign each patient to training, validation or test.

    Totals are exact (110 patients: 77, 16, 17). Of every stage, and of all stages below or above any cut-off, each part
    gets its proportional number rounded down or up. Such a controlled rounding always exists: it is an integer flow
    through a network with integer bounds. One is drawn at random; the order of the rows does not matter.

    Parameters
    ----------
    patients : DataFrame
        One row per patient, indexed by ``patient_id``, with the column ``stage``. A column ``split`` without empty
        cells is obeyed.
    seed : int
        Seed of the random draw.
    fractions : sequence of three floats
        Shares of training, validation and test; they sum to 1.
    """
    given = patients["split"] if "split" in patients else pd.Series(None, index=patients.index, dtype=object)
    if len(patients) and given.notna().all():
        return given.astype(str).rename("split")
    if given.notna().any():
        raise ValueError("the column 'split' is filled in for some patients only")
    rng = np.random.default_rng(seed)
    stages = patients["stage"].sort_index()
    counts = stages.value_counts().sort_index()
    table = _controlled_rounding(counts.to_numpy(), np.array(part_sizes(len(patients), fractions)), rng)
    split = pd.Series(index=patients.index, dtype=object, name="split")
    for stage, row in zip(counts.index, table, strict=True):
        members = rng.permutation(stages.index[stages == stage].to_numpy())
        split[members] = np.repeat(PARTS, row)
    return split.astype(str)


def part_sizes(total: int, fractions: Sequence[float]) -> tuple[int, ...]:
    """How many of `total` patients each part gets: largest remainders, ties to the later part."""
    if len(fractions) != len(PARTS) or min(fractions) < 0 or not math.isclose(sum(fractions), 1):
        raise ValueError(f"expected {len(PARTS)} shares that sum to 1, got {tuple(fractions)}")
    exact = [round(share * total, 9) for share in fractions]  # 0.15 x 20 is 3, not 2.9999...
    sizes = [math.floor(part) for part in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda part: (exact[part] - sizes[part], part), reverse=True)
    for part in by_remainder[: total - sum(sizes)]:
        sizes[part] += 1
    return tuple(sizes)


def _controlled_rounding(counts: NDArray, sizes: NDArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Integers near the proportional table ``counts x sizes / total``; shape (stages, parts).

    Rows sum to `counts`, columns to `sizes`; every cell and every sum of a column's first cells is its exact value
    rounded down or up. A depth-first search, stage by stage, that tries the candidates in random order.
    """
    exact = np.outer(counts, sizes) / counts.sum()
    so_far = np.cumsum(exact, axis=0)
    dead_ends: set[tuple[int, ...]] = set()

    def extend(rows: list[NDArray]) -> list[NDArray] | None:
        depth, taken = len(rows), np.sum(rows, axis=0, dtype=int) if rows else np.zeros(len(sizes), dtype=int)
        if depth == len(counts):
            return rows
        if (depth, *taken) in dead_ends:
            return None
        candidates = [row for row in _roundings(exact[depth]) if row.sum() == counts[depth]]
        for position in rng.permutation(len(candidates)):
            row = candidates[position]
            if np.all(np.abs(taken + row - so_far[depth]) < 1 - 1e-9):
                complete = extend([*rows, row])
                if complete is not None:
                    return complete
        dead_ends.add((depth, *taken))
        return None

    return np.array(extend([]))


def _roundings(exact: NDArray) -> list[NDArray]:
    """Every way to round each number down or up; a whole number stays."""
    options = [{math.floor(value + 1e-9), math.ceil(value - 1e-9)} for value in exact]
    return [np.array(row) for row in itertools.product(*(sorted(option) for option in options))]
