"""The private folder: key to the pseudonyms, where tables are, who is who, and links to files under other names.

It belongs to one user and is never part of a run.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import platformdirs

from fibrolib.atomic import UNFINISHED, finish
from fibrolib.cohort import Cohort, read_cohort, table_file
from fibrolib.cohort.columns import ELF, FILES, OPTIONAL, REQUIRED, VIRTUAL_PREFIX
from fibrolib.cohort.schema import absolute
from fibrolib.cohort.values import NAMED, coarsened
from fibrolib.diagnostics import INDICES, Diagnostic
from fibrolib.errors import FibrolibError
from fibrolib.system import claim_name, flush, link, others_may_read
from fibrolib.video.stills import RATE_FILE, SUFFIXES, pictures_in
from fibrolib.video.streams import VIDEO_SUFFIXES

VARIABLE = "FIBROLIB_PRIVATE"
"""Environment variable that names another folder."""

_KEY_BYTES = 32


def private_folder() -> Path:
    """Absolute path of the private folder: the user's data folder, or where ``FIBROLIB_PRIVATE`` says."""
    try:
        folder = os.environ.get(VARIABLE) or platformdirs.user_data_path("fibrolib", appauthor=False)
        return Path(folder).expanduser().resolve()
    except RuntimeError as error:
        raise FibrolibError(
            f"No home folder of yours is known on this computer. Set {VARIABLE} to a folder that is yours alone: it "
            "keeps the key to the pseudonyms."
        ) from error


def read_key() -> bytes:
    """The user's secret key, 32 random bytes, created at the first call; an error if others may read it."""
    path = private_folder() / "key"
    if not path.exists():
        _make_key(path)
    if others_may_read(path):
        raise FibrolibError(
            f"{path}: others may read the key to the pseudonyms. Run 'chmod 600 {path}', or, where the disk knows no "
            f"permissions, set {VARIABLE} to a folder on another."
        )
    text = path.read_bytes().decode("ascii", "replace").strip()
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * _KEY_BYTES}}}", text):
        raise FibrolibError(
            f"{path}: this is no key ({2 * _KEY_BYTES} hexadecimal digits). Put it back from a copy: a new one would "
            "give every patient another pseudonym."
        )
    return bytes.fromhex(text)


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner may read, whole or not at all; return its path."""
    temporary = _written_aside(path, text)
    try:
        finish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _make_key(path: Path) -> None:
    temporary = _written_aside(path, secrets.token_hex(_KEY_BYTES) + "\n")
    try:
        flush(temporary)
        claim_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _written_aside(path: Path, text: str) -> Path:
    """A file beside `path`; it and the folders created for it belong to their owner alone."""
    try:
        for folder in [*reversed(path.parent.parents), path.parent]:
            folder.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)  # mode 0600
    except OSError as error:
        raise FibrolibError(
            f"{path}: this private file cannot be written ({error.strerror}). "
            f"Set {VARIABLE} to a folder that is yours alone."
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write(text)
    return Path(name)


_LENGTH = 10
"""Letters: 50 bits, by which two of 10,000 patients get the same with a probability of 4 in 10⁸."""


def pseudonym(key: bytes, kind: str, name: str) -> str:
    """A keyed hash of a name (HMAC with SHA-256, RFC 2104) that is fit for a file name, such as ``p-k3v7q2mtza``.

    `kind` says what is named and stands in front; the same name of another kind gets another pseudonym.
    """
    code = hmac.new(key, f"{kind}\0{name}".encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    return f"{kind}-{base64.b32encode(code).decode().lower()[:_LENGTH]}"


MEDIA_SUFFIXES = frozenset({".json", ".npz", ".webp", *VIDEO_SUFFIXES, *SUFFIXES})
"""Endings that say what a file is. Any other may be a part of a name, as in ``Doe.Jane``, and is dropped."""

_LINKED = r"cohorts/cohort-[a-z2-7]{10}/files/f-[a-z2-7]{10}(\.\w+)?(/\d+\.\w+)?"


def _link(target: Path, place: Path, name: str) -> str:
    """Link a file, or a folder of pictures, which are numbered, as ``place/name``; return the name with its ending."""
    suffix = target.suffix.lower()
    path = place / (name + suffix if suffix in MEDIA_SUFFIXES else name)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        (_link_pictures if target.is_dir() else _link_file)(target, path)
    except OSError as error:
        raise FibrolibError(
            f"{path}: no link to {target} can be made here ({error.strerror}). Set {VARIABLE} to a folder on a disk "
            "that knows symbolic links (Windows: to one on the disk of the files)."
        ) from error
    return path.name


def revealed(text: str) -> str:
    """A message with the true path for every link in it: for the user's screen, never for a file of a run."""
    try:
        place = str(private_folder())
    except FibrolibError:  # no home folder, so no links
        return text
    return re.sub(rf"{re.escape(place)}/{_LINKED}", lambda match: _true_path(match[0]), text)


def _true_path(path: str) -> str:
    return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114 - str in, str out


def _is_link_to(target: Path, path: Path) -> bool:
    return path.exists() and path.samefile(target)


def _link_file(target: Path, path: Path) -> None:
    if _is_link_to(target, path):
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(FileExistsError):  # made by another process in between: the same link
        link(target, path)


def _link_pictures(folder: Path, path: Path) -> None:
    pictures = pictures_in(folder)
    wanted = {f"{number:06d}{picture.suffix.lower()}": picture for number, picture in enumerate(pictures, start=1)}
    if (folder / RATE_FILE).is_file():
        wanted[RATE_FILE] = folder / RATE_FILE
    there = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    if there == set(wanted) and all(_is_link_to(picture, path / name) for name, picture in wanted.items()):
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=UNFINISHED) as unfinished:
        new = Path(unfinished) / path.name
        new.mkdir(mode=0o700)
        for name, picture in wanted.items():
            link(picture, new / name)
        shutil.rmtree(path, ignore_errors=True)
        new.rename(path)


_REFERENCE = re.compile(r"cohort-[a-z2-7]{10}")


def register(table: str | Path, *, pseudonymous: bool = False, outside: bool = False) -> str:
    """Note a cohort table in the private folder, and return the reference that stands for its path elsewhere.

    A run knows a cohort by this reference alone, since a path may hold a patient's name or a date. `pseudonymous`:
    ``patient_id`` holds pseudonyms already; they are kept. `outside`: the table may name files outside its folder.
    """
    path = absolute(Path(table))
    if not table_file(path)[0].is_file():
        raise FibrolibError(
            f"{path}: there is no such cohort table. Expected a CSV, Excel (.xlsx) or Parquet file, one row per video."
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


def find_table(reference: str) -> tuple[Path, bool]:
    """The table that a reference stands for, and whether it may name files outside its folder.

    A FibrolibError if this user's folder does not know it.
    """
    entry = _entry(reference)
    return Path(entry["table"]), entry["outside"]


def open_cohort(reference: str, cutoff: int = 2, *, diagnostics: Sequence[Diagnostic] = INDICES) -> Cohort:
    """Read and check a cohort, and replace all that may tell who a patient is by pseudonyms.

    ``patient_id`` becomes a keyed hash, files get names of the same kind (links in the private folder), dates become
    years, names of centres, scanners and operators numbers (`coarsened`), and columns are dropped that neither the
    study nor `diagnostics` declare. A cohort of virtual patients only is left as it is.
    """
    entry, key = _entry(reference), read_key()
    cohort = read_cohort(entry["table"], cutoff, outside=entry["outside"], diagnostics=diagnostics)
    if cohort.table["patient_id"].str.startswith(VIRTUAL_PREFIX).all():
        return cohort
    place = _card(reference).parent / "files"
    table = coarsened(cohort.table[list(dict.fromkeys([*REQUIRED, *OPTIONAL, ELF, *cohort.numbers]))])
    if not entry["pseudonymous"]:
        table["patient_id"] = _pseudonyms(key, cohort.table["patient_id"])
    for column in FILES:
        table[column] = cohort.table[column].map(
            lambda name: _link(cohort.root / name, place, pseudonym(key, "f", name)), na_action="ignore"
        )
    columns = ["patient_id", *FILES, *NAMED]
    renamed = table[columns].rename(columns=lambda name: "pseudonym" if name == "patient_id" else f"{name}_in_run")
    write_private(who_is_who(reference), pd.concat([renamed, cohort.table[columns]], axis=1).to_csv(index=False))
    return Cohort(reference, place, table, cohort.numbers)


def who_is_who(reference: str) -> Path:
    """Where the list of patients and files by pseudonym is; `open_cohort` writes it for its owner alone."""
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
    pseudonyms = {name: pseudonym(key, "p", name) for name in patients if not name.startswith(VIRTUAL_PREFIX)}
    if len(set(pseudonyms.values())) < len(pseudonyms):
        raise FibrolibError("Two patients get the same pseudonym, by a rare chance. Write one of the ids differently.")
    return [pseudonyms.get(name, name) for name in patients]
