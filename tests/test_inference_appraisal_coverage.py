"""Coverage by hand, and as documented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fibrolib.inference import wilson
from fibrolib.inference.appraisal import auc_coverage, metric_coverage, proportion_coverage


def test_coverage_of_a_proportion_is_counted_exactly():
    truth = 0.8
    found = proportion_coverage(17, [truth], methods=["wilson"])["coverage"].iloc[0]
    expected = sum(stats.binom.pmf(k, 17, truth) for k in range(18) if wilson(k, 17).low <= truth <= wilson(k, 17).high)
    assert found == pytest.approx(expected)


def test_the_textbook_interval_fails_where_accuracy_is_high_and_wilsons_does_not():
    table = proportion_coverage(17, np.linspace(0.7, 0.95, 26)).set_index("method")["coverage"]
    assert table["normal"].min() < 0.7
    assert table["wilson"].min() > 0.9


@pytest.mark.parametrize("auc", [0.75, 0.85])
def test_default_interval_of_the_area_covers_and_the_plain_one_does_not(auc):
    found = auc_coverage(auc, 8, 9, methods=("delong", "logit"), draws=300, seed=int(100 * auc)).set_index("method")
    # 300 draws at a true coverage of 0.95 stay above 0.91 with probability 0.998.
    assert found.loc["logit", "coverage"] > 0.91
    assert found.loc["delong", "coverage"] < found.loc["logit", "coverage"]
    assert found["least"].min() >= 0
    assert found["most"].max() <= 1
    assert found.loc["delong", "at_end"] > found.loc["logit", "at_end"]


def test_unequal_spread_is_drawn_with_the_area_asked_for():
    # Without noise from small samples the mean of the estimates is the truth.
    found = auc_coverage(0.8, 60, 60, methods=("logit",), spread=2.0, draws=150).iloc[0]
    assert found["coverage"] > 0.88


def test_coverage_of_composite_metrics_is_exact():
    found = metric_coverage("recall_macro", 4, 5, 0.8, 0.7, methods=("jeffreys",))
    assert found["truth"].iloc[0] == pytest.approx(0.75)
    assert 0.85 < found["coverage"].iloc[0] <= 1
    both = metric_coverage("f1_macro", 8, 9, 0.9, 0.9, n_resamples=300).set_index("method")["coverage"]
    assert both["jeffreys"] > 0.92 > both["bootstrap"]


@pytest.mark.parametrize(
    "asked",
    [
        lambda methods: auc_coverage(0.8, 4, 5, methods=methods, draws=100),
        lambda methods: metric_coverage("recall_macro", 4, 5, 0.8, 0.7, methods=methods),
        lambda methods: proportion_coverage(17, [0.2], methods=methods),
    ],
)
def test_methods_are_one_or_more_of_the_known(asked):
    with pytest.raises(ValueError, match=r"methods must be one of .*, not 'wald'"):
        asked(["wald"])
    with pytest.raises(ValueError, match="methods must name at least one of"):
        asked([])
    with pytest.raises(ValueError, match="not 'wal'"):
        asked("wal")


def test_a_method_may_stand_by_itself():
    alone, listed = (proportion_coverage(17, [0.2], methods=methods) for methods in ("wilson", ["wilson"]))
    pd.testing.assert_frame_equal(alone, listed)
