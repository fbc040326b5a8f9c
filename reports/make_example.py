"""Copy a finished run into reports/example, with pictures small enough for a repository.

python reports/make_example.py RUN_FOLDER        (`make example` runs the study first)

The copy holds the executed notebooks, report.html, results.json, run.json, predictions.csv and the tables; the
exercises, which read it, are then executed into it. Pictures are scaled to 760 pixels and 128 colours, drawings have
coordinates with two decimals; nothing else is changed.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import shutil
from functools import cache
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

EXAMPLE = Path(__file__).resolve().parent / "example"
EXERCISES = EXAMPLE.parents[1] / "notebooks" / "exercises"
LARGEST = 15 * 2**20
"""Bytes of the whole folder."""

_WIDTH, _COLOURS = 760, 128
_FILES = ("results.json", "run.json", "predictions.csv")
_EMBEDDED = re.compile(r"data:image/(png|svg\+xml);base64,([A-Za-z0-9+/=]+)")
_DECIMALS = re.compile(rb"(\d\.\d\d)\d+")


@cache
def smaller(encoded: str) -> str:
    """Scale a PNG picture down and reduce its colours; both sides are base64 text."""
    raw = base64.b64decode(encoded)
    with Image.open(io.BytesIO(raw)) as image:
        image = image.convert("RGB")
        if image.width > _WIDTH:
            image = image.resize((_WIDTH, round(image.height * _WIDTH / image.width)), Image.Resampling.LANCZOS)
        written = io.BytesIO()
        # The default (median cut) turns colours that few pixels have, as those of a colour bar, into grey.
        reduced = image.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        reduced.save(written, "PNG", optimize=True)
    return base64.b64encode(min(raw, written.getvalue(), key=len)).decode()


def rounded(encoded: str) -> str:
    """An SVG drawing whose coordinates have two decimals; both sides are base64 text."""
    return base64.b64encode(_DECIMALS.sub(rb"\1", base64.b64decode(encoded))).decode()


def small_notebook(path: Path) -> str:
    """An executed notebook with small pictures."""
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = smaller("".join(data["image/png"]).replace("\n", ""))
            if "text/html" in data:
                data["text/html"] = small_page("".join(data["text/html"])).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def small_page(text: str) -> str:
    """An HTML page whose embedded pictures are small."""
    shrink = {"png": smaller, "svg+xml": rounded}
    return _EMBEDDED.sub(lambda found: f"data:image/{found[1]};base64,{shrink[found[1]](found[2])}", text)


def copy_run(run: Path, target: Path) -> int:
    """Replace the example by a finished run; return its size in bytes."""
    if not (run / "report.html").exists():
        raise SystemExit(f"{run} holds no finished run (no report.html): run `make report` first.")
    fresh = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(run / "tables", fresh / "tables")
    (fresh / "notebooks").mkdir()
    for name in _FILES:
        shutil.copy(run / name, fresh / name)
    for notebook in sorted((run / "notebooks").glob("[0-9]*.ipynb")):
        (fresh / "notebooks" / notebook.name).write_text(small_notebook(notebook), "utf-8")
    (fresh / "report.html").write_text(small_page((run / "report.html").read_text("utf-8")), "utf-8")
    size = sum(file.stat().st_size for file in fresh.rglob("*") if file.is_file())
    if size > LARGEST:
        raise SystemExit(f"The example would have {size / 2**20:.1f} MB, and {LARGEST / 2**20:.0f} MB are allowed.")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return size


def run_exercises(target: Path) -> None:
    """Execute the exercises into a folder of the example; of sliders, which need a kernel, the picture stays."""
    target.mkdir()
    for path in sorted(EXERCISES.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, resources={"metadata": {"path": EXERCISES}}, record_timing=False).execute()
        notebook.metadata.pop("widgets", None)
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        nbformat.write(notebook, target / path.name)
        (target / path.name).write_text(small_notebook(target / path.name), "utf-8")


def main() -> None:
    """Read the command line and copy the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of `quick`, seed 0")
    print(f"{EXAMPLE}: {copy_run(parser.parse_args().run, EXAMPLE) / 2**20:.1f} MB")
    run_exercises(EXAMPLE / "exercises")


if __name__ == "__main__":
    main()
