"""Firth's logistic regression against brglm2 and optim of R (tests/reference/clinical.R)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fibrolib.clinical.logistic import _fit_logistic, _likelihood_ratio, _score_test
from fibrolib.inference import InferenceError

REFERENCE = Path(__file__).parent / "reference"
DATA = pd.read_csv(REFERENCE / "clinical_data.csv")
R = pd.read_csv(REFERENCE / "clinical_r.csv")


def of_fit(name, columns):
    rows = DATA[DATA["set"] == name]
    design = np.column_stack([np.ones(len(rows)), *(rows[each] for each in columns)])
    return design, rows["y"].to_numpy(float)


@pytest.mark.parametrize(("name", "columns"), [("scores", "abc"), ("scores", "ab"), ("separated", "ba")])
def test_coefficients_and_test_are_those_of_r(name, columns):
    wanted = R[R["fit"] == f"{name} {columns}"].set_index("name")["value"]
    design, truth = of_fit(name, columns)
    np.testing.assert_allclose(_fit_logistic(design, truth)[0], wanted.iloc[:-2], rtol=1e-6)
    statistic, df, pvalue = _likelihood_ratio(design[:, :-1], design[:, -1:], truth)
    assert df == 1
    assert (statistic, pvalue) == pytest.approx((wanted["lr"], wanted["p"]), rel=1e-6)


def test_score_test_of_one_binary_column_is_pearsons_chi_square():
    # Closed form: without other columns, Rao's test of a 2 x 2 table is Pearson's, n (ad - bc)^2 / (r1 r2 c1 c2).
    group, truth = np.repeat([0.0, 1.0], (20, 30)), np.repeat([0.0, 1, 0, 1], (14, 6, 9, 21))
    statistic, _, _ = _score_test(np.ones((50, 1)), group[:, None], truth)
    assert statistic == pytest.approx(50 * (14 * 21 - 6 * 9) ** 2 / (20 * 30 * 23 * 27))


def test_what_cannot_be_tested_is_refused():
    design, truth = of_fit("separated", "ba")
    with pytest.raises(InferenceError, match="separate the classes"):
        _score_test(design, np.arange(8.0)[:, None] ** 2, truth)
    with pytest.raises(InferenceError, match="the same in all patients"):
        _likelihood_ratio(design, np.ones((8, 1)), truth)
