"""Nets as scikit-learn estimators, and the one procedure that evaluates every diagnostic."""

from fibrolib.learning.augment import Augment
from fibrolib.learning.classifier import NetClassifier
from fibrolib.learning.evaluation import Evaluation, auc_at_cutoff, evaluate, stage_folds

__all__ = ["Augment", "Evaluation", "NetClassifier", "auc_at_cutoff", "evaluate", "stage_folds"]
