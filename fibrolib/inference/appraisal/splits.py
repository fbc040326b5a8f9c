"""How much of a result is luck of the split: redrawn splits, and the folds of a repeated cross-validation.

Every patient has one score from a model that was not fitted to that patient, so a study's table can be computed again
for any draw of validation and test patients without training. Other training patients would also have given other
models: the spread is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd
from pandas.util import hash_pandas_object
from scipy import special

from fibrolib.errors import counted
from fibrolib.inference.checks import InferenceError, _as_text, _check_level, _check_open_share, _check_size, _few
from fibrolib.inference.intervals import _join_notes
from fibrolib.inference.metrics import _COMPOSITES, _counts
from fibrolib.inference.predictions import _SPLITS, _check_predictions, _wide_scores
from fibrolib.inference.roc import auc
from fibrolib.inference.thresholds import choose_threshold

_RESULTS = ("auc", "accuracy", "f1_macro", "accuracy_own")
_FOLD_COLUMNS = ["model", "repeats", "folds", "n", "mean", "low", "high", "sd_folds", "sd_repeats", "note"]


def _held_out_scores(predictions: pd.DataFrame, repeat: int = 0) -> pd.DataFrame:
    """One score for each patient and model, from a fit without the patient: a wide table over all splits.

    Validation patients may have stopped the final fit: a small favour to the models, the same in every redraw.
    """
    predictions = _check_predictions(predictions)
    _check_size(repeat, "repeat", least=0)
    chosen = predictions[predictions["repeat"] == repeat]
    if chosen.empty:
        raise InferenceError(f"no predictions of repeat {repeat}")
    return _wide_scores(chosen)


def redraw_splits(
    predictions: pd.DataFrame, splits: Iterable[pd.Series], *, repeat: int = 0, rule: str = "youden"
) -> pd.DataFrame:
    """What the study would have reported under other splits.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table: out-of-fold scores of the training patients, final scores of the others.
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
    """
    if not isinstance(splits, Iterable) or isinstance(splits, pd.Series):
        raise ValueError(f"splits must be a list of Series, one for each redraw; it is a {type(splits).__name__}")
    scores = _held_out_scores(predictions, repeat)
    models = {model: scores[["y_true", model]].to_numpy() for model in scores.columns.drop("y_true")}
    rows = []
    for number, split in enumerate(splits):
        split_of = _check_split(split, scores.index).to_numpy()
        for model, values in models.items():
            scored = np.isfinite(values[:, 1])
            parts = (values[scored & (split_of == name)] for name in ("validation", "test"))
            rows.append({"redraw": number, "model": model} | _result(*parts, rule))
    if not rows:
        raise ValueError("splits must hold at least one Series; it is empty")
    return pd.DataFrame(rows)


def _check_split(split: pd.Series, patients: pd.Index) -> pd.Series:
    if not isinstance(split, pd.Series) or split.index.has_duplicates:
        kind = "one with patients twice" if isinstance(split, pd.Series) else f"a {type(split).__name__}"
        raise ValueError(f"a split must be a Series indexed by patient; it is {kind}")
    named = split.set_axis(list(map(_as_text, split.index)))
    if named.index.has_duplicates:
        raise ValueError("a split must be a Series indexed by patient; it has one as a number and as a text")
    aligned = named.reindex(list(map(_as_text, patients))).set_axis(patients)
    if aligned.isna().any():
        raise InferenceError(f"a split lacks the patients {_few(aligned.index[aligned.isna()], 3)}")
    unknown = sorted(map(str, set(aligned) - set(_SPLITS)))
    if unknown:
        raise InferenceError(f"a split has sides other than {', '.join(_SPLITS)}: {_few(unknown)}")
    return aligned


def _result(validation: np.ndarray, test: np.ndarray, rule: str) -> dict[str, float]:
    """Metrics of one redraw from truth and score (columns) of its validation and test patients."""
    row = {"n": len(test), "n_positive": int(test[:, 0].sum())}
    row |= dict.fromkeys(_RESULTS, float("nan"))
    if not 0 < row["n_positive"] < len(test):
        return row
    truth, score = test[:, 0], test[:, 1]
    row["auc"] = auc(truth, score)
    row["accuracy_own"] = _accuracy(truth, score, choose_threshold(truth, score, rule))
    if 0 < validation[:, 0].sum() < len(validation):
        threshold = choose_threshold(validation[:, 0], validation[:, 1], rule)
        row["accuracy"] = _accuracy(truth, score, threshold)
        row["f1_macro"] = float(_COMPOSITES["f1_macro"][1](*_counts(truth == 1, score, threshold)))
    return row


def _accuracy(truth: np.ndarray, score: np.ndarray, threshold: float) -> float:
    return float(np.mean((score >= threshold) == truth))


def summarise_redraws(redraws: pd.DataFrame, metric: str = "auc", *, coverage: float = 0.95) -> pd.DataFrame:
    """Spread of a result over the redraws.

    Parameters
    ----------
    redraws : DataFrame
        From :func:`redraw_splits`.
    metric : {"auc", "accuracy", "f1_macro", "accuracy_own"}
        Which result.
    coverage : float
        Share of the redraws between ``low`` and ``high``.

    Returns
    -------
    DataFrame
        One row for each model: ``model, redraws, mean, sd, low, high, least, most, first``; ``first`` is the share of
        redraws in which the model came first (a tie is shared).
    """
    _check_open_share(coverage, "coverage")
    wide = _by_redraw(redraws, metric)
    tails = (1 - coverage) / 2
    top = wide.eq(wide.max(axis=1), axis=0)
    columns = {
        "redraws": wide.count(),
        "mean": wide.mean(),
        "sd": wide.std(),
        "low": wide.quantile(tails),
        "high": wide.quantile(1 - tails),
        "least": wide.min(),
        "most": wide.max(),
        "first": top.div(top.sum(axis=1), axis=0).mean(),
    }
    return pd.DataFrame(columns).rename_axis("model").reset_index()


def _by_redraw(redraws: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row for each redraw, one column for each model that has a result at all; incomplete redraws are left out."""
    if not isinstance(redraws, pd.DataFrame):
        raise InferenceError(f"redraws must be the table of redraw_splits; it is a {type(redraws).__name__}")
    if metric not in _RESULTS:
        raise ValueError(f"metric must be one of {', '.join(_RESULTS)}; it is {metric!r}")
    missing = [column for column in ("redraw", "model", metric) if column not in redraws]
    if missing:
        raise InferenceError(f"redraws must be the table of redraw_splits; it lacks {', '.join(missing)}")
    if redraws.duplicated(["redraw", "model"]).any():
        raise InferenceError("redraws holds a redraw of a model twice: number the redraws of joined tables anew")
    wide = redraws.pivot(index="redraw", columns="model", values=metric)  # noqa: PD010
    wide = wide[list(dict.fromkeys(redraws["model"]))].dropna(axis=1, how="all").dropna()
    if wide.empty:
        raise InferenceError(f"no redraw has {metric} of every model: the classes are too small for this split")
    return wide


def compare_redraws(redraws: pd.DataFrame, metric: str = "auc", *, coverage: float = 0.95) -> pd.DataFrame:
    """How often one model beats another, over the redraws; arguments of :func:`summarise_redraws`.

    One row for each pair: ``a, b, redraws, difference, low, high, a_ahead, equal, b_ahead``, the last three as shares
    of the redraws. A description, no test: the redraws share their patients.
    """
    _check_open_share(coverage, "coverage")
    wide = _by_redraw(redraws, metric)
    tails = (1 - coverage) / 2
    rows = []
    for a, b in combinations(wide.columns, 2):
        gap = wide[a] - wide[b]
        row = {"a": a, "b": b, "redraws": len(gap), "difference": gap.mean()}
        row |= {"low": gap.quantile(tails), "high": gap.quantile(1 - tails)}
        rows.append(row | {"a_ahead": (gap > 0).mean(), "equal": (gap == 0).mean(), "b_ahead": (gap < 0).mean()})
    return pd.DataFrame(rows)


def optimism(redraws: pd.DataFrame) -> pd.DataFrame:
    """What common habits add to a result, on average over the redraws of :func:`redraw_splits`.

    ``habit, metric, optimism``: choosing the operating point on the test patients (mean over models), reporting the
    best of all models by test AUC (above the same model's mean over all redraws), and reporting the luckiest of the
    redraws (mean over models).
    """
    areas, carried, own = (_by_redraw(redraws, metric) for metric in ("auc", "accuracy", "accuracy_own"))
    means, top = areas.mean(), areas.eq(areas.max(axis=1), axis=0)
    mean_of_best = top.mul(means).sum(axis=1) / top.sum(axis=1)  # of models that tie, on average
    # Redraws whose validation patients are of one class have no operating point: those rows become NaN and drop out.
    rows = [
        ("operating point chosen on the test patients", "accuracy", float((own - carried).mean().mean())),
        ("only the best model by test AUC reported", "auc", float((areas.max(axis=1) - mean_of_best).mean())),
        ("only the best random split reported", "auc", float((areas.max() - means).mean())),
    ]
    return pd.DataFrame(rows, columns=["habit", "metric", "optimism"])


def summarise_folds(predictions: pd.DataFrame, *, confidence_level: float = 0.95) -> pd.DataFrame:
    """Mean out-of-fold AUC of every model over folds and repeats, with an interval that allows for overlapping folds.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, with column ``fold``; several repeats of the cross-validation in ``repeat``.
    confidence_level : float

    Returns
    -------
    DataFrame
        One row for each model: ``model, repeats, folds, n, mean, low, high, sd_folds, sd_repeats, note``. ``sd_folds``
        is the spread of single folds, ``sd_repeats`` that of the mean between repeats (NaN for one repeat). The
        interval is the corrected resampled t of Nadeau & Bengio (Mach Learn 2003;52:239), cut at 0 and 1: the naive one
        takes folds that share training patients as independent. Folds that hold one class only, and those without
        scores, are left out, and `note` says so.
    """
    _check_level(confidence_level)
    by_model = dict(list(_auc_by_fold(predictions).groupby("model", sort=False)))
    none = {"repeats": 0, "folds": 0, "n": 0, "note": "no out-of-fold scores"}
    rows = [
        {"model": model} | (_fold_summary(by_model[model], confidence_level) if model in by_model else none)
        for model in dict.fromkeys(predictions.loc[predictions["split"] == "train", "model"])
    ]
    return pd.DataFrame(rows, columns=_FOLD_COLUMNS)


def _auc_by_fold(predictions: pd.DataFrame) -> pd.DataFrame:
    """``model, repeat, fold, of, made, n, n_positive, auc`` of split "train"; NaN in folds that hold one class only.

    ``of``: the folds of this repeat, ``made``: of all repeats, also those without scores. ``content``: equal for folds
    of the same patients in the same order by score, apart from rounding.
    """
    predictions = _check_predictions(predictions)
    if "fold" not in predictions:
        raise InferenceError("the predictions table lacks the column fold")
    chosen = predictions[predictions["split"] == "train"]
    if chosen["fold"].isna().any() and chosen["fold"].notna().any():
        n = int(chosen["fold"].isna().sum())
        raise InferenceError(f"column 'fold' has {counted(n, 'empty row')} of split 'train': name the fold of each")
    made = chosen.groupby(["model", "repeat"], observed=True)["fold"].nunique()
    chosen = chosen.dropna(subset=["fold", "y_score"])
    if chosen.empty:
        raise InferenceError("the predictions table holds no out-of-fold scores (split 'train' with a fold)")
    rows = []
    for (model, repeat, fold), part in chosen.groupby(["model", "repeat", "fold"], sort=False, observed=True):
        area = auc(part["y_true"], part["y_score"]) if part["y_true"].nunique() == 2 else float("nan")
        row = {"model": model, "repeat": repeat, "fold": fold, "of": made[model, repeat], "made": made[model].sum()}
        row |= {"n": len(part), "n_positive": int(part["y_true"].sum())}
        content = hash_pandas_object(_coarse_ranks(part.set_index("patient_id")["y_score"].astype(float))).sum()
        rows.append(row | {"auc": area, "content": content})
    return pd.DataFrame(rows)


def _coarse_ranks(scores: pd.Series) -> pd.Series:
    """Ranks of scores that are rounded to a hundred thousandth of their range."""
    return ((scores - scores.min()) / (np.ptp(scores) or 1.0)).round(5).rank()


def _fold_summary(folds: pd.DataFrame, level: float) -> dict[str, object]:
    usable = folds.dropna(subset="auc")
    per_repeat = folds.groupby("repeat")["n"]
    patients, k, made = int(per_repeat.sum().max()), int(folds["of"].min()), int(folds["made"].iloc[0])
    uneven = bool(np.ptp(per_repeat.sum()) or np.ptp(per_repeat.size()))
    row = {"repeats": folds["repeat"].nunique(), "folds": len(usable), "n": patients, "mean": usable["auc"].mean()}
    spread = usable["auc"].std()
    # With k folds the test part is 1 / (k - 1) of the training part.
    error = spread * np.sqrt(1 / max(len(usable), 1) + 1 / max(k - 1, 1))
    reach = special.stdtrit(max(len(usable) - 1, 1), (1 + level) / 2) * error
    row |= {"low": max(0.0, row["mean"] - reach), "high": min(1.0, row["mean"] + reach)}
    left_out, note = len(folds) - len(usable), ""
    if left_out:
        note = f"one class only in {left_out} of {counted(len(folds), 'fold')}: left out"
    if made > len(folds):
        note = _join_notes(note, f"no scores in {made - len(folds)} of {counted(made, 'fold')}")
    if not spread > 0:
        row |= {"low": np.nan, "high": np.nan}
        why = {0: "no fold holds both classes", 1: "one fold"}.get(len(usable), "the folds do not differ")
        note = _join_notes(f"{why}: no interval", note)
    note = _join_notes("the repeats differ in patients or folds" * uneven, note)
    between = usable.groupby("repeat")["auc"].mean().std()
    if folds.groupby("repeat")["content"].agg(frozenset).duplicated().any() and spread > 0:
        note = _join_notes("some repeats are copies: the interval is too narrow", note)
    return row | {"sd_folds": spread, "sd_repeats": between, "note": note}
