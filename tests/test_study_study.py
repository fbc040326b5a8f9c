"""Opening a study."""

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from fibrolib.errors import CohortError
from fibrolib.study import open_study


def test_opening_a_study_and_its_banner_simulate_nothing(tmp_path):
    study = open_study(profile="smoke", out=str(tmp_path / "run"))
    assert "Virtual cohort" in study.banner
    assert not list(tmp_path.rglob("*"))


def test_too_few_virtual_patients_of_a_class_are_found_before_any_is_simulated(tmp_path):
    study = open_study(profile="smoke", cutoff=1, seed=2, out=str(tmp_path / "run"))
    said = "virtual cohort of 24 patients with seed 2: 1 problem\n.*5 of 24 patients are not ≥ F1: too few for training"
    with pytest.raises(CohortError, match=said):
        _ = study.cohort
    assert not list(tmp_path.rglob("*"))


def test_a_notebook_that_opens_a_study_shows_interrupts_in_one_sentence(tmp_path, monkeypatch):
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    open_study(profile="smoke", out=str(tmp_path / "run"))
    assert shell.custom_exceptions == (KeyboardInterrupt,)


@pytest.fixture
def cohort(tmp_path):
    """A table of 40 patients with one video each, and another video of the first."""
    rows = [{"patient_id": f"mine-{n}", "video": f"{n}.mp4", "stage": n % 5} for n in range(40)]
    rows.append({"patient_id": "mine-0", "video": "more.mp4", "stage": 0})
    for row in rows:
        (tmp_path / row["video"]).touch()
    pd.DataFrame(rows).to_csv(tmp_path / "cohort.csv", index=False)
    return str(tmp_path / "cohort.csv")


def test_the_banner_says_whose_the_patients_are_and_where_results_are_kept(cohort, tmp_path, monkeypatch):
    study = open_study(cohort, "quick", out=str(tmp_path / "run"))
    owner = f"> Cohort **{study.reference}**: 40 patients, 41 videos."
    assert study.banner == f"{owner}\n>\n> Results are stored in `{tmp_path / 'run'}`."
    monkeypatch.setenv("FIBROLIB_PROGRESS", "0")  # executed copies name no place
    assert study.banner == owner


def test_the_banner_of_a_test_of_the_installation_says_so_first(cohort, tmp_path):
    first, empty, then, *_ = open_study(cohort, "smoke", out=str(tmp_path / "run")).banner.split("\n")
    assert first == "> **A test of the installation: its numbers mean nothing.**"
    assert empty == ">"
    assert then.startswith("> Cohort **")


@pytest.mark.parametrize("given", [False, True])
def test_the_record_says_whose_split_it_is(cohort, tmp_path, given):
    table = pd.read_csv(cohort)
    if given:
        number = table["patient_id"].str.removeprefix("mine-").astype(int)
        table["split"] = number.map(lambda n: "train" if n < 20 else "validation" if n < 30 else "test")
        table.to_csv(cohort, index=False)
    assert open_study(cohort, "quick", out=str(tmp_path / "run")).description()["own_split"] is given
