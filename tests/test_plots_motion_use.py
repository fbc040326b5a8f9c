"""The figure of changed clips shows its table."""

import numpy as np
import pandas as pd
import pytest

from fibrolib import plots, report

WORLDS, PERTURBATIONS = ["published effects", "motion = 0"], ["as filmed", "shuffled", "frozen"]


@pytest.fixture
def table():
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


def test_every_row_has_its_mark_and_interval(table, ceilings):
    figure = plots.plot_motion_use(table, ceilings, cutoff=2)
    for axes, scenario in zip(figure.axes, WORLDS, strict=True):
        rows = table[table["scenario"] == scenario]
        assert sorted(line.get_xdata()[0] for line in marks(axes)) == pytest.approx(sorted(rows["auc"]))
        bars = [tuple(line.get_xdata()) for line in axes.get_lines() if len(set(line.get_xdata())) == 2]
        assert set(zip(rows["auc_low"], rows["auc_high"], strict=True)) <= set(bars)
        assert axes.get_title(loc="left") == f"{scenario} (n = 60)"


def test_what_differs_is_filled_and_the_clip_as_filmed_is_another_mark(table, ceilings):
    figure = plots.plot_motion_use(table, ceilings, cutoff=2)
    axes, rows = figure.axes[0], table[table["scenario"] == WORLDS[0]].set_index("perturbation")
    assert sorted(line.get_xdata()[0] for line in marks(axes, "s")) == sorted(rows.loc["as filmed", "auc"])
    filled = {line.get_xdata()[0]: line.get_markerfacecolor() != "white" for line in marks(axes, "o")}
    assert filled == {rows.loc["shuffled", "auc"]: True, rows.loc["frozen", "auc"]: False}
    (legend,) = figure.legends
    told = {
        text.get_text(): handle.get_marker() for text, handle in zip(legend.texts, legend.legend_handles, strict=True)
    }
    assert told["as filmed"] == "s"
    assert told["no difference shown"] == "o"


def test_ceilings_are_those_of_the_world(table, ceilings):
    figure = plots.plot_motion_use(table, ceilings, cutoff=3)
    for axes, row in zip(figure.axes, ceilings.itertuples(), strict=True):
        lines = {line.get_linestyle(): line.get_xdata()[0] for line in axes.get_lines() if line.get_color() == "0.25"}
        assert lines == {"-": row.moving, "--": row.still}
    assert any("≥ F3" in axes.get_xlabel() for axes in figure.axes)


def test_the_table_tells_each_loss_and_how_it_was_tested(table):
    told = report.readable("motion_use", table)
    corrected = "p (Holm, 4 tests)"
    assert told.loc[0, "Loss of AUC (95 % CI)"] == told.loc[0, corrected] == told.loc[0, "Test"] == "–"
    assert told.loc[1, ["Net", "Clip", "Test"]].tolist() == ["3D-CNN", "shuffled", "DeLong, paired"]
    assert told.loc[1, "Loss of AUC (95 % CI)"] == "+0.10 (+0.05 to +0.15)"
    assert told.loc[1, corrected] == "0.010"
