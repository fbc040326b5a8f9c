"""The command line as a user meets it; each wrong input ends in a sentence and status 2, before any work."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from importlib import metadata, resources

import pandas as pd
import pytest
import typer
from other_hospital import write_cohort_files
from typer.testing import CliRunner

from fibrolib import cli
from fibrolib.errors import FibrolibError
from fibrolib.learning import NetClassifier
from fibrolib.study import load_profile
from fibrolib.study.preprocessing import _preprocessing_settings


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    """Twenty-four patients with small files."""
    return write_cohort_files(tmp_path_factory.mktemp("Études à Zürich 肝") / "small", 0, 24, "P")


@pytest.fixture
def copy(cohort, tmp_path):
    """A copy of the table beside links to the files, to be spoilt."""
    for folder in ("videos", "images"):
        (tmp_path / folder).symlink_to(cohort.parent / folder)
    return shutil.copy(cohort, tmp_path / "cohort.csv")


def call(monkeypatch, capsys, *arguments):
    """Run the command in this process; return status, output and error output."""
    monkeypatch.setattr(sys, "argv", ["fibrolib", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def spoil(path, column, row, value):
    table = pd.read_csv(path, dtype=str)
    table.loc[row, column] = value
    table.to_csv(path, index=False)


def test_check_of_a_clean_cohort(monkeypatch, capsys, cohort):
    status, out, _ = call(monkeypatch, capsys, "check", cohort)
    assert status == 1  # nothing is wrong but the number of patients
    assert "0 errors" in out
    assert "24 patients, 24 videos" in out
    assert "not read" not in out
    assert "from chance" in out


def test_wrong_cells_are_named_with_their_lines(monkeypatch, capsys, copy):
    wrong = [("video", 2, "videos/none.mp4"), ("stage", 4, "F2-3"), ("stage", 6, "7"), ("patient_id", 8, "P03")]
    spoil(copy, "stage", 3, "0")
    for column, row, value in [*wrong, ("stage", 8, "3")]:
        spoil(copy, column, row, value)
    for command in (["check", copy], ["run", "--cohort", copy]):
        status, out, err = call(monkeypatch, capsys, *command)
        assert status == 2
        lines = (out + err).splitlines()
        for column, row, value in wrong[:3]:
            about = f"line {row + 2}, column '{column}'"
            assert any(about in line and value.removeprefix("videos/") in line for line in lines), about
        assert any("P03" in line and "more than one stage" in line for line in lines)


def test_missing_table(monkeypatch, capsys, tmp_path):
    status, _, err = call(monkeypatch, capsys, "run", "--cohort", tmp_path / "none.csv", "--out", tmp_path / "run")
    assert status == 2
    assert "none.csv" in err
    assert not (tmp_path / "run" / "notebooks").exists()


def test_missing_column(monkeypatch, capsys, copy):
    pd.read_csv(copy).drop(columns="stage").to_csv(copy, index=False)
    status, _, err = call(monkeypatch, capsys, "run", "--cohort", copy)
    assert status == 2
    assert "stage" in err


def test_one_class_only(monkeypatch, capsys, copy):
    table = pd.read_csv(copy)
    table.assign(stage=0).to_csv(copy, index=False)
    status, _, err = call(monkeypatch, capsys, "run", "--cohort", copy)
    assert status == 2
    assert "cut-off" in err


def test_unreadable_video(monkeypatch, capsys, copy, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    spoil(copy, "video", 2, "broken.mp4")
    status, out, _ = call(monkeypatch, capsys, "check", copy, "--json", "--page", tmp_path / "check.html")
    assert status == 2
    (error,) = [finding for finding in json.loads(out)["findings"] if finding["severity"] == "error"]
    assert error["rows"] == [4]
    assert "broken.mp4" in error["message"]
    assert "broken.mp4" in (tmp_path / "check.html").read_text()
    spoil(copy, "stage", 5, "F2-3")
    status, _, err = call(monkeypatch, capsys, "run", "--cohort", copy, "--out", tmp_path / "run")
    assert status == 2
    assert "nothing was run" in err
    assert "line 4, column 'video': broken.mp4" in err
    assert "line 7, column 'stage'" in err
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_told_in_a_sentence(monkeypatch, capsys, tmp_path):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "reports/mine/tables/a.csv")

    monkeypatch.setattr("fibrolib.phantom.simulate_cohort", full)
    status, _, err = call(monkeypatch, capsys, "simulate", "--out", tmp_path / "v")
    assert status == 2
    assert err.startswith("Error: The disk is full")
    assert "tables/a.csv" in err
    assert "run the same command again" in err


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(monkeypatch, capsys, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "P1_a.mp4").write_bytes(b"opened by the check only")
    (tmp_path / "file").write_text("no folder")
    for place in ("file", "file/cohort"):
        status, _, err = call(monkeypatch, capsys, "init", tmp_path / place, "--from", tmp_path / "videos")
        assert status == 2
        assert err.startswith(f"Error: {tmp_path / 'file'}")
        assert "Choose another folder" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--profile", "quik"], "Unknown profile 'quik'. Did you mean 'quick'? Choose one of smoke, quick, paper"),
        (["--parameter", "cutof=3"], "Did you mean 'cutoff'?"),
        (["--parameter", "cutoff=3"], "Set cutoff with --cutoff"),
        (["--parameter", "cutoff"], "expected NAME=VALUE"),
    ],
)
def test_wrong_words_on_the_command_line(monkeypatch, capsys, tmp_path, arguments, expected):
    status, _, err = call(monkeypatch, capsys, "run", *arguments, "--out", tmp_path)
    assert status == 2
    assert expected in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cutoff", [0, 5, 9])
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_cutoff_that_is_no_stage_is_refused_before_the_table_is_read(
    monkeypatch, capsys, tmp_path, private, command, cutoff
):
    (tmp_path / "cohort.csv").write_text("no cohort at all")
    noted = sorted(private.rglob("*"))
    table = [tmp_path / "cohort.csv"] if command == "check" else ["--cohort", tmp_path / "cohort.csv"]
    status, out, err = call(monkeypatch, capsys, command, *table, "--cutoff", cutoff)
    assert status == 2
    assert "--cutoff" in err
    assert ("equal to 4" if cutoff > 4 else "equal to 1") in err
    assert "cohort.csv" not in out + err
    assert sorted(private.rglob("*")) == noted


def test_paths_on_the_command_line_are_meant_from_where_it_is_typed(monkeypatch, capsys, tmp_path):
    """Notebooks run in another folder."""
    profile = resources.files("fibrolib.study") / "profiles" / "smoke.toml"
    (tmp_path / "mine.toml").write_text(profile.read_text("utf-8"), "utf-8")
    requests = []

    def run_study(request, *_, **__):
        requests.append(request)
        raise FibrolibError("That is all.")

    monkeypatch.setattr("fibrolib.report.run_study", run_study)
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, capsys, "run", "--profile", "mine.toml", "--out", "run")[0] == 2
    assert (requests[0].profile, requests[0].out) == (str(tmp_path / "mine.toml"), str(tmp_path / "run"))


def test_an_unknown_profile_is_refused_before_the_table_is_read(monkeypatch, capsys, tmp_path, private):
    (tmp_path / "cohort.csv").write_text("no cohort at all")
    noted = sorted(private.rglob("*"))
    arguments = ["--cohort", tmp_path / "cohort.csv", "--profile", "papre", "--out", tmp_path / "run"]
    status, _, err = call(monkeypatch, capsys, "run", *arguments)
    assert status == 2
    assert "Unknown profile 'papre'. Did you mean 'paper'?" in err
    assert sorted(private.rglob("*")) == noted
    assert not (tmp_path / "run").exists()


def test_version(monkeypatch, capsys):
    status, out, _ = call(monkeypatch, capsys, "--version")
    assert status == 0
    assert out == f"fibrolib {metadata.version('fibrolib')}\n"


def test_help_lists_the_commands():
    text = CliRunner().invoke(cli.app, ["--help"]).output
    for command in ("simulate", "check", "run", "score", "validate", "pretrain"):
        assert command in text


def test_python_dash_m():
    found = subprocess.run([sys.executable, "-m", "fibrolib", "--help"], capture_output=True, text=True, check=True)
    assert "simulate" in found.stdout


def test_simulate(monkeypatch, capsys, tmp_path):
    status, out, _ = call(monkeypatch, capsys, "simulate", "--patients", 1, "--seed", 1, "--out", tmp_path / "v")
    assert status == 0
    assert "1 virtual patient, 1 video" in out
    assert (tmp_path / "v" / "cohort.csv").exists()


@pytest.mark.skipif(os.name != "posix", reason="stops by signal")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_every_signal_that_asks_a_run_to_end_is_answered_in_a_sentence(capsys, name):
    """What such a run leaves is seen in `test_failing_run`."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(typer.Exit) as stop, cli._stopped_in_a_sentence():
            signal.raise_signal(signal.Signals[name])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert stop.value.exit_code == 130
    assert "Run the same command again to resume" in capsys.readouterr().err


def test_parameters_are_read_as_json_where_they_are():
    assert cli._parameters(["a=1", "b=x", "c=[1, 2]", "d=a=b"]) == {"a": 1, "b": "x", "c": [1, 2], "d": "a=b"}


@pytest.fixture
def model(flicker_patients, tmp_path):
    """A saved net, without its settings."""
    net = NetClassifier(options={"width": 4}, clip_length=4, n_clips=1, epochs=1, n_stages=3, n_threads=1)
    net.fit(flicker_patients, flicker_patients["stage"]).save(tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def test_score_tells_every_stage_and_that_it_is_no_diagnosis(monkeypatch, capsys, cohort, model):
    settings = _preprocessing_settings(load_profile("smoke"), "clips", virtual=True)
    model.with_suffix(".json").write_text(json.dumps(settings), "utf-8")
    status, out, _ = call(monkeypatch, capsys, "score", model, cohort.parent / "videos" / "P00.mp4")
    assert status == 0
    rows = [line.split() for line in out.splitlines()[1:4]]
    assert [stage for stage, _ in rows] == ["0", "1", "2"]
    assert sum(float(probability) for _, probability in rows) == pytest.approx(1, abs=0.002)
    assert "Not a diagnosis" in out
    assert "virtual patients" in out


def test_score_says_what_is_missing(monkeypatch, capsys, cohort, model, tmp_path):
    video = cohort.parent / "videos" / "P00.mp4"
    without_settings = call(monkeypatch, capsys, "score", model, video)
    model.with_suffix(".json").write_text(
        json.dumps(_preprocessing_settings(load_profile("smoke"), "clips", virtual=False))
    )
    without_model = call(monkeypatch, capsys, "score", tmp_path / "none.safetensors", video)
    without_video = call(monkeypatch, capsys, "score", model, tmp_path / "none.mp4")
    not_a_model = call(monkeypatch, capsys, "score", video, video)
    expected = ("net.json", "none.safetensors", "none.mp4", "P00.mp4")
    found = (without_settings, without_model, without_video, not_a_model)
    for (status, _, err), word in zip(found, expected, strict=True):
        assert status == 2
        assert err.startswith("Error: ")
        assert word in err


def test_pretrain_refuses_a_net_without_a_recipe_before_any_work(monkeypatch, capsys, tmp_path):
    folders = ["--out", tmp_path / "weights", "--pictures", tmp_path / "pictures"]
    status, _, err = call(monkeypatch, capsys, "pretrain", *folders, "--only", "r3d_18")
    assert status == 2
    assert "no recipe for 'r3d_18'" in err
    assert "motion_slowfast" in err
    assert list(tmp_path.iterdir()) == []
