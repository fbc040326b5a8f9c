"""What stands at the top of the repository: pins said in three places that must agree, citation, commands, advice."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from jupyter_server.serverapp import ServerApp
from jupyterlab.labapp import LabApp
from packaging.requirements import Requirement
from typer.testing import CliRunner

import fibrolib
from fibrolib.cli import app
from fibrolib.study import PUBLISHED_SOURCE

TOP = Path(__file__).resolve().parents[1]


def constraints():
    lines = (TOP / "constraints.txt").read_text("utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {requirement.name.lower().replace("_", "-"): requirement for requirement in requirements}


def project():
    return tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]


def test_constraints_are_exact():
    for requirement in constraints().values():
        assert re.fullmatch(r"==[^*]+", str(requirement.specifier)), requirement


@pytest.mark.parametrize("name", ["torch", "torchvision", "timm", "captum", "skorch"])
def test_versions_that_work_together(name):
    expected = {"torch": "2.13.0", "torchvision": "0.28.0", "timm": "1.0.31", "captum": "0.9.0", "skorch": "1.4.0"}
    assert str(constraints()[name].specifier) == f"=={expected[name]}"


def test_every_dependency_is_pinned():
    extras = project()["optional-dependencies"]
    declared = project()["dependencies"] + extras["book"] + extras["test"]
    names = {Requirement(text).name.lower() for text in declared}
    assert names <= set(constraints())


def test_conda_takes_the_same_pins():
    conda = yaml.safe_load((TOP / "environment.yml").read_text("utf-8"))
    supplied = [item for item in conda["dependencies"] if isinstance(item, str)]
    (by_pip,) = (item["pip"] for item in conda["dependencies"] if isinstance(item, dict))
    assert supplied == ["python>=3.11,<3.14", "pip"]
    assert by_pip == ["-c constraints.txt", "-e .[test]"]


def test_the_declared_ranges_admit_the_pins_and_newer_releases():
    for text in project()["dependencies"]:
        declared = Requirement(text)
        (pin,) = constraints()[declared.name.lower()].specifier
        assert [each.operator for each in declared.specifier] == [">="], text
        assert pin.version in declared.specifier, text


def make(path, target, *options):
    """What make says with no other programs on its path."""
    command = [shutil.which("make"), "--no-print-directory", "-C", str(TOP), *options, target]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": str(path)})


@pytest.mark.parametrize(
    ("there", "found"), [(["3.12", "3.11", "3.13"], "3.11"), (["3.13", "3.12"], "3.12"), (["3.13"], "3.13")]
)
def test_make_finds_any_python_that_the_pins_are_for(there, found, tmp_path):
    for version in there:
        (tmp_path / f"python{version}").symlink_to("/bin/true")
    (tmp_path / "python3.10").symlink_to("/bin/true")
    assert make(tmp_path, "shown", "--eval", "shown: ; @: $(info $(PYTHON))").stdout == f"python{found}\n"


def test_make_says_which_pythons_there_must_be(tmp_path):
    said = make(tmp_path, "env", "READY=.venv/none")
    assert said.returncode
    assert said.stdout == (
        "The pinned packages need one of Python 3.11 3.12 3.13. Install one, or name it: make PYTHON=/path/to/python\n"
    )
    other = tmp_path / "other python"
    other.write_text("#!/bin/sh\necho 3.14\n")
    other.chmod(0o755)
    said = make(tmp_path, "env", "READY=.venv/none", f"PYTHON={other}")
    assert said.returncode
    assert f"; {other} is none of them" in said.stdout


def test_the_citation_names_this_version_and_invents_nothing():
    cited = yaml.safe_load((TOP / "CITATION.cff").read_text("utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert cited["message"]
    assert cited["title"].startswith("fibrolib: ")
    assert str(cited["version"]) == fibrolib.__version__
    assert cited["license"] == project()["license"]
    assert cited["authors"] == project()["authors"]
    (study,) = cited["references"]
    assert study["doi"] in PUBLISHED_SOURCE
    assert all(author["name"] for author in study["authors"])
    # A date and an address are said once there is a release, and a repository, to be found by them.
    released = f"## {fibrolib.__version__}" in (TOP / "CHANGELOG.md").read_text("utf-8")
    assert ("date-released" in cited) == released
    assert ("repository-code" in cited) == ("urls" in project())


def test_jupyterlab_is_rooted_where_reports_can_be_opened(monkeypatch):
    given = []
    monkeypatch.setattr(LabApp, "launch_instance", lambda arguments: given.extend(arguments))
    CliRunner().invoke(app, ["lab"], catch_exceptions=False)
    assert given == [f"--ServerApp.root_dir={TOP}", "--LabApp.default_url=/lab/tree/notebooks"]
    assert "root_dir" in ServerApp.class_trait_names()
    assert "default_url" in LabApp.class_trait_names()


def test_who_contributes_is_told_how_and_what_must_stay_out():
    text = (TOP / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"`((?:fibrolib|tests|notebooks)/[\w./]*)`", text))
    named |= set(re.findall(r"\]\(([\w./]+)\)", text))
    assert len(named) > 8
    assert not [path for path in named if not (TOP / path).exists()]
    targets = set(re.findall(r"^(\w+):", (TOP / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", text, re.MULTILINE)) <= targets
    assert "No patient data in issues" in text


def test_every_page_of_the_documentation_is_a_chapter_of_the_book():
    chapters = (TOP / "docs" / "index.md").read_text("utf-8").splitlines()
    pages = {f"docs/{page.stem}" for page in (TOP / "docs").glob("*.md")} - {"docs/index"}
    assert pages <= set(chapters)


def test_the_package_is_silent_and_statistics_need_no_torch():
    code = "import sys, fibrolib, fibrolib.inference; print({'torch', 'matplotlib', 'sklearn'} & {*sys.modules})"
    said = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("set()\n", "")
