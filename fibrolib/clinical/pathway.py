"""A pathway of tests before biopsy: whom each step lets go, sends to biopsy or passes on, and whom it misses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fibrolib.clinical.rates import _Rate, _rate, _rate_difference
from fibrolib.diagnostics import ZONES
from fibrolib.diagnostics.records import _unknown_zones
from fibrolib.inference import InferenceError
from fibrolib.inference.checks import _check_labels, _check_open_share, _check_order

_PER = 1000
_TOTALS = ("biopsies", "avoided", "missed")

_Booleans = NDArray[np.bool_]


def pathway_table(
    zones: pd.DataFrame,
    y_true: ArrayLike,
    *,
    prevalence: float | None = None,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Follow patients through the steps of a pathway.

    Parameters
    ----------
    zones : DataFrame, shape (n, steps)
        One column for each step, in order: what it says of each patient (`fibrolib.diagnostics.zones`), in any case.
        "low" ends the pathway without a biopsy, "high" leads to biopsy at once, all others ("indeterminate", a missing
        value, an age for which the test is not validated) to the next step, after the last one to biopsy.
    y_true, pos_label : array_like, shape (n,); label, optional
        1 where the biopsy found the condition, else 0; or two labels, and that of the condition.
    prevalence : float, optional
        Share with the condition in the population of interest; default that of the patients. Rates within either class
        are taken over to it, as if the spectrum of the disease were the same there.
    confidence_level : float

    Returns
    -------
    DataFrame
        One row for each step, then "biopsy". Per 1,000 patients who enter the pathway: ``entered, released, missed``
        (released, with the condition), ``to_biopsy, passed_on``; each with ``<name>_low, <name>_high``: Wilson's limits
        of both classes, joined (Zou & Donner 2008), the prevalence taken as known. A bootstrap would give a step that
        missed nobody the limits 0 to 0.
    """
    positive, share = _check_pathway(zones, y_true, prevalence, pos_label)
    weights, rows = (_PER * share, _PER * (1 - share)), []
    all_enter = _named("entered", (float(_PER),) * 3)  # no matter of chance
    for step, here, low, high in _walk(zones):
        events = {"entered": here, "released": low, "missed": low & positive, "to_biopsy": high}
        events["passed_on"] = here & ~low & ~high
        rows.append(_row(step, events, positive, weights, confidence_level))
    rows.append(_row("biopsy", {"entered": _sent_to_biopsy(zones)}, positive, weights, confidence_level))
    return pd.DataFrame([rows[0] | all_enter, *rows[1:]])


def compare_pathways(
    pathways: Mapping[str, pd.DataFrame],
    y_true: ArrayLike,
    *,
    prevalence: float | None = None,
    pos_label: object = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Biopsies and missed patients of several pathways of the same patients.

    Parameters
    ----------
    pathways : mapping of str to DataFrame
        The `zones` of each, as of :func:`pathway_table`; one without columns, such as ``pd.DataFrame()``, sends
        everybody to biopsy.
    y_true, prevalence, pos_label, confidence_level
        As in :func:`pathway_table`.

    Returns
    -------
    DataFrame
        One row for each pathway; per 1,000 patients ``biopsies, avoided`` (against biopsy of everybody) and ``missed``,
        and ``missed_share`` of those with the condition; then against the pathway of the row above, in the same
        patients, ``biopsies_change`` and ``missed_change``. Each with limits: Wilson's in either class, joined; of
        changes, too, where one pathway only adds steps to the other, and can only release more patients; else those of
        Bonett & Price.
    """
    if not isinstance(pathways, Mapping) or not pathways:
        raise ValueError("pathways must map names to the zones of each, for example {'FIB-4': zones}")
    _check_order(y_true, *pathways.values())
    rows, before, above = [], None, None
    for name, zones in pathways.items():
        if isinstance(zones, pd.DataFrame) and zones.shape == (0, 0):
            zones = pd.DataFrame(index=y_true.index if isinstance(y_true, pd.Series) else range(np.size(y_true)))
        positive, share = _check_pathway(zones, y_true, prevalence, pos_label)
        weights, biopsied = (_PER * share, _PER * (1 - share)), _sent_to_biopsy(zones)
        events = dict(zip(_TOTALS, (biopsied, ~biopsied, ~biopsied & positive), strict=True))
        row = _row(name, events, positive, weights, confidence_level)
        row |= _named("missed_share", _rate(positive, ~biopsied, (1.0, 0.0), confidence_level))
        if zones.shape[1] == 0:  # nobody is released, whoever the patients are
            row |= {f"{event}{end}": row[event] for event in (*_TOTALS, "missed_share") for end in ("_low", "_high")}
        if before is not None:
            nested = _begins_with(zones, above), _begins_with(above, zones)
            for event, of in {"biopsies": (-weights[0], -weights[1]), "missed": (weights[0], 0.0)}.items():
                change = _change(positive, before, biopsied, of, nested, confidence_level)
                row |= _named(f"{event}_change", change)
        rows.append(row)
        before, above = biopsied, zones
    return pd.DataFrame(rows).rename(columns={"step": "pathway"})


def _begins_with(zones: pd.DataFrame, first: pd.DataFrame) -> bool:
    """Whether the first steps of a pathway say what those of another say, whatever they are called."""
    pairs = zip(first, zones, strict=False)
    return first.shape[1] <= zones.shape[1] and all(np.array_equal(_said(first[a]), _said(zones[b])) for a, b in pairs)


def _change(
    positive: _Booleans,
    before: _Booleans,
    now: _Booleans,
    weights: tuple[float, float],
    nested: tuple[bool, bool],
    level: float,
) -> _Rate:
    """How many more patients are released, in units of `weights`; `nested`: steps were only added, or only dropped."""
    adds, drops = nested
    if adds and drops:  # the same pathway
        return 0.0, 0.0, 0.0
    if adds or drops:
        released, side = (before & ~now, 1) if adds else (now & ~before, -1)
        return _rate(positive, released, tuple(side * weight for weight in weights), level)
    return _rate_difference(positive, ~now, ~before, weights, level)


def _check_pathway(
    zones: pd.DataFrame, y_true: ArrayLike, prevalence: float | None, pos_label: object
) -> tuple[_Booleans, float]:
    """Truth, and the prevalence."""
    if not isinstance(zones, pd.DataFrame) or zones.columns.has_duplicates:
        raise InferenceError("zones must be a DataFrame with one column for each step, each of its own name")
    if "biopsy" in zones:
        raise InferenceError("a step is called 'biopsy', as the end of every pathway is: give it another name")
    numbers = [step for step in zones if zones[step].notna().any() and pd.api.types.is_numeric_dtype(zones[step])]
    if numbers:
        raise InferenceError(f"step '{numbers[0]}' holds numbers: give what a cut-off says of them, by zones()")
    unknown = _unknown_zones(zone for step in zones for zone in _said(zones[step]))
    if unknown:
        raise InferenceError(f"zones must be {', '.join(ZONES)}, or missing; they hold {', '.join(map(repr, unknown))}")
    _check_order(y_true, zones)
    positive = _check_labels(y_true, least=1, pos_label=pos_label)
    if len(positive) != len(zones):
        raise InferenceError(f"y_true has {len(positive)} entries: give one for each of the {len(zones)} patients")
    return positive, float(positive.mean()) if prevalence is None else _check_open_share(prevalence, "prevalence")


def _said(zone: pd.Series) -> NDArray[np.object_]:
    """The zone of each patient in lower case, "missing" where there is none."""
    return zone.astype(object).where(zone.notna(), "missing").astype(str).str.strip().str.casefold().to_numpy()


def _walk(zones: pd.DataFrame) -> Iterator[tuple[str, _Booleans, _Booleans, _Booleans]]:
    """Each step, who enters it, whom it releases and whom it sends to biopsy."""
    here = np.ones(len(zones), dtype=bool)
    for step in zones:
        said = _said(zones[step])
        low, high = (here & (said == side) for side in ("low", "high"))
        yield step, here, low, high
        here = here & ~low & ~high


def _sent_to_biopsy(zones: pd.DataFrame) -> _Booleans:
    released = [low for _, _, low, _ in _walk(zones)]
    return ~np.any(released, axis=0) if released else np.ones(len(zones), dtype=bool)


def _row(
    name: str, events: Mapping[str, _Booleans], positive: _Booleans, weights: tuple[float, float], level: float
) -> dict[str, object]:
    row: dict[str, object] = {"step": name}
    for event, happened in events.items():
        of = (weights[0], 0.0) if event == "missed" else weights
        row |= _named(event, _rate(positive, happened, of, level))
    return row


def _named(name: str, rate: _Rate) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), rate, strict=True))
