"""Figures of a validation show the numbers they are given."""

import numpy as np
import pandas as pd

from fibrolib.plots import plot_differences, plot_transport


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_areas_of_both_cohorts_are_drawn_and_the_one_here_is_written():
    rows = {"model": ["cnn3d", "swe"], "n": [40, 38], "auc": [0.7, 0.8], "auc_low": 0.6, "auc_high": 0.9}
    ours = {"n_development": [17, np.nan], "auc_development": [0.9, np.nan]}
    limits = {"auc_low_development": [0.7, np.nan], "auc_high_development": [0.97, np.nan]}
    figure = plot_transport(pd.DataFrame({**rows, **ours, **limits}))
    assert texts(figure) == ["0.70 (0.60–0.90)", "0.80 (0.60–0.90)"]
    marks = [
        line.get_xdata()[0]
        for line in figure.axes[0].lines
        if line.get_marker() in ("s", "o") and len(line.get_xdata())
    ]
    assert {0.7, 0.8, 0.9} <= set(marks)
    assert figure.axes[0].get_legend().get_texts()[0].get_text().endswith("(up to 17)")


def test_the_largest_difference_comes_first_and_one_beyond_the_edge_is_an_arrow():
    table = pd.DataFrame({"label": ["Age", "Frames per second", "Sex", "BMI"], "smd": [0.2, -9.0, np.nan, 0.5]})
    figure = plot_differences(table)
    assert texts(figure) == ["−9.00", "+0.50", "+0.20"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["Frames per second", "BMI", "Age"]
    assert "<" in [line.get_marker() for line in figure.axes[0].lines]
