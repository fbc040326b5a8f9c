"""Patients without a stage, and what could be measured on them."""

import numpy as np
import pandas as pd
from scipy.stats import kstest, spearmanr

from fibrolib.phantom import QUANTITIES, draw_unstaged_patients, physical_quantities
from fibrolib.phantom.anatomy import nodule_height
from fibrolib.phantom.scatterers import clustering


def test_a_patient_is_the_same_whatever_the_number():
    few, many = draw_unstaged_patients(5, 3), draw_unstaged_patients(50, 3)
    pd.testing.assert_frame_equal(few, many.head(5))
    assert not few["texture"].equals(draw_unstaged_patients(5, 4)["texture"])


def test_there_is_no_stage_nor_anything_that_tells_it():
    staged = {"stage", "severity", "stiffness_kpa", "swe_kpa", "ast", "alt", "platelets"}
    assert not staged & set(draw_unstaged_patients(2, 0).columns)


def test_quantities_are_even_and_independent():
    patients = draw_unstaged_patients(4000, 1)
    for values, low, high in (
        (patients["texture"], -2.5, 4.0),
        (patients["capsule"], -2.5, 6.5),
        (np.log(patients["strain"]), np.log(0.02), np.log(0.30)),
    ):
        assert kstest(values, "uniform", args=(low, high - low)).pvalue > 0.001
    correlation = spearmanr(patients[["texture", "capsule", "strain"]]).statistic
    assert np.abs(correlation - np.eye(3)).max() < 4 / np.sqrt(4000)


def test_quantities_are_those_the_renderer_uses():
    patients = draw_unstaged_patients(3, 2)
    expected = [
        (clustering(row.texture)[0], nodule_height(row.capsule), row.strain) for row in patients.itertuples(index=False)
    ]
    np.testing.assert_allclose(np.exp(physical_quantities(patients)), expected)
    assert len(QUANTITIES) == 3
