"""Figures of the patients show the numbers of their tables."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer

from fibrolib import plots
from fibrolib.video import Clip

N = 60
SIDES = ["train"] * 36 + ["validation"] * 12 + ["test"] * 12
STAGES = np.arange(N) % 5
IDS = [f"virtual-{number:03d}" for number in range(N)]


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


def texts(figure):
    """Everything that is written in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))


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
