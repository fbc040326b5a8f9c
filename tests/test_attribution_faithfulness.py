"""Orders of removal, what is put in its place, and the curves."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from small_nets import Linear3d, Patch, classifier_with, explanation

from fibrolib.attribution import attribute, faithfulness_areas, faithfulness_by_method, summarise_faithfulness
from fibrolib.attribution.faithfulness import (
    CURVES,
    ORDERS,
    _faithfulness_curves,
    _first_scores,
    _impute,
    _neutral_grey,
    _removal_ranks,
    _sum_of_neighbours,
)
from fibrolib.video import load_clip

SECTOR = np.ones((28, 28), bool)
SECTOR[:, :4] = False


@pytest.fixture
def clip(flicker_patients):
    return load_clip(flicker_patients["clips"].iloc[2][0])


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_removes_what_it_says(order):
    relevance = np.random.default_rng(0).random((8, 28, 28)) * SECTOR
    ranks = _removal_ranks(explanation(relevance, sector=SECTOR), order)
    assert (ranks[:, ~SECTOR] == 1).all()
    for share in (0.1, 0.5, 0.9):
        assert (ranks < share)[:, SECTOR].mean() == pytest.approx(share, abs=1 / 700)


def test_blocks_go_whole_and_the_most_relevant_first():
    relevance = np.zeros((8, 28, 28))
    relevance[2:4, 10:12, 20:22] = 1
    relevance[6:8, 0:2, 4:6] = 0.5
    ranks = _removal_ranks(explanation(relevance, sector=SECTOR))
    first, second = np.unique(ranks)[:2]
    assert (ranks == first).sum() == (relevance == 1).sum() == (relevance[ranks == first] == 1).sum()
    assert (relevance[ranks == second] == 0.5).all()


def test_from_the_centre_outwards():
    ranks = _removal_ranks(explanation(np.zeros((1, 28, 28)), sector=SECTOR), "centre")
    assert ranks[0, 13, 15] < 0.05
    assert ranks[0, 0, 4] > 0.95


def test_equals_come_in_an_order_that_only_the_seed_decides():
    blank = explanation(np.zeros((4, 28, 28)), sector=SECTOR)
    ranks = [_removal_ranks(blank, seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(ranks[0], ranks[1])
    assert not np.array_equal(ranks[0], ranks[2])


@pytest.mark.parametrize("shape", [(4, 6, 5), (1, 6, 5)])
def test_neighbours_are_summed_with_their_weights(shape):
    away = np.abs(np.mgrid[-1:2, -1:2, -1:2]).sum(axis=0)
    weights = np.choose(away, [0, 4, 2, 1])  # across faces, edges and corners; not the place itself
    values = np.random.default_rng(2).random(shape).astype(np.float32)
    expected = ndimage.convolve(values, weights.astype(np.float32), mode="constant")
    np.testing.assert_allclose(_sum_of_neighbours(torch.from_numpy(values)), expected, rtol=1e-4, atol=1e-5)


def test_a_plane_is_filled_in_exactly():
    # A weighted mean of neighbours leaves a linear function as it is: it is the solution, up to noise and tolerance.
    time, down, right = np.meshgrid(np.arange(6), np.arange(28), np.arange(28), indexing="ij")
    plane = (0.2 + 0.02 * time + 0.01 * down + 0.005 * right).astype(np.float32) * SECTOR
    removed = np.zeros(plane.shape, bool)
    removed[2:4, 8:16, 10:20] = True
    filled = _impute(plane, SECTOR, removed)
    assert np.array_equal(filled[~removed], plane[~removed])
    error = filled[removed] - plane[removed]
    assert np.abs(error.mean()) < 0.003
    assert error.std() == pytest.approx(0.01, abs=0.003)


def test_what_lies_outside_the_sector_is_nobodys_neighbour():
    frames = np.full((2, 28, 28), 0.5, np.float32) * SECTOR
    removed = np.zeros(frames.shape, bool)
    removed[:, 5:20, 4:10] = True
    assert np.abs(_impute(frames, SECTOR, removed)[removed] - 0.5).max() < 0.06


def test_where_nothing_is_removed_nothing_changes():
    frames = np.full((2, 28, 28), 0.5, np.float32)
    assert np.array_equal(_impute(frames, SECTOR, np.zeros(frames.shape, bool)), frames)


def test_neutral_grey_keeps_the_mean():
    frames = np.random.default_rng(0).random((3, 28, 28)).astype(np.float32) * SECTOR
    grey = _neutral_grey(frames, SECTOR)
    assert grey[:, SECTOR].min() == grey[:, SECTOR].max() == pytest.approx(frames[:, SECTOR].mean(), rel=1e-5)
    assert grey[:, ~SECTOR].max() == 0


def test_deletion_of_a_linear_net_has_its_closed_form(clip):
    estimator = classifier_with(Linear3d())
    found = attribute(estimator, clip)
    curves = faithfulness_by_method(estimator, {("p", "Grad-CAM"): found})
    scores = curves.query("order == 'random'").set_index(["curve", "fraction"])["score"]
    frames, ranks = found.frames.astype(np.float32) / 255, _removal_ranks(found, "random")
    grey = _neutral_grey(frames, found.sector)
    windows = {
        ("deletion", 0.0): frames,
        ("deletion", 0.5): np.where(ranks < 0.5, grey, frames),
        ("insertion", 0.0): grey,
        ("insertion", 0.5): np.where(ranks < 0.5, frames, grey),
        ("ROAD", 0.0): frames,
    }
    expected = [1 / (1 + np.exp(-1.5 * window.mean())) for window in windows.values()]
    np.testing.assert_allclose(scores[list(windows)], expected, rtol=1e-5)


def test_a_right_map_is_faithful_by_every_curve_and_a_wrong_one_by_none(clip):
    estimator = classifier_with(Patch())
    bright = clip.frames.copy()
    bright[:, Patch.place[3], Patch.place[4]] = 255
    right = attribute(estimator, type(clip)(bright, clip.fps, clip.sector), "occlusion")
    wrong = type(right)(**{**vars(right), "relevance": (right.sector & (right.relevance == 0)).astype(np.float32)})
    for found, better in ((right, True), (wrong, False)):
        curves = _faithfulness_curves(estimator, found, _first_scores(estimator, found))
        assert set(curves["curve"]) == set(CURVES)
        areas = faithfulness_areas(curves).pivot_table(index="curve", columns="order", values="area")
        assert (areas.loc["deletion", "relevance"] < areas.loc["deletion", "random"]) == better
        assert (areas.loc["ROAD", "relevance"] < areas.loc["ROAD", "random"]) == better
        assert (areas.loc["insertion", "relevance"] > areas.loc["insertion", "random"]) == better


def test_areas_and_gains_by_hand():
    heights = {"relevance": [1.0, 0.0, 0.0], "random": [1.0, 0.5, 0.0]}
    curves = pd.DataFrame(
        [
            {"patient_id": patient, "curve": "deletion", "order": order, "fraction": fraction, "score": score}
            for patient in "abc"
            for order, scores in heights.items()
            for fraction, score in zip((0.0, 0.4, 0.8), scores, strict=True)
        ]
    )
    areas = faithfulness_areas(curves)
    assert areas[areas["order"] == "relevance"]["area"].tolist() == pytest.approx([0.25] * 3)
    assert areas[areas["order"] == "random"]["area"].tolist() == pytest.approx([0.5] * 3)
    (row,) = summarise_faithfulness(areas).to_dict("records")
    assert (row["curve"], row["rival"], row["n"]) == ("deletion", "random", 3)
    assert row["gain"] == row["gain_low"] == row["gain_high"] == pytest.approx(0.25)
