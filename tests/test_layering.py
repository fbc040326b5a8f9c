"""Imports run downwards only: the rooms of the package, bottom to top."""

import ast
from pathlib import Path

import pytest

import fibrolib

PACKAGE = Path(fibrolib.__file__).parent
LAYERS = [
    {"atomic", "errors", "provenance", "workers"},
    {"own_files", "progress"},
    {"stages"},
    {"diagnostics"},
    {"cohort", "video", "nets", "inference"},
    {"phantom", "learning", "checking", "privacy"},
    {"attribution", "pretraining", "deidentify"},
    {"plots"},
    {"study"},
    {"experiments"},
    {"report"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
TORCH_ROOMS = {"nets", "learning", "attribution", "pretraining", "study", "experiments", "report"}


def room_of(path):
    return Path(path.relative_to(PACKAGE).parts[0]).stem


def imported(path):
    """Full names of all modules a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    room = room_of(path)
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("fibrolib.")} - {room}
    upward = {other for other in rooms if LEVEL[other] >= LEVEL[room]}
    assert not upward, f"{path} imports {sorted(upward)}, which is not below {room}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_packages_stay_in_their_rooms(path):
    top = {name.split(".")[0] for name in imported(path)}
    if room_of(path) not in TORCH_ROOMS:
        assert not top & {"torch", "torchvision", "timm", "captum", "skorch"}
    if room_of(path) != "plots" and "TYPE_CHECKING" not in path.read_text("utf-8"):
        assert not top & {"matplotlib", "seaborn"}


def test_every_room_has_its_level():
    assert {room_of(path) for path in MODULES} == set(LEVEL)
