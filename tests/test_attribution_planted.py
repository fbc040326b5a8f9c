"""Verdicts of planted truth, by hand; the best a coarse map can do."""

import numpy as np
import pandas as pd
import pytest

from fibrolib.attribution import attainable_share, judge_planted


def scores(capsule, texture, area=0.02):
    """Relevance on the capsule of five patients, with the signal there and elsewhere."""
    spread = np.array([0.9, 0.95, 1.0, 1.05, 1.1])
    rows = [
        {
            "signal": signal,
            "model": "net",
            "method": "gradcam",
            "layer": "own",
            "region": region,
            "patient_id": f"p{at}",
        }
        | {"relevance": times * area * factor, "area": area, "rank": 0.1, "pointing": 0.0, "attainable": 4 * area}
        | {"even": 1.0 if signal == region else 1.5 * area}
        for signal, times in (("capsule", capsule), ("texture", texture))
        for at, factor in enumerate(spread)
        for region in ("capsule", "liver")
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("capsule", "texture", "passed"),
    [
        (3.2, 0.8, [True, True]),
        (2.8, 0.8, [False, True]),  # not three times
        (3.2, 1.52, [True, True]),  # the interval holds what an even map of the liver would give
        (3.2, 1.7, [True, False]),  # above chance where nothing is
    ],
)
def test_verdicts(capsule, texture, passed):
    table = judge_planted(scores(capsule, texture))
    assert table["passed"].tolist() == passed
    assert table["rule"].tolist() == [">= 3", "not above chance"]
    assert table["chance"].tolist() == pytest.approx([1, 1.5])
    assert table["ratio"].tolist() == pytest.approx([capsule, texture])
    assert table["attainable"].tolist() == pytest.approx([4, 4])
    assert table["n"].tolist() == [5, 5]


def test_a_method_without_any_map_fails():
    table = judge_planted(scores(3.5, 0.8).assign(relevance=np.nan))
    assert not table["passed"].any()
    assert table["empty"].tolist() == [5, 5]


def test_the_best_of_a_coarse_map():
    sector = np.ones((16, 16), bool)
    region = np.zeros((2, 16, 16), bool)
    region[:, 4:6] = True
    # As many places as pixels lose nothing; a place per clip knows nothing.
    assert attainable_share(region, sector, (2, 16, 16)) == pytest.approx(1)
    assert attainable_share(region, sector, (1, 1, 1)) == pytest.approx(1 / 8)
    finer, coarser = (attainable_share(region, sector, (1, side, side)) for side in (8, 4))
    assert 1 / 8 < coarser < finer < 1
    assert np.isnan(attainable_share(np.zeros_like(region), sector, (1, 4, 4)))
