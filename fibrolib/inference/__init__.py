"""Numbers with an interval or a p-value: DeLong's tests, AUC intervals, metrics, staging, power, forensics.

Works on plain arrays and on the predictions table; reads no file, knows no model.
"""

from fibrolib.inference.agreement import McNemarResult, mcnemar_test, quadratic_kappa
from fibrolib.inference.checks import InferenceError
from fibrolib.inference.compare import auc_by_fold, choose_thresholds, compare_models, summarise_models
from fibrolib.inference.delong import auc, delong_covariance, delong_joint_test, delong_test
from fibrolib.inference.forensics import (
    area_is_attainable,
    comparison_range,
    hanley_mcneil_error,
    matching_confusions,
)
from fibrolib.inference.intervals import auc_ci, newcombe_limits, wilson
from fibrolib.inference.metrics import Confusion, classification_metrics, confusion
from fibrolib.inference.operating import choose_threshold
from fibrolib.inference.power import (
    auc_power,
    auc_sample_size,
    comparison_power,
    comparison_sample_size,
    power_curve,
    simulated_power,
)
from fibrolib.inference.predictions import check_predictions, select_predictions
from fibrolib.inference.results import DeLongCovariance, DeLongResult, Estimate, Interval, JointResult, estimates_table
from fibrolib.inference.roc import roc_band, roc_points
from fibrolib.inference.staging import ObuchowskiResult, obuchowski, obuchowski_test

__all__ = [
    "Confusion",
    "DeLongCovariance",
    "DeLongResult",
    "Estimate",
    "InferenceError",
    "Interval",
    "JointResult",
    "McNemarResult",
    "ObuchowskiResult",
    "area_is_attainable",
    "auc",
    "auc_by_fold",
    "auc_ci",
    "auc_power",
    "auc_sample_size",
    "check_predictions",
    "choose_threshold",
    "choose_thresholds",
    "classification_metrics",
    "compare_models",
    "comparison_power",
    "comparison_range",
    "comparison_sample_size",
    "confusion",
    "delong_covariance",
    "delong_joint_test",
    "delong_test",
    "estimates_table",
    "hanley_mcneil_error",
    "matching_confusions",
    "mcnemar_test",
    "newcombe_limits",
    "obuchowski",
    "obuchowski_test",
    "power_curve",
    "quadratic_kappa",
    "roc_band",
    "roc_points",
    "select_predictions",
    "simulated_power",
    "summarise_models",
    "wilson",
]
