"""How many patients of the other class each patient's score beats: the kernel under every AUC of this room.

With the pooled scores sorted once, all structural components of DeLong come in O(n log n) time and O(n) memory (Sun &
Xu, IEEE Signal Process Lett 2014;21:1389). Counts are kept doubled, as integers, so ties (halves) are exact and neither
the product of the class sizes nor a float32 is ever formed. Work is done in place and in sorted order where it can be:
at a million patients fresh memory and random access cost more than the sorting.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ranked", "area_under", "component_covariance", "doubled_placements", "paired_differences", "ranked"]

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.integer]


class Ranked(NamedTuple):
    """Patients in rising order of a score.

    Parameters
    ----------
    order : ndarray of int64, shape (n,)
        Position of each patient in the caller's order.
    is_case : ndarray of bool, shape (n,)
        Truth, in rising order of the score.
    placed : ndarray of int, shape (n,)
        Doubled placements, in rising order of the score.
    """

    order: NDArray[np.int64]
    is_case: Booleans
    placed: Integers


def ranked(positive: Booleans, score: Floats) -> Ranked:
    """Sort patients by score and place each among the other class.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Truth.
    score : ndarray of float64, shape (n,)
        Finite scores; higher means more likely diseased.

    Returns
    -------
    Ranked
        Placements are, for a case, twice the controls below it, and for a control twice the cases above it, plus one
        for each tie.
    """
    order, tied = _sorted_order(score)
    is_case = positive.take(order)
    through = np.cumsum(is_case, dtype=_integer(len(score)))
    n_cases = int(through[-1])
    # With c cases up to and including place p, a control there has n_cases - c cases above it, and a case has
    # p + 1 - c controls below it: the same plus p + 1 - n_cases.
    placed = np.subtract(n_cases, through, out=through)
    further = np.arange(1 - n_cases, len(score) + 1 - n_cases, dtype=placed.dtype)
    further *= is_case
    placed += further
    placed *= 2
    if tied.size:
        _share_ties(placed, is_case, tied, n_cases)
    return Ranked(order, is_case, placed)


def _integer(n: int) -> type[np.integer]:
    """Narrowest type that holds twice the number of patients: half the memory is half the time."""
    return np.int32 if n < 2**30 else np.int64


def _sorted_order(score: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in sorted order, and the places p whose score equals the one at p + 1.

    ``numpy.sort`` is several times faster than ``numpy.argsort``. So each position is written over the last bits of
    its own score, the result is sorted by value, and the few scores too close to keep their order are put right.
    """
    n = len(score)
    mask = (1 << (n - 1).bit_length()) - 1
    # Adding zero turns -0.0 into 0.0: they are equal, but their bits are not.
    key = (score + 0.0).view(np.int64)
    key &= ~mask
    key |= np.arange(n)
    key.view(np.float64).sort()
    order = key & mask
    key ^= order
    close = np.flatnonzero(key[1:] == key[:-1])
    if close.size:
        member = _with_next(close, n)
        among = order[member]
        order[member] = among[np.argsort(score[among])]
    return order, close[score[order[close]] == score[order[close + 1]]]


def _with_next(places: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The places given and those that follow them, each once."""
    marked = np.zeros(n, dtype=bool)
    marked[places] = True
    marked[places + 1] = True
    return np.flatnonzero(marked)


def _share_ties(placed: Integers, is_case: Booleans, tied: NDArray[np.int64], n_cases: int) -> None:
    """Give patients with equal scores what their midrank is worth, in place."""
    opens = np.flatnonzero(np.diff(tied, prepend=-2) > 1)
    first = tied[opens]
    size = np.diff(opens, append=len(tied)) + 1
    case_places = np.flatnonzero(is_case)
    # Doubled midranks: (those before the group) + (those through its end), among cases and among all.
    cases_twice = np.searchsorted(case_places, first) + np.searchsorted(case_places, first + size)
    for_case, for_control = 2 * first + size - cases_twice, 2 * n_cases - cases_twice
    member = _with_next(tied, len(placed))
    placed[member] = np.where(is_case[member], np.repeat(for_case, size), np.repeat(for_control, size))


def doubled_placements(positive: Booleans, score: Floats) -> Integers:
    """Twice the number of patients of the other class that each patient is ranked rightly against.

    Parameters
    ----------
    positive, score
        As in :func:`ranked`.

    Returns
    -------
    ndarray of int, shape (n,)
        In the order of `score`: for a case twice the controls below it, for a control twice the cases above it, plus
        one for each tie.
    """
    return _in_order(ranked(positive, score))


def _in_order(ranks: Ranked) -> Integers:
    placed = np.empty_like(ranks.placed)
    placed[ranks.order] = ranks.placed
    return placed


def paired_differences(one: Ranked, two: Ranked) -> Integers:
    """Doubled placements by one score minus those by another, for the same patients.

    Parameters
    ----------
    one, two : Ranked
        The same patients by two scores.

    Returns
    -------
    ndarray of int, shape (n,)
        In rising order of the second score, as ``two.is_case`` is: the caller's own order is never needed.
    """
    difference = _in_order(one).take(two.order)
    difference -= two.placed
    return difference


def area_under(placed: Integers, n_positive: int) -> float:
    """Area under the ROC curve from doubled placements, correctly rounded.

    Parameters
    ----------
    placed : ndarray of int, shape (n,)
        Doubled placements, in any order.
    n_positive : int
        Number of cases among them.

    Returns
    -------
    float
    """
    # Cases and controls hold the same sum, so there is no need to tell them apart. Python integers: always exact.
    return int(placed.sum(dtype=np.int64)) / (4 * n_positive * (len(placed) - n_positive))


def component_covariance(positive: Booleans, *placed: Integers) -> Floats:
    """DeLong's covariance of k areas.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Truth; at least two patients in each class.
    *placed : ndarray of int, shape (n,)
        Doubled placements of each of k scores (or differences of such arrays), in the order of `positive`.

    Returns
    -------
    ndarray of float64, shape (k, k)
    """
    is_case = positive.astype(np.float64)
    m, n = int(np.count_nonzero(positive)), len(positive)
    centred = [_centred(column, is_case, m) for column in placed]
    total = np.zeros((len(placed), len(placed)))
    for i, one in enumerate(centred):
        for j, two in enumerate(centred[: i + 1]):
            products = one * two
            of_cases = float(products @ is_case)
            of_controls = float(products.sum()) - of_cases
            share = of_cases / (4.0 * (n - m) ** 2 * (m - 1) * m)
            total[i, j] = total[j, i] = share + of_controls / (4.0 * m**2 * (n - m - 1) * (n - m))
    return total


def _centred(values: Integers, is_case: Floats, m: int) -> Floats:
    """Values less the mean of their own class (multiplying by 0 and 1 is faster than picking the members)."""
    centred = values.astype(np.float64)
    of_cases, of_all = float(centred @ is_case), int(values.sum(dtype=np.int64))
    case_mean, control_mean = of_cases / m, (of_all - of_cases) / (len(values) - m)
    centred -= control_mean
    centred -= (case_mean - control_mean) * is_case
    return centred
