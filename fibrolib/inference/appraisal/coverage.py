"""How often intervals hold the truth: simulated, or exact where all samples can be listed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from fibrolib.inference.checks import (
    _check_choice,
    _check_choices,
    _check_classes,
    _check_draws,
    _check_level,
    _check_open_share,
    _check_ratio,
    _check_real,
    _check_resamples,
    _check_seed,
    _check_share,
    _check_size,
)
from fibrolib.inference.intervals import _COMPOSITE_METHODS, _composite_limits
from fibrolib.inference.metrics import _COMPOSITES
from fibrolib.inference.roc import _METHODS, auc_ci

_OF_STATSMODELS = ("normal", "agresti_coull", "beta", "wilson", "jeffreys", "binom_test")
_TOLERANCE = 1e-9
"""A limit may miss the truth by rounding alone."""


def auc_coverage(
    auc: float,
    n_positive: int,
    n_negative: int,
    *,
    methods: Sequence[str] = ("delong", "bootstrap", "newcombe", "logit"),
    spread: float = 1.0,
    confidence_level: float = 0.95,
    draws: int = 1000,
    n_resamples: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Coverage of intervals of an area, on simulated binormal scores.

    Parameters
    ----------
    auc : float
        True area, in (0, 1).
    n_positive, n_negative : int
        Patients in each sample.
    methods, confidence_level
        As in :func:`auc_ci`.
    spread : float
        Standard deviation of the cases' scores, that of the controls being 1.
    draws, n_resamples, seed : int
        Samples drawn; resamples of each bootstrap; seed.

    Returns
    -------
    DataFrame
        ``auc, method, coverage, error, width, at_end, least, most, draws``: share of intervals that hold the area and
        its standard error, their mean width, the share of those that end at exactly 0 or 1 although the sample's area
        does not, and the lowest and highest limit.
    """
    _check_open_share(auc, "a true area"), _check_classes(n_positive, n_negative)
    _check_level(confidence_level)
    n_resamples = _check_resamples(n_resamples)
    _check_ratio(spread, "spread", "the cases' standard deviation over that of the controls")
    draws, seed = _check_draws(draws), _check_seed(seed)
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], (n_positive, n_negative))
    shift = np.sqrt(1 + spread**2) * special.ndtri(auc)
    samples = [rng.normal(size=len(y)) * np.where(y, spread, 1) + shift * y for _ in range(draws)]
    options = {"confidence_level": confidence_level, "n_resamples": n_resamples}
    rows = []
    for method in _check_choices(methods, "methods", _METHODS):
        estimates = [auc_ci(y, score, method, **options) for score in samples]
        low, high, value = np.array([(each.low, each.high, each.value) for each in estimates]).T
        inside = float(np.mean((low <= auc) & (auc <= high)))
        row = {"auc": auc, "method": method, "coverage": inside, "error": np.sqrt(inside * (1 - inside) / draws)}
        at_end = ((low == 0) & (value > 0)) | ((high == 1) & (value < 1))
        row |= {"width": (high - low).mean(), "at_end": at_end.mean(), "least": low.min(), "most": high.max()}
        rows.append(row | {"draws": draws})
    return pd.DataFrame(rows)


def metric_coverage(
    metric: str,
    n_positive: int,
    n_negative: int,
    sensitivity: float,
    specificity: float,
    *,
    methods: Sequence[str] = _COMPOSITE_METHODS,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
) -> pd.DataFrame:
    """Exact coverage of a composite metric's intervals: every possible table, weighted by its probability.

    Parameters
    ----------
    metric : str
        "f1_macro", "f1", "precision_macro", "recall_macro", "lr_positive" or "lr_negative".
    n_positive, n_negative, sensitivity, specificity
        Patients in each sample, and the truth.
    methods, confidence_level, n_resamples
        As in :func:`classification_metrics`.

    Returns
    -------
    DataFrame
        ``metric, truth, method, coverage``.
    """
    m, n = _check_classes(n_positive, n_negative)
    _check_share(sensitivity, "sensitivity"), _check_share(specificity, "specificity"), _check_level(confidence_level)
    methods = _check_choices(methods, "methods", _COMPOSITE_METHODS)
    n_resamples = _check_resamples(n_resamples, confidence_level if "bootstrap" in methods else None)
    _check_choice(metric, "metric", _COMPOSITES)
    value = _COMPOSITES[metric][1]
    truth = float(value(m * sensitivity, m * (1 - sensitivity), n * (1 - specificity), n * specificity))
    if np.isnan(truth):
        raise ValueError(f"{metric} is 0/0 at a sensitivity of {sensitivity:g} and a specificity of {specificity:g}")
    weights = np.outer(
        stats.binom.pmf(np.arange(m + 1), m, sensitivity), stats.binom.pmf(np.arange(n + 1), n, specificity)
    )
    rows = []
    for method in methods:
        covered = 0.0
        for (tp, tn), weight in np.ndenumerate(weights):
            counts = (tp, m - tp, n - tn, tn)
            low, high = _composite_limits(value, counts, confidence_level, method, n_resamples)
            covered += weight * (low - _TOLERANCE <= truth <= high + _TOLERANCE)
        rows.append({"metric": metric, "truth": truth, "method": method, "coverage": covered})
    return pd.DataFrame(rows)


def proportion_coverage(
    n: int, truths: ArrayLike, *, methods: Sequence[str] = ("normal", "wilson"), confidence_level: float = 0.95
) -> pd.DataFrame:
    """Exact coverage of intervals of a proportion among `n` patients at each of `truths`: ``method, truth, coverage``.

    `methods` are those of statsmodels' ``proportion_confint``; "normal" is the textbook's (Wald).
    """
    counts = np.arange(_check_size(n, "n") + 1)
    _check_level(confidence_level)
    truth = np.atleast_1d(_check_real(truths, "truths", "shares between 0 and 1", low=0, high=1))
    if truth.ndim != 1:
        raise ValueError(f"truths must be a list of shares; its shape is {truth.shape}")
    chance = stats.binom.pmf(counts[:, None], n, truth)
    tables = []
    for method in _check_choices(methods, "methods", _OF_STATSMODELS):
        low, high = proportion_confint(counts, n, alpha=1 - confidence_level, method=method)
        inside = (low[:, None] - _TOLERANCE <= truth) & (truth <= high[:, None] + _TOLERANCE)
        tables.append(pd.DataFrame({"method": method, "truth": truth, "coverage": np.sum(chance * inside, axis=0)}))
    return pd.concat(tables, ignore_index=True)
