"""One check for each kind of argument that a caller passes; no function below checks again.

Data (labels, scores, stages) that do not allow a statistic are an `InferenceError`, which tables turn into a note;
settings that nobody can mean (a level of 95) are a plain ValueError, which reaches the caller.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import combinations
from math import ceil

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.errors import FibrolibError, counted
from fibrolib.stages import StageError, _is_numbering, _without_mask, check_stages

_LEAST_PERCENTAGE = 5
"""An operating point from here up is none of scores that lie between 0 and 1 (assumption; indices have higher ones)."""

_Booleans = NDArray[np.bool_]
_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]


class InferenceError(FibrolibError, ValueError):
    """Data that do not allow the requested statistic; the message says what is wrong and what to do."""


def _as_float(values: ArrayLike, name: str) -> _Floats:
    """Floats, NaN where missing: also where a mask hides the value, and for pandas' NA."""
    try:
        array = np.asarray(_without_mask(values))
        if array.dtype.kind in "cmM":  # complex numbers, times
            raise TypeError(f"it is of type {array.dtype}")
        array = np.where(pd.isna(array), np.nan, array) if array.dtype == object else array
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last of a tensor with a gradient
        hint = "; name the label of the condition by pos_label" if name.startswith("y_true") else ""
        raise InferenceError(f"{name} must hold numbers only: {error}{hint}") from error


def _few(items: Iterable[Hashable], most: int = 5) -> str:
    items = list(items)
    return ", ".join(map(str, items[:most])) + (", ..." if len(items) > most else "")


def _check_labels(y_true: ArrayLike, name: str = "y_true", *, least: int = 0, pos_label: object = None) -> _Booleans:
    """Truth as booleans, at least `least` patients in each class: 0 and 1 only, or two labels and the diseased one."""
    values = _as_float(y_true, name) if pos_label is None else _has_label(y_true, name, pos_label)
    if values.ndim != 1 or values.size == 0:
        raise InferenceError(f"{name} must be a list with one entry for each patient; its shape is {values.shape}")
    positive = values == 1
    invalid = ~(positive | (values == 0))
    if invalid.any():
        listed = _few(f"{value:g}" for value in np.unique(values[invalid]))
        advice = "leave these patients out" if np.isnan(values).any() else "apply the stage cut-off first"
        raise InferenceError(f"{name} must hold 0 and 1 only, found {listed}: {advice}")
    n_positive, n_negative = _class_sizes(positive)
    if min(n_positive, n_negative) < least:
        needed = "both classes are needed" if least == 1 else f"at least {least} of each are needed"
        raise InferenceError(
            f"{name} holds {counted(n_positive, 'patient')} with and {n_negative} without the condition: {needed}; "
            "choose another cut-off or more patients"
        )
    return positive


def _has_label(labels: ArrayLike, name: str, pos_label: object) -> _Floats:
    """1 where a label is that of the diseased, 0 where it is the other one, NaN where it is missing."""
    if np.ndim(pos_label) or pd.isna(pos_label):
        raise ValueError(f"pos_label must be one label, that of the diseased; it is {pos_label!r}")
    if np.ndim(labels) != 1:
        return np.empty(np.shape(labels))  # refused by its shape
    series = pd.Series(np.asarray(_without_mask(labels), dtype=object))
    series = series.mask(series.map(_is_empty_text).astype(bool))
    known = series.dropna().unique().tolist()
    if len(known) > 2 or (len(known) == 2 and pos_label not in known):
        listed = _few(map(repr, known))
        raise InferenceError(f"{name} must hold two labels, one of them pos_label={pos_label!r}; it holds {listed}")
    return (series == pos_label).astype(float).where(series.notna()).to_numpy()


def _is_empty_text(label: object) -> bool:
    """Whether a label is a text that stands for none: blank, or as pandas writes a missing value (Nan is a name)."""
    return isinstance(label, str) and label.strip() in ("", "nan", "NaN", "<NA>", "NaT")


def _class_sizes(positive: _Booleans) -> tuple[int, int]:
    """Numbers of patients with and without the condition."""
    n_positive = int(np.count_nonzero(positive))
    return n_positive, len(positive) - n_positive


def _check_scores(score: ArrayLike, n: int, name: str = "y_score") -> _Floats:
    """Scores as finite float64; infinite ones usually come from a division by zero or an overflow."""
    values = _as_float(score, name)
    if values.ndim != 1:
        hint = ": of predict_proba take the second column, [:, 1]" if values.ndim == 2 else ""
        hint = ": give .ravel() of it" if 1 in values.shape else hint
        raise InferenceError(f"{name} must be one-dimensional, its shape is {values.shape}{hint}")
    if len(values) != n:
        raise InferenceError(
            f"{name} has {counted(len(values), 'entry', 'entries')} for {counted(n, 'patient')}: "
            "give one score for each patient"
        )
    if not np.isfinite(values).all():
        missing, infinite = np.isnan(values), np.isinf(values)
        kind, rows, advice = (
            ("missing (NaN)", missing, "leave these patients out of every score that is compared")
            if missing.any()
            else ("infinite", infinite, "look for a division by zero, or give probabilities in place of log odds")
        )
        positions, verb = _few(np.flatnonzero(rows).tolist()), "is" if rows.sum() == 1 else "are"
        raise InferenceError(
            f"{name}: {rows.sum()} of {counted(len(values), 'score')} {verb} {kind} (position {positions}): {advice}"
        )
    return values


def _check_scored(
    y_true: ArrayLike,
    *scores: ArrayLike,
    least: int = 1,
    pos_label: object = None,
    of: str = "",
    several: bool = False,
) -> tuple[_Booleans, *tuple[_Floats, ...]]:
    """Truth, and one or more scores of the same patients, each once unless `several`; `of` says whose in a message."""
    positive = _check_labels(y_true, f"y_true {of}".strip(), least=least, pos_label=pos_label)
    names = {1: ("y_score",), 2: ("score_a", "score_b")}.get(len(scores)) or [
        f"score {i + 1}" for i in range(len(scores))
    ]
    _check_order(y_true, *scores, several=several)
    checked = zip(scores, names, strict=True)
    return positive, *(_check_scores(score, len(positive), f"{name} {of}".strip()) for score, name in checked)


def _check_column_names(table: pd.DataFrame, name: str) -> None:
    """Refuse a table with two columns of one name."""
    twice = table.columns[table.columns.duplicated()].unique().tolist()
    if twice:
        raise InferenceError(f"{name} has several columns {', '.join(map(repr, twice))}: keep one of each")


def _check_ids(ids: Iterable[Hashable], name: str) -> None:
    """Refuse ids of which some are texts and some numbers, two differ in a blank, or one stands for a missing id."""
    ids = list(ids)
    texts = {isinstance(each, str) for each in ids}
    if len(texts) > 1:
        raise InferenceError(f"{name} holds numbers and texts: 7 and '7' would be two. Write all of them alike")
    if any(map(_is_empty_text, ids)) or (texts == {False} and min(ids) == -1):
        raise InferenceError(f"{name} holds blanks, 'nan' or -1, which stand for a missing id: leave these rows out")
    _refuse_alike(ids if True in texts else (), name)


def _refuse_alike(names: Iterable[Hashable], name: str) -> None:
    """Refuse different names that are one text but for blanks around it: "7", 7 and "7 "."""
    known: dict[str, Hashable] = {}
    for each in names:
        if (other := known.setdefault(_as_text(each), each)) != each:
            raise InferenceError(f"{name} holds {other!r} and {each!r}, which would be two. Write all of them alike")


def _check_order(truth: ArrayLike, *others: ArrayLike, several: bool = False) -> None:
    """Refuse tables and series whose rows, taken as they come, are of different patients: also in a list of them.

    Also where one patient has several rows, unless these are of `several` videos.
    A numbering from 0 on is that of the rows, and says nothing of the patients. Else 7, 7.0 and "7" are one patient.
    """
    indices = _indices(truth, *others)
    for index in indices:
        names = index if pd.api.types.is_numeric_dtype(index) else pd.Index(list(map(_as_text, index)))
        if names.has_duplicates and not several and not _is_numbering(index):
            twice, index = names[names.duplicated()], names
            raise InferenceError(
                f"{counted(len(index), 'row')} of {counted(index.nunique(), 'patient')}: {_quoted(twice[0])}, for "
                "example, has several. Give one row of each patient (fibrolib.clinical.clustered_auc takes several "
                "videos), or .to_numpy() of all if rows are meant, as in a bootstrap sample"
            )
    for first, index in combinations(indices, 2):
        if len(index) != len(first) or index.equals(first):
            continue
        one, other = (pd.Index(list(map(_as_text, each))) for each in (first, index))
        known, together = other.isin(one), "or .to_numpy() of all if the rows do belong together"
        if one.equals(other):
            continue
        written_alike = len(set(first) & set(index)) == len(set(other[known]))
        first_step = "" if written_alike else "write the ids alike (as numbers, or as texts), then "
        numbered = any(each.equals(pd.RangeIndex(len(index))) for each in (first, index))
        if known.all() and one.isin(other).all():
            if numbered:
                raise InferenceError(
                    "the truth and the scores hold the same patients in another order, or one of both is only numbered"
                    ": give .to_numpy() of all if the rows do belong together, else scores.reindex(truth.index)"
                )
            raise InferenceError(
                f"the truth and the scores hold the same patients in another order: {first_step}give "
                f"scores.reindex(truth.index), {together}"
            )
        if numbered:
            continue
        if known.any():
            raise InferenceError(
                f"the truth and the scores hold different patients, {_quoted(index[~known][0])} for example is not in "
                f"both: {first_step}take those of truth.index.intersection(scores.index), {together}"
            )
        raise InferenceError(
            f"the truth and the scores name no patient alike, {_quoted(first[0])} and {_quoted(index[0])} for example: "
            f"give both the same index, {together}"
        )


def _indices(*given: ArrayLike) -> list[pd.Index]:
    """Row labels of tables and series, also of those in lists."""
    flat = [each for one in given for each in (one if isinstance(one, list | tuple) else [one])]
    return [each.index for each in flat if isinstance(each, pd.Series | pd.DataFrame)]


def _shared_patients(one: Sequence[ArrayLike], other: Sequence[ArrayLike]) -> list[Hashable]:
    """Patients whose ids label rows of both; a numbering of the rows from 0 on names nobody."""
    names = [
        {_as_text(label): label for index in _indices(*each) if not _is_numbering(index) for label in index}
        for each in (one, other)
    ]
    return [label for text, label in names[0].items() if text in names[1]]


def _as_text(label: Hashable) -> str:
    """An id as text without blanks around it; a whole number without decimals."""
    return str(int(label) if isinstance(label, float) and label.is_integer() else label).strip()


def _quoted(label: Hashable) -> str:
    return repr(label) if isinstance(label, str | tuple) else str(label)


def _check_probabilities(y_prob: ArrayLike, n: int, name: str = "y_prob") -> _Floats:
    """Predicted probabilities as float64 within [0, 1]."""
    return _check_unit_range(_check_scores(y_prob, n, name), name)


def _check_unit_range(values: _Floats, name: str) -> _Floats:
    """Probabilities, NaN where missing."""
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise InferenceError(
            f"{name} must hold probabilities between 0 and 1, found {_few(f'{v:g}' for v in values[outside])}: "
            "a score that only ranks patients has no calibration and no net benefit; fit a logistic curve to it on "
            "other patients first"
        )
    return values


def _check_on_scale(threshold: float, scores: _Floats, name: str, *, finite: bool = True) -> None:
    """Refuse an operating point that is a percentage where all scores are shares, or (`finite`) infinite."""
    known = scores[~np.isnan(scores)]
    if not known.size:
        return
    low, high = known.min(), known.max()
    shares = 0 <= low <= high <= 1 and bool((known != np.floor(known)).any())
    if finite if np.isinf(threshold) else shares and threshold >= _LEAST_PERCENTAGE:
        where = f"scores lie between {low:g} and {high:g}"
        raise InferenceError(f"{name} is {threshold:g}, and {where}: give it on their scale")


def _check_stages(stage: ArrayLike, name: str = "stage") -> _Integers:
    """Ordered stages, one for each patient: whole numbers from 0 on, none missing."""
    values = _as_float(stage, name)
    if values.ndim != 1 or values.size == 0:
        raise InferenceError(f"{name} must be a list with one entry for each patient; its shape is {values.shape}")
    try:
        return check_stages(values, name)
    except StageError as error:
        raise InferenceError(str(error)) from error


def _check_stage_labels(labels: Iterable[Hashable], name: str) -> None:
    """Refuse labels whose numbers are not the stages 0, 1, ... in this order; words say nothing of an order."""
    labels = [label[-1] if isinstance(label, tuple) else label for label in labels]
    found = [re.findall(r"\d+(?:\.\d+)?", str(label)) for label in labels]
    if all(len(numbers) == 1 for numbers in found):
        numbers = [float(number) for (number,) in found]
        if numbers != list(range(len(numbers))):
            raise InferenceError(
                f"{name} must be of the stages from 0 on, one after the other; they are of {_few(labels)}: sort them, "
                "and give a stage that nobody has a 0"
            )


def _check_real(value: ArrayLike, name: str, allowed: str, *, low: float, high: float, open_: str = "") -> _Floats:
    """Numbers in an interval that `allowed` describes; `open_` names the ends that are excluded ("low", "high")."""
    if isinstance(value, str):
        raise ValueError(f"{name} must be {allowed}; it is the text {value!r}")
    try:
        numbers = _as_float(value, name)
    except InferenceError as error:
        raise ValueError(str(error)) from error
    if np.asarray(value).dtype.kind == "U":
        raise ValueError(f"{name} must be {allowed}; it holds texts: {value!r}")
    inside = (numbers > low) if "low" in open_ else (numbers >= low)
    inside &= (numbers < high) if "high" in open_ else (numbers <= high)
    if not inside.all():
        wrong = float(numbers[~inside].flat[0])
        as_share = (
            f": {wrong:g} % is {wrong / 100:g}, divide by 100" if (low, high) == (0, 1) and 1 < wrong <= 100 else ""
        )
        raise ValueError(f"{name} must be {allowed}; it is {wrong:g}{as_share}")
    return numbers


def _check_number(value: float, name: str, allowed: str, **limits) -> float:
    """One number; as :func:`_check_real`."""
    number = _check_real(value, name, allowed, **limits)
    if number.ndim:
        raise ValueError(f"{name} must be one number; its shape is {number.shape}")
    if np.asarray(value).dtype == object:  # such as Decimal, which mixes with no float
        raise ValueError(f"{name} must be a plain number, such as {float(number):g}; it is a {type(value).__name__}")
    return float(number)


_ALTERNATIVES = ("two-sided", "greater", "less")


def _check_choice(value: str, name: str, known: Collection[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    return value


def _check_choices(values: str | Iterable[str], name: str, known: Collection[str]) -> list[str]:
    """One or more of the known ones; a text is one of them, and no list of letters."""
    listed = [values] if isinstance(values, str) or not isinstance(values, Iterable) else list(values)
    if not listed:
        raise ValueError(f"{name} must name at least one of {', '.join(known)}")
    return [_check_choice(value, name, known) for value in listed]


def _check_margin(margin: float, alternative: str, paired: bool = True) -> None:
    """A margin of non-inferiority: of two scores of the same patients, in one direction."""
    _check_number(margin, "margin", "a difference of two areas from 0 on, below 1", low=0, high=1, open_="high")
    if margin and not (alternative == "greater" and paired):
        raise ValueError("a margin belongs to alternative='greater' of two scores of the same patients")


def _check_share(share: float, name: str) -> float:
    """A share of patients or a printed metric, ends included."""
    return _check_number(share, name, "a share between 0 and 1", low=0, high=1)


def _check_open_share(share: float, name: str) -> float:
    """A power, prevalence, coverage or true area: strictly between 0 and 1."""
    return _check_number(
        share, name, "between 0 and 1, both excluded, for example 0.9", low=0, high=1, open_="low high"
    )


def _check_level(level: float) -> float:
    """A confidence level; a significance level in its place is refused."""
    number = _check_open_share(level, "confidence_level")
    if number < 0.5:
        raise ValueError(
            f"confidence_level must be at least 0.5; it is {number:g}. For a test at {number:g} give {1 - number:g}"
        )
    return number


def _check_ratio(ratio: float, name: str = "ratio", of: str = "controls for each case") -> float:
    """Controls to cases, or the spread of the cases; without bounds a search for a sample size would not end."""
    return _check_number(ratio, name, f"between 0.01 and 100: {of}", low=0.01, high=100)


def _check_flag(value: bool, name: str) -> bool:
    """Any text is true, "no" as well."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False; it is {value!r}")
    return bool(value)


def _check_size(size: int, name: str, *, least: int = 1) -> int:
    """A number of patients, resamples or points."""
    number = _check_number(size, name, f"a whole number from {least} on", low=least, high=np.inf, open_="high")
    if not number.is_integer():
        raise ValueError(f"{name} must be a whole number; it is {number:g}")
    return int(number)


def _check_resamples(n_resamples: int, level: float | None = None) -> int:
    """At least 100, and one beyond either limit at a level: limits are quantiles of the resamples, else noise."""
    least = max(100, ceil(round(2 / (1 - level), 6))) if level else 100
    name = "n_resamples" if least == 100 else f"n_resamples at a confidence level of {level:g}"
    return _check_size(n_resamples, name, least=least)


def _check_draws(draws: int) -> int:
    """Samples of a simulation: a share of fewer than 100 is noise."""
    return _check_size(draws, "draws", least=100)


def _check_seed(seed: int) -> int:
    """A seed of random resamples."""
    return _check_size(seed, "seed", least=0)


def _check_counts(count: int, n: int, name: str = "count") -> tuple[int, int]:
    """So many of `n` patients."""
    count, n = _check_size(count, name, least=0), _check_size(n, "n", least=0)
    if count > n:
        raise ValueError(f"{name} must be at most n: {count} of {counted(n, 'patient')}")
    return count, n


def _check_classes(n_positive: int, n_negative: int) -> tuple[int, int]:
    """Numbers of patients with and without the condition, at least one of each."""
    return _check_size(n_positive, "n_positive"), _check_size(n_negative, "n_negative")
