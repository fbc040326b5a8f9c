"""A validation from command line to report: what it leaves, how it resumes, and what it refuses before any work."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest
from other_hospital import write_cohort_files
from rich.console import Console

from fibrolib import cli
from fibrolib.errors import FibrolibError
from fibrolib.privacy import register
from fibrolib.report import validate_models
from fibrolib.study.own_cohort import name_for_folder
from fibrolib.validation import open_validation

TABLES = [
    *("metrics", "comparisons", "joint_test", "calibration", "decision", "transport", "staging", "cohorts"),
    *("told_apart", "recalibration", "recalibrated_metrics", "recalibrated_calibration", "recalibrated_predictions"),
]


def validate(run, table, out, **options):
    validation = open_validation(run, register(table), out=str(out), **options)
    return validate_models(validation, Console(quiet=True))


def command(run, table, out, *further):
    return [sys.executable, "-m", "fibrolib", "validate", str(run), str(table), "--out", str(out), *further]


@pytest.fixture(scope="module")
def validated(finished_run, other_cohort, tmp_path_factory):
    return validate(finished_run, other_cohort, tmp_path_factory.mktemp("validation") / "out").parent


@pytest.fixture
def changed(other_cohort, tmp_path):
    """The other cohort somewhere else, to be spoilt."""
    shutil.copytree(other_cohort.parent, tmp_path / "changed")
    return tmp_path / "changed" / "cohort.csv"


def test_what_it_leaves(validated):
    assert (validated / "report.html").stat().st_size > 0
    assert set(TABLES) <= {path.stem for path in (validated / "tables").glob("*.csv")}
    assert len(pd.read_csv(validated / "predictions.csv")) == 6 * 25
    results = json.loads((validated / "results.json").read_text())
    assert results["kind"] == "validation"
    assert set(results["first_step"]["models"]) == {"cnn3d", "cnn2d_lstm", "cnn2d", "swe", "fib4", "apri"}
    assert results["first_step"]["models"]["swe"]["auc"] > 0.9
    assert results["first_step"]["staging"]["external"]["cnn3d"]["n"] == 25
    assert {each["of"] for each in results["differences"]["told_apart"]} == {"pictures", "patients"}
    assert results["second_step"]["recalibration"]
    figures = {"roc", "transport", "delong_matrix", "calibration", "decision", "differences", "confusion"}
    assert figures | {"sample_frames"} <= {path.stem for path in (validated / "figures").glob("*.svg")}


def test_the_page_says_what_was_done_first_and_what_second(validated):
    page = (validated / "report.html").read_text()
    assert page.index("Nothing was fitted, chosen or recalibrated") < page.index("Second step: recalibration")
    assert "This is no validation of the models as they are" in page
    assert "A test of the installation: its numbers mean nothing." in page


@pytest.fixture
def indices(finished_run, tmp_path):
    """The run with SWE and FIB-4 alone."""
    ignored = shutil.ignore_patterns("cache", "cnn*", "apri.json")
    return shutil.copytree(finished_run, tmp_path / "few", ignore=ignored)


def test_no_file_names_a_patient(validated, other_cohort):
    names = pd.read_csv(other_cohort)["patient_id"]
    for file in validated.rglob("*"):
        if file.suffix in (".json", ".csv"):
            text = file.read_text()
            assert not any(f'"{name}"' in text or f"\n{name}," in text for name in names), file
            assert str(other_cohort.parent) not in text


def kept(out):
    return {path: path.stat().st_mtime_ns for path in (out / "cache" / "results").glob("[!.]*")}


def test_killed_and_resumed_it_ends_the_same_and_repeats_nothing(
    validated, finished_run, other_cohort, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(finished_run, other_cohort, out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not (out / "predictions.csv").exists():
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = kept(out)
    scores = (out / "predictions.csv").read_bytes()
    assert before
    assert not (out / "tables" / "recalibration.csv").exists()
    monkeypatch.setattr(sys, "argv", command(finished_run, other_cohort, out)[2:])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {out / 'report.html'}"
    assert {path: kept(out)[path] for path in before} == before
    assert (out / "predictions.csv").read_bytes() == scores
    for name in ("results.json", "predictions.csv", *(f"tables/{name}.csv" for name in TABLES)):
        assert (out / name).read_bytes() == (validated / name).read_bytes(), name


def test_a_finished_validation_computes_nothing_again(validated, finished_run, other_cohort):
    before = kept(validated)
    validate(finished_run, other_cohort, validated)
    assert kept(validated) == before


def test_another_validation_leaves_a_finished_one_as_it_is(validated, finished_run, other_cohort):
    with pytest.raises(FibrolibError, match=r"this folder holds another study .*validation of run"):
        validate(finished_run, other_cohort, validated, seed=1)
    with pytest.raises(FibrolibError, match="holds another study"):
        validate(finished_run, other_cohort, finished_run)


def test_a_cohort_with_errors_is_refused_before_any_work(finished_run, changed, tmp_path):
    table = pd.read_csv(changed)
    table.loc[3, "stage"] = 7
    table.to_csv(changed, index=False)
    with pytest.raises(FibrolibError, match="stage 7 is outside"):
        validate(finished_run, changed, tmp_path / "out")
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_patients_of_the_training_cohort_are_refused(finished_run, changed, tmp_path):
    table = pd.read_csv(changed)
    table.loc[3, "patient_id"] = "P03"
    table.to_csv(changed, index=False)
    with pytest.raises(FibrolibError, match=r"ids of the training cohort \(P03\)"):
        validate(finished_run, changed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_of_the_training_cohort_are_refused(finished_run, changed, tmp_path):
    video = changed.parent / pd.read_csv(changed)["video"][3]
    shutil.copy(finished_run.parent / "home" / "videos" / "P03.mp4", video)
    with pytest.raises(FibrolibError, match="1 file of 1 patient show pictures of the training cohort"):
        validate(finished_run, changed, tmp_path / "out")
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_stages_of_another_scale_are_refused(finished_run, changed, tmp_path):
    table = pd.read_csv(changed)
    table.assign(stage=2 * (table["stage"] > 1)).to_csv(changed, index=False)
    with pytest.raises(FibrolibError, match="on the same scale"):
        validate(finished_run, changed, tmp_path / "out")


@pytest.fixture(scope="module")
def of_virtual_patients(finished_run, other_cohort, tmp_path_factory):
    """One index on virtual patients: the report, what was said, and whether the run is as it was."""
    folder = tmp_path_factory.mktemp("virtual")
    table = pd.read_csv(other_cohort)
    table["patient_id"] = [f"virtual-{number:03d}" for number in range(len(table))]
    for column in ("videos", "images"):
        (folder / column).symlink_to(other_cohort.parent / column)
    table.to_csv(folder / "cohort.csv", index=False)
    console = Console(file=io.StringIO())
    before = {path: path.stat().st_mtime_ns for path in finished_run.rglob("*") if path.is_file()}
    swe = finished_run / "models" / "swe.json"
    validation = open_validation(swe, register(folder / "cohort.csv"), out=str(folder / "out"))
    report = validate_models(validation, console)
    untouched = {path: path.stat().st_mtime_ns for path in finished_run.rglob("*") if path.is_file()} == before
    return report, " ".join(console.file.getvalue().split()), untouched


def test_virtual_patients_are_said_loudly(of_virtual_patients, validated):
    report, said, _ = of_virtual_patients
    words = "made with real patients and are tried on virtual ones"
    assert words in said
    assert words in report.read_text()
    assert words in json.loads(report.with_name("results.json").read_text())["virtual"]
    assert not json.loads((validated / "results.json").read_text())["virtual"]


def test_one_index_alone_leaves_the_run_as_it_was(of_virtual_patients):
    report, _, untouched = of_virtual_patients
    assert untouched
    results = json.loads(report.with_name("results.json").read_text())
    assert list(results["first_step"]["models"]) == ["swe"]
    assert results["first_step"]["comparisons"] == []
    assert results["first_step"]["staging"] is None


def test_virtual_patients_among_real_ones_are_refused(finished_run, changed, tmp_path):
    table = pd.read_csv(changed)
    table.loc[0, "patient_id"] = "virtual-001"
    table.to_csv(changed, index=False)
    with pytest.raises(FibrolibError, match="mixes virtual and real"):
        validate(finished_run, changed, tmp_path / "out")


def test_an_index_whose_values_are_missing_is_left_out(indices, changed, tmp_path):
    pd.read_csv(changed).drop(columns="swe_kpa").to_csv(changed, index=False)
    report = validate(indices, changed, tmp_path / "out")
    results = json.loads(report.with_name("results.json").read_text())
    assert "swe_kpa" in results["unavailable"]["swe"]
    assert list(results["first_step"]["models"]) == ["fib4"]


def test_a_share_of_everybody_is_refused(finished_run, other_cohort):
    with pytest.raises(FibrolibError, match="--share must lie between 0 and 1"):
        open_validation(finished_run, register(other_cohort), share=1.0)


def test_the_folder_is_named_after_run_cohort_and_seed(finished_run, other_cohort):
    validation = open_validation(finished_run, register(other_cohort), seed=4)
    assert validation.folder.path.parent.name == "reports"
    cohort = name_for_folder(validation.reference)
    assert validation.folder.path.name == f"validation-run-on-{cohort}-seed4"
    one = replace(validation, models=validation.models[:1])
    assert one.folder.path.name.startswith("validation-run-cnn3d-on-")


def test_another_hospital_of_the_same_size_is_another_folder(finished_run, other_cohort, tmp_path):
    third = write_cohort_files(tmp_path / "third", 900, 20, "R")
    folders = [open_validation(finished_run, register(table)).folder for table in (other_cohort, third)]
    assert folders[0].path != folders[1].path
    assert folders[0].key != folders[1].key
