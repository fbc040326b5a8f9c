"""Which code a key holds: all that its functions can reach, and nothing else; comments and docstrings are no code."""

import ast
import importlib.util
import re
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest

import fibrolib
from fibrolib import provenance
from fibrolib.learning import NetClassifier
from fibrolib.provenance import _import_closure, _SourceTree, code_digest, package_digest
from fibrolib.study.evaluation import EVALUATION
from fibrolib.video import prepare_cached

PACKAGE = Path(fibrolib.__file__).parent
EVALUATING = sorted({each.__module__ for each in EVALUATION})


@pytest.fixture
def package(tmp_path):
    """A package with a room of two modules behind a face that also defines a name of its own."""
    files = {
        "__init__": "",
        "low": "x = 1",
        "types": "",
        "late": "",
        "room/__init__": "from pkg.room.a import A as Renamed\nfrom pkg.room.b import B\nOWN = B",
        "room/a": "from pkg.low import x\nA = x",
        "room/b": "B = 2",
        "one_name": "from pkg.room import Renamed",
        "own_name": "from pkg.room import OWN",
        "whole": "import pkg.room",
        "submodule": "from pkg.room import b",
        "inside": "def f():\n    if f:\n        from pkg.late import y\n    for each in f:\n        import pkg.low",
        "typed": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.types import T",
        "circle": "from pkg.circle_2 import x",
        "circle_2": "from pkg.circle import x",
        "relative": "from . import low",
    }
    for name, text in files.items():
        path = tmp_path / "pkg" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "pkg"


@pytest.mark.parametrize(
    ("module", "reached"),
    [
        ("low", []),
        ("one_name", ["room.a", "low"]),
        ("own_name", ["room", "room.a", "room.b", "low"]),
        ("whole", ["room", "room.a", "room.b", "low"]),
        ("submodule", ["room.b"]),
        ("inside", ["late", "low"]),
        ("typed", []),
        ("circle", ["circle_2"]),
    ],
)
def test_a_module_reaches_what_it_imports(package, module, reached):
    assert _SourceTree(package).closure([f"pkg.{module}"]) == {f"pkg.{name}" for name in (module, *reached)}


def test_a_relative_import_is_refused(package):
    with pytest.raises(ValueError, match="line 1: relative import"):
        _SourceTree(package).closure(["pkg.relative"])


@pytest.fixture
def copied(tmp_path):
    """A copy of fibrolib to edit."""
    return shutil.copytree(PACKAGE, tmp_path / "fibrolib", ignore=shutil.ignore_patterns("__pycache__"))


def key(package: Path) -> str:
    """The code's part in the key of an evaluation, in a new process."""
    tree = _SourceTree(package)
    return tree.digest(tree.closure(EVALUATING))


def edit(file: Path, pattern: str, replacement: str) -> None:
    text = file.read_text("utf-8")
    edited, times = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert times == 1
    assert edited != text
    file.write_text(edited, "utf-8")


@pytest.mark.parametrize(
    ("file", "pattern", "replacement"),
    [
        ("nets/frame.py", r"\A", "# Another comment.\n"),
        ("nets/frame.py", r'\A"""', '"""Another docstring. '),
        ("learning/classifier.py", r'("""Train on patients\.)', r"\1 Better."),
        ("learning/clips.py", r"^(_IN_MEMORY = .*)$", r"\1  # and why"),
        ("learning/clips.py", r'"""Bytes of prepared', '"""How many bytes of prepared'),
        ("inference/appraisal/forensics.py", r"\A", "import sys\n"),
        ("plots/style.py", r"\A", "import sys\n"),
        ("plots/__init__.py", r"\A", "import sys\n"),
        ("report/html.py", r"\A", "import sys\n"),
        ("cli.py", r"\A", "import sys\n"),
        ("study/evaluation.py", r"^(_WORTH_PROCESSES = 1)", r"\g<1>1"),
        ("learning/__init__.py", r"^(from fibrolib.learning.classifier)", r"import sys\n\1"),
    ],
)
def test_what_an_evaluation_does_not_use_leaves_its_key(copied, file, pattern, replacement):
    before = key(copied)
    edit(copied / file, pattern, replacement)
    assert key(copied) == before


@pytest.mark.parametrize(
    ("file", "pattern", "replacement"),
    [
        ("nets/frame.py", r"^(class _FrameCNN.*)$", r"number = 1\n\n\n\1"),
        ("nets/build.py", r'"frame_lstm": FrameLSTM', '"frame_lstm": _FrameCNN'),
        ("learning/training.py", r"warmup: float = 0\.1", "warmup: float = 0.2"),
        ("learning/evaluation.py", r"^_USUAL_CUTOFF = 2", "_USUAL_CUTOFF = 3"),
        ("stages.py", r">= cutoff\)\.astype", "> cutoff).astype"),
        ("video/reading.py", r"\A", "import sys\n"),
        ("study/cache.py", r"index=False", "index=True"),
    ],
)
def test_the_code_that_an_evaluation_uses_is_in_its_key(copied, file, pattern, replacement):
    before = key(copied)
    edit(copied / file, pattern, replacement)
    assert key(copied) != before


def test_packaged_weights_are_in_the_key_of_what_uses_nets(copied):
    before, tree = key(copied), _SourceTree(copied)
    statistics = tree.digest(tree.closure(["fibrolib.inference.roc"]))
    with (copied / "nets/weights/frame_cnn.safetensors").open("ab") as file:
        file.write(b"\0")
    after = _SourceTree(copied)
    assert key(copied) != before
    assert after.digest(after.closure(["fibrolib.inference.roc"])) == statistics


def test_all_code_of_the_package_is_in_its_digest(copied):
    before = _SourceTree(copied)
    edit(copied / "plots/style.py", r"\A", "# A comment.\n")
    assert _SourceTree(copied).digest(_SourceTree(copied)) == before.digest(before) == package_digest()
    edit(copied / "plots/style.py", r"\A", "import sys\n")
    assert _SourceTree(copied).digest(_SourceTree(copied)) != package_digest()


def rooms(*made_by) -> set[str]:
    return {module.split(".")[1] for module in _import_closure(*made_by)}


def test_an_evaluation_is_made_by_few_rooms():
    below = {"atomic", "errors", "own_files", "provenance", "stages", "system", "workers"}
    assert rooms(*EVALUATION) == {*below, "learning", "nets", "video", "study"}
    assert {name for name in _import_closure(*EVALUATION) if ".study." in name} == {"fibrolib.study.cache"}


def test_prepared_clips_are_made_by_all_that_reads_files():
    readers = ("clips", "dicom", "masks", "reading", "sector", "streams")
    assert {f"fibrolib.video.{name}" for name in readers} < _import_closure(prepare_cached)
    assert rooms(prepare_cached) == {"atomic", "errors", "provenance", "system", "video"}


def test_versions_of_packages_that_make_numbers_are_in_the_key(monkeypatch):
    installed = metadata.version
    before = {made_by: code_digest(made_by) for made_by in (NetClassifier, prepare_cached)}
    monkeypatch.setattr(metadata, "version", lambda name: "0" if name == "torch" else installed(name))
    after = {made_by: code_digest.__wrapped__(made_by) for made_by in before}
    assert after[NetClassifier] != before[NetClassifier]
    assert after[prepare_cached] == before[prepare_cached]


@pytest.fixture
def users_file(tmp_path, monkeypatch):
    """Import a module of a user's own, with an edit."""

    def load(text: str):
        path = tmp_path / "own.py"
        path.write_text(text, "utf-8")
        spec = importlib.util.spec_from_file_location("own", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "own", module)
        spec.loader.exec_module(module)
        return module

    return load


def test_a_users_own_file_counts_with_what_it_imports(users_file):
    text = "from fibrolib.inference import auc\n\n\ndef f():\n    return 1\n"
    first = users_file(text).f
    assert _import_closure(first) == _SourceTree(PACKAGE).closure(["fibrolib.inference.roc"])
    digest = code_digest(first)
    assert code_digest(users_file("# A comment.\n" + text).f) == digest
    assert code_digest(users_file(text.replace("return 1", "return 2")).f) != digest


def test_what_is_defined_in_no_file_is_refused(monkeypatch):
    namespace = {"__name__": "cell"}
    exec("def f(): pass", namespace)
    monkeypatch.setitem(sys.modules, "cell", type(sys)("cell"))
    with pytest.raises(ValueError, match="'cell' is no file"):
        code_digest(namespace["f"])


def test_faces_import_and_define_and_do_nothing_else():
    """Else what a face does would be missed where a name is only handed on by it."""
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)
    for face in PACKAGE.rglob("__init__.py"):
        body = ast.parse(face.read_text("utf-8")).body
        other = [node for node in body if not isinstance(node, allowed) and not provenance._is_bare_text(node)]
        assert not other, f"{face}, line {other[0].lineno}"


def test_nothing_of_the_package_is_imported_by_a_computed_name():
    """Else it would be missed in closures."""
    calls = [
        (path, node)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
    ]
    names = {ast.literal_eval(node.args[0]) for _, node in calls}
    assert not [name for name in names if name.startswith("fibrolib")]


def test_threads_parse_one_after_another(package, monkeypatch):
    """In Python 3.11 two threads that parse at a time can end in a SystemError (python/cpython#106905)."""
    parse, parsing = ast.parse, threading.Lock()

    def alone(source):
        assert parsing.acquire(blocking=False)
        time.sleep(0.001)
        tree = parse(source)
        parsing.release()
        return tree

    monkeypatch.setattr(ast, "parse", alone)
    with ThreadPoolExecutor(8) as threads:
        trees = [threads.submit(lambda: _SourceTree(package).closure(["pkg.whole"])) for _ in range(8)]
    assert len({tree.result() for tree in trees}) == 1
