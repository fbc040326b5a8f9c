"""Stages and their cut-offs: patients keep their labels, and what is no stage is said to be none."""

import numpy as np
import pandas as pd
import pytest

from fibrolib.errors import FibrolibError
from fibrolib.inference import auc_ci
from fibrolib.stages import at_least, check_stages, condition, cutoff_name, stage_name


def test_patients_keep_their_labels():
    stage = pd.Series(np.arange(30) % 5, index=[f"p{i}" for i in range(30)], name="stage")
    truth, score = at_least(stage, 2), stage + np.arange(30) / 7
    pd.testing.assert_series_equal(truth, (stage >= 2).astype(np.int64))
    pd.testing.assert_series_equal(check_stages(stage.astype(float)), stage)
    assert isinstance(at_least(stage.tolist(), 2), np.ndarray)
    assert auc_ci(truth, score) == auc_ci(truth.to_numpy(), score.to_numpy())
    with pytest.raises(FibrolibError, match="order"):
        auc_ci(truth, score.sort_values())


@pytest.mark.parametrize("code", [9, 88, 99])
def test_a_code_of_a_missing_stage_is_no_stage(code):
    with pytest.raises(FibrolibError, match=f"stage is {code} in 2 of 7 patients, and nobody else is above 6"):
        at_least([0, 1, 2, 3, 4, code, code], 2)
    assert check_stages([0, 3, 6, 7, 8, 9]).tolist() == [0, 3, 6, 7, 8, 9]
    assert at_least([0, 2, 9, 10], 5).tolist() == [0, 0, 1, 1]
    assert at_least(range(100), 50).sum() == 50


@pytest.mark.parametrize("stage", [2.7, -1, np.nan, "2", None, True, 101])
def test_only_whole_stages_have_names(stage):
    for call in (stage_name, cutoff_name, condition):
        with pytest.raises(FibrolibError, match="must be a stage, such as 2, from 0 to 100; it is"):
            call(stage)
    assert [stage_name(np.int64(2)), stage_name(2.0, metavir=False)] == ["F2", "stage 2"]
    assert condition(np.float64(2)) == "significant fibrosis (≥ F2)"
