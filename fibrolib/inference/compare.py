"""From the predictions table to the tables of the paper: every model, every pair, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fibrolib.inference.checks import InferenceError
from fibrolib.inference.delong import delong_test
from fibrolib.inference.intervals import auc_ci
from fibrolib.inference.metrics import classification_metrics
from fibrolib.inference.operating import choose_threshold
from fibrolib.inference.pairs import compare_pairs
from fibrolib.inference.predictions import select_predictions
from fibrolib.inference.results import DeLongResult, Estimate

__all__ = ["choose_thresholds", "compare_models", "summarise_models"]

TEST_NAME = "DeLong, paired"
COMPARISON = ("a", "b", "n", "difference", "ci_low", "ci_high", "z", "p", "p_holm", "auc_a", "auc_b", "test", "note")


def compare_models(
    predictions: pd.DataFrame,
    *,
    split: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """DeLong's test between every two models, on the patients scored by both, with Holm's correction.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table.
    split : {"test", "validation", "train"}
        Which patients. "train" are out-of-fold scores, which come from several fits: a test on them is a description,
        not the study's result.
    repeat : int
        Which resample.
    models : sequence of str, optional
        Which models, in which order; default all, in order of appearance.
    confidence_level : float
        For example 0.95.

    Returns
    -------
    DataFrame
        One row for each pair: ``a, b, n, difference, ci_low, ci_high, z, p, p_holm, auc_a, auc_b, test, note``, the
        difference being ``auc_a - auc_b``. Pairs that cannot be tested have NaN and a note, and do not count in the
        correction.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    wide = select_predictions(predictions, split, repeat=repeat, models=models)
    truth = wide.pop("y_true")

    def judge(both: pd.DataFrame) -> dict[str, object]:
        scores = (both[name] for name in both)
        return _found(delong_test(truth[both.index], *scores, confidence_level=confidence_level))

    return compare_pairs(wide, judge, TEST_NAME, COMPARISON)


def _found(test: DeLongResult) -> dict[str, object]:
    low, high = test.confidence_interval
    return {
        "difference": test.difference,
        "ci_low": low,
        "ci_high": high,
        "z": test.statistic,
        "p": test.pvalue,
        "auc_a": test.auc_a,
        "auc_b": test.auc_b,
        "note": test.note,
    }


def choose_thresholds(
    predictions: pd.DataFrame,
    rule: str = "youden",
    *,
    target: float = 0.9,
    split: str = "validation",
    repeat: int = 0,
) -> dict[str, float]:
    """One operating point for each model, from patients that are not tested on.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table.
    rule : {"youden", "sensitivity", "specificity"}
        As in :func:`choose_threshold`.
    target : float
        Wanted sensitivity or specificity.
    split : {"validation", "train"}
        Where to choose.
    repeat : int
        Which resample.

    Returns
    -------
    dict of str to float
        NaN where a model's scores there do not hold both classes.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    ValueError
        `split` is "test"; unknown `rule`.
    """
    if split == "test":
        raise ValueError("an operating point chosen on the test patients flatters the model: use validation or train")
    wide = select_predictions(predictions, split, repeat=repeat)
    return {model: _threshold(wide[["y_true", model]].dropna(), model, rule, target) for model in wide.columns[1:]}


def _threshold(scored: pd.DataFrame, model: str, rule: str, target: float) -> float:
    if scored["y_true"].nunique() < 2:
        return float("nan")
    return choose_threshold(scored["y_true"], scored[model], rule, target=target)


def summarise_models(
    predictions: pd.DataFrame,
    thresholds: Mapping[str, float] | None = None,
    *,
    split: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    auc_method: str = "auto",
    method: str = "jeffreys",
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Every estimate of every model with its interval.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table.
    thresholds : mapping of str to float, optional
        Operating point of each model; default :func:`choose_thresholds` (Youden, validation patients).
    split, repeat, models
        As in :func:`compare_models`.
    confidence_level : float
        For example 0.95.
    auc_method, method : str
        Intervals of the AUC (:func:`auc_ci`) and of composite metrics (:func:`classification_metrics`).
    n_resamples, seed : int
        Of the bootstraps.

    Returns
    -------
    DataFrame
        One row for each model: ``model, n, n_positive, threshold``; for each metric ``<metric>, <metric>_low,
        <metric>_high`` (``auc, accuracy, sensitivity, specificity, ppv, npv, precision_macro, recall_macro, f1_macro,
        f1, lr_positive, lr_negative``); ``auc_method`` and ``note``. NaN and a note where something is not defined.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    wide = select_predictions(predictions, split, repeat=repeat, models=models)
    if thresholds is None:
        thresholds = choose_thresholds(predictions, repeat=repeat)
    options = {"confidence_level": confidence_level, "n_resamples": n_resamples, "seed": seed}
    rows = []
    for model in wide.columns[1:]:
        scored = wide[["y_true", model]].dropna().set_axis(["y_true", "y_score"], axis=1)
        threshold = float(thresholds.get(model, np.nan))
        head = {"model": model, "n": len(scored), "n_positive": int(scored["y_true"].sum()), "threshold": threshold}
        rows.append(head | _summary(scored, threshold, auc_method, method, options))
    return pd.DataFrame(rows)


def _summary(scored: pd.DataFrame, threshold: float, auc_method: str, method: str, options: dict) -> dict[str, object]:
    try:
        area = auc_ci(scored["y_true"], scored["y_score"], auc_method, **options)
    except InferenceError as error:
        return {"note": str(error)}
    notes, found = [area.note], {"auc": area}
    if np.isnan(threshold):
        notes.append("no operating point: the validation patients do not hold both classes")
    else:
        found |= classification_metrics(scored["y_true"], scored["y_score"], threshold, method=method, **options)
    columns = {name: value for key, estimate in found.items() for name, value in _columns(key, estimate)}
    return columns | {"auc_method": area.method, "note": "; ".join(filter(None, notes))}


def _columns(key: str, estimate: Estimate) -> list[tuple[str, float]]:
    return [(key, estimate.value), (f"{key}_low", estimate.low), (f"{key}_high", estimate.high)]
