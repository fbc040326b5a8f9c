"""Judging a study: forensics of printed numbers, power, coverage of intervals, luck of the split."""

from fibrolib.inference.appraisal.coverage import auc_coverage, metric_coverage, proportion_coverage
from fibrolib.inference.appraisal.forensics import (
    area_bounds,
    attainable_areas,
    comparison_range,
    implied_intervals,
    matching_confusions,
    needed_correlation,
)
from fibrolib.inference.appraisal.power import (
    Power,
    auc_power,
    auc_sample_size,
    comparison_power,
    comparison_sample_size,
    pilot_power,
    pilot_sample_size,
    power_curve,
)
from fibrolib.inference.appraisal.splits import (
    compare_redraws,
    optimism,
    redraw_splits,
    summarise_folds,
    summarise_redraws,
)

__all__ = [
    "Power",
    "area_bounds",
    "attainable_areas",
    "auc_coverage",
    "auc_power",
    "auc_sample_size",
    "compare_redraws",
    "comparison_power",
    "comparison_range",
    "comparison_sample_size",
    "implied_intervals",
    "matching_confusions",
    "metric_coverage",
    "needed_correlation",
    "optimism",
    "pilot_power",
    "pilot_sample_size",
    "power_curve",
    "proportion_coverage",
    "redraw_splits",
    "summarise_folds",
    "summarise_redraws",
]
