"""Split patients into training, validation and test."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PARTS = ("train", "validation", "test")
"""The parts of the split, as the table's ``split`` column calls them."""

_FRACTIONS = (0.70, 0.15, 0.15)


def split_patients(patients: pd.DataFrame, seed: int) -> pd.Series:
    """Assign each patient to training, validation or test, in shares of 7 : 1.5 : 1.5.

    Totals are exact (110 patients: 77, 16, 17). Of every stage, and of all stages below or above any cut-off, each part
    gets its proportional number rounded down or up. Such a controlled rounding always exists: it is an integer flow
    through a network with integer bounds. One is drawn at random by `seed`; the order of the rows does not matter.

    Parameters
    ----------
    patients : DataFrame
        One row per patient, indexed by ``patient_id``, with ``stage``; a full column ``split`` is obeyed.
    """
    given = patients["split"] if "split" in patients else pd.Series(None, index=patients.index, dtype=object)
    if len(patients) and given.notna().all():
        return given.astype(str).rename("split")
    if given.notna().any():
        raise ValueError("the column 'split' is filled in for some patients only")
    rng = np.random.default_rng(seed)
    stages = patients["stage"].sort_index()
    counts = stages.value_counts().sort_index()
    table = _controlled_rounding(counts.to_numpy(), np.array(part_sizes(len(patients))), rng)
    split = pd.Series(index=patients.index, dtype=object, name="split")
    for stage, row in zip(counts.index, table, strict=True):
        members = rng.permutation(stages.index[stages == stage].to_numpy())
        split[members] = np.repeat(PARTS, row)
    return split.astype(str)


def part_sizes(total: int) -> tuple[int, ...]:
    """How many of `total` patients each part gets: largest remainders, ties to the later part."""
    exact = [round(share * total, 9) for share in _FRACTIONS]  # 0.15 x 20 is 3, not 2.9999...
    sizes = [math.floor(part) for part in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda part: (exact[part] - sizes[part], part), reverse=True)
    for part in by_remainder[: total - sum(sizes)]:
        sizes[part] += 1
    return tuple(sizes)


def _controlled_rounding(counts: NDArray, sizes: NDArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Integers, shape (stages, parts), near ``counts x sizes / total``, by a depth-first search in random order.

    Rows sum to `counts`, columns to `sizes`; every cell and sum of a column's first cells is rounded down or up.
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
        # Every way to round each number down or up; a whole number stays.
        options = [sorted({math.floor(value + 1e-9), math.ceil(value - 1e-9)}) for value in exact[depth]]
        candidates = [np.array(row) for row in itertools.product(*options) if sum(row) == counts[depth]]
        for row in [candidates[position] for position in rng.permutation(len(candidates))]:
            if np.all(np.abs(taken + row - so_far[depth]) < 1 - 1e-9):
                complete = extend([*rows, row])
                if complete is not None:
                    return complete
        dead_ends.add((depth, *taken))
        return None

    return np.array(extend([]))
