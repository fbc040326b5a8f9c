"""A finished run is read as it stands; what is no finished run is refused."""

import json

import numpy as np
import pytest
from paper_run import EXAMPLE, small_run

from fibrolib.errors import FibrolibError
from fibrolib.paper.record import VIRTUAL, read_record


@pytest.fixture
def copy(tmp_path):
    return small_run(tmp_path / "run", plates=False)


def test_counts_of_the_index_tests_give_the_metrics_of_the_run():
    record = read_record(EXAMPLE)
    tests = record.index_tests.set_index("model")
    for row in record.metrics.itertuples():
        counts = tests.loc[row.model]
        assert counts[["tp", "fp", "fn", "tn"]].sum() == row.n
        assert counts["tp"] / (counts["tp"] + counts["fn"]) == pytest.approx(row.sensitivity)
        assert counts["tn"] / (counts["tn"] + counts["fp"]) == pytest.approx(row.specificity)
    assert record.sides["n"].to_dict() == record.found["cohort"]["split"]
    assert record.sides.loc["test", "diseased"] == record.metrics["n_positive"].max()


def test_patients_without_a_value_are_missing_tests(copy):
    record = read_record(copy)
    predictions = record.predictions
    test = predictions.index[(predictions["model"] == "swe") & (predictions["split"] == "test")]
    predictions.drop(index=test[:2]).to_csv(copy / "predictions.csv", index=False)
    assert read_record(copy).index_tests.set_index("model")["missing"].to_dict()["swe"] == 2


def test_without_a_threshold_there_are_no_counts(copy):
    record = read_record(copy)
    record.metrics.assign(threshold=np.nan).to_csv(copy / "tables" / "metrics.csv", index=False)
    assert read_record(copy).index_tests[["tp", "fp", "fn", "tn"]].isna().all(axis=None)


def test_a_virtual_run_says_so_and_a_real_one_does_not(copy):
    assert read_record(copy).warning == VIRTUAL
    found = json.loads((copy / "results.json").read_text("utf-8"))
    found["cohort"]["virtual"], found["caveat"] = False, "A test of the installation."
    (copy / "results.json").write_text(json.dumps(found), "utf-8")
    assert read_record(copy).warning == "A test of the installation."


def test_an_unfinished_run_is_refused(copy):
    (copy / "results.json").unlink()
    with pytest.raises(FibrolibError, match="no finished run"):
        read_record(copy)
    assert read_record(EXAMPLE).table("no such table") is None
    assert read_record(EXAMPLE).plates is None
