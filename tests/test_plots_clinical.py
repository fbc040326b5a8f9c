"""Figures of clinical value show the numbers of their tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from fibrolib import plots
from fibrolib.clinical import pathway_table, selective_accuracy, subgroup_table

RNG = np.random.default_rng(0)

BETWEEN = "indeterminate"


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_every_part_of_a_step_has_its_height_and_the_parts_fill_the_bar():
    zones = pd.DataFrame({"fib4": ["low"] * 5 + [BETWEEN] * 13 + ["high"] * 2, "swe": ["low"] * 10 + [BETWEEN] * 10})
    table = pathway_table(zones, np.arange(20) % 4 == 0)
    axes = plots.plot_pathway(table, ["FIB-4", "SWE"]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["FIB-4", "SWE", "Biopsy"]
    steps = {
        place: [bar for bar in axes.patches if round(bar.get_x() + bar.get_width() / 2) == place] for place in range(3)
    }
    for place, entered in enumerate(table["entered"]):
        assert sum(bar.get_height() for bar in steps[place]) == pytest.approx(entered)
    # Missed, correctly released, passed on, to biopsy, from the bottom.
    assert [bar.get_height() for bar in steps[0]] == pytest.approx([100, 150, 650, 100])
    assert texts(axes).count("1,000") == 1


@pytest.mark.parametrize("width", [114, 129, 180])
def test_the_legend_of_a_pathway_fits_into_its_page(width):
    table = pathway_table(
        pd.DataFrame({"fib4": ["low", BETWEEN, "high"], "swe": ["low", BETWEEN, "high"]}),
        np.arange(3) > 1,
    )
    with plots.for_print(plots.Page(**plots.journals()["springer"]), width):
        figure = plots.plot_pathway(table, ["FIB-4", "SWE"])
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1


def test_a_forest_of_subgroups_names_those_that_are_too_small():
    y, group = np.arange(60) % 2, np.repeat(["A", "B"], (52, 8))
    table = subgroup_table(y, special.expit(RNG.normal(size=60) + y), pd.DataFrame({"centre": group}), 0.5)
    first, second = plots.plot_subgroups(table, {"centre": "Centre"}).axes[:2]
    assert [label.get_text() for label in first.get_yticklabels()] == [
        "all patients  (30 of 60)",
        "Centre: A  (26 of 52)",
        "Centre: B  (4 of 8)",
    ]
    row = table.iloc[1]
    assert plots.with_interval(row["auc"], row["auc_low"], row["auc_high"]) in texts(first)
    assert plots.with_interval(row["sensitivity"], row["sensitivity_low"], row["sensitivity_high"]) in texts(second)
    assert texts(first)[-1] == texts(second)[-1] == "too few patients"


def test_a_set_is_a_bar_over_its_stages_and_a_miss_is_open():
    sets = pd.DataFrame({"low": [0, 2], "high": [1, 4]}, index=["a", "b"])
    axes = plots.plot_stage_sets(sets, pd.Series({"a": 3, "b": 2})).axes[0]
    bars = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    assert bars == [pytest.approx((1.65, 4.35)), pytest.approx((-0.35, 1.35))]  # ordered by true stage
    assert [float(line.get_ydata()[0]) for line in axes.lines] == [2, 3]
    assert [line.get_markerfacecolor() == "white" for line in axes.lines] == [False, True]


def test_accuracy_is_drawn_over_the_share_answered():
    stage = RNG.integers(0, 3, 30)
    table = selective_accuracy(stage, RNG.dirichlet(np.ones(3), 30))
    axes = plots.plot_selective(table).axes[0]
    within, exact = (line.get_xydata() for line in axes.lines)
    np.testing.assert_allclose(exact, table[["answered", "exact"]])
    np.testing.assert_allclose(within, table[["answered", "within_one"]])
