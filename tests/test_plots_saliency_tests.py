"""Shares of relevance on a region."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from fibrolib import plots


def texts(figure):
    """Everything that is written in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))


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
