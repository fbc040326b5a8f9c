"""Kernels that are forked; that they end with a run which is killed is seen in `test_pipeline`."""

import os
import sys

import nbformat
import psutil
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

from fibrolib.errors import FibrolibError
from fibrolib.report import kernels
from fibrolib.report.notebooks import execute_notebook

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

LOOKS = [
    "import os, sys\nos.getppid(), os.environ['MARK'], sys.stdin.readline(), __name__",
    "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 3, 2])\nfigure",
    "print('said')\nos.system('echo from a program') and None",
    "import torch\ntorch.nn.functional.conv2d(torch.ones(1, 1, 64, 64), torch.ones(1, 1, 5, 5)).sum().item()",
    "1 / 0",
]


def outputs_of(manager, folder):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in LOOKS])
    options = {"kernel_manager_class": manager, "resources": {"metadata": {"path": str(folder)}}}
    NotebookClient(notebook, allow_errors=True, **options).execute()
    return [cell.outputs for cell in notebook.cells]


def test_a_forked_kernel_is_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setenv("MARK", "of this run")
    forked, ordinary = (outputs_of(manager, tmp_path) for manager in (kernels.KernelManager, AsyncKernelManager))
    parent = psutil.Process(kernels._server()._process.pid)
    assert forked[0][0].data["text/plain"] == f"({parent.pid}, 'of this run', '', '__main__')"
    assert ordinary[0][0].data["text/plain"] == f"({os.getpid()}, 'of this run', '', '__main__')"
    assert forked[1:] == ordinary[1:]
    assert parent.children() == []


def notebook_that(does, path):
    cell = nbformat.v4.new_code_cell("number: int = 1  # a number", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [cell, nbformat.v4.new_code_cell(does)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_a_kernel_that_dies_is_noticed(tmp_path):
    notebook = notebook_that("import os\nos._exit(3)", tmp_path / "01_a.ipynb")
    with pytest.raises(FibrolibError, match=r"01_a\.ipynb: its kernel died"):
        execute_notebook(notebook, tmp_path / "run" / "01_a.ipynb", {}, "cohort")


def test_an_error_beside_ends_kernels_that_still_run(tmp_path):
    with pytest.raises(ZeroDivisionError), kernels.kernels() as at_once:
        assert at_once == min(2, os.cpu_count())
        server = kernels._server()
        asked = {"arguments": ["-f", str(tmp_path / "kernel.json")], "cwd": str(tmp_path), "env": dict(os.environ)}
        kernel = psutil.Process(server.ask(**asked)["pid"])
        raise ZeroDivisionError
    assert psutil.wait_procs([kernel], timeout=30)[1] == []
    assert server._process.poll() is not None


def test_a_server_that_was_killed_is_a_sentence():
    server = kernels.KernelServer()
    server._process.kill()
    with pytest.raises(FibrolibError, match="The process that starts kernels ended with status -9"):
        server.ask(ended=1)
    server.stop()
