"""How many patients of the other class each patient's score beats: the kernel under every AUC of this room.

With the pooled scores sorted once, all structural components of DeLong come in O(n log n) time and O(n) memory (Sun &
Xu, IEEE Signal Process Lett 2014;21:1389). Counts are kept doubled, as integers, so ties (halves) are exact and neither
the product of the class sizes nor a float32 is ever formed. Steps work in place where they can: at a million patients
fresh memory costs as much as the sorting.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_under", "component_covariance", "doubled_placements"]

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def doubled_placements(positive: Booleans, score: Floats) -> Integers:
    """Twice the number of patients of the other class that each patient is ranked rightly against.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Truth.
    score : ndarray of float64, shape (n,)
        Finite scores; higher means more likely diseased.

    Returns
    -------
    ndarray of int64, shape (n,)
        For a case twice the controls below it, for a control twice the cases above it, plus one for each tie.
    """
    order, tied = _sorted_order(score)
    placed = np.empty(len(score), dtype=np.int64)
    is_case = positive[order]
    # The j-th case (from 0) at place p of the pooled order has p - j controls below it ...
    place = np.flatnonzero(is_case)
    n_cases, who = len(place), order[place]
    place -= np.arange(n_cases)
    place *= 2
    placed[who] = place
    # ... and the j-th control at place p has p - j cases below it.
    place = np.flatnonzero(~is_case)
    who = order[place]
    place -= np.arange(len(place))
    np.subtract(n_cases, place, out=place)
    place *= 2
    placed[who] = place
    if tied.size:
        _share_ties(placed, order, tied, positive)
    return placed


def _sorted_order(score: Floats) -> tuple[Integers, Integers]:
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


def _with_next(places: Integers, n: int) -> Integers:
    """The places given and those that follow them, each once."""
    marked = np.zeros(n, dtype=bool)
    marked[places] = True
    marked[places + 1] = True
    return np.flatnonzero(marked)


def _share_ties(placed: Integers, order: Integers, tied: Integers, positive: Booleans) -> None:
    """Give patients with equal scores what their midrank is worth, in place."""
    opens = np.flatnonzero(np.diff(tied, prepend=-2) > 1)
    first = tied[opens]
    size = np.diff(opens, append=len(tied)) + 1
    case_places = np.flatnonzero(positive[order])
    # Doubled midranks: (those before the group) + (those through its end), among cases and among all.
    cases_twice = np.searchsorted(case_places, first) + np.searchsorted(case_places, first + size)
    for_case, for_control = 2 * first + size - cases_twice, 2 * len(case_places) - cases_twice
    who = order[_with_next(tied, len(order))]
    placed[who] = np.where(positive[who], np.repeat(for_case, size), np.repeat(for_control, size))


def area_under(placed: Integers, n_positive: int) -> float:
    """Area under the ROC curve from doubled placements, correctly rounded.

    Parameters
    ----------
    placed : ndarray of int64, shape (n,)
        As :func:`doubled_placements` gives them.
    n_positive : int
        Number of cases among them.

    Returns
    -------
    float
    """
    # Cases and controls hold the same sum, so there is no need to tell them apart. Python integers: always exact.
    return int(placed.sum()) / (4 * n_positive * (len(placed) - n_positive))


def component_covariance(positive: Booleans, *placed: Integers) -> Floats:
    """DeLong's covariance of k areas.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Truth; at least two patients in each class.
    *placed : ndarray of int64, shape (n,)
        Doubled placements of each of k scores (or differences of such arrays).

    Returns
    -------
    ndarray of float64, shape (k, k)
    """
    total = np.zeros((len(placed), len(placed)))
    for own in (np.flatnonzero(positive), np.flatnonzero(~positive)):
        size, other = len(own), len(positive) - len(own)
        components = [_centred(column[own]) for column in placed]
        sums = [[np.sum(one * two) for two in components] for one in components]
        total += np.array(sums) / (4.0 * other**2 * (size - 1) * size)
    return total


def _centred(values: Integers) -> Floats:
    return values - values.mean()
