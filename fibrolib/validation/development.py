"""What a run leaves of its cohort so that its models can meet another one: summaries and fingerprints, no patients."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fibrolib import __version__
from fibrolib.cohort import inspect_cohort
from fibrolib.cohort.columns import VIRTUAL_PREFIX
from fibrolib.errors import FibrolibError, counted
from fibrolib.privacy import find_table, pseudonym, read_key
from fibrolib.study import Study
from fibrolib.validation.differences import _summarise_categories, _summarise_numbers
from fibrolib.validation.pictures import FEATURES, Track, _look_at_pictures
from fibrolib.video import VideoSurvey, survey_video

_FOLDER = "development"
"""Of a run: what is known of its cohort."""

_NUMBERS = "cache/numbers"


def describe_development(study: Study, track: Track, surveys: Mapping[str, VideoSurvey] | None = None) -> None:
    """Write ``development/`` of a run: `_look_at_pictures` without patients, and summaries of their numbers.

    `surveys` are those of files that the check has decoded, by their names in the table. ``cohort.json`` holds the ids
    of the patients as the run knows them: pseudonyms.
    """
    patients, folder = study.patients, study.folder
    surveyed = {}
    if surveys:  # the study's own paths are pseudonyms, links to the files of the table
        table, _ = find_table(study.reference)
        surveyed = {(table.parent / name).resolve(): name for name in surveys}

    def survey(path: Path) -> VideoSurvey:
        name = surveyed.get(path.resolve())
        return survey_video(path) if name is None else surveys[name]

    pictures = _look_at_pictures(patients, folder.cache, track, survey=survey)
    # In the order of brightness: a row must not be matched with the patient's in predictions.csv.
    folder.save_csv(f"{_FOLDER}/features", pictures["features"].sort_values(list(FEATURES)))
    folder.save_csv(f"{_FOLDER}/prints", pictures["prints"].sort_values("digest", kind="stable"))
    numbers = patients[list(study.cohort.numbers)]
    folder.save_csv(_NUMBERS, numbers.sort_values(list(numbers)))  # of single patients: in the part that is not shared
    about = {
        "fibrolib": __version__,
        "name": study.cohort.name,
        "virtual": study.cohort.virtual,
        "metavir": study.cohort.metavir,
        "cutoff": study.cutoff,
        "stages": int(patients["stage"].max()) + 1,
        "videos": len(study.cohort.table),
        "profile": study.profile.as_dict(),
        "caveat": study.profile.caveat,
        "patients": list(patients.index),
        "numbers": _summarise_numbers(numbers),
        "categories": _summarise_categories(patients),
    }
    folder.save_json(f"{_FOLDER}/cohort", about)


@dataclass(frozen=True, eq=False)
class Development:
    """The cohort that models were made in, as `describe_development` left it, and the results on its test patients."""

    folder: Path
    about: dict
    features: pd.DataFrame
    prints: pd.DataFrame
    metrics: pd.DataFrame  # of `summarise_models`

    @property
    def numbers(self) -> pd.DataFrame:
        """Numbers of single patients, where the run still has its cache; else no rows."""
        path = self.folder / f"{_NUMBERS}.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=list(self.about["numbers"]))


def _read_development(folder: Path) -> Development:
    """Read what a run left of its cohort; a FibrolibError where it is missing or damaged."""
    place = folder / _FOLDER
    if not (place / "cohort.json").is_file():
        raise FibrolibError(
            f"{folder}: this is no finished run, or an earlier version of fibrolib made it: there is no {_FOLDER}/"
            "cohort.json, which tells whom the models were made with. Name the folder of a finished run, or run the "
            "study again (what is kept is not computed again); a copied model needs the whole run folder but cache."
        )
    try:
        about = json.loads((place / "cohort.json").read_text("utf-8"))
        tables = [pd.read_csv(place / f"{name}.csv") for name in ("features", "prints")]
        return Development(folder, about, *tables, pd.read_csv(folder / "tables" / "metrics.csv"))
    except (OSError, ValueError) as error:
        raise FibrolibError(f"{place}: what a run left there is damaged ({error}). Run the study again.") from error


def _refuse_known_patients(reference: str, known: Collection[str]) -> None:
    """Raise where ids of a table are among `known` ones, as they are or as pseudonyms by this user's key.

    Ids of virtual patients are numbers that every simulation uses again: their pictures tell them apart.
    """
    table, outside = find_table(reference)
    names = inspect_cohort(table, outside=outside).table["patient_id"].dropna().unique()
    key, known = read_key(), set(known)
    shared = [
        name for name in names if not name.startswith(VIRTUAL_PREFIX) and known & {name, pseudonym(key, "p", name)}
    ]
    if shared:
        listed = ", ".join(shared[:5]) + ", ..." * (len(shared) > 5)
        raise FibrolibError(
            f"{table}: {counted(len(shared), 'patient')} of this cohort bear ids of the training cohort ({listed}). "
            "Patients that the models know cannot validate them: take them out. If they are other people, as two "
            "hospitals number theirs from 1, write something in front of the ids."
        )
