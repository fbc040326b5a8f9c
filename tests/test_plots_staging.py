"""Figures and tables of staging, and of few and many patients side by side, show what they are given."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from fibrolib import plots, report
from fibrolib.study.staging import Staging, staging_tables

STAGES = pd.Series(np.repeat(range(5), [8, 6, 4, 3, 2]))
NETS = ["cnn3d", "cnn2d"]


@pytest.fixture(scope="module")
def groups():
    random = np.random.default_rng(0)

    def cumulative_probs(stages):
        gaps = (stages.to_numpy() + random.normal(0, 1, len(stages)))[:, None] - (np.arange(1, 5) - 0.5)
        return pd.DataFrame(1 / (1 + np.exp(-3 * gaps)), columns=range(1, 5))

    few = STAGES.iloc[::4].reset_index(drop=True)
    return {
        group: Staging(stages, {name: cumulative_probs(stages) for name in NETS})
        for group, stages in {"test": few, "fresh": STAGES}.items()
    }


@pytest.fixture
def areas():
    few = pd.DataFrame({"model": ["cnn3d", "swe"], "n": 17, "auc": [0.7, 0.9], "auc_low": 0.5, "auc_high": 0.95})
    names = ["cnn3d", "swe", "oracle_still", "oracle_moving"]
    many = pd.DataFrame({"model": names, "n": 200, "auc": [0.8, 0.85, 0.83, 0.87], "auc_low": 0.78, "auc_high": 0.9})
    return few, many


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))


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
    assert "23 fresh virtual patients" in texts(figure)
    assert [label.get_text() for label in drawn[0].get_yticklabels()] == ["F0", "F1", "F2", "F3", "F4"]


def test_confusion_of_another_scale_has_no_f(groups):
    figure = plots.plot_confusion({"test": {"cnn3d": groups["test"].confusion("cnn3d")}}, metavir=False)
    assert "stage 1" in texts(figure)
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
    assert list(table.columns)[:2] == ["AUC, 17 test patients", "AUC, 200 fresh virtual patients"]


def test_staging_is_told_with_its_intervals(groups):
    tables = staging_tables(groups, [2, 3, 4])
    staging, areas = tables["staging"], tables["auc_by_cutoff"]
    table = report.readable("staging", staging)
    row = staging.iloc[3]
    assert table.loc[3, "Patients"] == "23 fresh virtual patients"
    assert table.loc[3, "Kappa (quadratic) (95 % CI)"].startswith(f"{row['kappa']:.2f} (")
    assert table.loc[3, "Obuchowski by chance"] == f"{row['obuchowski_chance']:.2f}"
    wide = report.readable("auc_by_cutoff", areas)
    assert list(wide.columns) == ["Patients", "Model", "AUC ≥ F2", "AUC ≥ F3", "AUC ≥ F4"]
    assert len(wide) == 4


def test_staging_is_compared_within_each_group(groups):
    tables = staging_tables(groups, [2])
    told = report.readable("staging_comparisons", tables["staging_comparisons"])
    assert told["Patients"].tolist() == ["6 test patients", "23 fresh virtual patients"]
    assert told["Comparison"].tolist() == ["3D-CNN − 2D-CNN"] * 2
    assert set(told["Test"]) == {"Obuchowski, paired"}
    difference = f"{groups['fresh'].comparisons['difference'].item():+.2f}".replace("-", "−")
    assert told.loc[1, "Difference in Obuchowski measure (95 % CI)"].startswith(difference)
    assert "p (Holm, within the patients)" in told


def test_what_has_no_interval_and_what_is_unknown():
    row = {"patients": "test", "model": "cnn3d", "n": 5, "exact": 0.2, "exact_low": 0.1, "exact_high": 0.6}
    row |= {"kappa": -0.001, "kappa_low": -0.3, "kappa_high": 0.3, "obuchowski": 1.0, "obuchowski_chance": np.nan}
    row |= {"obuchowski_low": np.nan, "obuchowski_high": np.nan}
    told = report.readable("staging", pd.DataFrame([row])).loc[0]
    assert told["Kappa (quadratic) (95 % CI)"] == "0.00 (−0.30 to 0.30)"
    assert told["Obuchowski measure (95 % CI)"] == "1.00 (no interval)"
    assert told["Obuchowski by chance"] == "–"
