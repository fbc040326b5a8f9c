"""The exchange test against every single exchange, and where its level and DeLong's differ."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fibrolib.inference import InferenceError, comparisons, delong_test, permutation_test

Y = np.array([1, 1, 1, 1, 0, 0, 0, 0])


def area(y: np.ndarray, score: np.ndarray) -> float:
    """Over all pairs, as it is defined."""
    return float(np.mean((np.sign(score[y == 1][:, None] - score[y == 0]) + 1) / 2))


def every_exchange(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Share of all exchanges of ranks that move the areas at least as far apart."""
    ranks = np.stack([stats.rankdata(a), stats.rankdata(b)])

    def gap(order: np.ndarray) -> float:
        one, two = (np.where(order, ranks[side], ranks[1 - side]) for side in (0, 1))
        return abs(area(y, one) - area(y, two))

    gaps = np.array([gap(np.array(order)) for order in product([True, False], repeat=len(y))])
    return float(np.mean(gaps >= gaps[0] - 1e-12))


@pytest.mark.parametrize("decimals", [6, 0])
@pytest.mark.parametrize("seed", range(3))
def test_p_is_counted_over_every_exchange(seed, decimals):
    rng = np.random.default_rng(seed)
    a, b = (2 * (shift * Y + rng.normal(size=8)).round(decimals) for shift in (1.5, 0.2))
    found = permutation_test(Y, a, b)
    assert found.note == ""
    assert found.pvalue == pytest.approx(every_exchange(Y, a, b), abs=1e-12)
    assert found.difference == pytest.approx(area(Y, a) - area(Y, b), abs=1e-12)
    assert found.n == 8


scores = st.lists(st.integers(-4, 4), min_size=8, max_size=8).map(np.array)


@settings(max_examples=40)
@given(scores, scores)
def test_it_is_symmetric_and_knows_ranks_only(a, b):
    found = permutation_test(Y, a, b)
    assert 0 < found.pvalue <= 1
    assert permutation_test(Y, b, a).pvalue == pytest.approx(found.pvalue)
    assert permutation_test(Y, np.exp(a / 2), 1e9 * b).pvalue == pytest.approx(found.pvalue)
    assert permutation_test(1 - Y, -a, -b).pvalue == pytest.approx(found.pvalue)
    assert permutation_test(Y, a, a).pvalue == 1
    assert found.difference == pytest.approx(delong_test(Y, a, b).difference)


def test_two_flawless_scores_in_opposite_directions_can_be_tested():
    # DeLong's variance is zero here. All eight exchanged or none: 2 of 2^8.
    assert permutation_test(Y, Y, 1 - Y).pvalue == pytest.approx(2 / 2**8)


def test_many_patients_are_taken_for_normal_and_agree(monkeypatch):
    rng = np.random.default_rng(5)
    y = np.repeat([1, 0], (60, 90))
    shared = rng.normal(size=150)
    a, b = (shift * y + shared + rng.normal(size=150) for shift in (1.3, 1.0))
    exact = permutation_test(y, a, b)
    monkeypatch.setattr(comparisons, "_MOST_STEPS", 10)
    normal = permutation_test(y, a, b)
    assert (exact.note, "taken as normal" in normal.note) == ("", True)
    assert 0.01 < exact.pvalue < 0.5
    assert normal.pvalue == pytest.approx(exact.pvalue, abs=0.005)


def test_it_keeps_its_level_where_delongs_is_over_careful():
    rng = np.random.default_rng(2)
    y = np.repeat([1, 0], 15)
    rejected = np.zeros(2)
    for _ in range(200):
        shared = np.sqrt(0.8) * rng.normal(size=30)
        a, b = (1.47 * y + shared + np.sqrt(0.2) * rng.normal(size=30) for _ in range(2))
        rejected += [permutation_test(y, a, b).pvalue <= 0.05, delong_test(y, a, b).pvalue <= 0.05]
    # Binomial (200, 0.05) stays below 22 with probability 0.9995.
    assert rejected[1] < rejected[0] < 22


@pytest.mark.parametrize(
    ("y", "message"),
    [(np.ones(8), "both classes"), (Y[:5], "8 entries for 5")],
)
def test_what_cannot_be_permuted_is_refused(y, message):
    with pytest.raises(InferenceError, match=message):
        permutation_test(y, np.arange(8.0), np.arange(8.0))
