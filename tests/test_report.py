import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pandas as pd
import pytest
from paper_run import EXAMPLE
from rich.console import Console

from fibrolib.errors import FibrolibError
from fibrolib.provenance import package_digest
from fibrolib.report import notebooks
from fibrolib.report.html import _as_html, _bold, _build_report, _Folder, _fresh, _quality
from fibrolib.report.notebooks import (
    _check_parameters,
    _execute_notebook,
    _is_current,
    _notebook_sources,
    _parameter_names,
    _strip_local_paths,
)
from fibrolib.report.progress import _Progress
from fibrolib.report.results import _all_seconds, _clinical_entries, _staging_entries
from fibrolib.report.tables import readable
from fibrolib.study import PROJECT
from fibrolib.study.runfolder import RunFolder

VOID = {"meta", "br", "img", "input", "link"}


def make_notebook(path, *sources):
    path.parent.mkdir(exist_ok=True)
    cells = [nbformat.v4.new_code_cell("number: int = 1  # a number", metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_parameters_are_read_from_the_notebook(tmp_path):
    notebook = make_notebook(tmp_path / "01_a.ipynb")
    assert _parameter_names(notebook) == ["number"]
    _check_parameters([notebook], {"number": 2})
    with pytest.raises(FibrolibError, match=r"No notebook has a parameter 'numbr'\. Did you mean 'number'\?"):
        _check_parameters([notebook], {"numbr": 2})


def test_executed_copy_knows_what_it_was_made_from(tmp_path):
    notebook, executed = make_notebook(tmp_path / "01_a.ipynb", "print(number + 1)"), tmp_path / "run" / "01_a.ipynb"
    asked = {"number": 41, "other": 1}
    assert not _is_current(notebook, executed, asked, "cohort")
    _execute_notebook(notebook, executed, asked, "cohort")
    outputs = [output for cell in nbformat.read(executed, 4).cells for output in cell.outputs]
    assert [output.text for output in outputs] == ["42\n"]
    assert _is_current(notebook, executed, asked, "cohort")
    assert not _is_current(notebook, executed, {"number": 1}, "cohort")
    assert not _is_current(notebook, executed, asked, "another cohort")
    make_notebook(notebook, "print(number + 2)")
    assert not _is_current(notebook, executed, asked, "cohort")


def test_a_notebook_that_raises_is_named_with_its_cell(tmp_path):
    notebook = make_notebook(tmp_path / "01_a.ipynb", "x = 1", "# here\n1 / 0", "x")
    executed = tmp_path / "run" / "01_a.ipynb"
    with pytest.raises(
        FibrolibError, match=r"(?s)01_a\.ipynb stopped in cell \[3\].*'# here'.*ZeroDivisionError"
    ) as found:
        _execute_notebook(notebook, executed, {}, "cohort")
    failed = executed.with_name("01_a-failed.ipynb")
    assert str(failed) in str(found.value)
    assert "ZeroDivisionError" in failed.read_text("utf-8")
    assert not executed.exists()
    assert not _is_current(notebook, executed, {}, "cohort")


def test_a_copy_of_a_failure_does_not_take_the_place_of_a_finished_one(tmp_path):
    notebook, executed = make_notebook(tmp_path / "01_a.ipynb", "print(1)"), tmp_path / "run" / "01_a.ipynb"
    _execute_notebook(notebook, executed, {}, "cohort")
    finished = executed.read_bytes()
    make_notebook(notebook, "1 / 0")
    with pytest.raises(FibrolibError, match="ZeroDivisionError"):
        _execute_notebook(notebook, executed, {}, "cohort")
    assert executed.read_bytes() == finished
    make_notebook(notebook, "print(2)")
    _execute_notebook(notebook, executed, {}, "cohort")
    assert [path.name for path in executed.parent.iterdir()] == ["01_a.ipynb"]


def test_a_full_disk_in_a_notebook_says_what_to_do(tmp_path):
    notebook = make_notebook(tmp_path / "01_a.ipynb", "import os\nraise OSError(28, os.strerror(28), 'a.csv')")
    with pytest.raises(FibrolibError, match=r"(?s)^The disk is full\. .*same command again.*01_a\.ipynb stopped"):
        _execute_notebook(notebook, tmp_path / "run" / "01_a.ipynb", {}, "cohort")


def test_text_of_the_cohort_is_escaped():
    html = _as_html(pd.DataFrame({"a": ["<script>alert(1)</script>"]}))
    assert "<script>" not in html
    assert _bold("**x** <b>y</b>") == "<b>x</b> &lt;b&gt;y&lt;/b&gt;"


def test_a_table_carries_its_caveat_as_a_caption(tmp_path):
    table = pd.DataFrame({"a": [1]})
    assert "<caption>" not in _as_html(table)
    html = _as_html(table, caption="means <nothing>")
    assert "<caption>means &lt;nothing&gt;</caption>" in html
    assert ElementTree.fromstring(html)[0].tag == "caption"  # HTML wants it first in its table
    (tmp_path / "tables").mkdir()
    layers = dict.fromkeys(["layer", "times", "height", "width", "frames", "pixels"], 1) | {"model": "cnn3d"}
    pd.DataFrame([layers]).to_csv(tmp_path / "tables" / "cam_layers.csv", index=False)
    folder = _Folder(tmp_path, "means nothing")
    for shown in (folder.table("cam_layers"), folder.readable("cam_layers")):
        assert "<caption>means nothing</caption>" in shown
    pd.DataFrame({"level": ["0.5", "17"], "p": [0.123456789, 2.345678e-7]}).to_csv(tmp_path / "tables" / "p.csv")
    assert all(f"<td>{text}</td>" in folder.table("p") for text in ("0.5", "17", "0.123", "2.35e-07"))


class Boxes(HTMLParser):
    """Tables of a page: which have no box that scrolls; and the rows of the first one."""

    def __init__(self):
        super().__init__()
        self.open, self.loose, self.n_tables, self.first = [], [], 0, ""

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.n_tables += 1
            if not any("scroll" in classes for _, classes in self.open):
                self.loose.append(self.getpos())
        if tag not in VOID:
            self.open.append((tag, (dict(attributes).get("class") or "").split()))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self.n_tables == 1 and any(tag == "table" for tag, _ in self.open):
            self.first += f"{data.strip()} "


@pytest.fixture
def page_of_nine(tmp_path):
    """Report of a run with nine diagnostics whose settings were chosen on three divisions into folds."""
    found, run = (json.loads((EXAMPLE / f"{name}.json").read_text("utf-8")) for name in ("results", "run"))
    run["profile"]["n_repeats"] = 3
    folder = RunFolder(tmp_path / "run")
    folder.claim()
    shutil.copytree(EXAMPLE / "tables", folder.path / "tables")
    tables = {path.stem: pd.read_csv(path) for path in (EXAMPLE / "tables").glob("*.csv")}
    for table in tables.values():
        if "note" in table:
            table["note"] = table["note"].astype(object).fillna("")
    further = tables["metrics"].iloc[[0, 0]].assign(model=["eighth", "ninth"])
    tables["metrics"] = pd.concat([tables["metrics"], further], ignore_index=True)
    return _build_report(folder, found, run, tables).read_text("utf-8")


def test_no_table_is_wider_than_the_page(page_of_nine):
    boxes = Boxes()
    boxes.feed(page_of_nine)
    assert boxes.n_tables > 15
    assert boxes.loose == []
    assert boxes.first.split()[:4] == ["AUC", "Accuracy", "Sensitivity", "Specificity"]  # a diagnostic is a row
    assert {"eighth", "ninth", "APRI"} <= set(boxes.first.split())


def test_the_page_says_how_settings_were_chosen(page_of_nine):
    assert page_of_nine.count("by 5-fold cross-validation, repeated 3 times on ") == 4  # the summary, and each net


def test_tables_of_the_run_in_a_form_for_readers(tmp_path):
    folder = _Folder(tmp_path)
    assert folder.readable("motion_use") is None
    row = {
        "scenario": "published effects",
        "model": "cnn3d",
        "perturbation": "frozen",
        "n": 60,
        "auc": 0.8,
        "auc_low": 0.7,
    }
    row |= {"auc_high": 0.9, "loss": 0.05, "loss_low": 0.01, "loss_high": 0.09, "p": 0.02, "p_holm": 0.04}
    (tmp_path / "tables").mkdir()
    pd.DataFrame([row]).to_csv(tmp_path / "tables" / "motion_use.csv", index=False)
    html = folder.readable("motion_use")
    assert "+0.05 (+0.01 to +0.09)" in html
    assert "3D-CNN" in html


def test_a_cohort_of_ones_own_has_no_fresh_patients():
    assert _fresh({"metrics": pd.DataFrame()}, "") is None
    assert _staging_entries({})["staging"] is None  # two stages: the AUC says all of it


def test_an_executed_copy_names_no_folder_of_this_computer(tmp_path):
    """Where papermill read and wrote, and what a notebook printed of places."""
    body = ["import pathlib\npathlib.Path.cwd()", "print(pathlib.Path.home() / 'x', pathlib.Path.cwd())", "1 / 0"]
    notebook = make_notebook(tmp_path / "Quast sources" / "01_a.ipynb", *body)
    executed = tmp_path / "Quast run" / "notebooks" / "01_a.ipynb"
    with pytest.raises(FibrolibError, match="ZeroDivisionError"):
        _execute_notebook(notebook, executed, {}, "cohort")
    text = executed.with_name("01_a-failed.ipynb").read_text("utf-8")
    assert "<run folder>/notebooks" in text  # the kernel runs where the copy lies
    for word in ("Quast", str(tmp_path), str(Path.home()) + "/"):
        assert word not in text, word


def test_the_innermost_folder_wins_and_other_words_stay():
    plain = nbformat.v4.new_output("stream", name="stdout", text=f"{PROJECT}/fibrolib {PROJECT}-2 {PROJECT.parent}/x")
    copy = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[plain])])
    _strip_local_paths(copy, PROJECT / "reports" / "run")
    told = copy.cells[0].outputs[0].text
    assert told.startswith("<project>/fibrolib ")
    assert "<project>-2" not in told


def test_notebooks_are_in_the_order_of_their_numbers():
    names = [path.name for path in _notebook_sources()]
    assert names == sorted(names)
    assert names[0].startswith("00_")


def test_notebooks_about_virtual_patients_are_for_a_virtual_cohort():
    everything, without = _notebook_sources(), _notebook_sources(virtual=False)
    assert [path.stem for path in everything if path not in without] == [
        "00_virtual_patient",
        "08_does_it_use_motion",
    ]


def test_no_checkout_is_a_sentence(monkeypatch):
    monkeypatch.setattr(notebooks, "PROJECT", Path("/nowhere"))
    with pytest.raises(FibrolibError, match="runs from a checkout"):
        _notebook_sources()


def test_clinical_results_as_entries():
    table = pd.DataFrame([("added value", "gain", 0.1, 0.0, 0.2, 0.04, 17)])
    table.columns = ["question", "measure", "value", "low", "high", "p", "n"]
    (entry,) = _clinical_entries(table)
    assert entry == {"question": "added value", "measure": "gain", "value": 0.1, "ci": [0.0, 0.2], "p": 0.04, "n": 17}


@pytest.mark.parametrize(("value", "right"), [(0.1, True), (0, False), (1, False), ("0.1", False), (True, False)])
def test_a_parameter_that_is_a_share(tmp_path, value, right):
    path = make_notebook(tmp_path / "01_a.ipynb")
    path.write_text(path.read_text("utf-8").replace("number: int = 1", "margin: float = 0.05"), "utf-8")
    if right:
        _check_parameters([path], {"margin": value})
    else:
        with pytest.raises(FibrolibError, match=r"margin.*between 0 and 1"):
            _check_parameters([path], {"margin": value})


def test_the_coverage_of_sets_of_stages_is_no_significance_level(tmp_path):
    path = make_notebook(tmp_path / "01_a.ipynb")
    path.write_text(path.read_text("utf-8").replace("number: int = 1", "answers: float = 0.8"), "utf-8")
    _check_parameters([path], {"answers": 0.5})
    with pytest.raises(FibrolibError, match=r"answers=0\.1: Expected a share from 0\.5 up, such as 0\.8, found 0\.1"):
        _check_parameters([path], {"answers": 0.1})


def test_flagged_clips_are_counted_by_fault(tmp_path):
    assert _quality(_Folder(tmp_path)) is None
    (tmp_path / "tables").mkdir()
    faults = pd.DataFrame({"patient_id": list("abcd"), "faults": ["", "still", "still; shadow", "still"]})
    faults.to_csv(tmp_path / "tables" / "quality.csv", index=False)
    assert _quality(_Folder(tmp_path)) == {"clips": 4, "flagged": 3, "faults": {"still": 2, "still; shadow": 1}}


def test_results_without_flagged_clips_stand_beside_all():
    numbers = {"auc": [0.8, 0.9], "auc_low": [0.6, 0.7], "auc_high": [0.95, 0.99], "n": [17, 15], "n_positive": [9, 8]}
    table = pd.DataFrame({"model": "cnn3d", "patients": ["all", "without"], **numbers})
    (row,) = readable("quality_results", table).to_dict("records")
    assert row == {
        "Model": "3D-CNN",
        "All test patients": "0.80 (0.60–0.95) [9 of 17]",
        "Without patients with a flagged clip": "0.90 (0.70–0.99) [8 of 15]",
    }


def test_times_stand_in_the_order_of_the_notebooks_with_those_of_an_earlier_call(tmp_path):
    progress = _Progress(Console(quiet=True))
    progress.seconds = {"[10/12] 09_b": 1.26, "[9/12] 08_a": 2.0, "preparing": 3.0}
    earlier = {"code": package_digest(), "seconds": {"[2/12] 01_c": 4.0, "[9/12] 08_a": 5.0}}
    (tmp_path / "run.json").write_text(json.dumps(earlier), "utf-8")
    seconds = _all_seconds(tmp_path / "run.json", progress)["seconds"]
    assert list(seconds.items()) == [
        ("preparing", 3.0),
        ("[2/12] 01_c", 4.0),
        ("[9/12] 08_a", 2.0),
        ("[10/12] 09_b", 1.3),
    ]
