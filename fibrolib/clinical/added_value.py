"""What a score adds to others: nested logistic models, fitted to training patients, frozen, applied to test patients.

The likelihood-ratio test is of the training patients, where the models are nested; on the test patients both are fixed
scores, so that DeLong's test holds there (of nested models on the patients that fitted them it does not: Demler et al.,
Stat Med 2012;31:2577).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from fibrolib.clinical.logistic import _fit_logistic, _likelihood_ratio
from fibrolib.clinical.rates import _rate_difference
from fibrolib.inference import Comparison, InferenceError, auc, delong_test, log_odds, select_predictions
from fibrolib.inference.checks import _check_open_share, _check_real
from fibrolib.inference.intervals import _join_notes
from fibrolib.inference.recalibration import _certain_note

_LEAST = 5
"""Training patients in either class that a model needs for each score (assumption; ten are the custom)."""


@dataclass(frozen=True)
class AddedValue:
    """What a score adds to others.

    Parameters
    ----------
    added, base : str, tuple of str
        The score, and those that it is added to.
    n_training, n_test, left_out : int
        Patients with all scores, and patients of both parts that lack one.
    statistic, pvalue : float
        Penalised likelihood-ratio test in the training patients, one degree of freedom.
    gain_training : float
        Gain of AUC in the patients that the models were fitted to.
    auc : Comparison
        AUC of the test patients with the score and without it.
    net_benefit : DataFrame
        ``threshold, difference, low, high``: net benefit with the score minus that without it, test patients.
    probabilities : DataFrame
        Of each test patient: ``y_true, with, without``.
    note : str
        Caveats.
    """

    added: str
    base: tuple[str, ...]
    n_training: int
    n_test: int
    left_out: int
    statistic: float
    pvalue: float
    gain_training: float
    auc: Comparison
    net_benefit: pd.DataFrame
    probabilities: pd.DataFrame
    note: str

    @property
    def optimism(self) -> float:
        """By how much the gain in the training patients exceeds that in the test patients."""
        return self.gain_training - self.auc.difference


def added_value(
    predictions: pd.DataFrame,
    added: str,
    base: Sequence[str] = ("fib4", "swe"),
    *,
    thresholds: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5),
    prevalence: float | None = None,
    confidence_level: float = 0.95,
) -> AddedValue:
    """What a score adds to others, by logistic models of their :func:`log_odds`.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table: out-of-fold scores of training patients fit the models, test patients judge them. Scores
        are probabilities.
    added, base : str, sequence of str
        Models of the table. Patients that lack one of their scores are left out, and counted.
    thresholds : sequence of float
        Threshold probabilities of the net benefit.
    prevalence : float, optional
        Of the net benefit; default that of the test patients, taken as known.
    confidence_level : float

    Raises
    ------
    InferenceError
        Fewer than five training patients of a class for each score, or test patients of one class only.

    Notes
    -----
    Firth's penalty keeps the models finite. The out-of-fold scores come from other fits than those of the test
    patients: where these lie on another scale the frozen models do too, which costs calibration rather than AUC.
    """
    cuts = _check_real(
        thresholds, "thresholds", "probabilities between 0 and 1, both excluded", low=0, high=1, open_="low high"
    )
    if cuts.ndim > 1 or not cuts.size:
        raise InferenceError(f"thresholds must be a list of probabilities; their shape is {cuts.shape}")
    if prevalence is not None:
        _check_open_share(prevalence, "prevalence")
    base = [base] if isinstance(base, str) or not isinstance(base, Iterable) else list(base)
    names = [*base, added]
    parts = {part: select_predictions(predictions, part, models=names) for part in ("train", "test")}
    training, test = (parts[part].dropna() for part in ("train", "test"))
    _check_training(training["y_true"], len(names))
    if test.empty:
        raise InferenceError(f"no test patient has all scores of {', '.join(names)}")
    columns, truth = [_design(training, names[:k]) for k in (len(base), len(names))], training["y_true"].to_numpy(float)
    statistic, _, pvalue = _likelihood_ratio(columns[0], columns[1][:, -1:], truth)
    fits = [_fit_logistic(design, truth)[0] for design in columns]
    without, with_it = (special.expit(_design(test, names[: len(beta) - 1]) @ beta) for beta in fits)
    found = delong_test(test["y_true"], with_it, without, confidence_level=confidence_level)
    gain = auc(truth, columns[1] @ fits[1]) - auc(truth, columns[0] @ fits[0])
    probabilities = pd.DataFrame({"y_true": test["y_true"], "with": with_it, "without": without}, index=test.index)
    benefit = _net_benefit(probabilities, np.atleast_1d(cuts).tolist(), prevalence, confidence_level)
    sizes = len(training), len(test), sum(len(parts[part]) for part in parts) - len(training) - len(test)
    numbers = statistic, pvalue, float(gain), found
    certain = _certain_note(pd.concat(parts.values())[names])
    turned = f"high {added} speaks against the condition, beside the others" * bool(fits[1][-1] < 0)
    note = _join_notes(turned, certain, found.note)
    return AddedValue(added, tuple(base), *sizes, *numbers, benefit, probabilities, note)


def _check_training(truth: pd.Series, n_scores: int) -> None:
    least = int(min(truth.sum(), len(truth) - truth.sum()))
    if least < _LEAST * n_scores:
        raise InferenceError(
            f"a model of {n_scores} scores needs {_LEAST * n_scores} training patients with and as many without the "
            f"condition, all scores known; the smaller class has {least}"
        )


def _design(wide: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Ones, and the log odds of each score."""
    return np.column_stack([np.ones(len(wide)), *(log_odds(wide[name]) for name in names)])


def _net_benefit(
    probabilities: pd.DataFrame, thresholds: Sequence[float], prevalence: float | None, level: float
) -> pd.DataFrame:
    positive = probabilities["y_true"].to_numpy() == 1
    share = float(positive.mean()) if prevalence is None else prevalence
    rows = []
    for cut in thresholds:
        a, b = (probabilities[name].to_numpy() >= cut for name in ("with", "without"))
        rows.append((cut, *_rate_difference(positive, a, b, (share, (share - 1) * cut / (1 - cut)), level)))
    return pd.DataFrame(rows, columns=["threshold", "difference", "low", "high"])
