"""Comparisons in words and in tables fit to be read, each with its test, its patients and its correction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fibrolib.errors import counted
from fibrolib.plots.sentences import signed
from fibrolib.plots.style import model_label

__all__ = ["describe_comparisons", "describe_joint", "readable_comparisons", "readable_tests"]


def _difference(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{signed(value)} (no interval)" if np.isnan(low) else f"{signed(value)} ({signed(low)} to {signed(high)})"


def _p_value(p: float) -> str:
    return "–" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _pair(row: tuple) -> str:
    return f"{model_label(row.a)} − {model_label(row.b)}"


def _corrected(table: pd.DataFrame) -> str:
    """Heading of the corrected column: how many tests the correction is for."""
    n = int(table["p"].notna().sum())
    return f"p (Holm, {counted(n, 'test')})"


def readable_comparisons(comparisons: pd.DataFrame, of: str = "AUC", *, notes: bool = False) -> pd.DataFrame:
    """Table of comparisons for a reader.

    Parameters
    ----------
    comparisons : DataFrame
        From `fibrolib.inference.compare_models`, `compare_accuracy` or `compare_staging`.
    of : str
        What is compared.
    notes : bool
        Whether the notes of single pairs get a column.

    Returns
    -------
    DataFrame
        Text, one row per pair: what was compared, on how many patients, the difference with its interval, p as it is
        and corrected for so many tests, and the name of the test.
    """
    corrected = _corrected(comparisons)
    rows = [
        {
            "Comparison": _pair(row),
            "Patients": row.n,
            f"Difference in {of} (95 % CI)": _difference(row.difference, row.ci_low, row.ci_high),
            "p": _p_value(row.p),
            corrected: _p_value(row.p_holm),
            "Test": row.test,
        }
        | ({"Note": row.note} if notes else {})
        for row in comparisons.itertuples()
    ]
    return pd.DataFrame(rows)


def readable_tests(*tables: pd.DataFrame) -> pd.DataFrame:
    """Corrected p-values of the same pairs by several tests, side by side.

    Parameters
    ----------
    *tables : DataFrame
        From `fibrolib.inference.compare_models`, `compare_by_permutation`, ...: the same pairs in the same order.

    Returns
    -------
    DataFrame
        Text, one row per pair.
    """
    first = tables[0]
    columns = {"Comparison": [_pair(row) for row in first.itertuples()], "Patients": first["n"].to_list()}
    for table in tables:
        test = next(iter(table["test"]), "no test")
        columns[f"{test}: {_corrected(table)}"] = [_p_value(p) for p in table["p_holm"]]
    return pd.DataFrame(columns)


def describe_joint(joint: pd.DataFrame) -> str:
    """Result of the joint test as Markdown.

    Parameters
    ----------
    joint : DataFrame
        From `fibrolib.inference.joint_test`.

    Returns
    -------
    str
    """
    (row,) = joint.itertuples()
    if np.isnan(row.p):
        on = f"{row.test}, {counted(row.n, 'patient')}"
        return f"That all {row.models} areas are equal cannot be tested ({on}): {row.note}."
    p = _p_value(row.p)
    text = (
        f"That all {row.models} areas are equal ({row.test}, {counted(row.n, 'patient')} scored by all): "
        f"T² = {row.statistic:.2f} on {row.df} and {row.df_error:.0f} degrees of freedom, "
        f"**p {p if p.startswith('<') else f'= {p}'}**. One test, so there is nothing to correct"
    )
    return f"{text}; {row.note}." if row.note else f"{text}."


def describe_comparisons(comparisons: pd.DataFrame, check: pd.DataFrame | None = None) -> str:
    """What the paired tests show together, as Markdown.

    Parameters
    ----------
    comparisons : DataFrame
        From `fibrolib.inference.compare_models`, `compare_accuracy` or `compare_staging`.
    check : DataFrame, optional
        The same pairs by another test: where the two disagree, it is said.

    Returns
    -------
    str
    """
    tested = comparisons.dropna(subset=["p_holm"])
    if tested.empty:
        return "No pair of diagnostics could be tested on these patients."
    apart = tested[tested["p_holm"] < 0.05]
    width = (tested["ci_high"] - tested["ci_low"]).median()
    least, most = tested["n"].min(), tested["n"].max()
    patients = counted(most, "patient") if least == most else f"{least} to {most} patients"
    pairs = f"**{counted(len(tested), 'pair')}** {'was' if len(tested) == 1 else 'were'}"
    text = f"{pairs} tested ({tested['test'].iloc[0]}; {patients}). After Holm's correction "
    if apart.empty:
        text += f"**none** has p < 0.05 (smallest corrected p: {_p_value(tested['p_holm'].min())})"
    else:
        pairs = ", ".join(map(_ahead, apart.itertuples()))
        text += f"**{len(apart)}** {'has' if len(apart) == 1 else 'have'} p < 0.05: {pairs}"
    if check is not None:
        text += f". {_agreement(tested, check)}"
    text = (
        f"{text}. The 95 % interval of a difference is typically {width:.2f} wide: "
        "where it holds both zero and a large difference, the data do not tell equal from better."
    )
    # A note on one pair stays in the table; one that every pair carries is about the patients.
    notes = [note.split("; ") for note in tested["note"]]
    shared = [note for note in notes[0] if note and all(note in others for others in notes)]
    return f"{text} To be kept in mind: {'; '.join(shared)}." if shared else text


def _ahead(pair) -> str:
    """Who is above whom; larger is better in every measure that is compared here."""
    first, second = (pair.a, pair.b) if pair.difference > 0 else (pair.b, pair.a)
    return f"{model_label(first)} above {model_label(second)}"


def _agreement(tested: pd.DataFrame, check: pd.DataFrame) -> str:
    """Where two tests of the same pairs disagree, if anywhere."""
    both = tested.merge(check, on=["a", "b"], suffixes=("", "_check"))
    apart = both[(both["p_holm"] < 0.05) != (both["p_holm_check"] < 0.05)]
    names = f"{both['test'].iloc[0]}; {both['test_check'].iloc[0]}"
    if apart.empty:
        return f"A second test ({both['test_check'].iloc[0]}) says the same of every pair"
    pairs = ", ".join(
        f"{model_label(row.a)} and {model_label(row.b)} (p {_p_value(row.p_holm)}; {_p_value(row.p_holm_check)})"
        for row in apart.itertuples()
    )
    return f"**The answer hangs on the test** ({names}) for {pairs}: nothing is shown there"
