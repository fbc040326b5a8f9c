"""Nets as scikit-learn estimators, and the one procedure that evaluates every diagnostic."""

from fibrolib.learning.classifier import NetClassifier, fit_folder
from fibrolib.learning.clips import (
    PERTURBATIONS,
    VIEWS,
    Augment,
    ClipDataset,
    average_by_patient,
    shifted,
    spread_windows,
    take_window,
)
from fibrolib.learning.evaluation import (
    Evaluation,
    auc_at_cutoff,
    evaluate,
    fit_shuffled,
    fit_without_fold,
    predictions_of,
    stage_folds,
)
from fibrolib.learning.training import (
    ClipNet,
    channels_last,
    cosine_schedule,
    pick_device,
    torch_threads,
    warm_cosine,
)

__all__ = [
    "PERTURBATIONS",
    "VIEWS",
    "Augment",
    "ClipDataset",
    "ClipNet",
    "Evaluation",
    "NetClassifier",
    "auc_at_cutoff",
    "average_by_patient",
    "channels_last",
    "cosine_schedule",
    "evaluate",
    "fit_folder",
    "fit_shuffled",
    "fit_without_fold",
    "pick_device",
    "predictions_of",
    "shifted",
    "spread_windows",
    "stage_folds",
    "take_window",
    "torch_threads",
    "warm_cosine",
]
