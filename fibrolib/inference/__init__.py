"""Numbers with an interval or a p-value: DeLong, calibration, net benefit, staging, resampling, power, forensics.

Works on plain arrays and on the predictions table; reads no file, knows no model.
"""

from fibrolib.inference.agreement import McNemarResult, mcnemar_test, quadratic_kappa
from fibrolib.inference.calibration import calibration_metrics, summarise_calibration
from fibrolib.inference.ceiling import share_of_ceiling
from fibrolib.inference.checks import InferenceError
from fibrolib.inference.compare import choose_thresholds, compare_models, summarise_models
from fibrolib.inference.counts import Confusion
from fibrolib.inference.coverage import auc_coverage, metric_coverage, proportion_coverage
from fibrolib.inference.decision import decision_curve, decision_curves
from fibrolib.inference.delong import auc, delong_covariance, delong_joint_test, delong_test
from fibrolib.inference.folds import auc_by_fold, summarise_folds
from fibrolib.inference.forensic_ranges import (
    comparison_range,
    hanley_mcneil_error,
    implied_intervals,
    needed_correlation,
)
from fibrolib.inference.forensics import area_bounds, area_is_attainable, attainable_areas, matching_confusions
from fibrolib.inference.intervals import auc_ci, newcombe_limits, wilson
from fibrolib.inference.metrics import classification_metrics, confusion
from fibrolib.inference.operating import choose_threshold
from fibrolib.inference.pairs import adjust_pvalues
from fibrolib.inference.permutation import ExchangeResult, permutation_test
from fibrolib.inference.power import (
    auc_power,
    auc_power_curve,
    auc_sample_size,
    comparison_power,
    comparison_sample_size,
    power_curve,
)
from fibrolib.inference.power_simulation import simulated_auc_power, simulated_power, simulated_power_curve
from fibrolib.inference.predictions import check_predictions, select_predictions
from fibrolib.inference.results import DeLongCovariance, DeLongResult, Estimate, Interval, JointResult, estimates_table
from fibrolib.inference.roc import roc_band, roc_points
from fibrolib.inference.smoothing import calibration_curve, calibration_curves
from fibrolib.inference.splits import (
    compare_redraws,
    held_out_scores,
    optimism,
    redraw_splits,
    summarise_redraws,
)
from fibrolib.inference.staging import ObuchowskiResult, obuchowski, obuchowski_test
from fibrolib.inference.study_tables import compare_accuracy, compare_by_permutation, compare_staging, joint_test

__all__ = [
    "Confusion",
    "DeLongCovariance",
    "DeLongResult",
    "Estimate",
    "ExchangeResult",
    "InferenceError",
    "Interval",
    "JointResult",
    "McNemarResult",
    "ObuchowskiResult",
    "adjust_pvalues",
    "area_bounds",
    "area_is_attainable",
    "attainable_areas",
    "auc",
    "auc_by_fold",
    "auc_ci",
    "auc_coverage",
    "auc_power",
    "auc_power_curve",
    "auc_sample_size",
    "calibration_curve",
    "calibration_curves",
    "calibration_metrics",
    "check_predictions",
    "choose_threshold",
    "choose_thresholds",
    "classification_metrics",
    "compare_accuracy",
    "compare_by_permutation",
    "compare_models",
    "compare_redraws",
    "compare_staging",
    "comparison_power",
    "comparison_range",
    "comparison_sample_size",
    "confusion",
    "decision_curve",
    "decision_curves",
    "delong_covariance",
    "delong_joint_test",
    "delong_test",
    "estimates_table",
    "hanley_mcneil_error",
    "held_out_scores",
    "implied_intervals",
    "joint_test",
    "matching_confusions",
    "mcnemar_test",
    "metric_coverage",
    "needed_correlation",
    "newcombe_limits",
    "obuchowski",
    "obuchowski_test",
    "optimism",
    "permutation_test",
    "power_curve",
    "proportion_coverage",
    "quadratic_kappa",
    "redraw_splits",
    "roc_band",
    "roc_points",
    "select_predictions",
    "share_of_ceiling",
    "simulated_auc_power",
    "simulated_power",
    "simulated_power_curve",
    "summarise_calibration",
    "summarise_folds",
    "summarise_models",
    "summarise_redraws",
    "wilson",
]
