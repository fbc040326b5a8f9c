"""Nets as scikit-learn estimators, and the one procedure that evaluates every diagnostic."""

from fibrolib.learning.classifier import NetClassifier
from fibrolib.learning.clips import (
    AS_FILMED,
    PERTURBATIONS,
    VIEWS,
    Augment,
    ClipDataset,
    average_by_patient,
    shifted,
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
from fibrolib.learning.training import ClipNet, pick_device, torch_threads, warm_cosine

__all__ = [
    "AS_FILMED",
    "PERTURBATIONS",
    "VIEWS",
    "Augment",
    "ClipDataset",
    "ClipNet",
    "Evaluation",
    "NetClassifier",
    "auc_at_cutoff",
    "average_by_patient",
    "evaluate",
    "fit_shuffled",
    "fit_without_fold",
    "pick_device",
    "predictions_of",
    "shifted",
    "stage_folds",
    "torch_threads",
    "warm_cosine",
]
