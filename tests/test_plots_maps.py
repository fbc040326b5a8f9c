"""Maps over their frames, figures and tables of the saliency tests, and which claims a map supports."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from small_nets import explanation
from test_attribution_sanity import scores

from fibrolib import plots, report
from fibrolib.attribution import judge, judge_planted, summarise_shares
from fibrolib.attribution.sanity import TESTS
from fibrolib.plots.maps import _overlay_frames
from fibrolib.report import readable_claims
from fibrolib.report.tables import _CLAIMS


def cam(n_frames, *, roi=True, peak=1.0):
    relevance = np.zeros((n_frames, 10, 10), np.float32)
    relevance[:, 4, 4] = peak
    region = np.zeros((n_frames, 10, 10), bool)
    region[:, 3:6, 3:6] = True
    frames = np.full((n_frames, 10, 10), 128, np.uint8)
    frames[n_frames // 2] = 160
    return explanation(relevance, frames=frames, roi=region if roi else None)


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


@pytest.mark.parametrize(("n_frames", "columns"), [(1, 3), (2, 7), (16, 7)])
def test_plates_show_frame_map_and_overlay_twice_and_motion_mode(n_frames, columns):
    plates = {"patient A (F0)": cam(n_frames), "patient B (F4)": cam(n_frames, peak=0.0)}
    figure = plots.plot_maps(plates)
    assert len(figure.axes) == 2 * columns + 1
    assert "patient B (F4)\nscore 0.50" in texts(figure)
    assert "blue outline: capsule" in texts(figure)
    assert ("motion mode" in texts(figure)) == (columns == 7)


def test_plates_show_the_frames_of_least_and_most_movement():
    figure = plots.plot_maps({"patient A": cam(6)})
    # Only frame 3 is brighter; its neighbours move half as much, frames 0, 1 and 5 not at all.
    least, most = (figure.axes[at].images[0].get_array() for at in (0, 3))
    assert (least.max(), most.max()) == (128, 160)


def test_no_outline_is_spoken_of_where_there_is_none():
    assert "outline" not in texts(plots.plot_maps({"patient A": cam(4, roi=False)}))


def test_overlay_by_hand():
    shown = _overlay_frames(cam(1), 0.5)[0]
    assert (shown[0, 0] == 160).all()
    top = 255 * np.array(mpl.colormaps["inferno"](1.0)[:3])
    np.testing.assert_allclose(shown[4, 4], 0.5 * 160 + 0.5 * top, atol=1)
    assert (_overlay_frames(cam(1), 0.0) == 160).all()


def test_frame_and_overlay_beside_their_scale():
    one = cam(2)
    shown = plots.beside_overlay(one, 0.4)
    assert shown.shape == (2, 10, 2 * 10 + 8, 3)
    assert (shown[:, :, :10] == one.frames[..., None]).all()
    np.testing.assert_array_equal(shown[:, :, 12:22], _overlay_frames(one, 0.4))
    top, bottom = (255 * np.array(mpl.colormaps["inferno"](end)[:3]) for end in (1.0, 0.0))
    np.testing.assert_allclose(shown[0, [0, -1], -1], [top, bottom], atol=1)


@pytest.mark.parametrize("zoom", [1, 3])
def test_the_film_has_every_frame_and_even_sides(zoom):
    one = cam(5)
    odd = explanation(one.relevance[:, :9], frames=one.frames[:, :9])
    frames = plots.film(odd, zoom)
    assert frames.shape == (5, 9 * zoom + 1, 28 * zoom, 3)
    assert (frames[2, 4, 4] == 160).all()


@pytest.fixture
def judged():
    rows = [
        {"model": model, "method": method, "test": test, "clip": clip, "value": value}
        for model in ("cnn3d", "cnn2d")
        for method, value in (("gradcam", 0.2), ("layercam", 0.8))
        for test in TESTS
        for clip in range(3)
    ]
    return judge(pd.DataFrame(rows))


def test_sanity_figure_fills_what_passed(judged):
    figure = plots.plot_sanity(judged)
    assert len(figure.axes) == 2 * len(TESTS)
    marks = [line for line in figure.axes[0].get_lines() if line.get_marker() in ("o", "^")]
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [False, True]  # below .3 is asked for here
    assert [mark.get_xdata()[0] for mark in marks] == pytest.approx([0.2, 0.8])


def test_sanity_figure_of_one_net(judged):
    assert len(plots.plot_sanity(judged[judged["model"] == "cnn2d"].drop(columns="model")).axes) == len(TESTS)


def test_sanity_table_in_words(judged):
    table = report.readable("sanity", judged)
    assert list(table.columns) == ["Net", "Question", "Patients", "Rule", "Grad-CAM", "Layer-CAM", "Source"]
    first = table.iloc[0]
    assert (first["Rule"], first["Grad-CAM"], first["Layer-CAM"]) == ("within ± 0.3", "pass (+0.20)", "FAIL (+0.80)")
    assert set(table["Patients"]) == {3}
    assert len(table) == 2 * len(TESTS)


@pytest.mark.parametrize(
    ("test", "low", "mean", "high", "said"),
    [
        ("shuffled net", 0.1, 0.2, 0.4, "pass? (+0.20)"),
        ("shuffled net", -0.4, -0.2, 0.1, "pass? (−0.20)"),
        ("shuffled net", -0.7, -0.6, -0.5, "FAIL (−0.60)"),
        ("gain", 0.6, 0.72, 0.8, "pass? (+0.72)"),
        ("gain", 0.5, 0.6, 0.65, "FAIL (+0.60)"),
    ],
)
def test_a_verdict_whose_interval_crosses_the_line_is_questioned(test, low, mean, high, said):
    one = judge(pd.DataFrame({"method": "gradcam", "test": test, "clip": range(3), "value": mean}))
    table = report.readable("sanity", one.assign(value_low=low, value_high=high))
    assert table["Grad-CAM"].tolist() == [said]


def test_cascade_faithfulness_and_depth_draw_the_means():
    cascade = pd.DataFrame(
        {"model": "cnn3d", "method": "gradcam", "share": [0, 0, 1, 1], "correlation": [1.0, 1.0, 0.2, 0.0]}
    )
    (line,) = plots.plot_cascade(cascade).axes[0].get_lines()
    assert line.get_ydata().tolist() == pytest.approx([1.0, 0.1])
    curves = pd.DataFrame(
        [
            {"method": "occlusion", "curve": curve, "order": order, "fraction": fraction, "score": fraction}
            for curve in ("deletion", "insertion")
            for order in ("relevance", "random", "centre")
            for fraction in (0.0, 0.5)
        ]
    )
    figure = plots.plot_faithfulness(curves)
    assert [axes.get_xlabel() for axes in figure.axes] == ["Image removed (%)", "Image restored (%)"]
    assert all(len(axes.get_lines()) == 3 for axes in figure.axes)
    bands = pd.DataFrame(
        {
            "model": "cnn3d",
            "method": "gradcam",
            "depth": [0.25, 0.75] * 2,
            "relevance": [0.1, 0.9, 0.3, 0.7],
            "area": 0.5,
        }
    )
    (line,) = plots.plot_depth(bands).axes[0].get_lines()
    assert line.get_xdata().tolist() == pytest.approx([20, 80])


@pytest.fixture
def planted():
    fine = scores(1.2, 2.0).assign(layer="fine", method="layercam")
    return pd.concat([scores(3.4, 0.9), fine])


def test_every_method_has_a_row_and_every_region_a_panel(planted):
    figure = plots.plot_planted(summarise_shares(planted), judge_planted(planted))
    assert len(figure.axes) == 2
    shown = texts(figure)
    for part in ("relevance on the capsule", "relevance on the liver", "Grad-CAM", "Layer-CAM, fine layer"):
        assert part in shown
    drawn = {line.get_label() for line in figure.axes[0].lines}
    assert {"signal in the capsule", "signal in the texture", "best possible at this resolution"} <= drawn


def test_verdicts_for_a_reader(planted):
    found = report.readable("planted", judge_planted(planted)).set_index("Method")
    there, elsewhere = "Signal in the capsule (≥ 3)", "Signal in the texture (not above chance, 1.5)"
    assert found.loc["Grad-CAM", there].startswith("pass 3.40 (")
    assert found.loc["Layer-CAM, fine layer", there].startswith("FAIL 1.20 (")
    assert found.loc["Layer-CAM, fine layer", elsewhere].startswith("FAIL 2.00 (")
    assert (found["Best possible at this resolution"] == "4.0").all()


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


def test_titles_of_rows_do_not_touch_each_other():
    cam = explanation(np.zeros((1, 8, 8), np.float32))
    maps = dict.fromkeys(["a", "b", "c", "d", "e, fine layer"], cam)
    rows = {f"signal in the {place}": maps for place in ("capsule", "texture", "motion")}
    figure = plots.plot_overlays(rows)
    titles = [plot.yaxis.label.get_window_extent() for plot in figure.axes[:18:6]]
    assert all(above.y0 > below.y1 + 8 for above, below in itertools.pairwise(titles))


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
    assert list(found.index) == list(_CLAIMS)
    assert readable_claims(sanity, gains({"deletion": 0.1, "ROAD": -0.1}), planted)["net"].iloc[5] == "no"
    assert readable_claims(sanity, better, judge_planted(scores(3.4, 1.7)))["net"].iloc[6] == "no"


def test_a_test_that_was_not_made_is_a_dash(sanity):
    made = sanity[sanity["test"] != "random labels"]
    found = readable_claims(made, gains({"deletion": 0.1}), judge_planted(scores(3.4, 0.9).assign(model="other")))
    assert found["net"].tolist() == ["yes", "–", "yes", "yes", "no", "no", "–", "no"]


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
