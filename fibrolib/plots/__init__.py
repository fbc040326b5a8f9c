"""Figures, and results in words: draws what other rooms computed. The only room that imports matplotlib and seaborn."""

from fibrolib.plots.accuracy import plot_delong_matrix, plot_forest, plot_roc, plot_zones
from fibrolib.plots.claims import CLAIMS, readable_claims
from fibrolib.plots.comparisons import describe_comparisons, describe_joint, readable_comparisons, readable_tests
from fibrolib.plots.explanations import plot_shares, readable_layers
from fibrolib.plots.maps import OPACITY, beside_overlay, film, overlay_frames, plot_maps
from fibrolib.plots.motion_use import plot_motion_use, readable_motion_use
from fibrolib.plots.panels import plot_patient, png_bytes
from fibrolib.plots.patient_table import readable_patients
from fibrolib.plots.patients import plot_flow, plot_labs, plot_sample_frames, plot_stages
from fibrolib.plots.planted import config_label, plot_overlays, plot_planted, readable_planted
from fibrolib.plots.sentences import (
    collect_notes,
    describe_attribution,
    describe_choice,
    describe_evidence,
    describe_folds,
    describe_model,
    describe_notes,
    describe_setting,
    describe_training,
    readable_beside,
    readable_calibration,
    readable_metrics,
    with_interval,
)
from fibrolib.plots.staging import (
    plot_answers,
    plot_confusion,
    readable_answers,
    readable_auc_by_cutoff,
    readable_staging,
    readable_staging_comparisons,
)
from fibrolib.plots.style import model_colour, model_label, save_figure
from fibrolib.plots.training import plot_curves, plot_model_view, plot_schedule, plot_search, readable_network
from fibrolib.plots.trust import (
    method_label,
    plot_cascade,
    plot_depth,
    plot_faithfulness,
    plot_sanity,
    readable_sanity,
)
from fibrolib.plots.truth import REGIONS, plot_agreement, plot_carriers, plot_ceilings, plot_masks
from fibrolib.plots.uncertainty import (
    interval_label,
    plot_attainable,
    plot_calibration,
    plot_coverage,
    plot_decision,
    plot_power,
    plot_pvalue_range,
    plot_split_luck,
)
from fibrolib.plots.virtual import plot_mmode, plot_movement, plot_plate

__all__ = [
    "CLAIMS",
    "OPACITY",
    "REGIONS",
    "beside_overlay",
    "collect_notes",
    "config_label",
    "describe_attribution",
    "describe_choice",
    "describe_comparisons",
    "describe_evidence",
    "describe_folds",
    "describe_joint",
    "describe_model",
    "describe_notes",
    "describe_setting",
    "describe_training",
    "film",
    "interval_label",
    "method_label",
    "model_colour",
    "model_label",
    "overlay_frames",
    "plot_agreement",
    "plot_answers",
    "plot_attainable",
    "plot_calibration",
    "plot_carriers",
    "plot_cascade",
    "plot_ceilings",
    "plot_confusion",
    "plot_coverage",
    "plot_curves",
    "plot_decision",
    "plot_delong_matrix",
    "plot_depth",
    "plot_faithfulness",
    "plot_flow",
    "plot_forest",
    "plot_labs",
    "plot_maps",
    "plot_masks",
    "plot_mmode",
    "plot_model_view",
    "plot_motion_use",
    "plot_movement",
    "plot_overlays",
    "plot_patient",
    "plot_planted",
    "plot_plate",
    "plot_power",
    "plot_pvalue_range",
    "plot_roc",
    "plot_sample_frames",
    "plot_sanity",
    "plot_schedule",
    "plot_search",
    "plot_shares",
    "plot_split_luck",
    "plot_stages",
    "plot_zones",
    "png_bytes",
    "readable_answers",
    "readable_auc_by_cutoff",
    "readable_beside",
    "readable_calibration",
    "readable_claims",
    "readable_comparisons",
    "readable_layers",
    "readable_metrics",
    "readable_motion_use",
    "readable_network",
    "readable_patients",
    "readable_planted",
    "readable_sanity",
    "readable_staging",
    "readable_staging_comparisons",
    "readable_tests",
    "save_figure",
    "with_interval",
]
