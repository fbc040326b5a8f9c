from importlib import resources

import pandas as pd
import pytest

from fibrolib.privacy import register
from fibrolib.study import Request, Study
from fibrolib.study.own_cohort import _cohort_label


def write_table(path, ids=("a1", "a2", "a3")):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"patient_id": name, "video": f"{name}.mp4", "stage": 0} for name in ids]
    pd.DataFrame(rows, columns=["patient_id", "video", "stage"]).to_csv(path, index=False)
    return path


def run_folder(**asked):
    return Study(Request(**asked)).folder.path


def test_the_name_tells_what_is_asked_for():
    assert run_folder().name == "virtual-quick-cutoff2-seed0"
    assert run_folder(profile="smoke", cutoff=3, seed=7).name == "virtual-smoke-cutoff3-seed7"
    assert run_folder().parent.name == "reports"


def test_an_own_folder_is_called_after_the_cohort(tmp_path):
    name = run_folder(cohort=str(write_table(tmp_path / "my" / "cohort.csv"))).name
    assert name.startswith("my-")
    assert name.endswith("-quick-cutoff2-seed0")
    name = run_folder(cohort=str(write_table(tmp_path / "my" / "hepatitis.csv"))).name
    assert name.startswith("hepatitis-")


def test_requests_that_differ_never_meet(tmp_path):
    smoke = (resources.files("fibrolib.study") / "profiles" / "smoke.toml").read_text()
    profiles = []
    for folder, text in (("a", smoke), ("b", smoke.replace("size = 48", "size = 32"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "smoke.toml").write_text(text)
        profiles.append(str(tmp_path / folder / "smoke.toml"))
    tables = [str(write_table(tmp_path / place / "my" / "cohort.csv")) for place in ("a", "b")]
    references = [register(tables[0], pseudonymous=True), register(tables[0], outside=True)]
    folders = [
        run_folder(cohort=cohort, profile=profile, cutoff=cutoff, seed=seed)
        for cohort in ("", *tables, *references)
        for profile in ("smoke", *profiles)
        for cutoff in (1, 2)
        for seed in (0, 1)
    ]
    assert len(set(folders)) == len(folders) == 60


@pytest.mark.parametrize(
    "place",
    [
        "doe_jane/cohort.csv",
        "Doe/cohort.csv",
        "DOE^JANE/cohort.csv",
        "liver Quast/cohort.csv",
        "liver/1957-03-21.csv",
        "liver/21.3.57.csv",
        "liver/4711081.csv",
        "王芳/cohort.csv",
        "liver/a2-second.csv",
    ],
)
def test_a_name_that_could_tell_who_somebody_is_is_not_used(tmp_path, place):
    table = write_table(tmp_path / place, ids=("a2-second", "b1", "b2"))
    assert _cohort_label(table) == ""
    name = run_folder(cohort=str(table)).name
    assert name == f"{register(table)}-quick-cutoff2-seed0"


@pytest.mark.parametrize(
    ("place", "label"),
    [
        ("my/cohort.csv", "my"),
        ("lung-video/cohort.csv", "lung-video"),
        ("x/Liver cohort 2.csv", "liver-cohort-2"),
        ("liver study/cohort.csv", "liver-study"),
        ("munich_2024/cohort.csv", "munich-2024"),
        ("x/HBV cohort.csv", "hbv-cohort"),
    ],
)
def test_plain_names_stay(tmp_path, place, label):
    assert _cohort_label(write_table(tmp_path / place)) == label


def test_the_folder_of_one_patient_may_be_called_after_her(tmp_path):
    assert _cohort_label(write_table(tmp_path / "meier" / "cohort.csv", ids=("x1",))) == ""
    assert _cohort_label(write_table(tmp_path / "empty" / "cohort.csv", ids=())) == ""


def test_this_users_name_is_somebodys(tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "quast")
    assert _cohort_label(write_table(tmp_path / "quast" / "cohort.csv")) == ""
