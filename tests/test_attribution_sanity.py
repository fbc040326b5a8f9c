"""Sanity: maps that must go, maps that must stay, and the table that says so."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_patients
from scipy.stats import spearmanr
from small_nets import Linear3d, classifier_with, explanation
from torch import nn

from fibrolib.attribution import (
    attainable_share,
    attribute,
    attribute_methods,
    cascade_maps,
    cascading_randomisation,
    judge,
    judge_planted,
    sanity_values,
)
from fibrolib.attribution.sanity import (
    TESTS,
    _layers_with_weights,
    _map_agreement,
    _rank_correlation,
    _sensitivity_to_gain,
    _sensitivity_to_shift,
    _with_shuffled_weights,
)
from fibrolib.learning import shifted
from fibrolib.nets import build_net
from fibrolib.video import load_clip


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    patients = make_patients(tmp_path_factory.mktemp("sanity"), 4, side=32)
    return [load_clip(paths[0]) for paths in patients["clips"]]


def untrained(seed=0):
    torch.manual_seed(seed)
    net = build_net("motion_resnet3d", 3, width=4).eval()
    nn.init.normal_(net.head.severity.weight)
    return classifier_with(net, clip_length=8)


def test_rank_correlation_is_spearmans_over_the_sector():
    random = np.random.default_rng(0)
    sector = np.ones((6, 6), bool)
    sector[:, :2] = False
    first, second = (explanation(random.random((3, 6, 6)) * sector, sector=sector) for _ in range(2))
    expected = spearmanr(first.relevance[:, sector].ravel(), second.relevance[:, sector].ravel()).statistic
    assert _rank_correlation(first, second) == pytest.approx(expected)
    assert _rank_correlation(first, first) == pytest.approx(1)
    assert _rank_correlation(first, explanation(np.ones((3, 6, 6)))) == 0


def test_of_many_places_some_are_compared():
    random = np.random.default_rng(1)
    first = np.kron(random.random((4, 16, 16)), np.ones((1, 10, 10)))
    second = 0.5 * first + np.kron(random.random((4, 16, 16)), np.ones((1, 10, 10)))
    everywhere = spearmanr(first.ravel(), second.ravel()).statistic
    assert _rank_correlation(explanation(first), explanation(second)) == pytest.approx(everywhere, abs=0.01)


def test_shifting_by_hand():
    values = np.arange(6).reshape(2, 3)
    assert shifted(values, 1, 0).tolist() == [[0, 0, 0], [0, 1, 2]]
    assert shifted(values, 0, -1).tolist() == [[1, 2, 0], [4, 5, 0]]


def test_layers_run_from_the_head_to_the_first(clips):
    layers = _layers_with_weights(untrained(), clips[0])
    assert layers[0].startswith("head")
    assert layers[-1] == "pathway.stem.0"


def test_shuffling_keeps_the_values_and_the_original():
    estimator = untrained()
    before = estimator.module_.pathway.stem[0].weight.clone()
    changed = _with_shuffled_weights(estimator, ["pathway.stem.0"], seed=1)
    after = changed.module_.pathway.stem[0].weight
    assert torch.equal(estimator.module_.pathway.stem[0].weight, before)
    assert not torch.equal(after, before)
    assert torch.equal(after.flatten().sort().values, before.flatten().sort().values)
    assert torch.equal(changed.module_.head.severity.weight, estimator.module_.head.severity.weight)


def test_the_cascade_begins_intact_and_ends_with_everything_shuffled(clips):
    table = cascading_randomisation(untrained(), clips, steps=3)
    assert set(table["method"]) == {"gradcam"}
    steps = table.groupby("step")
    assert steps["share"].first().tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=0.05)
    np.testing.assert_allclose(table.loc[table["step"] == 0, "correlation"], 1)
    assert table["down_to"].iloc[-1] == "pathway.stem.0"
    assert table.loc[table["step"] == 3, "correlation"].abs().mean() < 0.9


def test_the_maps_of_the_cascade_are_those_that_are_compared(clips):
    table = cascading_randomisation(untrained(), clips[:2], ["gradcam", "layercam"], steps=2)
    maps = [maps["layercam"][1] for _, _, maps in cascade_maps(untrained(), clips[:2], ["layercam"], steps=2)]
    found = [_rank_correlation(maps[0], cam) for cam in maps]
    rows = table[(table["method"] == "layercam") & (table["clip"] == 1)]
    np.testing.assert_allclose(found, rows["correlation"], atol=1e-6)


def test_a_map_that_ignores_the_net_fails(clips):
    # All weights are equal, so nothing is lost by shuffling them: the map is the picture before and after.
    net = Linear3d()
    net.cam_layer.weight.data.fill_(1.0)
    table = judge(sanity_values(classifier_with(net), clips)).set_index("test")
    assert table.loc["shuffled net", "value"] == pytest.approx(1)
    assert not table.loc["shuffled net", "passed"]
    assert table.loc["gain", "passed"]


def test_a_picture_moves_with_the_picture(clips):
    estimator = classifier_with(Linear3d())
    explained = attribute_methods(estimator, clips, ["gradcam", "layercam"])
    for method in explained:
        np.testing.assert_allclose(_sensitivity_to_shift(estimator, clips, explained)[method], 1, atol=1e-6)
        np.testing.assert_allclose(_sensitivity_to_gain(estimator, clips, explained)[method], 1, atol=0.03)


def test_agreement_of_a_net_with_itself_and_with_another(clips):
    maps, again, other = (attribute_methods(untrained(seed), clips, ["gradcam"]) for seed in (0, 0, 5))
    np.testing.assert_allclose(_map_agreement(maps, again)["gradcam"], 1)
    assert _map_agreement(maps, other)["gradcam"].mean() < 0.9


def test_all_tests_are_made_where_there_are_nets_for_them(clips):
    others = [untrained(seed) for seed in (1, 2)]
    values = sanity_values(untrained(), clips, ["gradcam", "layercam"], other_training=others, random_labels=others)
    assert set(values["test"]) == set(TESTS)
    assert len(values) == 2 * len(TESTS) * len(clips)
    wide = values[values["method"] == "layercam"].pivot_table(index="clip", columns="test", values="value")
    np.testing.assert_allclose(wide["random labels"], wide["other training"])
    one = attribute(untrained(), clips[1], "layercam")
    expected = np.mean([_rank_correlation(one, attribute(other, clips[1], "layercam")) for other in others])
    assert wide.loc[1, "other training"] == pytest.approx(expected, abs=1e-3)


def test_a_map_with_its_sign_turned_is_no_other_map():
    values = pd.DataFrame({"method": "gradcam", "test": "random labels", "clip": range(3), "value": [-0.5, -0.6, -0.7]})
    assert not judge(values)["passed"].item()


def test_judgement_by_hand():
    values = pd.DataFrame(
        {
            "method": "gradcam",
            "test": ["shuffled net"] * 3 + ["gain"] * 3,
            "clip": [0, 1, 2] * 2,
            "value": [0.2, 0.3, 0.4, 0.6, 0.7, 0.9],
        }
    )
    table = judge(values).set_index("test")
    assert table["rule"].tolist() == ["< 0.3", ">= 0.7"]
    assert table["passed"].tolist() == [False, True]  # .3 is not below .3; .73 is at least .7
    assert table["value"].tolist() == pytest.approx([0.3, 2.2 / 3])
    assert table["n"].tolist() == [3, 3]
    assert all(test.source for test in TESTS.values())


def scores(capsule, texture, area=0.02):
    """Relevance on the capsule of five patients, with the signal there and elsewhere."""
    spread = np.array([0.9, 0.95, 1.0, 1.05, 1.1])
    rows = [
        {
            "signal": signal,
            "model": "net",
            "method": "gradcam",
            "layer": "own",
            "region": region,
            "patient_id": f"p{at}",
        }
        | {"relevance": times * area * factor, "area": area, "rank": 0.1, "pointing": 0.0, "attainable": 4 * area}
        | {"even": 1.0 if signal == region else 1.5 * area}
        for signal, times in (("capsule", capsule), ("texture", texture))
        for at, factor in enumerate(spread)
        for region in ("capsule", "liver")
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("capsule", "texture", "passed"),
    [
        (3.2, 0.8, [True, True]),
        (2.8, 0.8, [False, True]),  # not three times
        (3.2, 1.52, [True, True]),  # the interval holds what an even map of the liver would give
        (3.2, 1.7, [True, False]),  # above chance where nothing is
    ],
)
def test_verdicts(capsule, texture, passed):
    table = judge_planted(scores(capsule, texture))
    assert table["passed"].tolist() == passed
    assert table["rule"].tolist() == [">= 3", "not above chance"]
    assert table["chance"].tolist() == pytest.approx([1, 1.5])
    assert table["ratio"].tolist() == pytest.approx([capsule, texture])
    assert table["attainable"].tolist() == pytest.approx([4, 4])
    assert table["n"].tolist() == [5, 5]


def test_a_method_without_any_map_fails():
    table = judge_planted(scores(3.5, 0.8).assign(relevance=np.nan))
    assert not table["passed"].any()
    assert table["empty"].tolist() == [5, 5]


def test_the_best_of_a_coarse_map():
    sector = np.ones((16, 16), bool)
    region = np.zeros((2, 16, 16), bool)
    region[:, 4:6] = True
    # As many places as pixels lose nothing; a place per clip knows nothing.
    assert attainable_share(region, sector, (2, 16, 16)) == pytest.approx(1)
    assert attainable_share(region, sector, (1, 1, 1)) == pytest.approx(1 / 8)
    finer, coarser = (attainable_share(region, sector, (1, side, side)) for side in (8, 4))
    assert 1 / 8 < coarser < finer < 1
    assert np.isnan(attainable_share(np.zeros_like(region), sector, (1, 4, 4)))
