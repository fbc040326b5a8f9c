"""One table that says which method passed which test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fibrolib.attribution.agreement import explained_like, map_agreement, sensitivity_to_gain, sensitivity_to_shift
from fibrolib.attribution.explain import attribute_methods
from fibrolib.attribution.faithfulness import mean_with_interval
from fibrolib.attribution.randomised import layers_with_weights, with_shuffled_weights
from fibrolib.learning import NetClassifier
from fibrolib.video import Clip

__all__ = ["TESTS", "SanityTest", "judge", "sanity_values"]


@dataclass(frozen=True)
class SanityTest:
    """A test of a method, and where the line is drawn.

    Parameters
    ----------
    question : str
        What is asked.
    threshold : float
        Where the line is.
    above : bool
        Whether the mean must lie at or above it; else it must lie nearer to 0 than that, since a correlation far below
        0 is the same map with its sign turned.
    source : str
        Whose line it is.
    """

    question: str
    threshold: float
    above: bool
    source: str


# Mukaka 2012 (Malawi Med J 24:69): a correlation below .3 is negligible, from .5 moderate, from .7 high. That maps are
# judged by these words is an assumption; the tests' sources give no line of their own.
_NEGLIGIBLE, _MODERATE, _HIGH = 0.3, 0.5, 0.7

_SHUFFLES = 3
"""Shuffled nets that are averaged: one of them may agree by chance (assumption)."""

TESTS = {
    "shuffled net": SanityTest(
        "Does the map go when all weights are shuffled?", _NEGLIGIBLE, False, "test: Adebayo 2018; line: Mukaka 2012"
    ),
    "random labels": SanityTest(
        "Is it another map when the stages were shuffled before training?",
        _NEGLIGIBLE,
        False,
        "test: Adebayo 2018; line: Mukaka 2012",
    ),
    "other training": SanityTest(
        "Is it the same map with another seed or fold?", _MODERATE, True, "test: Arun 2021; line: Mukaka 2012"
    ),
    "gain": SanityTest(
        "Is it the same map 15 % darker or brighter?", _HIGH, True, "test: Kindermans 2019; line: Mukaka 2012"
    ),
    "shift": SanityTest(
        "Does it move with the picture, by 6 % of its side?", _HIGH, True, "test: Kindermans 2019; line: Mukaka 2012"
    ),
}
"""Tests by name; all values are rank correlations of maps."""


def sanity_values(
    estimator: NetClassifier,
    clips: Sequence[Clip],
    methods: Sequence[str] = ("gradcam",),
    *,
    layer: str | None = None,
    other_training: Sequence[NetClassifier] = (),
    random_labels: Sequence[NetClassifier] = (),
    seed: int = 0,
) -> pd.DataFrame:
    """Rank correlations of maps with what they should, or should not, look like.

    Parameters
    ----------
    estimator : NetClassifier
        Fitted.
    clips : sequence of Clip
        Prepared clips, one per patient.
    methods, layer
        As for `attribute_methods`.
    other_training : sequence of NetClassifier
        The same net trained with other seeds, or on other folds.
    random_labels : sequence of NetClassifier
        The same net trained on shuffled stages.
    seed : int
        Of the shuffled weights.

    Returns
    -------
    DataFrame
        A row per method, test and clip: ``method``, ``test`` (a key of `TESTS`), ``clip`` (its position), ``value``.
        Tests for which there are no nets are left out.
    """
    explained = attribute_methods(estimator, clips, methods, layer=layer)
    layers = layers_with_weights(estimator, clips[0])
    shuffled = [with_shuffled_weights(estimator, layers, seed + number) for number in range(_SHUFFLES)]

    def mean_over(others: Sequence[NetClassifier]) -> dict[str, np.ndarray]:
        found = [map_agreement(explained, explained_like(other, clips, explained)) for other in others]
        return {method: np.mean([part[method] for part in found], axis=0) for method in methods}

    made = {"shuffled net": mean_over(shuffled)}
    if random_labels:
        made["random labels"] = mean_over(random_labels)
    if other_training:
        made["other training"] = mean_over(other_training)
    made["gain"] = sensitivity_to_gain(estimator, clips, explained)
    made["shift"] = sensitivity_to_shift(estimator, clips, explained)
    rows = [
        {"method": method, "test": test, "clip": clip, "value": value}
        for method in methods
        for test, found in made.items()
        for clip, value in enumerate(found[method])
    ]
    return pd.DataFrame(rows)


def judge(values: pd.DataFrame, tests: Mapping[str, SanityTest] = TESTS, *, seed: int = 0) -> pd.DataFrame:
    """Pass or fail, test by test.

    Parameters
    ----------
    values : DataFrame
        As of `sanity_values`, with any of ``model, method`` to group by.
    tests : mapping of str to SanityTest
        Where the lines are drawn.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        The groups, ``test``, ``question``, ``n`` (clips), ``value`` (mean) with ``value_low, value_high`` (95 %,
        percentiles of resampled clips), ``rule`` (such as ``< 0.3``, said of the absolute value), ``passed`` (by the
        mean) and ``source``.
    """
    keys = [name for name in ("model", "method", "test") if name in values]
    rows = []
    for names, part in values.groupby(keys, sort=False):
        test = tests[names[-1]]
        found = mean_with_interval(part["value"].to_numpy(), "value", seed, 2000)
        rule = f"{'>=' if test.above else '<'} {test.threshold:g}"
        passed = found["value"] >= test.threshold if test.above else abs(found["value"]) < test.threshold
        judged = {"question": test.question, **found, "rule": rule, "passed": bool(passed), "source": test.source}
        rows.append(dict(zip(keys, names, strict=True)) | judged)
    return pd.DataFrame(rows)
