"""Figures of training, and what a net is shown."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from fibrolib import plots, report
from fibrolib.plots.style import _model_colour


def texts(figure):
    """Everything that is written in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def line_of(axes, label):
    (line,) = [line for line in axes.get_lines() if str(line.get_label()).startswith(label)]
    return line


@pytest.fixture
def search():
    table = pd.DataFrame({"learning_rate": [4e-3, 1e-3], "auc_fold1": [0.8, 0.5], "auc_fold2": [0.9, 0.7]})
    return table.assign(auc_mean=[0.85, 0.6], auc_sd=[0.05, 0.1], rank=[1, 2])


def test_search_colours_the_chosen_setting(search):
    axes = plots.plot_search(search, "cnn3d").axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["learning rate 0.004", "learning rate 0.001"]
    best, other = axes.collections
    assert [line.get_xdata()[0] for line in axes.get_lines()[-3:-1]] == [0.8, 0.9]  # one line joins the dots of a fold
    assert best.get_offsets()[:, 0].tolist() == [0.8, 0.9]
    assert mpl.colors.same_color(best.get_facecolor()[0][:3], _model_colour("cnn3d"))
    assert not mpl.colors.same_color(other.get_facecolor()[0][:3], _model_colour("cnn3d"))


def test_search_colours_the_chosen_setting_also_where_another_has_a_higher_mean(search):
    axes = plots.plot_search(search.iloc[::-1], "cnn3d").axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["learning rate 0.001", "learning rate 0.004"]
    assert mpl.colors.same_color(axes.collections[0].get_facecolor()[0][:3], _model_colour("cnn3d"))


def test_search_names_what_each_setting_sets(search):
    """Settings of a grid need not name the same parameters, and those of a net's options are parameters, too."""
    tried = search.assign(**{"epochs": [1.0, np.nan], "options.slow_frames": [2.0, np.nan]})
    labels = [
        tick.get_text().replace("\n", " ") for tick in plots.plot_search(tried, "cnn3d").axes[0].get_yticklabels()
    ]
    assert labels == ["learning rate 0.004, epochs 1, slow frames 2", "learning rate 0.001"]


def test_search_names_a_setting_that_sets_nothing(search):
    tried = search.drop(columns="learning_rate").assign(**{"options.freeze_to_stride": [0.0, np.nan]})
    labels = [tick.get_text() for tick in plots.plot_search(tried, "cnn3d").axes[0].get_yticklabels()]
    assert labels == ["freeze to stride 0", "the model's own settings"]


def test_search_names_the_initial_weights_where_these_tell_settings_apart(search):
    tried = search.assign(weights=["simulation", "interpolated"])
    labels = [tick.get_text() for tick in plots.plot_search(tried, "cnn3d").axes[0].get_yticklabels()]
    assert labels == ["simulation weights", "interpolated weights"]


def test_search_of_a_single_setting(search):
    axes = plots.plot_search(search.iloc[:1].drop(columns="learning_rate"), "cnn2d").axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["the only setting"]


def histories(columns=("train_loss", "valid_loss", "valid_auc")):
    """Three fits of 4, 6 and 5 epochs; the final one has its lowest validation loss in epoch 3."""
    parts = []
    for fold, epochs in ((1, 4), (2, 6), (None, 5)):
        epoch = np.arange(1, epochs + 1)
        losses = {"train_loss": 1 / epoch, "valid_loss": (epoch - 3.0) ** 2}
        part = pd.DataFrame({"epoch": epoch, **losses, "valid_auc": 0.7})
        parts.append(part[["epoch", *columns]].assign(fold=pd.array([fold] * epochs, dtype="Int64")))
    return pd.concat(parts, ignore_index=True)


def test_curves_show_the_final_fit_and_the_epoch_kept():
    figure = plots.plot_curves(histories(), "cnn3d")
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert line_of(axes, "final fit").get_xdata().tolist() == [1, 2, 3, 4, 5]
        assert line_of(axes, "epoch kept").get_xdata().tolist() == [3]
        assert not line_of(axes, "epoch kept").get_clip_on()  # at the edge of its panel it is still a circle
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_curves_without_validation_patients():
    figure = plots.plot_curves(histories(("train_loss",)), "cnn3d")
    assert len(figure.axes) == 1
    assert "epoch kept" not in texts(figure)


def test_model_view_has_a_row_per_channel():
    frames = np.random.default_rng(0).random((9, 12, 12))
    movement = np.diff(frames, axis=0)
    channels = {"grey value": frames, "absolute difference": abs(movement), "signed difference": movement}
    figure = plots.plot_model_view({"F0": channels, "F4": channels})
    grid = np.array(figure.axes).reshape(6, 3)
    low, high = grid[2, 0].images[0].get_clim()
    assert low == -high
    assert grid[0, 0].images[0].get_clim() == (0, 1)
    assert grid[3, 0].get_ylabel() == "F4\ngrey value"
    np.testing.assert_array_equal(grid[2, 2].images[0].get_array(), movement[7])
    np.testing.assert_array_equal(grid[0, 2].images[0].get_array(), frames[7])
    assert [grid[row, 2].get_xlabel() for row in (0, 1)] == ["frame 8", "frames 8 to 9"]


def test_model_view_of_stills_is_one_row():
    still = {"grey value": np.full((1, 8, 8), 0.5)}
    figure = plots.plot_model_view({"F0": still, "F2": still, "F4": still})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["F0", "F2", "F4"]


def test_schedule_has_a_line_per_setting_over_its_steps():
    factors = {"slow": np.array([0.5, 1.0, 0.2]), "short": np.array([1.0])}
    lines = plots.plot_schedule(factors, "cnn2d").axes[0].get_lines()
    assert [line.get_label() for line in lines] == list(factors)
    assert lines[0].get_xdata().tolist() == [1, 2, 3]
    assert lines[0].get_ydata().tolist() == [0.5, 1.0, 0.2]


def test_network_for_a_reader():
    columns = ["level", "layer", "kind", "output", "weights", "learned"]
    layers = pd.DataFrame([(1, "head", "Head", (1, 4), 8, 8), (2, "head.norm", "Norm", (1, 4), 4, 0)], columns=columns)
    table = report.readable("network", layers)
    assert table["Layer"].tolist() == ["head", "\N{EM SPACE}head.norm"]
    assert table["Output"].tolist() == ["1 × 4", "1 × 4"]
    assert table["Trained"].tolist() == [8, 0]
