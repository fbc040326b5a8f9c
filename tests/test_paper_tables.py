"""Tables hold the numbers of the run, and their notes name n, test, interval and correction."""

import pytest
from paper_run import EXAMPLE, edit_results, small_run

from fibrolib.diagnostics import model_label
from fibrolib.paper.record import VIRTUAL, read_record
from fibrolib.paper.tables import _make_tables


@pytest.fixture(scope="module")
def record():
    return read_record(EXAMPLE)


@pytest.fixture(scope="module")
def tables(record):
    return {table.name: table for table in _make_tables(record)}


def test_accuracy_is_that_of_the_run(record, tables):
    rows = tables["metrics"].rows.set_index("Diagnostic")
    for row in record.metrics.itertuples():
        assert rows.loc[model_label(row.model), "AUC"] == f"{row.auc:.2f} ({row.auc_low:.2f}–{row.auc_high:.2f})"
        assert rows.loc[model_label(row.model), "n"] == str(row.n)
    assert set(rows) == {"n", "AUC", "Accuracy", "Sensitivity", "Specificity", "PPV", "NPV"}


def test_notes_name_patients_test_interval_and_correction(tables):
    notes = " ".join(tables["comparisons"].notes)
    assert "DeLong, paired" in notes
    assert "over 21 tests" in notes
    assert "95 % confidence intervals" in notes
    assert "17 test patients, 10 with significant fibrosis" in tables["metrics"].notes[0]
    assert "McNemar" in tables["accuracy_comparisons"].notes[0]
    assert "no tests" in tables["patients"].notes[0]


def test_tables_of_a_virtual_run_say_so_and_are_numbered(tables):
    assert [table.number for table in tables.values()] == list(range(1, len(tables) + 1))
    assert all(table.notes[-1] == VIRTUAL for table in tables.values())
    assert not any(table.rows.isin(["nan"]).any(axis=None) for table in tables.values())


def test_what_the_run_lacks_has_no_table(tmp_path):
    run = small_run(tmp_path / "run", plates=False)
    for name in ("table1", "staging", "calibration"):
        (run / "tables" / f"{name}.csv").unlink()
    edit_results(run, virtual=False)
    tables = {table.name: table for table in _make_tables(read_record(run))}
    assert not {"patients", "staging", "calibration"} & set(tables)
    assert VIRTUAL not in tables["metrics"].notes


def test_groups_are_printed_where_the_run_has_them(tmp_path, record):
    run = small_run(tmp_path / "run", plates=False)
    row = record.metrics.head(1).assign(column="sex", level="female", note="")
    row.to_csv(run / "tables" / "subgroups.csv", index=False)
    (table,) = (table for table in _make_tables(read_record(run)) if table.name == "subgroups")
    assert table.rows.loc[0, ["Group", "n", "With"]].tolist() == ["Sex: female", "17", "10"]
    assert "3D-CNN, training patients (scores out of fold) and test patients" in table.notes[0]
    assert table.rows.loc[0, "AUC"].startswith(f"{row.loc[0, 'auc']:.2f} ")
