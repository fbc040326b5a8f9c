"""Several videos of a patient: how well their scores agree, and ROC areas whose cases are videos, not patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from fibrolib.clinical.subgroups import _named_groups, _without_blanks
from fibrolib.errors import counted
from fibrolib.inference import Comparison, Estimate, InferenceError, auc, wilson
from fibrolib.inference.checks import (
    _as_float,
    _check_ids,
    _check_level,
    _check_on_scale,
    _check_order,
    _check_scored,
    _check_scores,
)
from fibrolib.inference.intervals import _join_notes, _small_sample_note
from fibrolib.stages import _without_mask

_Floats = NDArray[np.float64]

_MANY_SCORES = 10
"""From so many different scores on, equal ones within all patients are taken for copies (*assumption*)."""

_ROUNDING = 1e-24
"""A variance below this share of the squared scores is none."""


def repeatability(
    y_score: ArrayLike,
    patient: ArrayLike,
    threshold: float,
    *,
    operator: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> dict[str, Estimate]:
    """Agreement of the scores of one patient's videos.

    Parameters
    ----------
    y_score, patient : array_like, shape (n,)
        One finite score for each video, and whose it is, in the order of recording. Patients with one video are left
        out.
    threshold : float
        Operating point of the decision.
    operator : array_like, shape (n,), optional
        Who recorded each video.
    confidence_level : float

    Returns
    -------
    dict of str to Estimate
        ``icc``: ICC(1,1), one-way random effects, limits from F (Shrout & Fleiss, Psychol Bull 1979;86:420; with
        unequal numbers of videos their mean as Searle has it, and the limits are approximate). ``within_sd``, and
        ``repeatability``, below which two videos of a patient differ in 19 of 20 cases (Bland & Altman, BMJ
        1996;313:744), limits from chi-square. ``bias``: second video less first, Student's t, with the limits of
        agreement in its note. ``flips``: share of patients with videos on both sides of the threshold, Wilson; a note
        where all scores lie on one side.
        ``icc_operators``, where every operator recorded at least three patients in common with all others:
        ICC(A,1), absolute agreement of operators drawn at random (McGraw & Wong, Psychol Methods 1996;1:30).
    """
    _check_level(confidence_level), _check_order(y_score, patient, operator, several=True)
    score = _check_scores(y_score, np.size(patient))
    data = pd.DataFrame({"score": score, "patient": _patient_codes(patient, len(score))[0]})
    if isinstance(threshold, bool | str):
        raise InferenceError(f"threshold must be one number; it is {threshold!r}")
    threshold = _as_float(threshold, "threshold")
    if threshold.ndim:
        raise InferenceError(f"threshold must be one number; its shape is {threshold.shape}")
    if np.isnan(threshold):
        raise InferenceError("there is no operating point, so that no decision can flip")
    _check_on_scale(float(threshold), score, "threshold")
    data = data[data.groupby("patient")["score"].transform("size") > 1]
    by_patient = data.groupby("patient", sort=False)["score"]
    if by_patient.ngroups < 3:
        raise InferenceError(
            f"{counted(by_patient.ngroups, 'patient')} with more than one video: repeatability needs at least three"
        )
    within, between, sizes = _variances(by_patient)
    # Sums of equal numbers differ by rounding.
    within = within if within > _ROUNDING * (between + by_patient.mean().pow(2).mean()) else 0.0
    tails = (1 - confidence_level) / 2, (1 + confidence_level) / 2
    found = {"icc": _icc(within, between, sizes, tails, confidence_level)}
    df, n = int(sizes.sum()) - len(sizes), len(sizes)
    spread = np.sqrt([within, *(within * df / stats.chi2.ppf(tails[::-1], df))])
    note = ""
    if not within:
        spread[1:], note = np.nan, "the videos of every patient have the same score: no interval"
    for name, factor in (("within_sd", 1.0), ("repeatability", float(special.ndtri(0.975) * np.sqrt(2)))):
        found[name] = Estimate(name, *map(float, factor * spread), n, confidence_level, "chi-square", note=note)
    found["bias"] = _bias(data, confidence_level)
    flipped = (by_patient.max() >= threshold) & (by_patient.min() < threshold)
    flips = wilson(int(flipped.sum()), n, "share of patients whose decision flips", confidence_level)
    one_side = not data["score"].min() < threshold <= data["score"].max()
    note = f"all scores lie on one side of {threshold:g}: no decision could flip" if one_side else ""
    found["flips"] = replace(flips, note=_join_notes(flips.note, note))
    if _doubled(data):
        note = "every score occurs twice within its patient: are the rows doubled, by a join?"
        found = {name: replace(each, note=_join_notes(note, each.note)) for name, each in found.items()}
    if operator is not None:
        if np.shape(operator) != score.shape:
            raise InferenceError(f"operator must say of each of {counted(len(score), 'video')} who recorded it")
        # Each operator's first video of a patient; only patients whom all recorded.
        names = _named_groups(pd.Series(np.asarray(_without_mask(operator), dtype=object)), "operator").to_numpy()
        crossed = data.assign(operator=names[data.index]).pivot_table("score", "patient", "operator", "first")
        crossed = crossed.dropna()
        if len(crossed) >= 3 and crossed.shape[1] >= 2:
            found["icc_operators"] = _icc_operators(crossed.to_numpy(), tails, confidence_level)
    return found


def _doubled(data: pd.DataFrame) -> bool:
    """Whether every score occurs twice (or four times, ...) within its patient, and more differ than chance allows."""
    times = data.groupby(["patient", "score"]).size()
    return bool((times % 2 == 0).all()) and times.index.get_level_values("score").nunique() >= _MANY_SCORES


def _patient_codes(patient: ArrayLike, n: int) -> tuple[NDArray[np.int64], int]:
    """Number of each video's patient, and how many patients there are."""
    if np.shape(patient) != (n,):
        raise InferenceError(f"every video needs the patient whose it is: {counted(n, 'video')}, {np.shape(patient)}")
    codes, names = pd.factorize(_without_blanks(pd.Series(np.asarray(_without_mask(patient), dtype=object))))
    if (codes < 0).any():
        raise InferenceError("every video needs the patient whose it is: leave the others out")
    if any(isinstance(each, float) and each % 1 for each in names):
        raise InferenceError("patient must hold ids: texts or whole numbers. Were scores given here?")
    _check_ids(names, "patient")
    return codes, len(names)


def _variances(by_patient) -> tuple[float, float, _Floats]:
    """Mean squares within and between patients, and videos of each."""
    sizes, means = by_patient.size().to_numpy(float), by_patient.mean().to_numpy()
    grand = float(sizes @ means / sizes.sum())
    squares = float(((by_patient.size() - 1) * by_patient.var(ddof=1)).sum())
    between = float(sizes @ (means - grand) ** 2) / (len(sizes) - 1)
    return squares / float(sizes.sum() - len(sizes)), between, sizes


def _icc(within: float, between: float, sizes: _Floats, tails: tuple[float, float], level: float) -> Estimate:
    n, total = len(sizes), sizes.sum()
    mean_size = float((total - (sizes**2).sum() / total) / (n - 1))
    if within == between == 0:
        return Estimate("ICC(1,1)", *(np.nan,) * 3, n, level, "F", note="all videos have the same score: no ICC")
    if between <= _ROUNDING * within:
        return Estimate("ICC(1,1)", *(np.nan,) * 3, n, level, "F", note="all patients have the same mean: no ICC")
    if within == 0:
        note = "the videos of every patient have the same score: no interval"
        return Estimate("ICC(1,1)", 1.0, np.nan, np.nan, n, level, "F", note=note)
    ratio, df = between / within, (n - 1, total - n)
    values = [ratio, ratio / stats.f.ppf(tails[1], *df), ratio * stats.f.ppf(tails[1], *df[::-1])]
    value, low, high = (float((f - 1) / (f + mean_size - 1)) for f in values)
    return Estimate("ICC(1,1)", value, low, high, n, level, "F")


def _icc_operators(scores: _Floats, tails: tuple[float, float], level: float) -> Estimate:
    """ICC(A,1) of scores, shape (patients, operators); the limits are Shrout and Fleiss's for their ICC(2,1)."""
    n, k = scores.shape
    rows, columns = scores.mean(axis=1), scores.mean(axis=0)
    residual = scores - rows[:, None] - columns + scores.mean()
    between, judges = k * rows.var(ddof=1), n * columns.var(ddof=1)
    error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    if between <= 1e-12 * (error + judges):
        return Estimate("ICC(A,1)", *(np.nan,) * 3, n, level, "F", note="all patients have the same mean: no ICC")
    if error <= 1e-12 * (between + judges):
        note = "operators differ by a constant: no interval"
        value = between / (between + k * judges / n) if between else np.nan
        return Estimate("ICC(A,1)", float(value), np.nan, np.nan, n, level, "F", note=note)
    value = (between - error) / (between + (k - 1) * error + k * (judges - error) / n)
    judge, other = k * value * judges / error, n * (1 + (k - 1) * value) - k * value
    df = (k - 1) * (n - 1) * (judge + other) ** 2 / ((n - 1) * judge**2 + other**2)
    lower, upper = stats.f.ppf(tails[1], n - 1, df), stats.f.ppf(tails[1], df, n - 1)
    noise = k * judges + (k * n - k - n) * error
    low = n * (between - lower * error) / (lower * noise + n * between)
    high = n * (upper * between - error) / (noise + n * upper * between)
    return Estimate("ICC(A,1)", float(value), float(low), float(high), n, level, "F")


def _bias(data: pd.DataFrame, level: float) -> Estimate:
    number = data.groupby("patient").cumcount()
    first, second = (data[number == which].set_index("patient")["score"] for which in (0, 1))
    apart = (second - first).to_numpy()  # of each patient, whose videos may lie among those of others
    mean, spread = float(apart.mean()), float(apart.std(ddof=1))
    error = spread / np.sqrt(len(apart))
    reach = float(special.stdtrit(len(apart) - 1, (1 + level) / 2)) * error if error > 0 else np.nan
    z = float(special.ndtri(0.975)) * spread
    note = f"95 % limits of agreement {mean - z:.3f} to {mean + z:.3f}"
    note = note if error > 0 else "all patients' videos differ by the same: no interval"
    return Estimate(
        "second less first", mean, mean - reach, mean + reach, len(apart), level, "Student's t", error, note
    )


def clustered_auc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    patient: ArrayLike,
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Estimate:
    """AUC whose cases and controls are videos (or lesions), several of each patient.

    Obuchowski, Biometrics 1997;53:567: DeLong's components are summed within patients, whose videos need not agree in
    truth. `patient` says whose each video is. Limits: Student's t on the logit scale, with one degree of freedom less
    than patients in the smaller class; without a variance, limits are NaN, and `note` says why.
    """
    _check_level(confidence_level)
    area, error, df, n, few = _clustered(y_true, (y_score,), patient, pos_label)
    value = float(area[0])
    if not error > 0:
        note = "the variance is zero: no interval"
        return Estimate("AUC", value, np.nan, np.nan, n, confidence_level, "clustered", note=note)
    reach = special.stdtrit(df, (1 + confidence_level) / 2) * error / (value * (1 - value))
    limits = (float(special.expit(special.logit(value) + side * reach)) for side in (-1, 1))
    method = "clustered, Student's t on the logit scale"
    return Estimate("AUC", value, *limits, n, confidence_level, method, error, few)


def clustered_auc_test(
    y_true: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    patient: ArrayLike,
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> Comparison:
    """Paired test of two AUCs of videos, several of each patient (Obuchowski 1997); Student's t as `clustered_auc`."""
    _check_level(confidence_level)
    areas, error, df, n, few = _clustered(y_true, (score_a, score_b), patient, pos_label)
    a, b = map(float, areas)
    if not error > 0:
        alike = "the variance is zero: no interval"
        pvalue, note = (1.0, alike) if a == b else (np.nan, "the variance is zero although the areas differ: no test")
        return Comparison("clustered, paired", a, b, a - b, pvalue, n, confidence_level=confidence_level, note=note)
    t, reach = (a - b) / error, float(special.stdtrit(df, (1 + confidence_level) / 2)) * error
    limits, pvalue = (max(-1.0, a - b - reach), min(1.0, a - b + reach)), float(2 * special.stdtr(df, -abs(t)))
    return Comparison("clustered, paired", a, b, a - b, pvalue, n, *limits, confidence_level, t, error, few, df)


def _clustered(
    y_true: ArrayLike, scores: tuple[ArrayLike, ...], patient: ArrayLike, pos_label: object
) -> tuple[_Floats, float, int, int, str]:
    """Areas, standard error of the area (or of the difference of two), degrees of freedom, patients, and a caveat."""
    _check_order(y_true, *scores, patient, several=True)
    positive, *scores = _check_scored(y_true, *scores, several=True, pos_label=pos_label)
    codes, n = _patient_codes(patient, len(positive))
    areas = np.array([auc(positive, score) for score in scores])
    placed = [_shares(positive, score) - area for score, area in zip(scores, areas, strict=True)]
    centred = placed[0] - placed[1] if len(placed) > 1 else placed[0]
    sums = [np.bincount(codes, np.where(group, centred, 0.0), n) for group in (positive, ~positive)]
    videos = int(positive.sum()), int((~positive).sum())
    patients = [len(np.unique(codes[group])) for group in (positive, ~positive)]
    if min(patients) < 2:
        raise InferenceError("videos of at least two patients with and two without the condition are needed")
    parts = [m / (m - 1) * float(s @ s) / v**2 for s, v, m in zip(sums, videos, patients, strict=True)]
    joint = n / (n - 1) * float(sums[0] @ sums[1]) / (videos[0] * videos[1])
    variance = sum(parts) + 2 * joint
    error = float(np.sqrt(variance)) if variance > 1e-20 else 0.0
    return areas, error, min(patients) - 1, n, _small_sample_note(*patients)


def _shares(positive: NDArray[np.bool_], score: _Floats) -> _Floats:
    """Of a case the share of controls below it, of a control the share of cases above it; ties count half."""
    within = np.empty(len(score))
    within[positive], within[~positive] = stats.rankdata(score[positive]), stats.rankdata(score[~positive])
    below = stats.rankdata(score) - within
    m, n = int(positive.sum()), int((~positive).sum())
    return np.where(positive, below / n, 1 - below / m)
