"""Paths do not depend on the working directory; a wrong cut-off is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fibrolib
from fibrolib.errors import FibrolibError
from fibrolib.study import PROJECT, Request, open_study
from fibrolib.study.request import _from_project


def test_paths_do_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    here = _from_project("reports/x")
    monkeypatch.chdir(tmp_path)
    assert _from_project("reports/x") == here == PROJECT / "reports" / "x"
    assert _from_project(tmp_path) == tmp_path


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


@pytest.mark.parametrize("cutoff", [0, 5, 9, "2", None])
def test_a_cutoff_that_is_no_stage_is_refused_before_any_file_is_looked_for(tmp_path, cutoff):
    with pytest.raises(FibrolibError, match=f"cutoff must be 1, 2, 3 or 4, .*; not {cutoff!r}"):
        open_study(cohort=str(tmp_path / "none.csv"), cutoff=cutoff, out=str(tmp_path / "run"))


@pytest.mark.parametrize("cutoff", [1, 2, 3, 4])
def test_every_stage_but_the_lowest_is_a_cutoff(cutoff):
    assert Request(cutoff=cutoff).cutoff == cutoff
