"""P-values of many samples at once are those of each sample alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fibrolib.inference import delong_test
from fibrolib.inference.appraisal.simulated_tests import _delong, _mann_whitney, _ranks, _simulated_test

SIDES = ("two-sided", "greater", "less")


def samples(k: int, m: int, n: int):
    """Scores, shape (20, k, m + n), of which the first m are a little higher."""
    scores = np.random.default_rng(m + n).normal(size=(20, k, m + n))
    scores[..., :m] += np.linspace(1.5, 0.5, k)[:, None]
    return scores


@pytest.mark.parametrize(("sizes", "margin"), [((20, 60), 0.0), ((5, 80), 0.0), ((12, 14), 0.1), ((60, 9), 0.2)])
def test_delong_s_test(sizes, margin):
    m, scores, y = sizes[0], samples(2, *sizes), np.arange(sum(sizes)) < sizes[0]
    assert _simulated_test(2, sizes, margin) is _delong
    for side in SIDES if not margin else ["greater"]:
        alone = [delong_test(y, a, b, alternative=side, margin=margin).pvalue for a, b in scores]
        np.testing.assert_allclose(_delong(_ranks(scores), scores, m, side, margin), alone, rtol=1e-9)


@pytest.mark.parametrize("sizes", [(8, 60), (40, 45), (60, 9), (50, 55)])
def test_the_mann_whitney_test(sizes):
    m, scores = sizes[0], samples(1, *sizes)
    assert _simulated_test(1, sizes, 0.0) is _mann_whitney
    exact = min(sizes) <= 8 or max(sizes) < 50
    for side in SIDES:
        options = {"alternative": side, "method": "exact" if exact else "asymptotic"}
        alone = [stats.mannwhitneyu(each[:m], each[m:], **options).pvalue for (each,) in scores]
        np.testing.assert_allclose(_mann_whitney(_ranks(scores), scores, m, side), alone, rtol=1e-9)
