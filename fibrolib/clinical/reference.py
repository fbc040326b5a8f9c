"""What an imperfect reference does to an AUC: a biopsy that mis-stages makes a perfect test look worse than it is.

The error is a matrix: row i holds the probabilities of each stage that the biopsy may find in a patient of stage i.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.inference import Estimate, InferenceError
from fibrolib.inference.checks import (
    _as_float,
    _check_level,
    _check_order,
    _check_resamples,
    _check_scores,
    _check_seed,
    _check_share,
    _check_size,
    _check_stage_labels,
    _check_stages,
)
from fibrolib.inference.intervals import _join_notes, _small_sample_note

_Floats = NDArray[np.float64]


def staging_error(n_stages: int, rate: float, *, too_low: float = 0.5) -> _Floats:
    """Matrix of a biopsy that is wrong by one stage in a share of the patients of every stage.

    Parameters
    ----------
    n_stages : int
        Two or more.
    rate : float
        Share that is mis-staged: 0.25 (25 mm long) to 0.35 (15 mm; Bedossa 2003, Hepatology 38:1449).
    too_low : float
        Share of the errors that are a stage too low; of the first and the last stage all go to their one neighbour.
    """
    n_stages = _check_size(n_stages, "n_stages", least=2)
    _check_share(rate, "rate"), _check_share(too_low, "too_low")
    error = (1 - rate) * np.eye(n_stages)
    for stage in range(n_stages):
        below = 0.0 if stage == 0 else 1.0 if stage == n_stages - 1 else too_low
        for neighbour, share in ((stage - 1, below), (stage + 1, 1 - below)):
            if share:
                error[stage, neighbour] += rate * share
    return error


def attainable_auc(distribution: ArrayLike | Mapping[int, float], error: ArrayLike, cutoff: int) -> float:
    """AUC of a reader who knows the true stage, judged by an imperfect reference.

    Parameters
    ----------
    distribution : sequence of float, length k, or mapping of stages to float
        Share of each true stage, or number of its patients.
    error : array_like, shape (k, k)
        As of :func:`staging_error`.
    cutoff : int
        Condition: found stage >= cutoff.

    Notes
    -----
    Two patients of different found classes may be of the same true stage: such pairs count half. No score does better
    whose errors are not those of the biopsy itself (a picture that shows where the needle went would).
    """
    shares, matrix, cutoff = *_check_error(distribution, error), _check_size(cutoff, "cutoff", least=0)
    joint = shares[:, None] * matrix
    found = np.stack([joint[:, cutoff:].sum(axis=1), joint[:, :cutoff].sum(axis=1)])
    if not 0 < cutoff < len(shares) or not (found.sum(axis=1) > 0).all():
        raise InferenceError(f"with cut-off {cutoff} the reference finds one class only")
    cases, controls = found / found.sum(axis=1, keepdims=True)
    return float(cases @ (np.cumsum(controls) - controls / 2))


def corrected_auc(
    stage: ArrayLike,
    y_score: ArrayLike,
    error: ArrayLike,
    cutoff: int,
    *,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """AUC against the true stage, from an AUC against an imperfect reference whose errors are known.

    Parameters
    ----------
    stage : array_like of int, shape (n,)
        As the biopsy found it.
    y_score : array_like, shape (n,)
        Finite, higher means higher stage.
    error, cutoff
        As of :func:`attainable_auc`.
    confidence_level, n_resamples, seed
        Of the percentile bootstrap, which resamples patients within found stages.

    Returns
    -------
    Estimate
        The scores of each found stage are a mixture of those of true stages; the mixture is inverted, which gives every
        found stage a weight, also a negative one, in the curve of the truth. Not cut at 1: beyond it, error or
        assumption do not fit. Assumes that the error is known, is the same at every centre, and is independent of the
        score given the true stage. The interval takes error and distribution of the stages as known, so it is too
        narrow; NaN where no resample shows another area.

    Raises
    ------
    InferenceError
        A found stage has fewer patients than the error alone would put there, or the reference finds the condition no
        more often in patients who have it.
    """
    _check_level(confidence_level), _check_order(stage, y_score)
    seed = _check_seed(seed)
    n_resamples, cutoff = _check_resamples(n_resamples, confidence_level), _check_size(cutoff, "cutoff", least=0)
    found = _check_stages(stage)
    score, k = _check_scores(y_score, len(found)), len(_check_matrix(error))
    if found.max() >= k:
        raise InferenceError(f"the error is of {k} stages, and stage {found.max()} was found")
    counts = np.bincount(found, minlength=k)
    cases, controls = _weights(counts / len(found), error, cutoff)
    if (counts == 0).any() and not np.allclose(np.stack((cases, controls))[:, counts == 0], 0):
        raise InferenceError(f"no patient of stage {int(np.flatnonzero(counts == 0)[0])} was found: nothing to invert")
    share = 1 / counts[found]
    wins = (np.sign(score[:, None] - score) + 1) / 2
    a, b = cases[found] * share, controls[found] * share
    rng, times = np.random.default_rng(seed), np.zeros((n_resamples, len(found)))
    for each in np.flatnonzero(counts):
        rows = np.flatnonzero(found == each)
        times[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=n_resamples)
    draws = np.einsum("ri,ri->r", times * a @ wins, times * b)
    low, high = np.quantile(draws, [(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    value, note = float(a @ wins @ b), "error and stage distribution taken as known"
    if np.ptp(draws) < 1e-12:
        low = high = np.nan
        note = "no resample shows another area: no interval"
    above = "above 1: the error, or that it is independent of the score, does not fit" * (value > 1 + 1e-9)
    n_cases = int(np.count_nonzero(found >= cutoff))
    note = _join_notes(above, note, _small_sample_note(n_cases, len(found) - n_cases))
    return Estimate("AUC against the true stage", value, float(low), float(high), len(found), confidence_level,
                    "inverted mixture, bootstrap", note=note)  # fmt: skip


def _check_matrix(error: ArrayLike) -> _Floats:
    if isinstance(error, pd.DataFrame):
        _check_stage_labels(error.index, "the rows of the error")
        _check_stage_labels(error.columns, "the columns of the error")
    matrix = _as_float(error, "error")
    square = matrix.size > 0 and matrix.shape == (len(np.atleast_1d(matrix)),) * 2
    if not square or not np.allclose(matrix.sum(axis=1), 1) or matrix.min() < 0:
        raise InferenceError("the error must be a square matrix of probabilities, each row with the sum 1")
    return matrix


def _check_error(distribution: ArrayLike, error: ArrayLike) -> tuple[_Floats, _Floats]:
    distribution = pd.Series(distribution) if isinstance(distribution, Mapping) else distribution
    if isinstance(distribution, pd.Series):
        _check_stage_labels(distribution.index, "the shares of the distribution")
    shares, matrix = _as_float(distribution, "distribution"), _check_matrix(error)
    if shares.shape != matrix.shape[:1]:
        raise InferenceError(f"the error is of {len(matrix)} stages: give the share of each in the distribution")
    if not (np.isfinite(shares).all() and shares.min() >= 0 and shares.sum() > 0):
        raise InferenceError("the distribution of the stages must hold finite shares from 0 on")
    return shares / shares.sum(), matrix


def _weights(found: _Floats, error: ArrayLike, cutoff: int) -> tuple[_Floats, _Floats]:
    """Weight of each found stage in the true cases' and in the true controls' distribution of scores."""
    _, matrix = _check_error(found, error)
    if np.linalg.matrix_rank(matrix) < len(matrix):
        raise InferenceError("two stages are found alike by so large an error: it cannot be inverted")
    true = np.linalg.solve(matrix.T, found)
    if true.min() < -1e-12:
        raise InferenceError(
            f"stage {int(true.argmin())} was found in fewer patients than mis-staging of its neighbours alone "
            "would put there: so large an error does not fit these patients"
        )
    # Found stage j is a mixture of true stages: its column of the joint distribution.
    mixture = (true[:, None] * matrix / np.where(found > 0, found, 1)).T
    groups = [np.where(np.arange(len(true)) >= cutoff, true, 0.0), np.where(np.arange(len(true)) < cutoff, true, 0.0)]
    if min(group.sum() for group in groups) <= 0:
        raise InferenceError(f"with cut-off {cutoff} all patients are of one true class")
    groups, finds = [group / group.sum() for group in groups], matrix[:, cutoff:].sum(axis=1)
    if groups[0] @ finds <= groups[1] @ finds:
        raise InferenceError(
            "with so large an error the reference finds the condition no more often in those who have it"
        )
    cases, controls = (np.linalg.lstsq(mixture.T, group, rcond=None)[0] for group in groups)
    return cases, controls
