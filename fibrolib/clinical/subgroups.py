"""Does a score hold in every group of patients, and in a centre that it has not seen?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from fibrolib.clinical.logistic import _fit_logistic, _score_test
from fibrolib.inference import (
    Estimate,
    InferenceError,
    adjust_pvalues,
    auc_ci,
    choose_threshold,
    classification_metrics,
    log_odds,
)
from fibrolib.inference.calibration import _has_log_odds, _recalibration
from fibrolib.inference.checks import (
    _as_float,
    _check_column_names,
    _check_labels,
    _check_order,
    _check_probabilities,
    _few,
    _is_empty_text,
    _refuse_alike,
)
from fibrolib.inference.intervals import _join_notes
from fibrolib.inference.recalibration import _certain_note
from fibrolib.stages import _without_mask

_LEAST = 5
"""Patients in either class below which a group has no numbers (assumption)."""

_MEASURES = ("auc", "sensitivity", "specificity", "intercept")
_COLUMNS = [name for each in _MEASURES for name in (each, f"{each}_low", f"{each}_high")]


def subgroup_table(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: pd.DataFrame,
    threshold: float,
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """AUC, sensitivity, specificity and calibration of a score in each group of patients.

    Parameters
    ----------
    y_true, y_prob : array_like, shape (n,)
        0 and 1; probabilities, none missing.
    groups : DataFrame, shape (n, k)
        One column for each way of grouping (centre, sex, bands of age), its values the names of the groups; those of a
        categorical column stay in their order.
    threshold : float
        Operating point, chosen on other patients; NaN where there is none.
    pos_label : label, optional
        The condition's, where `y_true` holds two labels.
    confidence_level : float

    Returns
    -------
    DataFrame
        One row for all patients (``column`` "all"), then one for each group, also of those with a missing value:
        ``column, level, n, n_positive``; ``auc, sensitivity, specificity`` and ``intercept`` (calibration in the large,
        0 is ideal), each with limits; ``note``. A group with fewer than five patients in a class has no numbers.
    """
    _check_order(y_true, y_prob, groups)
    data, threshold = _joined(y_true, y_prob, groups, pos_label), _as_float(threshold, "threshold")
    if threshold.ndim or threshold < 0 or threshold > 1:
        raise InferenceError(f"threshold must be one probability, or NaN where there is none; it is {threshold}")
    rows = [{"column": "all", "level": "all patients"} | _numbers(data, threshold, confidence_level)]
    for column in groups:
        _refuse_named_missing(data[column], f"column {column!r}")
        for level in _levels(data[column]):
            part = data[data[column].isna() if level is None else data[column] == level]
            name = "missing" if level is None else str(level)
            rows.append({"column": column, "level": name} | _numbers(part, threshold, confidence_level))
    return pd.DataFrame(rows, columns=["column", "level", "n", "n_positive", *_COLUMNS, "note"])


def _levels(column: pd.Series) -> list:
    """Groups of a column in their order, None for the patients without a value."""
    known = column.dropna().unique()
    order = list(column.cat.categories) if isinstance(column.dtype, pd.CategoricalDtype) else _sorted(known)
    return [level for level in order if level in known] + [None] * bool(column.isna().any())


def _sorted(names: Iterable) -> list:
    """In their order; numbers and texts in one column by kind."""
    return sorted(names, key=lambda name: (isinstance(name, str), name))


def _joined(y_true: ArrayLike, y_prob: ArrayLike, groups: pd.DataFrame, pos_label: object) -> pd.DataFrame:
    """One row for each patient; two columns that no group can be called."""
    if not isinstance(groups, pd.DataFrame):
        raise InferenceError(f"groups must be a DataFrame, with a column for each way; it is a {type(groups).__name__}")
    _check_column_names(groups, "groups")
    several = [name for name in groups if isinstance(name, tuple)]
    if several:
        raise InferenceError(f"groups has a column of several names ({several[0]!r}): give it one")
    nameless = [name for name in groups if not str(name).strip()]
    if nameless:
        raise InferenceError(f"groups has a column without a name ({nameless[0]!r}): give it one")
    truth = _check_labels(y_true, pos_label=pos_label).astype(float)
    score = _check_probabilities(y_prob, len(truth))
    if len(truth) != len(groups):
        raise InferenceError(f"{len(truth)} truths and {len(groups)} patients with groups")
    columns = {name: _named_groups(groups[name], f"column {name!r}") for name in groups}
    return pd.DataFrame(columns, groups.index).reset_index(drop=True).assign(**{"": truth, " ": score})


def _named_groups(column: pd.Series, name: str) -> pd.Series:
    """Names of groups, missing where blank; an InferenceError where two of them are written alike."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.set_categories([each for each in column.cat.categories if not _is_empty_text(each)])
    elif column.dtype in (object, "string"):
        column = _without_blanks(column)
    for each in column.dropna():
        if pd.api.types.is_list_like(each):
            raise InferenceError(f"{name} holds {each!r}: the name of a group must be one text or number")
    _refuse_alike(column.dropna().unique().tolist(), name)
    return column


def _refuse_named_missing(column: pd.Series, name: str) -> None:
    """Refuse a group "missing" beside patients without a value, who have a row of that name."""
    if column.isna().any() and (column.dropna().astype(str).str.strip() == "missing").any():
        raise InferenceError(f"{name} has a group 'missing', and patients without a value: leave these cells empty")


def _numbers(part: pd.DataFrame, threshold: float, level: float) -> dict[str, object]:
    truth, score = part[""].to_numpy(), part[" "].to_numpy()
    positive = int(truth.sum())
    row: dict[str, object] = {"n": len(part), "n_positive": positive, "note": ""}
    if min(positive, len(part) - positive) < _LEAST:
        return row | {"note": f"fewer than {_LEAST} patients in a class: no numbers"}
    found = {"auc": auc_ci(truth, score, confidence_level=level)}
    found["intercept"] = _recalibration(truth == 1, score, level, "")["intercept"]
    notes = [found["auc"].note, f"intercept: {found['intercept'].note}" * bool(found["intercept"].note)]
    if np.isnan(threshold):
        notes.append("no operating point")
    else:
        found |= classification_metrics(truth, score, threshold, confidence_level=level)
    known = {name: found[name] for name in _MEASURES if name in found}
    return row | _columns(known) | {"note": "; ".join(filter(None, notes))}


def _columns(found: dict[str, Estimate]) -> dict[str, float]:
    values = {}
    for name, estimate in found.items():
        values |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return values


def interaction_tests(
    y_true: ArrayLike, y_prob: ArrayLike, groups: pd.DataFrame, *, pos_label: object = None
) -> pd.DataFrame:
    """Test whether a score says more of the condition in one group than in another.

    Parameters
    ----------
    y_true, y_prob, groups, pos_label
        As in :func:`subgroup_table`.

    Returns
    -------
    DataFrame
        One row for each column: ``column, levels, n, statistic, df, p, p_holm, note``. Rao's score test of
        score x group in a logistic model of log odds and group. Groups with fewer than five patients in a
        class, patients without a value, and those with a probability of 0 or 1, are left out, and `note` says how many;
        without two groups p is NaN. The test asks whether the odds ratio of the score differs, so that a group in which
        patients differ less may have a lower AUC without an interaction.
    """
    _check_order(y_true, y_prob, groups)
    data = _joined(y_true, y_prob, groups, pos_label)
    if groups.columns.empty:
        raise InferenceError("groups has no column to test")
    table = pd.DataFrame([{"column": column} | _interaction(data, column) for column in groups])
    return table.assign(p_holm=adjust_pvalues(table["p"].astype(float)))[
        ["column", "levels", "n", "statistic", "df", "p", "p_holm", "note"]
    ]


def _interaction(data: pd.DataFrame, column: str) -> dict[str, object]:
    inside = _has_log_odds(data[" "])
    data, outside = data[inside], int((~inside).sum())
    cases = data.groupby(column, observed=True)[""].agg(["sum", "size"])
    enough = cases.index[np.minimum(cases["sum"], cases["size"] - cases["sum"]) >= _LEAST]
    known = data[data[column].isin(enough)]
    left_out = len(data) - len(known)
    row = {"levels": len(enough), "n": len(known), "statistic": np.nan, "df": np.nan, "p": np.nan}
    certain = f"{outside} with a probability of 0 or 1, without log odds" * bool(outside)
    if len(enough) < 2:
        few = f"fewer than two groups with {_LEAST} patients in either class: not tested"
        return row | {"note": _join_notes(few, certain)}
    row["note"] = _join_notes(f"{left_out} in small groups or without a value" * bool(left_out), certain)
    member = np.column_stack([known[column] == level for level in enough[1:]]).astype(float)
    score = special.logit(known[" "].to_numpy())
    score = (score - score.mean()) / (score.std() or 1.0)  # the test is the same, and safe with extreme scores
    base = np.column_stack((np.ones(len(known)), score, member))
    try:
        found = _score_test(base, score[:, None] * member, known[""].to_numpy())
    except InferenceError as error:
        return row | {"note": str(error)}
    return row | dict(zip(("statistic", "df", "p"), found, strict=True))


def centre_splits(patients: pd.DataFrame, column: str = "centre") -> dict[str, pd.Series]:
    """Splits that leave one centre out, for `fibrolib.learning.evaluate`.

    For each value of `column` a series to take the place of ``split``: "test" for the patients of that centre; of the
    others, validation patients stay, and all else is "train". Patients without a centre belong to none and are "train"
    or "validation" in all. An InferenceError where there are fewer than two centres.
    """
    if not isinstance(patients, pd.DataFrame) or "split" not in patients:
        raise InferenceError("the patients lack the column 'split', which says who is a validation patient")
    unknown = set(map(str, patients["split"])) - {"train", "validation", "test"}
    if unknown:
        raise InferenceError(f"column 'split' holds {_few(sorted(unknown))}: expected train, validation, test")
    centre = pd.Series(dtype=object)
    if column in patients:
        centre = _without_blanks(_named_groups(patients[column], f"column {column!r}"))
    centres = _sorted(centre.dropna().unique().tolist())
    if len(centres) < 2:
        raise InferenceError(f"the column '{column}' names {len(centres)} centres: at least two are needed")
    split = patients["split"].astype(object)
    stay = split.where(split == "validation", "train")
    return {each: stay.mask((centre == each).to_numpy(dtype=bool), "test") for each in centres}


def _without_blanks(names: pd.Series) -> pd.Series:
    """Names as objects, None where missing, blank or the text of a missing value."""
    known = names.notna() & ~names.map(_is_empty_text).astype(bool)
    return names.astype(object).where(known.to_numpy(dtype=bool), None)


def leave_one_centre_out(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    centre: Sequence[str],
    *,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Carry a score's calibration and threshold from all other centres to each centre.

    Of the scores of the other centres a logistic curve of their :func:`log_odds` is fitted (Firth) and an operating
    point chosen (Youden); both are applied to the centre. The scores themselves may come from models that saw patients
    of that centre (out-of-fold scores do): for models that did not, train with :func:`centre_splits`.

    Returns
    -------
    DataFrame
        One row for each centre: the columns of :func:`subgroup_table` from ``level`` on, and ``threshold`` as a
        probability. No numbers, but a note, where the other centres are too small or the score does not rise with the
        condition there. Patients without a centre are in no fit, and have a last row, "missing".
    """
    _check_order(y_true, y_prob, centre)
    if np.ndim(centre) != 1:
        raise InferenceError("centre must name the centre of each patient, for example table['centre']")
    names = pd.Series(np.asarray(_without_mask(centre), dtype=object))
    data, rows = _joined(y_true, y_prob, pd.DataFrame({"centre": names}), pos_label), []
    _refuse_named_missing(data["centre"], "centre")
    for name, here in data.groupby("centre"):
        others = data[data["centre"].notna() & (data["centre"] != name)]
        row: dict[str, object] = {"level": str(name), "n": len(here), "n_positive": int(here[""].sum())}
        cases = others[""].sum()
        if min(cases, len(others) - cases) < _LEAST:
            rows.append(row | {"note": f"fewer than {_LEAST} patients in a class of the other centres"})
            continue
        beta, _ = _fit_logistic(_line(others), others[""].to_numpy())
        if beta[1] <= 0:
            note = "in the other centres, the score does not rise with the condition: nothing can be carried over"
            rows.append(row | {"note": note})
            continue
        carried = [special.expit(_line(part) @ beta) for part in (others, here)]
        threshold = choose_threshold(others[""], carried[0])
        numbers = _numbers(here.assign(**{" ": carried[1]}), threshold, confidence_level)
        numbers["note"] = _join_notes(_certain_note(data[" "][data["centre"].notna()]), numbers["note"])
        rows.append(row | numbers | {"threshold": threshold})
    unplaced = data[data["centre"].isna()]
    if len(unplaced):
        note = "no centre is known: in no fit, and not tested"
        rows.append({"level": "missing", "n": len(unplaced), "n_positive": int(unplaced[""].sum()), "note": note})
    return pd.DataFrame(rows, columns=["level", "n", "n_positive", *_COLUMNS, "threshold", "note"])


def _line(part: pd.DataFrame) -> np.ndarray:
    return np.column_stack((np.ones(len(part)), log_odds(part[" "])))
