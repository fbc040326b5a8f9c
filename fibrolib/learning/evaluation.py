"""One procedure for every diagnostic: tune and cross-validate on training patients, then score the others once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate

from fibrolib.stages import at_least
from fibrolib.workers import workers_end_here

__all__ = ["Evaluation", "auc_at_cutoff", "evaluate", "predictions_of", "stage_folds"]


@dataclass(frozen=True)
class Evaluation:
    """What one diagnostic did.

    Attributes
    ----------
    name : str
        Name of the diagnostic.
    final : estimator
        Fitted on all training patients.
    predictions : DataFrame
        The predictions table: out-of-fold scores of training patients, scores of validation and test patients.
    cv_auc : ndarray, shape (n_folds,)
        AUC of each fold at the chosen settings.
    search : DataFrame
        All settings tried, with their AUC per fold.
    best : dict
        Settings chosen.
    histories : DataFrame
        Training curves of the folds and of the final fit (``fold`` NA); empty for diagnostics without any.
    """

    name: str
    final: BaseEstimator
    predictions: pd.DataFrame
    cv_auc: NDArray[np.float64]
    search: pd.DataFrame
    best: dict
    histories: pd.DataFrame


def auc_at_cutoff(estimator: BaseEstimator, X: pd.DataFrame, y) -> float:
    """Scorer for scikit-learn: AUC at the estimator's own cut-off, over the patients it can score.

    Returns NaN where fewer than one patient on either side has a score.
    """
    scores = estimator.predict_proba(X)[:, 1]
    known = np.isfinite(scores)
    truth = at_least(np.asarray(y), estimator.cutoff)[known]
    return float(roc_auc_score(truth, scores[known])) if 0 < truth.sum() < len(truth) else float("nan")


def stage_folds(stages, cutoff: int, n_folds: int, seed: int) -> list[tuple[NDArray, NDArray]]:
    """Folds of patients stratified by stage; by cut-off only where a stage has too few patients.

    Rows are patients, so no patient is in two folds.
    """
    stages = np.asarray(stages)
    _, counts = np.unique(stages, return_counts=True)
    strata = stages if counts.min() >= n_folds else at_least(stages, cutoff)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return list(folds.split(np.zeros(len(stages)), strata))


def predictions_of(
    name: str, X: pd.DataFrame, scores: NDArray[np.float64], partition: str, cutoff: int, fold: int | None = None
) -> pd.DataFrame:
    """Rows of the predictions table; patients without a score are left out."""
    table = pd.DataFrame(
        {
            "patient_id": X.index.astype(str),
            "model": name,
            "partition": partition,
            "fold": pd.array([fold] * len(X), dtype="Int64"),
            "repeat": 0,
            "stage": X["stage"].to_numpy(),
            "y_true": at_least(X["stage"], cutoff),
            "y_score": scores,
        }
    )
    return table[np.isfinite(scores)]


def evaluate(
    name: str,
    diagnostic: BaseEstimator,
    patients: pd.DataFrame,
    partition: pd.Series,
    *,
    grid: dict | list[dict] | None = None,
    n_folds: int = 5,
    seed: int = 0,
    n_jobs: int = 1,
) -> Evaluation:
    """Tune by cross-validation inside the training patients, fit on all of them, score validation and test once.

    The validation patients take part in every fit as the ones that stop it, and in nothing else here; the held-out
    fold of a cross-validation step is seen by neither training nor stopping.

    Parameters
    ----------
    name : str
        Name in the predictions table.
    diagnostic : estimator
        With the parameters ``cutoff`` and, for nets, ``memory``.
    patients : DataFrame
        One row per patient, indexed by patient, with ``stage`` and what the diagnostic reads.
    partition : Series
        ``train``, ``validation`` or ``test`` per patient.
    grid : dict, list of dict or None
        Parameter grid, or grids, of scikit-learn's `GridSearchCV`; None or empty keeps the diagnostic's own settings.
    n_folds : int
        Folds.
    seed : int
        Seed of the folds.
    n_jobs : int
        Processes, through joblib.

    Returns
    -------
    Evaluation
    """
    parts = {side: patients[partition.reindex(patients.index) == side] for side in ("train", "validation", "test")}
    train, stages = parts["train"], parts["train"]["stage"].to_numpy()
    validation = (parts["validation"], parts["validation"]["stage"].to_numpy())
    folds = stage_folds(stages, diagnostic.cutoff, n_folds, seed)
    search = GridSearchCV(
        diagnostic, grid or {}, scoring=auc_at_cutoff, cv=folds, refit=False, n_jobs=n_jobs, error_score="raise"
    )
    with workers_end_here(n_jobs):
        search.fit(train, stages, validation=validation)
    tried = _search_table(search.cv_results_, n_folds)
    best = search.cv_results_["params"][int(tried["auc_mean"].to_numpy().argmax())]
    chosen = clone(diagnostic).set_params(**best)
    # The folds at the chosen settings once more, for their scores and curves: nets load them from ``memory``.
    again = cross_validate(
        chosen,
        train,
        stages,
        scoring=auc_at_cutoff,
        cv=folds,
        params={"validation": validation},
        return_estimator=True,
        error_score="raise",
    )
    final = clone(chosen).fit(train, stages, validation=validation)
    return Evaluation(
        name=name,
        final=final,
        predictions=_all_predictions(name, final, parts, folds, again["estimator"]),
        cv_auc=again["test_score"],
        search=tried,
        best=best,
        histories=_histories(again["estimator"], final),
    )


def _all_predictions(name: str, final, parts: dict, folds, fold_estimators) -> pd.DataFrame:
    cutoff = final.cutoff
    rows = []
    for number, ((_, held_out), estimator) in enumerate(zip(folds, fold_estimators, strict=True), start=1):
        left_out = parts["train"].iloc[held_out]
        scores = estimator.predict_proba(left_out)[:, 1]
        rows.append(predictions_of(name, left_out, scores, "train", cutoff, number))
    for side in ("validation", "test"):
        rows.append(predictions_of(name, parts[side], final.predict_proba(parts[side])[:, 1], side, cutoff))
    return pd.concat(rows, ignore_index=True)


def _search_table(results: dict, n_folds: int) -> pd.DataFrame:
    """All settings tried: parameters, AUC of each fold, mean, spread and rank over the folds that have an AUC.

    An option of a net is a column of its own (``options.hold``); a parameter that a setting does not name is missing.
    """
    parameters = pd.json_normalize(results["params"])
    folds = pd.DataFrame({f"auc_fold{k + 1}": results[f"split{k}_test_score"] for k in range(n_folds)})
    mean = folds.mean(axis=1)
    if mean.isna().any():
        raise ValueError("no fold holds both classes among the patients that can be scored")
    ranks = mean.rank(ascending=False, method="min").astype(int)
    return parameters.join(folds).assign(auc_mean=mean, auc_sd=folds.std(axis=1, ddof=0), rank=ranks)


def _histories(fold_estimators, final) -> pd.DataFrame:
    named = [*enumerate(fold_estimators, start=1), (None, final)]
    curves = [
        estimator.history_.assign(fold=pd.array([fold] * len(estimator.history_), dtype="Int64"))
        for fold, estimator in named
        if hasattr(estimator, "history_")
    ]
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()
