"""McNemar's test by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fibrolib.inference import InferenceError, mcnemar_test


def test_mcnemar_is_exact():
    y = np.ones(17, dtype=int)
    a, b = np.repeat([1, 1, 0, 0], (9, 5, 1, 2)), np.repeat([1, 0, 1, 0], (9, 5, 1, 2))
    found = mcnemar_test(y, a, b)
    assert (found.note, found.n) == ("5 and 1 right alone", 17)
    # 2 * P(X <= 1) of a binomial (6, 1/2) = 14 / 64.
    assert found.pvalue == pytest.approx(14 / 64)
    assert found.difference == pytest.approx(found.value_a - found.value_b)
    # Bonett & Price by hand: p = 6/19, q = 2/19.
    half = stats.norm.ppf(0.975) * np.sqrt((8 / 19 - (4 / 19) ** 2) / 19)
    assert found.confidence_interval == pytest.approx((4 / 19 - half, 4 / 19 + half))
    assert mcnemar_test(y, a, a).pvalue == 1
    with pytest.raises(InferenceError, match="17 patients but 17 and 3 calls"):
        mcnemar_test(y, a, [1, 0, 1])
