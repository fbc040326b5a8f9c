"""Two runs on one folder do not mix; a killed one leaves no lock behind; a notebook beside a run may work."""

import subprocess
import sys

import pandas as pd
import pytest

from fibrolib.errors import FibrolibError
from fibrolib.study.runfolder import RunFolder, held

RUN = """
import sys
from pathlib import Path
from fibrolib.study.runfolder import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path):
    """A process that holds the folder ``run`` until it is killed."""
    RunFolder(tmp_path / "run", "seed 0").claim()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_told_who_is_at_work(run, tmp_path):
    told = rf"(?s)run: another run is at work.*process {run.pid} of .*since .*--out"
    with pytest.raises(FibrolibError, match=told), held(tmp_path / "run"):
        pass
    with held(tmp_path / "other"):  # another folder is free
        pass


def test_a_killed_run_leaves_no_lock_behind(run, tmp_path):
    run.kill()
    run.wait()
    assert (tmp_path / "run" / ".running.json").exists()
    with held(tmp_path / "run"):
        pass
    assert not (tmp_path / "run" / ".running.json").exists()


def test_a_notebook_of_the_same_request_works_beside_a_run(run, tmp_path):
    table = pd.DataFrame({"a": [1]})
    assert RunFolder(tmp_path / "run", "seed 0").save_table("t", table).exists()
    other = RunFolder(tmp_path / "run", "seed 1")
    with pytest.raises(FibrolibError, match="another run is at work"):
        other.save_table("t", table)
    with pytest.raises(FibrolibError, match="another run is at work"):
        other.move_other_study_aside()
    assert (tmp_path / "run" / "tables" / "t.csv").exists(), "the run's file was taken away"


def test_the_run_itself_claims_its_folder(tmp_path):
    folder = RunFolder(tmp_path / "run", "seed 0")
    with held(folder.path):
        folder.save_json("results", {})
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", ".made-for", "results.json"]


def test_a_run_that_wrote_nothing_leaves_no_folder(tmp_path):
    with held(tmp_path / "a" / "run"), held(tmp_path / "a" / "run"):
        assert (tmp_path / "a" / "run" / ".running.json").exists()
    assert not (tmp_path / "a" / "run").exists()
    with held(tmp_path / "a" / "run"):
        (tmp_path / "a" / "run" / "x").touch()
    assert (tmp_path / "a" / "run" / "x").exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(FibrolibError, match="this run folder cannot be made"), held(place):
            pass
    with pytest.raises(FibrolibError, match="this is a file"):
        RunFolder(tmp_path / "file", "seed 0").refuse_other_content()
