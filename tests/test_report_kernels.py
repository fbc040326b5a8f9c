"""Kernels of a run; that none outlives it is seen in `test_failing_run`."""

import os
import sys

import joblib
import nbformat
import psutil
import pytest

from fibrolib import system
from fibrolib.errors import FibrolibError
from fibrolib.report.kernels import _kernels, _starter
from fibrolib.report.notebooks import _execute_notebook

SAYS_ITS_ID = "import os, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))"


def notebook_that(does, path):
    cell = nbformat.v4.new_code_cell("number: int = 1  # a number", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [cell, nbformat.v4.new_code_cell(does)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def execute(notebook, tmp_path):
    executed = tmp_path / "run" / "01_a.ipynb"
    _execute_notebook(notebook, executed, {}, "cohort")
    return nbformat.read(executed, 4)


@pytest.fixture(params=["forked", "started"])
def way(request, monkeypatch):
    """Both ways to have kernels: forks, on Linux, and interpreters of their own."""
    if request.param == "forked":
        yield
        return
    _starter.close()
    monkeypatch.setattr(system, "POSIX", False)
    yield
    _starter.close()
    monkeypatch.undo()
    _starter.open()  # for the files that follow in this process


def test_processor_seconds_of_a_kernel_and_its_children_are_counted(tmp_path):
    burns = "import time\nwhile time.process_time() < {}: pass"
    does = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burns.format(1)!r}])"
    with _kernels():
        executed = tmp_path / "run" / "01_a.ipynb"
        spent = _execute_notebook(notebook_that(does, tmp_path / "01_a.ipynb"), executed, {}, "cohort")
        idle = _execute_notebook(notebook_that("pass", tmp_path / "02_b.ipynb"), executed, {}, "cohort")
    assert spent > 1
    assert 0 < idle < spent


def test_a_kernel_shares_the_cores_and_shows_no_progress(tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.delenv(name, raising=False)
    asked = (
        "import joblib, os\nprint(os.environ['OMP_NUM_THREADS'], joblib.cpu_count(), os.environ['FIBROLIB_PROGRESS'])"
    )
    with _kernels() as at_once:
        copy = execute(notebook_that(asked, tmp_path / "01_a.ipynb"), tmp_path)
    share = max(joblib.cpu_count() // at_once, 1)
    assert copy.cells[-1].outputs[0].text == f"{share} {share} 0\n"


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
def test_kernels_are_forks_of_one_process_that_has_imported_everything(tmp_path):
    asks = "import os, sys\nprint(os.getppid(), 'timm' in sys.modules)"
    with _kernels():
        said = [
            execute(notebook_that(asks, tmp_path / "01_a.ipynb"), tmp_path / name).cells[-1].outputs[0].text.split()
            for name in "ab"
        ]
    assert said[0] == said[1]
    assert said[0][1] == "True"


MEMORY = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))\nbytearray(2**40)"
WORKER = "import os\nfrom joblib import Parallel, delayed\nParallel(2)(delayed(os._exit)(3) for _ in range(4))"


@pytest.mark.parametrize(
    ("does", "name"),
    [
        ("1 / 0", "ZeroDivisionError"),
        pytest.param(
            MEMORY, "MemoryError", marks=pytest.mark.skipif(os.name != "posix", reason="limits memory as POSIX does")
        ),
        (WORKER, "TerminatedWorkerError"),
    ],
)
def test_a_notebook_that_raises_is_named_and_its_copy_keeps_the_traceback(tmp_path, does, name):
    notebook = notebook_that(does, tmp_path / "01_a.ipynb")
    with _kernels(), pytest.raises(FibrolibError, match=rf"01_a\.ipynb stopped in cell [\s\S]*{name}"):
        execute(notebook, tmp_path)
    (output,) = nbformat.read(tmp_path / "run" / "01_a-failed.ipynb", 4).cells[-1].outputs
    assert (output.output_type, output.ename) == ("error", name)


def test_a_kernel_that_dies_is_noticed_and_none_starts_once_all_are_ended(tmp_path):
    notebook = notebook_that("import os\nos._exit(3)", tmp_path / "01_a.ipynb")
    with pytest.raises(FibrolibError, match=r"01_a\.ipynb: its kernel died"), _kernels():
        execute(notebook, tmp_path)
    assert nbformat.read(tmp_path / "run" / "01_a-failed.ipynb", 4).cells
    with pytest.raises(FibrolibError, match=r"01_a\.ipynb: its kernel (did not start|died)"):
        execute(notebook_that("pass", tmp_path / "01_a.ipynb"), tmp_path)
    with _kernels():
        assert execute(notebook_that("print(1)", tmp_path / "01_a.ipynb"), tmp_path).cells[-1].outputs[0].text == "1\n"


def test_workers_end_with_the_kernel_that_left_them(tmp_path, way):
    leaves = "import subprocess\nprint(subprocess.Popen(['sleep', '600']).pid)"
    with _kernels():
        copy = execute(notebook_that(leaves, tmp_path / "01_a.ipynb"), tmp_path)
    left = int(copy.cells[-1].outputs[0].text)
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
