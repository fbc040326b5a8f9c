"""Tests between every two models: each pair on the patients that both have scored, corrected for being several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from fibrolib.inference.checks import InferenceError

__all__ = ["PAIR", "adjust_pvalues", "compare_pairs"]

PAIR = ("a", "b", "n", "difference", "ci_low", "ci_high", "p", "p_holm", "test", "note")
"""Columns that a table of comparisons has."""


def compare_pairs(
    scores: pd.DataFrame,
    judge: Callable[[pd.DataFrame], dict[str, object]],
    test: str,
    columns: Sequence[str] = PAIR,
) -> pd.DataFrame:
    """One row for each pair of columns, with Holm's correction over all of them.

    Parameters
    ----------
    scores : DataFrame, shape (n, k)
        One row for each patient, one column for each model; NaN where a model has no score.
    judge : callable
        From the two columns of a pair, without gaps, to what is found: ``difference, ci_low, ci_high, p, note`` and
        what else `columns` names.
    test : str
        Name of the test.
    columns : sequence of str
        Columns of the table, ``p_holm`` among them.

    Returns
    -------
    DataFrame
        Pairs that `judge` refuses have a note and no numbers, and do not count in the correction.
    """
    rows = []
    for a, b in combinations(scores.columns, 2):
        both = scores[[a, b]].dropna()
        row: dict[str, object] = {"a": a, "b": b, "n": len(both), "test": test}
        if both.empty:
            rows.append(row | {"note": "no patient is scored by both"})
            continue
        try:
            rows.append(row | judge(both))
        except InferenceError as error:
            rows.append(row | {"note": str(error)})
    table = pd.DataFrame(rows, columns=[name for name in columns if name != "p_holm"])
    table.insert(list(columns).index("p_holm"), "p_holm", adjust_pvalues(table["p"].astype(float)))
    return table


def adjust_pvalues(pvalues: pd.Series, method: str = "holm") -> pd.Series:
    """p-values corrected for being several.

    Parameters
    ----------
    pvalues : Series of float
        NaN where there was no test: it stays NaN and does not count.
    method : str
        "holm", "bonferroni", "sidak", "hommel", "fdr_bh" and all others of statsmodels' ``multipletests``.

    Returns
    -------
    Series of float
    """
    adjusted = pd.Series(np.nan, index=pvalues.index, dtype=float)
    tested = pvalues.notna()
    if tested.any():
        adjusted[tested] = multipletests(pvalues[tested].astype(float), method=method)[1]
    return adjusted
