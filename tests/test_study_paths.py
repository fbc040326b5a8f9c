import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fibrolib
from fibrolib.errors import FibrolibError
from fibrolib.study import PROJECT, from_project, notebook_sources, request


def test_paths_do_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    here = from_project("reports/x")
    monkeypatch.chdir(tmp_path)
    assert from_project("reports/x") == here == PROJECT / "reports" / "x"
    assert from_project(tmp_path) == tmp_path


def test_an_installed_package_writes_to_the_working_folder(tmp_path):
    """A copy of the package without a checkout around it, as pip installs one."""
    shutil.copytree(Path(fibrolib.__file__).parent, tmp_path / "site-packages" / "fibrolib")
    (tmp_path / "work").mkdir()
    code = "from fibrolib.study import open_study; print(open_study(profile='smoke').folder.path)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "work",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site-packages")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(tmp_path / "work" / "reports" / "virtual-smoke-cutoff2-seed0")


def test_notebooks_are_in_the_order_of_their_numbers():
    names = [path.name for path in notebook_sources()]
    assert names == sorted(names)
    assert names[0].startswith("00_")


def test_notebooks_about_virtual_patients_are_for_a_virtual_cohort():
    everything, without = notebook_sources(), notebook_sources(virtual=False)
    assert [path.stem for path in everything if path not in without] == [
        "00_virtual_patient",
        "08_does_it_use_motion",
    ]


def test_no_checkout_is_a_sentence(monkeypatch):
    monkeypatch.setattr(request, "PROJECT", Path("/nowhere"))
    with pytest.raises(FibrolibError, match="runs from a checkout"):
        notebook_sources()
