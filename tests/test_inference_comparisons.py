"""McNemar's test by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fibrolib.inference import InferenceError, delong_test, mcnemar_test, partial_auc_test


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


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("options", [{}, {"method": "t"}, {"method": "proc"}])
def test_scores_that_are_alike_have_p_1_whatever_the_alternative(alternative, options):
    y, score = [0, 0, 0, 1, 1, 1, 0, 1], [0.1, 0.2, 0.6, 0.4, 0.8, 0.9, 0.3, 0.7]
    for one, other in ((score, score), (y, [0, 0, 0, 2, 2, 3, 0, 2])):
        found = delong_test(y, one, other, alternative=alternative, **options)
        assert (found.difference, found.pvalue) == (0, 1)
        assert "p is 1 by definition" in found.note
    assert partial_auc_test(y, score, score, (0.5, 1), alternative=alternative).pvalue == 1


def test_scores_that_are_alike_allow_no_test_with_a_margin():
    y, score = [0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]
    found = delong_test(y, score, score, margin=0.1, alternative="greater")
    assert np.isnan(found.pvalue)
    assert "no test is possible" in found.note
