"""Trainings as readers: against a published reader study, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fibrolib.inference import InferenceError, auc, compare_trainings, delong_test
from fibrolib.inference.trainings import _training_error


def test_numbers_of_a_published_reader_study():
    """Van Dyke's five readers (114 patients) by OR-DBM MRMC 2.51 of Hillis' group: areas and covariances go in."""
    areas = np.array(
        [
            [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
            [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
        ]
    )
    own, others = np.eye(5), 1 - np.eye(5)
    same, crossed = 0.00080229 * own + 0.00034407 * others, 0.00034661 * own + 0.00023903 * others
    error, df = _training_error(areas, np.block([[same, crossed], [crossed, same]]))
    difference = np.subtract(*areas.mean(axis=1))
    assert (error, df) == pytest.approx((0.02075, 15.26), rel=5e-4)
    assert 2 * stats.t.sf(abs(difference) / error, df) == pytest.approx(0.0517, abs=5e-5)
    limits = difference + np.array([-1, 1]) * stats.t.ppf(0.975, df) * error
    assert limits == pytest.approx([-0.08796, 0.00036], abs=1e-5)


def drawn(rng: np.random.Generator, y: np.ndarray, k: int, spread: float):
    """Two kinds of model of one true mean area; trainings differ by `spread`, patients are shared."""
    shared = rng.normal(size=len(y))
    return [
        [(1.5 + spread * rng.normal()) * y + 0.8 * shared + 0.6 * rng.normal(size=len(y)) for _ in range(k)]
        for _ in range(2)
    ]


@pytest.mark.parametrize(("k", "spread"), [(3, 0.3), (5, 0.3), (4, 0.0)])
def test_level_and_coverage(k, spread):
    rng, y, rejected, covered = np.random.default_rng(k), np.repeat([1, 0], (40, 120)), np.zeros(2), 0
    for _ in range(300):
        a, b = drawn(rng, y, k, spread)
        found = compare_trainings(y, a, b)
        covered += found.low <= 0 <= found.high
        rejected += [found.pvalue < 0.05, delong_test(y, a[0], b[0]).pvalue < 0.05]
    # Binomial (300, 0.05) stays below 27 with probability 0.998; a test of one training takes its chance for an effect.
    assert rejected[0] < 27
    assert covered / 300 > 0.91
    assert spread == 0 or rejected[1] > 40


def test_values_are_means_over_trainings():
    rng, y = np.random.default_rng(0), np.repeat([1, 0], (12, 15))
    a, b = drawn(rng, y, 3, 0.3)
    found = compare_trainings(y, np.column_stack(a), b)
    assert found.value_a == pytest.approx(np.mean([auc(y, each) for each in a]))
    assert found == compare_trainings(y, a, np.column_stack(b))
    assert found.pvalue == pytest.approx(
        2 * min(compare_trainings(y, a, b, alternative=side).pvalue for side in ("greater", "less"))
    )
    same = compare_trainings(y, a, a)
    assert (same.difference, same.pvalue) == (0, 1)
    with pytest.raises(InferenceError, match="3 trainings against 2"):
        compare_trainings(y, a, b[:2])
    with pytest.raises(InferenceError, match="1 training against 1"):
        compare_trainings(y, a[0], b[0])
