"""Does a map depend on what the net has learned? Sanity checks and planted signals, with one verdict per method."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from fibrolib.attribution.explain import _as_batch, _frozen_net, attribute_methods, middle_window
from fibrolib.attribution.maps import Explanation, _bootstrap_interval, summarise_shares
from fibrolib.learning import NetClassifier, shifted
from fibrolib.nets import output_shapes
from fibrolib.video import Clip

_Maps = Mapping[str, Sequence[Explanation]]  # of the same clips, by method

# Ranges of `fibrolib.learning.Augment`: a change that keeps the diagnosis should keep the map.
_GAINS, _SHIFT = (0.85, 1.15), 0.06  # shift: share of the side
_N_PLACES = 20_000  # that a rank correlation compares, about; more change no second digit and take a second
_N_SHUFFLES = 3  # shuffled nets that are averaged: one of them may agree by chance (assumption)


@dataclass(frozen=True)
class _SanityTest:
    """A test of a method; all values are rank correlations of maps."""

    question: str
    threshold: float
    above: bool  # pass at or above the threshold; else nearer to 0, as far below 0 is the same map with its sign turned
    source: str


# Mukaka 2012 (Malawi Med J 24:69): a correlation below .3 is negligible, from .5 moderate, from .7 high. To judge maps
# by these words is an assumption; the tests' sources give no thresholds.
TESTS = {
    "shuffled net": _SanityTest("Does the map change when all weights are shuffled?", 0.3, False, "Adebayo 2018"),
    "random labels": _SanityTest(
        "Does the map change when the network is trained on shuffled stages?", 0.3, False, "Adebayo 2018"
    ),
    "other training": _SanityTest("Is the map the same with another seed or fold?", 0.5, True, "Arun 2021"),
    "gain": _SanityTest("Is the map the same if the image is 15 % darker or brighter?", 0.7, True, "Kindermans 2019"),
    "shift": _SanityTest("Does the map move with the image (shift by 6 %)?", 0.7, True, "Kindermans 2019"),
}
# Ratio to its chance share that a region must reach where the signal is (assumption: far from chance, and attainable
# for a map whose places are somewhat larger than the region).
TIMES = 3.0


def sanity_values(
    estimator: NetClassifier,
    clips: Sequence[Clip],
    methods: Sequence[str] = ("gradcam",),
    *,
    other_training: Sequence[NetClassifier] = (),
    random_labels: Sequence[NetClassifier] = (),
    seed: int = 0,
) -> pd.DataFrame:
    """Rank correlations of maps with maps that should, or should not, look like them: ``method, test, clip, value``.

    Parameters
    ----------
    estimator, clips, methods
        As for `attribute_methods`; the clips are one per patient.
    other_training, random_labels : sequence of NetClassifier
        The same net trained with other seeds or on other folds, and on shuffled stages; if none, no such test.
    """
    maps = attribute_methods(estimator, clips, methods)
    layers = _layers_with_weights(estimator, clips[0])
    shuffled = [_with_shuffled_weights(estimator, layers, seed + number) for number in range(_N_SHUFFLES)]
    nets = {"shuffled net": shuffled, "random labels": random_labels, "other training": other_training}
    values = {
        test: _mean([_map_agreement(maps, _maps_like(other, clips, maps)) for other in others])
        for test, others in nets.items()
        if others
    }
    values["gain"] = _sensitivity_to_gain(estimator, clips, maps)
    values["shift"] = _sensitivity_to_shift(estimator, clips, maps)
    rows = [
        {"method": method, "test": test, "clip": clip, "value": value}
        for method in methods
        for test, by_method in values.items()
        for clip, value in enumerate(by_method[method])
    ]
    return pd.DataFrame(rows)


def judge(values: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Pass or fail, test by test, of `sanity_values` by any of ``model, method``.

    Columns: the groups, ``test, question, n, value`` (mean), ``value_low, value_high`` (95 %, percentiles of resampled
    clips), ``rule`` (such as ``< 0.3``, for the absolute value), ``passed`` (by the mean) and ``source``.
    """
    keys = [name for name in ("model", "method", "test") if name in values]
    rows = []
    for names, part in values.groupby(keys, sort=False):
        test, sample = TESTS[names[-1]], part["value"].to_numpy()
        mean, (low, high) = float(sample.mean()), _bootstrap_interval((sample,), np.mean, seed, 2000)
        verdict = {
            "question": test.question,
            **{"n": len(sample), "value": mean, "value_low": low, "value_high": high},
            "rule": f"{'>=' if test.above else '<'} {test.threshold:g}",
            "passed": bool(mean >= test.threshold if test.above else abs(mean) < test.threshold),
            "source": f"test: {test.source}; line: Mukaka 2012",
        }
        rows.append(dict(zip(keys, names, strict=True)) | verdict)
    return pd.DataFrame(rows)


def judge_planted(scores: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Pass or fail of every method in scenarios with one planted signal each, by scores of maps on the capsule.

    With the signal in the capsule, chance is its share of the sector (ratio 1), and a method passes with `TIMES` times
    that. With the signal elsewhere, chance is the ratio of a map spread evenly over the place of the signal (the
    capsule is also the outermost part of the liver), and a method passes if its interval is not above.

    Columns: ``model, method, layer, signal``, those of `summarise_shares`, ``attainable`` (ratio of the best map so
    coarse), ``chance, rule, passed``.
    """
    on_region = scores[scores["region"] == "capsule"]
    keys = ["signal", "model", "method", "layer"]
    means = on_region.groupby(keys, sort=False)[["attainable", "even", "area"]].mean()
    limits = means[["attainable", "even"]].div(means["area"], axis=0).rename(columns={"even": "chance"}).reset_index()
    table = summarise_shares(on_region, seed=seed).merge(limits, on=keys)
    planted = table["signal"] == "capsule"
    table["chance"] = table["chance"].mask(planted, 1.0)
    table["rule"] = planted.map({True: f">= {TIMES:g}", False: "not above chance"})
    table["passed"] = (planted & (table["ratio"] >= TIMES)) | (~planted & (table["ratio_low"] <= table["chance"]))
    numbers = ["n", "empty", "ratio", "ratio_low", "ratio_high", "attainable", "chance", "rule", "passed"]
    return table[["model", "method", "layer", "signal", *numbers]]


def cascade_maps(
    estimator: NetClassifier,
    clips: Sequence[Clip],
    methods: Sequence[str] = ("gradcam",),
    *,
    steps: int = 6,
    seed: int = 0,
) -> Iterator[tuple[str, float, dict[str, list[Explanation]]]]:
    """Maps of a net whose weights are shuffled from the head downwards, in so many steps.

    Yields the deepest layer shuffled so far (empty for the intact net), the share of layers shuffled, and the maps.
    """
    intact = attribute_methods(estimator, clips, methods)
    yield "", 0.0, intact
    layers = _layers_with_weights(estimator, clips[0])
    for step in range(1, steps + 1):
        shuffled = layers[: round(len(layers) * step / steps)]
        changed = _with_shuffled_weights(estimator, shuffled, seed)
        yield shuffled[-1], len(shuffled) / len(layers), _maps_like(changed, clips, intact)


def cascading_randomisation(
    estimator: NetClassifier, clips: Sequence[Clip], methods: Sequence[str] = ("gradcam",), **options
) -> pd.DataFrame:
    """Rank correlation of the maps of `cascade_maps` with those of the intact net (Adebayo et al. 2018).

    Columns: ``method, step, down_to, share, clip`` (its position), ``correlation, empty`` (a map without evidence).
    """
    rows, intact = [], None
    for step, (down_to, share, maps) in enumerate(cascade_maps(estimator, clips, methods, **options)):
        intact = intact or maps
        position = {"step": step, "down_to": down_to, "share": share}
        rows += [
            {"method": method, **position, "clip": clip, "correlation": value, "empty": not cam.relevance.any()}
            for method, values in _map_agreement(intact, maps).items()
            for clip, (value, cam) in enumerate(zip(values, maps[method], strict=True))
        ]
    return pd.DataFrame(rows)


def _layers_with_weights(estimator: NetClassifier, clip: Clip) -> list[str]:
    """Names of the layers that hold weights of their own, from the head to the first one."""
    with _frozen_net(estimator) as (net, device):
        passed = output_shapes(net, _as_batch([middle_window(estimator, clip).frames], device))
        return [name for name in reversed(passed) if list(net.get_submodule(name).parameters(recurse=False))]


@torch.no_grad()
def _with_shuffled_weights(estimator: NetClassifier, layers: Sequence[str], seed: int) -> NetClassifier:
    """A copy with the weights of some layers shuffled: fresh ones beside old batch statistics would silence the net."""
    shuffled = copy.deepcopy(estimator)
    random = torch.Generator().manual_seed(seed)
    for name in layers:
        for parameter in shuffled.module_.get_submodule(name).parameters(recurse=False):
            order = torch.randperm(parameter.numel(), generator=random).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return shuffled


def _rank_correlation(first: Explanation, second: Explanation) -> float:
    """Spearman's correlation of two maps over their common sector; 0 where either map is constant."""
    sector = first.sector & second.sector
    values = [one.relevance[:, sector].ravel() for one in (first, second)]
    values = [part[:: max(1, part.size // _N_PLACES)] for part in values]
    if min(np.ptp(part) for part in values) == 0:
        return 0.0
    return float(stats.spearmanr(*values).statistic)


def _map_agreement(first: _Maps, second: _Maps) -> dict[str, NDArray[np.float64]]:
    return {
        method: np.array([_rank_correlation(*pair) for pair in zip(maps, second[method], strict=True)])
        for method, maps in first.items()
    }


def _maps_like(estimator: NetClassifier, clips: Sequence[Clip], maps: _Maps) -> dict[str, list[Explanation]]:
    """Maps of other clips, or of another net, by the same methods, of the same layer and target."""
    target = next(iter(maps.values()))[0].target
    layer = next((explanations[0].layer for explanations in maps.values() if explanations[0].layer), None)
    return attribute_methods(estimator, clips, list(maps), target=target, layer=layer)


def _sensitivity_to_gain(estimator: NetClassifier, clips: Sequence[Clip], maps: _Maps) -> dict[str, NDArray]:
    """Agreement of maps with those of the same clips darker and brighter; the mean of both, per clip."""
    agreements = []
    for gain in _GAINS:
        changed = [replace(clip, frames=np.clip(gain * clip.frames, 0, 255).astype(np.uint8)) for clip in clips]
        agreements.append(_map_agreement(maps, _maps_like(estimator, changed, maps)))
    return _mean(agreements)


def _sensitivity_to_shift(estimator: NetClassifier, clips: Sequence[Clip], maps: _Maps) -> dict[str, NDArray]:
    """Agreement of maps with those, moved back, of the same clips moved down and right; the mean of both, per clip."""
    reach = max(1, round(_SHIFT * clips[0].frames.shape[-1]))
    agreements = []
    for down, right in ((reach, 0), (0, reach)):
        moved = [_moved(replace(clip, roi=None), down, right, "frames") for clip in clips]
        found = _maps_like(estimator, moved, maps)
        back = {method: [_moved(cam, -down, -right, "relevance") for cam in cams] for method, cams in found.items()}
        agreements.append(_map_agreement(maps, back))
    return _mean(agreements)


def _moved(picture: Clip | Explanation, down: int, right: int, content: str) -> Clip | Explanation:
    """A picture whose content and sector are moved."""
    parts = {name: shifted(getattr(picture, name), down, right) for name in (content, "sector")}
    return replace(picture, **parts)


def _mean(agreements: Sequence[dict[str, NDArray]]) -> dict[str, NDArray]:
    return {method: np.mean([part[method] for part in agreements], axis=0) for method in agreements[0]}
