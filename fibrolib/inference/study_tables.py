"""Further tables of the study: accuracy pair by pair, staging, and one test of all areas at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from fibrolib.inference.agreement import mcnemar_test
from fibrolib.inference.checks import InferenceError
from fibrolib.inference.compare import adjust_pvalues
from fibrolib.inference.delong import delong_joint_test
from fibrolib.inference.predictions import select_predictions
from fibrolib.inference.results import JointResult, small_sample_note
from fibrolib.inference.staging import obuchowski, obuchowski_test

__all__ = ["compare_accuracy", "compare_staging", "joint_test", "summarise_staging"]

PAIR = ("a", "b", "n", "difference", "ci_low", "ci_high", "p", "p_holm", "test", "note")


def joint_test(
    predictions: pd.DataFrame, *, partition: str = "test", repeat: int = 0, models: Sequence[str] | None = None
) -> tuple[JointResult, int]:
    """Test whether the areas of all models are equal, on the patients scored by all.

    Parameters
    ----------
    predictions, partition, repeat, models
        As in :func:`compare_models`.

    Returns
    -------
    JointResult
        Of :func:`delong_joint_test`.
    n : int
        Patients scored by all models.

    Raises
    ------
    InferenceError
        As :func:`select_predictions` and :func:`delong_joint_test`.
    """
    wide = select_predictions(predictions, partition, repeat=repeat, models=models).dropna()
    return delong_joint_test(wide["y_true"], wide.drop(columns="y_true")), len(wide)


def compare_accuracy(
    predictions: pd.DataFrame,
    thresholds: Mapping[str, float],
    *,
    partition: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Exact McNemar test between every two models at their operating points, with Holm's correction.

    Parameters
    ----------
    predictions, partition, repeat, models, confidence_level
        As in :func:`compare_models`.
    thresholds : mapping of str to float
        Operating point of each model, from :func:`choose_thresholds`; models without one are left out.

    Returns
    -------
    DataFrame
        One row for each pair, on the patients of both: ``a, b, n, difference, ci_low, ci_high, p, p_holm, test, note``.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`.
    """
    wide = select_predictions(predictions, partition, repeat=repeat, models=models)
    usable = [model for model in wide.columns[1:] if np.isfinite(thresholds.get(model, np.nan))]
    rows = []
    for a, b in combinations(usable, 2):
        both = wide[["y_true", a, b]].dropna()
        row = {"a": a, "b": b, "n": len(both), "test": "McNemar, exact"}
        if both.empty:
            rows.append(row | {"note": "no patient is scored by both"})
            continue
        calls = ((both[model] >= thresholds[model]).to_numpy() for model in (a, b))
        found = mcnemar_test(both["y_true"], *calls, confidence_level=confidence_level)
        low, high = found.confidence_interval
        note = f"{found.only_a + found.only_b} patients on whom the two differ"
        rows.append(
            row | {"difference": found.difference, "ci_low": low, "ci_high": high, "p": found.pvalue, "note": note}
        )
    return _with_holm(rows)


def _with_holm(rows: list[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[name for name in PAIR if name != "p_holm"])
    table.insert(PAIR.index("p_holm"), "p_holm", adjust_pvalues(table["p"].astype(float)))
    return table


def summarise_staging(
    predictions: pd.DataFrame,
    *,
    partition: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    prevalence: Mapping[int, float] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Obuchowski measure of every model.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, with column ``stage``.
    partition, repeat, models, confidence_level
        As in :func:`compare_models`.
    prevalence : mapping of int to float, optional
        As in :func:`obuchowski`.

    Returns
    -------
    DataFrame
        ``model, n, value, low, high, standard_error, note``; NaN and a note where it is not defined.

    Raises
    ------
    InferenceError
        As :func:`select_predictions`; also without the column ``stage``.
    """
    wide, stages = _with_stages(predictions, partition, repeat, models)
    rows = []
    for model in wide.columns:
        score = wide[model].dropna()
        row: dict[str, object] = {"model": model, "n": len(score)}
        try:
            found = obuchowski(stages[score.index], score, prevalence=prevalence, confidence_level=confidence_level)
        except InferenceError as error:
            rows.append(row | {"note": str(error)})
            continue
        row |= {"value": found.value, "low": found.low, "high": found.high, "standard_error": found.standard_error}
        rows.append(row | {"note": found.note or _few_in_a_stage(stages[score.index])})
    return pd.DataFrame(rows, columns=["model", "n", "value", "low", "high", "standard_error", "note"])


def _with_stages(predictions: pd.DataFrame, partition: str, repeat: int, models) -> tuple[pd.DataFrame, pd.Series]:
    wide = select_predictions(predictions, partition, repeat=repeat, models=models).drop(columns="y_true")
    if "stage" not in predictions:
        raise InferenceError("the predictions table lacks the column stage")
    return wide, predictions.drop_duplicates("patient_id").set_index("patient_id")["stage"].astype(int)


def _few_in_a_stage(stages: pd.Series) -> str:
    counts = stages.value_counts()
    return small_sample_note(int(counts.min()), int(counts.min())).replace("class", "stage")


def compare_staging(
    predictions: pd.DataFrame,
    *,
    partition: str = "test",
    repeat: int = 0,
    models: Sequence[str] | None = None,
    prevalence: Mapping[int, float] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Paired test of the Obuchowski measure between every two models, with Holm's correction.

    Parameters
    ----------
    predictions, partition, repeat, models, prevalence, confidence_level
        As in :func:`summarise_staging`.

    Returns
    -------
    DataFrame
        One row for each pair, on the patients of both: ``a, b, n, difference, ci_low, ci_high, p, p_holm, test, note``.

    Raises
    ------
    InferenceError
        As :func:`summarise_staging`.
    """
    wide, stages = _with_stages(predictions, partition, repeat, models)
    options = {"prevalence": prevalence, "confidence_level": confidence_level}
    rows = []
    for a, b in combinations(wide.columns, 2):
        both = wide[[a, b]].dropna()
        row: dict[str, object] = {"a": a, "b": b, "n": len(both), "test": "Obuchowski, paired"}
        try:
            found = obuchowski_test(stages[both.index], both[a], both[b], **options)
        except InferenceError as error:
            rows.append(row | {"note": str(error)})
            continue
        low, high = found.confidence_interval
        row |= {"difference": found.difference, "ci_low": low, "ci_high": high, "p": found.pvalue}
        rows.append(row | {"note": _few_in_a_stage(stages[both.index])})
    return _with_holm(rows)
