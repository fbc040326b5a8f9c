"""Rates joined from both classes: their coverage, exact over all samples."""

import numpy as np
import pytest
from scipy import stats

from fibrolib.clinical.rates import _rate, _rate_difference
from fibrolib.inference import wilson


def test_a_rate_of_one_class_is_wilsons():
    positive, event = np.repeat([True, False], (20, 30)), np.arange(50) < 5
    found = wilson(5, 20)
    assert _rate(positive, event, (1.0, 0.0), 0.95) == pytest.approx((found.value, found.low, found.high))
    per_mille = _rate(positive, event, (100.0, 0.0), 0.95)
    assert per_mille == pytest.approx((25, 100 * found.low, 100 * found.high))


def test_coverage_over_all_samples():
    m, n, p, q, weights = 12, 25, 0.15, 0.7, (0.2, 0.8)
    positive, truth, covered = np.repeat([True, False], (m, n)), 0.2 * p + 0.8 * q, 0.0
    for a in range(m + 1):
        for b in range(n + 1):
            event = np.concatenate((np.arange(m) < a, np.arange(n) < b))
            _, low, high = _rate(positive, event, weights, 0.95)
            covered += stats.binom.pmf(a, m, p) * stats.binom.pmf(b, n, q) * (low <= truth <= high)
    assert 0.94 <= covered <= 0.98


def test_a_difference_changes_sign_with_its_order_and_its_weights():
    positive = np.repeat([True, False], (20, 30))
    a, b = np.arange(50) % 3 == 0, np.arange(50) % 2 == 0
    value, low, high = _rate_difference(positive, a, b, (0.4, -0.6), 0.95)
    assert value == pytest.approx(0.4 * (7 - 10) / 20 - 0.6 * (10 - 15) / 30)
    assert low < value < high
    assert _rate_difference(positive, b, a, (0.4, -0.6), 0.95) == pytest.approx((-value, -high, -low))
