"""Further comparisons of the study: all areas at once, the same pairs by another test, accuracy, staging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from fibrolib.inference.agreement import mcnemar_test
from fibrolib.inference.checks import InferenceError
from fibrolib.inference.delong import delong_joint_test
from fibrolib.inference.pairs import PAIR, compare_pairs
from fibrolib.inference.permutation import permutation_test
from fibrolib.inference.predictions import select_predictions
from fibrolib.inference.staging import obuchowski_test

__all__ = ["compare_accuracy", "compare_by_permutation", "compare_staging", "joint_test"]


def joint_test(
    predictions: pd.DataFrame, *, split: str = "test", repeat: int = 0, models: Sequence[str] | None = None
) -> pd.DataFrame:
    """Test whether the areas of all models are equal, on the patients scored by all.

    Parameters
    ----------
    predictions, split, repeat, models
        As in :func:`compare_models`.

    Returns
    -------
    DataFrame
        One row: ``models`` (how many), ``n, statistic, df, df_error, p, test, note``, from :func:`delong_joint_test`
        with its default reference. NaN and a note where these patients cannot be tested.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    wide = select_predictions(predictions, split, repeat=repeat, models=models).dropna()
    truth = wide.pop("y_true")
    row: dict[str, object] = {"models": wide.shape[1], "n": len(wide), "test": "DeLong, joint (F)"}
    try:
        found = delong_joint_test(truth, wide)
        row |= {"statistic": found.statistic, "df": found.df, "df_error": found.df_error}
        row |= {"p": found.pvalue, "note": found.note}
    except (InferenceError, ValueError) as error:
        row["note"] = str(error)
    return pd.DataFrame([row], columns=["models", "n", "statistic", "df", "df_error", "p", "test", "note"])


def compare_by_permutation(
    predictions: pd.DataFrame, *, split: str = "test", repeat: int = 0, models: Sequence[str] | None = None
) -> pd.DataFrame:
    """Exchange test between every two models, with Holm's correction: does DeLong's answer hang on its approximation?

    Parameters
    ----------
    predictions, split, repeat, models
        As in :func:`compare_models`.

    Returns
    -------
    DataFrame
        One row for each pair, on the patients of both: ``a, b, n, difference, p, p_holm, test, note``. The test has no
        interval; that of the difference stands in :func:`compare_models`.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    wide = select_predictions(predictions, split, repeat=repeat, models=models)
    truth = wide.pop("y_true")

    def judge(both: pd.DataFrame) -> dict[str, object]:
        found = permutation_test(truth[both.index], *(both[name] for name in both))
        note = "" if found.exact else "many patients: the sum of the exchanges taken for normal"
        return {"difference": found.difference, "p": found.pvalue, "note": note}

    columns = [name for name in PAIR if name not in ("ci_low", "ci_high")]
    return compare_pairs(wide, judge, "exchange, paired", columns)


def compare_accuracy(
    predictions: pd.DataFrame,
    thresholds: Mapping[str, float],
    *,
    split: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Exact McNemar test between every two models at their operating points, with Holm's correction.

    Parameters
    ----------
    predictions, split, repeat, models, confidence_level
        As in :func:`compare_models`.
    thresholds : mapping of str to float
        Operating point of each model, from :func:`choose_thresholds`; models without one are left out.

    Returns
    -------
    DataFrame
        One row for each pair, on the patients of both: ``a, b, n, difference, ci_low, ci_high, p, p_holm, test, note``.
        The note counts the patients whom the first, and the second, alone calls rightly: all that the test looks at.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    wide = select_predictions(predictions, split, repeat=repeat, models=models)
    truth = wide.pop("y_true")
    usable = [model for model in wide if np.isfinite(thresholds.get(model, np.nan))]

    def judge(both: pd.DataFrame) -> dict[str, object]:
        calls = (both[model] >= thresholds[model] for model in both)
        found = mcnemar_test(truth[both.index], *calls, confidence_level=confidence_level)
        low, high = found.confidence_interval
        note = f"{found.only_a} and {found.only_b} right alone"
        return {"difference": found.difference, "ci_low": low, "ci_high": high, "p": found.pvalue, "note": note}

    return compare_pairs(wide[usable], judge, "McNemar, exact")


def compare_staging(
    stage: ArrayLike,
    scores: pd.DataFrame,
    *,
    prevalence: Mapping[int, float] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Paired test of the Obuchowski measure between every two scores, with Holm's correction.

    Parameters
    ----------
    stage : array_like of int, shape (n,)
        True stages.
    scores : DataFrame, shape (n, k)
        One column for each model, for example the expected stage; NaN where a model has no score.
    prevalence, confidence_level
        As in :func:`obuchowski_test`.

    Returns
    -------
    DataFrame
        One row for each pair, on the patients of both: ``a, b, n, difference, ci_low, ci_high, p, p_holm, test, note``.
    """
    stages = pd.Series(np.asarray(stage), index=scores.index)
    options = {"prevalence": prevalence, "confidence_level": confidence_level}

    def judge(both: pd.DataFrame) -> dict[str, object]:
        found = obuchowski_test(stages[both.index], *(both[name] for name in both), **options)
        low, high = found.confidence_interval
        row = {"difference": found.difference, "ci_low": low, "ci_high": high}
        return row | {"p": found.pvalue, "note": found.note}

    return compare_pairs(scores, judge, "Obuchowski, paired")
