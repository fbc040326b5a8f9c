"""What a run folder holds, and that two runs in one folder do not mix."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fibrolib.errors import FibrolibError
from fibrolib.study.runfolder import RunFolder
from fibrolib.video import read_video


def test_json_has_no_nan(tmp_path):
    RunFolder(tmp_path).save_json("results", {"a": float("nan"), "b": [np.float64(1.5), np.int64(2)], 3: (None, "ü")})
    assert json.loads((tmp_path / "results.json").read_text("utf-8")) == {"a": None, "b": [1.5, 2], "3": [None, "ü"]}


def test_tables_and_predictions(tmp_path):
    folder, table = RunFolder(tmp_path), pd.DataFrame({"a": [1.25], "b": ["x"]})
    assert folder.save_table("t", table).read_text() == "a,b\n1.25,x\n"
    assert folder.save_predictions(table).name == "predictions.csv"


def test_what_is_saved_is_shown_by_the_same_call(tmp_path):
    folder, table, figure = RunFolder(tmp_path), pd.DataFrame({"n": [70000, 1], "x": [0.12345, None]}), Figure()
    shown = folder.show_table("t", table).to_html()
    assert "70,000" in shown
    assert "0.123<" in shown
    assert (tmp_path / "tables" / "t.csv").read_text() == "n,x\n70000,0.12345\n1,\n"
    assert "in words" in folder.show_table("t", table, pd.DataFrame({"in words": ["a"]})).to_html()
    written, size = folder.show_figure("f", figure)._repr_png_()
    assert written == (tmp_path / "figures" / "f.png").read_bytes()
    with Image.open(tmp_path / "figures" / "f.png") as picture:
        assert size == {"width": round(picture.width * 110 / 150)}  # 110 dots per inch on the screen
    assert (tmp_path / "figures" / "f.svg").exists()


def test_features_of_finished_fits_go_and_fits_stay(tmp_path):
    folder = RunFolder(tmp_path)
    for name in ("a/key/code/fit.safetensors", "a/key/code/features/x.npy", "b/key/code/features/y.npy"):
        (folder.fits / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.fits / name).write_bytes(b"")
    folder.remove_features()
    assert [path.name for path in folder.fits.rglob("*") if path.is_file()] == ["fit.safetensors"]


def test_figures_repeat_to_the_byte(tmp_path):
    def figure():
        made = Figure()
        made.subplots().plot([0, 1], [1, 0])
        return made

    RunFolder(tmp_path / "a").save_figure("f", figure())
    RunFolder(tmp_path / "b").save_figure("f", figure())
    for suffix in ("svg", "png"):
        first, again = ((tmp_path / run / "figures" / f"f.{suffix}").read_bytes() for run in "ab")
        assert first == again


def test_clip(tmp_path):
    frames = np.full((5, 32, 32), 90, dtype=np.uint8)
    path = RunFolder(tmp_path).save_clip("sample", frames, 10.0)
    assert read_video(path).frames.shape == (5, 32, 32)


ASKED = {"cohort": "", "profile": "quick", "cutoff": 2, "seed": 0, "version": "0.1"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def finished(tmp_path):
    """A folder that holds a finished study."""
    folder = RunFolder(tmp_path / "run", "seed 0", ASKED)
    folder.save_table("t", pd.DataFrame({"a": [1]}))
    folder.save_report("old")
    return folder.path


def test_a_folder_of_another_study_is_left_as_it_is(finished):
    before, other = contents(finished), RunFolder(finished, "seed 1", {**ASKED, "profile": "smoke", "seed": 1})
    said = r"(?s)another study \(virtual cohort, profile quick, cut-off 2, seed 0, .*smoke, cut-off 2, seed 1.*--over"
    for attempt in (other.refuse_other_content, other.claim, lambda: other.save_report("new")):
        with pytest.raises(FibrolibError, match=said):
            attempt()
    assert contents(finished) == before
    RunFolder(finished, "seed 0").refuse_other_content()


def test_overwriting_moves_the_old_study_aside(finished):
    before, other = contents(finished), RunFolder(finished, "seed 1", ASKED)
    aside = other.move_other_study_aside()
    assert re.fullmatch(r"run-until-\d{4}-\d\d-\d\d-\d{6}", aside.name)
    assert contents(aside) == before
    other.save_report("new")
    assert other.move_other_study_aside() is None  # its own study stays
    assert (finished / "report.html").read_text() == "new"


def test_a_folder_of_other_files_is_neither_used_nor_moved(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    folder = RunFolder(tmp_path, "seed 0", ASKED)
    assert folder.move_other_study_aside() is None
    with pytest.raises(FibrolibError, match="files that no run has written"):
        folder.save_report("new")
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["letter.txt"]


def test_a_study_that_has_only_computed_so_far_goes_on(tmp_path):
    folder = RunFolder(tmp_path, "seed 0", ASKED)
    folder.cache.get_or_compute_table("t", {}, lambda: pd.DataFrame({"a": [1]}), made_by=(RunFolder,))
    folder.refuse_other_content()
    folder.save_report("made")


def test_a_folder_of_an_earlier_version_is_told_as_such(tmp_path):
    (tmp_path / ".made-for").write_text("0123456789abcdef0123")
    with pytest.raises(FibrolibError, match="made by an earlier version of fibrolib"):
        RunFolder(tmp_path, "seed 0", ASKED).claim()


RUN = """
import sys
from pathlib import Path
from fibrolib.study.runfolder import RunFolder
with RunFolder(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A process that holds a folder until it is killed, and the folder."""
    folder = tmp_path_factory.mktemp("held") / "run"
    RunFolder(folder, "seed 0").claim()
    script = [sys.executable, "-c", RUN, str(folder)]
    process = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process, folder
    process.kill()
    process.communicate()


def test_a_second_run_is_told_who_is_at_work(run, tmp_path):
    process, folder = run
    told = rf"(?s)run: another run is at work.*process {process.pid} of .*since .*--out"
    with pytest.raises(FibrolibError, match=told), RunFolder(folder).hold():
        pass
    with RunFolder(tmp_path / "other").hold():  # another folder is free
        pass


def test_a_notebook_of_the_same_request_works_beside_a_run(run):
    _, folder = run
    table = pd.DataFrame({"a": [1]})
    assert RunFolder(folder, "seed 0").save_table("t", table).exists()
    other = RunFolder(folder, "seed 1")
    with pytest.raises(FibrolibError, match="another run is at work"):
        other.save_table("t", table)
    with pytest.raises(FibrolibError, match="another run is at work"):
        other.move_other_study_aside()
    assert (folder / "tables" / "t.csv").exists(), "the run's file was taken away"


def test_a_killed_run_leaves_no_lock_behind(run):
    process, folder = run
    process.kill()
    process.wait()
    assert (folder / ".running.json").exists()
    with RunFolder(folder).hold():
        pass
    assert not (folder / ".running.json").exists()


def test_the_run_itself_claims_its_folder(tmp_path):
    folder = RunFolder(tmp_path / "run", "seed 0")
    with folder.hold():
        folder.save_json("results", {})
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", ".made-for", "results.json"]


def test_a_run_that_wrote_nothing_leaves_no_folder(tmp_path):
    with RunFolder(tmp_path / "a" / "run").hold(), RunFolder(tmp_path / "a" / "run").hold():
        assert (tmp_path / "a" / "run" / ".running.json").exists()
    assert not (tmp_path / "a" / "run").exists()
    with RunFolder(tmp_path / "a" / "run").hold():
        (tmp_path / "a" / "run" / "x").touch()
    assert (tmp_path / "a" / "run" / "x").exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(FibrolibError, match="this run folder cannot be made"), RunFolder(place).hold():
            pass
    with pytest.raises(FibrolibError, match="this is a file"):
        RunFolder(tmp_path / "file", "seed 0").refuse_other_content()
