"""Figures, and results in words: draws what other rooms computed. The only room that imports matplotlib and seaborn."""

from fibrolib.plots.accuracy import plot_delong_matrix, plot_forest, plot_roc, plot_zones
from fibrolib.plots.explanations import plot_gradcam, plot_shares
from fibrolib.plots.patient_table import readable_patients
from fibrolib.plots.patients import LABS, plot_flow, plot_labs, plot_sample_frames, plot_stages
from fibrolib.plots.sentences import (
    describe_attribution,
    describe_comparisons,
    describe_folds,
    describe_model,
    readable_beside,
    readable_comparisons,
    readable_metrics,
    with_interval,
)
from fibrolib.plots.style import MODEL_COLOURS, MODEL_LABELS, model_colour, model_label, save_figure
from fibrolib.plots.training import plot_curves, plot_model_view, plot_search

__all__ = [
    "LABS",
    "MODEL_COLOURS",
    "MODEL_LABELS",
    "describe_attribution",
    "describe_comparisons",
    "describe_folds",
    "describe_model",
    "model_colour",
    "model_label",
    "plot_curves",
    "plot_delong_matrix",
    "plot_flow",
    "plot_forest",
    "plot_gradcam",
    "plot_labs",
    "plot_model_view",
    "plot_roc",
    "plot_sample_frames",
    "plot_search",
    "plot_shares",
    "plot_stages",
    "plot_zones",
    "readable_beside",
    "readable_comparisons",
    "readable_metrics",
    "readable_patients",
    "save_figure",
    "with_interval",
]
