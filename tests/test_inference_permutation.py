"""The permutation tests against a count of every exchange."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fibrolib.inference import InferenceError, delong_test, permutation, permutation_test

Y_EIGHT = np.array([1, 1, 1, 1, 0, 0, 0, 0])


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
    a, b = (2 * (shift * Y_EIGHT + rng.normal(size=8)).round(decimals) for shift in (1.5, 0.2))
    found = permutation_test(Y_EIGHT, a, b)
    assert found.note == ""
    assert found.pvalue == pytest.approx(every_exchange(Y_EIGHT, a, b), abs=1e-12)
    assert found.difference == pytest.approx(area(Y_EIGHT, a) - area(Y_EIGHT, b), abs=1e-12)
    assert found.n == 8


@pytest.mark.parametrize("alternative", ["greater", "less"])
@pytest.mark.parametrize("seed", range(3))
def test_one_sided_p_is_counted_over_every_exchange(seed, alternative):
    rng = np.random.default_rng(seed)
    a, b = (shift * Y_EIGHT + rng.normal(size=8) for shift in (1.5, 0.2))
    sign, ranks = {"greater": 1, "less": -1}[alternative], np.stack([stats.rankdata(a), stats.rankdata(b)])
    gaps = [
        sign * (area(Y_EIGHT, np.where(order, *ranks)) - area(Y_EIGHT, np.where(order, *ranks[::-1])))
        for order in product([True, False], repeat=8)
    ]
    expected = np.mean(np.array(gaps) >= gaps[0] - 1e-12)
    assert permutation_test(Y_EIGHT, a, b, alternative=alternative).pvalue == pytest.approx(expected)


def test_its_interval_holds_what_a_shift_would_not_reject():
    rng = np.random.default_rng(4)
    a, b = (2 * shift * Y_EIGHT + rng.normal(size=8) for shift in (1.5, 0.2))
    found = permutation_test(Y_EIGHT, a, b)
    ranks = np.stack([stats.rankdata(a), stats.rankdata(b)])
    gaps = np.abs(
        [
            area(Y_EIGHT, np.where(order, *ranks)) - area(Y_EIGHT, np.where(order, *ranks[::-1]))
            for order in product([True, False], repeat=8)
        ]
    )
    reach = max(gap for gap in gaps if np.mean(gaps >= gap - 1e-12) > 0.05)
    assert found.high == pytest.approx(min(1, found.difference + reach))
    assert found.low == pytest.approx(max(-1, found.difference - reach))


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("seed", range(3))
def test_delongs_statistic_is_exchanged_too(seed, alternative):
    """The default p of a small balanced sample: the larger one of the difference and of DeLong's statistic."""
    rng = np.random.default_rng(seed)
    a, b = (shift * Y_EIGHT + rng.normal(size=8) for shift in (1.5, 0.2))
    side = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}[alternative]
    ranks, t = np.stack([stats.rankdata(a), stats.rankdata(b)]), []
    for order in product([True, False], repeat=8):
        scores = np.where(order, *ranks), np.where(order, *ranks[::-1])
        found = delong_test(Y_EIGHT, *scores, method="proc")
        flat = found.standard_error < 1e-7
        t.append(1e9 * np.sign(found.difference) if flat else found.statistic)
    studentised = float(np.mean(side(np.array(t)) >= side(t[0]) - 1e-9))
    plain = permutation_test(Y_EIGHT, a, b, alternative=alternative).pvalue
    assert delong_test(Y_EIGHT, a, b, alternative=alternative).pvalue == pytest.approx(max(plain, studentised))


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_drawn_exchanges_hang_neither_on_the_order_of_patients_nor_on_that_of_scores(alternative):
    rng = np.random.default_rng(3)
    y = np.arange(24) % 2
    a, b = (np.round(shift * y + rng.normal(size=24)) for shift in (1.2, 0.4))  # with patients (1, 0) and (0, 1)
    first = delong_test(y, a, b, alternative=alternative).pvalue
    for _ in range(5):
        order = rng.permutation(24)
        assert delong_test(y[order], a[order], b[order], alternative=alternative).pvalue == first
    other = {"greater": "less"}.get(alternative, alternative)
    assert delong_test(y, b, a, alternative=other).pvalue == pytest.approx(first)


def test_a_sample_of_exchanges_is_near_all_of_them(monkeypatch):
    rng = np.random.default_rng(5)
    y = np.arange(16) % 2
    a, b = (shift * y + rng.normal(size=16) for shift in (1.5, 0.2))
    exact = delong_test(y, a, b).pvalue
    monkeypatch.setattr("fibrolib.inference.permutation._MOST_ENUMERATED", 0)
    assert delong_test(y, a, b).pvalue == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 5000))


eight_scores = st.lists(st.integers(-4, 4), min_size=8, max_size=8).map(np.array)


@settings(max_examples=40)
@given(eight_scores, eight_scores)
def test_it_is_symmetric_and_knows_ranks_only(a, b):
    found = permutation_test(Y_EIGHT, a, b)
    assert 0 < found.pvalue <= 1
    assert permutation_test(Y_EIGHT, b, a).pvalue == pytest.approx(found.pvalue)
    assert permutation_test(Y_EIGHT, np.exp(a / 2), 1e9 * b).pvalue == pytest.approx(found.pvalue)
    assert permutation_test(1 - Y_EIGHT, -a, -b).pvalue == pytest.approx(found.pvalue)
    assert permutation_test(Y_EIGHT, a, a).pvalue == 1
    assert found.difference == pytest.approx(delong_test(Y_EIGHT, a, b).difference)


def test_two_flawless_scores_in_opposite_directions_can_be_tested():
    # DeLong's variance is zero here. All eight exchanged or none: 2 of 2^8.
    assert permutation_test(Y_EIGHT, Y_EIGHT, 1 - Y_EIGHT).pvalue == pytest.approx(2 / 2**8)


def test_many_patients_are_taken_for_normal_and_agree(monkeypatch):
    rng = np.random.default_rng(5)
    y = np.repeat([1, 0], (60, 90))
    shared = rng.normal(size=150)
    a, b = (shift * y + shared + rng.normal(size=150) for shift in (1.3, 1.0))
    exact = permutation_test(y, a, b)
    monkeypatch.setattr(permutation, "_MOST_STEPS", 10)
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
        rejected += [permutation_test(y, a, b).pvalue <= 0.05, delong_test(y, a, b, method="t").pvalue <= 0.05]
    # Binomial (200, 0.05) stays below 22 with probability 0.9995.
    assert rejected[1] < rejected[0] < 22


@pytest.mark.parametrize(
    ("y", "message"),
    [(np.ones(8), "both classes"), (Y_EIGHT[:5], "8 entries for 5")],
)
def test_what_cannot_be_permuted_is_refused(y, message):
    with pytest.raises(InferenceError, match=message):
        permutation_test(y, np.arange(8.0), np.arange(8.0))
