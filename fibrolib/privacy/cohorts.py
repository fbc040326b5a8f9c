"""Cohorts behind pseudonyms: what the private folder knows of a table, and what the rest of the code gets to see."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fibrolib.cohort import Cohort, read_cohort
from fibrolib.cohort.columns import FILES, OPTIONAL, REQUIRED, VIRTUAL_PREFIX
from fibrolib.cohort.schema import absolute
from fibrolib.diagnostics import INDICES, Diagnostic
from fibrolib.errors import FibrolibError
from fibrolib.privacy.links import link
from fibrolib.privacy.private import private_folder, read_key, write_private
from fibrolib.privacy.pseudonyms import pseudonym

__all__ = ["find_table", "is_reference", "may_leave_folder", "open_cohort", "register", "who_is_who"]

_REFERENCE = re.compile(r"cohort-[a-z2-7]{10}")


def register(table: str | Path, *, pseudonymous: bool = False, outside: bool = False) -> str:
    """Note a cohort table in the private folder, and return the reference that stands for its path elsewhere.

    A run, its executed notebooks and its report know a cohort by this reference alone: a path, or the name of a
    folder, may hold a patient's name or a date.

    Parameters
    ----------
    table : str or Path
        The table.
    pseudonymous : bool
        Whether ``patient_id`` holds pseudonyms already, which are then kept.
    outside : bool
        Whether the table may name files outside its folder.

    Returns
    -------
    str
        For instance ``cohort-k3v7q2mtza``: the same for the same path, choice and key.

    Raises
    ------
    FibrolibError
        There is no such table, or the private folder cannot be used.
    """
    path = absolute(Path(table))
    if not path.is_file():
        raise FibrolibError(
            f"{path}: there is no such cohort table. Expected a CSV or Parquet file, one row per video."
        )
    entry = json.dumps({"table": str(path), "pseudonymous": pseudonymous, "outside": outside}, indent=2)
    reference = pseudonym(read_key(), "cohort", entry)
    card = _card(reference)
    if not card.exists():
        write_private(card, entry + "\n")
    return reference


def is_reference(text: str) -> bool:
    """Whether a text has the form of a reference."""
    return _REFERENCE.fullmatch(text) is not None


def find_table(reference: str) -> Path:
    """The path of the table that a reference stands for.

    Raises
    ------
    FibrolibError
        If this user's private folder does not know the reference.
    """
    return Path(_entry(reference)["table"])


def may_leave_folder(reference: str) -> bool:
    """Whether the table that a reference stands for may name files outside its folder.

    Raises
    ------
    FibrolibError
        As `find_table`.
    """
    return _entry(reference)["outside"]


def open_cohort(reference: str, cutoff: int = 2, *, diagnostics: Sequence[Diagnostic] = INDICES) -> Cohort:
    """Read and check a cohort, and put pseudonyms in the place of all that may tell who a patient is.

    ``patient_id`` becomes a keyed hash, files get names of the same kind (links in the private folder), the cohort is
    called by its reference, and columns that the study does not read are left out. Who is who is written to the private
    folder. A cohort of virtual patients only is left as it is.

    Parameters
    ----------
    reference : str
        From `register`.
    cutoff : int
        As for `read_cohort`.
    diagnostics : sequence of Diagnostic
        Indices; the columns that they declare stay.

    Raises
    ------
    FibrolibError
        As `find_table` and `read_cohort`. The message is for the user, with the names of the table.
    """
    entry, key = _entry(reference), read_key()
    known = read_cohort(entry["table"], cutoff, outside=entry["outside"], diagnostics=diagnostics)
    if known.table["patient_id"].str.startswith(VIRTUAL_PREFIX).all():
        return known
    place = _card(reference).parent / "files"
    table = known.table[list(dict.fromkeys([*REQUIRED, *OPTIONAL, *known.numbers]))].copy()
    if not entry["pseudonymous"]:
        table["patient_id"] = _pseudonyms(key, known.table["patient_id"])
    for column in FILES:
        table[column] = [_linked(key, known.root, name, place) for name in known.table[column]]
    _write_who_is_who(reference, known.table, table)
    return Cohort(reference, place, table, known.numbers)


def who_is_who(reference: str) -> Path:
    """Where the list of patients and files by pseudonym is; written by `open_cohort` for its owner alone."""
    return _card(reference).with_name("who-is-who.csv")


def _card(reference: str) -> Path:
    return private_folder() / "cohorts" / reference / "cohort.json"


def _entry(reference: str) -> dict:
    try:
        return json.loads(_card(reference).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FibrolibError(
            f"The cohort '{reference}' is known only to the user who ran the study, on the computer where that was "
            "(names and paths are not kept in a run). Set 'cohort' to the path of the table."
        ) from error


def _pseudonyms(key: bytes, patients: pd.Series) -> list[str]:
    hidden = {name: pseudonym(key, "p", name) for name in patients if not name.startswith(VIRTUAL_PREFIX)}
    if len(set(hidden.values())) < len(hidden):
        raise FibrolibError("Two patients get the same pseudonym, by a rare chance. Write one of the ids differently.")
    return [hidden.get(name, name) for name in patients]


def _linked(key: bytes, root: Path, name: str | None, place: Path) -> str | None:
    return None if name is None else link(root / name, place, pseudonym(key, "f", name))


def _write_who_is_who(reference: str, known: pd.DataFrame, hidden: pd.DataFrame) -> None:
    columns = ["patient_id", *FILES]
    table = hidden[columns].rename(columns=lambda name: "pseudonym" if name == "patient_id" else f"{name}_in_run")
    write_private(who_is_who(reference), pd.concat([table, known[columns]], axis=1).to_csv(index=False))
