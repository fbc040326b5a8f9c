"""The rules of the notebooks, for every notebook that is there."""

import ast
import inspect
import re
from pathlib import Path

import nbformat
import pytest

from fibrolib.report.notebooks import _dependencies, _notebook_sources
from fibrolib.study import Request

SOURCES = _notebook_sources()
EXERCISES = sorted((SOURCES[0].parent / "exercises").glob("*.ipynb"))
PARAMETER = re.compile(r"^(?P<name>[a-z_]+): (?P<type>str|int|float|bool) = (?P<value>.+?)  # (?P<help>\S.*)$")
NEEDS_ALL = re.compile(r"study\.(attribution|gradcams|metrics|net_evaluations|predictions|thresholds)\b")
MOST_LINES = 15

every_notebook = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
every_source = pytest.mark.parametrize("path", SOURCES + EXERCISES, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tree(path):
    """Syntax tree of all code of a notebook."""
    return ast.parse("\n".join(cell.source for cell in code_cells(path)))


def is_parameters(cell):
    return "parameters" in cell.metadata.get("tags", [])


def test_numbers_run_without_a_gap():
    numbers = [int(path.stem.split("_")[0]) for path in SOURCES]
    assert numbers == list(range(len(numbers)))


@every_source
def test_file_is_valid_and_clean(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in code_cells(path):
        assert cell.outputs == []
        assert cell.execution_count is None


@every_notebook
def test_title_imports_parameters_body_lesson(path):
    cells = read(path).cells
    title, imports = cells[0], next(cell for cell in cells if cell.cell_type == "code")
    assert title.cell_type == "markdown"
    assert title.source.startswith(f"# {int(path.stem.split('_')[0])} · ")
    assert all(f"**{part}**" in title.source for part in ("Question.", "Inputs.", "Outputs."))
    assert all(isinstance(line, ast.Import | ast.ImportFrom) for line in ast.parse(imports.source).body)
    assert is_parameters(code_cells(path)[1])


@every_notebook
def test_the_lesson_is_last_and_computed(path):
    cells = read(path).cells
    (heading,) = [number for number, cell in enumerate(cells) if "## What we learned" in cell.source]
    lesson = cells[heading + 1 :]
    assert [cell.cell_type for cell in lesson] == ["code", "markdown"]
    assert "Markdown(" in lesson[0].source


@every_notebook
def test_parameters_are_those_of_a_request(path):
    (cell,) = [cell for cell in code_cells(path) if is_parameters(cell)]
    lines = [PARAMETER.match(line) for line in cell.source.splitlines()]
    assert all(lines), cell.source
    declared = {line["name"]: ast.literal_eval(line["value"]) for line in lines}
    defaults = {name: field.default for name, field in inspect.signature(Request).parameters.items()}
    assert {name: declared[name] for name in defaults} == defaults
    assert all(type(declared[line["name"]]).__name__ == line["type"] for line in lines)


@every_source
def test_cells_are_short(path):
    for cell in code_cells(path):
        assert len([line for line in cell.source.splitlines() if line.strip()]) <= MOST_LINES, cell.source


@every_notebook
def test_prose_comes_first(path):
    cells = read(path).cells
    kinds = [cell.cell_type for cell in cells]
    assert kinds.count("markdown") >= kinds.count("code")
    assert all(cell.source.strip() for cell in cells)


@every_source
def test_code_draws_through_the_package(path):
    for cell in code_cells(path):
        assert not re.search(r"^\s*[%!]", cell.source, re.MULTILINE), cell.source
    nodes = list(ast.walk(tree(path)))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in imported} & {"matplotlib", "seaborn"}


@every_source
def test_functions_in_cells_are_described(path):
    made = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert all(ast.get_docstring(node) for node in made)


@every_source
def test_facts_are_asserted(path):
    asserts = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Assert)]
    assert asserts
    # ``assert 0.8`` or ``assert auc`` would hold whatever the study found.
    assert all(
        isinstance(node.test, ast.Compare | ast.BoolOp | ast.Call | ast.Attribute | ast.UnaryOp) for node in asserts
    )


@every_notebook
def test_banner_is_shown_where_the_study_is_opened(path):
    first = next(cell for cell in code_cells(path) if "open_study(" in cell.source)
    assert "open_study(cohort, profile, cutoff, seed, out)" in first.source
    assert "study.banner" in first.source


@every_source
def test_no_path_is_written_into_the_code(path):
    texts = [
        node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not [text for text in texts if Path(text).is_absolute() or text.startswith("..")]


def test_outputs_are_announced_and_saved_once():
    saved = []
    for path in SOURCES:
        outputs = read(path).cells[0].source.split("**Outputs.**")[1]
        code = "\n".join(cell.source for cell in code_cells(path))
        named = re.findall(r"(?:save|show)_(figure|table|clip)\(\"(\w+)\"", code)
        assert all(f"`{name}`" in outputs for _, name in named), path.stem
        saved += named
    assert len(saved) == len(set(saved))


def test_a_notebook_that_needs_all_networks_waits_for_those_that_train_them():
    """Two at once would both train what neither has finished."""
    training = {"03_cnn2d", "04_cnn2d_lstm", "05_cnn3d"}
    by_name, waits = {path.stem: path for path in SOURCES}, _dependencies(SOURCES)

    def before(path):
        return {path.stem}.union(*(before(other) for other in waits[path]))

    users = {name for name, path in by_name.items() if NEEDS_ALL.search(ast.unparse(tree(path)))} - training
    assert {"06_delong", "11_can_we_trust_the_map"} <= users
    for name in users:
        assert training <= before(by_name[name]), f'{name}: add them to "after" in its metadata'
