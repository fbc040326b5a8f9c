"""Figures of accuracy show the numbers of their tables."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from conftest import make_predictions

from fibrolib import plots, report
from fibrolib.diagnostics import model_label, tabulate_zones
from fibrolib.inference import compare_models, summarise_models
from fibrolib.plots import signed
from fibrolib.plots.style import _model_colour
from fibrolib.study.tables import Staging, staging_tables

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


def test_roc_counts_patients_and_has_the_colours_of_the_diagnostics(predictions, metrics):
    figure = plots.plot_roc(predictions, metrics)
    diseased = int((STAGES[-12:] >= 2).sum())
    assert f"test patients: {diseased} with, {12 - diseased} without" in texts(figure)
    best_first = metrics.sort_values("auc", ascending=False)["model"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(best_first.map(model_label))
    for axes, name in zip(figure.axes, best_first, strict=True):
        assert _model_colour(name) in [line.get_color() for line in axes.get_lines()]
        assert axes.get_aspect() == 1


def test_the_legend_of_a_lone_roc_fits_into_its_figure_and_names_no_others(predictions, metrics):
    figure = plots.plot_roc(predictions, metrics.head(1))
    assert "other" not in texts(figure)
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1


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


def test_titles_of_a_delong_matrix_are_no_wider_than_their_columns():
    names = ["cnn3d", "cnn2d_lstm", "cnn2d", "frozen", "swe", "fib4", "apri"]
    pairs = pd.DataFrame(itertools.combinations(names, 2), columns=["a", "b"])
    limits = {"difference": 0.1, "ci_low": 0.0, "ci_high": 0.2, "p_holm": 0.2}
    axes = plots.plot_delong_matrix(pairs.assign(**limits)).axes[0]
    widths = [label.get_window_extent().width for label in axes.get_xticklabels()]
    assert max(widths) < axes.bbox.width / 6


def test_p_values_are_never_0_or_1():
    assert [plots.p_text(p) for p in (1.0, 0.0004, 0.0316)] == ["p > 0.99", "p < 0.001", "p = 0.032"]
    assert [plots.p_value(p) for p in (1.0, 0.0004, 0.0316, np.nan)] == ["> 0.99", "< 0.001", "0.032", "–"]


def test_delong_matrix_of_pairs_without_interval_or_test(comparisons):
    broken = comparisons.copy()
    broken.loc[0, ["ci_low", "ci_high", "p", "p_holm"]] = np.nan
    broken.loc[1, ["difference", "ci_low", "ci_high", "p", "p_holm"]] = np.nan
    written = texts(plots.plot_delong_matrix(broken))
    assert "no interval, no p" in written
    assert "not tested" in written
    assert "nan" not in written
    alike = comparisons.copy()
    alike.loc[0, ["difference", "ci_low", "ci_high", "p_holm"]] = 0, np.nan, np.nan, 1.0
    written = texts(plots.plot_delong_matrix(alike))
    assert "no interval\np > 0.99" in written
    assert "nan" not in written


def test_zones_stack_to_the_number_of_patients():
    truth = STAGES >= 2
    zone = pd.Series(np.array(["low", "indeterminate", "high", None], dtype=object)[np.arange(N) % 4])
    table = pd.concat([tabulate_zones(zone, truth).assign(index=name) for name in ("fib4", "apri")])
    axes = plots.plot_zones(table, 2).axes[0]
    assert sum(patch.get_width() for patch in axes.patches) == 2 * N
    assert [tick.get_text() for tick in axes.get_yticklabels()][:2] == ["FIB-4: ≥ F2", "FIB-4: below F2"]


GROUP_STAGES = pd.Series(np.repeat(range(5), [8, 6, 4, 3, 2]))


NETS = ["cnn3d", "cnn2d"]


@pytest.fixture(scope="module")
def groups():
    random = np.random.default_rng(0)

    def cumulative_probs(stages):
        gaps = (stages.to_numpy() + random.normal(0, 1, len(stages)))[:, None] - (np.arange(1, 5) - 0.5)
        return pd.DataFrame(1 / (1 + np.exp(-3 * gaps)), columns=range(1, 5))

    few = GROUP_STAGES.iloc[::4].reset_index(drop=True)
    return {
        group: Staging(stages, {name: cumulative_probs(stages) for name in NETS})
        for group, stages in {"test": few, "fresh": GROUP_STAGES}.items()
    }


@pytest.fixture
def areas():
    few = pd.DataFrame({"model": ["cnn3d", "swe"], "n": 17, "auc": [0.7, 0.9], "auc_low": 0.5, "auc_high": 0.95})
    names = ["cnn3d", "swe", "oracle_still", "oracle_moving"]
    many = pd.DataFrame({"model": names, "n": 200, "auc": [0.8, 0.85, 0.83, 0.87], "auc_low": 0.78, "auc_high": 0.9})
    return few, many


def panels(figure):
    return [axes for axes in figure.axes if axes.images]


def test_confusion_writes_every_count_and_shades_by_row(groups):
    confusions = {group: {name: staging.confusion(name) for name in NETS} for group, staging in groups.items()}
    figure = plots.plot_confusion(confusions)
    drawn = panels(figure)
    assert len(drawn) == 4
    for axes, table in zip(drawn, [confusions[g][n] for g in ("test", "fresh") for n in NETS], strict=True):
        assert [int(text.get_text()) for text in axes.texts] == table.to_numpy().ravel().tolist()
        shares = axes.images[0].get_array()
        assert np.asarray(shares.sum(axis=1)) == pytest.approx(100 * (table.sum(axis=1) > 0).to_numpy())
        assert axes.images[0].get_clim() == (0, 100)
    assert "6 test patients" in texts(figure)
    assert "23 independent simulated\npatients" in texts(figure)
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["F0", "F1", "F2", "F3", "F4"]


def test_confusion_of_another_scale_has_no_f(groups):
    figure = plots.plot_confusion({"test": {"cnn3d": groups["test"].confusion("cnn3d")}}, metavir=False)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list("01234")
    assert "F1" not in texts(figure)


def test_both_answers_stand_beside_each_other(areas):
    axes = plots.plot_answers(*areas, cutoff=2).axes[0]
    marks = {line.get_xdata()[0]: line for line in axes.get_lines() if len(line.get_xdata()) == 1 and line.get_marker()}
    assert sorted(marks) == [0.7, 0.8, 0.85, 0.9]
    assert marks[0.7].get_markerfacecolor() == "white"
    assert marks[0.7].get_ydata()[0] < marks[0.8].get_ydata()[0]
    ceilings = {line.get_xdata()[0]: line.get_linestyle() for line in axes.get_lines() if line.get_color() == "0.25"}
    assert ceilings == {0.87: "-", 0.83: "--"}


def test_answers_are_told_with_their_intervals(areas):
    shares = pd.DataFrame({"model": ["cnn3d"], "still": [0.909], "still_low": [0.8], "still_high": [1.04]})
    shares = shares.assign(moving=-0.05, moving_low=np.nan, moving_high=np.nan)
    table = report.readable_answers(*areas, shares).set_index("Diagnostic")
    expected = ["91 % (80 to 104 %)", "−5 % (no interval)"]
    assert table.loc["3D-CNN"].tolist() == ["0.70 (0.50–0.95)", "0.80 (0.78–0.90)", *expected]
    assert table.loc["SWE"].tolist()[2:] == ["–", "–"]
    assert table.loc["Oracle, video"].tolist()[:2] == ["–", "0.87 (0.78–0.90)"]
    assert list(table.columns)[:2] == ["AUC, 17 test patients", "AUC, 200 independent simulated patients"]


def test_staging_is_told_with_its_intervals(groups):
    tables = staging_tables(groups, [2, 3, 4])
    staging, areas = tables["staging"], tables["auc_by_cutoff"]
    table = report.readable("staging", staging)
    row = staging.iloc[3]
    assert table.loc[3, "Patients"] == "23 independent simulated patients"
    assert table.loc[3, "Kappa (quadratic) (95 % CI)"].startswith(f"{row['kappa']:.2f} (")
    assert table.loc[3, "Obuchowski by chance"] == f"{row['obuchowski_chance']:.2f}"
    wide = report.readable("auc_by_cutoff", areas)
    assert list(wide.columns) == ["Patients", "Model", "AUC ≥ F2", "AUC ≥ F3", "AUC ≥ F4"]
    assert len(wide) == 4


def test_staging_is_compared_within_each_group(groups):
    tables = staging_tables(groups, [2])
    told = report.readable("staging_comparisons", tables["staging_comparisons"])
    assert told["Patients"].tolist() == ["6 test patients", "23 independent simulated patients"]
    assert told["Comparison"].tolist() == ["3D-CNN − 2D-CNN"] * 2
    assert set(told["Test"]) == {"Obuchowski, paired"}
    difference = f"{groups['fresh'].comparisons['difference'].item():+.2f}".replace("-", "−")
    assert told.loc[1, "Difference in Obuchowski measure (95 % CI)"].startswith(difference)
    assert "p (Holm, within each group of patients)" in told


def test_what_has_no_interval_and_what_is_unknown():
    row = {"patients": "test", "model": "cnn3d", "n": 5, "exact": 0.2, "exact_low": 0.1, "exact_high": 0.6}
    row |= {"kappa": -0.001, "kappa_low": -0.3, "kappa_high": 0.3, "obuchowski": 1.0, "obuchowski_chance": np.nan}
    row |= {"obuchowski_low": np.nan, "obuchowski_high": np.nan}
    told = report.readable("staging", pd.DataFrame([row])).loc[0]
    assert told["Kappa (quadratic) (95 % CI)"] == "0.00 (−0.30 to 0.30)"
    assert told["Obuchowski measure (95 % CI)"] == "1.00 (no interval)"
    assert told["Obuchowski by chance"] == "–"


WORLDS, PERTURBATIONS = ["published effects", "motion = 0"], ["as filmed", "shuffled", "frozen"]


@pytest.fixture
def motion_use():
    rows = [
        (scenario, model, perturbation)
        for scenario in WORLDS
        for model, perturbations in (("cnn3d", PERTURBATIONS), ("cnn2d", PERTURBATIONS[:1]))
        for perturbation in perturbations
    ]
    found = pd.DataFrame(rows, columns=["scenario", "model", "perturbation"]).assign(n=60)
    found["auc"] = np.linspace(0.55, 0.9, len(found))
    found = found.assign(auc_low=found["auc"] - 0.1, auc_high=found["auc"] + 0.05)
    changed = found["perturbation"] != "as filmed"
    found["loss"] = np.where(changed, 0.1, np.nan)
    found = found.assign(loss_low=found["loss"] - 0.05, loss_high=found["loss"] + 0.05)
    found["p_holm"] = np.where(found["perturbation"] == "shuffled", 0.01, np.where(changed, 0.4, np.nan))
    return found.assign(p=found["p_holm"] / 2)


@pytest.fixture
def ceilings():
    return pd.DataFrame({"scenario": WORLDS, "still": [0.83, 0.82], "moving": [0.87, 0.82]})


def marks(axes, markers="os"):
    return [line for line in axes.get_lines() if line.get_marker() in tuple(markers)]


def test_every_row_has_its_mark_and_interval(motion_use, ceilings):
    figure = plots.plot_motion_use(motion_use, ceilings, cutoff=2)
    for axes, scenario in zip(figure.axes, WORLDS, strict=True):
        rows = motion_use[motion_use["scenario"] == scenario]
        assert sorted(line.get_xdata()[0] for line in marks(axes)) == pytest.approx(sorted(rows["auc"]))
        bars = [tuple(line.get_xdata()) for line in axes.get_lines() if len(set(line.get_xdata())) == 2]
        assert set(zip(rows["auc_low"], rows["auc_high"], strict=True)) <= set(bars)
        assert axes.get_title(loc="left") == f"{scenario}\n(n = 60)"


def test_what_differs_is_filled_and_the_clip_as_filmed_is_another_mark(motion_use, ceilings):
    figure = plots.plot_motion_use(motion_use, ceilings, cutoff=2)
    axes, rows = figure.axes[0], motion_use[motion_use["scenario"] == WORLDS[0]].set_index("perturbation")
    assert sorted(line.get_xdata()[0] for line in marks(axes, "s")) == sorted(rows.loc["as filmed", "auc"])
    filled = {line.get_xdata()[0]: line.get_markerfacecolor() != "white" for line in marks(axes, "o")}
    assert filled == {rows.loc["shuffled", "auc"]: True, rows.loc["frozen", "auc"]: False}
    (legend,) = figure.legends
    told = {
        text.get_text(): handle.get_marker() for text, handle in zip(legend.texts, legend.legend_handles, strict=True)
    }
    assert told["as filmed"] == "s"
    assert told["no difference shown"] == "o"


def test_ceilings_are_those_of_the_world(motion_use, ceilings):
    figure = plots.plot_motion_use(motion_use, ceilings, cutoff=3)
    for axes, row in zip(figure.axes, ceilings.itertuples(), strict=True):
        lines = {line.get_linestyle(): line.get_xdata()[0] for line in axes.get_lines() if line.get_color() == "0.25"}
        assert lines == {"-": row.moving, "--": row.still}
    assert any("≥ F3" in axes.get_xlabel() for axes in figure.axes)


def test_the_table_tells_each_loss_and_how_it_was_tested(motion_use):
    told = report.readable("motion_use", motion_use)
    corrected = "p (Holm, 4 tests)"
    assert told.loc[0, "Loss of AUC (95 % CI)"] == told.loc[0, corrected] == told.loc[0, "Test"] == "–"
    assert told.loc[1, ["Net", "Clip", "Test"]].tolist() == ["3D-CNN", "shuffled", "DeLong, paired"]
    assert told.loc[1, "Loss of AUC (95 % CI)"] == "+0.10 (+0.05 to +0.15)"
    assert told.loc[1, corrected] == "0.010"
