"""Figures and tables of planted truth, and which claims a map supports."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from small_nets import explanation
from test_attribution_planted import scores

from fibrolib import plots, report
from fibrolib.attribution import TESTS, judge, judge_planted, summarise_shares
from fibrolib.report import readable_claims
from fibrolib.report.tables import CLAIMS


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


@pytest.fixture
def table():
    fine = scores(1.2, 2.0).assign(layer="fine", method="layercam")
    return pd.concat([scores(3.4, 0.9), fine])


def test_every_method_has_a_row_and_every_region_a_panel(table):
    figure = plots.plot_planted(summarise_shares(table), judge_planted(table))
    assert len(figure.axes) == 2
    shown = texts(figure)
    for part in ("relevance on the capsule", "relevance on the liver", "Grad-CAM", "Layer-CAM, fine layer"):
        assert part in shown
    drawn = {line.get_label() for line in figure.axes[0].lines}
    assert {"signal in the capsule", "signal in the texture", "most a map so coarse can reach"} <= drawn


def test_verdicts_for_a_reader(table):
    found = report.readable("planted", judge_planted(table)).set_index("Method")
    there, elsewhere = "Signal in the capsule (≥ 3)", "Signal in the texture (not above chance, 1.5)"
    assert found.loc["Grad-CAM", there].startswith("pass 3.40 (")
    assert found.loc["Layer-CAM, fine layer", there].startswith("FAIL 1.20 (")
    assert found.loc["Layer-CAM, fine layer", elsewhere].startswith("FAIL 2.00 (")
    assert (found["Most a map so coarse can reach"] == "4.0").all()


def test_a_plate_of_overlays_shows_one_frame_under_every_map():
    relevance = np.zeros((4, 8, 8), np.float32)
    relevance[:, 2, 2] = 1
    frames = np.arange(4, dtype=np.uint8)[:, None, None] * 40 + np.zeros((4, 8, 8), np.uint8)
    roi = relevance > 0
    row = {"one": explanation(relevance, frames=frames, roi=roi), "two": explanation(0 * relevance, frames=frames)}
    figure = plots.plot_overlays({"A": row, "B": row})
    plain, first, second = (plot.images[0].get_array() for plot in figure.axes[:3])
    assert (plain == 80).all()  # the frame in the middle
    assert (second == 80).all()  # an empty map covers nothing
    assert (first[2, 2] != 80).any()
    assert "blue outline: capsule" in texts(figure)
    assert "score 0.50" in texts(figure)


def test_layers_for_a_reader():
    row = {"model": "cnn3d", "layer": "fusion", "times": 4, "height": 14, "width": 14, "frames": 17, "pixels": 112}
    found = report.readable("cam_layers", pd.DataFrame([row]))
    assert found.iloc[0].tolist() == ["3D-CNN", "fusion", "4 × 14 × 14", "17 × 112 × 112"]


@pytest.fixture
def sanity():
    values = {"shuffled net": 0.1, "random labels": 0.8, "other training": 0.6, "gain": 0.9, "shift": 0.2}
    rows = [
        {"model": "net", "method": "gradcam", "test": test, "clip": clip, "value": value}
        for test, value in values.items()
        for clip in range(3)
    ]
    assert set(values) == set(TESTS)
    return judge(pd.DataFrame(rows))


def gains(low):
    rows = [
        {"model": "net", "method": "gradcam", "curve": curve, "rival": rival, "gain_low": value}
        for curve, value in low.items()
        for rival in ("random", "centre")
    ]
    return pd.DataFrame(rows)


def test_a_claim_is_granted_by_its_own_test_alone(sanity):
    better = gains({"deletion": 0.1, "insertion": 0.2, "ROAD": -0.1})
    planted = judge_planted(scores(3.4, 0.9))
    found = readable_claims(sanity, better, planted).set_index("Claim")["net"]
    assert found.tolist() == ["yes", "no", "yes", "yes", "no", "yes", "yes", "no"]
    assert list(found.index) == list(CLAIMS)
    assert readable_claims(sanity, gains({"deletion": 0.1, "ROAD": -0.1}), planted)["net"].iloc[5] == "no"
    assert readable_claims(sanity, better, judge_planted(scores(3.4, 1.7)))["net"].iloc[6] == "no"


def test_a_test_that_was_not_made_is_a_dash(sanity):
    made = sanity[sanity["test"] != "random labels"]
    found = readable_claims(made, gains({"deletion": 0.1}), judge_planted(scores(3.4, 0.9).assign(model="other")))
    assert found["net"].tolist() == ["yes", "–", "yes", "yes", "no", "no", "–", "no"]
