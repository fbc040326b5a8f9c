"""One record per diagnostic: all that the rest of the package asks of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from fibrolib.diagnostics.classifier import IndexClassifier
from fibrolib.diagnostics.columns import AGE, ALT, AST, PLATELETS, STIFFNESS, ColumnSpec
from fibrolib.diagnostics.cutoffs import PublishedCutoff
from fibrolib.diagnostics.formulae import apri, fib4
from fibrolib.errors import FibrolibError

__all__ = ["APRI", "BUILT_IN", "FIB4", "INDICES", "SWE", "Diagnostic", "DiagnosticError", "tabulate_cutoffs"]


class DiagnosticError(FibrolibError, ValueError):
    """A record of a diagnostic that cannot be used; the message names the diagnostic."""


@dataclass(frozen=True, eq=False)
class Diagnostic:
    """A diagnostic of the study: an index, which reads numbers of the cohort table, or a net, which reads videos.

    Parameters
    ----------
    name : str
        Its name in tables and files: lower-case letters, digits and ``_``.
    label : str
        Its name for readers.
    kind : {'index', 'net'}
        Which of the two it is.
    colour : str
        Its colour in figures, ``#RRGGBB``; empty: a spare one.
    columns : mapping of str to ColumnSpec
        Of an index: the columns of the cohort table that it reads.
    formula : callable or None
        Of an index: gets one array per column, in their order, and returns positive numbers. A logistic curve maps
        them to a probability (`IndexClassifier`).
    estimator : estimator or None
        Of an index, in place of a formula: a scikit-learn classifier or pipeline with ``predict_proba``, not fitted.
    network : callable or None
        Of a net of your own: a subclass of `fibrolib.nets.ClipNetwork`, or a function that returns one. It is called
        with the number of stages and the options of the profile. The profile names it as ``architecture = "<name>"``.
    direction : {1, -1}
        Of a formula: 1 where high values go with high stages, -1 where low ones do.
    cutoffs : tuple of PublishedCutoff
        Published cut-offs of a formula; the first of a stage is the default.
    citation : str
        Where it was published.

    Raises
    ------
    DiagnosticError
        If one of these is of another form, or one that the kind needs is missing.
    """

    name: str
    label: str
    kind: str = "index"
    colour: str = ""
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    formula: Callable[..., ArrayLike] | None = None
    estimator: BaseEstimator | None = None
    network: Callable[..., Any] | None = None
    direction: int = 1
    cutoffs: tuple[PublishedCutoff, ...] = ()
    citation: str = ""

    def __post_init__(self) -> None:
        for fault in _faults(self):
            raise DiagnosticError(f"The diagnostic '{self.name}': {fault}")

    def classifier(self, cutoff: int = 2) -> BaseEstimator:
        """A classifier of ``stage >= cutoff``, not fitted, for `fibrolib.learning.evaluate`.

        Parameters
        ----------
        cutoff : int
            Lowest stage that counts as diseased.
        """
        if self.formula is not None:
            reads = {"name": self.label, "direction": self.direction}
            return IndexClassifier(self.formula, tuple(self.columns), **reads, cutoff=cutoff)
        estimator = clone(self.estimator)
        return estimator.set_params(cutoff=cutoff) if "cutoff" in estimator.get_params(deep=False) else estimator

    def published_cutoff(self, cutoff: int = 2, *, population: str = "") -> PublishedCutoff:
        """The published cut-off for a stage.

        Parameters
        ----------
        cutoff : int
            Lowest stage that counts as diseased.
        population : str
            Word that the population must contain, for example ``"fatty"``; empty: the first one listed.

        Returns
        -------
        PublishedCutoff
            Of the nearest stage for which one was published (the lower of two): compare its `stage` with `cutoff`.

        Raises
        ------
        DiagnosticError
            There is none, or none for this population.
        """
        listed = [published for published in self.cutoffs if population in published.population]
        if not listed:
            known = "; ".join(dict.fromkeys(published.population for published in self.cutoffs)) or "none at all"
            wanted = f" for '{population}'" if population else ""
            raise DiagnosticError(f"{self.label} has no published cut-off{wanted}; there are: {known}.")
        return min(listed, key=lambda published: (abs(published.stage - cutoff), published.stage))


def _faults(record: Diagnostic) -> Iterable[str]:
    """What is wrong with a record, as ends of a sentence."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(record.name)):
        yield "its name must be made of lower-case letters, digits and '_', and begin with a letter."
    if not (isinstance(record.label, str) and record.label):
        yield "its label must be a text, the name for readers."
    if record.kind not in ("index", "net"):
        yield f"its kind must be 'index' or 'net', not {record.kind!r}."
    if record.colour and not re.fullmatch(r"#[0-9A-Fa-f]{6}", record.colour):
        yield f"its colour must be written as #RRGGBB, such as #7F6A00, not {record.colour!r}."
    yield from _faults_of_index(record) if record.kind == "index" else _faults_of_net(record)


def _faults_of_index(record: Diagnostic) -> Iterable[str]:
    if not record.columns or not all(isinstance(spec, ColumnSpec) for spec in dict(record.columns).values()):
        yield "its columns must map at least one name of a column to a ColumnSpec."
    if (record.formula is None) == (record.estimator is None):
        yield "an index needs either a formula or an estimator."
    if record.estimator is not None and not hasattr(record.estimator, "predict_proba"):
        yield (
            f"{type(record.estimator).__name__} has no predict_proba, and probabilities are needed. Choose a "
            "classifier that gives them, or put it into sklearn.calibration.CalibratedClassifierCV."
        )
    if record.estimator is not None and (record.cutoffs or record.direction != 1):
        yield "cutoffs and direction are of a formula; an estimator has none."
    if record.direction not in (1, -1):
        yield f"its direction must be 1 (high values, high stages) or -1, not {record.direction!r}."
    if record.network is not None:
        yield "a network belongs to the kind 'net'."


def _faults_of_net(record: Diagnostic) -> Iterable[str]:
    if record.columns or record.formula is not None or record.estimator is not None or record.cutoffs:
        yield "columns, formula, estimator and cutoffs belong to the kind 'index'; a net reads videos."
    if record.network is not None and not callable(record.network):
        yield "its network must be a subclass of fibrolib.nets.ClipNetwork, or a function that returns one."


def _as_measured(values: ArrayLike) -> ArrayLike:
    """The index that is measured, and not computed."""
    return values


_CHB_602 = "chronic hepatitis B, 602 patients in 14 hospitals"
_CHB_327 = "chronic hepatitis B, 327 patients"

SWE = Diagnostic(
    "swe",
    "SWE",
    colour="#009E73",
    columns={"swe_kpa": STIFFNESS},
    formula=_as_measured,
    cutoffs=(
        PublishedCutoff(2, 6.85, 6.85, _CHB_602, "2D-SWE, multicentre"),
        PublishedCutoff(3, 7.43, 7.43, _CHB_602, "2D-SWE, multicentre"),
        PublishedCutoff(4, 8.03, 8.03, _CHB_602, "2D-SWE, multicentre"),
        PublishedCutoff(2, 6.9, 6.9, _CHB_327, "2D-SWE, second cohort"),
        PublishedCutoff(3, 7.9, 7.9, _CHB_327, "2D-SWE, second cohort"),
        PublishedCutoff(4, 9.4, 9.4, _CHB_327, "2D-SWE, second cohort"),
    ),
    citation="EFSUMB guideline 2013",
)

FIB4 = Diagnostic(
    "fib4",
    "FIB-4",
    colour="#E69F00",
    columns={"age": AGE, "ast": AST, "alt": ALT, "platelets": PLATELETS},
    formula=fib4,
    cutoffs=(  # for advanced fibrosis
        PublishedCutoff(3, 1.45, 3.25, "HIV/HCV co-infection", "Sterling 2006, Hepatology 43:1317"),
        PublishedCutoff(3, 1.30, 2.67, "fatty liver", "Shah 2009; from 65 years McPherson 2017", 2.0),
    ),
    citation="Sterling 2006, Hepatology 43:1317",
)

APRI = Diagnostic(
    "apri",
    "APRI",
    colour="#56B4E9",
    columns={"ast": AST, "platelets": PLATELETS},
    formula=apri,
    cutoffs=(
        PublishedCutoff(2, 0.5, 1.5, "chronic hepatitis C", "Wai 2003, Hepatology 38:518"),
        PublishedCutoff(4, 1.0, 2.0, "chronic hepatitis C", "Wai 2003, Hepatology 38:518"),
    ),
    citation="Wai 2003, Hepatology 38:518",
)

INDICES = (SWE, FIB4, APRI)
"""The indices of every study, in the order of tables."""

# Colours: Okabe & Ito 2008, eight that people with any colour vision tell apart.
BUILT_IN = (
    Diagnostic("cnn3d", "3D-CNN", "net", "#D55E00"),
    Diagnostic("cnn2d_lstm", "2D-CNN + LSTM", "net", "#CC79A7"),
    Diagnostic("cnn2d", "2D-CNN", "net", "#0072B2"),
    *INDICES,
)
"""All diagnostics of every study; what its nets are made of is said by the profile."""


def tabulate_cutoffs(diagnostics: Iterable[Diagnostic] = INDICES) -> pd.DataFrame:
    """Published cut-offs of several diagnostics.

    Parameters
    ----------
    diagnostics : iterable of Diagnostic
        Indices.

    Returns
    -------
    DataFrame
        ``index`` (name of the diagnostic), and the fields of `PublishedCutoff`.
    """
    rows = [{"index": each.name, **vars(published)} for each in diagnostics for published in each.cutoffs]
    return pd.DataFrame(rows, columns=["index", *PublishedCutoff.__dataclass_fields__])
