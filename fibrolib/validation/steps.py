"""What frozen models show in another cohort: as they are, then, as a second step, recalibrated on a share of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from fibrolib.errors import FibrolibError, counted
from fibrolib.inference import (
    InferenceError,
    calibration_curves,
    decision_curves,
    fit_recalibration,
    recalibrated,
    summarise_calibration,
    summarise_models,
)
from fibrolib.learning import predictions_of
from fibrolib.stages import is_metavir
from fibrolib.study import Staging
from fibrolib.study.tables import performance_tables, staging_tables

_RECALIBRATIONS = ("intercept", "intercept and slope")
AS_FROZEN = "none"
"""Recalibrations, and what stands for none in a table."""

_RESAMPLES = 300  # of the second step, whose calibration is computed three times over

GROUP = "external"
"""Name of the patients of the other cohort, as of a group in tables of staging."""


def _predictions_table(scores: Mapping[str, pd.DataFrame], patients: pd.DataFrame, cutoff: int) -> pd.DataFrame:
    """The predictions table of all patients by all models, as test patients; `scores` from `_stage_probabilities`."""
    tables = [predictions_of(name, patients, each[cutoff].to_numpy(), "test", cutoff) for name, each in scores.items()]
    return pd.concat(tables, ignore_index=True)


def _first_step(
    predictions: pd.DataFrame, thresholds: pd.DataFrame, development: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Everything that is estimated with the models as they are; nothing is fitted, chosen or recalibrated.

    The tables of a run's test patients (``metrics``, ``comparisons``, ...), ``calibration, calibration_curves,
    decision``, and ``transport``: AUC here beside that in the test patients of the `development` cohort.
    """
    tables = performance_tables(predictions, thresholds)
    return {
        **tables,
        "calibration": summarise_calibration(predictions),
        "calibration_curves": calibration_curves(predictions),
        "decision": decision_curves(predictions),
        "transport": _transport(tables["metrics"], development),
    }


def _transport(here: pd.DataFrame, development: pd.DataFrame) -> pd.DataFrame:
    """AUC in both cohorts, and the difference of independent areas with its limits (Zou & Donner 2008)."""
    columns = ["model", "n", "n_positive", "auc", "auc_low", "auc_high"]
    table = here[columns].merge(development[columns], on="model", how="left", suffixes=("", "_development"))
    change = table["auc"] - table["auc_development"]
    down = np.hypot(table["auc"] - table["auc_low"], table["auc_high_development"] - table["auc_development"])
    up = np.hypot(table["auc_high"] - table["auc"], table["auc_development"] - table["auc_low_development"])
    return table.assign(change=change, change_low=change - down, change_high=change + up)


def _stage_externals(
    scores: Mapping[str, pd.DataFrame], patients: pd.DataFrame, cutoff: int
) -> dict[str, pd.DataFrame]:
    """`fibrolib.study.tables.staging_tables` of the nets among the models; none where there are two stages, or no net.

    Cut-offs are those of `fibrolib.experiments.stage_patients`.
    """
    nets = {name: each for name, each in scores.items() if each.shape[1] > 1}
    if not nets:
        return {}
    stages = patients["stage"]
    least, most = 2 if is_metavir(stages) else 1, next(iter(nets.values())).shape[1]
    return staging_tables({GROUP: Staging(stages, nets)}, sorted({*range(least, most + 1), cutoff}))


def _draw_share(predictions: pd.DataFrame, share: float, seed: int) -> pd.Series:
    """Which patients a recalibration is fitted on, by id: a share of either class, whatever the order of the rows."""
    truth = predictions.drop_duplicates("patient_id").set_index("patient_id")["y_true"].sort_index()
    try:
        fitted, _ = train_test_split(np.arange(len(truth)), train_size=share, stratify=truth, random_state=seed)
    except ValueError as error:
        raise FibrolibError(
            f"--share {share:g} of {counted(len(truth), 'patient')} leaves one side without patients of one class."
        ) from error
    return pd.Series(np.isin(np.arange(len(truth)), fitted), index=truth.index, name="fitted")


def _second_step(predictions: pd.DataFrame, thresholds: pd.DataFrame, fitted: pd.Series) -> dict[str, pd.DataFrame]:
    """Recalibrate on some patients (`_draw_share`) and evaluate on the rest, beside the models as they are there.

    ``recalibration``: ``model, recalibration, n, intercept, slope, note``; ``recalibrated_predictions``; and with
    ``recalibration`` in the first column ``recalibrated_metrics, recalibrated_calibration, recalibrated_decision``.
    """
    inside = predictions["patient_id"].map(fitted)
    rest, fits, parts = predictions[~inside], [], {AS_FROZEN: predictions[~inside]}
    for kind in _RECALIBRATIONS:
        rows = [_fit(name, kind, each) for name, each in predictions[inside].groupby("model", sort=False)]
        fits += rows
        moved = [_moved(rest[rest["model"] == row["model"]], row) for row in rows if not row["note"]]
        if moved:
            parts[kind] = pd.concat(moved, ignore_index=True)
    operating_points = thresholds.set_index("model")["threshold"]
    statistics = {
        "metrics": lambda each: summarise_models(each, operating_points[operating_points.index.isin(each["model"])]),
        "calibration": partial(summarise_calibration, n_resamples=_RESAMPLES),
        "decision": decision_curves,
        "predictions": lambda each: each,
    }
    tables = {f"recalibrated_{name}": _of_parts(parts, statistic) for name, statistic in statistics.items()}
    return {"recalibration": pd.DataFrame(fits), **tables}


def _of_parts(parts: Mapping[str, pd.DataFrame], statistic: Callable) -> pd.DataFrame:
    table = pd.concat({kind: statistic(each) for kind, each in parts.items()}, names=["recalibration"])
    return table.reset_index("recalibration").reset_index(drop=True)


def _fit(name: str, kind: str, rows: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"model": name, "recalibration": kind, "n": len(rows)}
    try:
        intercept, slope = fit_recalibration(rows["y_true"], rows["y_score"], slope=kind != _RECALIBRATIONS[0])
    except InferenceError as error:
        return row | {"intercept": np.nan, "slope": np.nan, "note": str(error)}
    return row | {"intercept": intercept, "slope": slope, "note": ""}


def _moved(rows: pd.DataFrame, fit: Mapping) -> pd.DataFrame:
    return rows.assign(y_score=recalibrated(rows["y_score"], fit["intercept"], fit["slope"]))
