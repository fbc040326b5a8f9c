"""One set of pins, said in three places that must agree."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

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
    declared = project()["dependencies"] + project()["optional-dependencies"]["test"]
    names = {Requirement(text).name.lower() for text in declared}
    assert names <= set(constraints())


def test_conda_takes_the_same_pins():
    conda = yaml.safe_load((TOP / "environment.yml").read_text("utf-8"))
    supplied = [item for item in conda["dependencies"] if isinstance(item, str)]
    (by_pip,) = (item["pip"] for item in conda["dependencies"] if isinstance(item, dict))
    assert supplied == ["python=3.11", "pip"]
    assert by_pip == ["-c constraints.txt", "-e .[test]"]
    assert "3.11" in project()["requires-python"]
