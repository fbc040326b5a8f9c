"""The predictions table: the contract between the models and the statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from fibrolib.errors import counted
from fibrolib.inference.checks import InferenceError, _check_ids, _check_size

_SPLITS = ("train", "validation", "test")
_NO_SCORES = "no patient has a score of this model"
_REQUIRED = ("patient_id", "model", "split", "repeat", "y_true", "y_score")


def select_predictions(
    predictions: pd.DataFrame, split: str = "test", *, repeat: int = 0, models: Sequence[str] | None = None
) -> pd.DataFrame:
    """Check a predictions table and return the scores of one split and repeat as a wide table.

    Parameters
    ----------
    predictions : DataFrame
        Columns ``patient_id, model, split, repeat, y_true, y_score``; further ones are ignored. ``split`` is "train"
        for out-of-fold scores, "validation" or "test". A score is NaN where the model cannot be applied to the patient.
    split : {"test", "validation", "train"}
        Which patients.
    repeat : int
        Which resample.
    models : sequence of str, optional
        Which models, in which order; default all, in order of appearance.

    Returns
    -------
    DataFrame
        Indexed by ``patient_id``: column ``y_true`` and one float column of scores for each model (column level named
        ``model``), NaN where a model has no score.

    Raises
    ------
    InferenceError
        A column is missing; a split is unknown; truth is not 0 or 1 or differs between rows of one patient; a score is
        infinite or no number; a patient has more than one score of a model in a split and repeat, or is in two splits
        of a repeat; the split, the repeat or a model is not in the table.
    """
    predictions = _check_predictions(predictions)
    if not isinstance(split, str):
        raise ValueError(f"split must be one of {', '.join(_SPLITS)}, not {split!r}")
    _check_size(repeat, "repeat", least=0)
    chosen = predictions[(predictions["split"] == split) & (predictions["repeat"] == repeat)]
    if chosen.empty:
        present = predictions[["split", "repeat"]].drop_duplicates().to_records(index=False).tolist()
        raise InferenceError(f"no predictions of split '{split}', repeat {repeat}: the table holds {present}")
    wide = _wide_scores(chosen)
    if models is None:
        return wide
    if not isinstance(models, Iterable):
        raise ValueError(f"models must be names, such as {list(wide.columns[1:])}; it is {models!r}")
    try:
        models = list(dict.fromkeys([models] if isinstance(models, str) else models))
    except TypeError as error:
        raise ValueError(f"models must be names, such as {list(wide.columns[1:])}: {error}") from error
    if not models:
        raise ValueError(f"models must name at least one of {list(wide.columns[1:])}, or be None for all of them")
    absent = [model for model in models if model not in wide.columns[1:]]
    if absent:
        raise InferenceError(f"no predictions of {absent} in split '{split}': the table holds {list(wide.columns[1:])}")
    return wide[["y_true", *models]]


def _wide_scores(chosen: pd.DataFrame) -> pd.DataFrame:
    """One row for each patient: ``y_true`` and one column for each model, in order of appearance."""
    # pivot, not pivot_table: nothing may be averaged and missing scores must stay.
    scores = chosen.pivot(index="patient_id", columns="model", values="y_score").astype(float)  # noqa: PD010
    wide = scores[list(dict.fromkeys(chosen["model"]))]
    truth = chosen.drop_duplicates("patient_id").set_index("patient_id")["y_true"].astype(int)
    wide.insert(0, "y_true", truth)
    return wide


def _check_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """The table, numbered from 0 on; whatever is wrong with it is an `InferenceError`."""
    if not isinstance(predictions, pd.DataFrame):
        raise InferenceError(f"the predictions table must be a DataFrame; it is a {type(predictions).__name__}")
    missing = [column for column in _REQUIRED if column not in predictions]
    if missing:
        raise InferenceError(f"the predictions table lacks the column(s) {', '.join(missing)}")
    twice = [column for column in _REQUIRED if list(predictions.columns).count(column) > 1]
    if twice:
        raise InferenceError(f"the predictions table has several columns {', '.join(twice)}: keep one of each")
    if predictions.empty:
        raise InferenceError("the predictions table has no rows")
    scores = predictions["y_score"].infer_objects()  # numbers of a table that also held texts
    predictions = predictions.assign(y_score=scores).reset_index(drop=True)
    _check_values(predictions)
    _check_truth(predictions)
    _check_unique(predictions)
    return predictions


def _check_values(predictions: pd.DataFrame) -> None:
    for column in ("patient_id", "model", "repeat"):
        if predictions[column].isna().any():
            raise InferenceError(f"column '{column}' has {counted(int(predictions[column].isna().sum()), 'empty row')}")
    names = predictions["patient_id"].unique()
    if blank := [name for name in names if not str(name).strip()]:
        n = int(predictions["patient_id"].isin(blank).sum())
        raise InferenceError(f"column 'patient_id' has {counted(n, 'blank row')}: give every patient an id")
    _check_ids(names, "column 'patient_id'")
    _check_ids(predictions["model"].unique(), "column 'model'")
    if predictions["model"].eq("y_true").any():
        raise InferenceError("a model is called 'y_true', as the column of the truth: give it another name")
    unknown = sorted(set(predictions["split"].astype(str)) - set(_SPLITS))
    if unknown:
        raise InferenceError(f"column 'split' holds {unknown}: expected {', '.join(_SPLITS)}")
    scores = predictions["y_score"]
    if not pd.api.types.is_numeric_dtype(scores) or pd.api.types.is_complex_dtype(scores):
        hint = ": convert it (pd.to_numeric)" * (scores.dtype.kind == "O")
        raise InferenceError(f"column 'y_score' must hold numbers, it is of type {scores.dtype}{hint}")
    infinite = predictions[np.isinf(scores.to_numpy(dtype=float, na_value=np.nan))]
    if len(infinite):
        raise InferenceError(
            f"column 'y_score': infinite score for {_who(infinite.iloc[0])} ({counted(len(infinite), 'such row')})"
        )


def _check_truth(predictions: pd.DataFrame) -> None:
    invalid = predictions[~predictions["y_true"].isin([0, 1])]
    if len(invalid):
        row, kind = invalid.iloc[0], "the text " * isinstance(invalid.iloc[0]["y_true"], str)
        raise InferenceError(f"column 'y_true' must hold 0 and 1: it is {kind}{row['y_true']} for {_who(row)}")
    truths = predictions.groupby("patient_id", observed=True)["y_true"].nunique()
    contradictory = truths.index[truths > 1]
    if len(contradictory):
        raise InferenceError(
            f"patient {contradictory[0]} has y_true 0 in one row and 1 in another "
            f"({counted(len(contradictory), 'such patient')})"
        )


def _check_unique(predictions: pd.DataFrame) -> None:
    key = ["patient_id", "model", "split", "repeat"]
    repeated = predictions[predictions.duplicated(key, keep=False)]
    if len(repeated):
        row = repeated.iloc[0]
        raise InferenceError(
            f"{_who(row)} has more than one score in split '{row['split']}', repeat {row['repeat']} "
            f"({counted(repeated.groupby(key, observed=True).ngroups, 'such case')}): "
            "average the scores of a patient's videos first, so that each patient counts once"
        )
    sides = predictions.drop_duplicates(["patient_id", "repeat", "split"])
    twice = sides[sides.duplicated(["patient_id", "repeat"])]
    if len(twice):
        raise InferenceError(
            f"patient {twice.iloc[0]['patient_id']} is in two splits of repeat {twice.iloc[0]['repeat']} "
            f"({counted(twice['patient_id'].nunique(), 'such patient')}): a model must not be tested on those it knows"
        )


def _who(row: pd.Series) -> str:
    return f"patient {row['patient_id']} (model {row['model']})"


def _by_model(
    predictions: pd.DataFrame,
    statistic: Callable[[pd.Series, pd.Series], pd.DataFrame],
    columns: Sequence[str],
    **chosen,
) -> pd.DataFrame:
    """The tables that `statistic` makes of truth and scores of each model, below each other.

    A model that it refuses has one row: the number of patients and the reason in ``note``.
    """
    wide = select_predictions(predictions, **chosen)
    tables = []
    for model in wide.columns[1:]:
        scored = wide[["y_true", model]].dropna()
        try:
            if scored.empty:
                raise InferenceError(_NO_SCORES)
            table = statistic(scored["y_true"], scored[model])
        except InferenceError as error:
            table = pd.DataFrame({"n": [len(scored)], "note": [str(error)]})
        tables.append(table.assign(model=[model] * len(table)))
    return pd.concat(tables, ignore_index=True).reindex(columns=["model", *columns])
