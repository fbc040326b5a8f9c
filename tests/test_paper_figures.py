"""Every figure of the example is written, says what its data are, and has the width that was asked for."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader
from small_nets import explanation

from fibrolib import plots
from fibrolib.errors import FibrolibError
from fibrolib.paper import write_paper
from fibrolib.paper.figures import input_shape, net_arguments, write_figures
from fibrolib.paper.record import VIRTUAL, read_record
from fibrolib.study.plates import PLATES, Plates, write_plates
from fibrolib.video import Clip

EXAMPLE = Path(__file__).resolve().parents[1] / "reports" / "example"
PAGE = replace(plots.Page(**plots.journals()["standard"]), drawing_dpi=50, picture_dpi=50)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The example with what only a whole run folder has: pictures and training curves."""
    folder = tmp_path_factory.mktemp("reports") / "run"
    folder.mkdir()
    for name in ("results.json", "run.json", "predictions.csv"):
        shutil.copy(EXAMPLE / name, folder)
    shutil.copytree(EXAMPLE / "tables", folder / "tables")
    epochs = pd.DataFrame({"epoch": [1, 2] * 3, "fold": [1, 1, 2, 2, None, None], "train_loss": 0.5, "valid_loss": 0.5})
    parts = [epochs.assign(model=name, valid_auc=0.8) for name in ("cnn2d", "cnn3d")]
    pd.concat(parts).to_csv(folder / "tables" / "histories.csv", index=False)
    clip = Clip(np.full((1, 16, 16), 90, np.uint8), 1.0, np.ones((16, 16), bool), np.eye(16, dtype=bool)[None])
    cam = explanation(np.tile(np.linspace(0, 1, 16, dtype=np.float32), (3, 16, 1)))
    plates = Plates({0: clip, 4: clip}, {name: {0: cam, 4: cam} for name in ("cnn2d", "cnn3d")})
    (folder / "figures").mkdir()
    write_plates(plates, folder / PLATES)
    return folder


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    return write_figures(read_record(run), tmp_path_factory.mktemp("paper"), PAGE, width=85)


def width(figure):
    return float(PdfReader(figure.files[0]).pages[0].mediabox.width) / 72 * 25.4


def test_every_figure_is_written_in_four_formats(written):
    figures, absent = written
    assert absent == []
    assert [figure.number for figure in figures] == list(range(1, 10))
    assert all(path.stat().st_size > 1000 for figure in figures for path in figure.files)
    assert {path.suffix for figure in figures for path in figure.files} == {".pdf", ".svg", ".png", ".tif"}


def test_every_caption_of_a_virtual_run_says_so(written):
    assert all(figure.caption.endswith(VIRTUAL) for figure in written[0])


def test_architecture_is_that_of_the_modules(written):
    (drawn,) = (figure for figure in written[0] if figure.name == "architecture")
    text = PdfReader(drawn.files[0]).pages[0].extract_text()
    layers = pd.read_csv(EXAMPLE / "tables" / "layers_cnn3d.csv").query("level == 1")
    for row in layers.itertuples():
        assert f"{row.learned:,} of {row.weights:,}" in text
    assert "motion pathway" in text


def test_a_width_holds_for_all_figures_that_can_be_read_at_it(written):
    widths = {figure.name: round(width(figure), 1) for figure in written[0]}
    assert widths.pop("confusion") == widths.pop("architecture") == 180
    assert widths.pop("gradcam") == widths.pop("training") == 114
    assert set(widths.values()) == {85}


def test_nets_have_the_settings_that_were_chosen():
    record = read_record(EXAMPLE)
    assert net_arguments(record, "cnn3d")["weights"] == "simulation"
    record.found["models"]["cnn3d"]["settings"] = {"options": {"slow_frames": 2}, "options.width": 8, "epochs": 1}
    arguments = net_arguments(record, "cnn3d")
    assert arguments["options"] == {"slow_frames": 2, "width": 8}
    assert arguments["epochs"] == 1
    assert input_shape(record, "cnn2d") == (1, 224, 224)
    assert input_shape(record, "cnn3d") == (17, 224, 224)


def test_what_cannot_be_asked_for_is_said(tmp_path):
    with pytest.raises(FibrolibError, match="standard, elsevier, springer, nature"):
        write_paper(EXAMPLE, tmp_path, journal="lancet")
    with pytest.raises(FibrolibError, match="no such file"):
        write_paper(EXAMPLE, tmp_path, style="absent.mplstyle")
    with pytest.raises(FibrolibError, match="millimetres"):
        write_paper(EXAMPLE, tmp_path, width=8.5)
    with pytest.raises(FibrolibError, match="no finished run"):
        write_paper(tmp_path, tmp_path)
