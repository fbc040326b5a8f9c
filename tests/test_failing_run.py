"""Whole runs that fail: each ends soon, says why, and leaves no process behind.

The runs are those of a small checkout: this package, one or two notebooks of its own, and a cohort that an earlier run
has checked and prepared.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from conftest import CORES
from other_hospital import PROFILE, write_cohort_files

import fibrolib
from fibrolib.privacy import register
from fibrolib.study import Request, Study
from fibrolib.study.own_cohort import validate_cohort

PACKAGE = Path(fibrolib.__file__).parent
SOON = 60  # seconds: a loaded machine may take three times the 20 that a run needs at most
PARAMETERS = 'cohort: str = ""\nprofile: str = ""\ncutoff: int = 2\nseed: int = 0\nout: str = ""'
BUSY = """import pathlib, time, joblib
pathlib.Path("busy").touch()
joblib.Parallel(2)(joblib.delayed(time.sleep)(600) for _ in range(4))"""
WAIT = """import os, pathlib, signal, time
while not pathlib.Path("busy").exists():
    time.sleep(0.1)
time.sleep(1)
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills by signal")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout whose notebooks are to be written."""
    folder = tmp_path_factory.mktemp("Étude à Zürich 肝")
    shutil.copytree(PACKAGE, folder / "fibrolib")
    (folder / "pyproject.toml").touch()
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The options of a run of twenty patients, and a run folder for it where they are checked and prepared."""
    folder = tmp_path_factory.mktemp("Vidéos préparées")
    (folder / "tiny.toml").write_text(PROFILE, "utf-8")
    table = write_cohort_files(folder / "cohort", 0, 20, "P")
    study = Study(Request(register(table), str(folder / "tiny.toml"), out=str(folder / "run")))
    study.folder.claim()
    validate_cohort(study.reference, study.cutoff, study.profile, study.folder, lambda results, _: results)
    assert study.content
    return ["--cohort", str(table), "--profile", str(folder / "tiny.toml")], folder / "run"


@pytest.fixture
def notebooks(checkout):
    folder = checkout / "notebooks"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def out(prepared, tmp_path):
    """The run folder of one test."""
    return shutil.copytree(prepared[1], tmp_path / "run")


def write_notebook(path, body):
    cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), nbformat.v4.new_code_cell(body)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


@pytest.fixture
def start(checkout):
    """Start a run; what is left of it ends with the test."""
    started = []

    def begin(*options):
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "fibrolib", "run", *options],
                cwd=checkout,
                env={**os.environ, "PYTHONPATH": str(checkout), CORES: "2"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield begin
    for run in started:
        for process in psutil.Process(run.pid).children(recursive=True) if run.poll() is None else []:
            process.kill()
        run.kill()
        run.stdout.close()
        run.wait()


def follow(run, until=lambda: False):
    """Note all processes of a run until it ends, or until something holds."""
    seen = {}
    while run.poll() is None and not until():
        seen |= {process.pid: process for process in psutil.Process(run.pid).children(recursive=True)}
        time.sleep(0.5)
    return list(seen.values())


def is_left(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def none_is_left(processes):
    until = time.monotonic() + SOON
    while any(is_left(process) for process in processes) and time.monotonic() < until:
        time.sleep(0.2)
    return not [process for process in processes if is_left(process)]


def test_a_notebook_that_fails_ends_the_run_with_another_under_way(notebooks, start, prepared, out):
    """Other ways to fail are seen in `test_report_kernels`."""
    write_notebook(notebooks / "01_fails.ipynb", f"{WAIT}os.kill(os.getpid(), signal.SIGKILL)")
    write_notebook(notebooks / "02_busy.ipynb", BUSY)
    run = start(*prepared[0], "--out", str(out))
    processes = follow(run)
    printed = run.stdout.read()
    assert run.returncode == 2, printed
    assert "01_fails.ipynb: its kernel died, probably because the memory is full" in printed
    assert none_is_left(processes)
    assert (out / "notebooks" / "01_fails-failed.ipynb").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_run_that_is_stopped_leaves_no_process(notebooks, start, prepared, out, name):
    write_notebook(notebooks / "01_busy.ipynb", BUSY)
    run = start(*prepared[0], "--out", str(out))
    follow(run, until=(out / "notebooks" / "busy").exists)
    time.sleep(2)
    processes = psutil.Process(run.pid).children(recursive=True)
    assert len(processes) >= 3  # the kernel and its two workers
    run.send_signal(signal.Signals[name])
    printed, _ = run.communicate(timeout=SOON)
    assert none_is_left(processes)
    if name == "SIGKILL":
        assert run.returncode == -signal.SIGKILL
    else:
        assert run.returncode == 130
        assert "Run the same command again to resume" in printed
        assert "Traceback" not in printed


def test_a_worker_that_dies_while_the_cohort_is_simulated_is_a_sentence(notebooks, start, tmp_path):
    write_notebook(notebooks / "01_never.ipynb", "pass")
    run = start("--profile", "smoke", "--out", str(tmp_path / "run"))
    images = tmp_path / "cohorts" / "virtual-24-seed0-16-frames" / "images"
    processes = follow(run, until=lambda: any(images.glob("*.png")))
    busiest = max(psutil.Process(run.pid).children(recursive=True), key=lambda process: process.memory_info().rss)
    busiest.kill()
    printed, _ = run.communicate(timeout=SOON)
    assert run.returncode == 2, printed
    assert "probably because the memory is full" in printed
    assert "Traceback" not in printed
    assert none_is_left(processes)
