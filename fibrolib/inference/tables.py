"""From the predictions table to the tables of the paper: every model, every pair, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests, multitest_alias

from fibrolib.errors import counted
from fibrolib.inference.checks import (
    InferenceError,
    _as_float,
    _check_choice,
    _check_column_names,
    _check_level,
    _check_on_scale,
    _check_order,
    _check_real,
    _check_resamples,
    _class_sizes,
)
from fibrolib.inference.comparisons import Comparison, mcnemar_test
from fibrolib.inference.delong import delong_joint_test, delong_test
from fibrolib.inference.intervals import _join_notes
from fibrolib.inference.metrics import _counts, _metrics
from fibrolib.inference.permutation import permutation_test
from fibrolib.inference.predictions import _NO_SCORES, select_predictions
from fibrolib.inference.roc import auc_ci
from fibrolib.inference.staging import obuchowski_test
from fibrolib.inference.thresholds import _chosen, _target, _threshold_limits

_COLUMNS = {
    "delong": "a b n difference ci_low ci_high z p p_holm auc_a auc_b test note",
    "permutation": "a b n difference p p_holm test note",
    "mcnemar": "a b n difference ci_low ci_high p p_holm test note",
}
_RENAMED = {"low": "ci_low", "high": "ci_high", "statistic": "z", "pvalue": "p", "value_a": "auc_a", "value_b": "auc_b"}
_NAMES = {"delong": "DeLong, paired", "permutation": "permutation, paired", "mcnemar": "McNemar, exact"}


def compare_models(
    predictions: pd.DataFrame,
    test: str = "delong",
    *,
    thresholds: Mapping[str, float] | None = None,
    confidence_level: float = 0.95,
    **chosen,
) -> pd.DataFrame:
    """Test every two models on the patients scored by both, with Holm's correction.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table.
    test : {"delong", "permutation", "mcnemar"}
        DeLong's test of the areas (:func:`delong_test`); the exact permutation test of the areas; the exact McNemar
        test of the accuracies at `thresholds`.
    thresholds : mapping of str to float, optional
        For "mcnemar": operating points from :func:`choose_thresholds`; models without one are left out.
    confidence_level : float
    **chosen
        ``split, repeat, models`` of :func:`select_predictions`. Out-of-fold scores ("train") come from several fits: a
        test on them is a description, not the study's result.

    Returns
    -------
    DataFrame
        One row for each pair: ``a, b, n, difference, ci_low, ci_high, p, p_holm, test, note``, and for "delong" also
        ``z, auc_a, auc_b``; limits of "permutation" are left out. Pairs that cannot be tested have NaN and a note, and
        do not count in the correction.
    """
    if _check_choice(test, "test", _NAMES) == "mcnemar" and thresholds is None:
        raise ValueError("the test 'mcnemar' is of calls: give the models' thresholds, as choose_thresholds does")
    _check_level(confidence_level)
    wide = select_predictions(predictions, **chosen)
    truth = wide.pop("y_true")
    if test == "mcnemar":
        thresholds = _by_known_name(thresholds, predictions)
        wide = wide[[model for model in wide if np.isfinite(thresholds.get(model, np.nan))]]

    def compare(a: pd.Series, b: pd.Series) -> Comparison:
        y_true = truth[a.index]
        if test == "permutation":
            return permutation_test(y_true, a, b)
        if test == "mcnemar":
            calls = (scores >= thresholds[scores.name] for scores in (a, b))
            return mcnemar_test(y_true, *calls, confidence_level=confidence_level)
        return delong_test(y_true, a, b, confidence_level=confidence_level)

    return _compare_pairs(wide, compare, _NAMES[test])[_COLUMNS[test].split()]


def _by_known_name(thresholds: Mapping[str, float], predictions: pd.DataFrame) -> pd.Series:
    """Operating points as floats, of models that the predictions have; NaN for a model without one."""
    if not isinstance(thresholds, Mapping | pd.Series):
        raise ValueError(f"thresholds must map models to operating points, as choose_thresholds does: {thresholds!r}")
    for model, value in dict(thresholds).items():
        if isinstance(value, str) or np.ndim(value) or np.isinf(_as_float(value, "thresholds")).any():
            raise ValueError(f"thresholds must be numbers, NaN where there is none; that of {model!r} is {value!r}")
    named = pd.Series(_as_float(list(dict(thresholds).values()), "thresholds"), index=list(dict(thresholds)))
    if absent := sorted(set(named.index) - set(predictions["model"])):
        raise InferenceError(f"thresholds of {', '.join(map(repr, absent))}: the predictions have no such model")
    for model, threshold in named.dropna().items():
        scores = _as_float(predictions.loc[predictions["model"] == model, "y_score"], "column 'y_score'")
        _check_on_scale(threshold, scores, f"the operating point of {model!r}")
    return named


def _compare_pairs(scores: pd.DataFrame, test: Callable[[pd.Series, pd.Series], Comparison], name: str) -> pd.DataFrame:
    """One row for each pair of columns, on the patients without gaps; pairs that `test` refuses have only a note."""
    rows = []
    for a, b in combinations(scores.columns, 2):
        both = scores[[a, b]].dropna()
        row: dict[str, object] = {"a": a, "b": b, "n": len(both), "test": name}
        if both.empty:
            rows.append(row | {"note": "no patient is scored by both"})
            continue
        try:
            rows.append(row | asdict(test(both[a], both[b])))
        except InferenceError as error:
            rows.append(row | {"note": str(error)})
    results = [field.name for field in fields(Comparison)]
    table = pd.DataFrame(rows, columns=["a", "b", *results]).rename(columns=_RENAMED)
    return table.assign(p_holm=adjust_pvalues(table["p"].astype(float)))


def adjust_pvalues(pvalues: ArrayLike, method: str = "holm") -> pd.Series:
    """Correct p-values for multiple testing by any `method` of statsmodels' ``multipletests``, for example "fdr_bh".

    The adaptive ones ("fdr_tsbh", "fdr_tsbky", "fdr_gbs"; at a false discovery rate of 0.05) may lower a p-value. NaN
    where there was no test: it stays NaN and does not count. A Series with the index of `pvalues` if it has one.
    """
    if not isinstance(method, str) or method not in multitest_alias:
        raise ValueError(f"method must be one of multipletests', for example 'holm' or 'fdr_bh'; it is {method!r}")
    index = pvalues.index if isinstance(pvalues, pd.Series) else None
    values = _as_float(pvalues, "pvalues")
    if values.ndim != 1:
        raise ValueError(f"pvalues must be a list of p-values; its shape is {values.shape}")
    adjusted = pd.Series(values, index=index)
    tested = adjusted.notna()
    _check_real(adjusted[tested], "pvalues", "between 0 and 1", low=0, high=1)
    if tested.any():
        adjusted[tested] = multipletests(adjusted[tested], method=method)[1]
    return adjusted


def joint_test(predictions: pd.DataFrame, **chosen) -> pd.DataFrame:
    """Test whether the areas of all models are equal, on the patients scored by all; arguments of `compare_models`.

    One row: ``models`` (how many), ``n, statistic, df, df_error, p, test, note``, from :func:`delong_joint_test` with
    its default reference. NaN and a note where these patients cannot be tested.
    """
    wide = select_predictions(predictions, **chosen).dropna()
    truth = wide.pop("y_true")
    row: dict[str, object] = {"models": wide.shape[1], "n": len(wide), "test": "DeLong, joint (F)"}
    try:
        if wide.empty:
            raise InferenceError("no patient is scored by all models")
        result = delong_joint_test(truth, wide)
        row |= result._asdict() | {"p": result.pvalue}
    except (InferenceError, ValueError) as error:
        row["note"] = str(error)
    return pd.DataFrame([row], columns=["models", "n", "statistic", "df", "df_error", "p", "test", "note"])


def compare_staging(stage: ArrayLike, scores: pd.DataFrame, **options) -> pd.DataFrame:
    """Paired test of the Obuchowski measure between every two scores, with Holm's correction.

    Parameters
    ----------
    stage : array_like of int, shape (n,)
        True stages.
    scores : DataFrame, shape (n, k)
        One column for each model, for example the expected stage; NaN where a model has no score.
    **options
        ``prevalence, scale, confidence_level`` of :func:`obuchowski_test`.

    Returns
    -------
    DataFrame
        As of :func:`compare_models`: ``a, b, n, difference, ci_low, ci_high, p, p_holm, test, note``.
    """
    if not isinstance(scores, pd.DataFrame) or len(scores) != np.size(stage):
        raise InferenceError(
            f"scores must be a DataFrame with one row for each of {counted(np.size(stage), 'patient')}"
        )
    _check_column_names(scores, "scores")
    _check_order(stage, scores)
    stages = pd.Series(_as_float(stage, "stage"), index=scores.index)
    if options.get("scale") is None:  # where scores lack a whole stage, the penalty stays that of the others
        options["scale"] = stages.unique()
    table = _compare_pairs(scores, lambda a, b: obuchowski_test(stages[a.index], a, b, **options), "Obuchowski, paired")
    return table[_COLUMNS["mcnemar"].split()]


def choose_thresholds(
    predictions: pd.DataFrame,
    rule: str = "youden",
    *,
    target: float | None = None,
    split: str = "validation",
    repeat: int = 0,
) -> dict[str, float]:
    """One operating point for each model by :func:`choose_threshold`, from patients that are not tested on.

    `split` is "validation" or, for out-of-fold scores, "train". NaN where a model's scores there do not hold both
    classes; `split` "test" raises ValueError.
    """
    options = {"rule": rule, "target": target, "split": split, "repeat": repeat}
    return threshold_ranges(predictions, **options, n_resamples=0).set_index("model")["threshold"].to_dict()


def threshold_ranges(
    predictions: pd.DataFrame,
    rule: str = "youden",
    *,
    target: float | None = None,
    split: str = "validation",
    repeat: int = 0,
    confidence_level: float = 0.95,
    n_resamples: int = 500,
) -> pd.DataFrame:
    """How far the operating points of :func:`choose_thresholds` would move with other patients.

    Parameters
    ----------
    predictions, rule, target, split, repeat
        As in :func:`choose_thresholds`.
    confidence_level : float
        Share of the resamples between the limits.
    n_resamples : int
        Of the bootstrap: patients drawn with replacement within each class. 0: no limits; nor are there any of a class
        of one patient.

    Returns
    -------
    DataFrame
        One row for each model: ``model, threshold, threshold_low, threshold_high, threshold_source``.
    """
    if split == "test":
        raise ValueError("an operating point chosen on the test patients flatters the model: use validation or train")
    level, wide = _check_level(confidence_level), select_predictions(predictions, split, repeat=repeat)
    target = _target(rule, target)
    source = {"validation": "the validation patients", "train": "out-of-fold scores of the training patients"}[split]
    rows = []
    for model in wide.columns[1:]:
        truth, score = wide[["y_true", model]].dropna().to_numpy().T
        chosen, limits = float("nan"), (float("nan"),) * 2
        if len(np.unique(truth)) == 2:
            chosen = _chosen(truth == 1, score, rule, target)
            if n_resamples and min(_class_sizes(truth == 1)) > 1:
                limits = _threshold_limits(truth == 1, score, rule, target, level, _check_resamples(n_resamples, level))
        rows.append((model, chosen, *limits, source))
    return pd.DataFrame(rows, columns=["model", "threshold", "threshold_low", "threshold_high", "threshold_source"])


def summarise_models(
    predictions: pd.DataFrame,
    thresholds: Mapping[str, float] | None = None,
    *,
    repeat: int = 0,
    confidence_level: float = 0.95,
    **chosen,
) -> pd.DataFrame:
    """Every estimate of every model with its interval.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table.
    thresholds : mapping of str to float, optional
        Operating point of each model; default :func:`choose_thresholds` (Youden, validation patients).
    repeat, confidence_level, **chosen
        As in :func:`compare_models`.

    Returns
    -------
    DataFrame
        One row for each model: ``model, n, n_positive, threshold``; for each metric ``<metric>, <metric>_low,
        <metric>_high`` (``auc, accuracy, sensitivity, specificity, ppv, npv, precision_macro, recall_macro, f1_macro,
        f1, lr_positive, lr_negative``); ``auc_method`` and ``note``, which names those that are not defined (NaN).
    """
    wide = select_predictions(predictions, repeat=repeat, **chosen)
    own = thresholds is None and chosen.get("split") == "validation"
    caveat = "operating point chosen on these patients" * own
    thresholds = choose_thresholds(predictions, repeat=repeat) if thresholds is None else thresholds
    thresholds, rows = _by_known_name(thresholds, predictions), []
    for model in wide.columns[1:]:
        scored = wide[["y_true", model]].dropna().set_axis(["y_true", "y_score"], axis=1)
        threshold = float(thresholds.get(model, np.nan))
        row = {"model": model, "n": len(scored), "n_positive": int(scored["y_true"].sum()), "threshold": threshold}
        reason = "NaN, as where the patients it is chosen on do not hold both classes"
        row |= _summary(scored, threshold, confidence_level, reason if model in thresholds else "none was given")
        rows.append(row | {"note": _join_notes(row["note"], caveat)})
    return pd.DataFrame(rows)


def count_results(predictions: pd.DataFrame, thresholds: Mapping[str, float], **chosen) -> pd.DataFrame:
    """Count true and false results of every model, and patients without one, as STARD asks for.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table.
    thresholds : mapping of str to float
        Operating point of each model: a score at or above it is positive.
    **chosen
        As in :func:`compare_models`.

    Returns
    -------
    DataFrame
        One row for each model: ``model, missing, tp, fn, fp, tn``; NaN without an operating point.
    """
    wide, rows = select_predictions(predictions, **chosen), []
    thresholds = _by_known_name(thresholds, predictions)
    for model in wide.columns[1:]:
        known, threshold = wide[["y_true", model]].dropna(), float(thresholds.get(model, np.nan))
        counts = (np.nan,) * 4 if np.isnan(threshold) else _counts(known["y_true"] == 1, known[model], threshold)
        rows.append((model, len(wide) - len(known), *counts))
    return pd.DataFrame(rows, columns=["model", "missing", "tp", "fn", "fp", "tn"])


def _summary(scored: pd.DataFrame, threshold: float, level: float, reason: str) -> dict[str, object]:
    """Estimates as columns; `reason` says why there is no threshold."""
    if scored.empty:
        return {"note": _NO_SCORES}
    try:
        area = auc_ci(scored["y_true"], scored["y_score"], confidence_level=level)
    except InferenceError as error:
        return {"note": str(error)}
    note, estimates = area.note, {"auc": area}
    if np.isnan(threshold):
        note = _join_notes(note, f"no operating point: {reason}")
    else:
        estimates |= _metrics(_counts(scored["y_true"] == 1, scored["y_score"], threshold), level)
        undefined = [key for key, estimate in estimates.items() if np.isnan(estimate.value)]
        note = _join_notes(note, f"not defined, as 0/0: {', '.join(undefined)}" * bool(undefined))
    columns: dict[str, object] = {}
    for key, estimate in estimates.items():
        columns |= {key: estimate.value, f"{key}_low": estimate.low, f"{key}_high": estimate.high}
    return columns | {"auc_method": area.method, "note": note}
