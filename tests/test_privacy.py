"""Pseudonyms: the same for one key, another for each; names, paths and further columns stay with the user."""

import os
import stat
import sys
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from fibrolib.cli import main
from fibrolib.cohort import read_cohort
from fibrolib.diagnostics import INDICES, ColumnSpec, Diagnostic
from fibrolib.errors import CohortError, FibrolibError
from fibrolib.privacy import (
    VARIABLE,
    find_table,
    is_reference,
    open_cohort,
    pseudonym,
    read_key,
    register,
    revealed,
    who_is_who,
)
from fibrolib.study import Request, Study
from fibrolib.study.own_cohort import request_for_copies
from fibrolib.video import read_video, write_image
from fibrolib.video.clips import _clip_digest

NAMES = [f"Quast, Wilhelmine {number}" for number in range(16)]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A private folder that is not there yet."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own"))
    return tmp_path / "own"


def write_table(folder, patients=NAMES, **further):
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, name in enumerate(patients):
        video = folder / f"{name.split(',')[0]}-{number}.MP4"
        video.write_bytes(b"x")
        rows.append({"patient_id": name, "video": video.name, "stage": number % 2 * 3, "age": 40 + number, **further})
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


def opened(table, **options):
    return open_cohort(register(table, **options))


def test_columns_that_a_diagnostic_declares_are_kept_and_no_others(own, tmp_path):
    table = write_table(tmp_path, ha=12.5, birth_year=1943)
    marker = Diagnostic("mine", "Mine", columns={"ha": ColumnSpec("ng/mL", 1, 5000)}, formula=abs)
    hidden = open_cohort(register(table), diagnostics=[*INDICES, marker])
    assert hidden.patients()["ha"].tolist() == [12.5] * len(NAMES)
    assert "birth_year" not in hidden.table
    assert "ha" not in opened(table).table


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_pseudonyms_by_an_independent_hmac():
    """Made with `printf 'p\\0Jane' | openssl dgst -sha256 -hmac secret -binary | base32`."""
    assert pseudonym(b"secret", "p", "Jane") == "p-rbnztyylfm"


def test_pseudonyms_differ_by_name_kind_and_key():
    made = {pseudonym(key, kind, name) for key in (b"a", b"b") for kind in ("p", "f") for name in ("Jane", "jane")}
    assert len(made) == 8
    assert len({pseudonym(b"a", "p", str(number)) for number in range(20_000)}) == 20_000


def test_the_key_is_made_once_for_its_owner_alone(own):
    key = read_key()
    assert len(key) == 32
    assert read_key() == key
    assert permissions(own / "key") == 0o600
    assert permissions(own) == 0o700
    assert [path.name for path in own.iterdir()] == ["key"]


def test_a_key_that_others_may_read_or_that_is_damaged_is_refused(own):
    read_key()
    (own / "key").chmod(0o640)
    with pytest.raises(FibrolibError, match="chmod 600"):
        read_key()
    (own / "key").chmod(0o600)
    (own / "key").write_text("abc")
    with pytest.raises(FibrolibError, match="no key"):
        read_key()
    assert (own / "key").read_text() == "abc"


def test_a_private_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "own"))
    with pytest.raises(FibrolibError, match=VARIABLE):
        read_key()


def test_nothing_of_the_table_but_what_the_study_needs(own, tmp_path):
    table = write_table(tmp_path / "Quast 1943", birth_date="17.09.1943", name="Wilhelmine")
    known, hidden = read_cohort(table), opened(table)
    assert is_reference(hidden.name)
    assert hidden.root.is_relative_to(own)
    shown = hidden.table.to_csv() + repr(hidden.patients().to_dict())
    for word in ("Quast", "Wilhelmine", "1943", "birth"):
        assert word not in shown
    kept = ["stage", "age", "split"]
    pd.testing.assert_frame_equal(hidden.table[kept], known.table[kept])
    assert hidden.table["patient_id"].str.fullmatch(r"p-[a-z2-7]{10}").all()
    assert hidden.table["patient_id"].nunique() == len(NAMES)
    for mine, theirs in zip(hidden.patients()["videos"], known.patients()["videos"], strict=True):
        assert mine[0].suffix == ".mp4"
        assert mine[0].resolve() == theirs[0]


def test_dates_become_years_and_names_of_places_and_persons_numbers(own, tmp_path):
    dates = {"biopsy_date": "2019-09-17", "video_date": "30.09.2019"}
    names = {"centre": "St. Quast", "scanner": "Quast 9", "operator": "Wilhelmine"}
    table = write_table(tmp_path / "a", **dates, **names, aetiology="HBV", steatosis="S1", elf=9.5)
    rows = pd.read_csv(table)
    rows.loc[1, "centre"] = "Charité"
    rows.to_csv(table, index=False)
    hidden = opened(table)
    shown = hidden.table.to_csv()
    for word in ("Quast", "Wilhelmine", "Charit", "09-17", "30.09", "09-30"):
        assert word not in shown
    patients = hidden.patients()
    assert set(patients["biopsy_date"]) == set(patients["video_date"]) == {"2019"}
    assert set(patients["days_from_biopsy"]) == {13.0}
    assert patients["centre"].tolist() == ["centre 2", "centre 1", *["centre 2"] * 14]
    assert patients.iloc[0][["scanner", "operator"]].tolist() == ["scanner 1", "operator 1"]
    assert patients.iloc[0][["aetiology", "steatosis", "elf"]].tolist() == ["hepatitis B", 1.0, 9.5]
    listed = pd.read_csv(who_is_who(hidden.name))
    assert list(zip(listed["centre_in_run"], listed["centre"], strict=True))[:2] == [
        ("centre 2", "St. Quast"), ("centre 1", "Charité"),
    ]  # fmt: skip


def test_the_same_key_gives_the_same_cohort_and_another_key_another(own, tmp_path, monkeypatch):
    table = write_table(tmp_path / "a")
    first = opened(table)
    assert opened(table).digest() == first.digest()
    assert opened(write_table(tmp_path / "b")).table.equals(first.table)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "another"))
    other = opened(table)
    assert not set(other.table["patient_id"]) & set(first.table["patient_id"])
    assert other.name != first.name


def test_who_is_who_is_for_the_owner_alone(own, tmp_path):
    table = write_table(tmp_path / "a")
    hidden = opened(table)
    path = who_is_who(hidden.name)
    assert permissions(path) == 0o600
    listed = pd.read_csv(path)
    assert list(listed["patient_id"]) == NAMES
    assert list(listed["pseudonym"]) == list(hidden.table["patient_id"])
    assert list(listed["video_in_run"]) == list(hidden.table["video"])
    for place in [folder for folder in own.rglob("*") if folder.is_dir() and not folder.is_symlink()]:
        assert permissions(place) == 0o700, place


def test_pseudonyms_of_the_user_are_kept_but_not_the_names_of_files(own, tmp_path):
    table = write_table(tmp_path / "a", [f"A{number:02d}" for number in range(16)])
    hidden = opened(table, pseudonymous=True)
    assert list(hidden.table["patient_id"]) == [f"A{number:02d}" for number in range(16)]
    assert hidden.table["video"].str.fullmatch(r"f-[a-z2-7]{10}\.mp4").all()
    assert hidden.name != opened(table).name


def test_virtual_patients_are_left_as_they_are(own, tmp_path):
    virtual = [f"virtual-{number:03d}" for number in range(16)]
    table = write_table(tmp_path / "a", virtual)
    assert opened(table).table.equals(read_cohort(table).table)
    mixed = opened(write_table(tmp_path / "b", [*NAMES[:8], *virtual[8:]]))
    assert list(mixed.table["patient_id"][8:]) == virtual[8:]
    assert mixed.virtual
    assert "Quast" not in mixed.table.to_csv()


def test_an_ending_that_is_a_name_is_dropped(own, tmp_path):
    table = write_table(tmp_path / "a")
    (tmp_path / "a" / "Quast-0.MP4").rename(tmp_path / "a" / "Quast.Wilhelmine")
    table.write_text(table.read_text().replace("Quast-0.MP4", "Quast.Wilhelmine"))
    assert opened(table).table["video"][0].endswith(tuple("abcdefghijklmnopqrstuvwxyz234567"))
    assert "." not in opened(table).table["video"][0]


def test_pictures_of_a_folder_get_numbers_for_names(own, tmp_path):
    table = write_table(tmp_path / "a")
    folder = tmp_path / "a" / "Quast frames"
    folder.mkdir()
    for number in (10, 2, 1):
        write_image(folder / f"Quast_{number}.png", np.full((20, 20), 20 * number, np.uint8))
    (folder / "fps.txt").write_text("12")
    table.write_text(table.read_text().replace("Quast-0.MP4", "Quast frames"))
    (video,) = opened(table).patients()["videos"].iloc[0]
    assert sorted(path.name for path in video.iterdir()) == ["000001.png", "000002.png", "000003.png", "fps.txt"]
    read = read_video(video)
    assert read.fps == 12
    assert list(read.frames[:, 0, 0]) == [20, 40, 200]
    before = _clip_digest(video, {})
    assert _clip_digest(opened(table).patients()["videos"].iloc[0][0], {}) == before
    write_image(folder / "Quast_11.png", np.full((20, 20), 250, np.uint8))
    assert len(read_video(opened(table).patients()["videos"].iloc[0][0]).frames) == 4


def test_the_screen_shows_the_true_path_of_a_link(own, tmp_path):
    table = write_table(tmp_path / "Quast")
    video = opened(table).patients()["videos"].iloc[0][0]
    assert revealed(f"{video}: damaged. Not {video.parent}/other.") == (
        f"{tmp_path / 'Quast' / 'Quast-0.MP4'}: damaged. Not {video.parent}/other."
    )
    assert revealed("nothing") == "nothing"


def test_the_command_names_the_file_as_the_user_knows_it(own, tmp_path, monkeypatch, capsys):
    table = write_table(tmp_path / "Quast")
    command = ["fibrolib", "run", "--cohort", str(table), "--profile", "smoke", "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    told = capsys.readouterr()
    assert f"{table}: nothing was run" in told.err
    assert "Quast-" in told.err
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]


def test_references_are_resolved_for_the_user_alone(own, tmp_path, monkeypatch):
    table = write_table(tmp_path / "a")
    reference = register(table)
    assert find_table(reference)[0] == table
    assert register(table) == reference
    monkeypatch.setenv(VARIABLE, str(tmp_path / "another"))
    with pytest.raises(FibrolibError, match="known only to the user who ran the study"):
        open_cohort(reference)


def test_a_missing_table_is_said_before_anything_is_made(own, tmp_path):
    with pytest.raises(FibrolibError, match=r"none\.csv: there is no such cohort table"):
        register(tmp_path / "none.csv")
    assert not own.exists()


def test_the_private_folder_must_not_lie_in_the_run_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "run" / "own"))
    with pytest.raises(FibrolibError, match="which is made to be shared"):
        Study(Request(cohort=str(write_table(tmp_path / "a")), out=str(tmp_path / "run")))


def test_an_executed_copy_keeps_no_word_of_a_table_that_went_wrong(own, tmp_path, monkeypatch):
    """The user's own call names patients; a notebook's traceback stays in the run folder."""
    table = write_table(tmp_path / "a")
    run = tmp_path / "run"
    study = Study(Request(cohort=str(table), out=str(run)))
    study.folder.claim()
    copies = request_for_copies(study.request, study.reference, study.profile, study.folder)
    text = table.read_text()
    table.write_text(text.replace("Quast-3.MP4", "Quast-none.MP4"))
    with pytest.raises(CohortError, match="Quast-none"):
        _ = study.cohort
    (run / "notebooks").mkdir()
    monkeypatch.chdir(run / "notebooks")
    with pytest.raises(FibrolibError, match="can no longer be read") as found:
        _ = Study(copies).cohort
    assert "Quast" not in str(found.value)
    assert found.value.__context__ is None
    table.write_text(text)
    assert Study(copies).cohort.table.equals(study.cohort.table)


def test_copies_carry_neither_path_nor_name(own, tmp_path):
    table = write_table(tmp_path / "Quast")
    profile = tmp_path / "Quast" / "mine.toml"
    profile.write_text((resources.files("fibrolib.study") / "profiles" / "smoke.toml").read_text())
    study = Study(Request(cohort=str(table), profile=str(profile), out=str(tmp_path / "Quast run")))
    copies = request_for_copies(study.request, study.reference, study.profile, study.folder)
    assert copies == Request(study.reference, "../profile/mine.toml", 2, 0, "..")
    assert (tmp_path / "Quast run" / "profile" / "mine.toml").read_text() == profile.read_text()
    assert study.folder.path == tmp_path / "Quast run"


def test_a_copy_finds_its_run_folder_wherever_that_is(own, tmp_path, monkeypatch):
    study = Study(Request(out=str(tmp_path / "run")))
    study.folder.claim()
    (tmp_path / "run" / "notebooks").mkdir()
    os.rename(tmp_path / "run", tmp_path / "moved")  # noqa: PTH104
    monkeypatch.chdir(tmp_path / "moved" / "notebooks")
    again = Study(request_for_copies(study.request, study.reference, study.profile, study.folder))
    assert again.folder.path == tmp_path / "moved"
    assert again.folder.key == study.folder.key
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FibrolibError, match="set 'out' to the run folder"):
        Study(request_for_copies(study.request, study.reference, study.profile, study.folder))
    assert not own.exists()


def test_a_disk_without_hard_links(own, monkeypatch):
    def no_links(*given, **named):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    assert read_key() == read_key()


def test_no_home_folder(monkeypatch):
    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in (VARIABLE, "HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(FibrolibError, match=f"No home folder .* Set {VARIABLE}"):
        read_key()
    assert revealed("a sentence") == "a sentence"
