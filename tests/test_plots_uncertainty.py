"""Figures of uncertainty show the numbers of their tables."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from fibrolib import plots
from fibrolib.inference import calibration_curves, decision_curves
from fibrolib.inference.appraisal import (
    attainable_areas,
    comparison_range,
    power_curve,
    proportion_coverage,
    redraw_splits,
)

N = 60
IDS = [f"virtual-{number:03d}" for number in range(N)]
SIDES = np.repeat(["train", "validation", "test"], (30, 14, 16))
TRUTH = np.arange(N) % 2


@pytest.fixture(scope="module")
def predictions():
    random = np.random.default_rng(2)
    sides = random.permutation(SIDES)
    parts = [
        pd.DataFrame({"patient_id": IDS, "model": model, "split": sides, "repeat": 0, "y_true": TRUTH}).assign(
            y_score=1 / (1 + np.exp(-random.normal(strength * (TRUTH - 0.5), 1)))
        )
        for model, strength in {"cnn3d": 1.6, "swe": 1.0, "mine": 0.4, "apri": 0.2}.items()
    ]
    return pd.concat(parts, ignore_index=True)


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def lines(axes):
    return [line.get_xydata() for line in axes.lines]


def test_calibration_has_one_panel_per_diagnostic_with_curve_band_and_patients(predictions):
    curves = calibration_curves(predictions)
    figure = plots.plot_calibration(curves, predictions)
    assert titles(figure) == ["3D-CNN", "SWE", "mine", "APRI"]
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["n = 16"] * 4
    curve = curves[curves["model"] == "cnn3d"]
    assert any(np.array_equal(xy, curve[["predicted", "observed"]]) for xy in lines(figure.axes[0]))
    ticks = sum(len(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() == "|")
    assert ticks == 16
    assert len(figure.axes[0].collections) == 1


def test_a_diagnostic_without_probabilities_has_no_panel(predictions):
    raw = predictions.assign(y_score=predictions["y_score"].where(predictions["model"] != "swe", 7.0))
    assert len(plots.plot_calibration(calibration_curves(raw), raw).axes) == 3
    assert len(plots.plot_decision(decision_curves(raw)).axes) == 3


def test_decision_curves_show_net_benefit_beside_both_policies(predictions):
    curves = decision_curves(predictions, thresholds=[0.1, 0.5, 0.95])
    figure = plots.plot_decision(curves, most=0.6)
    shown = curves[(curves["model"] == "swe") & (curves["threshold"] <= 0.6)]
    drawn = lines(figure.axes[1])
    assert any(np.array_equal(xy, shown[["threshold", "net_benefit"]]) for xy in drawn)
    assert any(np.array_equal(xy, shown[["threshold", "treat_all"]]) for xy in drawn)


def test_split_luck_marks_the_study_among_its_redraws(predictions):
    random = np.random.default_rng(0)
    redraws = redraw_splits(predictions, [pd.Series(random.permutation(SIDES), index=IDS) for _ in range(20)])
    figure = plots.plot_split_luck(redraws, {"cnn3d": 0.7, "swe": 0.6}, "draw 3")
    (axes,) = figure.axes
    assert axes.get_legend().get_texts()[0].get_text() == "draw 3"
    own = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D" and len(line.get_xdata())]
    assert own[:2] == [0.7, 0.6]
    medians = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert medians == redraws.groupby("model", sort=False)["auc"].median().tolist()


def test_coverage_is_drawn_per_method_with_its_error_where_it_is_simulated():
    table = proportion_coverage(17, [0.6, 0.7, 0.8])
    figure = plots.plot_coverage(table, "truth", "True accuracy")
    wilson = table.loc[table["method"] == "wilson", ["truth", "coverage"]]
    assert any(np.array_equal(xy, wilson) for xy in lines(figure.axes[0]))
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["Wald (textbook)", "Wilson"]
    simulated = plots.plot_coverage(table.assign(error=0.01), "truth", "True accuracy")
    assert len(simulated.axes[0].containers) == 2
    panel = figure.axes[0]
    assert panel.yaxis.label.get_window_extent().height < panel.bbox.height


def test_power_curves_carry_their_marks():
    curve = power_curve(0.85, 0.75, [17, 100, 400])
    figure = plots.plot_power({"a − b": curve}, marks={"n = 17": 17})
    assert any(np.array_equal(xy, curve[["n", "power"]]) for xy in lines(figure.axes[0]))
    assert "n = 17" in [text.get_text() for text in figure.axes[0].texts]


def test_attainable_areas_that_print_as_the_paper_are_black():
    grid = np.arange(145) / 144
    figure = plots.plot_attainable({"cnn3d": 0.847, "cnn2d": 0.753}, {"one model": grid})
    black = [line.get_xdata().tolist() for axes in figure.axes for line in axes.lines if line.get_color() == "black"]
    assert black == [attainable_areas(0.847, 8, 9)["area"].tolist(), []]


def test_pvalue_range_shows_its_tables():
    table = comparison_range(0.847, 0.753, 9, 8, np.linspace(0, 0.9, 5))
    figure = plots.plot_pvalue_range({"3D-CNN − 2D-CNN": table})
    assert any(np.array_equal(xy, table[["correlation", "p"]]) for xy in lines(figure.axes[0]))


def test_nothing_is_left_open():
    assert plt.get_fignums() == []
