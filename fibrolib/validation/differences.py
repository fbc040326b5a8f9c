"""How two cohorts differ: characteristics side by side, and whether a classifier can tell the cohorts apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from fibrolib.errors import counted
from fibrolib.inference import auc_ci

_FOLDS = 5
_LEAST = 2 * _FOLDS  # patients of either cohort below which nothing is learned about it

_CATEGORIES = ("stage", "sex", "aetiology", "steatosis")


def _summarise_numbers(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Number, mean, standard deviation and quartiles of every column that holds a value."""
    present = table.loc[:, table.notna().any()].astype(float)
    measures = {"n": "count", "mean": "mean", "sd": "std"}
    shares = {"q1": 0.25, "median": 0.5, "q3": 0.75}
    return {
        name: {key: float(values.agg(measure)) for key, measure in measures.items()}
        | {key: float(values.quantile(share)) for key, share in shares.items()}
        for name, values in present.items()
    }


def _summarise_categories(patients: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Patients by stage, sex, aetiology and steatosis, as far as they are known."""
    counts = {name: patients[name].dropna().value_counts().sort_index() for name in _CATEGORIES if name in patients}
    return {
        name: {f"{level:g}" if isinstance(level, float) else str(level): int(n) for level, n in each.items()}
        for name, each in counts.items()
        if len(each)
    }


def _compare_summaries(development: Mapping[str, Mapping], here: Mapping[str, Mapping], kind: str) -> pd.DataFrame:
    """Characteristics of both cohorts side by side, from `_summarise_numbers` or `_summarise_categories`.

    ``kind, name, level, n_development, development, n, here, smd``; of numbers ``low, high`` are quartiles. ``smd`` is
    the standardised difference, here minus development (Austin, Stat Med 2009;28:3083); of several levels the distance
    of Yang & Dalton (SAS Global Forum 2012;335), in the first row. NaN where one of the cohorts does not have it.
    """
    rows = []
    for name in dict.fromkeys([*development, *here]):
        pair = development.get(name), here.get(name)
        shared = {"kind": kind, "name": name}
        if any(each is not None and "mean" in each for each in pair):
            rows.append(shared | _number_row(*pair))
        else:
            rows += [shared | row for row in _level_rows(*(each or {} for each in pair))]
    return pd.DataFrame(rows)


def _compare_cohorts(
    about: Mapping, patients: pd.DataFrame, pictures: Sequence[pd.DataFrame], numbers: Sequence[pd.DataFrame], seed: int
) -> dict[str, pd.DataFrame]:
    """Tables ``cohorts`` (`_compare_summaries` of patients and pictures) and ``told_apart`` (`_tell_apart`).

    `about` is what a run left (`describe_development`), `patients` those of the other cohort; `pictures` and `numbers`
    have a row per patient, of the development cohort first; its numbers have no rows where they are not known.
    """
    parts = [
        _compare_summaries(about["categories"], _summarise_categories(patients), "patients"),
        _compare_summaries(about["numbers"], _summarise_numbers(numbers[1]), "patients"),
        _compare_summaries(*map(_summarise_numbers, pictures), "pictures"),
    ]
    told = [_tell_apart(*pictures, "pictures", seed), _tell_apart(*numbers, "patients", seed)]
    return {"cohorts": pd.concat(parts, ignore_index=True), "told_apart": pd.DataFrame(told)}


def _number_row(development: Mapping | None, here: Mapping | None) -> dict[str, object]:
    row: dict[str, object] = {"level": ""}
    for each, end in ((development, "_development"), (here, "")):
        if each is not None:
            row |= {
                f"n{end}": each["n"],
                f"median{end}": each["median"],
                f"q1{end}": each["q1"],
                f"q3{end}": each["q3"],
            }
    if development is None or here is None:
        return row | {"smd": np.nan}
    spread = np.sqrt((development["sd"] ** 2 + here["sd"] ** 2) / 2)
    difference = here["mean"] - development["mean"]
    return row | {"smd": difference / spread if spread > 0 else 0.0 if difference == 0 else np.nan}


def _level_rows(development: Mapping[str, int], here: Mapping[str, int]) -> list[dict[str, object]]:
    levels = sorted({*development, *here})
    counts = np.array([[each.get(level, 0) for level in levels] for each in (development, here)], dtype=float)
    known = counts.sum(axis=1)
    shares = counts / np.maximum(known, 1)[:, None]
    smd = _levels_apart(*shares) if known.all() else np.nan
    return [
        {
            "level": level,
            **{"n_development": counts[0, place], "share_development": shares[0, place] if known[0] else np.nan},
            **{"n": counts[1, place], "share": shares[1, place] if known[1] else np.nan},
            "smd": smd if place == 0 else np.nan,
        }
        for place, level in enumerate(levels)
    ]


def _levels_apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mahalanobis distance of two vectors of shares, without the first level."""
    covariances = [np.diag(share[1:]) - np.outer(share[1:], share[1:]) for share in (one, other)]
    difference = other[1:] - one[1:]
    return float(np.sqrt(max(0.0, difference @ np.linalg.pinv(sum(covariances) / 2) @ difference)))


def _tell_apart(development: pd.DataFrame, here: pd.DataFrame, of: str, seed: int) -> dict[str, object]:
    """Whether a random forest tells the patients of two cohorts apart by their numbers, in cross-validation.

    ``of, n_development, n, auc, auc_low, auc_high, first`` (the three characteristics that it uses most) and ``note``.
    An AUC near 0.5 says that they look alike, one of 1 that the cohort of every patient shows.
    """
    both_know = development.notna().any() & here.reindex(columns=development.columns).notna().any()
    columns = list(development.columns[both_know])
    row: dict[str, object] = {"of": of, "n_development": len(development), "n": len(here)}
    if min(len(development), len(here)) < _LEAST or not columns:
        fewer = f"{len(development)} and {counted(len(here), 'patient')} with {counted(len(columns), 'shared column')}"
        return row | {"note": f"not tried ({fewer}; {_LEAST} patients of either cohort are needed)"}
    both = pd.concat([development[columns], here[columns]], ignore_index=True).astype(float)
    truth = np.repeat([0, 1], [len(development), len(here)])
    forest = RandomForestClassifier(200, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(forest, both, truth, cv=folds, method="predict_proba")[:, 1]
    area = auc_ci(truth, scores)
    first = pd.Series(forest.fit(both, truth).feature_importances_, columns).nlargest(3)
    limits = {"auc": area.value, "auc_low": area.low, "auc_high": area.high}
    return row | limits | {"first": ", ".join(first.index), "note": area.note}
