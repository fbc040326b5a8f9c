"""Numbers with an interval or a p-value: areas, tests, calibration, net benefit, staging; no files, no models.

Data that do not allow a statistic (one class only, missing scores, lengths that differ) raise `InferenceError`, in
tables they are a note; settings that nobody can mean (a confidence level of 95) raise ValueError.

What judges a study (forensics, power, coverage, luck of the split) is in `fibrolib.inference.appraisal`.
"""

from fibrolib.inference.calibration import (
    calibration_curve,
    calibration_curves,
    calibration_metrics,
    summarise_calibration,
)
from fibrolib.inference.checks import InferenceError
from fibrolib.inference.comparisons import Comparison, mcnemar_test
from fibrolib.inference.delong import compare_trainings, delong_joint_test, delong_test
from fibrolib.inference.intervals import Estimate, estimates_table, wilson
from fibrolib.inference.metrics import classification_metrics, confusion, decision_curves
from fibrolib.inference.partial import partial_auc, partial_auc_test
from fibrolib.inference.permutation import permutation_test
from fibrolib.inference.predictions import select_predictions
from fibrolib.inference.recalibration import fit_recalibration, log_odds, recalibrated
from fibrolib.inference.roc import auc, auc_ci, roc_points, share_of_ceiling
from fibrolib.inference.staging import obuchowski, obuchowski_test, quadratic_kappa
from fibrolib.inference.tables import (
    adjust_pvalues,
    choose_thresholds,
    compare_models,
    compare_staging,
    count_results,
    joint_test,
    summarise_models,
    threshold_ranges,
)
from fibrolib.inference.thresholds import choose_threshold, coords, sensitivity_at_specificity

__all__ = [
    "Comparison",
    "Estimate",
    "InferenceError",
    "adjust_pvalues",
    "auc",
    "auc_ci",
    "calibration_curve",
    "calibration_curves",
    "calibration_metrics",
    "choose_threshold",
    "choose_thresholds",
    "classification_metrics",
    "compare_models",
    "compare_staging",
    "compare_trainings",
    "confusion",
    "coords",
    "count_results",
    "decision_curves",
    "delong_joint_test",
    "delong_test",
    "estimates_table",
    "fit_recalibration",
    "joint_test",
    "log_odds",
    "mcnemar_test",
    "obuchowski",
    "obuchowski_test",
    "partial_auc",
    "partial_auc_test",
    "permutation_test",
    "quadratic_kappa",
    "recalibrated",
    "roc_points",
    "select_predictions",
    "sensitivity_at_specificity",
    "share_of_ceiling",
    "summarise_calibration",
    "summarise_models",
    "threshold_ranges",
    "wilson",
]
