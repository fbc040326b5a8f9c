"""What a map may be quoted for: each claim beside the test it needs, and whether the nets' maps passed it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from fibrolib.plots.style import model_label

__all__ = ["CLAIMS", "readable_claims"]

Verdict = Callable[[pd.DataFrame, pd.DataFrame, pd.DataFrame], "bool | None"]


def _sane(test: str) -> Verdict:
    """Verdict of a sanity test; None where it was not made."""

    def verdict(sanity: pd.DataFrame, _gains: pd.DataFrame, _planted: pd.DataFrame) -> bool | None:
        rows = sanity[sanity["test"] == test]
        return bool(rows["passed"].iloc[0]) if len(rows) else None

    return verdict


def _faithful(_sanity: pd.DataFrame, gains: pd.DataFrame, _planted: pd.DataFrame) -> bool | None:
    """Better than both orders that know nothing, whole intervals, in two curves of three at least."""
    if gains.empty:
        return None
    better = gains.assign(better=gains["gain_low"] > 0).groupby("curve")["better"].all()
    return bool(better.sum() >= 2)


def _planted(_sanity: pd.DataFrame, _gains: pd.DataFrame, planted: pd.DataFrame) -> bool | None:
    """Found where it was planted, and not found where it was not."""
    return bool(planted["passed"].all()) if len(planted) else None


CLAIMS: dict[str, tuple[str, Verdict | None]] = {
    "In this net, evidence for the score lies about here": ("other weights, other map", _sane("shuffled net")),
    "The labels taught it to look here": ("other labels, other map", _sane("random labels")),
    "Another training would look here too": ("other patients, same map", _sane("other training")),
    "A darker or brighter picture would give the same map": ("other gain, same map", _sane("gain")),
    "The map belongs to the tissue, not to the place on the screen": ("moved with the picture", _sane("shift")),
    "The score needs what is marked": ("taken away first, the score falls faster", _faithful),
    "What is marked is where the disease shows": ("planted truth", _planted),
    "The net reasons as a clinician would": ("no map can tell", None),
}
"""Claims that are made with a picture of a map, in the order of what they ask; the test each needs, and its verdict."""


def readable_claims(
    sanity: pd.DataFrame, gains: pd.DataFrame, planted: pd.DataFrame, method: str = "gradcam"
) -> pd.DataFrame:
    """Which claims the maps of a method support, net by net.

    Parameters
    ----------
    sanity : DataFrame
        As of `fibrolib.attribution.judge`, with ``model`` and ``method``.
    gains : DataFrame
        As of `fibrolib.attribution.summarise_faithfulness`, with ``model`` and ``method``.
    planted : DataFrame
        As of `fibrolib.attribution.judge_planted`, of the net's own layer.
    method : str
        The method.

    Returns
    -------
    DataFrame
        ``Claim``, ``Test`` and a column per net: ``yes``, ``no``, or a dash where the test was not made.
    """
    own = planted[planted["layer"] != "fine"]
    columns: dict[str, list[str]] = {"Claim": list(CLAIMS), "Test": [test for test, _ in CLAIMS.values()]}
    for model in dict.fromkeys(sanity["model"]):
        tables = [table[(table["model"] == model) & (table["method"] == method)] for table in (sanity, gains, own)]
        verdicts = [False if verdict is None else verdict(*tables) for _, verdict in CLAIMS.values()]
        columns[model_label(model)] = [{True: "yes", False: "no", None: "–"}[found] for found in verdicts]
    return pd.DataFrame(columns)
