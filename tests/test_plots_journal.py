"""Figures of a manuscript: exact widths, letters that can be read, and the numbers of their tables."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from conftest import make_predictions
from PIL import Image
from pypdf import PdfReader

from fibrolib import plots
from fibrolib.inference import calibration_curves, decision_curves, summarise_models
from fibrolib.plots.style import _new_figure, _styled

SPLIT = pd.Series(["train"] * 30 + ["validation"] * 8 + ["test"] * 12)
STAGES = pd.Series([2] * 18 + [0] * 12 + [3] * 5 + [1] * 3 + [4] * 7 + [0] * 5)
TESTS = pd.DataFrame(
    {
        "model": ["cnn3d", "swe"],
        "missing": [0, 2],
        "tp": [6, np.nan],
        "fp": [1, np.nan],
        "fn": [1, np.nan],
        "tn": [4, np.nan],
    }
)
NAMES = list(plots.journals())


def page(name="standard", **options):
    return plots.Page(**plots.journals()[name], **options)


def texts(figure):
    return [text for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]


def written(figure):
    return "\n".join(text.get_text() for text in texts(figure))


@pytest.fixture(scope="module")
def predictions():
    return make_predictions()


@pytest.fixture(scope="module")
def metrics(predictions):
    return summarise_models(predictions)


def draw_all(predictions, metrics):
    layers = pd.DataFrame(
        [(1, "a", "LSTM", (1, 4), 1200, 0), (2, "a.b", "Linear", (1, 4), 8, 8), (1, "b", "OrdinalHead", (1, 4), 5, 5)],
        columns=["level", "layer", "kind", "output", "weights", "learned"],
    )
    epochs = pd.DataFrame({"model": "cnn3d", "epoch": [1, 2] * 3, "fold": [1, 1, 2, 2, None, None]})
    histories = epochs.assign(train_loss=[0.6, 0.5] * 3, valid_loss=[0.7, 0.6] * 3, valid_auc=[0.7, 0.8] * 3)
    return {
        "stard": plots.plot_flow(SPLIT, STAGES, 2, excluded="none", tests=TESTS),
        "architecture": plots.plot_architecture({"cnn3d": ("clip", {"a": ["clip"], "b": ["a", "clip"]}, layers)}),
        "roc": plots.plot_roc(predictions, metrics),
        "trainings": plots.plot_trainings(histories),
        "calibration": plots.plot_calibration(calibration_curves(predictions), predictions),
        "decision": plots.plot_decision(decision_curves(predictions)),
        "forest": plots.plot_forest(metrics),
    }


@pytest.mark.parametrize("width", [85, 114, 180])
def test_figures_have_the_page_s_width_and_nothing_too_small(predictions, metrics, width):
    with plots.for_print(page(), width):
        figures = draw_all(predictions, metrics)
    for name, figure in figures.items():
        assert figure.get_figwidth() * 25.4 == pytest.approx(width, abs=0.01), name
        assert min(text.get_fontsize() for text in texts(figure)) >= 6, name
        lines = [line.get_linewidth() for line in figure.findobj(mpl.lines.Line2D) if line.get_linestyle() != "None"]
        assert min(lines) >= 0.5, name


@pytest.mark.parametrize("journal", NAMES)
def test_files_have_the_width_embedded_fonts_and_text_that_can_be_edited(tmp_path, metrics, journal):
    widths = page(journal).widths
    for number, width in enumerate(widths if journal == "standard" else widths[:1]):
        with plots.for_print(page(journal), width):
            files = plots.save_print(plots.plot_forest(metrics), tmp_path / f"f{number}", dpi=100)
        pdf, svg, png, tif = files
        (sheet,) = PdfReader(pdf).pages
        assert float(sheet.mediabox.width) / 72 * 25.4 == pytest.approx(width, abs=0.5)
        fonts = [font.get_object() for font in sheet["/Resources"]["/Font"].values()]
        assert fonts
        for font in fonts:
            (inner,) = font["/DescendantFonts"]
            assert inner.get_object()["/Subtype"] == "/CIDFontType2"  # TrueType: letters stay letters
            assert "/FontFile2" in inner.get_object()["/FontDescriptor"].get_object()
        assert "3D-CNN" in sheet.extract_text()
        assert "<text" in svg.read_text("utf-8")
        for path in (png, tif):
            with Image.open(path) as picture:
                assert picture.width == pytest.approx(width / 25.4 * 100, abs=1.5)
        with Image.open(tif) as picture:
            assert (picture.mode, round(picture.info["dpi"][0])) == ("RGB", 100)


def test_flow_counts_sides_exclusions_missing_tests_and_results():
    text = written(plots.plot_flow(SPLIT, STAGES, 2, n_videos=51, excluded="Excluded: 3", tests=TESTS))
    assert "Cohort table\n50 patients, 51 videos" in text
    assert "Reference standard in 50 patients\n≥ F2: 30; below F2: 20" in text
    for side in ("Training\n30 patients\n≥ F2: 18\nbelow F2: 12", "Validation\n8 patients\n≥ F2: 5\nbelow F2: 3"):
        assert side in text
    assert "Excluded: 3" in text
    assert [line for line in text.splitlines() if line in ("–", "2")] == ["2", "–", "–", "–", "–"]


def test_heads_of_another_scale_fit_into_a_column_of_a_page():
    with plots.for_print(page(), 85):
        figure = plots.plot_flow(SPLIT, STAGES, 2, metavir=False, excluded="none", tests=TESTS)
    heads = [text.get_window_extent() for text in texts(figure) if text.get_text() in ("stage\n≥ 2", "below\nstage 2")]
    assert len(heads) == 4
    assert all(left.x1 + 3 < right.x0 for left, right in itertools.pairwise(heads))


def test_flow_before_any_index_test_has_neither_tests_nor_exclusions():
    text = written(plots.plot_flow(SPLIT, STAGES, 2))
    assert "Index test" not in text
    assert "Excluded" not in text


def test_roc_panels_enclose_their_areas_and_cross_at_the_operating_point(predictions, metrics):
    figure = plots.plot_roc(predictions, metrics)
    best_first = metrics.sort_values("auc", ascending=False, kind="stable")
    assert len(figure.axes) == len(metrics)
    for axes, row in zip(figure.axes, best_first.itertuples(), strict=True):
        areas = [
            np.trapezoid(line.get_ydata(), line.get_xdata()) for line in axes.get_lines() if line.get_color() != "0.8"
        ]
        assert any(area == pytest.approx(row.auc) for area in areas)
        dots = [tuple(line.get_xydata()[0]) for line in axes.get_lines() if line.get_marker() == "o"]
        assert dots == [(1 - row.specificity, row.sensitivity)]
        assert f"n = {row.n}" in axes.texts[0].get_text()


def test_panels_have_letters_in_print_alone(predictions, metrics):
    assert "\nA\n" not in written(plots.plot_roc(predictions, metrics))
    with plots.for_print(page(), 180):
        letters = [
            text.get_text() for text in texts(plots.plot_roc(predictions, metrics)) if text.get_weight() == "bold"
        ]
    assert letters == list("ABCDEFG"[: len(metrics)])


def test_a_style_of_the_user_comes_last(tmp_path, metrics):
    style = tmp_path / "mine.mplstyle"
    style.write_text("axes.labelsize: 9.5\n")
    with plots.for_print(page(style=str(style)), 85):
        assert plots.plot_forest(metrics).axes[0].xaxis.label.get_fontsize() == 9.5
    assert plots.plot_forest(metrics).get_figwidth() == 6.5


def test_lines_and_letters_are_made_large_enough():
    @_styled
    def draw():
        figure, axes = _new_figure()
        axes[0, 0].plot([0, 1], linewidth=0.1)
        axes[0, 0].text(0, 0, "tiny", fontsize=3)
        axes[0, 0].fill_between([0, 1], [0, 1], linewidth=0)
        axes[0, 0].tick_params(labelsize=2)
        return figure

    with plots.for_print(page(), 85):
        (axes,) = draw().axes
    assert axes.get_lines()[0].get_linewidth() == 0.5
    assert axes.texts[0].get_fontsize() == axes.get_xticklabels()[0].get_fontsize() == 6
    assert axes.collections[0].get_linewidth() == [0]


def test_losses_alone_are_drawn_where_nothing_was_validated():
    histories = pd.DataFrame({"model": "cnn2d", "epoch": [1, 2, 1, 2], "fold": [1, 1, None, None], "train_loss": 0.5})
    assert len(plots.plot_trainings(histories).axes) == 1
