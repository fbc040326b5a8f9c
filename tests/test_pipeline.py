"""The whole study at the smallest profile: killed and resumed, and with the last notebook first."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import CORES, FEW
from rich.console import Console

from fibrolib import cli
from fibrolib.inference import auc, auc_ci
from fibrolib.learning import NetClassifier
from fibrolib.paper import write_paper
from fibrolib.plots import journals
from fibrolib.progress import hidden
from fibrolib.report import pipeline, run_study
from fibrolib.report.notebooks import _notebook_sources
from fibrolib.report.pipeline import _notebooks_for
from fibrolib.study import Request, Study

NETS = ["cnn2d", "cnn2d_lstm", "cnn3d"]
INDICES = ["swe", "fib4", "apri"]
CAVEAT = "A test of the installation: its numbers mean nothing."
NOTEBOOKS = [path.name for path in _notebook_sources()]


def command(out, *further):
    return [sys.executable, "-m", "fibrolib", "run", "--profile", "smoke", "--out", str(out), *FEW, *further]


def kept_results(out):
    return {path: path.stat().st_mtime_ns for path in (out / "cache" / "results").glob("[!.]*")}


@pytest.fixture(scope="session")
def resumed(tmp_path_factory):
    """A run on two cores that was killed as soon as the first net was finished, and started again on one."""
    out = tmp_path_factory.mktemp("reports") / "resumed"
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command(out), **silent, start_new_session=True, env=os.environ | {CORES: "2"})
    while process.poll() is None and not kept_results(out):
        time.sleep(0.1)
    of_the_run = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    # Kernels are sessions of their own; they end when they notice that their parent is gone.
    assert not psutil.wait_procs(of_the_run, timeout=60)[1]
    before = kept_results(out)
    finished = subprocess.run(command(out), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    after = kept_results(out)
    assert before
    assert {path: after[path] for path in before} == before, "finished work was done again"
    return out


@pytest.fixture(scope="session")
def results(resumed):
    return json.loads((resumed / "results.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def predictions(resumed):
    return pd.read_csv(resumed / "predictions.csv", dtype={"fold": "Int64"})


def last_first(work, dependencies, max_workers):
    for item in reversed(list(dependencies)):
        work(item)


def test_same_seed_same_results_in_whatever_order_and_however_often_it_was_stopped(resumed, monkeypatch):
    """Notebooks that run the last one first begin with nothing but themselves: each computes what it needs.

    On one core, and without a stop.
    """
    monkeypatch.setattr(pipeline, "_run_in_order", last_first)
    out = resumed.with_name("reversed")
    further = cli._parameters([each.removeprefix("-p") for each in FEW])
    with hidden():
        run_study(Request(profile="smoke", out=str(out)), further, Console(quiet=True))
    ended = {path.name: path.stat().st_mtime_ns for path in (out / "notebooks").glob("*.ipynb")}
    assert sorted(ended, key=ended.get) == NOTEBOOKS[::-1]
    for name in ("results.json", "predictions.csv"):
        assert (out / name).read_bytes() == (resumed / name).read_bytes()


@pytest.mark.parametrize("asked", [("--seed", "1"), ("--cutoff", "3"), ("--profile", "quick")])
def test_another_study_leaves_a_finished_one_as_it_is(resumed, asked, monkeypatch, capsys):
    def contents():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in resumed.rglob("*") if path.is_file()}

    before = contents()
    monkeypatch.setattr(sys, "argv", ["fibrolib", *command(resumed, *asked)[3:]])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "this folder holds another study (virtual cohort, profile smoke, cut-off 2, seed 0" in said
    assert contents() == before


def test_what_a_run_leaves(resumed):
    for name in ("report.html", "results.json", "run.json", "predictions.csv"):
        assert (resumed / name).stat().st_size > 0
    assert sorted(path.name for path in (resumed / "notebooks").iterdir()) == NOTEBOOKS
    assert sorted(path.stem for path in (resumed / "models").glob("*.safetensors")) == [*NETS, "frozen"]
    assert {path.stem for path in (resumed / "models").glob("*.json")} == {*NETS, "frozen", *INDICES}
    development = ["cohort.json", "features.csv", "prints.csv"]
    assert sorted(path.name for path in (resumed / "development").iterdir()) == development
    shown = {"confusion", "fresh_forest", "motion_use"}
    assert shown <= {path.stem for path in (resumed / "figures").glob("*.png")}
    tables = {"joint_test", "permutation_comparisons", "accuracy_comparisons", "staging_comparisons"}
    assert tables <= {path.stem for path in (resumed / "tables").glob("*.csv")}
    tables = {"staging", "auc_by_cutoff", "fresh_auc", "fresh_comparisons", "motion_use", "motion_ceilings"}
    assert tables <= {path.stem for path in (resumed / "tables").glob("*.csv")}
    figures = {path.stem for path in (resumed / "figures").glob("*.svg")}
    assert figures == {path.stem for path in (resumed / "figures").glob("*.png")}
    assert {"augmentation", "schedule_cnn2d"} <= figures
    assert {"flow", "stard", "roc_all", "forest", "delong_matrix", "capsule_share"} <= figures
    assert {"virtual_stages", "virtual_mmode", "virtual_ceilings", "true_regions", "true_carriers"} <= figures
    assert {f"{kind}_{net}" for kind in ("curves", "cv", "gradcam", "model_view") for net in NETS} <= figures
    assert (resumed / "figures" / "plates.npz").exists()
    tables = {path.stem for path in (resumed / "tables").glob("*.csv")}
    assert {
        "table1",
        "histories",
        "metrics",
        "comparisons",
        "attribution",
        *(f"search_{net}" for net in NETS),
    } <= tables
    assert {"folds", "clips_cnn3d", "shapes_cnn2d_lstm", *(f"layers_{net}" for net in NETS)} <= tables
    assert {"clinical", "clinical_needs", "subgroups", "stage_sets", "set_coverage", "selective"} <= tables
    assert {"subgroups", "stage_sets", "selective"} <= figures
    assert not list(resumed.rglob(".unfinished-*"))


def test_a_finished_run_becomes_a_manuscript_with_every_figure(resumed, tmp_path, monkeypatch):
    coarse = {name: each | {"drawing_dpi": 40, "picture_dpi": 40} for name, each in journals().items()}
    monkeypatch.setattr("fibrolib.paper.manuscript.journals", lambda: coarse)
    said = write_paper(resumed, tmp_path)
    assert int(said[0].split()[0]) >= 9
    assert not any("Not in this run" in sentence for sentence in said)
    assert CAVEAT in said[-1]
    assert CAVEAT in (tmp_path / "models" / "cnn3d.md").read_text("utf-8")


def test_results_have_the_promised_form(results):
    assert results["schema"] == 1
    assert results["caveat"] == CAVEAT
    assert results["cohort"]["virtual"] is True
    assert sum(results["cohort"]["split"].values()) == results["cohort"]["patients"] == results["cohort"]["videos"]
    assert sorted(results["models"]) == sorted([*NETS, "frozen", *INDICES])
    assert len(results["comparisons"]) == 21
    assert sorted(results["attribution"]) == NETS
    assert results["population"]["n"] == 12
    for entry in results["models"].values():
        assert entry["n"] == results["cohort"]["split"]["test"]
        assert len(entry["cv_auc"]) == 2
        low, high = entry["auc_ci"]
        assert 0 <= low <= entry["auc"] <= high <= 1
        for name in ("accuracy", "precision_macro", "recall_macro", "f1_macro", "sensitivity", "specificity"):
            low, high = entry[f"{name}_ci"]
            assert 0 <= low <= entry[name] <= high <= 1
    assert results["joint"]["models"] == 7
    families = [results[f"{name}comparisons"] for name in ("", "permutation_", "accuracy_")]
    assert [len(pairs) for pairs in families] == [21, 21, 21]
    assert {group: len(pairs) for group, pairs in results["staging_comparisons"].items()} == {"test": 6, "fresh": 6}
    for answer in results["clinical"]:
        assert answer["ci"][0] is None or answer["ci"][0] <= answer["value"] <= answer["ci"][1]
    for pair in [pair for pairs in families for pair in pairs]:
        assert pair["test"]
        assert pair["p"] is None or pair["p"] <= pair["p_holm"] <= 1
    for entry in results["attribution"].values():
        # A net this little trained may find nothing anywhere: then there is no share.
        assert entry["capsule_share"] is None if entry["n"] == 0 else 0 <= entry["capsule_area"] <= 1


def test_every_number_can_be_traced_to_the_predictions(results, predictions):
    for name, entry in results["models"].items():
        test = predictions[(predictions["model"] == name) & (predictions["split"] == "test")]
        assert entry["auc"] == pytest.approx(auc(test["y_true"], test["y_score"]))
        found = auc_ci(test["y_true"], test["y_score"])
        assert entry["auc_ci"] == pytest.approx([found.low, found.high])
        called = (test["y_score"] >= entry["threshold"]).astype(int)
        assert entry["accuracy"] == pytest.approx((called == test["y_true"]).mean())


def test_predictions_hold_every_patient_once(results, predictions):
    assert not predictions.duplicated(["patient_id", "model", "repeat"]).any()
    assert predictions.groupby("model").size().eq(results["cohort"]["patients"]).all()
    assert predictions["y_score"].between(0, 1).all()
    assert predictions["patient_id"].str.startswith("virtual-").all()


def test_saved_nets_load(resumed):
    for name in NETS:
        assert NetClassifier.load(resumed / "models" / f"{name}.safetensors").n_stages_ == 5


def test_the_report_says_what_it_is(resumed, results):
    text = (resumed / "report.html").read_text("utf-8")
    assert "Virtual cohort." in text
    assert "not clinical evidence" in text
    assert 'src="http' not in text
    assert 'href="http' not in text
    assert f"{results['models']['cnn3d']['auc']:.2f}" in text


def test_a_test_of_the_installation_says_so_wherever_it_shows_numbers(resumed):
    text = (resumed / "report.html").read_text("utf-8")
    assert f"<title>{CAVEAT} Virtual cohort" in text
    assert text.index(f"<b>{CAVEAT}</b>") < text.index("<table")
    captions = text.count(f'<table class="dataframe">\n<caption>{CAVEAT}</caption>')
    assert captions == text.count('class="dataframe"') > 10
    for name in NOTEBOOKS:
        assert CAVEAT in (resumed / "notebooks" / name).read_text("utf-8"), name


def test_notebooks_ran_to_their_end_without_warnings(resumed):
    for name in NOTEBOOKS:
        notebook = nbformat.read(resumed / "notebooks" / name, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code if cell.source.strip())
        outputs = [output for cell in code for output in cell.outputs]
        assert not [output.text for output in outputs if output.get("name") == "stderr"], name


@pytest.mark.parametrize(
    ("prefix", "left_out"), [("virtual-", []), ("mine-", ["00_virtual_patient", "08_does_it_use_motion"])]
)
def test_a_cohort_of_ones_own_has_no_notebook_about_virtual_patients(tmp_path, prefix, left_out):
    numbers = range(40)
    rows = [{"patient_id": f"{prefix}{n}", "video": f"{n}.mp4", "stage": n % 5} for n in numbers]
    for number in numbers:
        (tmp_path / f"{number}.mp4").touch()
    pd.DataFrame(rows).to_csv(tmp_path / "cohort.csv", index=False)
    written = io.StringIO()
    study = Study(Request(cohort=str(tmp_path / "cohort.csv"), out=str(tmp_path / "run")))
    chosen = [path.name for path in _notebooks_for(study.cohort.virtual, Console(file=written))]
    assert chosen == [name for name in NOTEBOOKS if name.removesuffix(".ipynb") not in left_out]
    assert [line.split(":")[0].split()[-1] for line in written.getvalue().splitlines()] == left_out


def test_search_table_explains_the_choice(resumed, results):
    table = pd.read_csv(resumed / "tables" / "search_cnn3d.csv")
    best = table.loc[table["auc_mean"].idxmax()]
    assert results["models"]["cnn3d"]["settings"]["learning_rate"] == best["learning_rate"]
    folds = best[[column for column in table if column.startswith("auc_fold")]].astype(float)
    np.testing.assert_allclose(results["models"]["cnn3d"]["cv_auc"], folds)
