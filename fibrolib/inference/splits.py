"""How much of a result is luck of the split: the study's own numbers under other draws of its test patients.

Every patient has one score from a model that was not fitted to that patient. So a study's table can be made again for
any draw of validation and test patients without training anything. What this leaves out is that other training patients
would have given other models: the spread found here is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from fibrolib.inference.checks import InferenceError
from fibrolib.inference.delong import auc
from fibrolib.inference.metrics import COMPOSITES, confusion
from fibrolib.inference.operating import choose_threshold
from fibrolib.inference.predictions import PARTITIONS, check_predictions

__all__ = ["compare_redraws", "held_out_scores", "optimism", "redraw_splits", "summarise_redraws"]


def held_out_scores(predictions: pd.DataFrame, *, repeat: int = 0) -> pd.DataFrame:
    """One score for each patient and model, from a fit that did not use the patient.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table: out-of-fold scores of the training patients, final scores of the others. (Validation
        patients may have stopped the final fit: a small favour to the models, the same in every redraw.)
    repeat : int
        Which resample.

    Returns
    -------
    DataFrame
        Indexed by ``patient_id``: ``y_true`` and one column for each model, NaN where a model has no score.

    Raises
    ------
    InferenceError
        As :func:`check_predictions`; also when a patient is in two splits, or the repeat is not there.
    """
    check_predictions(predictions)
    chosen = predictions[predictions["repeat"] == repeat]
    if chosen.empty:
        raise InferenceError(f"no predictions of repeat {repeat}")
    torn = chosen[chosen.duplicated(["patient_id", "model"])]
    if len(torn):
        raise InferenceError(f"patient {torn.iloc[0]['patient_id']} has scores in two splits of repeat {repeat}")
    # pivot, not pivot_table: nothing may be averaged and missing scores must stay.
    scores = chosen.pivot(index="patient_id", columns="model", values="y_score").astype(float)  # noqa: PD010
    scores = scores[list(dict.fromkeys(chosen["model"]))]
    scores.insert(0, "y_true", chosen.drop_duplicates("patient_id").set_index("patient_id")["y_true"].astype(int))
    return scores


def redraw_splits(
    predictions: pd.DataFrame, splits: Iterable[pd.Series], *, repeat: int = 0, rule: str = "youden"
) -> pd.DataFrame:
    """What the study would have reported under other splits.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table.
    splits : iterable of Series
        For each redraw "train", "validation" or "test" of every patient, indexed by patient, as
        ``fibrolib.cohort.split_patients`` draws them with a new seed each time.
    repeat : int
        Which resample of the predictions.
    rule : {"youden", "sensitivity", "specificity"}
        How the operating point is chosen on the validation patients of the redraw (:func:`choose_threshold`).

    Returns
    -------
    DataFrame
        One row for each redraw and model: ``redraw, model, n, n_positive, auc, accuracy, f1_macro, accuracy_own``, on
        the test patients of the redraw. ``accuracy_own`` is the accuracy had the operating point been chosen on the
        test patients themselves. NaN where a draw does not hold both classes.

    Raises
    ------
    InferenceError
        As :func:`held_out_scores`; also for a split that lacks patients or has unknown sides.
    """
    scores = held_out_scores(predictions, repeat=repeat)
    models = list(scores.columns.drop("y_true"))
    judged = {model: scores[["y_true", model]].to_numpy() for model in models}
    known = {model: np.isfinite(judged[model][:, 1]) for model in models}
    rows = []
    for number, split in enumerate(splits):
        side = _check_partition(split, scores.index).to_numpy()
        for model in models:
            parts = (judged[model][known[model] & (side == name)] for name in ("validation", "test"))
            rows.append({"redraw": number, "model": model} | _result(*parts, rule))
    return pd.DataFrame(rows)


def _check_partition(split: pd.Series, patients: pd.Index) -> pd.Series:
    known = split.set_axis(split.index.astype(str))
    side = known.reindex(patients.astype(str)).set_axis(patients)
    unknown = set(side.dropna()) - set(PARTITIONS)
    if side.isna().any() or unknown:
        lacking = list(side.index[side.isna()][:3])
        raise InferenceError(
            f"a split lacks the patients {lacking} or has sides other than {', '.join(PARTITIONS)}: {unknown or ''}"
        )
    return side


def _result(validation: np.ndarray, test: np.ndarray, rule: str) -> dict[str, float]:
    nothing = float("nan")
    row = dict.fromkeys(("auc", "accuracy", "f1_macro", "accuracy_own"), nothing)
    row = {"n": len(test), "n_positive": int(test[:, 0].sum())} | row
    if not 0 < row["n_positive"] < len(test):
        return row
    truth, score = test[:, 0], test[:, 1]
    row["auc"] = auc(truth, score)
    row["accuracy_own"] = _accuracy(truth, score, choose_threshold(truth, score, rule))
    if 0 < validation[:, 0].sum() < len(validation):
        threshold = choose_threshold(validation[:, 0], validation[:, 1], rule)
        row["accuracy"] = _accuracy(truth, score, threshold)
        row["f1_macro"] = float(COMPOSITES["f1_macro"][1](*confusion(truth, score, threshold)))
    return row


def _accuracy(truth: np.ndarray, score: np.ndarray, threshold: float) -> float:
    return float(np.mean((score >= threshold) == truth))


def summarise_redraws(redraws: pd.DataFrame, metric: str = "auc", *, coverage: float = 0.95) -> pd.DataFrame:
    """Spread of a result over the redraws.

    Parameters
    ----------
    redraws : DataFrame
        From :func:`redraw_splits`.
    metric : {"auc", "accuracy", "f1_macro"}
        Which result.
    coverage : float
        Share of the redraws between ``low`` and ``high``.

    Returns
    -------
    DataFrame
        One row for each model: ``model, redraws, mean, sd, low, high, least, most, first``; ``first`` is the share of
        redraws in which the model came first (a tie is shared).
    """
    wide = _wide(redraws, metric)
    tails = (1 - coverage) / 2
    top = wide.eq(wide.max(axis=1), axis=0)
    first = top.div(top.sum(axis=1), axis=0).mean()
    columns = {
        "redraws": wide.count(),
        "mean": wide.mean(),
        "sd": wide.std(),
        "low": wide.quantile(tails),
        "high": wide.quantile(1 - tails),
        "least": wide.min(),
        "most": wide.max(),
        "first": first,
    }
    return pd.DataFrame(columns).rename_axis("model").reset_index()


def _wide(redraws: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row for each redraw, one column for each model that has a result at all; incomplete redraws are left out."""
    wide = redraws.pivot(index="redraw", columns="model", values=metric)  # noqa: PD010
    wide = wide[list(dict.fromkeys(redraws["model"]))].dropna(axis=1, how="all").dropna()
    if wide.empty:
        raise InferenceError(f"no redraw has {metric} of every model: the classes are too small for this split")
    return wide


def compare_redraws(redraws: pd.DataFrame, metric: str = "auc", *, coverage: float = 0.95) -> pd.DataFrame:
    """How often one model beats another, over the redraws.

    Parameters
    ----------
    redraws, metric, coverage
        As in :func:`summarise_redraws`.

    Returns
    -------
    DataFrame
        One row for each pair: ``a, b, redraws, difference, low, high, a_ahead, equal, b_ahead``, the last three as
        shares of the redraws. A description, no test: the redraws share their patients.
    """
    wide = _wide(redraws, metric)
    tails = (1 - coverage) / 2
    rows = []
    for a, b in combinations(wide.columns, 2):
        gap = wide[a] - wide[b]
        row = {"a": a, "b": b, "redraws": len(gap), "difference": gap.mean()}
        row |= {"low": gap.quantile(tails), "high": gap.quantile(1 - tails)}
        rows.append(row | {"a_ahead": (gap > 0).mean(), "equal": (gap == 0).mean(), "b_ahead": (gap < 0).mean()})
    return pd.DataFrame(rows)


def optimism(redraws: pd.DataFrame) -> pd.DataFrame:
    """What common habits add to a result, on average over the redraws.

    Parameters
    ----------
    redraws : DataFrame
        From :func:`redraw_splits`.

    Returns
    -------
    DataFrame
        ``habit, metric, optimism``: choosing the operating point on the test patients (mean over models), reporting the
        best of all models by test AUC (above the same model's mean over all redraws), and reporting the luckiest of the
        redraws (mean over models).
    """
    areas, carried, own = (_wide(redraws, metric) for metric in ("auc", "accuracy", "accuracy_own"))
    means = areas.mean()
    best = areas.idxmax(axis=1)
    # Redraws whose validation patients are of one class carry no operating point: those rows become NaN and drop out.
    rows = [
        ("operating point chosen on the test patients", "accuracy", float((own - carried).mean().mean())),
        ("best of all models by test AUC", "auc", float((areas.max(axis=1) - best.map(means)).mean())),
        ("luckiest of the redraws", "auc", float((areas.max() - means).mean())),
    ]
    return pd.DataFrame(rows, columns=["habit", "metric", "optimism"])
