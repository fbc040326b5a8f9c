"""Figures show the numbers of their tables, and leave nothing behind."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.container import BarContainer

from fibrolib import plots, report
from fibrolib.diagnostics import BUILT_IN, model_label, tabulate_zones
from fibrolib.inference import compare_models, summarise_models
from fibrolib.plots import signed
from fibrolib.plots.style import SPLIT_LABELS, model_dashes, new_figure, styled
from fibrolib.video import Clip

N = 60
SIDES = ["train"] * 36 + ["validation"] * 12 + ["test"] * 12
STAGES = np.arange(N) % 5
IDS = [f"virtual-{number:03d}" for number in range(N)]
STRENGTHS = {"cnn3d": 2.0, "swe": 1.5, "mine": 0.3}


@pytest.fixture(scope="module")
def split():
    return pd.Series(SIDES, index=IDS)


@pytest.fixture(scope="module")
def patients():
    random = np.random.default_rng(1)
    table = pd.DataFrame({"stage": STAGES}, index=IDS)
    table["age"] = random.normal(50, 8, N)
    table["swe_kpa"] = np.exp(random.normal(1.8, 0.2, N))
    table.loc[IDS[0], "swe_kpa"] = np.nan
    return table


@pytest.fixture(scope="module")
def predictions():
    random = np.random.default_rng(2)
    rows = {"patient_id": IDS, "split": SIDES, "fold": None, "repeat": 0, "stage": STAGES}
    parts = [
        pd.DataFrame(rows).assign(model=model, y_true=(STAGES >= 2).astype(int), y_score=score)
        for model, strength in STRENGTHS.items()
        for score in [1 / (1 + np.exp(-strength * (STAGES - 2) - random.normal(0, 2, N)))]
    ]
    return pd.concat(parts, ignore_index=True)


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


def test_flow_counts_every_side(split, patients):
    written = texts(plots.plot_flow(split, patients["stage"], 2, n_videos=61))
    assert "60 patients, 61 videos" in written
    for side, label in SPLIT_LABELS.items():
        chosen = STAGES[np.array(SIDES) == side]
        assert f"{label.capitalize()}: {len(chosen)} patients" in written
        assert f"≥ F2: {(chosen >= 2).sum()}, below: {(chosen < 2).sum()}" in written


def test_stage_bars_add_up_to_the_patients(split, patients):
    axes = plots.plot_stages(split, patients["stage"], 2).axes[0]
    bars = [container for container in axes.containers if isinstance(container, BarContainer)]
    heights = {each.get_label(): [bar.get_height() for bar in each] for each in bars}
    assert heights["training (n = 36)"] == np.bincount(STAGES[:36]).tolist()
    assert sum(map(sum, heights.values())) == N


def test_scales_other_than_metavir_are_not_called_f(split, patients):
    stages = patients["stage"].clip(upper=1)
    written = texts(plots.plot_stages(split, stages, 1, metavir=False))
    written += texts(plots.plot_flow(split, stages, 1, metavir=False))
    written += texts(plots.plot_labs(patients.assign(stage=stages), ["age"], metavir=False))
    assert "stage 1" in written
    assert "F1" not in written


def test_labs_show_each_known_patient_once(patients):
    figure = plots.plot_labs(patients, ["age", "swe_kpa"])
    for axes, column in zip(figure.axes, ["age", "swe_kpa"], strict=True):
        dots = np.concatenate([dots.get_offsets()[:, 1] for dots in axes.collections])
        assert sorted(dots) == sorted(patients[column].dropna())
    assert "Stiffness (SWE) (n = 59)" in texts(figure)
    assert figure.axes[1].get_yscale() == "log"


def test_sample_frames_outline_a_region_where_there_is_one():
    frames, sector = np.full((3, 20, 20), 99, np.uint8), np.ones((20, 20), bool)
    region = np.zeros((3, 20, 20), bool)
    region[:, 5:10, 5:10] = True
    figure = plots.plot_sample_frames({"F0": Clip(frames, 20.0, sector, region), "F4": Clip(frames, 20.0, sector)})
    assert [len(axes.collections) for axes in figure.axes] == [1, 0]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["F0", "F4"]


def test_roc_curve_encloses_its_auc(predictions, metrics):
    axes = plots.plot_roc(predictions, metrics).axes[0]
    for row in metrics.itertuples():
        line = line_of(axes, f"{model_label(row.model)}: ")
        assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(row.auc)
        assert line.get_color() == plots.model_colour(row.model)
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
        assert (plots.model_colour(row.model), 1 - row.specificity, row.sensitivity) in dots


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


@pytest.fixture
def search():
    table = pd.DataFrame({"learning_rate": [1e-3, 4e-3], "auc_fold1": [0.5, 0.8], "auc_fold2": [0.7, 0.9]})
    return table.assign(auc_mean=[0.6, 0.85], auc_sd=[0.1, 0.05], rank=[2, 1])


def test_search_colours_the_chosen_setting(search):
    axes = plots.plot_search(search, "cnn3d").axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["learning rate 0.004", "learning rate 0.001"]
    best, other = axes.collections
    assert best.get_offsets()[:, 0].tolist() == [0.8, 0.9]
    assert mpl.colors.same_color(best.get_facecolor()[0][:3], plots.model_colour("cnn3d"))
    assert not mpl.colors.same_color(other.get_facecolor()[0][:3], plots.model_colour("cnn3d"))


def test_search_names_what_each_setting_sets(search):
    """Settings of a grid need not name the same parameters, and those of a net's options are parameters, too."""
    tried = search.assign(**{"epochs": [np.nan, 1.0], "options.slow_frames": [np.nan, 2.0]})
    labels = [
        tick.get_text().replace("\n", " ") for tick in plots.plot_search(tried, "cnn3d").axes[0].get_yticklabels()
    ]
    assert labels == ["learning rate 0.004, epochs 1, slow frames 2", "learning rate 0.001"]


def test_search_names_a_setting_that_sets_nothing(search):
    tried = search.drop(columns="learning_rate").assign(**{"options.freeze_to_stride": [np.nan, 0.0]})
    labels = [tick.get_text() for tick in plots.plot_search(tried, "cnn3d").axes[0].get_yticklabels()]
    assert labels == ["freeze to stride 0", "the model's own settings"]


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
    grid = np.array(figure.axes).reshape(6, 6)
    low, high = grid[2, 0].images[0].get_clim()
    assert low == -high
    assert grid[0, 0].images[0].get_clim() == (0, 1)
    assert grid[3, 0].get_ylabel() == "F4\ngrey value"
    np.testing.assert_array_equal(grid[2, 5].images[0].get_array(), movement[7])
    np.testing.assert_array_equal(grid[0, 5].images[0].get_array(), frames[7])
    assert [grid[row, 5].get_xlabel() for row in (0, 1)] == ["frame 8", "frames 8 to 9"]


def test_model_view_of_stills_is_one_row():
    still = {"grey value": np.full((1, 8, 8), 0.5)}
    figure = plots.plot_model_view({"F0": still, "F2": still, "F4": still})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["F0", "F2", "F4"]


@pytest.fixture
def shares():
    return pd.DataFrame(
        {
            "patient_id": ["p1", "p2", "p3", "p1"],
            "model": ["cnn2d", "cnn2d", "cnn2d", "cnn3d"],
            "stage": [0, 3, 4, 0],
            "relevance": [0.1, 0.3, np.nan, 0.2],
            "area": [0.05, 0.05, 0.05, 0.05],
        }
    )


def test_shares_draw_patients_with_a_map(shares):
    figure = plots.plot_shares(shares)
    dots = [np.concatenate([d.get_offsets() for d in axes.collections]).tolist() for axes in figure.axes]
    assert np.allclose(dots[0], [[5, 10], [5, 30]])
    assert np.allclose(dots[1], [[5, 20]])
    assert not {"p1", "p2", "p3"} & set(texts(figure).split("\n"))


def test_models_differ_in_colour_and_groups_in_line():
    assert len({record.colour for record in BUILT_IN}) == len({record.label for record in BUILT_IN}) == len(BUILT_IN)
    assert model_dashes("cnn3d") != model_dashes("fib4")
    assert model_label("mine") == "mine"
    assert plots.model_colour("mine") == plots.model_colour("mine") not in [record.colour for record in BUILT_IN]


def test_drawing_leaves_matplotlib_as_it_was(metrics):
    before = dict(mpl.rcParams)
    plots.plot_forest(metrics)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, metrics, suffix):
    files = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for path in files:
        plots.save_figure(plots.plot_forest(metrics), path)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_styled_keeps_the_docstring():
    @styled
    def draw():
        """Draw nothing."""
        return new_figure()[0]

    assert draw.__doc__ == "Draw nothing."
    assert draw().get_dpi() == 110


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
