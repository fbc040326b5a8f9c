"""The run that is committed for readers: it was made from the notebooks as they are, and is small enough."""

import base64
import importlib.util
import io
import json
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "reports" / "example"
NOTEBOOKS = sorted([*(ROOT / "notebooks").glob("[0-9]*.ipynb"), *(ROOT / "notebooks" / "exercises").glob("*.ipynb")])


@pytest.fixture(scope="module")
def make_example():
    spec = importlib.util.spec_from_file_location("make_example", ROOT / "reports" / "make_example.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sources(path):
    """What a reader sees of a notebook's cells; papermill's own cell left out."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    shown = [cell for cell in cells if "injected-parameters" not in cell["metadata"].get("tags", [])]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in shown]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_example_is_made_from_the_notebooks_as_they_are(notebook):
    folder = "exercises" if notebook.parent.name == "exercises" else "notebooks"
    assert sources(EXAMPLE / folder / notebook.name) == sources(notebook), "Run `make example` and commit it."


def test_every_cell_of_the_example_ran_without_error():
    for path in sorted(EXAMPLE.glob("*/*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                assert cell["execution_count"], path.name
                assert all(output["output_type"] != "error" for output in cell["outputs"]), path.name


def test_the_numbers_of_the_example_agree_with_one_another():
    results = json.loads((EXAMPLE / "results.json").read_text("utf-8"))
    assert (results["profile"], results["seed"], results["cohort"]["virtual"]) == ("quick", 0, True)
    predictions = pd.read_csv(EXAMPLE / "predictions.csv")
    assert set(predictions["model"]) == set(results["models"])
    report = (EXAMPLE / "report.html").read_text("utf-8")
    assert all(f"{entry['auc']:.2f}" in report for entry in results["models"].values())


def test_the_example_is_small(make_example):
    size = sum(file.stat().st_size for file in EXAMPLE.rglob("*") if file.is_file())
    assert size < make_example.LARGEST


def test_pictures_become_smaller_and_stay_readable(make_example):
    ramp = np.linspace(0, 255, 1600).astype(np.uint8)
    picture = Image.fromarray(np.broadcast_to(ramp[None, :, None], (400, 1600, 3)).copy())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=0)
    text = make_example.smaller(base64.b64encode(buffer.getvalue()).decode())
    with Image.open(io.BytesIO(base64.b64decode(text))) as small:
        assert small.size == (760, 190)
        difference = np.asarray(small.convert("RGB"), float) - np.asarray(picture.resize((760, 190)), float)
    assert np.abs(difference).mean() < 3


def test_colours_of_few_pixels_stay(make_example):
    grey = np.random.default_rng(0).integers(0, 256, (600, 700, 1)).repeat(3, axis=2)
    bar = (255 * mpl.colormaps["inferno"](np.linspace(0, 1, 600))[:, None, :3]).repeat(12, axis=1)
    picture = np.concatenate([grey, bar], axis=1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    text = make_example.smaller(base64.b64encode(buffer.getvalue()).decode())
    with Image.open(io.BytesIO(base64.b64decode(text))) as small:
        difference = np.abs(np.asarray(small.convert("RGB"), float) - picture)
    assert difference[:, :700].mean() < 6
    assert difference[:, 700:].mean() < 12


def test_a_page_keeps_all_but_its_pictures(make_example):
    drawing = base64.b64encode(b'<svg><path d="M 1.23456 2.5"/></svg>').decode()
    page = make_example.small_page(f'<p>1.23456</p><img src="data:image/svg+xml;base64,{drawing}">')
    assert page.startswith("<p>1.23456</p>")
    embedded = re.search('base64,([^"]+)', page)[1]
    assert base64.b64decode(embedded) == b'<svg><path d="M 1.23 2.5"/></svg>'


def test_an_unfinished_run_is_refused(make_example, tmp_path):
    with pytest.raises(SystemExit, match="no finished run"):
        make_example.copy_run(tmp_path, tmp_path / "example")
    assert not (tmp_path / "example").exists()
