"""Whole runs that fail: each ends soon, says why, keeps the traceback, and leaves no process behind.

The runs are those of a small checkout: this package, two notebooks of its own, and a cohort that is there already.
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

import fibrolib
from fibrolib.phantom import simulate_cohort

PACKAGE = Path(fibrolib.__file__).parent
SOON = 60  # seconds: a loaded machine may take three times the 20 that a run needs at most
PARAMETERS = 'cohort: str = ""\nprofile: str = ""\ncutoff: int = 2\nseed: int = 0\nout: str = ""'
BUSY = """import pathlib, time, joblib
pathlib.Path("busy").touch()
joblib.Parallel(2)(joblib.delayed(time.sleep)(600) for _ in range(4))"""
WAIT = """import os, pathlib, resource, signal, time
while not pathlib.Path("busy").exists():
    time.sleep(0.1)
time.sleep(1)
"""
FAILURES = {
    "raises": ("1 / 0", "ZeroDivisionError", True),
    "is killed": (
        "os.kill(os.getpid(), signal.SIGKILL)",
        "its kernel died, probably because the memory is full",
        False,
    ),
    "exhausts memory": (
        "resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))\nbytearray(2**40)",
        "MemoryError",
        True,
    ),
    "loses a worker": (
        "from joblib import Parallel, delayed\nParallel(2)(delayed(os._exit)(3) for _ in range(4))",
        "TerminatedWorkerError",
        True,
    ),
}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills by signal")


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """The virtual cohort of the profile ``smoke``."""
    folder = tmp_path_factory.mktemp("cohorts")
    simulate_cohort(folder / "virtual-24-seed0", patients=24, seed=0, n_jobs=2)
    return folder


@pytest.fixture
def checkout(tmp_path, cohorts):
    """A checkout whose notebooks are to be written; its run folder is ``reports/virtual-smoke-cutoff2-seed0``."""
    shutil.copytree(PACKAGE, tmp_path / "fibrolib", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "cohorts").symlink_to(cohorts)
    return tmp_path


def write_notebook(path, body):
    cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), nbformat.v4.new_code_cell(body)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


@pytest.fixture
def start(checkout):
    """Start a run; what is left of it ends with the test."""
    started = []

    def begin():
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "fibrolib", "run", "--profile", "smoke"],
                cwd=checkout,
                env={**os.environ, "PYTHONPATH": str(checkout)},
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
        time.sleep(0.2)
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


@pytest.mark.parametrize("failure", FAILURES)
def test_a_notebook_that_fails_ends_the_run_with_another_under_way(checkout, start, failure):
    body, said, has_traceback = FAILURES[failure]
    write_notebook(checkout / "notebooks" / "01_fails.ipynb", f"{WAIT}{body}")
    write_notebook(checkout / "notebooks" / "02_busy.ipynb", BUSY)
    run = start()
    processes = follow(run)
    printed = run.stdout.read()
    assert run.returncode == 2, printed
    assert "01_fails.ipynb" in printed
    assert said in printed
    assert none_is_left(processes)
    copy = checkout / "reports" / "virtual-smoke-cutoff2-seed0" / "notebooks" / "01_fails-failed.ipynb"
    outputs = [output for cell in nbformat.read(copy, 4).cells for output in cell.get("outputs", [])]
    assert bool([output for output in outputs if output.output_type == "error"]) == has_traceback


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_run_that_is_stopped_leaves_no_process(checkout, start, name):
    write_notebook(checkout / "notebooks" / "01_busy.ipynb", BUSY)
    run = start()
    marker = checkout / "reports" / "virtual-smoke-cutoff2-seed0" / "notebooks" / "busy"
    follow(run, until=marker.exists)
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


def test_a_worker_that_dies_while_the_cohort_is_simulated_is_a_sentence(checkout, start):
    (checkout / "reports" / "cohorts").unlink()
    write_notebook(checkout / "notebooks" / "01_never.ipynb", "pass")
    run = start()
    images = checkout / "reports" / "cohorts" / "virtual-24-seed0" / "images"
    processes = follow(run, until=lambda: len(list(images.glob("*.png"))) > 2)
    busiest = max(psutil.Process(run.pid).children(recursive=True), key=lambda process: process.memory_info().rss)
    busiest.kill()
    printed, _ = run.communicate(timeout=SOON)
    assert run.returncode == 2, printed
    assert "probably because the memory is full" in printed
    assert "Traceback" not in printed
    assert none_is_left(processes)


def test_a_report_that_cannot_be_written_ends_the_run_and_keeps_the_notebooks(checkout, start):
    in_the_way = "import pathlib\npathlib.Path('../results.json/in the way').mkdir(parents=True)"
    write_notebook(checkout / "notebooks" / "01_fine.ipynb", in_the_way)
    run = start()
    processes = follow(run)
    printed = run.stdout.read()
    assert run.returncode != 0, printed
    assert "results.json" in printed
    assert none_is_left(processes)
    assert (checkout / "reports" / "virtual-smoke-cutoff2-seed0" / "notebooks" / "01_fine.ipynb").exists()
