"""Comparing two kinds of model, each trained several times: another training would have given other scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fibrolib.errors import counted
from fibrolib.inference.checks import _ALTERNATIVES, InferenceError, _check_choice, _check_level, _class_sizes
from fibrolib.inference.comparisons import Comparison, _compare
from fibrolib.inference.delong import _as_table, _placed_columns
from fibrolib.inference.intervals import _small_sample_note
from fibrolib.inference.roc import _area, _placement_covariance


def compare_trainings(
    y_true: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    alternative: str = "two-sided",
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Test whether two kinds of model have equal mean ROC areas over trainings and patients.

    :func:`delong_test` of two trained models holds for these models only. Here trainings are random, as readers are in
    a reader study: the test of Obuchowski & Rockette (Commun Stat Simul Comput 1995;24:285) with DeLong's covariances
    and Hillis' degrees of freedom (Stat Med 2007;26:596).

    Parameters
    ----------
    y_true : array_like, shape (n,)
        0 and 1, or labels; the patients that all trainings are tested on.
    scores_a, scores_b : array_like, shape (n, k)
        One column for each of k >= 2 trainings, or a list of k scores. Equal columns belong together: the same seed and
        training patients.
    alternative, pos_label, confidence_level
        As in :func:`delong_test`.

    Returns
    -------
    Comparison
        Mean areas over the trainings, and Student's t of their difference.
    """
    level = _check_level(confidence_level)
    _check_choice(alternative, "alternative", _ALTERNATIVES)
    a, b = (_as_table(scores, len(y_true)) for scores in (scores_a, scores_b))
    k = a.shape[1]
    if k != b.shape[1] or k < 2:
        raise InferenceError(
            f"{counted(k, 'training')} against {b.shape[1]}: each kind of model needs as many, at least two"
        )
    positive, placed = _placed_columns(y_true, *a.T, *b.T, pos_label=pos_label)
    areas = np.array([_area(positive, column) for column in placed]).reshape(2, k)
    error, df = _training_error(areas, _placement_covariance(positive, placed))
    means, n = tuple(areas.mean(axis=1).tolist()), len(positive)
    note = _small_sample_note(*_class_sizes(positive))
    return _compare("trainings as readers", means, error, n, level, note, df, alternative)


def _training_error(areas: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
    """Standard error of the difference of the mean areas, shape (2, k), and Hillis' degrees of freedom."""
    k = areas.shape[1]
    interaction = float(np.var(areas[0] - areas[1], ddof=1)) / 2
    others = ~np.eye(k, dtype=bool)
    within = (covariance[:k, :k] + covariance[k:, k:])[others].mean() / 2
    between = covariance[:k, k:][others].mean()
    total = interaction + k * max(0.0, float(within - between))
    return float(np.sqrt(2 * total / k)), (k - 1) * (total / interaction) ** 2 if interaction > 0 else float("inf")
