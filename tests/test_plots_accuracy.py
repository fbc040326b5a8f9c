"""Figures of accuracy show the numbers of their tables."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from conftest import make_predictions

from fibrolib import plots
from fibrolib.diagnostics import model_label, tabulate_zones
from fibrolib.inference import compare_models, summarise_models
from fibrolib.plots import signed
from fibrolib.plots.style import _model_colour

N = 60
STAGES = np.arange(N) % 5


@pytest.fixture(scope="module")
def predictions():
    return make_predictions()


@pytest.fixture(scope="module")
def metrics(predictions):
    return summarise_models(predictions)


@pytest.fixture(scope="module")
def comparisons(predictions):
    return compare_models(predictions)


def texts(figure):
    """Everything that is written in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def line_of(axes, label):
    (line,) = [line for line in axes.get_lines() if str(line.get_label()).startswith(label)]
    return line


def test_roc_curve_encloses_its_auc(predictions, metrics):
    axes = plots.plot_roc(predictions, metrics).axes[0]
    for row in metrics.itertuples():
        line = line_of(axes, f"{model_label(row.model)}: ")
        assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(row.auc)
        assert line.get_color() == _model_colour(row.model)
    assert axes.get_aspect() == 1


def test_roc_legend_is_sorted_and_counts_patients(predictions, metrics):
    legend = plots.plot_roc(predictions, metrics).axes[0].get_legend()
    labels = [text.get_text().split(":")[0] for text in legend.get_texts()]
    best_first = metrics.sort_values("auc", ascending=False)["model"].map(model_label)
    assert labels == [*best_first, "operating point"]
    diseased = int((STAGES[-12:] >= 2).sum())
    assert f"{diseased} with, {12 - diseased} without" in legend.get_title().get_text()


def test_roc_marks_the_operating_point(predictions, metrics):
    axes = plots.plot_roc(predictions, metrics).axes[0]
    marks = [line for line in axes.get_lines() if line.get_marker() == "o" and len(line.get_xdata())]
    dots = {(line.get_color(), *line.get_xydata()[0]) for line in marks}
    for row in metrics.itertuples():
        assert (_model_colour(row.model), 1 - row.specificity, row.sensitivity) in dots


def test_forest_draws_each_interval(metrics):
    axes = plots.plot_forest(metrics).axes[0]
    rows = metrics.sort_values("auc", ascending=False)
    level = [line for line in axes.get_lines() if len(line.get_xdata()) == 2 and len(set(line.get_ydata())) == 1]
    spans = [tuple(line.get_xdata()) for line in level]
    assert spans == list(zip(rows["auc_low"], rows["auc_high"], strict=True))


def test_a_model_without_auc_is_left_out(predictions, metrics):
    metrics = metrics.copy()
    metrics.loc[metrics["model"] == "mine", ["auc", "auc_low", "auc_high"]] = np.nan
    assert "mine" not in texts(plots.plot_forest(metrics)) + texts(plots.plot_roc(predictions, metrics))


def test_delong_matrix_has_one_cell_per_pair(comparisons):
    figure = plots.plot_delong_matrix(comparisons)
    shades = figure.axes[0].images[0].get_array()
    assert sorted(shades.compressed()) == sorted(comparisons["difference"])
    assert all(signed(value) in texts(figure) for value in comparisons["difference"])


def test_delong_matrix_of_pairs_without_interval_or_test(comparisons):
    broken = comparisons.copy()
    broken.loc[0, ["ci_low", "ci_high", "p", "p_holm"]] = np.nan
    broken.loc[1, ["difference", "ci_low", "ci_high", "p", "p_holm"]] = np.nan
    written = texts(plots.plot_delong_matrix(broken))
    assert "no interval, no p" in written
    assert "not tested" in written
    assert "nan" not in written


def test_zones_stack_to_the_number_of_patients():
    truth = STAGES >= 2
    zone = pd.Series(np.array(["low", "indeterminate", "high", None], dtype=object)[np.arange(N) % 4])
    table = pd.concat([tabulate_zones(zone, truth).assign(index=name) for name in ("fib4", "apri")])
    axes = plots.plot_zones(table, 2).axes[0]
    assert sum(patch.get_width() for patch in axes.patches) == 2 * N
    assert [tick.get_text() for tick in axes.get_yticklabels()][:2] == ["FIB-4: ≥ F2", "FIB-4: below F2"]
