"""What a run leaves of its cohort: enough to compare and to find shared patients, and no patient."""

import json

import pandas as pd
import pytest

from fibrolib.checking import check_cohort
from fibrolib.errors import FibrolibError
from fibrolib.privacy import register
from fibrolib.study import Request, Study
from fibrolib.validation import describe_development, development
from fibrolib.validation.development import _read_development, _refuse_known_patients


def test_summaries_are_those_of_the_table(finished_run):
    about = _read_development(finished_run).about
    table = pd.read_csv(finished_run.parent / "home" / "cohort.csv")
    assert about["numbers"]["age"]["mean"] == pytest.approx(table["age"].mean())
    assert about["numbers"]["age"]["sd"] == pytest.approx(table["age"].std())
    assert about["categories"]["sex"] == table["sex"].value_counts().to_dict()
    assert (about["cutoff"], about["metavir"], about["virtual"], about["stages"]) == (2, True, False, 5)


def test_nothing_tells_who_a_patient_is(finished_run):
    place = finished_run / "development"
    for name in pd.read_csv(finished_run.parent / "home" / "cohort.csv")["patient_id"]:
        for file in place.iterdir():
            assert f'"{name}"' not in file.read_text()
    assert "patient_id" not in (place / "features.csv").read_text()
    features = _read_development(finished_run).features
    assert features["brightness"].is_monotonic_increasing  # not in the order of any table
    assert set(_read_development(finished_run).about["patients"]) == set(
        pd.read_csv(finished_run / "predictions.csv")["patient_id"]
    )


def test_what_the_check_has_decoded_is_not_decoded_again(finished_run, tmp_path, monkeypatch):
    table = finished_run.parent / "home" / "cohort.csv"
    profile = finished_run.parent / "tiny.toml"
    study = Study(Request(cohort=str(table), profile=str(profile), out=str(tmp_path / "again")))
    surveys = check_cohort(table, 2).surveys
    monkeypatch.setattr(development, "survey_video", lambda path: pytest.fail(f"{path} is decoded again"))
    describe_development(study, lambda results, total: results, surveys)
    for name in ("features", "prints"):
        before, again = (folder / "development" / f"{name}.csv" for folder in (finished_run, tmp_path / "again"))
        assert before.read_bytes() == again.read_bytes()


def test_numbers_of_patients_go_with_the_cache(finished_run, tmp_path):
    development = _read_development(finished_run)
    assert len(development.numbers) == 40
    moved = type(development)(**{**vars(development), "folder": tmp_path})
    assert len(moved.numbers) == 0


def test_a_run_of_an_earlier_version_is_refused(tmp_path):
    with pytest.raises(FibrolibError, match="no finished run, or an earlier version"):
        _read_development(tmp_path)


def test_a_damaged_one_is_refused(finished_run, tmp_path):
    (tmp_path / "development").mkdir()
    (tmp_path / "development" / "cohort.json").write_text(json.dumps({}))
    with pytest.raises(FibrolibError, match="damaged"):
        _read_development(tmp_path)


def write_table(folder, names):
    for number, _ in enumerate(names):
        (folder / f"{number}.mp4").touch()
    rows = [{"patient_id": name, "video": f"{number}.mp4", "stage": number % 5} for number, name in enumerate(names)]
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return register(folder / "cohort.csv")


def test_known_ids_are_refused_as_they_are_and_as_pseudonyms(finished_run, tmp_path):
    known = _read_development(finished_run).about["patients"]
    assert all(name.startswith("p-") for name in known)
    reference = write_table(tmp_path, ["P03", "Q01", "Q02"])
    with pytest.raises(FibrolibError, match=r"1 patient of this cohort bear ids .*\(P03\)"):
        _refuse_known_patients(reference, known)
    with pytest.raises(FibrolibError, match=r"\(Q02\)"):
        _refuse_known_patients(reference, ["Q02"])  # of a run that kept pseudonyms as ids
    _refuse_known_patients(reference, known[10:])


def test_numbers_of_virtual_patients_are_nobodys_ids(tmp_path):
    _refuse_known_patients(write_table(tmp_path, ["virtual-001", "virtual-002"]), ["virtual-001"])
