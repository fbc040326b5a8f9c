"""One procedure for every diagnostic: tune and cross-validate on training patients, then score the others once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import delayed
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from fibrolib.errors import FibrolibError
from fibrolib.stages import at_least
from fibrolib.workers import in_parallel, n_workers, workers_end_here

_USUAL_CUTOFF = 2
"""For classifiers without a cut-off: significant fibrosis."""

_APART = 10_007
"""Between the seeds of repeated divisions, so that those of neighbouring seeds are not the same."""

_OUTCOMES = ("stage", "split", "fold", "y_true", "y_score")
"""Columns that no classifier may read: the outcome, and the division of the patients."""


@dataclass(frozen=True)
class Evaluation:
    """Result of one diagnostic."""

    name: str
    final: BaseEstimator  # fitted on all training patients
    predictions: pd.DataFrame  # out-of-fold scores of training patients, scores of validation and test patients
    cv_auc: NDArray[np.float64]  # AUC of each fold at the chosen settings
    search: pd.DataFrame  # all settings, with their AUC per fold, the chosen one first
    best: dict  # chosen settings
    histories: pd.DataFrame  # training curves of the folds and of the final fit (``fold`` NA), if there are any


def auc_at_cutoff(estimator: BaseEstimator, X: pd.DataFrame, y) -> float:
    """Scorer for scikit-learn: AUC at the estimator's own cut-off (labels, without one), over patients it scores."""
    cutoff = _own_cutoff(estimator)
    return _auc_of_scored(at_least(np.asarray(y), 1 if cutoff is None else cutoff), _probability(estimator, X))


def _auc_of_scored(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """AUC over the patients with a score; NaN without both classes."""
    scored = np.isfinite(scores)
    truth, scores = truth[scored], scores[scored]
    return float(roc_auc_score(truth, scores)) if 0 < truth.sum() < len(truth) else float("nan")


def stage_folds(stages, cutoff: int, n_folds: int, seed: int) -> list[tuple[NDArray, NDArray]]:
    """Folds of patients (rows) stratified by stage; by cut-off only where a stage has too few patients."""
    stages = np.asarray(stages)
    _, counts = np.unique(stages, return_counts=True)
    strata = stages if counts.min() >= n_folds else at_least(stages, cutoff)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return list(folds.split(np.zeros(len(stages)), strata))


def predictions_of(
    name: str, patients: pd.DataFrame, scores: NDArray[np.float64], split: str, cutoff: int, fold: int | None = None
) -> pd.DataFrame:
    """Rows of the predictions table; patients without a score are left out."""
    table = pd.DataFrame(
        {
            "patient_id": patients.index.astype(str),
            "model": name,
            "split": split,
            "fold": pd.array([fold] * len(patients), dtype="Int64"),
            "repeat": 0,
            "stage": patients["stage"].to_numpy(),
            "y_true": at_least(patients["stage"].to_numpy(), cutoff),
            "y_score": scores,
        }
    )
    return table[np.isfinite(scores)]


def evaluate(
    name: str,
    diagnostic: BaseEstimator,
    patients: pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    cutoff: int | None = None,
    grid: dict | list[dict] | None = None,
    n_folds: int = 5,
    n_repeats: int = 1,
    seed: int = 0,
    n_jobs: int = 1,
) -> Evaluation:
    """Tune by cross-validation inside the training patients, fit on all of them, score validation and test once.

    The classifier is given only the columns that it declares, so it cannot see the stage. A ``fit`` with a parameter
    ``validation`` receives the validation patients for early stopping; nothing sees the held-out fold.

    Parameters
    ----------
    name, diagnostic : str, estimator
        Its name in the predictions table; a scikit-learn classifier or pipeline. One with a parameter ``cutoff`` is
        trained on stages and predicts ``stage >= cutoff``; any other is trained on labels, 1 where ``stage >= cutoff``.
    patients : DataFrame
        One row per patient, with ``stage``, ``split`` (``train``, ``validation``, ``test``) and what is read.
    columns : sequence of str or None
        Columns of `patients` that the diagnostic is given; None takes those of its attribute ``columns``.
    cutoff : int or None
        Stage at or above which a patient counts as diseased; None takes the diagnostic's own, and 2 where it has none.
    grid : dict, list of dict or None
        Parameter grid, or grids, of scikit-learn's `GridSearchCV`, the most cautious setting first: the first one
        within one standard error of the best mean AUC is chosen. None or empty keeps the diagnostic's own settings.
    n_folds, n_repeats : int
        Folds of the training patients, and how often they are divided anew to choose the setting. Out-of-fold
        scores and training curves are those of the first division.
    seed, n_jobs : int
        Seed of the divisions; processes, through joblib.

    Raises
    ------
    FibrolibError
        Columns, cut-offs, missing values or a classifier without probabilities do not allow an evaluation.
    """
    candidates = [clone(diagnostic).set_params(**params) for params in ParameterGrid(grid or {})]
    cutoff = _agreed_cutoff(name, diagnostic, candidates, cutoff)
    columns = _declared_columns(diagnostic, candidates) if columns is None else _as_list(columns)
    _check_columns(name, columns, patients)
    parts = {side: patients[patients["split"] == side] for side in ("train", "validation", "test")}
    X, y = parts["train"][columns], _target(diagnostic, parts["train"], cutoff)
    validation = (parts["validation"][columns], _target(diagnostic, parts["validation"], cutoff))
    options = {"validation": validation} if has_fit_parameter(diagnostic, "validation") else {}
    divisions = [stage_folds(parts["train"]["stage"], cutoff, n_folds, seed + _APART * k) for k in range(n_repeats)]
    with _missing_values_named(name, patients[columns]):
        every_fold = [fold for division in divisions for fold in division]
        search = GridSearchCV(
            diagnostic,
            grid or {},
            scoring=auc_at_cutoff,
            error_score="raise",
            refit=False,
            n_jobs=n_jobs,
            cv=every_fold,
        )
        with workers_end_here(n_jobs):
            search.fit(X, y, **options)
        settings = _search_table(search.cv_results_, n_folds, n_repeats)
        best = search.cv_results_["params"][settings.index[0]]
        settings = settings.reset_index(drop=True)
        chosen = clone(diagnostic).set_params(**best)
        # Refit the folds at the chosen settings for scores and curves; nets load these fits from ``memory``.
        refits = [clone(chosen).fit(X.iloc[rows], y[rows], **options) for rows, _ in divisions[0]]
        fit = delayed(clone(chosen).fit)(X, y, **options)
        (final,) = in_parallel([fit], 1 if n_jobs == 1 else n_workers(here=1))
        predictions, cv_auc = _all_predictions(name, final, parts, columns, cutoff, divisions[0], refits)
    return Evaluation(name, final, predictions, cv_auc, settings, best, _histories(refits, final))


def fit_without_fold(
    diagnostic: BaseEstimator, patients: pd.DataFrame, fold: int, *, n_folds: int, seed: int
) -> BaseEstimator:
    """Fit a clone on the training patients without one fold (from 1), as `evaluate` did in its cross-validation."""
    train, validation = (patients[patients["split"] == part] for part in ("train", "validation"))
    rows, _ = stage_folds(train["stage"], diagnostic.cutoff, n_folds, seed)[fold - 1]
    (X, y), stopping = ((part, part["stage"].to_numpy()) for part in (train.iloc[rows], validation))
    return clone(diagnostic).fit(X, y, validation=stopping)


def fit_shuffled(diagnostic: BaseEstimator, patients: pd.DataFrame, seed: int) -> BaseEstimator:
    """Fit a clone to stages shuffled among the training patients, and among the validation patients."""
    random = np.random.default_rng(seed)
    parts = (patients[patients["split"] == part] for part in ("train", "validation"))
    (train, stages), validation = ((rows, random.permutation(rows["stage"].to_numpy())) for rows in parts)
    return clone(diagnostic).set_params(seed=seed).fit(train, stages, validation=validation)


def _own_cutoff(estimator: BaseEstimator) -> int | None:
    """The cut-off of an estimator, or of the last step of a pipeline; None for a plain classifier."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return getattr(last, "cutoff", None)


def _target(diagnostic: BaseEstimator, patients: pd.DataFrame, cutoff: int) -> NDArray[np.int64]:
    """What a diagnostic learns: stages where it has a cut-off of its own, else labels."""
    stages = patients["stage"].to_numpy()
    return at_least(stages, cutoff) if _own_cutoff(diagnostic) is None else stages


def _probability(estimator: BaseEstimator, X: pd.DataFrame) -> NDArray[np.float64]:
    """Probability of ``stage >= cutoff`` by a fitted estimator, shape ``(n_patients,)``."""
    classes = np.asarray(getattr(estimator, "classes_", (0, 1))).tolist()
    if set(classes) != {0, 1}:
        raise FibrolibError(
            f"{type(estimator).__name__} has the classes {classes}. Expected 0 (below the cut-off) and 1 (at or above "
            "it): a classifier with a parameter 'cutoff' is given stages and must set classes_ to [0, 1]."
        )
    return np.asarray(estimator.predict_proba(X))[:, classes.index(1)]


def _agreed_cutoff(name: str, diagnostic: BaseEstimator, candidates: list[BaseEstimator], cutoff: int | None) -> int:
    """The given cut-off, or the diagnostic's own; every candidate must have the same, and give probabilities."""
    for kind in {type(estimator).__name__ for estimator in candidates if not hasattr(estimator, "predict_proba")}:
        raise FibrolibError(
            f"{name}: {kind} has no predict_proba, and probabilities are needed. Choose a classifier that gives them, "
            "or put it into sklearn.calibration.CalibratedClassifierCV."
        )
    own = _own_cutoff(diagnostic)
    if cutoff is None:
        cutoff = _USUAL_CUTOFF if own is None else own
    for other in {_own_cutoff(candidate) for candidate in candidates} - {None, cutoff}:
        raise FibrolibError(
            f"{name}: the cut-off of the evaluation is {cutoff}, that of its classifier {other}. Give both the same "
            "(evaluate one cut-off at a time, and leave it out of the grid)."
        )
    return cutoff


def _declared_columns(diagnostic: BaseEstimator, candidates: list[BaseEstimator]) -> list[str]:
    """All columns in the attribute ``columns`` of the candidates: settings may change it (a net's view)."""
    own = getattr(diagnostic, "columns", ())  # an attribute set from outside is not on a clone
    return _as_list([column for each in candidates for column in _as_list(getattr(each, "columns", own))])


def _as_list(columns: Sequence[str] | str) -> list[str]:
    return [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))


def _check_columns(name: str, columns: list[str], patients: pd.DataFrame) -> None:
    """Refuse missing columns, and those that hold the outcome under any name."""
    available = [str(column) for column in patients if column not in _OUTCOMES]
    if not columns:
        raise FibrolibError(
            f"{name} declares no columns, so it would be given nothing. Name them: evaluate(..., columns=[...]), or an "
            f"attribute 'columns' of the classifier. There are: {', '.join(available)}."
        )
    for column in columns:
        declares = f"{name} declares the column '{column}', which"
        if column in _OUTCOMES:
            raise FibrolibError(
                f"{declares} holds the outcome or the division of the patients. No classifier is given it: take it out "
                "of the columns."
            )
        if column not in available:
            folded = {other.lower(): other for other in available}
            near = difflib.get_close_matches(column.lower(), folded, n=1)
            hint = f" Did you mean '{folded[near[0]]}'?" if near else ""
            raise FibrolibError(f"{declares} the patients do not have.{hint} There are: {', '.join(available)}.")
        if _is_outcome(patients[column], patients["stage"]):
            raise FibrolibError(
                f"{declares} is the stage, or a label made from it, by another name: each of its values stands for one "
                "stage or one side of a cut-off. Take it out of the columns."
            )


def _is_outcome(values: pd.Series, stages: pd.Series) -> bool:
    """Whether values correspond one to one to the stages, or to the sides of a cut-off, in all patients."""
    outcomes = [stages.to_numpy(), *(at_least(stages, cutoff) for cutoff in sorted(set(stages))[1:])]
    codes = pd.factorize(values.astype(str))[0]
    return any(np.array_equal(codes, pd.factorize(outcome)[0]) for outcome in outcomes)


@contextmanager
def _missing_values_named(name: str, X: pd.DataFrame) -> Iterator[None]:
    """Name the columns with missing values if an estimator does not accept them; its tags do not tell beforehand."""
    try:
        yield
    except ValueError as error:
        missing = X.isna().sum()
        missing = missing[missing > 0]
        if missing.empty or "NaN" not in str(error):
            raise
        counts = ", ".join(f"{column} ({count})" for column, count in missing.items())
        raise FibrolibError(
            f"{name} does not accept missing values. Columns that have some, and in how many of {len(X)} patients: "
            f"{counts}. Begin the pipeline with sklearn.impute.SimpleImputer, or leave those patients out: "
            f"patients.dropna(subset={missing.index.tolist()})."
        ) from error


def _all_predictions(
    name: str, final, parts: dict, columns: list[str], cutoff: int, folds, fold_estimators
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Out-of-fold rows, then those of validation and test patients; and the AUC of each fold."""
    tables, areas = [], []
    for number, ((_, held_out), estimator) in enumerate(zip(folds, fold_estimators, strict=True), start=1):
        patients = parts["train"].iloc[held_out]
        scores = _probability(estimator, patients[columns])
        tables.append(predictions_of(name, patients, scores, "train", cutoff, number))
        areas.append(_auc_of_scored(at_least(patients["stage"].to_numpy(), cutoff), scores))
    for side in ("validation", "test"):
        patients = parts[side]
        tables.append(predictions_of(name, patients, _probability(final, patients[columns]), side, cutoff))
    return pd.concat(tables, ignore_index=True), np.array(areas)


def _search_table(results: dict, n_folds: int, n_repeats: int = 1) -> pd.DataFrame:
    """Parameters, AUC of each fold, mean, spread and rank over the folds that have an AUC; one row per setting.

    The chosen setting stands first, then the others by their mean. The choice is the first setting of the grid whose
    mean lies within one standard error of the best one (Breiman et al. 1984, CART, section 3.4.3). Repeated divisions
    of the same patients make the mean less dependent on chance; the standard error stays that of one division.
    """
    parameters = pd.json_normalize(results["params"])
    folds = pd.DataFrame({f"auc_fold{k + 1}": results[f"split{k}_test_score"] for k in range(n_folds * n_repeats)})
    mean = folds.mean(axis=1)
    if mean.isna().any():
        raise ValueError("no fold holds both classes among the patients that can be scored")
    ranks = mean.rank(ascending=False, method="min").astype(int)
    table = parameters.join(folds).assign(auc_mean=mean, auc_sd=folds.std(axis=1, ddof=0), rank=ranks)
    error = folds.sem(axis=1).fillna(0.0)[mean.idxmax()] * n_repeats**0.5
    allowed = mean >= mean.max() - error
    chosen = table.index == allowed.idxmax()
    order = np.lexsort((-mean, ~chosen))
    return table.iloc[order]


def _histories(fold_estimators, final) -> pd.DataFrame:
    named = [*enumerate(fold_estimators, start=1), (None, final)]
    curves = [
        estimator.history_.assign(fold=pd.array([fold] * len(estimator.history_), dtype="Int64"))
        for fold, estimator in named
        if hasattr(estimator, "history_")
    ]
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()
