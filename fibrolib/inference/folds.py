"""Cross-validation in numbers: areas by fold, and what repeated five-fold may claim about their mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from fibrolib.errors import counted
from fibrolib.inference.checks import InferenceError, check_level
from fibrolib.inference.delong import auc
from fibrolib.inference.predictions import check_predictions

__all__ = ["auc_by_fold", "summarise_folds"]


def auc_by_fold(predictions: pd.DataFrame) -> pd.DataFrame:
    """Out-of-fold AUC of every model in every fold.

    Five such numbers show how much a model depends on who is in the fold; their mean has no DeLong interval, because
    the folds' models share training patients.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, with column ``fold``.

    Returns
    -------
    DataFrame
        ``model, repeat, fold, n, n_positive, auc`` of split "train"; NaN in folds that hold one class only.

    Raises
    ------
    InferenceError
        As :func:`check_predictions`; also when there are no out-of-fold scores.
    """
    check_predictions(predictions)
    if "fold" not in predictions:
        raise InferenceError("the predictions table lacks the column fold")
    chosen = predictions[(predictions["split"] == "train") & predictions["fold"].notna()].dropna(subset="y_score")
    if chosen.empty:
        raise InferenceError("the predictions table holds no out-of-fold scores (split 'train' with a fold)")
    rows = [
        dict(zip(("model", "repeat", "fold"), key, strict=True))
        | {"n": len(part), "n_positive": int(part["y_true"].sum()), "auc": _auc_or_nan(part)}
        for key, part in chosen.groupby(["model", "repeat", "fold"], sort=False, observed=True)
    ]
    return pd.DataFrame(rows)


def _auc_or_nan(part: pd.DataFrame) -> float:
    return auc(part["y_true"], part["y_score"]) if part["y_true"].nunique() == 2 else float("nan")


def summarise_folds(predictions: pd.DataFrame, *, confidence_level: float = 0.95) -> pd.DataFrame:
    """Mean out-of-fold AUC of every model over folds and repeats, with an interval that knows that folds overlap.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, with column ``fold``; several repeats of the cross-validation in ``repeat``.
    confidence_level : float
        For example 0.95.

    Returns
    -------
    DataFrame
        One row for each model: ``model, repeats, folds, n, mean, low, high, sd_folds, sd_repeats, note``. ``sd_folds``
        is the spread of single folds, ``sd_repeats`` that of the mean between repeats (NaN for one repeat). The
        interval is the corrected resampled t of Nadeau & Bengio (Mach Learn 2003;52:239), cut at 0 and 1: the naive one
        takes folds that share training patients for independent. Folds that hold one class only are left out.

    Raises
    ------
    InferenceError
        As :func:`auc_by_fold`.
    ValueError
        A level outside (0, 1).
    """
    check_level(confidence_level)
    rows = [
        {"model": model} | _fold_summary(folds, confidence_level)
        for model, folds in auc_by_fold(predictions).groupby("model", sort=False)
    ]
    return pd.DataFrame(rows)


def _fold_summary(folds: pd.DataFrame, level: float) -> dict[str, object]:
    known = folds.dropna(subset="auc")
    per_repeat = folds.groupby("repeat")["n"]
    patients, k = int(per_repeat.sum().iloc[0]), int(per_repeat.size().iloc[0])
    row = {"repeats": folds["repeat"].nunique(), "folds": len(known), "n": patients, "mean": known["auc"].mean()}
    spread = known["auc"].std()
    # With k folds the test part is 1 / (k - 1) of the training part.
    error = spread * np.sqrt(1 / max(len(known), 1) + 1 / max(k - 1, 1))
    reach = special.stdtrit(max(len(known) - 1, 1), (1 + level) / 2) * error
    row |= {"low": max(0.0, row["mean"] - reach), "high": min(1.0, row["mean"] + reach)}
    if len(known) < 2:
        row |= {"low": np.nan, "high": np.nan}
    lost = len(folds) - len(known)
    note = f"one class only in {lost} of {counted(len(folds), 'fold')}: left out" if lost else ""
    return row | {"sd_folds": spread, "sd_repeats": known.groupby("repeat")["auc"].mean().std(), "note": note}
