"""Every figure of the example is written, says what its data are, and has the width that was asked for."""

from dataclasses import replace

import pandas as pd
import pytest
from paper_run import EXAMPLE, small_run
from pypdf import PdfReader

from fibrolib import plots
from fibrolib.paper.figures import _followed, _input_shape, _net_arguments, _write_figures
from fibrolib.paper.record import VIRTUAL, read_record

PAGE = replace(plots.Page(**plots.journals()["standard"]), drawing_dpi=50, picture_dpi=50)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    return _write_figures(read_record(small_run(folder / "run")), folder, PAGE, width=85)


def width(figure):
    return float(PdfReader(figure.files[0]).pages[0].mediabox.width) / 72 * 25.4


def test_every_figure_is_written_in_four_formats(written):
    figures, absent = written
    assert absent == []
    assert [figure.number for figure in figures] == list(range(1, 12))
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
    assert widths.pop("subgroups") == widths.pop("confusion") == widths.pop("architecture") == 180
    assert widths.pop("gradcam") == widths.pop("pathway") == widths.pop("training") == widths.pop("cohort") == 114
    assert set(widths.values()) == {85}


def test_nets_have_the_settings_that_were_chosen():
    record = read_record(EXAMPLE)
    assert _net_arguments(record, "cnn3d")["weights"] == "simulation"
    record.found["models"]["cnn3d"]["settings"] = {"options": {"slow_frames": 2}, "options.width": 8, "epochs": 1}
    arguments = _net_arguments(record, "cnn3d")
    assert arguments["options"] == {"slow_frames": 2, "width": 8}
    assert arguments["epochs"] == 1
    record.run["profile"]["models"][1]["arguments"].update(weights=None, options={"weights": "imagenet"}, epochs=0)
    name = record.run["profile"]["models"][1]["name"]
    record.found["models"][name]["settings"] = {}
    assert _net_arguments(record, name)["weights"] == "imagenet"
    layers = _followed(record, name)[1].query("level == 1").set_index("layer")["learned"]
    assert layers["backbone"] == 0 < layers["embedding"]  # a linear probe alone
    assert _input_shape(record, "cnn2d") == (1, 224, 224)
    assert _input_shape(record, "cnn3d") == (17, 224, 224)
