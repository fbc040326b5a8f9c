"""Did the maps move with the signal? A verdict where it is known in which place the signal was."""

from __future__ import annotations

import pandas as pd

from fibrolib.attribution.masks import summarise_shares

__all__ = ["TIMES", "judge_planted"]

TIMES = 3.0
"""How many times its chance share a region must get where the signal is (assumption: far from what chance gives, and
within the reach of a map whose places are somewhat larger than the region)."""


def judge_planted(scores: pd.DataFrame, *, region: str = "capsule", seed: int = 0) -> pd.DataFrame:
    """Pass or fail of every method in scenarios with one signal each.

    Parameters
    ----------
    scores : DataFrame
        A row per patient and map: ``signal, model, method, layer, region, relevance, area, rank, pointing, attainable,
        even``; as of `fibrolib.experiments.scenarios.Scenario.scores`.
    region : str
        The region, and the signal that is in it alone.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        A row per net, method, layer and signal: ``model, method, layer, signal``; ``n, empty, ratio, ratio_low,
        ratio_high`` (`summarise_shares`: share of relevance over share of the picture); ``attainable``, the ratio of
        the best map so coarse; ``chance``; ``rule``; ``passed``.

    Notes
    -----
    With the signal in the region, chance is the region's share of the picture (1), and a method passes with `TIMES`
    times that. With the signal elsewhere, chance is the ratio of a map spread evenly over the place of the signal: the
    capsule is also the outermost part of the liver, so a perfect map of the liver puts more than the capsule's share of
    the picture on it. A method passes if its interval does not lie above that.
    """
    there = scores[scores["region"] == region]
    keys = ["signal", "model", "method", "layer"]
    means = there.groupby(keys, sort=False)[["attainable", "even", "area"]].mean()
    known = means[["attainable", "even"]].div(means["area"], axis=0).rename(columns={"even": "chance"}).reset_index()
    table = summarise_shares(there, seed=seed).merge(known, on=keys)
    planted = table["signal"] == region
    table["chance"] = table["chance"].mask(planted, 1.0)
    table["rule"] = planted.map({True: f">= {TIMES:g}", False: "not above chance"})
    table["passed"] = (planted & (table["ratio"] >= TIMES)) | (~planted & (table["ratio_low"] <= table["chance"]))
    numbers = ["n", "empty", "ratio", "ratio_low", "ratio_high", "attainable", "chance", "rule", "passed"]
    return table[["model", "method", "layer", "signal", *numbers]]
